//! The parser: accepts exactly the texts that Python's `json.loads` accepts.
//!
//! One pass, no recursion: open containers wait on a stack whose height is bounded. While parsing
//! it also learns whether the text is already in the canonical form of RFC 8785 as the record
//! format uses it (integers only), so that a caller may hash the text itself.

use super::{Json, ParseError, Problem, Text, cmp_utf16, last_wins};
use crate::charge::{self, Exhausted};
use std::borrow::Cow;
use std::cmp::Ordering;
use wide::u8x16;

/// Bounds on what is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside each other.
    pub depth: usize,
    /// Digits of one integer, without its sign.
    pub int_digits: usize,
    /// Values in arrays and objects, at any depth: each takes up to 64 bytes of memory, however short it
    /// is as text.
    pub values: usize,
}

impl Limits {
    /// What CPython 3.11 takes at its default recursion limit: 992 levels are the most that both
    /// its parser and its writer get through. Longer integers than 4,300 digits are refused since
    /// CVE-2020-10735.
    pub const PYTHON: Self = Self { depth: 992, int_digits: 4300, values: usize::MAX };

    /// The same of what a request may hold.
    pub const REQUEST: Self = Self { values: 2_000_000, ..Self::PYTHON };

    /// The same of a text inside a value, of which there may be many. What is larger stays a text.
    pub const EMBEDDED: Self = Self { values: 100_000, ..Self::PYTHON };
}

impl Default for Limits {
    fn default() -> Self {
        Self::PYTHON
    }
}

/// A parsed text and what the parser noticed on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<'a> {
    pub value: Json<'a>,
    /// The first key found twice in one object. Inner objects are looked at before outer ones.
    pub duplicate: Option<Text<'a>>,
    /// The text is, byte for byte, the canonical form of its value: no whitespace, keys strictly
    /// ascending in UTF-16 order, shortest escapes, integers within 2^53-1 and no other numbers.
    pub canonical: bool,
    /// Every number is an integer within 2^53-1, written as one.
    pub safe_numbers: bool,
    /// The most containers open at once.
    pub depth: usize,
}

/// Parses `text` within [`Limits::REQUEST`].
///
/// # Errors
/// The first place where the text is not JSON, or exceeds a limit.
pub fn parse(text: &str) -> Result<Json<'_>, ParseError> {
    parse_with(text, &Limits::REQUEST).map(|parsed| parsed.value)
}

/// Parses a text that stands in a value, within [`Limits::EMBEDDED`].
///
/// # Errors
/// As [`parse`].
pub fn parse_embedded(text: &str) -> Result<Json<'_>, ParseError> {
    parse_with(text, &Limits::EMBEDDED).map(|parsed| parsed.value)
}

/// Whether a text is left one although it begins as JSON, because it holds more than
/// [`Limits::EMBEDDED`] lets be parsed.
#[must_use]
pub fn is_left_unparsed(text: &str) -> bool {
    // A value takes two bytes at least.
    text.len() > 2 * Limits::EMBEDDED.values
        && text.trim_start().starts_with(['{', '['])
        && parse_embedded(text).is_err_and(|error| matches!(error.problem, Problem::TooMany { .. }))
}

/// Parses `text` within `limits`.
///
/// # Errors
/// The first place where the text is not JSON, or exceeds a limit.
pub fn parse_with<'a>(text: &'a str, limits: &Limits) -> Result<Parsed<'a>, ParseError> {
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        limits,
        canonical: true,
        safe_numbers: true,
        depth: 0,
        duplicate: None,
        values: 0,
    };
    match parser.document() {
        Ok(value) => {
            let Parser { duplicate, canonical, safe_numbers, depth, .. } = parser;
            Ok(Parsed { value, duplicate, canonical: canonical && safe_numbers, safe_numbers, depth })
        }
        Err((problem, offset)) => Err(ParseError::new(problem, text, offset)),
    }
}

type Fault = (Problem, usize);

/// Room for so many entries is made when an object begins.
const ENTRIES: usize = 8;

