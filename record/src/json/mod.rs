//! A borrowed JSON value and the parser for it.
//!
//! The value keeps what the reference implementation (Python's `json`) keeps: insertion order,
//! integers of any size, floats apart from integers (`1.0` is not `1`), lone surrogates, and
//! `NaN`/`Infinity`. A repeated key keeps its first place and takes the last value.

mod error;
mod parse;
mod split;
#[cfg(test)]
mod tests;

pub use error::{ParseError, Problem};
pub(crate) use parse::next_special;
pub use parse::{Limits, Parsed, find_special, is_left_unparsed, parse, parse_embedded, parse_with};
pub use split::{Listing, Most, split, values_in};

use crate::charge;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// One JSON value, borrowing from the text it was parsed from where it can.
///
/// Who copies a value is charged for it ([`charge`]); where there is no room the copy is null.
#[derive(Debug, PartialEq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer outside `i64`: its decimal digits with an optional leading `-`, no leading zeros.
    BigInt(Cow<'a, str>),
    Float(f64),
    Str(Text<'a>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Text<'a>, Json<'a>)>),
}

/// A JSON string. Python's parser accepts lone surrogates (`"\ud800"`), which UTF-8 cannot hold;
/// such a string is kept in WTF-8, every other one is plain UTF-8. Copies are charged for as those of values.
#[derive(Debug, PartialEq, Eq)]
pub enum Text<'a> {
    Utf8(Cow<'a, str>),
    /// Bytes in WTF-8 that hold at least one lone surrogate (`ED A0..BF xx`).
    Wtf8(Box<[u8]>),
}

impl<'a> Json<'a> {
    /// An object of `entries`: a repeated key keeps its first place and takes the last value.
    #[must_use]
    pub fn object(entries: Vec<(Text<'a>, Json<'a>)>) -> Self {
        Self::Object(last_wins(entries).0)
    }

    /// A string that borrows `text`.
    #[must_use]
    pub fn str(text: &'a str) -> Self {
        Self::Str(Text::from(text))
    }

    /// The value under `key`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(entries) => {
                entries.iter().find(|(k, _)| k.as_bytes() == key.as_bytes()).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// The same value, free of the text that it was read from; null where there is no room for it.
    #[must_use]
    pub fn into_owned(self) -> Json<'static> {
        if charge::take(self.weight()).is_err() {
            return Json::Null;
        }
        self.copied()
    }

    fn copied(self) -> Json<'static> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(bool) => Json::Bool(bool),
            Self::Int(int) => Json::Int(int),
            Self::BigInt(digits) => Json::BigInt(Cow::Owned(digits.into_owned())),
            Self::Float(float) => Json::Float(float),
            Self::Str(text) => Json::Str(text.into_owned()),
            Self::Array(items) => Json::Array(items.into_iter().map(Json::copied).collect()),
            Self::Object(entries) => Json::Object(
                entries.into_iter().map(|(key, value)| (key.into_owned(), value.copied())).collect(),
            ),
        }
    }

    /// At least how many bytes of memory the value takes when it is owned.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.beside(|text| text.len())
    }

    /// What the value takes beside itself, where a string takes what `text` says, unless it is one that
    /// can't be borrowed.
    fn beside(&self, text: fn(&Cow<'_, str>) -> usize) -> usize {
        match self {
            Self::BigInt(digits) => text(digits),
            Self::Str(string) => string.beside(text),
            Self::Array(items) => items.iter().map(|item| size_of::<Self>() + item.beside(text)).sum(),
            Self::Object(entries) => entries
                .iter()
                .map(|(key, value)| size_of::<(Text<'_>, Self)>() + key.beside(text) + value.beside(text))
                .sum(),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
        }
    }

    /// The same value again, where there is room for it already.
    fn again(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(bool) => Self::Bool(*bool),
            Self::Int(int) => Self::Int(*int),
            Self::BigInt(digits) => Self::BigInt(digits.clone()),
            Self::Float(float) => Self::Float(*float),
            Self::Str(text) => Self::Str(text.again()),
            Self::Array(items) => Self::Array(items.iter().map(Self::again).collect()),
            Self::Object(entries) => {
                Self::Object(entries.iter().map(|(key, value)| (key.again(), value.again())).collect())
            }
        }
    }

    /// The text of a string without lone surrogates.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => text.as_str(),
            _ => None,
        }
    }
}

/// What a copy of a text that may be borrowed takes.
#[allow(clippy::ptr_arg)] // Whether it is borrowed is what counts.
fn copy_of(text: &Cow<'_, str>) -> usize {
    match text {
        Cow::Borrowed(_) => 0,
        Cow::Owned(text) => text.len(),
    }
}

impl Clone for Json<'_> {
    fn clone(&self) -> Self {
        if charge::take(self.beside(copy_of)).is_ok() { self.again() } else { Self::Null }
    }
}

impl Clone for Text<'_> {
    fn clone(&self) -> Self {
        if charge::take(self.beside(copy_of)).is_ok() { self.again() } else { Self::from("") }
    }
}

