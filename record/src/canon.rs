//! The canonical form of RFC 8785 as the record format uses it: integers only.
//!
//! Keys ascend by UTF-16 code units, strings escape only what section 3.2.2.2 names, nothing is
//! outside ASCII-escaped, and there is no whitespace. Two rules are the reference's own: a float
//! with an integral value prints as that integer, whatever its size, and a lone surrogate in a
//! value prints as U+FFFD (in a key it is an error, because keys could collide).

use crate::charge::{self, Exhausted};
use crate::json::{Json, Text, find_special};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::Write as _;

/// The greatest integer that readers holding numbers as doubles agree on: 2^53 - 1.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Levels of nesting that [`write`] accepts: more than any parser here lets through.
pub const MAX_LEVELS: usize = 1000;

/// Why a value has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonError {
    #[error("a number with a fraction has no canonical form")]
    Fraction,
    #[error("NaN and infinity are not JSON")]
    NotFinite,
    #[error("an integer is beyond 2^53-1, which readers that hold numbers as doubles would change")]
    IntegerTooLarge,
    #[error("a key holds a lone surrogate")]
    SurrogateKey,
    #[error("nested too deeply")]
    TooDeep,
}

/// Where what is written goes, which need not hold all of it at once.
pub(super) trait Sink {
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// Told after each value, and within a text after each [`PIECE`]: the buffer may be emptied.
    fn pass(&mut self);
}

/// How much of a text is written at once, in bytes.
pub(super) const PIECE: usize = 32 << 10;

impl Sink for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }

    fn pass(&mut self) {}
}

/// A form that is held whole, and charged for as it grows.
struct Charged {
    form: Vec<u8>,
    room: Result<(), Exhausted>,
}

impl Charged {
    /// A piece is escaped to at most so many bytes.
    const ROOM: usize = 6 * PIECE + 1024;
}

impl Sink for Charged {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.form
    }

    fn pass(&mut self) {
        if self.room.is_ok() {
            self.room = charge::reserve(&mut self.form, Self::ROOM);
        }
        if self.room.is_err() {
            self.form.clear();
        }
    }
}

/// The canonical form of `value`, if it has one that there is room for ([`charge`]).
pub(super) fn charged(value: &Json<'_>) -> Option<String> {
    let mut out = Charged { form: Vec::new(), room: Ok(()) };
    out.pass();
    write_value::<false, _>(value, MAX_LEVELS, &mut out).ok()?;
    out.room.ok()?;
    String::from_utf8(out.form).ok()
}

/// Appends the canonical form of `value` to `out`.
///
/// # Errors
/// The first reason found why there is none; `out` is then as it was.
pub fn write(value: &Json<'_>, out: &mut Vec<u8>) -> Result<(), CanonError> {
    write_within(value, MAX_LEVELS, out)
}

/// As [`write`], for a value of at most `levels` levels. A container or a scalar takes one; a
/// string that needs escaping takes two, as the reference spends a stack frame on it.
pub(super) fn write_within(value: &Json<'_>, levels: usize, out: &mut Vec<u8>) -> Result<(), CanonError> {
    let start = out.len();
    let result = write_value::<false, _>(value, levels, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// As [`write_within`], for a value as the parser returned it: what it borrows from its text was
/// scanned for quotes, backslashes and control characters already, and has none.
pub(super) fn write_parsed(value: &Json<'_>, levels: usize, out: &mut Vec<u8>) -> Result<(), CanonError> {
    write_value::<true, _>(value, levels, out)
}

/// As [`write_within`], to a sink, which has the beginning where there is no such form.
pub(super) fn pass_within(value: &Json<'_>, levels: usize, out: &mut impl Sink) -> Result<(), CanonError> {
    write_value::<false, _>(value, levels, out)
}

fn write_value<const PARSED: bool, O: Sink>(
    value: &Json<'_>,
    levels: usize,
    out: &mut O,
) -> Result<(), CanonError> {
    let inner = levels.checked_sub(1).ok_or(CanonError::TooDeep)?;
    match value {
        Json::Null => out.buffer().extend_from_slice(b"null"),
        Json::Bool(true) => out.buffer().extend_from_slice(b"true"),
        Json::Bool(false) => out.buffer().extend_from_slice(b"false"),
        Json::Int(int) => write_int(*int, out.buffer())?,
        Json::BigInt(_) => return Err(CanonError::IntegerTooLarge),
        Json::Float(float) => write_float(*float, out.buffer())?,
        Json::Str(text) => write_text::<PARSED, _>(text, inner, out)?,
        Json::Array(items) => {
            out.buffer().push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.buffer().push(b',');
                }
                write_value::<PARSED, _>(item, inner, out)?;
                out.pass();
            }
            out.buffer().push(b']');
        }
        Json::Object(entries) => write_object::<PARSED, _>(entries, inner, out)?,
    }
    Ok(())
}

