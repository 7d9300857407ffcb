//! A stretch of time that a reader asks for: the reference's `--from` and `--to`, both inclusive.
//!
//! Times are read as Python 3.11 reads ISO 8601, because a record's `ts` is any text: what the reference finds in a window is
//! found here. Finer than a microsecond is cut off.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};

/// A moment in UTC, to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(DateTime);

/// The records that a reader wants, by their `ts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub from: Option<Moment>,
    pub to: Option<Moment>,
}

/// A bound that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no date and no time: write YYYY-MM-DD, or RFC 3339 as in 2026-06-01T09:00:00Z")]
pub struct NoTime(String);

impl Window {
    /// Reads both bounds. A date alone is the whole of its day.
    ///
    /// # Errors
    /// One of them is no time.
    pub fn parse(from: Option<&str>, to: Option<&str>) -> Result<Self, NoTime> {
        let bound = |text: Option<&str>, end| text.map(|text| bound(text, end)).transpose();
        Ok(Self { from: bound(from, false)?, to: bound(to, true)? })
    }

    /// Every record is in it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a record with this `ts` is in it. What is no time is only where there are no bounds.
    #[must_use]
    pub fn has(&self, ts: Option<&str>) -> bool {
        if self.is_open() {
            return true;
        }
        let Some(at) = ts.and_then(moment) else { return false };
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to)
    }
}

fn bound(text: &str, end: bool) -> Result<Moment, NoTime> {
    let wrong = || NoTime(text.to_owned());
    let trimmed = text.trim_matches(super::records::is_space);
    if trimmed.chars().count() == 10 {
        let day = day(trimmed).ok_or_else(wrong)?;
        let last = Time::constant(23, 59, 59, 999_999_000);
        return Ok(Moment(day.to_datetime(if end { last } else { Time::midnight() })));
    }
    moment(trimmed).ok_or_else(wrong)
}

/// Reads a time; without an offset it is in UTC.
#[must_use]
pub fn moment(text: &str) -> Option<Moment> {
    if text.is_empty() {
        return None;
    }
    let text = text.replace('Z', "+00:00");
    if text.chars().count() < 7 {
        return None;
    }
    let at = date_length(text.as_bytes())?;
    let day = day(text.get(..at)?)?;
    // One character, whichever, is between date and time.
    let mut rest = text.get(at..)?.chars();
    rest.next();
    let rest = rest.as_str();
    if rest.is_empty() {
        return Some(Moment(day.to_datetime(Time::midnight())));
    }
    let split = rest.find(['+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(split)?;
    let [hour, minute, second, micros] = clock_parts(clock)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let time = Time::new(hour as i8, minute as i8, second as i8, (micros * 1000) as i32).ok()?;
    let local = day.to_datetime(time);
    let utc = if zone.is_empty() { local } else { local.checked_sub(offset(zone)?.microseconds()).ok()? };
    (1..=9999).contains(&utc.year()).then_some(Moment(utc))
}

/// Microseconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = zone.split_at_checked(1)?;
    if matches!(rest.len(), 0 | 1 | 3) {
        return None;
    }
    let [hour, minute, second, micros] = clock_parts(rest)?;
    let all = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    (all < 86_400_000_000).then_some(if sign == "-" { -all } else { all })
}

/// Where the date ends and the time begins.
fn date_length(text: &[u8]) -> Option<usize> {
    if text.len() == 7 {
        return Some(7);
    }
    let at = |place: usize| text.get(place).copied();
    let digit = |place: usize| at(place).is_some_and(|byte| byte.is_ascii_digit());
    Some(match (at(4)?, at(5)?) {
        (b'-', b'W') => match at(8) {
            // A week without a day, and a time that begins with a dash, or a week with a day.
            Some(b'-') if text.len() == 9 => return None,
            Some(b'-') if !digit(10) => 10,
            _ => 8,
        },
        (b'-', _) => 10,
        (b'W', _) => {
            let end = (7..text.len()).find(|&place| !digit(place)).unwrap_or(text.len());
            if end < 9 {
                end
            } else if end % 2 == 0 {
                7
            } else {
                8
            }
        }
        _ => 8,
    })
}

fn day(text: &str) -> Option<Date> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = i16::try_from(number(year)?).ok().filter(|year| *year > 0)?;
    let (rest, dashed) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    if let Some(rest) = rest.strip_prefix('W') {
        let (week, rest) = rest.split_at_checked(2)?;
        let day = match (rest.is_empty(), rest.strip_prefix('-'), dashed) {
            (true, ..) => 1,
            (false, Some(day), true) if day.len() == 1 => number(day)?,
            (false, None, false) if rest.len() == 1 => number(rest)?,
            _ => return None,
        };
        let weekday = Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?;
        let week = i8::try_from(number(week)?).ok()?;
        return Some(ISOWeekDate::new(year, week, weekday).ok()?.date()).filter(|day| day.year() > 0);
    }
    let (month, rest) = rest.split_at_checked(2)?;
    let day = if dashed { rest.strip_prefix('-')? } else { rest };
    if day.len() != 2 {
        return None;
    }
    Date::new(year, number(month)? as i8, number(day)? as i8).ok()
}

