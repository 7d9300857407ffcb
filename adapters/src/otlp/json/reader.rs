//! A strict JSON pull reader (RFC 8259) with OTLP/JSON's rules for messages built in.
//!
//! This reader is apart from [`halod_record::json`], which reads what Python reads: here a repeated field and
//! `NaN` as a literal are errors, half a surrogate pair is replaced (U+FFFD), and nothing is built for what is
//! not kept.

use super::super::wire::MAX_DEPTH;
use super::super::{DecodeError, MAX_MESSAGES};
use halod_record::charge::{self, Exhausted};
use std::borrow::Cow;

/// Levels of arrays and objects within what is skipped.
const MAX_SKIP: usize = 1024;

/// Bytes of a field's name beyond which it is none of ours, even if all of it is escaped.
const LONGEST_NAME: usize = 256;

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The body is no JSON: nothing of it can be used.
    Body(DecodeError),
    /// Well-formed JSON that is no legal value of this field: only the item it is in is lost.
    Value { field: &'static str, problem: &'static str },
}

impl From<Exhausted> for Fault {
    fn from(error: Exhausted) -> Self {
        Self::Body(error.into())
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Body(error)
    }
}

pub(super) fn wrong(problem: &'static str) -> Fault {
    Fault::Value { field: "", problem }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many more objects may be entered: as many as a protobuf reader enters messages.
    depth: u32,
    /// How many further elements lists may have, in the whole request.
    elements: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(DecodeError::Json { offset: 0, problem: "a byte order mark is not allowed" });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| DecodeError::Utf8 { offset: e.valid_up_to() })?;
        Ok(Self { text, at: 0, depth: MAX_DEPTH + 1, elements: MAX_MESSAGES })
    }

    /// The text from here to where the same reader is later.
    pub(super) fn text_to(&self, later: &Self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..later.at).unwrap_or_default()
    }

    /// Checks that nothing but white space is left.
    pub(super) fn finish(mut self) -> Result<(), DecodeError> {
        match self.token() {
            None => Ok(()),
            Some(_) => Err(self.error("nothing may follow the request")),
        }
    }

    fn error(&self, problem: &'static str) -> DecodeError {
        DecodeError::Json { offset: self.at, problem }
    }

    /// The next byte that is not white space, not consumed.
    fn token(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), DecodeError> {
        if self.token() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.error(problem))
        }
    }

    pub(super) fn kind(&mut self) -> Result<Kind, DecodeError> {
        match self.token() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            Some(_) => Err(self.error("a value cannot start like this")),
            None => Err(self.error("a value is missing")),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), DecodeError> {
        let end = self.at + word.len();
        if self.text.get(self.at..end) == Some(word) {
            self.at = end;
            Ok(())
        } else {
            Err(self.error("unknown word; expected null, true or false"))
        }
    }

    /// One message. `each` is called with the index in `fields` of every field that is present;
    /// unknown fields are skipped, `null` counts as absent, and a repeated field is a fault.
    pub(super) fn message(
        &mut self,
        fields: &'static [&'static str],
        mut each: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.kind()? {
            Kind::Null => return Ok(self.literal("null")?),
            Kind::Object => self.at += 1,
            _ => return Err(wrong("must be an object")),
        }
        self.depth = self.depth.checked_sub(1).ok_or_else(|| self.too_deep())?;
        let mut seen = 0u32;
        let mut first = true;
        while self.more(b'}', &mut first)? {
            let name = self.name()?;
            self.expect(b':', "expected a colon after a field's name")?;
            let Some(index) = fields.iter().position(|field| *field == name) else {
                self.skip()?;
                continue;
            };
            if seen >> index & 1 == 1 {
                return Err(Fault::Value {
                    field: fields.get(index).copied().unwrap_or(""),
                    problem: "appears twice",
                });
            }
            seen |= 1 << index;
            if self.kind()? == Kind::Null {
                self.literal("null")?;
                continue;
            }
            each(self, index).map_err(|fault| match fault {
                Fault::Value { field: "", problem } => {
                    Fault::Value { field: fields.get(index).copied().unwrap_or(""), problem }
                }
                other => other,
            })?;
        }
        self.depth += 1;
        Ok(())
    }

    /// Calls `each` at every element of a list.
    pub(super) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.kind()? != Kind::Array {
            return Err(wrong("must be an array"));
        }
        self.at += 1;
        let mut first = true;
        while self.more(b']', &mut first)? {
            let too_many = DecodeError::TooMany { limit: MAX_MESSAGES };
            self.elements = self.elements.checked_sub(1).ok_or(too_many)?;
            each(self)?;
        }
        Ok(())
    }

    /// Whether another member follows; consumes the comma before it or the closing bracket.
    fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, DecodeError> {
        match self.token() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !*first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if *first => {
                *first = false;
                Ok(true)
            }
            Some(_) => Err(self.error("expected a comma or a closing bracket")),
            None => Err(self.error("the body ends inside an object or array")),
        }
    }

    /// A field's name.
    fn name(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        if self.token() != Some(b'"') {
            return Err(self.error("expected a field's name in quotes"));
        }
        let name = self.raw_string()?;
        if name.text.len() > LONGEST_NAME {
            return Ok(Cow::Borrowed(""));
        }
        Ok(name.resolve()?)
    }

    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        if self.kind()? != Kind::String {
            return Err(wrong("must be a string"));
        }
        Ok(self.raw_string()?.resolve()?)
    }

    pub(super) fn bool(&mut self) -> Result<bool, Fault> {
        match self.token() {
            Some(b't') => Ok(self.literal("true").map(|()| true)?),
            Some(b'f') => Ok(self.literal("false").map(|()| false)?),
            _ => Err(wrong("must be true or false")),
        }
    }

    /// The text of a string's inside, escapes checked but not resolved.
    fn raw_string(&mut self) -> Result<Raw<'a>, DecodeError> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += self.escape(bytes)?;
                }
                Some(0..0x20) => return Err(self.error("a control character must be escaped in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.error("the body ends inside a string")),
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Raw { text, escaped })
    }

    /// The length of the escape here.
    fn escape(&self, bytes: &[u8]) -> Result<usize, DecodeError> {
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => match bytes.get(self.at + 2..self.at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(6),
                _ => Err(self.error("\\u needs four hex digits")),
            },
            _ => Err(self.error("unknown escape in a string")),
        }
    }

    /// A number's text, its grammar checked.
    pub(super) fn number(&mut self) -> Result<&'a str, DecodeError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = super::scalar::number_len(rest).ok_or_else(|| self.error("not a JSON number"))?;
        self.at += len;
        Ok(rest.get(..len).unwrap_or_default())
    }

    /// Skips one value of any kind, checking that it is JSON.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        // The brackets that are open, and whether something stands after each.
        let mut open: Vec<(Kind, bool)> = Vec::new();
        loop {
            let kind = self.kind()?;
            match kind {
                Kind::Null => self.literal("null")?,
                Kind::Bool if self.token() == Some(b't') => self.literal("true")?,
                Kind::Bool => self.literal("false")?,
                Kind::Number => drop(self.number()?),
                Kind::String => {
                    self.raw_string()?;
                }
                Kind::Array | Kind::Object if open.len() >= MAX_SKIP => return Err(self.too_deep()),
                Kind::Array | Kind::Object => {
                    self.at += 1;
                    open.push((kind, true));
                }
            }
            // To the next value, out of all brackets that close before it.
            loop {
                let Some((kind, first)) = open.last_mut() else { return Ok(()) };
                let (kind, close) = (*kind, if *kind == Kind::Array { b']' } else { b'}' });
                let mut at_first = *first;
                let more = self.more(close, &mut at_first)?;
                *first = at_first;
                if !more {
                    open.pop();
                    continue;
                }
                if kind == Kind::Object {
                    if self.token() != Some(b'"') {
                        return Err(self.error("expected a field's name in quotes"));
                    }
                    self.raw_string()?;
                    self.expect(b':', "expected a colon after a field's name")?;
                }
                break;
            }
        }
    }

    fn too_deep(&self) -> DecodeError {
        DecodeError::TooDeep { offset: self.at, limit: MAX_DEPTH }
    }
}