/// A container whose end has not been seen.
enum Open<'a> {
    Array(Vec<Json<'a>>),
    Object { entries: Vec<(Text<'a>, Json<'a>)>, key: Text<'a> },
}

struct Parser<'a, 'l> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    limits: &'l Limits,
    /// As far as anything but numbers' size and kind goes.
    canonical: bool,
    safe_numbers: bool,
    depth: usize,
    duplicate: Option<Text<'a>>,
    values: usize,
}

impl<'a> Parser<'a, '_> {
    fn document(&mut self) -> Result<Json<'a>, Fault> {
        let mut open: Vec<Open<'a>> = Vec::new();
        self.skip_space();
        loop {
            let Some(mut value) = self.value(&mut open)? else { continue };
            loop {
                self.skip_space();
                let Some(parent) = open.last_mut() else { return self.end(value) };
                let next = self.peek();
                self.values += 1;
                if self.values > self.limits.values {
                    return Err((Problem::TooMany { limit: self.limits.values }, self.at));
                }
                let held = match parent {
                    Open::Array(items) => charge::push(items, value),
                    Open::Object { entries, key } => {
                        charge::push(entries, (std::mem::replace(key, Text::from("")), value))
                    }
                };
                held.map_err(|Exhausted| (Problem::Exhausted, self.at))?;
                match (next, parent) {
                    (Some(b','), Open::Array(_)) => {
                        self.at += 1;
                        self.skip_space();
                        break;
                    }
                    (Some(b','), Open::Object { key, .. }) => {
                        self.at += 1;
                        self.skip_space();
                        *key = self.key()?;
                        break;
                    }
                    (Some(b']'), Open::Array(items)) => value = Json::Array(std::mem::take(items)),
                    (Some(b'}'), Open::Object { entries, .. }) => {
                        value = self.close(std::mem::take(entries));
                    }
                    _ => return Err((Problem::ExpectedCommaOrEnd, self.at)),
                }
                self.at += 1;
                open.pop();
            }
        }
    }

    fn end(&self, value: Json<'a>) -> Result<Json<'a>, Fault> {
        if self.at == self.bytes.len() { Ok(value) } else { Err((Problem::ExtraData, self.at)) }
    }

    /// Reads a scalar or an empty container; `None` when a container was opened instead and its
    /// first value comes next.
    fn value(&mut self, open: &mut Vec<Open<'a>>) -> Result<Option<Json<'a>>, Fault> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => Ok(Some(Json::Str(self.string()?))),
            Some(bracket @ (b'{' | b'[')) => {
                if open.len() >= self.limits.depth {
                    return Err((Problem::TooDeep { limit: self.limits.depth }, start));
                }
                self.depth = self.depth.max(open.len() + 1);
                self.at += 1;
                self.skip_space();
                let opened = if bracket == b'[' {
                    if self.take(b"]") {
                        return Ok(Some(Json::Array(Vec::new())));
                    }
                    charge::push(open, Open::Array(Vec::new()))
                } else {
                    if self.take(b"}") {
                        return Ok(Some(Json::Object(Vec::new())));
                    }
                    let key = self.key()?;
                    charge::list(ENTRIES)
                        .and_then(|entries| charge::push(open, Open::Object { entries, key }))
                };
                opened.map(|()| None).map_err(|Exhausted| (Problem::Exhausted, start))
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            Some(b't') if self.take(b"true") => Ok(Some(Json::Bool(true))),
            Some(b'f') if self.take(b"false") => Ok(Some(Json::Bool(false))),
            Some(b'n') if self.take(b"null") => Ok(Some(Json::Null)),
            Some(b'N') if self.take(b"NaN") => Ok(Some(self.float(f64::NAN))),
            Some(b'I') if self.take(b"Infinity") => Ok(Some(self.float(f64::INFINITY))),
            _ => Err((Problem::ExpectedValue, start)),
        }
    }

    /// Reads `"key" :` and the space after it.
    fn key(&mut self) -> Result<Text<'a>, Fault> {
        if self.peek() != Some(b'"') {
            return Err((Problem::ExpectedKey, self.at));
        }
        let key = self.string()?;
        self.skip_space();
        if !self.take(b":") {
            return Err((Problem::ExpectedColon, self.at));
        }
        self.skip_space();
        Ok(key)
    }

    /// Ends an object: resolves repeated keys and looks at the order of the keys.
    fn close(&mut self, entries: Vec<(Text<'a>, Json<'a>)>) -> Json<'a> {
        let ascending = entries.windows(2).all(|pair| match pair {
            [(a, _), (b, _)] => cmp_utf16(a.as_bytes(), b.as_bytes()) == Ordering::Less,
            _ => true,
        });
        if ascending {
            return Json::Object(entries);
        }
        self.canonical = false;
        let (entries, repeated) = last_wins(entries);
        if self.duplicate.is_none() {
            self.duplicate = repeated;
        }
        Json::Object(entries)
    }

    fn number(&mut self) -> Result<Json<'a>, Fault> {
        let start = self.at;
        let negative = self.take(b"-");
        let digits = self.at;
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            Some(b'I') if negative && self.take(b"Infinity") => return Ok(self.float(f64::NEG_INFINITY)),
            _ => return Err((Problem::ExpectedValue, start)),
        }
        let int_end = self.at;
        let mut is_float = false;
        if self.peek() == Some(b'.') && self.digit_at(self.at + 1) {
            self.at += 1;
            self.skip_digits();
            is_float = true;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let signed = matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-'));
            let first = self.at + 1 + usize::from(signed);
            if self.digit_at(first) {
                self.at = first;
                self.skip_digits();
                is_float = true;
            }
        }
        let literal = self.slice(start, self.at);
        if is_float {
            return Ok(self.float(literal.parse().unwrap_or(f64::NAN)));
        }
        if int_end - digits > self.limits.int_digits {
            return Err((Problem::IntegerTooLong { limit: self.limits.int_digits }, start));
        }
        Ok(self.integer(literal, negative))
    }

    fn integer(&mut self, literal: &'a str, negative: bool) -> Json<'a> {
        match literal.parse::<i64>() {
            Ok(int) => {
                self.canonical &= int != 0 || !negative;
                self.safe_numbers &= int.unsigned_abs() <= MAX_SAFE;
                Json::Int(int)
            }
            Err(_) => {
                self.safe_numbers = false;
                Json::BigInt(Cow::Borrowed(literal))
            }
        }
    }

    fn float(&mut self, value: f64) -> Json<'a> {
        self.safe_numbers = false;
        Json::Float(value)
    }

    /// Reads a string; the cursor is on its opening quote.
    fn string(&mut self) -> Result<Text<'a>, Fault> {
        let open = self.at;
        let start = open + 1;
        let end = find_special(self.bytes, start);
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                Ok(Text::Utf8(Cow::Borrowed(self.slice(start, end))))
            }
            Some(b'\\') => self.escaped_string(open, end),
            Some(_) => Err((Problem::ControlCharacter, end)),
            None => Err((Problem::UnterminatedString, open)),
        }
    }

    /// Reads the rest of a string whose first escape is at `escape`.
    fn escaped_string(&mut self, open: usize, escape: usize) -> Result<Text<'a>, Fault> {
        let full = |Exhausted| (Problem::Exhausted, open);
        let mut out: Vec<u8> = charge::list(escape - open + 16).map_err(full)?;
        let mut surrogates = false;
        let mut run = open + 1;
        let mut at = escape;
        loop {
            // For the run, and the longest character that an escape stands for.
            charge::reserve(&mut out, at - run + 4).map_err(full)?;
            out.extend_from_slice(self.bytes.get(run..at).unwrap_or_default());
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {}
                Some(_) => return Err((Problem::ControlCharacter, at)),
                None => return Err((Problem::UnterminatedString, open)),
            }
            self.at = at;
            let unit = self.escape(open)?;
            match char::from_u32(unit) {
                Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => {
                    surrogates = true;
                    out.extend_from_slice(&encode_surrogate(unit));
                }
            }
            run = self.at;
            at = find_special(self.bytes, run);
        }
        self.at = at + 1;
        if surrogates {
            return Ok(Text::Wtf8(out.into_boxed_slice()));
        }
        match String::from_utf8(out) {
            Ok(text) => Ok(Text::Utf8(Cow::Owned(text))),
            Err(broken) => Ok(Text::Wtf8(broken.into_bytes().into_boxed_slice())),
        }
    }

    /// Reads one escape and returns its code point, which may be a lone surrogate. Only the
    /// escapes that the canonical form itself uses leave the text canonical.
    fn escape(&mut self, open: usize) -> Result<u32, Fault> {
        let at = self.at;
        let simple = match self.bytes.get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'/') => {
                self.canonical = false;
                '/'
            }
            Some(b'u') => return self.unicode_escape(at),
            Some(_) => return Err((Problem::BadEscape, at)),
            None => return Err((Problem::UnterminatedString, open)),
        };
        self.at = at + 2;
        Ok(u32::from(simple))
    }

    fn unicode_escape(&mut self, at: usize) -> Result<u32, Fault> {
        let unit = self.hex4(at + 2).ok_or((Problem::BadEscape, at))?;
        self.at = at + 6;
        let short = matches!(unit, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d);
        let lower = !self.bytes.get(at + 2..at + 6).unwrap_or_default().iter().any(u8::is_ascii_uppercase);
        self.canonical &= unit < 0x20 && !short && lower;
        if !(0xD800..0xDC00).contains(&unit) || self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
            return Ok(unit);
        }
        match self.hex4(self.at + 2) {
            Some(low @ 0xDC00..=0xDFFF) => {
                self.at += 6;
                Ok(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
            }
            Some(_) => Ok(unit),
            None => Err((Problem::BadEscape, self.at)),
        }
    }

    fn hex4(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 4)?;
        digits.iter().try_fold(0, |sum, &digit| Some(sum << 4 | char::from(digit).to_digit(16)?))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, literal: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(literal));
        self.at += if found { literal.len() } else { 0 };
        found
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
            self.canonical = false;
        }
    }

    fn skip_digits(&mut self) {
        while self.digit_at(self.at) {
            self.at += 1;
        }
    }

    fn digit_at(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_digit)
    }

    /// Both ends lie beside ASCII bytes, so they are character boundaries.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Beyond this, readers that hold numbers as doubles disagree (RFC 8785 section 3.2.2.3).
