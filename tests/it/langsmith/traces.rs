//! What the first run of a trace says for the others: whose they are, of which session, of which user.

use super::{begun, ended, id, items, records, send};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const TENANT: Option<&str> = Some("acme-corp");

fn taken(halod: &Halod, path: &str, body: &Value) {
    let answer = send(halod, "POST", path, body);
    assert_eq!((answer.status, answer.text().as_str()), (202, "{}"), "{path}");
}

fn batch(posts: Vec<Value>, patches: Vec<Value>) -> Value {
    json!({"post": posts, "patch": patches})
}

/// The first run of the trace, which says all that there is to say.
fn root(n: u64) -> Value {
    let mut root = begun(&id(n), "chain", "desk");
    root["extra"]["metadata"]["user_id"] = "u-9".into();
    root
}

/// A run within the trace of `root`, whole, which says nothing of whose it is.
fn within(root: u64, n: u64) -> Value {
    json!({
        "id": id(n), "trace_id": id(root), "parent_run_id": id(root), "run_type": "tool", "name": "lookup_order",
        "session_name": "desk", "start_time": "2026-11-22T08:11:39.830472+00:00",
        "end_time": "2026-11-22T08:11:40.1", "inputs": {"order": "A-1042"}, "outputs": {"state": "shipped"},
    })
}

/// The runs that a tenant's chain has records of.
fn runs(tenant: Option<&str>, dir: &Path) -> Vec<String> {
    let of = of_tenant(dir, tenant);
    let of = of.iter().filter(|record| record["data"]["run_type"].is_string());
    let mut runs: Vec<_> =
        of.filter_map(|record| record["data"]["run_id"].as_str()).map(str::to_owned).collect();
    runs.sort();
    runs
}

#[test]
fn runs_that_say_nothing_follow_the_first_of_their_trace() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    // In one request, and feedback on it.
    taken(&halod, "/runs/batch", &batch(vec![root(1), within(1, 2)], vec![]));
    let verdict = json!({"id": id(7), "run_id": id(2), "key": "correctness", "score": 1});
    taken(&halod, "/feedback", &verdict);
    halod.kill9();
    let halod = Halod::start(dir.path());
    // In a later one, and after a restart.
    taken(&halod, "/runs", &within(1, 3));
    taken(&halod, "/runs/batch", &batch(vec![], vec![ended(&id(1))]));
    taken(&halod, "/runs", &within(1, 4));
    assert_eq!(runs(TENANT, dir.path()), [1, 2, 3, 4].map(id));
    for record in of_tenant(dir.path(), TENANT).iter().filter(|record| record["data"]["run_type"].is_string())
    {
        assert_eq!(record["session_id"], "t-1", "{record}");
        assert_eq!(record["principal"]["human_id"], "u-9", "{record}");
    }
    // Its trace is known over a restart, though not each run.
    let verdict = json!({"id": id(8), "run_id": id(1), "trace_id": id(1), "key": "correctness", "score": 1});
    taken(&halod, "/feedback", &verdict);
    assert_eq!(of_tenant(dir.path(), TENANT).len(), 6);
    assert_eq!(records(dir.path()).len(), 6, "nothing is elsewhere");
    // What comes again is known, wherever its words would place it.
    taken(&halod, "/runs", &within(1, 3));
    assert_eq!(items(&halod, "duplicate"), 1);
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// The first run may come behind what is within it: that waits for it, shortly.
#[test]
fn a_first_run_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    taken(&halod, "/runs", &within(1, 2));
    assert_eq!(records(dir.path()).len(), 0);
    taken(&halod, "/runs", &root(1));
    assert_eq!(runs(TENANT, dir.path()), [id(2)]);
    // Nobody tells of this one's.
    let since = Instant::now();
    taken(&halod, "/runs", &within(5, 6));
    wait_until("it is sealed", Duration::from_secs(60), || runs(None, dir.path()) == [id(6)]);
    assert!(since.elapsed().as_secs() >= 5, "it was not waited for");
    assert_eq!(of_tenant(dir.path(), None)[0]["session_id"], id(5), "the trace is its session");
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

/// A trace whose tenant is told when runs of it are sealed stays in one chain, and the tenant's tells of it.
#[test]
fn a_tenant_that_is_told_late_is_told_where_the_trace_is() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut silent = begun(&id(1), "chain", "desk");
    silent["extra"] = json!({"metadata": {}});
    taken(&halod, "/runs/batch", &batch(vec![silent, within(1, 2)], vec![]));
    let mut end = ended(&id(1));
    end["extra"] = json!({"metadata": {"tenant": "acme-corp"}});
    taken(&halod, "/runs/batch", &batch(vec![], vec![end]));
    assert_eq!(runs(None, dir.path()), [id(1), id(2)]);
    let told = of_tenant(dir.path(), TENANT);
    let [told] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(told["action"]["tool"], "halod.trace_elsewhere");
    assert_eq!(told["data"]["chain"], "local");
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}
