//! Lines that were meant as JSON.

use crate::gateway::text::hex;
use halod_record::charge;

/// The most bytes that mending makes of one byte.
const LONGEST: usize = 6;

/// The line with what JSON does not know put right: `\xHH` for bytes (Apache, nginx), a backslash before
/// anything else, raw control characters. `None` if there was none of it, or no memory
/// for it; with whether bytes were no UTF-8.
pub(in crate::gateway) fn mended(line: &str) -> Option<(String, bool)> {
    let bytes = line.as_bytes();
    let mut out = charge::list(bytes.len() + 16).ok()?;
    let mut changed = false;
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        charge::reserve(&mut out, LONGEST).ok()?;
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
        assert_eq!(mended("{"), None);
    }
}