/// Objects of up to this many keys are ordered without allocating.
const SMALL: usize = 32;

fn write_object<const PARSED: bool, O: Sink>(
    entries: &[(Text<'_>, Json<'_>)],
    inner: usize,
    out: &mut O,
) -> Result<(), CanonError> {
    out.buffer().push(b'{');
    let ascending = |pair: &[(Text<'_>, Json<'_>)]| match pair {
        [(a, _), (b, _)] => a.cmp_utf16(b) == Ordering::Less,
        _ => true,
    };
    if entries.windows(2).all(ascending) {
        write_entries::<PARSED, _>(entries.iter(), inner, out)?;
    } else if let [first, ..] = entries
        && entries.len() <= SMALL
    {
        let mut order = [first; SMALL];
        for (slot, entry) in order.iter_mut().zip(entries) {
            *slot = entry;
        }
        let order = order.get_mut(..entries.len()).unwrap_or_default();
        order.sort_unstable_by(|(a, _), (b, _)| a.cmp_utf16(b));
        write_entries::<PARSED, _>(order.iter().copied(), inner, out)?;
    } else {
        if charge::take(size_of_val(entries) / 4).is_err() {
            return Ok(());
        }
        let mut order: Vec<_> = entries.iter().collect();
        order.sort_unstable_by(|(a, _), (b, _)| a.cmp_utf16(b));
        write_entries::<PARSED, _>(order.into_iter(), inner, out)?;
    }
    out.buffer().push(b'}');
    Ok(())
}

fn write_entries<'e, 'a: 'e, const PARSED: bool, O: Sink>(
    entries: impl Iterator<Item = &'e (Text<'a>, Json<'a>)>,
    inner: usize,
    out: &mut O,
) -> Result<(), CanonError> {
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.buffer().push(b',');
        }
        if key.as_str().is_none() {
            return Err(CanonError::SurrogateKey);
        }
        let below = inner.checked_sub(1).ok_or(CanonError::TooDeep)?;
        write_text::<PARSED, _>(key, below, out)?;
        out.buffer().push(b':');
        write_value::<PARSED, _>(value, inner, out)?;
        out.pass();
    }
    Ok(())
}

fn write_text<const PARSED: bool, O: Sink>(
    text: &Text<'_>,
    levels: usize,
    out: &mut O,
) -> Result<(), CanonError> {
    let escaped = match text {
        Text::Utf8(Cow::Borrowed(clean)) if PARSED => {
            let out = out.buffer();
            out.push(b'"');
            out.extend_from_slice(clean.as_bytes());
            out.push(b'"');
            false
        }
        Text::Utf8(text) if text.len() <= PIECE => write_str(text, out.buffer()),
        Text::Utf8(text) => write_pieces(text, out),
        Text::Wtf8(_) => {
            write_pieces(&text.to_lossy(), out);
            true
        }
    };
    if escaped && levels == 0 { Err(CanonError::TooDeep) } else { Ok(()) }
}

/// As [`write_str`], of a long text.
#[cold]
fn write_pieces(text: &str, out: &mut impl Sink) -> bool {
    let mut escaped = false;
    out.buffer().push(b'"');
    for piece in text.as_bytes().chunks(PIECE) {
        escaped |= write_escaped(piece, out.buffer());
        out.pass();
    }
    out.buffer().push(b'"');
    escaped
}

/// Appends `text` as a JSON string with its quotes and says whether anything had to be escaped.
pub fn write_str(text: &str, out: &mut Vec<u8>) -> bool {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let escaped = write_escaped(text.as_bytes(), out);
    out.push(b'"');
    escaped
}

#[inline(always)]
fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut run = 0;
    loop {
        let at = find_special(bytes, run);
        out.extend_from_slice(bytes.get(run..at).unwrap_or_default());
        let Some(&byte) = bytes.get(at) else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
        run = at + 1;
    }
    run > 0
}

fn write_int(int: i64, out: &mut Vec<u8>) -> Result<(), CanonError> {
    if int.unsigned_abs() > MAX_SAFE_INTEGER.unsigned_abs() {
        return Err(CanonError::IntegerTooLarge);
    }
    append(out, format_args!("{int}"));
    Ok(())
}

