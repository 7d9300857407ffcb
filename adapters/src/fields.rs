//! Reading the fields of a JSON object that a sender fills as its types say, or leaves empty.
//!
//! What is taken out of a value lives as long as the text that the value was read from, not as long as
//! the value.

use crate::time;
use halod_record::charge;
use halod_record::event::{Content, Fact};
use halod_record::json::{self, Json, Text};
use std::borrow::Cow;

/// A text that is not empty.
pub(crate) fn text<'a>(object: &Json<'a>, key: &str) -> Option<Cow<'a, str>> {
    object.get(key).and_then(text_of)
}

pub(crate) fn text_of<'a>(value: &Json<'a>) -> Option<Cow<'a, str>> {
    let text = match value {
        Json::Str(Text::Utf8(Cow::Borrowed(text))) => Cow::Borrowed(*text),
        // What is taken out is copied a few times more: as an id, as that of a parent, as a fact.
        Json::Str(text) => {
            charge::take(text.as_bytes().len().saturating_mul(COPIES)).ok()?;
            Cow::Owned(text.to_lossy().into_owned())
        }
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// How often a text is copied that could not be borrowed, at most.
const COPIES: usize = 8;

/// A text, or a number as its digits.
pub(crate) fn name<'a>(object: &Json<'a>, key: &str) -> Option<Cow<'a, str>> {
    match object.get(key)? {
        Json::Int(int) => Some(int.to_string().into()),
        value => text_of(value),
    }
}

/// A count: an integer, written as a number (or, in a database's export, as text).
pub(crate) fn count(object: &Json<'_>, key: &str) -> Option<i64> {
    match object.get(key)? {
        Json::Int(int) => Some(*int),
        // Python's `json` writes a float that is whole as `12.0`.
        Json::Float(float) if float.fract() == 0.0 && (0.0..9e15).contains(float) => Some(*float as i64),
        Json::Str(text) => text.as_str()?.parse().ok(),
        _ => None,
    }
}

/// Whether the field is true, as JSON or in Python's or JSON's spelling of it.
pub(crate) fn is_true(object: &Json<'_>, key: &str) -> bool {
    match object.get(key) {
        Some(Json::Bool(flag)) => *flag,
        Some(Json::Str(text)) => text.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")),
        _ => false,
    }
}

/// A decimal that is not zero, as the shortest text for it.
pub(crate) fn decimal<'a>(object: &Json<'a>, key: &str) -> Option<Cow<'a, str>> {
    match object.get(key)? {
        Json::Float(float) if float.is_finite() && *float != 0.0 => Some(float.to_string().into()),
        Json::Int(int) if *int != 0 => Some(int.to_string().into()),
        Json::Str(text) => {
            let float: f64 = text.as_str()?.parse().ok()?;
            (float.is_finite() && float != 0.0).then(|| float.to_string().into())
        }
        _ => None,
    }
}

/// The texts of a list.
pub(crate) fn texts<'a>(value: Option<&Json<'a>>) -> Vec<Cow<'a, str>> {
    match value {
        Some(Json::Array(items)) if charge::take(size_of_val(items.as_slice()) * 3).is_ok() => {
            items.iter().filter_map(text_of).collect()
        }
        _ => Vec::new(),
    }
}

/// A structure that some senders put into a string.
pub(crate) fn structure<'a>(value: Option<&Json<'a>>) -> Option<Json<'a>> {
    match value? {
        Json::Null => None,
        Json::Str(Text::Utf8(Cow::Borrowed(text))) => json::parse_embedded(text).ok().filter(is_structure),
        Json::Str(text) => {
            json::parse_embedded(text.as_str()?).ok().filter(is_structure).map(Json::into_owned)
        }
        value => is_structure(value).then(|| value.clone()),
    }
}

fn is_structure(value: &Json<'_>) -> bool {
    matches!(value, Json::Object(_) | Json::Array(_))
}

/// A disclosed value: text that is a JSON object or array becomes what it says, so that senders of one
/// call agree whether they encode it or not. Nothing and null are undisclosed.
pub(crate) fn content<'a>(value: Option<&Json<'a>>) -> Content<'a> {
    match value {
        None | Some(Json::Null) => Content::Undisclosed,
        Some(value @ Json::Str(text)) => {
            let starts = text.as_str().is_some_and(|text| text.trim_start().starts_with(['{', '[']));
            let inner = if starts { structure(Some(value)) } else { None };
            Content::Value(inner.unwrap_or_else(|| value.clone()))
        }
        Some(value) => Content::Value(value.clone()),
    }
}

/// An instant in Unix microseconds: a number since the epoch, or a date and time as ISO 8601 and Python's
/// `str` write it; without an offset it is UTC.
pub(crate) fn instant(value: Option<&Json<'_>>) -> Option<u64> {
    match value? {
        Json::Int(number) => since_epoch(u64::try_from(*number).ok()?),
        Json::Float(number) => since_epoch_in_parts(*number),
        Json::Str(text) => {
            let text = text.as_str()?.trim();
            let number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            match text.parse() {
                Ok(whole) if number => since_epoch(whole),
                _ if number => since_epoch_in_parts(text.parse().ok()?),
                _ => time::iso(text)?.micros(),
            }
        }
        _ => None,
    }
    .filter(|micros| *micros > 0)
}

/// The same in nanoseconds; none of an instant beyond the year 2554.
pub(crate) fn nanos(value: Option<&Json<'_>>) -> Option<u64> {
    instant(value)?.checked_mul(1_000)
}

