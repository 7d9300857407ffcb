//! What `limits.per_tenant` allows of a tenant, and of those that are made up.

use super::send;
use crate::import::fixture::said;
use crate::support::chains::{assert_verified, files, gap, of_tenant, spans};
use crate::support::grpc::Grpc;
use crate::support::halod::{Halod, halod};
use crate::support::http::{Answer, JSON, PROTOBUF};
use crate::support::spans::{SpanKey, key, request, resource, span};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const RESOURCE_EXHAUSTED: i32 = 8;

fn start(place: &Path, limits: &str) -> (Halod, PathBuf) {
    let (dir, config) = (place.join("records"), place.join("halod.yaml"));
    let text = format!("limits: {{ per_tenant: {{ {limits} }} }}\nreceivers: {{ gap_interval: 1h }}\n");
    std::fs::write(&config, text).unwrap();
    (Halod::start_with(&dir, &["--config", config.to_str().unwrap()]), dir)
}

/// Imports spans of a tenant as a file, through the daemon. Returns how many were sealed.
fn import(place: &Path, tenant: &str, family: u32, spans: u64) -> u64 {
    let file = place.join(format!("{family:x}.pb"));
    std::fs::write(&file, request(Some(tenant), (0..spans).map(|n| span(family, n)).collect())).unwrap();
    let dir = place.join("records");
    let said = said(&halod(&["import", "otlp", "--json", "--dir", dir.to_str().unwrap()], &[file]));
    assert_eq!(said.code, Some(0), "{}", said.errors);
    said.count("sealed")
}

/// How long the sender of a refused request is told to wait. Both answers of the table are checked.
fn told_to_wait(answer: &Answer) -> Duration {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.body.windows(20).any(|part| part == b"google.rpc.RetryInfo"), "{}", answer.text());
    let seconds: u64 = answer.header("retry-after").expect("retry-after").parse().unwrap();
    assert!((1..60).contains(&seconds), "{seconds}");
    Duration::from_secs(seconds)
}

