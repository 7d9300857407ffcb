//! Which records are asked for.

use super::field::{self, Field};
use crate::reader::when::{BadWindow, Window};
use halod_record::fold::End;
use halod_record::json::Json;
use halod_record::wildcard::fits;

/// What is asked of a field: one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) field: Field,
    pub(super) wanted: Vec<String>,
}

/// All conditions have to hold, each by one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub(super) happened: Option<Window>,
    pub(super) sealed: Option<Window>,
    pub(super) conditions: Vec<Condition>,
}

/// Why something can't be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    #[error("{value:?} is no {field}: it is one of {allowed}")]
    Word { field: &'static str, value: String, allowed: String },
    #[error("an empty {0} would be in every record: leave it out")]
    Empty(&'static str),
    #[error("--{option}: {source}")]
    Window { option: &'static str, source: BadWindow },
}

const ENDS: [End; 5] = [End::Ok, End::Error, End::Denied, End::Unknown, End::Unfinished];
const SEVERITIES: [&str; 5] = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"];

impl Filter {
    /// Only what happened in a span of time, by what its sender said.
    ///
    /// # Errors
    /// The text is no span.
    pub fn happened(&mut self, text: &str) -> Result<(), BadFilter> {
        let window =
            Window::parse(text).map_err(|source| BadFilter::Window { option: "happened", source })?;
        self.happened = Some(window);
        Ok(())
    }

    /// Only what was sealed in a span of time.
    ///
    /// # Errors
    /// The text is no span.
    pub fn sealed(&mut self, text: &str) -> Result<(), BadFilter> {
        let window = Window::parse(text).map_err(|source| BadFilter::Window { option: "sealed", source })?;
        self.sealed = Some(window);
        Ok(())
    }

    /// Only records whose field has one of these values; without any, all.
    ///
    /// # Errors
    /// A value that the field never has.
    pub fn field(&mut self, field: Field, mut wanted: Vec<String>) -> Result<(), BadFilter> {
        for value in &mut wanted {
            match field {
                Field::Status => {
                    *value = value.to_lowercase();
                    let words = ENDS.map(End::word);
                    word("status", value, &words)?;
                }
                Field::Severity => {
                    *value = value.to_uppercase();
                    word("severity", value, &SEVERITIES)?;
                }
                Field::Text if value.is_empty() => return Err(BadFilter::Empty("text")),
                _ => {}
            }
        }
        if !wanted.is_empty() {
            self.conditions.push(Condition { field, wanted });
        }
        Ok(())
    }

    /// Whether the record lies in the spans of time that are asked for.
    #[must_use]
    pub fn is_in_time(&self, record: &Json<'_>) -> bool {
        let within = |window: &Option<Window>, at: fn(&Json<'_>) -> Option<u64>| {
            window.is_none_or(|window| at(record).is_some_and(|at| window.holds(at)))
        };
        within(&self.happened, field::happened_nanos) && within(&self.sealed, field::sealed_nanos)
    }

    /// Whether the record is asked for.
    #[must_use]
    pub fn holds(&self, record: &Json<'_>) -> bool {
        self.is_in_time(record) && self.conditions.iter().all(|condition| condition.holds(record))
    }

    /// The conditions on one field.
    pub(super) fn of(&self, field: Field) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(move |condition| condition.field == field)
    }
}

fn word(field: &'static str, value: &str, allowed: &[&str]) -> Result<(), BadFilter> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(BadFilter::Word { field, value: value.to_owned(), allowed: allowed.join(", ") })
}

impl Condition {
    pub(super) fn holds(&self, record: &Json<'_>) -> bool {
        let mut found = false;
        self.field.each(record, &mut |text| found = found || self.is_met(text));
        found
    }

    /// Whether a value of the field is one that is asked for.
    pub(super) fn is_met(&self, text: &str) -> bool {
        self.wanted.iter().any(|wanted| match self.field {
            Field::Text => memchr::memmem::find(text.as_bytes(), wanted.as_bytes()).is_some(),
            _ if wanted.contains('*') => fits(wanted.as_bytes(), text.as_bytes()),
            _ => wanted == text,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    const RECORD: &str = r#"{"action":{"input":{"summary":"please refund order 7"},"tool":"issue_refund","type":"tool_call"},
        "agent":{"id":"a1","model":"gpt-4o","name":"Support"},"data":{"started_at":"2026-10-05T10:00:00Z","trace_id":"t"},
        "findings":[{"severity":"LOW","type":"email"},{"type":"card"}],"outcome":{"status":"error"},
        "principal":{"human_id":"u7","service_account":"key1"},"session_id":"s1","severity":"HIGH",
        "subject":{"id":"acme"},"ts":"2026-10-07T00:00:00Z"}"#;

    fn holds(field: Field, wanted: &[&str]) -> bool {
        let mut filter = Filter::default();
        filter.field(field, wanted.iter().map(|&value| value.to_owned()).collect()).unwrap();
        filter.holds(&parse(RECORD).unwrap())
    }

    #[test]
    fn each_field_is_asked_by_its_values() {
        for (field, value) in [
            (Field::Tenant, "acme"),
            (Field::Session, "s1"),
            (Field::Agent, "a1"),
            (Field::Agent, "Support"),
            (Field::Principal, "u7"),
            (Field::Principal, "key1"),
            (Field::Tool, "issue_refund"),
            (Field::Tool, "*_refund"),
            (Field::Model, "gpt-4*"),
            (Field::Status, "ERROR"),
            (Field::Severity, "high"),
            (Field::Finding, "card"),
            (Field::Trace, "t"),
            (Field::Text, "refund order"),
        ] {
            assert!(holds(field, &[value]), "{value}");
            if !matches!(field, Field::Status | Field::Severity) {
                assert!(holds(field, &["else", value]), "{value} or else");
            }
        }
        for (field, value) in [
            (Field::Tenant, "acm"),
            (Field::Tool, "refund"),
            (Field::Status, "ok"),
            (Field::Text, "Refund"),
            (Field::Finding, "LOW"),
            (Field::Session, ""),
            (Field::Tenant, "_local"),
        ] {
            assert!(!holds(field, &[value]), "{value}");
        }
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let record = parse(RECORD).unwrap();
        let mut filter = Filter::default();
        filter.field(Field::Tool, vec!["issue_refund".into()]).unwrap();
        filter.happened("2026-10-05").unwrap();
        assert!(filter.holds(&record));
        filter.sealed("..2026-10-06").unwrap();
        assert!(!filter.holds(&record) && !filter.is_in_time(&record));
        assert!(Filter::default().holds(&record));
        assert!(Filter::default().holds(&parse("{}").unwrap()));
    }

    #[test]
    fn words_that_no_record_has_are_refused() {
        let mut filter = Filter::default();
        let said = filter.field(Field::Status, vec!["failed".into()]).unwrap_err().to_string();
        assert!(said.contains("one of ok, error, denied"), "{said}");
        assert!(filter.field(Field::Severity, vec!["bad".into()]).is_err());
        assert!(filter.field(Field::Text, vec![String::new()]).is_err());
        let said = filter.happened("tomorrow").unwrap_err().to_string();
        assert!(said.starts_with("--happened: \"tomorrow\" is no time"), "{said}");
    }
}
