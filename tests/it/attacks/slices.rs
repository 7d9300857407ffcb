//! Requests whose records take more room than there is.

use super::memory::PEAK;
use crate::support::chains::of_tenant;
use crate::support::halod::{Halod, halod_verify};
use crate::support::http::{Answer, PROTOBUF};
use crate::support::spans::{attribute, request, span, text};
use crate::support::wait_until;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Records of so many spans take about 24 MiB.
const SPANS: u64 = 12_000;

/// A halod that has room for 16 MiB.
fn start(place: &Path, more: &str) -> (Halod, PathBuf) {
    let (dir, config) = (place.join("records"), place.join("halod.yaml"));
    let text = format!(
        "pipeline: {{ max_in_flight_mib: 16 }}\n\
         receivers: {{ otlp: {{ protocols: {{ grpc: {{ max_recv_msg_size_mib: 16 }}, http: {{ max_request_body_size: 16777216 }} }} }} }}\n\
         {more}"
    );
    std::fs::write(&config, text).unwrap();
    (Halod::start_with(&dir, &["--config", config.to_str().unwrap()]), dir)
}

/// Spans of one trace, each under the one before it; the last comes first.
fn spans(family: u32, tenant: &str) -> Vec<Span> {
    let spans = (0..SPANS).rev().map(|n| {
        let mut span = span(family, n);
        span.trace_id = vec![family as u8; 16];
        span.parent_span_id = if n == 0 { Vec::new() } else { self::span(family, n - 1).span_id };
        span.attributes.push(attribute("tenant.id", text(tenant)));
        span
    });
    spans.collect()
}

fn export(halod: &Halod, body: &[u8]) -> Answer {
    halod.connect().post("/v1/traces", &[("content-type", PROTOBUF)], body).expect("an answer")
}

/// The writer gives room back right after its answers.
fn all_room_is_given_back(halod: &Halod) {
    wait_until("all room is given back", Duration::from_secs(10), || {
        halod.metric("halod_in_flight_bytes", "") == 0
    });
}

/// An honest request below the limit of a body is sealed, in the order of parents and answered once; its resend is
/// recognised, and so is one of a halod that was killed between.
#[test]
fn a_request_with_more_records_than_fit_is_sealed_in_slices() {
    let place = tempfile::tempdir().unwrap();
    let (halod, dir) = start(place.path(), "");
    let body = request(None, spans(7, "acme"));
    let answer = export(&halod, &body);
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{}", answer.text());
    assert_eq!(halod.sealed(), SPANS);
    assert_eq!(halod.items("otlp", "sealed"), SPANS);
    assert_eq!(export(&halod, &body).status, 200);
    assert_eq!((halod.sealed(), halod.items("otlp", "duplicate")), (SPANS, SPANS));
    all_room_is_given_back(&halod);
    println!("peak memory {} MiB", halod.peak_memory_mib());
    assert!(halod.terminate().success());
    halod_verify(&dir);
    let mut known = BTreeSet::new();
    for record in of_tenant(&dir, Some("acme")) {
        if let Some(parent) = record["parent_id"].as_str() {
            assert!(known.contains(parent), "a parent is an earlier record");
        }
        known.insert(record["record_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(known.len() as u64, SPANS);
}

/// What can be sealed of such a request is, and its sender is told to send all of it again.
#[test]
fn a_slice_that_is_refused_makes_the_request_come_again() {
    let place = tempfile::tempdir().unwrap();
    let (halod, dir) = start(place.path(), "storage: { max_tenants: 1 }\n");
    let both = [
        spans(7, "acme"),
        vec![{
            let mut last = span(8, 0);
            last.start_time_unix_nano = u64::MAX / 2;
            last.attributes.push(attribute("tenant.id", text("initech")));
            last
        }],
    ];
    let body = request(None, both.concat());
    for _ in 0..2 {
        let answer = export(&halod, &body);
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!(halod.sealed(), SPANS, "those of the tenant that has a chain, once");
    all_room_is_given_back(&halod);
    assert!(halod.terminate().success());
    halod_verify(&dir);
}

/// Small spans take ten times their bytes when they are decoded, so they are decoded one by one.
#[test]
fn a_request_of_very_many_small_spans_is_sealed() {
    const SMALL: u64 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let small = |n: u64| Span {
        name: "chat".to_owned(),
        attributes: vec![attribute("gen_ai.operation.name", text("chat"))],
        ..Span { kind: 0, ..span(9, n) }
    };
    let body = request(None, (0..SMALL).map(small).collect());
    println!("{} bytes a span", body.len() as u64 / SMALL);
    assert!(body.len() > 16 << 20 && body.len() < 20 << 20, "{}", body.len());
    let answer = export(&halod, &body);
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{}", answer.text());
    assert_eq!((halod.sealed(), halod.items("otlp", "sealed")), (SMALL, SMALL));
    all_room_is_given_back(&halod);
    println!("peak memory {} MiB", halod.peak_memory_mib());
    assert!(halod.peak_memory_mib() <= PEAK, "{} MiB", halod.peak_memory_mib());
    assert!(halod.terminate().success());
    halod_verify(dir.path());
}

/// A kill between two slices loses nothing that was answered and doubles nothing.
#[test]
fn a_kill_between_slices_doubles_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (halod, dir) = start(place.path(), "");
    let body = request(None, spans(7, "acme"));
    assert!(ExportTraceServiceRequest::decode(&*body).is_ok());
    let mut connection = halod.connect();
    connection.begin("/v1/traces", &[("content-type", PROTOBUF)], body.len()).unwrap();
    connection.write(&body).unwrap();
    crate::support::wait_until("a slice is sealed", std::time::Duration::from_secs(60), || {
        halod.sealed() > 0
    });
    assert!(halod.sealed() < SPANS, "the rest is not");
    halod.kill9();
    let (halod, _) = start(place.path(), "");
    assert_eq!(export(&halod, &body).status, 200);
    assert!(halod.terminate().success());
    halod_verify(&dir);
    assert_eq!(of_tenant(&dir, Some("acme")).len() as u64, SPANS);
}
