//! Real agents under LangSmith's own SDKs: what an agent did is what the chain says, whatever the network
//! does to what the SDK sends.

use crate::clients::{ALL, assert_nowhere, check};
use crate::support::api::Api;
use crate::support::clients::{agents, langsmith_js, text_of};
use crate::support::flaky::{Fate, Flaky};
use crate::support::halod::Halod;
use crate::support::root;
use serde_json::Value;
use std::time::Duration;

/// What a user may have set beside the address: it must not get into a record.
const API_KEY: &str = "lsv2_pt_0f1e2d3c4b5a69788796a5b4c3d2e1f0_0123456789";

/// What points an agent at an API and its tracing at `endpoint`.
fn environment(endpoint: &str, api: &Api) -> [(&'static str, String); 7] {
    [
        ("LANGSMITH_TRACING", "true".to_owned()),
        ("LANGSMITH_ENDPOINT", endpoint.to_owned()),
        ("LANGSMITH_API_KEY", API_KEY.to_owned()),
        ("LANGSMITH_PROJECT", "acme-support".to_owned()),
        ("LANGSMITH_NOTE", API_KEY.to_owned()),
        ("OPENAI_BASE_URL", api.url.clone()),
        ("OPENAI_API_KEY", "sk-FAKE".to_owned()),
    ]
}

fn python(how: &str, endpoint: &str, api: &Api, more: &[(&str, &str)]) -> String {
    let script = root().join("tests/clients/langsmith_agent.py");
    let mut command = agents().script(&script, &[how]);
    command.envs(environment(endpoint, api)).envs(more.iter().copied());
    text_of(command.output().expect("run python"), how)
}

/// What every record of these agents says.
fn check_all(records: &[Value]) {
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(record["source"]["adapter"], "langsmith", "{record}");
        assert_eq!(record["data"]["project"], "acme-support", "{record}");
        if record["action"]["tool"] == "model.generate" {
            let tags = record["data"]["tags"].as_array().unwrap_or_else(|| panic!("no tags: {record}"));
            assert!(tags.contains(&"prod".into()), "{record}");
        }
        assert!(record["data"]["run_id"].is_string() && record["data"]["trace_id"].is_string(), "{record}");
        assert!(record["data"]["unfinished"].is_null(), "{record}");
        let text = record.to_string();
        assert!(!text.contains("LANGSMITH") && !text.contains("lsv2_"), "{record}");
    }
    let failed: Vec<_> = records.iter().filter(|r| r["outcome"]["status"] == "error").collect();
    assert!(failed.iter().all(|r| r["data"]["error_type"].is_string()), "{failed:?}");
}

fn sends_to(how: &str, path: &str) {
    let records = check(|halod, api| python(how, &format!("http://{}{path}", halod.http), api, &[]), &ALL);
    check_all(&records);
    let count = |is: &dyn Fn(&Value) -> bool| records.iter().filter(|r| is(r)).count();
    let agents = count(&|r| r["action"]["tool"] == "agent.invoke" && r["agent"]["name"] == "SupportAgent");
    let calls = count(&|r| r["data"]["call_id"].is_string());
    // The decorator knows of functions, not of agents and of the ids of their tools' calls.
    assert_eq!((agents, calls), if how == "traceable" { (0, 0) } else { (1, 2) });
}

#[test]
fn langchain() {
    sends_to("invoke", "");
}

#[test]
fn langchain_async_under_the_path_of_langsmiths_server() {
    sends_to("ainvoke", "/api/v1");
}

#[test]
fn the_decorator_and_the_openai_wrapper() {
    sends_to("traceable", "/langsmith");
}

#[test]
fn the_sdk_for_javascript() {
    let run = |halod: &Halod, api: &Api| {
        let environment = environment(&format!("http://{}", halod.http), api);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        langsmith_js().run(&root().join("tests/clients/langsmith_agent.mjs"), &[], &environment)
    };
    let records = check(run, &ALL);
    let errors: Vec<_> = records.iter().filter_map(|r| r["data"]["error_type"].as_str()).collect();
    assert_eq!(errors.iter().filter(|class| **class == "RangeError").count(), 1, "{errors:?}");
    assert!(records.iter().all(|r| r["source"]["adapter"] == "langsmith"));
}

/// What the SDK sends again is sealed once.
fn through(fates: &[Fate], more: &[(&str, &str)]) {
    let mut refused = 0;
    let records = check(
        |halod, api| {
            let flaky = Flaky::before(halod.http, fates);
            let said = python("invoke", &format!("http://{}", flaky.address), api, more);
            refused = flaky.left();
            said
        },
        &ALL,
    );
    assert_eq!(refused, 0, "the SDK met every fate");
    check_all(&records);
}

#[test]
fn a_halod_that_is_busy_and_slow_is_asked_again() {
    through(&[Fate::Busy, Fate::Busy, Fate::Slow(Duration::from_secs(2))], &[]);
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    through(&[Fate::Lost, Fate::Dropped], &[]);
}

#[test]
fn without_compression() {
    through(&[Fate::Lost], &[("LANGSMITH_DISABLE_RUN_COMPRESSION", "true")]);
}

/// Keys of the environment are in the process that sends, and nowhere on the disk of the one that takes.
#[test]
fn settings_of_the_environment_stay_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let run = super::whole(&super::id(1), "lookup_order");
    let mut run = run.as_object().unwrap().clone();
    run["extra"]["metadata"]["LANGSMITH_API_KEY"] = API_KEY.into();
    run["extra"]["metadata"]["LANGSMITH_HEADERS"] = "x-api-key: FAKE-Kx7vQ2mZ9pLw4tRb".into();
    run.remove("end_time");
    let answer = super::send(&halod, "POST", "/runs", &run.into());
    assert_eq!(answer.status, 202, "{}", answer.text());
    halod.kill9();
    assert_nowhere(dir.path(), API_KEY);
    assert_nowhere(dir.path(), "FAKE-Kx7vQ2mZ9pLw4tRb");
}
