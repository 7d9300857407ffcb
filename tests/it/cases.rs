//! Inputs after public bug reports of people who ingest agents' telemetry: each shows what its chains must say.

use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::Halod;
use crate::support::{root, wait_until};
use halod_record::fold::{Action, Actions};
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// What came of a case.
struct Came {
    dir: tempfile::TempDir,
    answers: Vec<u16>,
    log: Vec<String>,
}

/// Sends a case's requests to a daemon of its own.
fn came(name: &str) -> Came {
    let place = root().join("tests/cases");
    let index: Value = serde_json::from_slice(&std::fs::read(place.join("index.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("halod.yaml");
    std::fs::write(&config, "receivers:\n  hold:\n    wait: 2s\n").unwrap();
    let halod = Halod::start_with(&dir.path().join("records"), &["--config", config.to_str().unwrap()]);
    let requests = index[name].as_array().unwrap_or_else(|| panic!("there is no case {name}"));
    let answers = requests.iter().map(|request| {
        let text = |key: &str| request[key].as_str().unwrap();
        let body = std::fs::read(place.join(name).join(text("file"))).unwrap();
        halod.connect().post(text("path"), &[("content-type", text("type"))], &body).unwrap().status
    });
    let answers = answers.collect();
    wait_until("nothing is held any more", Duration::from_secs(60), || {
        halod.metric("halod_items_in_flight", "") == 0
    });
    // What it logs last is read last.
    halod.signal(Signal::TERM);
    halod.await_log("halod ended");
    let log = halod.log().lines().map(str::to_owned).collect();
    assert!(halod.wait().success());
    let came = Came { dir, answers, log };
    if !came.files().is_empty() {
        assert_verified(&came.dir.path().join("records"));
    }
    came
}

impl Came {
    fn files(&self) -> Vec<PathBuf> {
        files(&self.dir.path().join("records"))
    }

    fn records(&self) -> Vec<Value> {
        self.files().iter().flat_map(|file| records(file)).collect()
    }

    fn actions(&self) -> Vec<Action> {
        let mut all = Vec::new();
        for file in self.files() {
            let mut actions = Actions::default();
            std::fs::read(file).unwrap().split(|byte| *byte == b'\n').for_each(|line| actions.push(line));
            all.extend(actions.actions().to_vec());
        }
        all
    }

    fn calls(&self) -> Vec<Action> {
        self.actions().into_iter().filter(|action| action.is_call).collect()
    }

    /// The tools and ends of all calls, in order of their names.
    fn told(&self) -> Vec<(String, &'static str)> {
        let mut told: Vec<_> = self.calls().into_iter().map(|call| (call.tool, call.end.word())).collect();
        told.sort();
        told
    }

    fn data(&self, key: &str) -> Vec<Value> {
        self.records().iter().map(|record| record["data"][key].clone()).collect()
    }
}

fn calls(told: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    told.iter().map(|(tool, end)| ((*tool).to_owned(), *end)).collect()
}

#[test]
fn what_is_no_otlp_is_told_from_an_empty_export() {
    // Members that are not known are legal, and ignored.
    let came = came("12-valid-json-not-otlp");
    assert_eq!(came.answers, [200, 200]);
    let told = came.log.iter().filter(|line| line.contains("nothing of it was read")).count();
    assert_eq!(told, 2, "{:?}", came.log);
}

#[test]
fn a_result_that_says_no_is_a_failure() {
    let came = came("25-tool-result-success-false");
    let failed = came.calls().iter().filter(|call| call.end.failed()).count();
    assert!(failed >= 2, "{:?}", came.told());
}

#[test]
fn what_a_sender_states_in_its_own_namespace_wins() {
    let came = came("30-explicit-usage-beside-convention");
    assert_eq!((came.data("input_tokens"), came.data("output_tokens")), (vec![361.into()], vec![53.into()]));
}

#[test]
fn what_has_no_end_is_not_ok_and_its_end_is_linked_to_it() {
    let came = came("32-unfinished-span-then-finished");
    let records = came.records();
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records[0]["outcome"].get("status").is_none() && records[0]["data"]["outcome"] == "unfinished");
    assert_eq!(records[1]["conflicts_with"], records[0]["record_id"]);
    let actions = came.actions();
    assert_eq!((actions.len(), actions[0].end.word()), (1, "error"), "{actions:?}");
}

#[test]
fn only_tokens_are_counted_as_tokens() {
    let came = came("40-usage-in-other-units");
    let mut counts = came.data("input_tokens");
    counts.retain(|count| !count.is_null());
    assert_eq!(counts, [40], "{:?}", came.records());
}

#[test]
fn input_tokens_mean_the_same_at_every_door() {
    let mut counts = came("41-one-call-two-doors-input-tokens").data("input_tokens");
    counts.retain(|count| !count.is_null());
    assert_eq!(counts, [17_903, 17_903]);
}

#[test]
fn the_last_word_on_session_and_user_is_that_of_the_call_or_linked_to_it() {
    let came = came("45-session-and-user-told-after-the-call");
    let records = came.records();
    let call = records.iter().find(|record| record["action"]["tool"] == "model.generate").unwrap();
    let says =
        |record: &Value| record["session_id"] == "sess-final" && record["principal"]["human_id"] == "u-9";
    let of_trace = |record: &Value| record["data"]["trace_id"] == call["data"]["trace_id"];
    assert!(records.iter().any(|record| says(record) && of_trace(record)), "{records:#?}");
}

#[test]
fn a_plain_span_of_langfuse_is_a_step() {
    let came = came("47-plain-span-is-no-tool-call");
    assert_eq!(came.told(), calls(&[("model.generate", "ok")]));
    let steps = came.records().iter().filter(|record| record["action"]["tool"] == "agent.step").count();
    assert_eq!(steps, 2);
}

#[test]
fn calls_whose_answers_have_one_id_are_calls_of_their_own() {
    let came = came("60-provider-reuses-response-ids");
    assert_eq!(came.told(), calls(&[("model.generate", "ok"); 3]));
    assert!(came.records().iter().all(|record| record.get("conflicts_with").is_none()));
    assert!(came.data("corroborates").iter().all(Value::is_null));
}

#[test]
fn what_stands_for_no_id_joins_nothing() {
    let came = came("61-id-null-None-or-empty");
    assert_eq!(came.told(), calls(&[("model.generate", "ok"); 6]));
    assert!(came.records().iter().all(|record| record.get("conflicts_with").is_none()));
}

#[test]
fn tokens_are_found_inside_the_response() {
    let came = came("65-tokens-only-inside-the-response");
    assert_eq!(came.data("input_tokens"), [34, 34]);
    assert_eq!(came.data("output_tokens"), [4, 4]);
}

#[test]
fn the_raw_request_below_a_call_is_that_call() {
    assert_eq!(came("79-litellm-otel-raw-request-child").told(), calls(&[("model.generate", "ok")]));
}

#[test]
fn a_call_that_failed_below_its_span_failed() {
    assert_eq!(came("84-claude-code-failed-tool-spans").told(), calls(&[("Bash", "error")]));
}

#[test]
fn legal_values_are_sealed_however_deep_and_wherever_they_were_cut() {
    assert_eq!(came("91-attribute-depth-64").told(), calls(&[("model.generate", "ok"); 3]));
    assert_eq!(came("94-emoji-cut-by-attribute-limit").told(), calls(&[("model.generate", "ok"); 2]));
}

#[test]
fn a_model_with_usage_is_a_call_and_what_has_no_name_is_told() {
    assert_eq!(came("96-model-and-usage-without-provider").told(), calls(&[("model.generate", "ok"); 2]));
    assert_eq!(came("97-gen-ai-attributes-without-a-name").records().len(), 3);
}

#[test]
fn a_tenant_on_the_root_span_is_that_of_its_trace() {
    let came = came("99-tenant-on-the-root-span");
    let records = came.records();
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record["subject"]["id"] == "north"), "{records:?}");
}
