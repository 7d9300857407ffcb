//! The single funnel from an event to a draft.
//!
//! Written straight in canonical key order (RFC 8785: keys by UTF-16 code unit), because a tree
//! would cost more than everything else done here. Content is hashed, never stored; free text of
//! the sender's (names, ids) is bounded.

use super::canon::{MAX_SAFE_INTEGER, write_str};
use super::draft::{Draft, DraftWriter, Scratch};
use super::hash;
use super::ids::{Origin as IdOrigin, RecordId};
use super::tenant::Tenant;
use super::time;
use super::vocabulary::{Class, Words};
use halo_adapters::event::{
    Action, Agent, Authorization, Content, Decision, Event, Origin, Outcome, Source, Status, Usage,
};
use halo_adapters::json::{Json, Text};
use std::borrow::Cow;

/// Characters (code points) kept of any name or id that a sender chose.
pub const MAX_NAME: usize = 256;

/// Builds the draft of one event for `tenant`. `scratch` is reused between calls.
#[must_use]
pub fn draft(event: &Event<'_>, tenant: &Tenant, scratch: &mut Scratch) -> Draft {
    let Ids { id, parent, trace, span } = Ids::of(&event.origin, tenant, scratch);
    let words = Words::of(&event.action);
    let mut w = DraftWriter::new(scratch);
    let content = &mut scratch.content;
    action(&mut w.line, &words, event, content);
    agent(&mut w.line, &event.agent, words.model);
    w.data();
    data(&mut w.line, event, words.call_id, trace, span);
    w.line.extend_from_slice(br#"},"findings":[],"integrity":{"#);
    w.integrity();
    w.line.push(b'}');
    outcome(&mut w.line, &event.outcome, content);
    if let Some(parent) = parent {
        w.line.extend_from_slice(br#","parent_id":""#);
        w.line.extend_from_slice(&parent.text());
        w.line.push(b'"');
    }
    if let Some(human) = &event.principal {
        w.line.extend_from_slice(br#","principal":{"human_id":"#);
        name(&mut w.line, human);
        w.line.push(b'}');
    }
    let trace = || trace.map_or(Cow::Borrowed("unknown"), |trace| Cow::Owned(hex_text(trace)));
    identity(&mut w, id, &event.session.clone().unwrap_or_else(trace));
    source(&mut w.line, event.source);
    ending(&mut w, tenant);
    w.finish(tenant.clone(), id, scratch)
}

/// The ids that an origin gives to its record.
struct Ids<'a> {
    id: RecordId,
    parent: Option<RecordId>,
    trace: Option<&'a [u8; 16]>,
    span: Option<&'a [u8; 8]>,
}

impl<'a> Ids<'a> {
    fn of(origin: &'a Origin<'_>, tenant: &Tenant, scratch: &mut Scratch) -> Self {
        let of_span = |trace: &[u8], span: &[u8]| RecordId::derive(IdOrigin::Span, tenant, &[trace, span]);
        match origin {
            Origin::Span { trace, span, parent, .. } => Self {
                id: of_span(trace, span),
                parent: parent.map(|parent| of_span(trace, &parent)),
                trace: Some(trace),
                span: Some(span),
            },
            Origin::Log { trace, span, identity, .. } => {
                let digest = hash::input_hash_with(identity, &mut scratch.content).0;
                Self {
                    id: RecordId::derive(IdOrigin::Log, tenant, &[&digest]),
                    parent: trace.as_ref().zip(span.as_ref()).map(|(trace, span)| of_span(trace, span)),
                    trace: trace.as_ref(),
                    span: span.as_ref(),
                }
            }
        }
    }
}

/// What halod says of a chain's own state, sealed into that chain: damage it found, records it had
/// to link again. `about` makes the notice one of a kind, so that it is said once.
#[must_use]
pub fn notice(tenant: &Tenant, kind: &str, about: &[(&str, u64)]) -> Draft {
    let numbers: Vec<[u8; 8]> = about.iter().map(|(_, n)| n.to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![kind.as_bytes()];
    parts.extend(numbers.iter().map(<[u8; 8]>::as_slice));
    let id = RecordId::derive(IdOrigin::Notice, tenant, &parts);
    let mut scratch = Scratch::default();
    let mut w = DraftWriter::new(&mut scratch);
    w.line.extend_from_slice(br#"{"action":{"category":"reliability","tool":"#);
    name(&mut w.line, &format!("halod.{kind}"));
    w.line.extend_from_slice(br#","type":"agent_message"},"agent":{"id":"halod","name":"halod"},"#);
    w.data();
    for (i, (key, number)) in about.iter().enumerate() {
        if i > 0 {
            w.line.push(b',');
        }
        write_str(key, &mut w.line);
        w.line.push(b':');
        integer(&mut w.line, *number);
    }
    w.line.extend_from_slice(br#"},"findings":[],"integrity":{"#);
    w.integrity();
    w.line.extend_from_slice(br#"},"outcome":{"status":"ok"}"#);
    identity(&mut w, id, "halod");
    w.line.extend_from_slice(br#","source":{"adapter":"halod","capture":"captured","via":"halod"}"#);
    ending(&mut w, tenant);
    w.finish(tenant.clone(), id, &mut scratch)
}

fn action(line: &mut Vec<u8>, words: &Words<'_>, event: &Event<'_>, scratch: &mut Vec<u8>) {
    let decided = event.authorization.as_ref();
    line.extend_from_slice(br#"{"action":{"#);
    authorization(line, words.scope.as_deref(), decided);
    let Class { kind, category } = words.class;
    line.extend_from_slice(br#""category":""#);
    line.extend_from_slice(category.as_bytes());
    line.extend_from_slice(br#"","#);
    if let Content::Value(value) = &event.input {
        line.extend_from_slice(br#""input":{"hash":"#);
        content_hash(line, value, scratch);
        line.extend_from_slice(b"},");
    }
    line.extend_from_slice(br#""tool":"#);
    name(line, &words.tool);
    line.extend_from_slice(br#","type":""#);
    line.extend_from_slice(kind.as_bytes());
    line.extend_from_slice(br#""},"#);
}

fn authorization(line: &mut Vec<u8>, scope: Option<&str>, decided: Option<&Authorization<'_>>) {
    if scope.is_none() && decided.is_none() {
        return;
    }
    line.extend_from_slice(br#""authorization":{"#);
    text(line, "approver", decided.and_then(|by| by.approver.as_deref()));
    text(line, "decision", decided.map(|by| decision(by.decision)));
    text(line, "scope", scope);
    line.pop();
    line.extend_from_slice(b"},");
}

/// The schema's words (`action.authorization.decision`).
fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
        Decision::HumanApproved => "human_approved",
    }
}

fn agent(line: &mut Vec<u8>, agent: &Agent<'_>, model: Option<&str>) {
    let unknown = "unknown";
    let label = agent.name.as_deref().or(agent.id.as_deref()).unwrap_or(unknown);
    line.extend_from_slice(br#""agent":{"id":"#);
    name(line, agent.id.as_deref().unwrap_or(label));
    if let Some(model) = model {
        line.extend_from_slice(br#","model":"#);
        name(line, model);
    }
    line.extend_from_slice(br#","name":"#);
    name(line, label);
    if let Some(version) = &agent.version {
        line.extend_from_slice(br#","version":"#);
        name(line, version);
    }
    line.extend_from_slice(b"},");
}

/// The inside of `data`. Keys in order, each with a comma after it; the last one's is taken back.
fn data(
    line: &mut Vec<u8>,
    event: &Event<'_>,
    call_id: Option<&str>,
    trace: Option<&[u8; 16]>,
    span: Option<&[u8; 8]>,
) {
    let Usage { finish_reason, .. } = &event.usage;
    tokens(line, "cache_read_tokens", event.usage.cache_read_tokens);
    tokens(line, "cache_write_tokens", event.usage.cache_write_tokens);
    text(line, "call_id", call_id);
    if event.dropped > 0 {
        key(line, "dropped_by_sender");
        integer(line, event.dropped);
        line.push(b',');
    }
    if let (Some(from), Some(to)) = (event.started, event.ended)
        && to >= from
    {
        key(line, "duration_ms");
        integer(line, (to - from) / 1_000_000);
        line.push(b',');
    }
    instant(line, "ended_at", event.ended);
    text(line, "error_type", event.outcome.error_type.as_deref());
    text(line, "finish_reason", finish_reason.as_deref());
    tokens(line, "input_tokens", event.usage.input_tokens);
    tokens(line, "output_tokens", event.usage.output_tokens);
    tokens(line, "reasoning_tokens", event.usage.reasoning_tokens);
    id(line, "span_id", span.map(<[u8; 8]>::as_slice));
    instant(line, "started_at", event.started);
    tokens(line, "total_tokens", event.usage.total_tokens);
    id(line, "trace_id", trace.map(<[u8; 16]>::as_slice));
    undisclosed(line, event);
    if line.last() == Some(&b',') {
        line.pop();
    }
}

/// Says which content the sender kept to itself, so that its absence is not read as emptiness.
fn undisclosed(line: &mut Vec<u8>, event: &Event<'_>) {
    if matches!(event.action, Action::Boundary { .. } | Action::Decide { .. }) {
        return;
    }
    let input = event.input == Content::Undisclosed;
    let result = event.outcome.result == Content::Undisclosed && event.outcome.status == Status::Ok;
    let said: &[u8] = match (input, result) {
        (true, true) => br#""undisclosed":["input","outcome"]"#,
        (true, false) => br#""undisclosed":["input"]"#,
        (false, true) => br#""undisclosed":["outcome"]"#,
        (false, false) => b"",
    };
    line.extend_from_slice(said);
}

/// As the reference derives it: an error wins over a result and is hashed as `{"error": text}`.
fn outcome(line: &mut Vec<u8>, outcome: &Outcome<'_>, scratch: &mut Vec<u8>) {
    line.extend_from_slice(br#","outcome":{"#);
    let error = outcome.error_text.as_deref().or(outcome.error_type.as_deref());
    let status = match (outcome.status, error, &outcome.result) {
        (Status::Ok, _, Content::Value(result)) => {
            line.extend_from_slice(br#""hash":"#);
            content_hash(line, result, scratch);
            line.push(b',');
            "ok"
        }
        (Status::Ok, _, Content::Undisclosed) => "ok",
        (failed, error, _) => {
            if let Some(error) = error {
                let error = Text::Utf8(Cow::Borrowed(error));
                let value = Json::Object(vec![(Text::Utf8(Cow::Borrowed("error")), Json::Str(error))]);
                line.extend_from_slice(br#""hash":"#);
                content_hash(line, &value, scratch);
                line.push(b',');
            }
            if failed == Status::Denied { "denied" } else { "error" }
        }
    };
    line.extend_from_slice(br#""status":""#);
    line.extend_from_slice(status.as_bytes());
    line.extend_from_slice(br#""}"#);
}

fn identity(w: &mut DraftWriter, id: RecordId, session: &str) {
    w.line.extend_from_slice(br#","record_id":""#);
    w.id(id);
    w.line.extend_from_slice(br#"","schema_version":"0.1","session_id":"#);
    name(&mut w.line, session);
    w.line.extend_from_slice(br#","severity":"INFO""#);
}

fn source(line: &mut Vec<u8>, source: Source) {
    line.extend_from_slice(br#","source":{"adapter":"#);
    write_str(source.adapter, line);
    line.extend_from_slice(br#","capture":"ingested","dialect":"#);
    write_str(source.dialect, line);
    line.extend_from_slice(br#","mapping":"#);
    write_str(source.mapping, line);
    line.extend_from_slice(br#","via":"#);
    write_str(source.via, line);
    line.push(b'}');
}

fn ending(w: &mut DraftWriter, tenant: &Tenant) {
    if let Some(subject) = tenant.subject() {
        w.line.extend_from_slice(br#","subject":{"id":"#);
        write_str(subject, &mut w.line);
        w.line.push(b'}');
    }
    w.line.extend_from_slice(br#","ts":""#);
    w.ts();
    w.line.extend_from_slice(br#""}"#);
}

fn key(line: &mut Vec<u8>, key: &str) {
    line.push(b'"');
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(b"\":");
}

fn text(line: &mut Vec<u8>, name_of: &str, value: Option<&str>) {
    if let Some(value) = value {
        key(line, name_of);
        name(line, value);
        line.push(b',');
    }
}

/// A sender's name or id, cut to [`MAX_NAME`] characters; `…~` and the start of the whole name's
/// SHA-256 then keep two long ones apart.
fn name(line: &mut Vec<u8>, value: &str) {
    // No string of at most MAX_NAME bytes has more characters than that.
    let end = if value.len() <= MAX_NAME { None } else { value.char_indices().nth(MAX_NAME) };
    match end {
        None => write_str(value, line),
        Some((at, _)) => {
            let digest = hex_text(&hash::sha256(value.as_bytes()));
            write_str(&format!("{}…~{}", &value[..at], &digest[..16]), line)
        }
    };
}

fn tokens(line: &mut Vec<u8>, name_of: &str, count: Option<i64>) {
    if let Some(count) = count.and_then(|n| u64::try_from(n).ok()) {
        key(line, name_of);
        integer(line, count);
        line.push(b',');
    }
}

/// An integer, capped at the largest one that the canonical form can hold.
fn integer(line: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.min(MAX_SAFE_INTEGER.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[at..]);
}

fn instant(line: &mut Vec<u8>, name_of: &str, nanos: Option<u64>) {
    if let Some(nanos) = nanos {
        key(line, name_of);
        line.push(b'"');
        line.extend_from_slice(&time::rfc3339(nanos));
        line.extend_from_slice(b"\",");
    }
}

fn hex_text(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    hash::write_hex(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

fn id(line: &mut Vec<u8>, name_of: &str, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes {
        key(line, name_of);
        line.push(b'"');
        hash::write_hex(bytes, line);
        line.extend_from_slice(b"\",");
    }
}

fn content_hash(line: &mut Vec<u8>, value: &Json<'_>, scratch: &mut Vec<u8>) {
    line.extend_from_slice(b"\"sha256:");
    hash::write_hex(&hash::input_hash_with(value, scratch).0, line);
    line.push(b'"');
}
