//! Golden files: `golden/otel_logs/<case>.{pb,json}` is a logs request, `<case>.items.json` is what
//! the adapter makes of it.
//!
//! `codex` and `decisions` are written after the senders' sources and documentation; the others are
//! captures, of which `gemini-cli` has its longest texts cut.

use super::event::present;
use super::files::{as_recorded, directory, inputs};
use halo_adapters::otel::logs::{Item, Part, Piece, Resource, item};
use halo_adapters::otlp::model::Logs;
use halo_adapters::otlp::{json, protobuf};
use halod_record::event::{Action, Content, Event, Origin, Status};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Calls `each` with every record of a case, and what it is.
fn walk(path: &Path, mut each: impl FnMut(&str, Option<Item<'_>>)) {
    let bytes = fs::read(path).unwrap();
    let logs: Logs<'_> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pb") => protobuf::logs(&bytes),
        _ => json::logs(&bytes),
    }
    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(logs.rejected.items, 0, "{}", path.display());
    for group in &logs.resource_logs {
        let resource = Resource::new(&group.resource);
        for scope in &group.scopes {
            for record in &scope.records {
                let name = record.attributes.iter().find(|pair| pair.key == "event.name");
                let name =
                    name.map_or_else(|| record.event_name.to_string(), |pair| format!("{:?}", pair.value));
                each(&name, item(&resource, &scope.scope_name, record));
            }
        }
    }
}

#[test]
fn items_are_as_recorded() {
    as_recorded(inputs(&directory("otel_logs"), ".items.json").into_iter().map(|path| {
        let (mut items, mut filtered) = (Vec::new(), BTreeMap::<String, usize>::new());
        walk(&path, |name, item| match item {
            None => *filtered.entry(name.to_owned()).or_default() += 1,
            Some(Item::Event(event)) => items.push(event_value(&event)),
            Some(Item::Part(part)) => items.push(part_value(&part)),
        });
        (path.with_extension("items.json"), json!({ "filtered": filtered, "items": items }))
    }));
}

/// Model calls that succeeded and failed, tool calls that succeeded, failed and were denied,
/// decisions told apart from their calls, and spans that content is told of.
type Counts = [usize; 7];

/// What each program did, by its own count of it, and what its logs show of that.
const COUNTS: [(&str, Counts, Counts, &str); 12] = [
    ("claude-code", [8, 0, 4, 3, 0, 7, 0], [8, 0, 4, 3, 0, 7, 0], ""),
    ("claude-code-defaults", [8, 0, 4, 3, 0, 7, 0], [8, 0, 4, 3, 0, 7, 0], ""),
    ("codex", [1, 1, 1, 1, 1, 3, 0], [1, 1, 1, 1, 1, 3, 0], ""),
    ("gemini-cli", [5, 0, 2, 2, 0, 0, 0], [5, 0, 2, 2, 0, 0, 0], ""),
    ("genai-anthropic", [0, 0, 0, 0, 0, 0, 4], [0, 0, 0, 0, 0, 0, 4], ""),
    ("genai-openai", [0, 0, 0, 0, 0, 0, 8], [0, 0, 0, 0, 0, 0, 8], ""),
    ("genai-openai-eventonly", [0, 0, 0, 0, 0, 0, 8], [0, 0, 0, 0, 0, 0, 8], ""),
    ("google-adk", [0, 0, 0, 0, 0, 0, 6], [0, 0, 0, 0, 0, 0, 6], ""),
    ("google-genai", [0, 0, 0, 0, 0, 0, 3], [0, 0, 0, 0, 0, 0, 3], ""),
    ("ms-agent-framework", [0, 0, 0, 0, 0, 0, 4], [0, 0, 0, 0, 0, 0, 4], ""),
    ("openai-v2", [0, 0, 0, 0, 0, 0, 6], [0, 0, 0, 0, 0, 0, 6], ""),
    ("openai-v2-latest", [0, 0, 0, 0, 0, 0, 6], [0, 0, 0, 0, 0, 0, 6], ""),
];

