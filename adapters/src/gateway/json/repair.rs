//! Lines that were meant as JSON.

use crate::gateway::text::hex;
use halod_record::charge;
use halod_record::json::{Json, parse};

/// The most bytes that mending makes of one byte.
const LONGEST: usize = 6;

/// The line with what JSON does not know put right: `\xHH` for bytes (Apache, nginx), a backslash before
/// anything else, raw control characters, values without quotes that need them (`-`, and lists of what several upstreams
/// took or answered, where nginx' format leaves numbers unquoted). `None` if there was none of it, or no memory
/// for it; with whether bytes were no UTF-8.
pub(in crate::gateway) fn mended(line: &str) -> Option<(String, bool)> {
    let bytes = line.as_bytes();
    let mut out = charge::list(bytes.len() + 16).ok()?;
    let (mut changed, mut quoted) = (false, false);
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        charge::reserve(&mut out, LONGEST).ok()?;
        quoted ^= byte == b'"';
        if byte == b':' && !quoted {
            let value = bare(tail);
            let text = value.trim_ascii();
            if !text.is_empty() && !is_scalar(text) {
                changed = true;
                rest = tail.get(value.len()..).unwrap_or_default();
                charge::reserve(&mut out, LONGEST * text.len()).ok()?;
                out.extend_from_slice(b":\"");
                text.iter().for_each(|byte| escape(*byte, &mut out));
                out.push(b'"');
                continue;
            }
        }
        match (byte, tail) {
            (b'\\', [b'x' | b'X', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                changed = true;
                escape(hex(*high) << 4 | hex(*low), &mut out);
                rest = tail.get(3..).unwrap_or_default();
            }
            (b'\\', [next @ (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'), after @ ..]) => {
                out.extend_from_slice(&[b'\\', *next]);
                rest = after;
            }
            (b'\\', _) => {
                changed = true;
                out.extend_from_slice(b"\\\\");
            }
            (byte, _) if byte < 0x20 => {
                changed = true;
                escape(byte, &mut out);
            }
            (byte, _) => out.push(byte),
        }
    }
    if !changed {
        return None;
    }
    match String::from_utf8(out) {
        Ok(text) => Some((text, false)),
        Err(error) => {
            charge::take(3 * error.as_bytes().len()).ok()?;
            Some((String::from_utf8_lossy(error.as_bytes()).into_owned(), true))
        }
    }
}

/// The value behind a colon that has no quotes, up to the next member or the end of the object. It is empty where a text, a
/// list or an object begins.
fn bare(text: &[u8]) -> &[u8] {
    if matches!(text.trim_ascii_start().first(), Some(b'"' | b'{' | b'[')) {
        return b"";
    }
    let next = |at: usize| match text.get(at) {
        Some(b'}') => true,
        Some(b',') => text.get(at + 1..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"")),
        _ => false,
    };
    let end = memchr::memchr2_iter(b',', b'}', text).find(|at| next(*at)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn is_scalar(text: &[u8]) -> bool {
    let value = std::str::from_utf8(text).ok().and_then(|text| parse(text).ok());
    matches!(value, Some(Json::Null | Json::Bool(_) | Json::Int(_) | Json::BigInt(_) | Json::Float(_)))
}

/// A byte as it stands in a JSON string. Those of one character outside ASCII come together again.
fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        ..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_apache_and_nginx_write_becomes_json() {
        assert_eq!(mended(r#"{"a":"Zo\xc3\xab"}"#).unwrap(), ("{\"a\":\"Zo\u{eb}\"}".into(), false));
        assert_eq!(mended(r#"{"a":"\x22\x5C\x0a"}"#).unwrap(), (r#"{"a":"\"\\\u000a"}"#.into(), false));
        assert_eq!(mended(r#"{"a":"\xff"}"#).unwrap(), ("{\"a\":\"\u{fffd}\"}".into(), true));
        assert_eq!(mended("{\"a\":\"\t\\q\"}").unwrap(), ("{\"a\":\"\\u0009\\\\q\"}".into(), false));
        assert_eq!(mended(r#"{"a":"\\x"}"#), None);
        for (line, expected) in [
            (r#"{"a":-,"b": - }"#, r#"{"a":"-","b":"-"}"#),
            (r#"{"a":0.1, 0.2 : -,"b":1}"#, r#"{"a":"0.1, 0.2 : -","b":1}"#),
            (
                r#"{"a":502, 200, "b":{"c":10.0.0.1:80, 10.0.0.2:80}}"#,
                r#"{"a":"502, 200", "b":{"c":"10.0.0.1:80, 10.0.0.2:80"}}"#,
            ),
            (r#"{"a":x\y,"b":007}"#, r#"{"a":"x\\y","b":"007"}"#),
        ] {
            assert_eq!(mended(line).unwrap(), (expected.into(), false), "{line}");
        }
        assert_eq!(mended(r#"{"a":-1.5,"b" : true,"c":"x: -, y","d":[1, 2],"e":null}"#), None);
        assert_eq!(mended("{"), None);
    }
}