fn write_float(float: f64, out: &mut Vec<u8>) -> Result<(), CanonError> {
    if !float.is_finite() {
        return Err(CanonError::NotFinite);
    }
    if float.fract() != 0.0 {
        return Err(CanonError::Fraction);
    }
    // Adding zero turns -0.0 into 0.0.
    append(out, format_args!("{:.0}", float + 0.0));
    Ok(())
}

/// Writing to a `Vec` does not fail.
pub(super) fn append(out: &mut Vec<u8>, args: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(args);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::json::{Limits, parse, parse_with};
    use proptest::prelude::*;

    fn canon(text: &str) -> Result<String, CanonError> {
        let mut out = b"kept".to_vec();
        let result = write(&parse(text).unwrap(), &mut out);
        let written = String::from_utf8(out).unwrap();
        assert!(result.is_ok() || written == "kept");
        result.map(|()| written["kept".len()..].to_owned())
    }

    #[test]
    fn escapes_only_what_must_be() {
        assert_eq!(
            canon(r#""\u0000\u001F\b\t\n\f\r\"\\\/\u007f\u00e9""#).unwrap(),
            "\"\\u0000\\u001f\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}é\""
        );
        assert_eq!(canon(r#"["\ud800","a\udc00b"]"#).unwrap(), "[\"\u{FFFD}\",\"a\u{FFFD}b\"]");
    }

    #[test]
    fn keys_ascend_by_utf16() {
        assert_eq!(
            canon("{\"\u{e000}\":1,\"😀\":2,\"b\":3,\"a\":{\"z\":1,\"y\":[]}}").unwrap(),
            "{\"a\":{\"y\":[],\"z\":1},\"b\":3,\"😀\":2,\"\u{e000}\":1}"
        );
        let many: Vec<String> = (0..100).rev().map(|n| format!("\"k{n:03}\":{n}")).collect();
        let mut sorted = many.clone();
        sorted.reverse();
        assert_eq!(canon(&format!("{{{}}}", many.join(","))).unwrap(), format!("{{{}}}", sorted.join(",")));
    }

    #[test]
    fn numbers_are_integers() {
        assert_eq!(
            canon("[9007199254740991,-9007199254740991,-0,-0.0,1.0,1e3]").unwrap(),
            "[9007199254740991,-9007199254740991,0,0,1,1000]"
        );
        assert_eq!(canon("1e22").unwrap(), "10000000000000000000000");
        assert_eq!(canon("9007199254740992"), Err(CanonError::IntegerTooLarge));
        assert_eq!(canon("99999999999999999999"), Err(CanonError::IntegerTooLarge));
        assert_eq!(canon("0.5"), Err(CanonError::Fraction));
        assert_eq!(canon("[1,NaN]"), Err(CanonError::NotFinite));
        assert_eq!(canon(r#"{"\ud800":1}"#), Err(CanonError::SurrogateKey));
    }

    /// Any value with a canonical form.
    fn value() -> impl Strategy<Value = Json<'static>> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).prop_map(Json::Int),
            ".{0,12}".prop_map(|s: String| Json::Str(Text::from(s))),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
                prop::collection::vec((".{0,6}", inner), 0..6).prop_map(|entries| {
                    Json::object(entries.into_iter().map(|(k, v)| (Text::from(k), v)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point(value in value()) {
            let mut once = Vec::new();
            write(&value, &mut once).unwrap();
            let text = String::from_utf8(once).unwrap();
            let parsed = parse_with(&text, &Limits::PYTHON).unwrap();
            prop_assert!(parsed.canonical);
            prop_assert_eq!(parsed.duplicate, None);
            prop_assert_eq!(canon(&text).unwrap(), text);
        }

        #[test]
        fn the_parser_calls_canonical_exactly_what_is(text in r#"[\[\]{},:"\\ntu0-9a\-é😀\u{e000}]{0,16}"#) {
            if let Ok(parsed) = parse_with(&text, &Limits::PYTHON) {
                let mut out = Vec::new();
                let same = write(&parsed.value, &mut out).is_ok() && out == text.as_bytes();
                prop_assert_eq!(parsed.canonical, same);
            }
        }

        #[test]
        fn one_changed_byte_is_noticed(value in value(), at in any::<prop::sample::Index>(), byte in b' '..b'~') {
            let mut bytes = Vec::new();
            write(&value, &mut bytes).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(text) = String::from_utf8(bytes) && let Ok(parsed) = parse_with(&text, &Limits::PYTHON) {
                let mut out = Vec::new();
                let same = write(&parsed.value, &mut out).is_ok() && out == text.as_bytes();
                prop_assert_eq!(parsed.canonical, same);
            }
        }
    }
}
