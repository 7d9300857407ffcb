//! Golden files: `golden/langsmith/<case>.multipart` is a request's form, `.jsonl` are runs or feedback as
//! the API gives them; `<case>.events.json` is what the adapter makes of them. A form's runs are shown
//! as what their posts and patches come to.
//!
//! The forms are captures, of which the longest texts are cut; `export` and `feedback` are written after
//! the API's documentation, the first rows of `export` from the runs of `apart`.

use super::event::event_value;
use super::files::{as_recorded, directory, inputs};
use halo_adapters::langsmith::{Op, feedback, form, fragment, multipart, run};
use halod_record::event::{Action, Event, Status};
use halod_record::fragment::Fragment;
use halod_record::json::{self, Json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    directory("langsmith").join(name)
}

fn cases() -> Vec<PathBuf> {
    inputs(&directory("langsmith"), ".events.json")
}

fn parse(bytes: &[u8]) -> Result<Json<'_>, String> {
    json::parse(form::text(bytes)?).map_err(|error| error.to_string())
}

/// Every run of a form, as it was told.
fn runs(body: &[u8]) -> Vec<(Op, Json<'_>)> {
    let first = body.split(|byte| *byte == b'\r').next().unwrap();
    let boundary = std::str::from_utf8(first).unwrap().strip_prefix("--").unwrap();
    let parts = multipart::parts(body, boundary).unwrap();
    let told = form::told(&parts);
    told.iter()
        .map(|told| match told {
            form::Told::Run(run) => (run.op, run.assemble(parse).unwrap()),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Calls `each` with every event of a case.
fn walk(path: &Path, mut each: impl FnMut(&Event<'_>)) {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "multipart") {
        let runs = runs(&bytes);
        let mut all: Vec<Fragment<'_>> = Vec::new();
        for (op, run) in &runs {
            let told = fragment(*op, run).unwrap();
            match all.iter_mut().find(|known| known.id == told.id) {
                Some(known) => known.lay(told),
                None => all.push(told),
            }
        }
        all.into_iter().for_each(|whole| each(&whole.event()));
        return;
    }
    let judges = path.file_stem().is_some_and(|stem| stem == "feedback");
    for line in std::str::from_utf8(&bytes).unwrap().lines() {
        let row = json::parse(line).unwrap();
        let event = if judges { feedback(&row) } else { run(&row) };
        each(&event.unwrap().unwrap());
    }
}

#[test]
fn events_are_as_recorded() {
    as_recorded(cases().into_iter().map(|path| {
        let mut events = Vec::new();
        walk(&path, |event| events.push(event_value(event)));
        (path.with_extension("events.json"), events.into())
    }));
}

/// What the captured program did, counted by the model server and inside its tools: `whole-1` and
/// `whole-2` are two requests of one run, `apart` is another run.
#[test]
fn what_is_seen_is_what_was_done() {
    let done = BTreeMap::from([
        ("generate ok", 4),
        ("generate error", 1),
        ("lookup_customer ok", 1),
        ("search_kb ok", 1),
        ("issue_refund error", 1),
        ("send_mail ok", 1),
        ("agent.invoke ok", 1),
    ]);
    for files in [&["whole-1", "whole-2"][..], &["apart"]] {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for name in files {
            walk(&file(name).with_extension("multipart"), |event| {
                let what = match &event.action {
                    Action::Generate { .. } => "generate",
                    Action::Tool { name, .. } => name.as_ref(),
                    Action::Boundary { verb: "invoke" } => "agent.invoke",
                    Action::Boundary { .. } => return,
                    other => panic!("{other:?}"),
                };
                // The streamed call begins in one request of `whole` and ends in the next.
                if event.ended.is_none() {
                    return;
                }
                let how = if event.outcome.status == Status::Ok { "ok" } else { "error" };
                *seen.entry(format!("{what} {how}")).or_default() += 1;
            });
        }
        let seen: BTreeMap<&str, usize> = seen.iter().map(|(what, n)| (what.as_str(), *n)).collect();
        assert_eq!(seen, done, "{files:?}");
    }
}

/// The same program in JavaScript, over three requests, and one that told its runs by spans as well: what its
/// runs show.
#[test]
fn what_other_clients_did_is_seen() {
    type Case = (&'static [&'static str], &'static [(&'static str, usize)]);
    let cases: [Case; 2] = [
        (
            &["langgraph-js-1", "langgraph-js-2", "langgraph-js-3"],
            &[
                ("generate error", 1),
                ("generate ok", 4),
                ("issue_refund error", 1),
                ("lookup_customer ok", 1),
                ("search_kb ok", 1),
            ],
        ),
        (
            &["hybrid-1", "hybrid-2"],
            &[
                ("embed ok", 1),
                ("generate error", 1),
                ("generate ok", 3),
                ("issue_refund error", 1),
                ("lookup_customer ok", 1),
            ],
        ),
    ];
    for (files, done) in cases {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for name in files {
            walk(&file(name).with_extension("multipart"), |event| {
                let what = match &event.action {
                    Action::Generate { .. } => "generate",
                    Action::Embed { .. } => "embed",
                    Action::Tool { name, .. } => name.as_ref(),
                    _ => return,
                };
                if event.ended.is_some() {
                    let how = if event.outcome.status == Status::Ok { "ok" } else { "error" };
                    *seen.entry(format!("{what} {how}")).or_default() += 1;
                }
            });
        }
        let seen: Vec<(&str, usize)> = seen.iter().map(|(what, n)| (what.as_str(), *n)).collect();
        assert_eq!(seen, done, "{files:?}");
    }
}

/// An exported run is the run that came live: the same id, times, status and content.
#[test]
fn an_export_tells_of_the_same_runs() {
    let mut live = BTreeMap::new();
    let same = |value: &Value| {
        let keep =
            ["action", "ended", "error_text", "error_type", "id", "input", "parent", "result", "status"];
        keep.map(|key| value.get(key).cloned())
    };
    walk(&file("apart.multipart"), |event| {
        let value = event_value(event);
        live.insert(value["id"].to_string(), same(&value));
    });
    let mut both = 0;
    walk(&file("export.jsonl"), |event| {
        let value = event_value(event);
        if let Some(live) = live.get(&value["id"].to_string()) {
            assert_eq!(*live, same(&value), "{}", value["id"]);
            both += 1;
        }
    });
    assert_eq!(both, 7);
}

/// The SDKs put settings of the environment into a run's metadata.
#[test]
fn no_setting_of_the_environment_gets_into_an_event() {
    for path in cases() {
        walk(&path, |event| {
            let text = event_value(event).to_string();
            assert!(!text.contains("LANGSMITH_") && !text.contains("lsv2_"), "{}: {text}", path.display());
        });
    }
}
