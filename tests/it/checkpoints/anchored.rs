//! The end of every chain at a witness of chains: the reference's own, and `halod witness`.

use super::{Place, await_covered, run};
use crate::support::chains::records;
use crate::support::halod::Halod;
use crate::support::random::Random;
use crate::support::spans::{request, span};
use crate::support::wait_until;
use crate::witness::anchors::{anchor, post, remote, said, token};
use crate::witness::stage::{Reference, Witness};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

/// What `/status` says of the witness.
fn told(halod: &Halod) -> Value {
    let (_, status) = halod.ask("/status").unwrap();
    serde_json::from_str::<Value>(&status).unwrap()["log"]["halo_witness"].clone()
}

fn await_told(halod: &Halod, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, LONG, || is_so(&told(halod)));
    told(halod)
}

fn key_file(place: &Place, key: &str) -> PathBuf {
    let path = place.path("witness.key");
    fs::write(&path, format!("{key}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn anchor_at(place: &Place, url: &str, key: &str) {
    let key = key_file(place, key);
    place.configure(&format!(", halo_witness: {{ url: '{url}', key_file: '{}' }}", key.display()));
}

/// The reference's verdict over its own witness: how many records it saw.
fn complete(chain: &Path, url: &str) -> Option<u64> {
    let out = remote(chain, url, "k", &["--check"]);
    let text = said(&out);
    let (_, verdict) = text.split_once("COMPLETE — ").filter(|(before, _)| before.is_empty())?;
    let verdict: Value = serde_json::from_str(verdict.lines().next()?).unwrap();
    assert!(out.status.success());
    verdict["latest_count"].as_u64()
}

/// The counts of a store, by subject, in the order in which they came.
fn counts(store: &Path) -> HashMap<String, Vec<u64>> {
    let mut counts: HashMap<String, Vec<u64>> = HashMap::new();
    for line in fs::read_to_string(store.join("witness.jsonl")).unwrap_or_default().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let of = counts.entry(line["subject"].as_str().unwrap_or_default().into()).or_default();
        of.push(line["count"].as_u64().unwrap());
    }
    counts
}

#[test]
fn what_is_signed_is_complete_for_the_reference() {
    let (mut place, store) = (Place::new(), tempfile::tempdir().unwrap());
    let keys = "k=acme*|globex|unsaf*";
    let at = Reference::place();
    anchor_at(&place, &format!("http://{at}"), "wrong");
    let halod = place.start();
    place.seal(&halod, "acme", 5);
    place.seal(&halod, "globex", 2);
    place.seal(&halod, "unsafe/1", 1);
    place.seal(&halod, "unsafe/2", 1);
    halod.export(&request(None, vec![span(7, 900)]));
    await_covered(&halod, &place, 10);
    // Down, then there with another key, then with this one.
    await_told(&halod, "the witness is missed", |told| {
        told["failure"].to_string().contains("can't be reached")
    });
    let reference = Reference::start_at(store.path(), keys, at);
    await_told(&halod, "the key is refused", |told| {
        told["failure"].to_string().contains("does not know the key")
    });
    key_file(&place, "k");
    let done = await_told(&halod, "all is anchored", |told| told["waiting"] == 0 && told["posted"] == 2);
    assert_eq!((&done["failure"], &done["unanchorable"]["tenants"]), (&Value::Null, &json!(3)));
    let first = done["unanchorable"]["first"].to_string();
    for word in ["unsafe/1", "unsafe/2", "(the chain without a subject)", "invalid subject", "not authorized"]
    {
        assert!(first.contains(word), "{word}: {first}");
    }
    assert_eq!(halod.metric("halod_log_unanchorable", ""), 3);
    assert_eq!(halod.metric("halod_log_anchors_total", ""), 2);
    for (tenant, count) in [("acme", 5), ("globex", 2)] {
        assert_eq!(complete(&place.chain(tenant), &reference.url()), Some(count), "{tenant}");
    }

    // The witness starts anew, and the chain grew meanwhile.
    drop(reference);
    place.seal(&halod, "acme", 2);
    await_covered(&halod, &place, 12);
    await_told(&halod, "the witness is missed", |told| {
        told["failure"] != Value::Null && told["waiting"] == 1
    });
    let reference = Reference::start_at(store.path(), keys, at);
    await_told(&halod, "the rest is anchored", |told| told["waiting"] == 0);
    assert_eq!(complete(&place.chain("acme"), &reference.url()), Some(7));
    assert!(halod.terminate().success());

    // What the witness knows is not sent again.
    let halod = place.start();
    await_told(&halod, "the outbox looked", |told| {
        told["unanchorable"]["tenants"] == 3 && told["waiting"] == 0
    });
    assert_eq!(told(&halod)["posted"], 0);
    halod.terminate();
    assert_eq!(counts(store.path())["acme"], [5, 7]);
    // A chain that loses its end is told from what it was.
    let chain = place.chain("acme");
    let text = fs::read_to_string(&chain).unwrap();
    let cut: Vec<&str> = text.split_inclusive('\n').take(6).collect();
    fs::write(&chain, cut.concat()).unwrap();
    assert!(said(&remote(&chain, &reference.url(), "k", &["--check"])).contains("INCOMPLETE"));
}

#[test]
fn a_witness_that_counts_is_given_time() {
    let (mut place, store) = (Place::new(), tempfile::tempdir().unwrap());
    let reference = Reference::start(store.path(), "k=*");
    for count in 1..=60 {
        assert_eq!(post(reference.address, "k", &anchor("other", count, 'b')).status, 201);
    }
    anchor_at(&place, &reference.url(), "k");
    let halod = place.start();
    place.seal(&halod, "acme", 5);
    await_told(&halod, "the witness has enough", |told| told["failure"].to_string().contains("429"));
    await_told(&halod, "the minute is over", |told| told["posted"] == 1 && told["failure"] == Value::Null);
    assert_eq!(complete(&place.chain("acme"), &reference.url()), Some(5));
    halod.terminate();
}

#[test]
fn no_kill_makes_a_witness_see_less_than_before() {
    let (mut place, store) = (Place::new(), tempfile::tempdir().unwrap());
    let reference = Reference::start(store.path(), "k=*");
    anchor_at(&place, &reference.url(), "k");
    let mut random = Random::new("anchors");
    let tenants = ["acme", "globex", "initech", "umbrella"];
    for _ in 0..5 {
        let halod = place.start();
        for tenant in tenants {
            let records = random.between(1, 9);
            place.seal(&halod, tenant, records);
        }
        // An epoch takes a second, and from one anchor to the next it is more than one.
        std::thread::sleep(Duration::from_millis(1500 + random.between(0, 3000)));
        halod.kill9();
    }
    let halod = place.start();
    place.seal(&halod, "acme", 1);
    await_covered(&halod, &place, place.sent);
    await_told(&halod, "all is anchored", |told| told["waiting"] == 0 && told["posted"].as_u64() > Some(0));
    for tenant in tenants {
        let sealed = records(&place.chain(tenant)).len() as u64;
        assert_eq!(complete(&place.chain(tenant), &reference.url()), Some(sealed), "{tenant}");
        let counts = &counts(store.path())[tenant];
        assert!(counts.is_sorted(), "{tenant}: {counts:?}");
    }
    halod.terminate();
}

#[test]
fn halods_witness_takes_every_name() {
    let (mut place, at) = (Place::new(), tempfile::tempdir().unwrap());
    let identities = at.path().join("identities");
    let key = token(&identities, "vendor", "*");
    let auth = ["--auth", identities.to_str().unwrap()];
    let witness = Witness::halod(&at.path().join("w"), &auth);
    anchor_at(&place, &witness.url(), &key);
    let halod = place.start();
    for tenant in ["acme", "a/b: c@d", "客户-1", " x  y "] {
        place.seal(&halod, tenant, 3);
    }
    halod.export(&request(None, vec![span(7, 900)]));
    await_covered(&halod, &place, 13);
    let done = await_told(&halod, "all is anchored", |told| told["posted"] == 5 && told["waiting"] == 0);
    assert_eq!((&done["unanchorable"]["tenants"], &done["failure"]), (&json!(0), &Value::Null));
    assert!(halod.terminate().success());
    for chain in crate::support::chains::files(&place.chains()) {
        let key = key_file(&place, &key);
        let out = run(&[
            "anchor",
            chain.to_str().unwrap(),
            "--remote",
            &witness.url(),
            "--key-file",
            key.to_str().unwrap(),
            "--check",
        ]);
        assert!(out.status.success() && said(&out).starts_with("COMPLETE"), "{}", said(&out));
    }
}