impl<'a> Text<'a> {
    fn beside(&self, text: fn(&Cow<'_, str>) -> usize) -> usize {
        match self {
            Self::Utf8(string) => text(string),
            Self::Wtf8(bytes) => bytes.len(),
        }
    }

    fn again(&self) -> Self {
        match self {
            Self::Utf8(text) => Self::Utf8(text.clone()),
            Self::Wtf8(bytes) => Self::Wtf8(bytes.clone()),
        }
    }

    /// The text, unless it holds a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Wtf8(_) => None,
        }
    }

    fn into_owned(self) -> Text<'static> {
        match self {
            Self::Utf8(text) => Text::Utf8(Cow::Owned(text.into_owned())),
            Self::Wtf8(bytes) => Text::Wtf8(bytes),
        }
    }

    /// UTF-8, or WTF-8 where there are lone surrogates. Bytewise order is code-point order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Wtf8(bytes) => bytes,
        }
    }

    /// The text with U+FFFD in place of each lone surrogate; nothing where there is no room for it.
    #[inline]
    #[must_use]
    pub fn to_lossy(&self) -> Cow<'_, str> {
        match self {
            Self::Utf8(text) => Cow::Borrowed(text),
            Self::Wtf8(bytes) if charge::take(bytes.len()).is_err() => Cow::Borrowed(""),
            Self::Wtf8(bytes) => Cow::Owned(wtf8_lossy(bytes)),
        }
    }

    /// Order by UTF-16 code units, the order of keys in RFC 8785 (section 3.2.3).
    #[must_use]
    pub fn cmp_utf16(&self, other: &Text<'_>) -> Ordering {
        cmp_utf16(self.as_bytes(), other.as_bytes())
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Utf8(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Utf8(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Utf8(text)
    }
}

/// UTF-8 order is UTF-16 order, except that U+E000..U+FFFF (lead bytes EE, EF) come after the
/// supplementary planes (lead bytes F0..F4). The first differing byte decides: if it is not a lead
/// byte, the leads before it are equal and both orders agree.
pub(crate) fn cmp_utf16(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: u8| if byte == 0xEE || byte == 0xEF { byte | 0x10 } else { byte };
    for (&x, &y) in a.iter().zip(b) {
        if x != y {
            return match (x, y) {
                (0xEE.., 0xEE..) => (rank(x), x).cmp(&(rank(y), y)),
                _ => x.cmp(&y),
            };
        }
    }
    a.len().cmp(&b.len())
}

fn wtf8_lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find_surrogate(rest) {
        let (head, tail) = rest.split_at(at);
        out.push_str(&String::from_utf8_lossy(head));
        out.push('\u{FFFD}');
        rest = tail.get(3..).unwrap_or_default();
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// Where the next lone surrogate of a WTF-8 text starts.
fn find_surrogate(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xED, bytes).find(|&at| bytes.get(at + 1).is_some_and(|&next| next >= 0xA0))
}

/// Up to this many keys are compared with each other; more go through a hash map.
const FEW_KEYS: usize = 16;

/// What a key takes in the set of those seen, at most.
const SEEN: usize = 40;

/// What a key takes beside its bytes where repeats are resolved: in the map, and with its value in the list.
const KEPT: usize = 128 + size_of::<(Text<'_>, Json<'_>)>();

/// Applies "first place, last value" and returns the first key seen twice.
fn last_wins<'a>(entries: Vec<(Text<'a>, Json<'a>)>) -> (Vec<(Text<'a>, Json<'a>)>, Option<Text<'a>>) {
    if entries.len() <= FEW_KEYS && !has_repeats(&entries) {
        return (entries, None);
    }
    let _lookup = charge::passing();
    if charge::take(entries.len().saturating_mul(SEEN)).is_err() {
        return (entries, None);
    }
    if !has_repeats(&entries) {
        return (entries, None);
    }
    let keys = entries.iter().map(|(key, _)| key.as_bytes().len() + KEPT).sum();
    if charge::take(keys).is_err() {
        return (entries, None);
    }
    let mut first_repeated = None;
    let mut places: HashMap<Box<[u8]>, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Text<'a>, Json<'a>)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match places.entry(key.as_bytes().into()) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((key, value));
            }
            Entry::Occupied(place) => {
                if let Some(slot) = kept.get_mut(*place.get()) {
                    slot.1 = value;
                }
                first_repeated.get_or_insert(key);
            }
        }
    }
    (kept, first_repeated)
}

fn has_repeats(entries: &[(Text<'_>, Json<'_>)]) -> bool {
    if entries.len() <= FEW_KEYS {
        let mut rest = entries;
        while let Some(((key, _), tail)) = rest.split_first() {
            if tail.iter().any(|(other, _)| other.as_bytes() == key.as_bytes()) {
                return true;
            }
            rest = tail;
        }
        return false;
    }
    let mut seen = std::collections::HashSet::with_capacity(entries.len());
    !entries.iter().all(|(key, _)| seen.insert(key.as_bytes()))
}