/// Hours, minutes, seconds and microseconds of a time of day.
fn clock_parts(text: &str) -> Option<[i64; 4]> {
    let mut parts = [0; 4];
    let mut rest = text;
    let colons = text.as_bytes().get(2) == Some(&b':');
    for (at, part) in parts.iter_mut().take(3).enumerate() {
        let (digits, after) = rest.split_at_checked(2)?;
        *part = number(digits)?;
        if after.is_empty() {
            return Some(parts);
        }
        rest = match at {
            2 => after.strip_prefix(['.', ','])?,
            _ if colons => after.strip_prefix(':')?,
            _ => after,
        };
    }
    if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = rest.bytes().chain(std::iter::repeat(b'0')).take(6);
    if let Some(micros) = parts.last_mut() {
        *micros = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    }
    Some(parts)
}

fn number(digits: &str) -> Option<i64> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

impl std::fmt::Display for Moment {
    /// As Python prints a time in UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.0;
        let (year, month, day) = (at.year(), at.month(), at.day());
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())?;
        let micros = at.subsec_nanosecond() / 1000;
        if micros > 0 {
            write!(f, ".{micros:06}")?;
        }
        f.write_str("+00:00")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from(text: &str) -> String {
        Window::parse(Some(text), None).map_or("-".into(), |window| window.from.unwrap().to_string())
    }

    #[test]
    fn bounds_are_those_of_the_reference() {
        let midnight = "2026-01-01T00:00:00+00:00";
        for text in [
            "2026-01-01",
            " 2026-01-01 ",
            "2026-01-01T00:00:00Z",
            "2026-01-01 00:00",
            "20260101",
            "20260101T000000",
            "2026-01-01T00",
            "2026-01-01T0000",
            "2026-01-01X00:00:00.Z",
            "2026-01-01T00:00:00-00:00",
        ] {
            assert_eq!(from(text), midnight, "{text}");
        }
        assert_eq!(from("2026-W01-1"), "2025-12-29T00:00:00+00:00");
        assert_eq!(from("2026W011"), "2025-12-29T00:00:00+00:00");
        assert_eq!(from("2026-01-01T00:00:00,5+02:00"), "2025-12-31T22:00:00.500000+00:00");
        assert_eq!(from("2026-01-01T00:00:00.1234567Z"), "2026-01-01T00:00:00.123456+00:00");
        assert_eq!(from("2026-01-01T00:00:00+02:00:30"), "2025-12-31T21:59:30+00:00");
        for text in [
            "",
            "x",
            "2026-001",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-02-30",
            "2026-1-1",
            "2026-01-01T00:00:00z",
            "2026-01-01T00:00:00+24:00",
            "２０２６-01-01",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(from(text), "-", "{text}");
        }
    }

    #[test]
    fn both_ends_of_a_window_are_in_it() {
        let window = Window::parse(Some("2026-01-02"), Some("2026-01-02")).unwrap();
        assert_eq!(window.to.unwrap().to_string(), "2026-01-02T23:59:59.999999+00:00");
        for (ts, is_in) in [
            ("2026-01-02T00:00:00Z", true),
            ("2026-01-02T23:59:59.9999999Z", true),
            ("2026-01-03T00:00:00+00:01", true),
            ("2026-01-03T00:00:00Z", false),
            ("yesterday", false),
        ] {
            assert_eq!(window.has(Some(ts)), is_in, "{ts}");
        }
        assert!(Window::default().has(Some("yesterday")));
    }
}
