//! The whole corpus: what real clients sent, by folder, and how many calls each chain must show.

use crate::support::chains::{assert_verified, files, halo_verify};
use crate::support::halod::{Halod, halod_verify};
use crate::support::{root, wait_until};
use halod_record::fold::{Action, Actions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn index() -> Vec<Value> {
    let text = std::fs::read(root().join("tests/corpus/index.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn send(halod: &Halod, request: &Value, folder: &str) {
    let text = |key: &str| request[key].as_str().unwrap();
    let body = std::fs::read(root().join("tests/corpus").join(folder).join(text("file"))).unwrap();
    let answer = halod.connect().post(text("path"), &[("content-type", text("type"))], &body).unwrap();
    assert!((200..300).contains(&answer.status), "{folder} {}: {}", text("file"), answer.text());
}

fn actions(file: &Path) -> Vec<Action> {
    let mut chain = Actions::default();
    for line in std::fs::read(file).unwrap().split(|byte| *byte == b'\n') {
        chain.push(line);
    }
    chain.actions().to_vec()
}

/// Calls by what they are and how they ended, as the index counts them.
fn counts(actions: &[Action]) -> BTreeMap<&'static str, u64> {
    let names = ["model_ok", "model_failed", "embed", "tool_ok", "tool_failed"];
    let mut counts: BTreeMap<_, _> = names.into_iter().map(|name| (name, 0)).collect();
    for action in actions.iter().filter(|action| action.is_call) {
        let name = match (action.tool.as_str(), action.end.failed()) {
            ("model.generate", false) => "model_ok",
            ("model.generate", true) => "model_failed",
            ("model.embed", _) => "embed",
            (tool, _) if tool.starts_with("retrieve:") => continue,
            (_, false) => "tool_ok",
            (_, true) => "tool_failed",
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Sends a folder's captures to a daemon of its own, and tells what is wrong with its chains.
fn wrong(folder: &Value, place: &Path) -> Option<String> {
    let name = folder["folder"].as_str().unwrap();
    let chains = place.join(name);
    let config = place.join("halod.yaml");
    let halod = Halod::start_with(&chains, &["--config", config.to_str().unwrap()]);
    folder["requests"].as_array().unwrap().iter().for_each(|request| send(&halod, request, name));
    let held = || halod.metric("halod_items_in_flight", "");
    wait_until("nothing is held any more", Duration::from_secs(60), || held() == 0);
    assert!(halod.terminate().success());
    if !files(&chains).is_empty() {
        halod_verify(&chains);
        assert_verified(&chains);
    }
    let mut all = Vec::new();
    for file in files(&chains) {
        let verdict = halo_verify(&file);
        assert!(!verdict.to_lowercase().contains("warning"), "{name}: {verdict}");
        all.extend(actions(&file));
    }
    let shown = counts(&all);
    let expected: BTreeMap<&str, u64> =
        shown.keys().map(|key| (*key, folder["counts"][*key].as_u64().unwrap())).collect();
    (shown != expected).then(|| format!("{name}: {shown:?}, expected {expected:?}"))
}

#[test]
fn every_chain_shows_each_call_once() {
    let place = tempfile::tempdir().unwrap();
    let config = "receivers:\n  hold:\n    wait: 2s\n  otlp:\n    join_wait: 1s\n";
    std::fs::write(place.path().join("halod.yaml"), config).unwrap();
    let index = index();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        // Most of the time is waiting: for spans of content, for the rest of what is held.
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let folders = index.iter().skip(worker).step_by(4);
                scope.spawn(|| folders.filter_map(|folder| wrong(folder, place.path())).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), index.len(), wrong.join("\n"));
}