/// Sends until it is acknowledged, as an exporter does.
fn insist(mut once: impl FnMut() -> Answer) -> u32 {
    let begun = Instant::now();
    for tries in 1.. {
        let answer = once();
        if answer.status == 200 {
            return tries;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(told_to_wait(&answer));
    }
    unreachable!()
}

fn keys(family: u32, count: u64) -> impl Iterator<Item = SpanKey> {
    (0..count).map(move |n| key(&span(family, n)))
}

/// Requests of a client that does not wait when it is told to, for a while. Returns the acknowledged ones.
fn flood(halod: &Halod) -> Vec<u32> {
    let (next, refused) = (AtomicU32::new(0x100), AtomicU64::new(0));
    let acknowledged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while refused.load(Relaxed) < 40 {
                    let family = next.fetch_add(1, Relaxed);
                    let answer = send(halod, Some("flood"), family, 0..50);
                    if answer.status == 200 {
                        acknowledged.lock().unwrap().push(family);
                    } else {
                        told_to_wait(&answer);
                        refused.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        for n in 0..50 {
            let answer = send(halod, Some("quiet"), 0xaa, n..n + 1);
            assert_eq!(answer.status, 200, "the other tenant is not refused: {}", answer.text());
        }
    });
    acknowledged.into_inner().unwrap()
}

#[test]
fn a_tenant_is_held_to_its_rate_and_nobody_else_is() {
    let place = tempfile::tempdir().unwrap();
    let (halod, dir) = start(place.path(), "records_per_second: 50");
    let begun = Instant::now();
    let acknowledged = flood(&halod);
    // What is sealed may be sent again at any time.
    for &family in &acknowledged {
        assert_eq!(send(&halod, Some("flood"), family, 0..50).status, 200);
    }
    let sealed = of_tenant(&dir, Some("flood")).len() as f64;
    let allowed = 500.0 + 50.0 * (begun.elapsed().as_secs_f64() + 1.0) + 1.0;
    assert!((450.0..=allowed).contains(&sealed), "{sealed} of {allowed}");

    // Over gRPC it can only be sent again with the hint.
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let body = |family| request(Some("flood"), (0..200).map(|n| span(family, n)).collect());
    let mut answer = grpc.export(&body(0x8000)).unwrap();
    for family in 0x8001..0x8010 {
        if answer.code != 0 {
            break;
        }
        answer = grpc.export(&body(family)).unwrap();
    }
    assert_eq!(answer.code, RESOURCE_EXHAUSTED, "{}", answer.message);
    assert!(answer.details.windows(20).any(|part| part == b"google.rpc.RetryInfo"), "{}", answer.message);
    assert!(answer.message.contains("limits.per_tenant"), "{}", answer.message);

    // Of a request of two tenants, what can be sealed is; the rest when it comes again.
    let both = ExportTraceServiceRequest {
        resource_spans: vec![
            resource(Some("flood"), (0..120).map(|n| span(0x9000, n)).collect()),
            resource(Some("third"), (0..20).map(|n| span(0x9001, n)).collect()),
        ],
    };
    let both = both.encode_to_vec();
    let export =
        || halod.connect().post("/v1/traces", &[("content-type", PROTOBUF)], &both).expect("an answer");
    told_to_wait(&export());
    assert_eq!(of_tenant(&dir, Some("third")).len(), 20);
    assert_eq!(import(place.path(), "flood", 0xa000, 3000), 3000, "imports are not limited");
    insist(export);

    assert!(halod.metric("halod_requests_total", "reason=\"tenant_rate\"") >= 40);
    assert!(halod.metric("halod_pipeline_refusals_total", "reason=\"tenant_rate\"") >= 40);
    assert_eq!(halod.metric("halod_tenants_metered", ""), 3);
    assert!(halod.log().contains("is over its rate"));
    assert!(halod.terminate().success());
    let seen = spans(&dir);
    assert!(seen.values().all(|times| *times == 1), "sealed once");
    let mut expected = acknowledged.iter().flat_map(|family| keys(*family, 50)).chain(keys(0xaa, 50));
    assert!(expected.all(|key| seen.contains_key(&key)), "what is acknowledged is sealed");
    let mut expected = keys(0x9000, 120).chain(keys(0x9001, 20)).chain(keys(0xa000, 3000));
    assert!(expected.all(|key| seen.contains_key(&key)));
    assert_verified(&dir);
}

#[test]
fn a_tenants_bytes_are_held_to_their_rate() {
    let place = tempfile::tempdir().unwrap();
    let (halod, dir) = start(place.path(), "bytes_per_second: 100000");
    let begun = Instant::now();
    // About two megabytes, which are not there at once, also in one request.
    assert!(insist(|| send(&halod, Some("flood"), 1, 0..1500)) > 1);
    let took = begun.elapsed().as_secs_f64();
    let bytes: u64 = files(&dir).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes as f64 <= 100_000.0 * (took + 12.0), "{bytes} in {took} s");
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(&dir, Some("flood")).len(), 1500);
    assert_verified(&dir);
}

#[test]
fn tenants_that_are_made_up_begin_no_more_chains_than_a_minute_allows() {
    let place = tempfile::tempdir().unwrap();
    let (halod, dir) = start(place.path(), "new_chains_per_minute: 3");
    for n in 0..3 {
        assert_eq!(send(&halod, Some(&format!("made up {n}")), n, 0..5).status, 200);
    }
    let refused = send(&halod, Some("one more"), 3, 0..5);
    assert!(told_to_wait(&refused) <= Duration::from_secs(20));
    assert!(refused.text().contains("no chain yet"), "{}", refused.text());
    for n in 0..3 {
        assert_eq!(send(&halod, Some(&format!("made up {n}")), n, 0..10).status, 200, "it has its chain");
    }
    assert_eq!(send(&halod, None, 4, 0..5).status, 200, "no tenant is none that is made up");
    assert_eq!(import(place.path(), "imported", 5, 5), 5);
    // LiteLLM sends once, and is told of in the local chain: the tenant shall get none by being refused.
    let call = json!([{ "id": "a", "litellm_call_id": "a", "call_type": "acompletion", "status": "success",
        "model": "gpt-4o-mini", "startTime": 1_760_000_000.0, "endTime": 1_760_000_001.0 }]);
    let headers = [("content-type", JSON), ("x-tenant-id", "another")];
    let answer = halod.connect().post("/litellm", &headers, call.to_string().as_bytes()).unwrap();
    assert_eq!((answer.status, answer.text().contains("chain_rate")), (429, true), "{}", answer.text());
    assert_eq!(halod.metric("halod_pipeline_refusals_total", "reason=\"chain_rate\""), 2);
    assert!(halod.terminate().success());
    assert_eq!(gap(&dir, None)["litellm.chain_rate"], 1);
    // Of the made up ones, the imported one and nobody.
    assert_eq!(files(&dir).len(), 5);
    assert_verified(&dir);
}
