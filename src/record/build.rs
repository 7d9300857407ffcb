//! The single funnel from an event to a draft.
//!
//! Written straight in canonical key order (RFC 8785: keys by UTF-16 code unit), because a tree
//! would cost more than everything else done here. Content is hashed and summarised in masked form,
//! never stored; names and ids of the sender's are masked and bounded.

use super::canon::{MAX_SAFE_INTEGER, write_str};
use super::draft::{Draft, DraftWriter, Scratch};
use super::hash;
use super::ids::{Origin as IdOrigin, RecordId};
use super::names::Names;
use super::redact::{Findings, Redactor, Severity};
use super::tenant::Tenant;
use super::time;
use super::vocabulary::{Class, Words};
use halo_adapters::event::{Action, Content, Decision, Event, Origin, Outcome, Source, Status};
use halo_adapters::json::{Json, Text};
use std::borrow::Cow;

/// Builds drafts: the rules that are the same for all of them. One for the process, shared by its
/// threads.
#[derive(Debug)]
pub struct Builder {
    pub(super) redactor: Redactor,
    /// Records carry hashes only: no summaries, no samples (the reference's `summaries=False`).
    pub(super) hash_only: bool,
}

impl Builder {
    #[must_use]
    pub fn new(hash_only: bool) -> Self {
        Self { redactor: Redactor::new(), hash_only }
    }

