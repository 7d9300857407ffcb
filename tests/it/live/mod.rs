//! Agents and coding agents run live, each telling of itself in its own words: every call is one record, with its
//! name, how it ended and why, whose it was, what it cost and below what it stands.
//!
//! The model calls are counted by the API that they were made to, the tool calls by the tools or by the client.

pub(crate) mod coding;
mod data;
mod frameworks;

use crate::clients::{assert_nowhere, told};
use crate::support::api::{Api, Counts, account, tools};
use crate::support::chains::{assert_verified, files, halo_verify, of_tenant};
use crate::support::halod::{Halod, halod_verify};
use crate::support::tree::Tree;
use crate::support::wait_until;
use halod_record::fold::{Action, Actions};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub(crate) const TENANT: &str = "acme-corp";

/// What a client's telemetry has beside the calls themselves.
struct Tells {
    session: bool,
    user: bool,
    tokens: bool,
    /// The provider of its model calls.
    provider: &'static str,
    model: &'static str,
    /// Why its model calls failed; empty where its telemetry does not say it of the call.
    refusal: &'static str,
    /// How many calls have what they are below in the chain.
    below: usize,
}

/// The chain of an agent that has ended, and what each call came to.
pub(crate) struct Chain {
    pub(crate) records: Vec<Value>,
    pub(crate) calls: Vec<Action>,
}

impl Chain {
    fn of(dir: &Path) -> Self {
        assert_eq!(files(dir).len(), 1, "all of it is one tenant's");
        let mut chain = Actions::default();
        for line in std::fs::read(&files(dir)[0]).unwrap().split(|byte| *byte == b'\n') {
            chain.push(line);
        }
        let mut calls = chain.actions().to_vec();
        calls.retain(|action| action.is_call);
        Self { records: of_tenant(dir, Some(TENANT)), calls }
    }

    fn record(&self, id: &str) -> &Value {
        self.records.iter().find(|record| record["record_id"] == id).unwrap()
    }

    /// A call's record and those of its other accounts.
    pub(crate) fn accounts(&self, call: &Action) -> Vec<&Value> {
        let ids = std::iter::once(call.id).chain(call.accounts.iter().map(|account| account.id));
        ids.map(|id| self.record(&id.to_string())).collect()
    }

    /// Every call once, by its name without its server and by what it came to.
    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for call in &self.calls {
            let tool = call.tool.rsplit("__").next().unwrap().to_owned();
            *counts.entry((tool, call.end.word().to_owned())).or_default() += 1;
        }
        counts
    }
}

/// Runs a client under a halod and an API of its own. `run` returns what the client printed and what its tools
/// did. Returns the chain, which tells of each call once, and what the client printed.
pub(crate) fn live(run: impl FnOnce(&Halod, &Api) -> (String, Counts), secrets: &[&str]) -> (Chain, String) {
    let dir = tempfile::tempdir().unwrap();
    let (halod, api) = (Halod::start(dir.path()), Api::start());
    let (printed, did) = run(&halod, &api);
    let held = || halod.metric("halod_items_in_flight", "");
    wait_until("nothing is held any more", Duration::from_secs(60), || held() == 0);
    assert!(halod.terminate().success());
    let chain = Chain::of(dir.path());
    let mut all = api.asked();
    all.extend(did);
    assert_eq!(chain.counts(), all, "{}", told(&chain.records));
    let calls =
        chain.records.iter().filter(|record| record["action"]["type"] != "agent_message").count() as u64;
    assert_eq!(calls, all.values().sum::<u64>(), "{}", told(&chain.records));
    for secret in secrets {
        assert_nowhere(dir.path(), secret);
    }
    halod_verify(dir.path());
    assert_verified(dir.path());
    let verdict = halo_verify(&files(dir.path())[0]);
    assert!(!verdict.to_lowercase().contains("warning"), "{verdict}");
    let notes =
        verdict.lines().filter(|line| line.contains("delegation") && !line.contains("link(s) resolve"));
    assert_eq!(notes.collect::<Vec<_>>(), [""; 0]);
    (chain, printed)
}

/// An agent with the plan of `support_agent.py`: the two tools of its account, of which one fails.
fn agent(run: impl FnOnce(&Halod, &Api) -> String, tells: &Tells) -> Chain {
    let secrets = ["sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678", "FAKE-Kx7vQ2mZ9pLw4tRb"];
    let run = |halod: &Halod, api: &Api| {
        let printed = run(halod, api);
        let did = tools(&account(&printed));
        (printed, did)
    };
    let (chain, printed) = live(run, &secrets);
    let said = account(&printed);
    for call in &chain.calls {
        check_call(&chain, call, &said, tells);
    }
    let tree = Tree::of(&chain.records);
    let below = chain.calls.iter().filter(|call| tree.parent(chain.record(&call.id.to_string())).is_some());
    assert_eq!(below.count(), tells.below, "{}", told(&chain.records));
    chain
}

fn check_call(chain: &Chain, call: &Action, said: &Value, tells: &Tells) {
    let accounts = chain.accounts(call);
    let record = accounts[0];
    let model = call.tool == "model.generate";
    for (says, field, told) in [
        (tells.session, &record["session_id"], &said["session"]),
        (tells.user, &record["principal"]["human_id"], &said["user"]),
    ] {
        assert!(!says || field == told, "{told}: {record}");
    }
    if call.end.failed() {
        let reason = if model { tells.refusal } else { "rejected" };
        assert!(accounts.iter().any(|account| explains(account, reason)), "{reason}: {accounts:?}");
    }
    if !model {
        return;
    }
    let scope = format!("model:{}", tells.provider);
    assert_eq!(record["action"]["authorization"]["scope"], scope, "{record}");
    // What was refused may have been told before its model was.
    if !call.end.failed() {
        assert!(record["agent"]["model"].as_str().unwrap().starts_with(tells.model), "{record}");
        let tokens = [&record["data"]["input_tokens"], &record["data"]["output_tokens"]];
        let expected =
            if tells.tokens { [Value::from(117), Value::from(42)] } else { [Value::Null, Value::Null] };
        assert_eq!(tokens, [&expected[0], &expected[1]], "{record}");
    }
}

/// Whether a record says that its action failed, and why.
fn explains(record: &Value, reason: &str) -> bool {
    let summary = record["outcome"]["summary"].as_str().unwrap_or_default();
    record["outcome"]["status"] == "error" && summary.contains(reason)
}
