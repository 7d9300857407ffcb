//! What halod says by itself, as a reader of the chain meets it.

use super::{record, send};
use crate::support::chains::{assert_verified, of_tenant, records};
use crate::support::halod::Halod;
use serde_json::Value;
use std::io::Write;

/// A loss is no good news: not captured, not ok, and in words.
fn reads_as_a_loss(notice: &Value) {
    assert_eq!(
        (&notice["source"]["adapter"], &notice["source"]["capture"]),
        (&"halod".into(), &"ingested".into())
    );
    assert_eq!(notice["outcome"]["status"], "error", "{notice}");
    assert!(matches!(notice["severity"].as_str(), Some("MEDIUM" | "HIGH" | "CRITICAL")), "{notice}");
    let said = notice["outcome"]["summary"].as_str().unwrap_or_default();
    assert!(said.split(' ').count() > 4, "a sentence: {notice}");
}

fn notices(records: &[Value], kind: &str) -> Vec<Value> {
    records.iter().filter(|record| record["action"]["tool"] == format!("halod.{kind}")).cloned().collect()
}

#[test]
fn a_gap_of_an_unknown_tenant_is_told_in_the_local_chain_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut connection = halod.connect();
    for garbage in [&b"\xff\xff\xff"[..], &[7; 184]] {
        assert_eq!(connection.export(garbage).unwrap().status, 400);
    }
    let headers = [("content-type", "application/x-protobuf"), ("x-tenant-id", "acme")];
    assert_eq!(connection.post("/v1/traces", &headers, b"\xff").unwrap().status, 400);
    assert!(halod.terminate().success());
    let gap = notices(&of_tenant(dir.path(), None), "gap").remove(0);
    reads_as_a_loss(&gap);
    assert_eq!(gap["data"]["tenant"], "unknown");
    assert_eq!(
        gap["outcome"]["summary"],
        "2 requests, 187 bytes, which could not be decoded, are lost; the tenant is not known"
    );
    let known = notices(&of_tenant(dir.path(), Some("acme")), "gap").remove(0);
    reads_as_a_loss(&known);
    assert_eq!(known["outcome"]["summary"], "1 request, 1 byte, which could not be decoded, is lost");
    assert!(known["data"]["tenant"].is_null());
    assert_verified(dir.path());
}

#[test]
fn damage_of_a_chain_reads_as_damage() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("torn"), 1, 0..3).status, 200);
    assert_eq!(send(&halod, Some("cut"), 2, 0..3).status, 200);
    assert!(halod.terminate().success());
    let path = |id: &str| dir.path().join(format!("{id}.jsonl"));
    std::fs::OpenOptions::new().append(true).open(path("torn")).unwrap().write_all(b"{\"action\":").unwrap();
    let text = std::fs::read_to_string(path("cut")).unwrap();
    std::fs::write(path("cut"), &text[..=text.find('\n').unwrap()]).unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("torn"), 1, 3..4).status, 200);
    assert_eq!(send(&halod, Some("cut"), 2, 3..4).status, 200);
    assert!(halod.terminate().success());
    let text = std::fs::read_to_string(path("torn")).unwrap();
    let torn: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    reads_as_a_loss(&notices(&torn, "torn_tail")[0]);
    reads_as_a_loss(&notices(&records(&path("cut")), "chain_changed")[0]);
}

/// A recorder whose clock was ten years ahead has sealed one record.
#[test]
fn a_clock_behind_the_chain_is_disclosed_in_it() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), "acme", "python_tool", Some("2036-11-29T12:00:00Z"));
    for _ in 0..2 {
        let halod = Halod::start(dir.path());
        assert_eq!(send(&halod, Some("acme"), 1, 0..3).status, 200);
        assert_eq!(send(&halod, Some("other"), 1, 0..3).status, 200);
        if halod.sealed() > 3 {
            halod.await_log("clock is behind");
        }
        assert!(halod.terminate().success());
    }
    let chain = of_tenant(dir.path(), Some("acme"));
    assert_eq!((chain.len(), notices(&chain, "clock").len()), (5, 1));
    let clock = &notices(&chain, "clock")[0];
    assert_eq!(clock["source"]["capture"], "ingested");
    assert!(clock["data"]["last_ts"].as_str().unwrap().starts_with("2036-11-29T12:00:00"));
    for record in &chain[1..] {
        assert!(record["ts"].as_str().unwrap().starts_with("2036-"));
        assert!(record["data"]["clock"].as_str().unwrap().starts_with("202"), "{record}");
    }
    assert!(of_tenant(dir.path(), Some("other")).iter().all(|record| record["data"]["clock"].is_null()));
    assert_verified(dir.path());
}

/// Garbage over the journal, beside a chain that lost what only the journal had: the log, `/status` and the
/// chains say that records may be missing.
#[test]
fn a_damaged_journal_is_told_to_operators_and_readers() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    assert_eq!(send(&halod, Some("torn"), 1, 0..20).status, 200);
    halod.kill9();
    let path = dir.path().join("torn.jsonl");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // Within a line.
    file.set_len(path.metadata().unwrap().len() / 2 + 7).unwrap();
    for segment in ["0.wal", "1.wal"] {
        let wal = dir.path().join(".halod/journal").join(segment);
        std::fs::OpenOptions::new().write(true).open(wal).unwrap().write_all(&[0x5a; 1 << 20]).unwrap();
    }
    let halod = Halod::start(dir.path());
    halod.await_log("the journal was damaged");
    let status: Value = serde_json::from_str(&halod.ask("/status").unwrap().1).unwrap();
    let damage = status["journal_damage"].as_array().unwrap();
    assert!(!damage.is_empty() && damage[0].as_str().unwrap().contains(".wal"), "{status}");
    assert_eq!(send(&halod, Some("torn"), 2, 0..1).status, 200);
    assert!(halod.terminate().success());
    reads_as_a_loss(&notices(&records(&dir.path().join("local.jsonl")), "journal_damaged")[0]);
    let text = std::fs::read_to_string(&path).unwrap();
    let torn: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    reads_as_a_loss(&notices(&torn, "journal_damaged")[0]);
    assert_eq!(notices(&torn, "torn_tail").len(), 1);
}
