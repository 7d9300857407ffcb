//! The recorders of the examples, in the frameworks that they are for: each call is one captured record.

use crate::clients::{assert_nowhere, environment};
use crate::support::api::{Api, account, tools};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::{agents, npm, text_of};
use crate::support::halod::{Halod, halod_verify};
use crate::support::root;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

const TOKEN: &str = "token-that-captures-55d0c1e9";

/// What a recorder's file may have at most.
const LINES: usize = 60;

/// Runs an agent whose calls are recorded, and demands what it did from the chain, and why its refund failed.
fn check(example: &str, why: &str, run: impl FnOnce(&Halod, &Api, &str) -> String) {
    let examples = root().join("examples");
    let recorder = std::fs::read_to_string(examples.join(example)).unwrap();
    assert!(recorder.lines().count() <= LINES, "{example} has {} lines", recorder.lines().count());
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("halod.yaml");
    let digest: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("receivers:\n  native:\n    tokens:\n      \"{digest}\": acme-corp, captured\n");
    std::fs::write(&config, text).unwrap();
    let dir = place.path().join("records");
    let halod = Halod::start_with(&dir, &["--config", config.to_str().unwrap()]);
    let api = Api::start();
    let printed = run(&halod, &api, examples.to_str().unwrap());
    let said = account(&printed);
    let mut all = api.asked();
    all.extend(tools(&said));
    assert!(halod.terminate().success());
    let records = of_tenant(&dir, Some("acme-corp"));
    let mut counts = BTreeMap::new();
    for record in &records {
        assert_eq!(record["source"]["capture"], "captured", "{record}");
        assert_eq!(record["session_id"], said["session"], "{record}");
        assert!(record["data"]["duration_ms"].is_number(), "{record}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let call = (text(&record["action"]["tool"]), text(&record["outcome"]["status"]));
        *counts.entry(call).or_insert(0_u64) += 1;
    }
    assert_eq!(counts, all);
    let model = records.iter().find(|record| record["action"]["tool"] == "model.generate").unwrap();
    assert_eq!(model["action"]["authorization"]["scope"], "model:openai");
    assert!(model["agent"]["model"].as_str().unwrap().starts_with("gpt-4o-mini"), "{model}");
    let refund = records.iter().find(|record| record["action"]["tool"] == "issue_refund").unwrap();
    assert!(refund["outcome"]["summary"].as_str().unwrap().contains(why), "{refund}");
    for secret in said["secrets"].as_array().unwrap() {
        assert_nowhere(&dir, secret.as_str().unwrap());
    }
    halod_verify(&dir);
    assert_verified(&dir);
}

fn python(example: &str, why: &str, script: &str) {
    check(example, why, |halod, api, examples| {
        let path = root().join("tests/clients").join(script);
        let mut command = agents().script(&path, &[&format!("http://{}", halod.http), TOKEN, examples]);
        command.envs(environment(api, halod.http));
        text_of(command.output().expect("run python"), script)
    });
}

#[test]
fn langgraph() {
    python("langgraph_recorder.py", "rejected", "recorded_langgraph.py");
}

#[test]
fn openai_agents() {
    // The SDK keeps the reason to itself.
    python(
        "openai_agents_recorder.py",
        "An error occurred while running the tool",
        "recorded_openai_agents.py",
    );
}

#[test]
fn vercel_ai_sdk() {
    check("vercel_recorder.mjs", "rejected", |halod, api, examples| {
        let env = environment(api, halod.http);
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let arguments = [format!("http://{}", halod.http), TOKEN.to_owned(), examples.to_owned()];
        npm().run(&root().join("tests/clients/recorded_vercel.mjs"), &arguments.map(PathBuf::from), &env)
    });
}