const MAX_SAFE: u64 = (1 << 53) - 1;

fn encode_surrogate(unit: u32) -> [u8; 3] {
    [0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]
}

/// Where the next quote, backslash or control character at or after `from` is, else the length.
/// Looks at sixteen bytes at a time.
#[must_use]
pub fn find_special(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let (all, tail) = rest.as_chunks();
    for (at, lanes) in all.iter().enumerate() {
        let found = specials(*lanes);
        if found != 0 {
            return from + at * 16 + found.trailing_zeros() as usize;
        }
    }
    // The last sixteen once more, of which the first have none.
    if let Some(last) = rest.last_chunk() {
        let found = specials(*last);
        return if found == 0 { bytes.len() } else { bytes.len() - 16 + found.trailing_zeros() as usize };
    }
    from + tail.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\').unwrap_or(tail.len())
}

/// The same, for where one is likely to be near.
#[inline]
pub(crate) fn next_special(bytes: &[u8], from: usize) -> usize {
    if let Some(lanes) = bytes.get(from..).and_then(<[u8]>::first_chunk) {
        let found = specials(*lanes);
        return if found == 0 {
            find_special(bytes, from + 16)
        } else {
            from + found.trailing_zeros() as usize
        };
    }
    find_special(bytes, from)
}

/// A bit for each byte that is a quote, a backslash or a control character, the lowest for the first.
#[inline]
fn specials(lanes: [u8; 16]) -> u32 {
    let lanes = u8x16::new(lanes);
    let quotes = lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'));
    (quotes | lanes.simd_le(u8x16::splat(0x1F))).to_bitmask()
}
