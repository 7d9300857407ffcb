//! Which lines are worth reading: a look at bytes, before anything is parsed.
//!
//! A value that is asked for stands in the line as it is, unless it is written with escapes; and only `\uXXXX` and `\/` can
//! stand for a character that needs none. So a line without the longest plain part of any wanted value, and without `\u`, is
//! not asked for. The same goes for times: one that is asked for stands behind the name of its member.

use super::field::Field;
use super::filter::{Condition, Filter};
use crate::reader::when::Window;
use halod_record::time::instant;
use memchr::memmem::Finder;

/// Values of one condition that are looked for, each by a pass of its own over the bytes.
const MOST: usize = 4;

/// Shorter parts stand in most lines.
const LEAST: usize = 3;

/// What a line has to have to be worth reading.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// One of these, where there are some.
    needles: Vec<Finder<'static>>,
    /// Lines that have one of these are worth reading in any case.
    also: Vec<Finder<'static>>,
    happened: Option<Times>,
    sealed: Option<Times>,
}

/// A time of these members has to be in the window.
#[derive(Debug)]
struct Times {
    window: Window,
    names: Vec<Finder<'static>>,
}

impl Sieve {
    pub(super) fn of(filter: &Filter) -> Self {
        let best = filter.conditions.iter().filter_map(needles).min_by_key(|needles| {
            // The longest of the shortest parts, and of those the fewest.
            (usize::MAX - needles.iter().map(String::len).min().unwrap_or(0), needles.len())
        });
        let finder = |text: &String| Finder::new(text.as_bytes()).into_owned();
        let times = |window: &Option<Window>, names: &[&str]| {
            let names = names.iter().map(|name| Finder::new(name.as_bytes()).into_owned()).collect();
            window.map(|window| Times { window, names })
        };
        Self {
            needles: best.map(|best| best.iter().map(finder).collect()).unwrap_or_default(),
            also: Vec::new(),
            happened: times(&filter.happened, &["\"started_at\"", "\"ended_at\"", "\"ts\""]),
            sealed: times(&filter.sealed, &["\"ts\""]),
        }
    }

    /// For lines that have one of these texts, which are written without escapes.
    pub(super) fn of_texts(texts: &[&str]) -> Self {
        let needles = texts.iter().map(|text| Finder::new(text.as_bytes()).into_owned()).collect();
        Self { needles, ..Self::default() }
    }

    /// Lets lines through that have one of these texts, whatever else is asked for.
    pub(super) fn and_also(mut self, texts: &[&str]) -> Self {
        self.also = texts.iter().map(|text| Finder::new(text.as_bytes()).into_owned()).collect();
        self
    }

    /// A search through the lines of `bytes` from the first to the last.
    pub(super) fn over<'s>(&'s self, bytes: &'s [u8]) -> Search<'s> {
        let escapes = Some(Place::of(What::Escape)).filter(|_| !self.needles.is_empty());
        let places = self.needles.iter().map(|finder| Place::of(What::Needle(finder))).chain(escapes);
        let also = self.also.iter().map(|finder| Place::of(What::Needle(finder)));
        Search { sieve: self, bytes, places: places.collect(), also: also.collect() }
    }

    /// Whether a line may have happened and been sealed in the windows that are asked for.
    fn is_in_time(&self, line: &[u8]) -> bool {
        let may = |times: &Option<Times>| times.as_ref().is_none_or(|times| times.may_hold(line));
        may(&self.happened) && may(&self.sealed)
    }
}

/// What is looked for.
#[derive(Clone, Copy)]
enum What<'s> {
    Needle(&'s Finder<'static>),
    Escape,
}

/// Where the next one of something is.
struct Place<'s> {
    what: What<'s>,
    /// `None` before the first look, `usize::MAX` where there is none any more.
    next: Option<usize>,
}

impl<'s> Place<'s> {
    fn of(what: What<'s>) -> Self {
        Self { what, next: None }
    }

    /// Whether there is one in `from..to`.
    fn is_within(&mut self, bytes: &[u8], from: usize, to: usize) -> bool {
        if self.next.is_none_or(|next| next < from) {
            let rest = bytes.get(from..).unwrap_or_default();
            let found = match self.what {
                What::Needle(finder) => finder.find(rest),
                What::Escape => escape(rest),
            };
            self.next = Some(found.map_or(usize::MAX, |at| from + at));
        }
        self.next.is_some_and(|next| next < to)
    }
}

/// Where a `\u` is that stands for more than a control character, which has no other form.
fn escape(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"\\u")
        .find(|at| !matches!(bytes.get(at + 2..at + 5), Some([b'0', b'0', b'0' | b'1'])))
}

/// Asked line by line, from the first to the last.
pub(super) struct Search<'s> {
    sieve: &'s Sieve,
    bytes: &'s [u8],
    places: Vec<Place<'s>>,
    also: Vec<Place<'s>>,
}

impl Search<'_> {
    /// Whether the line in `from..to` is worth reading.
    pub(super) fn is_worth(&mut self, from: usize, to: usize) -> bool {
        let Self { sieve, bytes, places, also } = self;
        // Every place is asked, so that each goes on from line to line.
        let mut found = places.is_empty();
        for place in places {
            found |= place.is_within(bytes, from, to);
        }
        let is_asked = found && bytes.get(from..to).is_some_and(|line| sieve.is_in_time(line));
        is_asked || also.iter_mut().any(|place| place.is_within(bytes, from, to))
    }
}

/// The parts of a condition's values that stand in a line as they are.
fn needles(condition: &Condition) -> Option<Vec<String>> {
    // How an action ended may be said in other words, or not at all; so may whose it is.
    if condition.field == Field::Status {
        return None;
    }
    let local = |value: &String| condition.field == Field::Tenant && value == "_local";
    if condition.wanted.len() > MOST || condition.wanted.iter().any(local) {
        return None;
    }
    condition.wanted.iter().map(|value| plain(value, condition.field != Field::Text)).collect()
}

