//! Whose a trace is may be said after some of its spans were sealed, in another request, before a restart.

use crate::support::chains::{assert_verified, of_tenant, span_key};
use crate::support::halod::Halod;
use crate::support::spans::{attribute, hex, key, request, span, text};
use crate::support::wait_until;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The `n`th span of the one trace of a family, which its root tells the tenant of.
fn member(family: u32, n: u64) -> Span {
    assert!(n < 8, "a trace has 8 spans");
    span(family, n)
}

fn root(family: u32, tenant: &str) -> Span {
    let mut root = member(family, 0);
    root.attributes.push(attribute("tenant.id", text(tenant)));
    root
}

fn child(family: u32, n: u64) -> Span {
    Span { parent_span_id: member(family, 0).span_id, ..member(family, n) }
}

/// A daemon that discloses at once.
fn start(dir: &Path) -> Halod {
    let config = dir.join("halod.yaml");
    std::fs::write(&config, "receivers: { gap_interval: 1s }\n").unwrap();
    Halod::start_with(&dir.join("records"), &["--config", config.to_str().unwrap()])
}

fn spans_of(dir: &Path, tenant: Option<&str>) -> Vec<String> {
    let records = of_tenant(&dir.join("records"), tenant);
    let mut spans: Vec<String> = records.iter().filter_map(span_key).map(|(_, span)| span).collect();
    spans.sort();
    spans
}

fn ids<'s>(spans: impl IntoIterator<Item = &'s Span>) -> Vec<String> {
    let mut ids: Vec<String> = spans.into_iter().map(|span| key(span).1).collect();
    ids.sort();
    ids
}

fn disclosures(dir: &Path, tenant: Option<&str>) -> Vec<Value> {
    let records = of_tenant(&dir.join("records"), tenant);
    records.into_iter().filter(|record| record["action"]["tool"] == "halod.trace_elsewhere").collect()
}

fn await_disclosure(dir: &Path, tenant: &str) -> Value {
    wait_until("the disclosure is sealed", Duration::from_secs(30), || {
        !disclosures(dir, Some(tenant)).is_empty()
    });
    let [one] = <[Value; 1]>::try_from(disclosures(dir, Some(tenant))).unwrap();
    one
}

#[test]
fn a_trace_whose_tenant_is_told_late_is_disclosed_and_goes_on_there() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    let [early, late] = [1, 2].map(|n| child(1, n));
    halod.export(&request(None, vec![early.clone()]));
    halod.export(&request(None, vec![root(1, "north")]));
    halod.export(&request(None, vec![late.clone()]));
    // What was sent before the tenant was known is sent again.
    halod.export(&request(None, vec![early.clone(), late.clone()]));
    assert_eq!(halod.duplicates(), 2);
    let told = await_disclosure(dir.path(), "north");
    assert_eq!(told["data"]["trace_id"], hex(&early.trace_id));
    assert_eq!((&told["data"]["records"], &told["data"]["chain"]), (&1.into(), &"local".into()));
    assert_eq!(told["data"]["span_ids"], key(&early).1);
    assert_eq!(
        told["outcome"]["summary"],
        "1 record of this trace is in the local chain: it came before anybody said whose the trace is."
    );
    // One more in the local chain would have to be disclosed again; there is none.
    halod.export(&request(None, vec![child(1, 3)]));
    assert!(halod.terminate().success());
    assert_eq!(spans_of(dir.path(), None), ids([&early]));
    assert_eq!(spans_of(dir.path(), Some("north")), ids([&root(1, "north"), &late, &child(1, 3)]));
    assert_eq!(disclosures(dir.path(), Some("north")).len(), 1);
    assert_verified(&dir.path().join("records"));
}

