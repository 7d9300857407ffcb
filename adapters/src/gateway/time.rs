//! Times as logs write them.

use super::number::{decimal, whole};

const SECOND: u64 = 1_000_000_000;

/// A moment that a log names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) nanos: u64,
    /// It says less than seconds: good enough to reckon with a duration.
    pub(super) fine: bool,
    /// It names its zone; otherwise it was taken for UTC.
    pub(super) zoned: bool,
}

/// Any of the forms below.
pub(super) fn any(text: &str) -> Option<Time> {
    let text = text.trim_matches(['[', ']']);
    match text.as_bytes() {
        [_, _, b'/', ..] => clf(text),
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => iso(text),
        _ => epoch(text),
    }
}

/// `22/Nov/2026:08:30:15 +0000`, HAProxy's `06/Feb/2009:12:14:14.655` without a zone, and both together.
pub(super) fn clf(text: &str) -> Option<Time> {
    let (moment, rest) = text.split_at_checked(20)?;
    let [d0, d1, b'/', m0, m1, m2, b'/', y0, y1, y2, y3, b':', clock @ ..] = moment.as_bytes() else {
        return None;
    };
    let month = match [m0, m1, m2].map(u8::to_ascii_lowercase) {
        [b'j', b'a', b'n'] => 1,
        [b'f', b'e', b'b'] => 2,
        [b'm', b'a', b'r'] => 3,
        [b'a', b'p', b'r'] => 4,
        [b'm', b'a', b'y'] => 5,
        [b'j', b'u', b'n'] => 6,
        [b'j', b'u', b'l'] => 7,
        [b'a', b'u', b'g'] => 8,
        [b's', b'e', b'p'] => 9,
        [b'o', b'c', b't'] => 10,
        [b'n', b'o', b'v'] => 11,
        [b'd', b'e', b'c'] => 12,
        _ => return None,
    };
    moment_of([digits(&[*y0, *y1, *y2, *y3])?, month, digits(&[*d0, *d1])?], clock, rest)
}

/// RFC 3339, with a blank for the `T`, an offset without its colon, or none.
fn iso(text: &str) -> Option<Time> {
    let (moment, rest) = text.split_at_checked(19)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b't' | b' ', clock @ ..] = moment.as_bytes()
    else {
        return None;
    };
    let date = [digits(&[*y0, *y1, *y2, *y3])?, digits(&[*m0, *m1])?, digits(&[*d0, *d1])?];
    moment_of(date, clock, rest)
}