/// From where on a number counts milliseconds, no longer seconds: in 1973 these reach it, in 5138 those. Each
/// smaller unit follows a thousand times later.
const MILLIS: u64 = 100_000_000_000;

/// Microseconds of a number whose unit its size tells: seconds, milliseconds, microseconds or nanoseconds.
fn since_epoch(number: u64) -> Option<u64> {
    match number {
        0..MILLIS => number.checked_mul(1_000_000),
        MILLIS..100_000_000_000_000 => number.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number),
        _ => Some(number / 1_000),
    }
}

/// A double tells microseconds of this century exactly when rounded to them.
fn since_epoch_in_parts(number: f64) -> Option<u64> {
    let scale = match number {
        0.0..1e11 => 1e6,
        1e11..1e14 => 1e3,
        1e14..1e17 => 1.0,
        1e17..1e19 => 1e-3,
        _ => return None,
    };
    Some((number * scale).round() as u64)
}

/// The member of `data` that names the fields whose times cannot be read.
pub const UNREAD_TIMES: &str = "unread_times";

/// Names those of the fields that say a time which cannot be read. What is absent, empty or zero says none.
pub(crate) fn unread_times<'a>(row: &Json<'_>, fields: &[&'static str]) -> Option<(&'static str, Fact<'a>)> {
    let says = |value: &Json<'_>| match value {
        Json::Null | Json::Int(0) => false,
        Json::Float(number) => *number != 0.0,
        Json::Str(text) => text.as_bytes() != b"0" && !text.to_lossy().trim().is_empty(),
        _ => true,
    };
    let unread =
        |field: &&&str| row.get(field).is_some_and(|value| says(value) && nanos(Some(value)).is_none());
    let named: Vec<_> = fields.iter().filter(unread).map(|field| Cow::Borrowed(*field)).collect();
    (!named.is_empty()).then_some((UNREAD_TIMES, Fact::Labels(named)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_every_spelling() {
        for (text, micros) in [
            ("1795336686.549854", Some(1_795_336_686_549_854)),
            ("1795336686.55", Some(1_795_336_686_550_000)),
            ("1795336686", Some(1_795_336_686_000_000)),
            (r#""1970-01-01T00:00:01Z""#, Some(1_000_000)),
            (r#""2026-11-22T08:09:42.716420+00:00""#, Some(1_795_334_982_716_420)),
            (r#""2026-11-22T10:09:42.716420123+02:00""#, Some(1_795_334_982_716_420)),
            (r#""2026-11-22 08:09:42.7""#, Some(1_795_334_982_700_000)),
            (r#""2000-02-29T00:00:00-0130""#, Some(951_787_800_000_000)),
            // Numbers of milliseconds are what pandas and databases write.
            ("1795336686549", Some(1_795_336_686_549_000)),
            ("1795336686549.5", Some(1_795_336_686_549_500)),
            ("1795336686549854", Some(1_795_336_686_549_854)),
            ("1795336686549854321", Some(1_795_336_686_549_854)),
            (r#""1795336686549""#, Some(1_795_336_686_549_000)),
            (r#""1795336686.5""#, Some(1_795_336_686_500_000)),
            ("0", None),
            (r#""0""#, None),
            (r#""05.10.2026 10:00""#, None),
            (r#""1.5.2""#, None),
            ("-1.5", None),
            ("1e300", None),
            (r#""2026-13-22T08:09:42Z""#, None),
            (r#""2026-11-22""#, None),
            (r#""2026-11-22T08:xx:42Z""#, None),
            (r#""é026-11-22T08:09:42Z""#, None),
            ("null", None),
        ] {
            assert_eq!(instant(Some(&json::parse(text).unwrap())), micros, "{text}");
        }
    }

    #[test]
    fn times_that_cannot_be_read_are_named() {
        let row = json::parse(
            r#"{"a":"05.10.2026 10:00","b":"","c":null,"d":0,"e":"9999-12-31T23:59:59Z","f":1795336686,"g":[]}"#,
        )
        .unwrap();
        let Some((_, Fact::Labels(named))) = unread_times(&row, &["a", "b", "c", "d", "e", "f", "g", "h"])
        else {
            unreachable!()
        };
        assert_eq!(named, ["a", "e", "g"]);
        assert_eq!(unread_times(&row, &["b", "c", "d", "f", "h"]), None);
    }

    #[test]
    fn decimals_are_written_without_an_exponent() {
        let object = json::parse(r#"{"a":4.034e-05,"b":0.0,"c":"1e-7","d":2,"e":"x"}"#).unwrap();
        assert_eq!(decimal(&object, "a").unwrap(), "0.00004034");
        assert_eq!(decimal(&object, "c").unwrap(), "0.0000001");
        assert_eq!(decimal(&object, "d").unwrap(), "2");
        assert_eq!((decimal(&object, "b"), decimal(&object, "e")), (None, None));
    }

    #[test]
    fn structures_in_strings_are_read() {
        let object = json::parse(r#"{"a":"{\"b\":1}","c":"plain","d":{"e":1},"f":"[1,","g":null}"#).unwrap();
        assert!(structure(object.get("a")).unwrap().get("b").is_some());
        assert!(structure(object.get("d")).is_some() && structure(object.get("c")).is_none());
        assert!(matches!(content(object.get("a")), Content::Value(Json::Object(_))));
        for key in ["c", "f"] {
            assert_eq!(content(object.get(key)), Content::Value(object.get(key).unwrap().clone()));
        }
        assert_eq!(content(object.get("g")), Content::Undisclosed);
    }
}
