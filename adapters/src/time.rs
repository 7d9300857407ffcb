//! Moments as senders and logs write them.

/// A moment since 1970 that a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    seconds: u64,
    /// Nanoseconds of the second that has begun.
    fraction: u64,
    /// It says less than seconds.
    pub(crate) fine: bool,
    /// It names its zone; otherwise it was taken for UTC.
    pub(crate) zoned: bool,
}

const SECOND: u64 = 1_000_000_000;

impl Moment {
    /// Nanoseconds since 1970; none of a moment beyond the year 2554.
    pub(crate) fn nanos(&self) -> Option<u64> {
        self.seconds.checked_mul(SECOND)?.checked_add(self.fraction)
    }

    /// Microseconds since 1970.
    pub(crate) fn micros(&self) -> Option<u64> {
        self.seconds.checked_mul(1_000_000)?.checked_add(self.fraction / 1_000)
    }
}

/// RFC 3339, and ISO 8601 as programs write it: with a blank for the `T`, a comma for the point, without
/// seconds, and an offset without its colon, without minutes, or none.
pub(crate) fn iso(text: &str) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(10)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date.as_bytes() else { return None };
    let date = [digits(&[y0, y1, y2, y3])?, digits(&[m0, m1])?, digits(&[d0, d1])?];
    moment(date, rest.strip_prefix(['T', 't', ' '])?)
}

/// Of a date (year, month, day) and what stands behind it: `hh:mm:ss`, then what may follow, a fraction and
/// an offset.
pub(crate) fn moment([year, month, day]: [u64; 3], clock: &str) -> Option<Moment> {
    let (hour, rest) = two(clock)?;
    let (minute, rest) = two(rest.strip_prefix(':')?)?;
    let (second, rest) = rest.strip_prefix(':').map_or(Some((0, rest)), two)?;
    // 60 is a leap second.
    let within = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !within || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at(rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let fine = !fraction.is_empty();
    let mut place = SECOND;
    let fraction = fraction.bytes().fold(0, |sum, digit| {
        place /= 10;
        sum + u64::from(digit - b'0') * place
    });
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let (behind, offset, zoned) = offset(zone.trim())?;
    let seconds = if behind { seconds.checked_add(offset)? } else { seconds.checked_sub(offset)? };
    Some(Moment { seconds, fraction, fine, zoned })
}

/// Whether the zone is behind UTC, by how many seconds, and whether one is named.
fn offset(zone: &str) -> Option<(bool, u64, bool)> {
    let bytes = match zone.as_bytes() {
        [] => return Some((false, 0, false)),
        b"Z" | b"z" | b"UTC" | b"GMT" => return Some((false, 0, true)),
        bytes => bytes,
    };
    let (sign, h0, h1, m0, m1) = match *bytes {
        [sign, h0, h1] => (sign, h0, h1, b'0', b'0'),
        [sign, h0, h1, b':', m0, m1] | [sign, h0, h1, m0, m1] => (sign, h0, h1, m0, m1),
        _ => return None,
    };
    let seconds = digits(&[h0, h1])? * 3600 + digits(&[m0, m1])? * 60;
    matches!(sign, b'+' | b'-').then_some((sign == b'-', seconds, true))
}

/// Two digits, and what follows them.
fn two(text: &str) -> Option<(u64, &str)> {
    let (number, rest) = text.split_at_checked(2)?;
    Some((digits(number.as_bytes())?, rest))
}

/// The number that digits write.
pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
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
    fn every_spelling_is_the_same_moment() {
        for text in [
            "2026-11-22T08:30:15.25Z",
            "2026-11-22t08:30:15.250z",
            "2026-11-22 08:30:15,25 UTC",
            "2026-11-22T08:30:15.250000001+00",
            "2026-11-22T10:00:15.25+0130",
            "2026-11-22T03:30:15.25 -05:00",
            "2026-11-22T08:30:15.2500000000009",
        ] {
            let read = iso(text).unwrap();
            assert_eq!(read.micros(), Some(1_795_336_215_250_000), "{text}");
            assert_eq!((read.fine, read.zoned), (true, !text.ends_with('9')), "{text}");
        }
        assert_eq!(iso("2026-11-22T08:30:15.250000001Z").unwrap().nanos(), Some(1_795_336_215_250_000_001));
        let minute = iso("2026-11-22T08:30").unwrap();
        assert_eq!(
            (minute.nanos(), minute.fine, minute.zoned),
            (Some(1_795_336_200_000_000_000), false, false)
        );
        // `date -u -d 9999-12-31T23:59:59Z +%s`
        let last = iso("9999-12-31T23:59:59Z").unwrap();
        assert_eq!((last.micros(), last.nanos()), (Some(253_402_300_799_000_000), None));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T",
            "2026-11-22T08",
            "2026-11-22T8:30:15",
            "2026-11-22T08:30:1",
            "2026-11-22T08:30:15+1",
            "2026-11-22T08:30:15 CET",
            "2026-11-22T08:30:15.25x",
            "2026-11-22T24:00:00Z",
            "2026-11-22T08:60:00Z",
            "2026-00-22T08:30:15Z",
            "2026-11-32T08:30:15Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "é026-11-22T08:30:15Z",
            "2026-11-22é08:30:15Z",
            "2026-11-22T08:3é:15Z",
        ] {
            assert_eq!(iso(text), None, "{text}");
        }
    }
}
