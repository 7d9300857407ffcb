//! `data` of a record: what the sender says beside the action, in canonical order.

use super::call::{self, Call};
use super::canon::write_str;
use super::charge;
use super::keyed::HASH_KEY;
use super::members::{id, instant, integer, key, number, text, tokens};
use super::names::Names;
use super::redact::Findings;
use super::sameness::PARENT_SPAN;
use crate::event::{Action, Content, Event, Fact, Status, UNMAPPED};
use crate::json::{self, Json};

/// What is known of how an action ended where the schema has no word for it.
const OUTCOME: &str = "outcome";

/// The ids of OpenTelemetry's that an origin states.
#[derive(Clone, Copy)]
pub(super) struct Spans<'o> {
    pub(super) trace: Option<&'o [u8; 16]>,
    pub(super) span: Option<&'o [u8; 8]>,
    pub(super) parent: Option<&'o [u8; 8]>,
}

/// The inside of `data`. Keys in order, each with a comma after it; the last one's is taken back.
pub(super) fn data(
    line: &mut Vec<u8>,
    event: &Event<'_>,
    names: &Names<'_>,
    Spans { trace, span, parent }: Spans<'_>,
    (call, hash_key): (Option<&Call>, Option<&str>),
    findings: &Findings,
) {
    let mut facts = Facts { sorted: &names.facts, last: ("", 0) };
    let mut at = |line: &mut Vec<u8>, key| facts.before(key, line);
    at(line, "cache_read_tokens");
    tokens(line, "cache_read_tokens", event.usage.cache_read_tokens);
    at(line, "cache_write_tokens");
    tokens(line, "cache_write_tokens", event.usage.cache_write_tokens);
    at(line, "call_id");
    text(line, "call_id", names.call_id.as_deref());
    at(line, call::KEYS);
    if let Some(call) = call {
        call.write_keys(line);
    }
    at(line, "dropped_by_sender");
    number(line, "dropped_by_sender", Some(event.dropped).filter(|dropped| *dropped > 0));
    let lasted = event.started.zip(event.ended).and_then(|(from, to)| to.checked_sub(from));
    at(line, "duration_ms");
    number(line, "duration_ms", lasted.map(|nanos| nanos / 1_000_000));
    at(line, "ended_at");
    instant(line, "ended_at", event.ended);
    at(line, "ends_before_start");
    // A sender's clock may say so: kept as it is said, and pointed out.
    if matches!((event.started, event.ended), (Some(from), Some(to)) if to < from) {
        line.extend_from_slice(br#""ends_before_start":true,"#);
    }
    at(line, "error_type");
    text(line, "error_type", names.error_type.as_deref());
    at(line, "finish_reason");
    text(line, "finish_reason", names.finish_reason.as_deref());
    at(line, HASH_KEY);
    text(line, HASH_KEY, hash_key);
    at(line, "input_tokens");
    tokens(line, "input_tokens", event.usage.input_tokens);
    at(line, OUTCOME);
    text(line, OUTCOME, event.outcome.status.open_word());
    at(line, "output_tokens");
    tokens(line, "output_tokens", event.usage.output_tokens);
    at(line, PARENT_SPAN);
    id(line, PARENT_SPAN, parent.map(<[u8; 8]>::as_slice));
    at(line, "pii_types");
    pii_types(line, findings);
    at(line, "reasoning_tokens");
    tokens(line, "reasoning_tokens", event.usage.reasoning_tokens);
    at(line, "response_id");
    text(line, "response_id", names.response_id.as_deref());
    at(line, "span_id");
    id(line, "span_id", span.map(<[u8; 8]>::as_slice));
    at(line, "started_at");
    instant(line, "started_at", event.started);
    at(line, "total_tokens");
    tokens(line, "total_tokens", event.usage.total_tokens);
    at(line, "trace_flags");
    number(line, "trace_flags", event.trace_flags.map(u64::from));
    at(line, "trace_id");
    id(line, "trace_id", trace.map(<[u8; 16]>::as_slice));
    at(line, "undisclosed");
    undisclosed(line, event);
    at(line, "unparsed");
    if [&event.input, &event.outcome.result].into_iter().any(is_left_unparsed) {
        line.extend_from_slice(br#""unparsed":true,"#);
    }
    facts.rest(line);
    if line.last() == Some(&b',') {
        line.pop();
    }
}

/// The event's facts on their way into the order of `data`'s keys.
struct Facts<'n> {
    sorted: &'n [(&'static str, Fact<'n>)],
    /// The last of the record's own keys, and where the line stood before it.
    last: (&'static str, usize),
}

impl Facts<'_> {
    /// Writes the facts that stand before `own`, a key that the record fills by itself if it can: a
    /// fact of the same key gives way.
    fn before(&mut self, own: &'static str, line: &mut Vec<u8>) {
        while let Some(((key, fact), rest)) = self.sorted.split_first().filter(|((key, _), _)| *key < own) {
            self.sorted = rest;
            if *key != self.last.0 || line.len() == self.last.1 {
                member(line, key, fact);
            }
        }
        self.last = (own, line.len());
    }

    fn rest(mut self, line: &mut Vec<u8>) {
        self.before("\u{7f}", line);
    }
}

fn member(line: &mut Vec<u8>, name_of: &str, fact: &Fact<'_>) {
    key(line, name_of);
    match fact {
        Fact::Number(value) => integer(line, *value),
        Fact::Flag(flag) => line.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Fact::Id(text) | Fact::Label(text) | Fact::Address(text) | Fact::Text(text) => {
            write_str(text, line);
        }
        Fact::Labels(labels) => {
            line.push(b'[');
            for (at, label) in labels.iter().enumerate() {
                if at > 0 {
                    line.push(b',');
                }
                write_str(label, line);
            }
            line.push(b']');
        }
    }
    line.push(b',');
}

fn pii_types(line: &mut Vec<u8>, findings: &Findings) {
    let start = line.len();
    for kind in findings.pii_types() {
        line.extend_from_slice(if line.len() == start { b"\"pii_types\":[\"" } else { b",\"" });
        line.extend_from_slice(kind.as_bytes());
        line.push(b'"');
    }
    if line.len() > start {
        line.extend_from_slice(b"],");
    }
}

/// Whether a content is a text only because it is too large for what it says to be read.
fn is_left_unparsed(content: &Content<'_>) -> bool {
    let _passing = charge::passing();
    matches!(content, Content::Value(Json::Str(text)) if text.as_str().is_some_and(json::is_left_unparsed))
}

/// Says which content the sender kept to itself, so that its absence is not read as emptiness.
fn undisclosed(line: &mut Vec<u8>, event: &Event<'_>) {
    if matches!(
        event.action,
        Action::Boundary { .. } | Action::Decide { .. } | Action::Request { .. } | Action::Other { .. }
    ) {
        return;
    }
    // What is told under names that no table maps is told all the same.
    if event.facts.iter().any(|(key, _)| *key == UNMAPPED) {
        return;
    }
    let input = event.input == Content::Undisclosed;
    let result = event.outcome.result == Content::Undisclosed
        && matches!(event.outcome.status, Status::Ok | Status::Unknown);
    let said: &[u8] = match (input, result) {
        (true, true) => br#""undisclosed":["input","outcome"],"#,
        (true, false) => br#""undisclosed":["input"],"#,
        (false, true) => br#""undisclosed":["outcome"],"#,
        (false, false) => b"",
    };
    line.extend_from_slice(said);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::build::Builder;
    use crate::canon;
    use crate::draft::{GENESIS, Scratch};
    use crate::event::{Keyed, Origin, Source, Usage};
    use crate::sample::call;
    use crate::tenant::Tenant;
    use crate::time;

    fn event(facts: Vec<(&'static str, Fact<'static>)>) -> Event<'static> {
        Event {
            action: Action::Request { tool: "gen_ai:gpt-4o".into(), model: Some("gpt-4o".into()) },
            origin: Origin::Keyed(Keyed {
                space: "test",
                id: vec!["a".into()],
                parent: Some(vec!["b".into()]),
            }),
            started: Some(1_000_000_000),
            ended: Some(2_500_000_000),
            usage: Usage { input_tokens: Some(7), ..Usage::default() },
            source: Source { adapter: "test", via: "test", dialect: "test", mapping: "1" },
            facts,
            ..call()
        }
    }

    fn line(event: &Event<'_>) -> String {
        let draft = Builder::new(false).draft(event, &Tenant::Local, &mut Scratch::default());
        let mut line = Vec::new();
        draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    #[test]
    fn facts_stand_among_the_records_own_members_in_canonical_order() {
        let line = line(&event(vec![
            ("zz", Fact::Flag(true)),
            ("path", Fact::Label("/v1/chat".into())),
            ("http_status", Fact::Number(200)),
            ("tags", Fact::Labels(vec!["a".into(), "b".into()])),
            ("a", Fact::Id("0af7651916cd43dd8448eb211c80319c".into())),
            ("trace_id", Fact::Id("t-1".into())),
        ]));
        let parsed = crate::json::parse(&line).unwrap();
        let mut canonical = Vec::new();
        canon::write(&parsed, &mut canonical).unwrap();
        assert_eq!(canonical, line.as_bytes());
        let data = r#""data":{"a":"0af7651916cd43dd8448eb211c80319c","duration_ms":1500,"#;
        assert!(line.contains(data), "{line}");
        assert!(
            line.contains(r#""started_at":"1970-01-01T00:00:01.000000Z","tags":["a","b"],"trace_id":"t-1","#)
        );
    }

    #[test]
    fn a_fact_gives_way_to_what_the_record_says_itself() {
        let line = line(&event(vec![
            ("input_tokens", Fact::Number(1)),
            ("response_id", Fact::Number(2)),
            ("response_id", Fact::Number(3)),
        ]));
        assert!(line.contains(r#""input_tokens":7,"response_id":2,"started_at""#), "{line}");
    }

    #[test]
    fn an_end_that_is_not_known_is_no_status() {
        use crate::event::Outcome;
        for (status, said) in [
            (Status::Unknown, r#""outcome":"unknown","response_id""#),
            (Status::Unfinished, r#""outcome":"unfinished","response_id""#),
            (Status::Ok, r#""input_tokens":7,"response_id""#),
        ] {
            let outcome = Outcome { status, ..call().outcome };
            let line = line(&Event { outcome, ..event(vec![("response_id", Fact::Number(2))]) });
            assert!(line.contains(said), "{line}");
            let stated = status.word().is_some();
            assert_eq!(line.contains(r#""outcome":{}"#), !stated, "{line}");
            assert_eq!(line.contains(r#""status":"ok""#), stated, "{line}");
        }
    }

    #[test]
    fn what_is_told_elsewhere_is_not_undisclosed() {
        let told = |facts| line(&Event { action: call().action, facts, ..event(Vec::new()) });
        assert!(told(Vec::new()).contains(r#""undisclosed":["input","outcome"]"#));
        let unmapped = told(vec![(UNMAPPED, Fact::Labels(vec!["app.prompt".into()]))]);
        assert!(
            unmapped.contains(r#""unmapped":["app.prompt"]"#) && !unmapped.contains("undisclosed"),
            "{unmapped}"
        );
    }

    #[test]
    fn addresses_are_kept_and_no_finding() {
        let line = line(&event(vec![("client", Fact::Address("10.1.2.3:8080".into()))]));
        assert!(line.contains(r#""client":"10.1.2.3:8080""#) && line.contains(r#""findings":[]"#), "{line}");
    }

    #[test]
    fn secrets_in_facts_are_masked_and_found() {
        let line =
            line(&event(vec![("path", Fact::Text("/x?key=sk-proj-abcdefghijklmnopqrstuvwxyz0123".into()))]));
        assert!(!line.contains("abcdefghij") && line.contains(r#""severity":"CRITICAL""#), "{line}");
    }
}
