//! Spans of time as people write them: `2026-10-05`, `2026-10-05T10:00..2026-10-06`, `2026-10-05..`.
//!
//! Both ends are included, with all of the day, minute, second or fraction that they name. A time without a zone is in UTC.

use halod_record::time::instant;

/// From when to when, in nanoseconds since 1970: the first that is in it, and the first that is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: u64,
    until: u64,
}

/// Why a text is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    #[error(
        "{0:?} is no time: write 2026-10-05, 2026-10-05T10:30, 2026-10-05T10:30:00Z or 2026-10-05T10:30:00+02:00"
    )]
    Time(String),
    #[error("the span begins at {from} and ends at {to}, which is earlier")]
    Backwards { from: String, to: String },
    #[error("both ends of the span are open: leave it out")]
    Open,
}

impl Window {
    /// Reads one point (all of a day, minute or second) or `FROM..TO`, either of which may be left out.
    ///
    /// # Errors
    /// An end is no time, the second one is before the first, or there is none.
    pub fn parse(text: &str) -> Result<Self, BadWindow> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to) = (from.trim(), to.trim());
        let start = if from.is_empty() { None } else { Some(point(from)?.0) };
        let end = if to.is_empty() { None } else { Some(point(to)?.1) };
        let window = match (start, end) {
            (None, None) => return Err(BadWindow::Open),
            (start, end) => Self { from: start.unwrap_or(0), until: end.unwrap_or(u64::MAX) },
        };
        if window.from >= window.until {
            return Err(BadWindow::Backwards { from: from.to_owned(), to: to.to_owned() });
        }
        Ok(window)
    }

    #[must_use]
    pub fn holds(&self, nanos: u64) -> bool {
        (self.from..self.until).contains(&nanos)
    }
}

const SECOND: u64 = 1_000_000_000;

/// The nanosecond at which what a text names begins, and the one behind it.
fn point(text: &str) -> Result<(u64, u64), BadWindow> {
    let bad = || BadWindow::Time(text.to_owned());
    if !text.is_ascii() || text.len() > 64 {
        return Err(bad());
    }
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        None => (text, None),
        Some((date, clock)) => (date, Some(clock)),
    };
    let (clock, zone) = match clock {
        None => ("", "Z"),
        Some(clock) => {
            let at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
            let (clock, zone) = clock.split_at(at);
            (clock, if zone.is_empty() { "Z" } else { zone })
        }
    };
    let (clock, lasts) = match (clock.len(), clock.split_once('.')) {
        (0, _) if !text.contains(['T', 't', ' ']) => ("00:00:00".to_owned(), 86_400 * SECOND),
        (5, None) => (format!("{clock}:00"), 60 * SECOND),
        (8, None) => (clock.to_owned(), SECOND),
        (9.., Some((_, fraction))) if (1..=9).contains(&fraction.len()) => {
            (clock.to_owned(), 10u64.pow(9 - fraction.len() as u32))
        }
        _ => return Err(bad()),
    };
    let from = instant(&format!("{date}T{clock}{zone}")).ok_or_else(bad)?.unix_nanos();
    Ok((from, from.saturating_add(lasts)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::time::rfc3339;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let Window { from, until } = Window::parse(text).unwrap();
        let told = |nanos: u64| match nanos {
            0 => String::new(),
            u64::MAX => String::new(),
            nanos => String::from_utf8(rfc3339(nanos).to_vec()).unwrap(),
        };
        format!("{}..{}", told(from), told(until))
    }

    #[test]
    fn ends_are_included_with_all_that_they_name() {
        assert_eq!(shown("2026-10-05"), "2026-10-05T00:00:00.000000Z..2026-10-06T00:00:00.000000Z");
        assert_eq!(
            shown("2026-10-05..2026-10-06"),
            "2026-10-05T00:00:00.000000Z..2026-10-07T00:00:00.000000Z"
        );
        assert_eq!(shown("2026-10-05T10:30.."), "2026-10-05T10:30:00.000000Z..");
        assert_eq!(shown("..2026-10-05 10:30"), "..2026-10-05T10:31:00.000000Z");
        assert_eq!(
            shown("2026-10-05T10:30:00+02:00"),
            "2026-10-05T08:30:00.000000Z..2026-10-05T08:30:01.000000Z"
        );
        assert_eq!(
            shown("2026-10-05T10:30-02:00"),
            "2026-10-05T12:30:00.000000Z..2026-10-05T12:31:00.000000Z"
        );
        assert_eq!(
            shown("2026-10-05T10:30:00.25z"),
            "2026-10-05T10:30:00.250000Z..2026-10-05T10:30:00.260000Z"
        );
        assert!(!Window::parse("2026-10-05").unwrap().holds(0));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "yesterday",
            "2026-02-30",
            "2026-10-05T",
            "2026-10-05T10",
            "2026-10-05T24:00",
            "2026-10-05T10:30:00.",
            "10:30",
            "2026-10-05Z",
            "05.10.2026",
            "2026-10-05T10:30:00 UTC",
            "２０２６-10-05",
            "2026-10-05..x",
        ] {
            assert!(
                matches!(Window::parse(text), Err(BadWindow::Time(_))),
                "{text}: {:?}",
                Window::parse(text)
            );
        }
        assert_eq!(Window::parse(".."), Err(BadWindow::Open));
        assert!(matches!(Window::parse("2026-10-06..2026-10-05"), Err(BadWindow::Backwards { .. })));
        // Dates are all of a day, so the same one twice is that day.
        assert!(Window::parse("2026-10-05..2026-10-05").is_ok());
    }

    proptest! {
        #[test]
        fn a_written_time_is_in_its_own_window_and_no_other(nanos in 0..4_000_000_000_000_000_000_u64) {
            let text = String::from_utf8(rfc3339(nanos).to_vec()).unwrap();
            let window = Window::parse(&text).unwrap();
            prop_assert!(window.holds(nanos) && !window.holds(nanos.saturating_sub(1_000)) | (nanos < 1_000));
            prop_assert!(!window.holds(nanos + 1_000));
            let day = text.get(..10).unwrap();
            prop_assert!(Window::parse(day).unwrap().holds(nanos));
        }
    }
}
