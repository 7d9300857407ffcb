//! A request comes to the same drafts whether its items are decoded at once or each at its turn.

use super::super::read::{Content, Encoding};
use super::super::turns;
use crate::ingest::claim::{HeaderClaim, TenantRule};
use crate::ingest::{Ingest, RequestBuilder};
use crate::net::status::Fault;
use crate::pipeline::intake::Intake;
use crate::receivers::otlp::OtlpState;
use crate::receivers::otlp::join::ContentJoin;
use crate::receivers::stats::Counters;
use halod_record::build::Builder;
use halod_record::draft::GENESIS;
use halod_record::time;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use std::sync::{Arc, mpsc};
use std::time::Duration;

struct Door {
    state: OtlpState,
    ingest: Arc<Ingest>,
}

type Read<'a> = &'a dyn Fn(&mut Content, &OtlpState, &mut RequestBuilder) -> Result<(), Fault>;

impl Door {
    fn new() -> Self {
        let (_, never) = tokio::sync::watch::channel(false);
        let counters = Counters::default();
        let state = OtlpState::new(
            TenantRule::default(),
            ContentJoin::new(Duration::ZERO, 0, never),
            Arc::default(),
            counters.otlp,
        );
        let intake = Intake::new(mpsc::channel().0, usize::MAX, Arc::default());
        Self {
            state,
            ingest: Arc::new(Ingest::of_files(intake, Arc::new(Builder::new(false)), counters.import)),
        }
    }

    /// All that a request comes to, in order.
    fn told(&self, read: Read<'_>) -> String {
        let permit = self.ingest.intake.admit(0).unwrap();
        let mut request = RequestBuilder::new(Arc::clone(&self.ingest), HeaderClaim::Absent, permit, 0);
        let mut content = Content::default();
        let done = request.reading(|request| read(&mut content, &self.state, request));
        let (counted, reason) = (request.counted(), request.first_reason().map(str::to_owned));
        let shares = content.shares.iter().map(|share| format!("{:?}", share.draft)).collect::<Vec<_>>();
        let lines = request.into_drafts().into_iter().map(|draft| {
            let mut line = Vec::new();
            draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
            String::from_utf8(line).unwrap()
        });
        let lines: Vec<String> = lines.collect();
        format!("{done:?} {counted:?} {reason:?} {lines:#?} {shares:#?} {:?}", content.filtered_by())
    }

    fn spans(&self, encoding: Encoding, body: &[u8]) -> (String, String) {
        (
            self.told(&|content, state, request| {
                content.spans(&turns::traces(encoding, body)?, state, request)
            }),
            self.told(&|content, state, request| {
                content.spans(&turns::span_places(encoding, body)?, state, request)
            }),
        )
    }

    fn logs(&self, encoding: Encoding, body: &[u8]) -> (String, String) {
        (
            self.told(&|content, state, request| content.logs(&turns::logs(encoding, body)?, state, request)),
            self.told(&|content, state, request| {
                content.logs(&turns::log_places(encoding, body)?, state, request)
            }),
        )
    }
}

fn attribute() -> impl Strategy<Value = KeyValue> {
    let said = prop::sample::select(vec![
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "ls"),
        ("gen_ai.tool.call.arguments", r#"{"path":"/tmp"}"#),
        ("gen_ai.input.messages", r#"[{"role":"user"}]"#),
        ("tenant.id", "acme"),
        ("tenant.id", ".."),
        ("http.route", "/"),
    ]);
    said.prop_map(|(key, text)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) }),
        ..KeyValue::default()
    })
}

/// Few ids, so that spans are told twice, are each other's parents, and are in circles.
fn span() -> impl Strategy<Value = Span> {
    ((0..3u8, 0..6u8, 0..6u8), 0..4u64, vec(attribute(), 0..4)).prop_map(
        |((trace, id, parent), start_time_unix_nano, attributes)| Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
            start_time_unix_nano,
            attributes,
            ..Span::default()
        },
    )
}

fn traces() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = vec(span(), 0..8).prop_map(|spans| ScopeSpans { spans, ..ScopeSpans::default() });
    let group =
        vec(scope, 0..3).prop_map(|scope_spans| ResourceSpans { scope_spans, ..ResourceSpans::default() });
    vec(group, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let name = prop::sample::select(vec![
        "gen_ai.user.message",
        "gen_ai.choice",
        "other",
        "claude_code.tool_result",
    ]);
    let record = (name, 0..3u8, vec(attribute(), 0..4)).prop_map(|(name, id, attributes)| LogRecord {
        event_name: name.to_owned(),
        trace_id: vec![id; 16],
        span_id: vec![id; 8],
        body: Some(AnyValue { value: Some(Value::StringValue("hello".to_owned())) }),
        attributes,
        ..LogRecord::default()
    });
    let scope = vec(record, 0..8).prop_map(|log_records| ScopeLogs { log_records, ..ScopeLogs::default() });
    vec(scope, 0..3).prop_map(|scope_logs| ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }],
    })
}

/// The message in both encodings, whole and with one byte changed.
fn messages<M: Message + serde::Serialize>(message: &M, at: usize, byte: u8) -> Vec<(Encoding, Vec<u8>)> {
    let whole = [
        (Encoding::Protobuf, message.encode_to_vec()),
        (Encoding::Json, serde_json::to_vec(message).unwrap()),
    ];
    let damaged = whole.clone().map(|(encoding, mut bytes)| {
        let length = bytes.len().max(1);
        if let Some(place) = bytes.get_mut(at % length) {
            *place = byte;
        }
        (encoding, bytes)
    });
    whole.into_iter().chain(damaged).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn spans_come_to_the_same_drafts_in_the_same_order(
        request in traces(), at in any::<usize>(), byte in any::<u8>(),
    ) {
        let door = Door::new();
        for (encoding, body) in messages(&request, at, byte) {
            let (whole, by_turns) = door.spans(encoding, &body);
            prop_assert_eq!(whole, by_turns);
        }
    }

    #[test]
    fn records_come_to_the_same_drafts_in_the_same_order(
        request in logs(), at in any::<usize>(), byte in any::<u8>(),
    ) {
        let door = Door::new();
        for (encoding, body) in messages(&request, at, byte) {
            let (whole, by_turns) = door.logs(encoding, &body);
            prop_assert_eq!(whole, by_turns);
        }
    }
}
