//! Times as logs write them.

use super::number::{decimal, whole};
use crate::time::{Moment, digits, iso, moment};

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

impl Time {
    fn of(moment: Moment) -> Option<Self> {
        Some(Self { nanos: moment.nanos()?, fine: moment.fine, zoned: moment.zoned })
    }
}

/// ISO 8601, or one of the forms below.
pub(super) fn any(text: &str) -> Option<Time> {
    let text = text.trim_matches(['[', ']']);
    match text.as_bytes() {
        [_, _, b'/', ..] => clf(text),
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => Time::of(iso(text)?),
        // Caddy's `wall`, which is UTC unless it is told otherwise.
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'/', ..] => {
            Time::of(iso(&text.replacen('/', "-", 2))?)
        }
        _ => epoch(text),
    }
}

/// `22/Nov/2026:08:30:15 +0000`, HAProxy's `06/Feb/2009:12:14:14.655` without a zone, and both together.
pub(super) fn clf(text: &str) -> Option<Time> {
    let [d0, d1, b'/', m0, m1, m2, b'/', y0, y1, y2, y3, b':', ..] = text.as_bytes() else {
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
    let date = [digits(&[*y0, *y1, *y2, *y3])?, month, digits(&[*d0, *d1])?];
    Time::of(moment(date, text.get(12..)?)?)
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