/// What was said for a trace is known after a restart, also after kill -9; so is what has to be disclosed.
#[test]
fn what_is_said_for_a_trace_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    halod.export(&request(None, vec![child(1, 1)]));
    halod.export(&request(None, vec![root(2, "south")]));
    halod.export(&request(None, vec![child(2, 1)]));
    halod.kill9();
    let halod = start(dir.path());
    halod.export(&request(None, vec![child(2, 1), child(2, 2)]));
    assert_eq!(halod.duplicates(), 1);
    halod.export(&request(None, vec![root(1, "north"), child(1, 1)]));
    assert_eq!(halod.duplicates(), 2, "it was sealed before its tenant was known");
    let told = await_disclosure(dir.path(), "north");
    assert_eq!(told["data"]["records"], Value::Null, "nobody counted them before the restart");
    halod.kill9();
    // What is told is not told once more.
    let halod = start(dir.path());
    halod.export(&request(None, vec![child(1, 2)]));
    std::thread::sleep(Duration::from_millis(2500));
    assert!(halod.terminate().success());
    assert_eq!(disclosures(dir.path(), Some("north")).len(), 1);
    assert_eq!(spans_of(dir.path(), Some("south")), ids([&root(2, "south"), &child(2, 1), &child(2, 2)]));
    assert_eq!(spans_of(dir.path(), Some("north")), ids([&root(1, "north"), &child(1, 2)]));
    assert_eq!(spans_of(dir.path(), None), ids([&child(1, 1)]));
    assert_verified(&dir.path().join("records"));
}

/// Who knows another's trace id can't have its spans: a claim holds for the sender that made it.
#[test]
fn nobody_moves_anothers_spans() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    let post = |tenant: &str, spans: Vec<Span>| {
        let headers = [("content-type", "application/x-protobuf"), ("x-tenant-id", tenant)];
        let answer = halod.connect().post("/v1/traces", &headers, &request(None, spans)).unwrap();
        assert_eq!(answer.status, 200);
    };
    post("mallory", vec![root(1, "evil")]);
    post("alice", vec![child(1, 1)]);
    halod.export(&request(None, vec![child(1, 2)]));
    assert!(halod.terminate().success());
    assert_eq!(spans_of(dir.path(), Some("evil")), ids([&root(1, "evil")]));
    assert_eq!(spans_of(dir.path(), Some("alice")), ids([&child(1, 1)]));
    assert_eq!(spans_of(dir.path(), None), ids([&child(1, 2)]));
}

/// A trace of which two tenants are stated is nobody's: its silent spans go where they would without them.
#[test]
fn a_trace_of_several_tenants_has_no_claim() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    let mut other = child(1, 1);
    other.attributes.push(attribute("tenant.id", text("south")));
    halod.export(&request(None, vec![root(1, "north")]));
    halod.export(&request(None, vec![other.clone()]));
    halod.export(&request(None, vec![child(1, 2)]));
    assert!(halod.terminate().success());
    assert_eq!(spans_of(dir.path(), Some("north")), ids([&root(1, "north")]));
    assert_eq!(spans_of(dir.path(), Some("south")), ids([&other]));
    assert_eq!(spans_of(dir.path(), None), ids([&child(1, 2)]));
}

/// Session and user are often said by the root alone, which may come in another request.
#[test]
fn what_a_root_says_of_session_and_user_holds_for_later_requests() {
    let dir = tempfile::tempdir().unwrap();
    let halod = start(dir.path());
    let mut root = member(1, 0);
    root.attributes.retain(|attribute| attribute.key != "gen_ai.conversation.id");
    root.attributes.push(attribute("session.id", text("sess-7")));
    root.attributes.push(attribute("user.id", text("u-9")));
    halod.export(&request(None, vec![root]));
    halod.export(&request(None, vec![child(1, 1)]));
    // A span's own word counts.
    halod.export(&request(None, vec![child(1, 2)]));
    halod.export(&request(None, vec![child(1, 1)]));
    assert_eq!(halod.duplicates(), 1);
    assert!(halod.terminate().success());
    let said: Vec<_> = of_tenant(&dir.path().join("records"), None)
        .iter()
        .map(|record| {
            let inherited = record["data"]["inherited"].as_array().map_or(0, Vec::len);
            (record["session_id"].clone(), record["principal"]["human_id"].clone(), inherited)
        })
        .collect();
    let said_by_root = |session: &str, inherited| (session.into(), "u-9".into(), inherited);
    assert_eq!(said, [said_by_root("sess-7", 0), said_by_root("sess-7", 2), said_by_root("conv-0001", 1)]);
}