    /// Builds the draft of one event for `tenant`. `scratch` is reused between calls.
    #[must_use]
    pub fn draft(&self, event: &Event<'_>, tenant: &Tenant, scratch: &mut Scratch) -> Draft {
        let Ids { id, parent, trace, span } = Ids::of(&event.origin, tenant, scratch);
        let words = Words::of(&event.action);
        let mut findings = std::mem::take(&mut scratch.findings);
        let said = Said::of(event, self, &mut findings);
        let names = Names::of(event, &words, trace, self, &mut findings);
        let mut w = DraftWriter::new(scratch);
        let content = &mut scratch.content;
        action(&mut w.line, words.class, &names, event, said.input.as_deref(), content);
        agent(&mut w.line, &names);
        w.data();
        data(&mut w.line, event, &names, (trace, span), &findings);
        w.line.extend_from_slice(br#"},"findings":"#);
        findings.write(!self.hash_only, &mut w.line);
        w.line.extend_from_slice(br#","integrity":{"#);
        w.integrity();
        w.line.push(b'}');
        outcome(&mut w.line, &event.outcome, said.outcome.as_deref(), content);
        if let Some(parent) = parent {
            w.parent(parent);
        }
        if let Some(human) = &names.principal {
            w.line.extend_from_slice(br#","principal":{"human_id":"#);
            write_str(human, &mut w.line);
            w.line.push(b'}');
        }
        identity(&mut w, id, &names.session, findings.severity());
        source(&mut w.line, event.source);
        ending(&mut w, tenant);
        findings.clear();
        scratch.findings = findings;
        w.finish(tenant.clone(), id, scratch)
    }
}

/// What a record says of the content, and what was found in it.
#[derive(Default)]
struct Said {
    input: Option<String>,
    outcome: Option<String>,
}

impl Said {
    /// Findings of the input come first, as in the reference.
    fn of(event: &Event<'_>, builder: &Builder, findings: &mut Findings) -> Self {
        let redactor = &builder.redactor;
        if let Content::Value(input) = &event.input {
            redactor.scan(input, findings);
        }
        let outcome = outcome_content(&event.outcome);
        match outcome {
            Some(OutcomeContent::Result(result)) => redactor.scan(result, findings),
            Some(OutcomeContent::Error(error)) => redactor.scan_text(error, findings),
            None => {}
        }
        if builder.hash_only {
            return Self::default();
        }
        let input = match &event.input {
            Content::Value(input) => Some(redactor.summary_input(input).unwrap_or_default()),
            Content::Undisclosed => None,
        };
        let outcome = match outcome {
            Some(OutcomeContent::Result(result)) => redactor.summary_outcome(result),
            Some(OutcomeContent::Error(error)) => redactor.summary_text(error),
            None => None,
        };
        Self { input, outcome }
    }
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
        let of_span = |trace: &[u8; 16], span: &[u8; 8]| RecordId::of_span(tenant, trace, span);
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
    write_str(&format!("halod.{kind}"), &mut w.line);
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
    identity(&mut w, id, "halod", Severity::Info);
    w.line.extend_from_slice(br#","source":{"adapter":"halod","capture":"captured","via":"halod"}"#);
    ending(&mut w, tenant);
    w.finish(tenant.clone(), id, &mut scratch)
}

fn action(
    line: &mut Vec<u8>,
    Class { kind, category }: Class,
    names: &Names<'_>,
    event: &Event<'_>,
    summary: Option<&str>,
    scratch: &mut Vec<u8>,
) {
    line.extend_from_slice(br#"{"action":{"#);
    authorization(line, names, event.authorization.as_ref().map(|by| by.decision));
    line.extend_from_slice(br#""category":""#);
    line.extend_from_slice(category.as_bytes());
    line.extend_from_slice(br#"","#);
    if let Content::Value(value) = &event.input {
        line.extend_from_slice(br#""input":{"hash":"#);
        content_hash(line, value, scratch);
        if let Some(summary) = summary {
            line.extend_from_slice(br#","summary":"#);
            write_str(summary, line);
        }
        line.extend_from_slice(b"},");
    }
    line.extend_from_slice(br#""tool":"#);
    write_str(&names.tool, line);
    line.extend_from_slice(br#","type":""#);
    line.extend_from_slice(kind.as_bytes());
    line.extend_from_slice(br#""},"#);
}

fn authorization(line: &mut Vec<u8>, names: &Names<'_>, decided: Option<Decision>) {
    if names.scope.is_none() && decided.is_none() {
        return;
    }
    line.extend_from_slice(br#""authorization":{"#);
    text(line, "approver", names.approver.as_deref());
    text(line, "decision", decided.map(decision));
    text(line, "scope", names.scope.as_deref());
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

fn agent(line: &mut Vec<u8>, names: &Names<'_>) {
    line.extend_from_slice(br#""agent":{"#);
    text(line, "id", Some(&names.agent_id));
    text(line, "model", names.model.as_deref());
    text(line, "name", Some(&names.agent));
    text(line, "version", names.version.as_deref());
    line.pop();
    line.extend_from_slice(b"},");
}

/// The inside of `data`. Keys in order, each with a comma after it; the last one's is taken back.
fn data(
    line: &mut Vec<u8>,
    event: &Event<'_>,
    names: &Names<'_>,
    (trace, span): (Option<&[u8; 16]>, Option<&[u8; 8]>),
    findings: &Findings,
) {
    tokens(line, "cache_read_tokens", event.usage.cache_read_tokens);
    tokens(line, "cache_write_tokens", event.usage.cache_write_tokens);
    text(line, "call_id", names.call_id.as_deref());
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
    text(line, "error_type", names.error_type.as_deref());
    text(line, "finish_reason", names.finish_reason.as_deref());
    tokens(line, "input_tokens", event.usage.input_tokens);
    tokens(line, "output_tokens", event.usage.output_tokens);
    pii_types(line, findings);
    tokens(line, "reasoning_tokens", event.usage.reasoning_tokens);
    text(line, "response_id", names.response_id.as_deref());
    id(line, "span_id", span.map(<[u8; 8]>::as_slice));
    instant(line, "started_at", event.started);
    tokens(line, "total_tokens", event.usage.total_tokens);
    id(line, "trace_id", trace.map(<[u8; 16]>::as_slice));
    undisclosed(line, event);
    if line.last() == Some(&b',') {
        line.pop();
    }
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

/// What an outcome is hashed and summarised from: as in the reference, an error wins over a result.
#[derive(Clone, Copy)]
enum OutcomeContent<'e> {
    Result(&'e Json<'e>),
    Error(&'e str),
}

fn outcome_content<'e>(outcome: &'e Outcome<'_>) -> Option<OutcomeContent<'e>> {
    match (outcome.status, &outcome.result) {
        (Status::Ok, Content::Value(result)) => Some(OutcomeContent::Result(result)),
        (Status::Ok, Content::Undisclosed) => None,
        _ => outcome.error_text.as_deref().or(outcome.error_type.as_deref()).map(OutcomeContent::Error),
    }
}

/// As the reference derives it: an error is hashed as `{"error": text}`.
fn outcome(line: &mut Vec<u8>, outcome: &Outcome<'_>, summary: Option<&str>, scratch: &mut Vec<u8>) {
    line.extend_from_slice(br#","outcome":{"#);
    if let Some(content) = outcome_content(outcome) {
        line.extend_from_slice(br#""hash":"#);
        match content {
            OutcomeContent::Result(result) => content_hash(line, result, scratch),
            OutcomeContent::Error(error) => {
                let error = Json::Str(Text::Utf8(Cow::Borrowed(error)));
                content_hash(line, &Json::Object(vec![("error".into(), error)]), scratch);
            }
        }
        line.push(b',');
    }
    line.extend_from_slice(br#""status":""#);
    line.extend_from_slice(match outcome.status {
        Status::Ok => b"ok",
        Status::Error => b"error",
        Status::Denied => b"denied",
    });
    line.push(b'"');
    if let Some(summary) = summary {
        line.extend_from_slice(br#","summary":"#);
        write_str(summary, line);
    }
    line.push(b'}');
}

fn identity(w: &mut DraftWriter, id: RecordId, session: &str, severity: Severity) {
    w.line.extend_from_slice(br#","record_id":""#);
    w.id(id);
    w.line.extend_from_slice(br#"","schema_version":"0.1","session_id":"#);
    write_str(session, &mut w.line);
    w.line.extend_from_slice(br#","severity":""#);
    w.line.extend_from_slice(severity.name().as_bytes());
    w.line.push(b'"');
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
        write_str(value, line);
        line.push(b',');
    }
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