#[test]
fn counts_are_what_the_programs_did() {
    for (case, did, expected, why) in COUNTS {
        let path = ["pb", "json"].map(|extension| directory("otel_logs").join(format!("{case}.{extension}")));
        let path = path.iter().find(|path| path.exists()).unwrap();
        let (mut counts, mut spans) = (Counts::default(), Vec::new());
        walk(path, |_, item| match item {
            Some(Item::Event(event)) => match (&event.action, event.outcome.status) {
                (Action::Generate { .. }, status) => counts[usize::from(status != Status::Ok)] += 1,
                (Action::Tool { .. }, Status::Ok) => counts[2] += 1,
                (Action::Tool { .. }, Status::Error) => counts[3] += 1,
                (Action::Tool { .. }, Status::Denied) => counts[4] += 1,
                (Action::Decide { .. }, _) => counts[5] += 1,
                _ => {}
            },
            Some(Item::Part(part)) => spans.push((part.trace, part.span)),
            None => {}
        });
        spans.sort_unstable();
        spans.dedup();
        counts[6] = spans.len();
        assert_eq!(counts, expected, "{case}");
        assert_eq!(did != expected, !why.is_empty(), "{case}: a difference needs its reason");
    }
}

#[test]
fn withheld_content_is_not_disclosed() {
    let mut told = Vec::new();
    walk(&directory("otel_logs").join("openai-v2-nocontent.pb"), |_, item| match item {
        Some(Item::Part(part)) => told.push(part.piece.discloses()),
        other => panic!("{other:?}"),
    });
    assert!(!told.is_empty() && told.iter().all(|told| !told), "{told:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The beginning of a content: the whole is in the case beside.
fn content(content: &Content<'_>) -> Value {
    match content {
        Content::Undisclosed | Content::Digest(_) => Value::Null,
        Content::Value(json) => {
            let text = format!("{json:?}");
            let mut short: String = text.chars().take(160).collect();
            if short.len() < text.len() {
                short.push('…');
            }
            short.into()
        }
    }
}

fn part_value(part: &Part<'_>) -> Value {
    let (kind, input, outcome) = match &part.piece {
        Piece::Message(message) => ("message", content(message), Value::Null),
        Piece::Choice(choice) => ("choice", Value::Null, content(choice)),
        Piece::Whole { input, outcome } => ("whole", content(input), content(outcome)),
    };
    present(json!({
        "part": kind,
        "of": format!("{}/{}", hex(&part.trace), hex(&part.span)),
        "time": part.time,
        "input": input,
        "outcome": outcome,
        "agent": part.agent.name,
        "session": part.session,
        "principal": part.principal,
        "dialect": part.source.dialect,
    }))
}

fn event_value(event: &Event<'_>) -> Value {
    let Event { agent, outcome, usage, source, .. } = event;
    let Origin::Log { trace, span, name, identity } = &event.origin else { panic!("not of a log record") };
    let identity = format!("{identity:?}");
    present(json!({
        "action": format!("{:?}", event.action),
        "status": format!("{:?}", outcome.status).to_lowercase(),
        "error_type": outcome.error_type,
        "error_text": outcome.error_text,
        "input": content(&event.input),
        "result": content(&outcome.result),
        "authorization": event.authorization.as_ref().map(|by| format!("{:?} by {:?}", by.decision, by.approver)),
        "agent": present(json!({ "id": agent.id, "name": agent.name, "version": agent.version })),
        "session": event.session,
        "principal": event.principal,
        "tenant": event.tenant,
        "usage": present(json!({
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "finish_reason": usage.finish_reason,
        })),
        "started": event.started,
        "ended": event.ended,
        "under": trace.zip(*span).map(|(trace, span)| format!("{}/{}", hex(&trace), hex(&span))),
        "name": name,
        "identity": if identity.len() < 300 { Value::from(identity) } else { "all of it".into() },
        "source": format!("{} {} {} {}", source.adapter, source.via, source.dialect, source.mapping),
        "dropped": if event.dropped == 0 { Value::Null } else { event.dropped.into() },
    }))
}
