//! Scores, which come apart from the spans that they judge and say nothing of whose they are.

use super::*;
use crate::support::chains::assert_verified;
use crate::support::http::PROTOBUF;
use crate::support::spans::{attribute, hex, request, span, text};
use crate::support::wait_until;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::time::{Duration, Instant};

/// The span that a score is on, whose trace it says the tenant, session and user of.
fn judged(family: u32) -> Span {
    let mut span = span(family, 0);
    let said = [("tenant.id", TENANT), ("session.id", "s"), ("user.id", "u")];
    span.attributes.extend(said.map(|(key, value)| attribute(key, text(value))));
    span.attributes.retain(|pair| pair.key != "gen_ai.conversation.id");
    span
}

fn score(halod: &Halod, id: &str, of: &Span) {
    let body = json!({
        "id": id, "traceId": hex(&of.trace_id), "observationId": hex(&of.span_id), "name": "quality", "value": 0.9,
    });
    ingest(
        halod,
        &[json!({ "id": format!("e-{id}"), "type": "score-create", "timestamp": at(1), "body": body })],
    );
}

fn send(halod: &Halod, header: Option<&str>, span: &Span) {
    let headers = header.map(|tenant| ("x-tenant-id", tenant));
    let headers: Vec<_> = headers.into_iter().chain([("content-type", PROTOBUF)]).collect();
    let answer = halod
        .connect()
        .post("/api/public/otel/v1/traces", &headers, &request(None, vec![span.clone()]))
        .unwrap();
    assert_eq!(answer.status, 200);
}

/// How many scores a chain has.
fn scores(of: &[Value]) -> Vec<&Value> {
    of.iter().filter(|record| record["action"]["tool"] == "quality").collect()
}

#[test]
fn a_score_goes_where_the_trace_is_that_came_before() {
    let place = Place::with("");
    let halod = place.start();
    send(&halod, None, &judged(1));
    score(&halod, "a", &judged(1));
    let sealed = place.of_tenant();
    let first = scores(&sealed)[0];
    assert_eq!(
        (&first["session_id"], &first["principal"]["human_id"]),
        (&json!("s"), &json!("u")),
        "{first}"
    );
    assert!(first["parent_id"].is_string(), "{first}");
    halod.kill9();
    let halod = place.start();
    for id in ["a", "b"] {
        score(&halod, id, &judged(1));
    }
    let records = place.of_tenant();
    assert_eq!(scores(&records).len(), 2, "{records:?}");
    assert_eq!(place.all().len(), records.len(), "nothing is elsewhere");
    assert!(halod.terminate().success());
    assert_verified(&place.records());
}

/// Spans are sent every five seconds, and scores every second.
#[test]
fn a_score_waits_for_its_trace() {
    let place = Place::with("");
    let halod = place.start();
    score(&halod, "a", &judged(1));
    score(&halod, "b", &judged(2));
    assert_eq!(place.all().len(), 0);
    halod.kill9();
    let since = Instant::now();
    let halod = place.start();
    send(&halod, None, &judged(1));
    wait_until("both are sealed", Duration::from_secs(60), || scores(&place.all()).len() == 2);
    assert_eq!(scores(&place.of_tenant()).len(), 1);
    assert_eq!(scores(&place.of_tenant())[0]["session_id"], "s");
    assert!(since.elapsed() < Duration::from_secs(50), "the wait is ten seconds");
    assert!(halod.terminate().success());
    assert_verified(&place.records());
}

/// What one sender says of a trace moves nobody else's scores.
#[test]
fn a_score_follows_its_own_senders_spans_only() {
    let place = Place::with("");
    let halod = place.start();
    send(&halod, Some("mallory"), &judged(1));
    score(&halod, "a", &judged(1));
    wait_until("it is sealed", Duration::from_secs(60), || scores(&place.all()).len() == 1);
    assert_eq!(scores(&place.of_tenant()).len(), 0);
    assert!(halod.terminate().success());
}