/// The inside of a checked string.
struct Raw<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> Raw<'a> {
    /// With its escapes resolved. SDKs that cut values to a length may cut a surrogate pair in half.
    fn resolve(self) -> Result<Cow<'a, str>, Exhausted> {
        if !self.escaped {
            return Ok(Cow::Borrowed(self.text));
        }
        charge::take(self.text.len())?;
        // An escape was checked when it was read, so it is whole.
        Ok(unescape(self.text).unwrap_or(Cow::Borrowed("")))
    }
}

fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    let Some(first) = raw.find('\\') else { return Some(Cow::Borrowed(raw)) };
    let mut out = String::with_capacity(raw.len());
    let (mut plain, mut rest) = raw.split_at_checked(first)?;
    loop {
        out.push_str(plain);
        let code = rest.as_bytes().get(1)?;
        let (char, len) = match code {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(rest)?,
            other => (char::from(*other), 2),
        };
        out.push(char);
        rest = rest.get(len..)?;
        match rest.find('\\') {
            Some(at) => (plain, rest) = rest.split_at_checked(at)?,
            None => {
                out.push_str(rest);
                return Some(Cow::Owned(out));
            }
        }
    }
}

/// The character of the `\uXXXX`, or pair of them, that `text` starts with, and its length; of half a pair
/// what stands for no character.
fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let high = unit(2)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6));
    }
    let low = if text.get(6..8) == Some("\\u") { unit(8) } else { None };
    match low.and_then(|low| low.checked_sub(0xdc00)).filter(|offset| *offset < 0x400) {
        Some(offset) => Some((char::from_u32(0x10000 + (high - 0xd800) * 0x400 + offset)?, 12)),
        None => Some((char::REPLACEMENT_CHARACTER, 6)),
    }
}