/// The longest part of a value that no JSON writes with an escape but `\uXXXX`.
fn plain(value: &str, stars: bool) -> Option<String> {
    let is_apart = |c: char| {
        // U+FFFD is shown for what can't be read.
        matches!(c, '"' | '\\' | '/' | '\u{fffd}') || (c as u32) < 0x20 || (stars && c == '*')
    };
    let longest = value.split(is_apart).max_by_key(|part| part.len())?;
    (longest.len() >= LEAST).then(|| longest.to_owned())
}

impl Times {
    /// Whether a time of these members may be in the window.
    fn may_hold(&self, line: &[u8]) -> bool {
        let may = |name: &Finder<'static>| {
            name.find_iter(line).any(|at| {
                let rest = line.get(at + name.needle().len()..).unwrap_or_default();
                match value(rest) {
                    Some(text) => instant(text).is_some_and(|at| self.window.holds(at.unix_nanos())),
                    // It is written as nobody writes it.
                    None => true,
                }
            })
        };
        self.names.iter().any(may) || escape(line).is_some()
    }
}

/// The text behind a member's name, if it has no escapes.
fn value(rest: &[u8]) -> Option<&str> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let text = rest.get(..memchr::memchr(b'"', rest.get(..128.min(rest.len()))?)?)?;
    if text.contains(&b'\\') {
        return None;
    }
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::{Json, Text, parse};
    use proptest::prelude::*;

    fn worth(filter: &Filter, lines: &str) -> Vec<bool> {
        let sieve = Sieve::of(filter);
        let mut search = sieve.over(lines.as_bytes());
        let mut from = 0;
        lines
            .split('\n')
            .map(|line| {
                let is_worth = search.is_worth(from, from + line.len());
                from += line.len() + 1;
                is_worth
            })
            .collect()
    }

    fn asking(field: Field, value: &str) -> Filter {
        let mut filter = Filter::default();
        filter.field(field, vec![value.to_owned()]).unwrap();
        filter
    }

    #[test]
    fn lines_without_what_is_asked_for_are_passed_over() {
        let lines = "{\"a\":\"lookup\"}\n{\"a\":\"other\"}\n{\"a\":\"l\\u006fokup\"}\n{\"a\":\"x\\u0001lookup\"}\n{\"a\":\"\\u0001\"}";
        assert_eq!(worth(&asking(Field::Tool, "lookup"), lines), [true, false, true, true, false]);
        assert_eq!(worth(&asking(Field::Tool, "lo*up"), lines), [true; 5], "too short to look for");
        assert_eq!(worth(&asking(Field::Tool, "*okup"), lines), [true, false, true, true, false]);
        assert_eq!(worth(&asking(Field::Text, "\"/lookup"), lines), [true, false, true, true, false]);
        assert_eq!(worth(&asking(Field::Status, "ok"), lines), [true; 5]);
    }

    #[test]
    fn lines_of_other_times_are_passed_over() {
        let mut filter = Filter::default();
        filter.happened("2026-10-05").unwrap();
        let lines = [
            r#"{"data":{"started_at":"2026-10-05T01:00:00Z"},"ts":"2026-10-09T00:00:00Z"}"#,
            r#"{"data":{"started_at":"2026-10-04T01:00:00Z"},"ts":"2026-10-09T00:00:00Z"}"#,
            r#"{"data":{"started_at": "2026-10-05T01:00:00Z"}}"#,
            r#"{"data":{"started\u005fat":"2026-10-05T01:00:00Z"}}"#,
            r#"{"ts":"2026-10-05T01:00:00Z"}"#,
            r#"{"ts":5}"#,
        ];
        assert_eq!(worth(&filter, &lines.join("\n")), [true, false, true, true, true, true]);
    }

    fn shown(text: &str, way: u8) -> String {
        text.chars()
            .map(|c| match (way, c) {
                (_, '"' | '\\') => format!("\\{c}"),
                (1, '/') => "\\/".to_owned(),
                (2, c) if !c.is_ascii_alphanumeric() => {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }
                (_, c) if (c as u32) < 0x20 => format!("\\u{:04X}", c as u32),
                _ => c.to_string(),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        /// Whatever the filter holds of is worth reading, however it is written.
        #[test]
        fn nothing_that_is_asked_for_is_passed_over(
            value in "[a-z/\"\\\\\u{1}é😀*]{0,8}", own in "[a-z/\"\\\\\u{1}é😀*]{0,8}", same in any::<bool>(), way in 0..3_u8,
            field in prop::sample::select(vec![Field::Tool, Field::Session, Field::Text, Field::Tenant, Field::Finding]),
            second in 0..70_u64,
        ) {
            let own = if same { value.clone() } else { own };
            let line = format!(
                r#"{{"action":{{"tool":"{0}"}},"findings":[{{"type":"{0}"}}],"session_id":"{0}","subject":{{"id":"{0}"}},"ts":"2026-10-05T10:00:{1:02}Z"}}"#,
                shown(&own, way), second % 60
            );
            let record = parse(&line).unwrap();
            prop_assert_eq!(record.get("session_id"), Some(&Json::Str(Text::from(own))));
            let mut filter = Filter::default();
            if filter.field(field, vec![value]).is_err() {
                return Ok(());
            }
            filter.sealed("2026-10-05T10:00:10..2026-10-05T10:00:30").unwrap();
            let lines = format!("{{}}\n{line}\n{{}}");
            if filter.holds(&record) {
                prop_assert!(worth(&filter, &lines).get(1) == Some(&true));
            }
        }
    }
}
