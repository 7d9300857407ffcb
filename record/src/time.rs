//! Timestamps: writing a record's `ts`, and reading any record's `ts` back as an instant.

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// Bytes of a timestamp that [`rfc3339`] writes.
pub const LEN: usize = 27;

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ` (RFC 3339, UTC, always six digits of fraction) of a time in Unix
/// nanoseconds, cut to microseconds. Every `u64` is a year from 1970 to 2554.
#[must_use]
pub fn rfc3339(unix_nanos: u64) -> [u8; LEN] {
    let seconds = unix_nanos / NANOS;
    let micros = unix_nanos % NANOS / 1000;
    let (year, month, day) = civil(seconds / DAY);
    let clock = seconds % DAY;
    let mut out = *b"0000-00-00T00:00:00.000000Z";
    put(&mut out, 0, 4, year);
    put(&mut out, 5, 2, month);
    put(&mut out, 8, 2, day);
    put(&mut out, 11, 2, clock / 3600);
    put(&mut out, 14, 2, clock / 60 % 60);
    put(&mut out, 17, 2, clock % 60);
    put(&mut out, 20, 6, micros);
    out
}

/// Writes `value` in `width` decimal digits at `at`.
fn put(out: &mut [u8; LEN], at: usize, width: usize, mut value: u64) {
    for slot in out.iter_mut().skip(at).take(width).rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of a day after 1970-01-01, in the proleptic Gregorian calendar. Years are
/// counted from March, so that the leap day is a year's last, in eras of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// Days in 400 years.
const ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// A moment that sorts: seconds since 0000-03-01T00:00:00Z, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    seconds: i64,
    nanos: u32,
}

impl Instant {
    /// Unix nanoseconds, the nearest that a `u64` can tell.
    #[must_use]
    pub fn unix_nanos(self) -> u64 {
        let since = i128::from(self.seconds - EPOCH as i64 * DAY as i64) * i128::from(NANOS);
        u64::try_from((since + i128::from(self.nanos)).max(0)).unwrap_or(u64::MAX)
    }
}

/// Reads a `ts` as the reference does for its warning about order: RFC 3339 with at most nine
/// digits of fraction and an offset of any two digits each, within the years 1 to 9999 in UTC
/// too. Leap seconds and everything else are `None`. (The reference also takes digits of other
/// scripts; here they are `None`.)
#[must_use]
pub fn instant(text: &str) -> Option<Instant> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (date_time, rest) = text.as_bytes().split_at_checked(19)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b't', h0, h1, b':', i0, i1, b':', s0, s1] =
        *date_time
    else {
        return None;
    };
    let (year, month, day) = (number(&[y0, y1, y2, y3])?, number(&[m0, m1])?, number(&[d0, d1])?);
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[i0, i1])?, number(&[s0, s1])?);
    if year == 0 || day == 0 || day > days_in(year, month)? || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let local = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = local - offset(zone)?;
    let (first, last) = (days(1, 1, 1) * 86_400, days(10_000, 1, 1) * 86_400);
    (first..last).contains(&seconds).then_some(Instant { seconds, nanos })
}

/// The nanoseconds of `.digits`, if there, and what follows.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let width = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at_checked(width)?;
    if !(1..=9).contains(&width) {
        return None;
    }
    let value = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
    Some((value.fold(0, |sum, &digit| sum * 10 + u32::from(digit - b'0')), zone))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let seconds = number(&[h0, h1])? * 3600 + number(&[m0, m1])? * 60;
            Some(if sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, &d| d.is_ascii_digit().then(|| sum * 10 + i64::from(d - b'0')))
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(28 + i64::from(leap)),
        _ => None,
    }
}

/// Days since 0000-03-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * shifted + 2) / 5
        + day
        - 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn shown(nanos: u64) -> String {
        String::from_utf8(rfc3339(nanos).to_vec()).unwrap()
    }

    #[test]
    fn known_times() {
        assert_eq!(shown(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(shown(951_782_400 * NANOS + 999_999_999), "2000-02-29T00:00:00.999999Z");
        assert_eq!(shown(1_767_225_599 * NANOS + 1_000), "2025-12-31T23:59:59.000001Z");
        assert_eq!(shown(u64::MAX), "2554-07-21T23:34:33.709551Z");
    }

    #[test]
    fn instants_are_the_references() {
        let same = |a: &str, b: &str| assert_eq!(instant(a).unwrap(), instant(b).unwrap(), "{a}");
        same("2026-01-01t00:00:00z", "2026-01-01T00:00:00Z");
        same("2026-01-01T00:00:00+05:30", "2025-12-31T18:30:00Z");
        same("2026-01-01T00:00:00+99:99", "2025-12-27T19:21:00Z");
        same("2026-01-01T00:00:00-00:00\n", "2026-01-01T00:00:00.000Z");
        assert!(instant("2026-01-01T00:00:00.123456789Z") > instant("2026-01-01T00:00:00.12345678Z"));
        for unread in [
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.1234567891Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T00:00:00-0530",
            "2026-01-01T00:00:00.Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            " 2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z\n\n",
            "2026-01-01T00:00:00,5Z",
            "+026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(instant(unread), None, "{unread}");
        }
    }

    proptest! {
        #[test]
        fn written_times_are_right(nanos in any::<u64>()) {
            let expected = jiff::Timestamp::from_nanosecond(i128::from(nanos / 1000 * 1000)).unwrap();
            prop_assert_eq!(shown(nanos), format!("{expected:.6}"));
        }

        #[test]
        fn order_survives(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(instant(&shown(a)).cmp(&instant(&shown(b))), (a / 1000).cmp(&(b / 1000)));
        }
    }
}
