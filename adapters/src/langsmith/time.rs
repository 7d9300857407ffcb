//! Times as LangSmith's clients write them: ISO 8601 with or without a zone, or milliseconds.

use super::read::word;
use crate::json::Json;

const NANOS: u64 = 1_000_000_000;

/// Unix nanoseconds of a run's time: ISO 8601, UTC where no zone is said; or milliseconds, as the
/// JavaScript SDK sends them. `None` for what is neither, and for times before 1970.
pub(super) fn time(value: &Json<'_>) -> Option<u64> {
    match value {
        Json::Int(millis) => u64::try_from(*millis).ok()?.checked_mul(1_000_000),
        Json::Float(millis) if *millis >= 0.0 && *millis < 1e15 => {
            ((millis * 1e3).round() as u64).checked_mul(1000)
        }
        Json::Str(_) => iso(&word(value)?),
        _ => None,
    }
    .filter(|nanos| *nanos > 0)
}

/// `2026-11-22T08:11:39.730472+00:00`, with a blank for the `T`, without fraction or zone.
fn iso(text: &str) -> Option<u64> {
    let (date, clock) = text.split_at_checked(10)?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let clock = clock.strip_prefix(['T', 't', ' '])?;
    let (hms, rest) = clock.split_at_checked(8)?;
    let mut hms = hms.split(':');
    let (hour, minute, second) = (digits(hms.next()?, 2)?, digits(hms.next()?, 2)?, digits(hms.next()?, 2)?);
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    moment([year, month, day], [hour, minute, second], nanos(fraction)?, offset(zone)?)
}

/// The time at the start of a segment of a dotted order: `20261122T081139730472Z<run id>`.
pub(super) fn compact(segment: &str) -> Option<u64> {
    let (stamp, _) = segment.split_once('Z')?;
    let (date, clock) = stamp.split_once('T')?;
    let part = |text: &str, from: usize, len: usize| digits(text.get(from..from + len)?, len);
    let date = if date.len() == 8 {
        [part(date, 0, 4)?, part(date, 4, 2)?, part(date, 6, 2)?]
    } else {
        return None;
    };
    let clock_parts = [part(clock, 0, 2)?, part(clock, 2, 2)?, part(clock, 4, 2)?];
    moment(date, clock_parts, nanos(clock.get(6..)?)?, 0)
}

fn digits(text: &str, width: usize) -> Option<u64> {
    let all = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// A fraction of a second of one digit or more; what is finer than nanoseconds is cut.
fn nanos(fraction: &str) -> Option<u64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(digits.fold(0, |nanos, digit| nanos * 10 + u64::from(digit - b'0')))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = match zone.get(1..)? {
        zone if zone.len() == 2 => (zone, "00"),
        zone if zone.len() == 4 => zone.split_at(2),
        zone => zone.split_once(':')?,
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * i64::try_from(hours * 3600 + minutes * 60).ok()?)
}

fn moment(
    [year, month, day]: [u64; 3],
    [hour, minute, second]: [u64; 3],
    nanos: u64,
    offset: i64,
) -> Option<u64> {
    let valid = (1970..2500).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !valid {
        return None;
    }
    // Years are counted from March, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second;
    let utc = i64::try_from(seconds).ok()?.checked_sub(offset)?;
    u64::try_from(utc).ok()?.checked_mul(NANOS)?.checked_add(nanos)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::json;

    fn read(text: &str) -> Option<u64> {
        time(&json::parse(text).unwrap())
    }

    #[test]
    fn every_form_of_one_moment_is_that_moment() {
        let moment = Some(1_795_335_099_730_472_000);
        for text in [
            r#""2026-11-22T08:11:39.730472+00:00""#,
            r#""2026-11-22T08:11:39.730472Z""#,
            r#""2026-11-22T08:11:39.730472""#,
            r#""2026-11-22 08:11:39.730472000""#,
            r#""2026-11-22T10:41:39.730472+02:30""#,
            r#""2026-11-22T03:11:39.730472-0500""#,
        ] {
            assert_eq!(read(text), moment, "{text}");
        }
        assert_eq!(compact("20261122T081139730472Z01a2024f-9552-774a-b546-56ffb05c24c0"), moment);
        assert_eq!(read("1795335099730"), Some(1_795_335_099_730_000_000));
        assert_eq!(read("1795335099730.0"), Some(1_795_335_099_730_000_000));
        assert_eq!(read(r#""2024-02-29T00:00:00""#), Some(1_709_164_800_000_000_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "null",
            "0",
            "-1",
            "1e300",
            "[]",
            r#""""#,
            r#""yesterday""#,
            r#""2026-11-22""#,
            r#""2026-13-22T08:11:39""#,
            r#""2026-11-22T25:11:39""#,
            r#""2026-11-22T08:11:39.""#,
            r#""2026-11-22T08:11:39+2""#,
            r#""1950-01-01T00:00:00""#,
            r#""2026-11-22T08:11:3é""#,
            r#""é026-11-22T08:11:39""#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["", "Z", "2026T0Z", "20261122T0811Z", "2026112éT081139Z"] {
            assert_eq!(compact(text), None, "{text}");
        }
    }
}