/// `hh:mm:ss`, then what may follow: a fraction and an offset.
fn moment_of([year, month, day]: [u64; 3], clock: &[u8], rest: &str) -> Option<Time> {
    let [h0, h1, b':', i0, i1, b':', s0, s1] = *clock else { return None };
    let (hour, minute, second) = (digits(&[h0, h1])?, digits(&[i0, i1])?, digits(&[s0, s1])?);
    // 60 is a leap second.
    let within = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !within || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at(rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let mut nanos = 0;
    let mut place = SECOND;
    for digit in fraction.bytes() {
        place /= 10;
        nanos += u64::from(digit - b'0') * place;
    }
    let seconds = (days(year, month, day)? * 86_400).checked_add(hour * 3600 + minute * 60 + second)?;
    let (behind, offset, zoned) = offset(zone.trim_start())?;
    let seconds = if behind { seconds.checked_add(offset)? } else { seconds.checked_sub(offset)? };
    let nanos = seconds.checked_mul(SECOND)?.checked_add(nanos)?;
    Some(Time { nanos, fine: !fraction.is_empty(), zoned })
}

/// Whether the zone is behind UTC, by how many seconds, and whether one is named.
fn offset(zone: &str) -> Option<(bool, u64, bool)> {
    let bytes = match zone.as_bytes() {
        [] => return Some((false, 0, false)),
        b"Z" | b"z" | b"UTC" | b"GMT" => return Some((false, 0, true)),
        bytes => bytes,
    };
    let (sign, h0, h1, m0, m1) = match *bytes {
        [sign, h0, h1, b':', m0, m1] | [sign, h0, h1, m0, m1] => (sign, h0, h1, m0, m1),
        _ => return None,
    };
    let seconds = digits(&[h0, h1])? * 3600 + digits(&[m0, m1])? * 60;
    matches!(sign, b'+' | b'-').then_some((sign == b'-', seconds, true))
}

/// Seconds since 1970, or milli-, micro- or nanoseconds, told by their size.
fn epoch(text: &str) -> Option<Time> {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let unit = unit_of(whole(before)?)?;
    Some(Time { nanos: decimal(text, unit)?, fine: unit < SECOND || !after.is_empty(), zoned: true })
}

/// The same of a JSON number.
pub(super) fn epoch_number(number: f64) -> Option<Time> {
    let unit = unit_of((number > 0.0 && number < 1e19).then_some(number as u64)?)?;
    // A double holds a time of our days to some hundred nanoseconds: what it says beyond is noise.
    let micros = (number * (unit as f64 / 1000.0)).round();
    let nanos = (micros < 1.8e16).then(|| micros as u64 * 1000)?;
    Some(Time { nanos, fine: unit < SECOND || number.fract() != 0.0, zoned: true })
}

pub(super) fn epoch_whole(number: u64) -> Option<Time> {
    let unit = unit_of(number)?;
    Some(Time { nanos: number.checked_mul(unit)?, fine: unit < SECOND, zoned: true })
}

/// Told by its size: seconds reach 10^11 in the year 5138.
fn unit_of(number: u64) -> Option<u64> {
    const SECONDS: u64 = 100_000_000_000;
    match number {
        0 => None,
        _ if number < SECONDS => Some(SECOND),
        _ if number < SECONDS * 1_000 => Some(1_000_000),
        _ if number < SECONDS * 1_000_000 => Some(1_000),
        _ => Some(1),
    }
}

fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

/// Days from 1970-01-01, in the proleptic Gregorian calendar, with years counted from March.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    (365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1).checked_sub(719_468)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_the_same_moment() {
        let fine = 1_795_336_215_250_000_000;
        let table = [
            ("22/Nov/2026:08:30:15 +0000", 1_795_336_215_000_000_000, false, true),
            ("[22/Nov/2026:10:00:15 +0130]", 1_795_336_215_000_000_000, false, true),
            ("22/Nov/2026:03:30:15 -0500", 1_795_336_215_000_000_000, false, true),
            ("22/Nov/2026:08:30:15.250", fine, true, false),
            ("2026-11-22T08:30:15.250Z", fine, true, true),
            ("2026-11-22T08:30:15.250+0000", fine, true, true),
            ("2026-11-22 09:30:15,25 +01:00", fine, true, true),
            ("2026-11-22T08:30:15.250", fine, true, false),
            ("1795336215.25", fine, true, true),
            ("1795336215250", fine, true, true),
            ("1795336215250000", fine, true, true),
            ("1795336215250000000", fine, true, true),
            ("1970-01-01T00:00:01Z", 1_000_000_000, false, true),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000_000, false, true),
        ];
        for (text, nanos, fine, zoned) in table {
            assert_eq!(any(text), Some(Time { nanos, fine, zoned }), "{text}");
        }
        assert_eq!(epoch_number(1_795_336_203.102_944_9).unwrap().nanos, 1_795_336_203_102_945_000);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "0",
            "22/Nox/2026:08:30:15 +0000",
            "22/Nov/2026:25:30:15 +0000",
            "22/Nov/1969:08:30:15 +0000",
            "2026-13-01T00:00:00Z",
            "2026-11-22T08:30",
            "2026-11-22T08:30:15+1",
            "1e9",
            "22/Nov/2026:08:30:15 CET",
            "99999999999999999999",
            "\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}",
        ] {
            assert_eq!(any(text), None, "{text}");
        }
        assert_eq!(epoch_number(f64::NAN), None);
        assert_eq!(epoch_number(-1.0), None);
    }
}
