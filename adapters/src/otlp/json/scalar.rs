//! OTLP/JSON's scalars: numbers as numbers or strings, ids in hex, bytes in base64.
//!
//! Source: OTLP specification, "JSON Protobuf Encoding", and protobuf.dev, "ProtoJSON Format".

use super::reader::{Fault, Kind, Reader, wrong};
use halod_record::charge;
use std::borrow::Cow;

/// The length of the JSON number that `text` starts with.
pub(super) fn number_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

fn is_number(text: &str) -> bool {
    number_len(text) == Some(text.len())
}

/// A number, or a string that holds one.
fn numeric<'a>(r: &mut Reader<'a>) -> Result<Cow<'a, str>, Fault> {
    match r.kind()? {
        Kind::Number => Ok(Cow::Borrowed(r.number()?)),
        Kind::String => r.string(),
        _ => Err(wrong("must be a number, or a string that holds one")),
    }
}

fn integer<T: TryFrom<i128>>(r: &mut Reader<'_>) -> Result<T, Fault> {
    let text = numeric(r)?;
    whole(&text)
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| wrong("must be an integer in its type's range"))
}

pub(super) fn uint64(r: &mut Reader<'_>) -> Result<u64, Fault> {
    integer(r)
}

pub(super) fn int64(r: &mut Reader<'_>) -> Result<i64, Fault> {
    integer(r)
}

pub(super) fn uint32(r: &mut Reader<'_>) -> Result<u32, Fault> {
    integer(r)
}

/// An enum's number. Its name is illegal in OTLP/JSON.
pub(super) fn enumeration(r: &mut Reader<'_>) -> Result<i32, Fault> {
    if r.kind()? != Kind::Number {
        return Err(wrong("must be the enum's integer, not its name"));
    }
    integer(r)
}

pub(super) fn double(r: &mut Reader<'_>) -> Result<f64, Fault> {
    let text = numeric(r)?;
    match text.as_ref() {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        number if is_number(number) => match number.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(wrong("is out of a double's range")),
        },
        _ => Err(wrong("must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"")),
    }
}

/// The exact value of a number that is whole, however it is written: `7`, `7.0`, `0.7e1`.
fn whole(text: &str) -> Option<i128> {
    if !is_number(text) {
        return None;
    }
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    if value == 0 {
        return Some(0);
    }
    // An exponent too long for i64 is out of range either way.
    let shift = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let power = 10i128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    let value = if shift >= 0 {
        value.checked_mul(power)?
    } else if value % power == 0 {
        value / power
    } else {
        return None;
    };
    Some(if negative { -value } else { value })
}

/// An id in hex of either case.
pub(super) fn hex(r: &mut Reader<'_>) -> Result<Vec<u8>, Fault> {
    let text = r.string()?;
    charge::take(text.len())?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<u8>>>();
    match bytes {
        Some(bytes) if rest.is_empty() => Ok(bytes),
        _ => Err(wrong("must be hex digits")),
    }
}

/// Base64 of either alphabet, padded or not.
pub(super) fn base64(r: &mut Reader<'_>) -> Result<Vec<u8>, Fault> {
    let text = r.string()?;
    charge::take(text.len())?;
    decode_base64(&text).ok_or_else(|| wrong("must be base64"))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    if data.len() % 4 == 1 || (padding > 0 && (padding > 2 || !text.len().is_multiple_of(4))) {
        return None;
    }
    let mut out = Vec::with_capacity(data.len() / 4 * 3 + 2);
    for chunk in data.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for byte in chunk {
            bits = bits << 6 | sextet(*byte)?;
        }
        bits <<= 6 * (4 - chunk.len());
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend_from_slice(bytes.get(..chunk.len() - 1)?);
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_exact() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("7.0", Some(7)),
            ("1e3", Some(1000)),
            ("0.7E+1", Some(7)),
            ("1500e-2", Some(15)),
            ("18446744073709551615", Some(u64::MAX.into())),
            ("1.8446744073709551615e19", Some(u64::MAX.into())),
            ("-9223372036854775808", Some(i64::MIN.into())),
            ("0e99999999999999999999", Some(0)),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("1.5", None),
            ("15e-2", None),
            ("", None),
            ("+1", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            (" 1", None),
            ("0x10", None),
        ] {
            assert_eq!(whole(text), value, "{text}");
        }
    }

    #[test]
    fn base64_of_either_alphabet() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("+/8=", Some(b"\xfb\xff")),
            ("-_8", Some(b"\xfb\xff")),
            ("-_8=", Some(b"\xfb\xff")),
            ("AA==", Some(b"\0")),
            ("AA", Some(b"\0")),
            ("AAAA", Some(b"\0\0\0")),
            ("A", None),
            ("A===", None),
            ("AA=", None),
            ("AAAA====", None),
            ("A A=", None),
            ("é", None),
        ] {
            assert_eq!(decode_base64(text).as_deref(), bytes, "{text}");
        }
    }
}
