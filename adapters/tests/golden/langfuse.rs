//! Golden files of Langfuse: `golden/langfuse/<case>.<n>.batch.json` are the requests of one client to
//! the ingestion API, the others rows of its API and exports. `<case>.events.json` is what the adapter
//! makes of them. The `py-*` and `js-*` files are what real clients sent, the others are derived from the SDK's
//! own models.

use super::event::event_value;
use super::files::{as_recorded, directory};
use halo_adapters::langfuse;
use halod_record::event::{Action, Event, Status};
use halod_record::fragment::Fragment;
use halod_record::json::{self, Json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    directory("langfuse").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

/// The actions that requests tell, laid together as the daemon lays them, and those that lack an end.
fn told<'a>(batches: &'a [Json<'a>]) -> (Vec<Event<'a>>, Vec<String>) {
    let mut actions: BTreeMap<String, Vec<Fragment<'a>>> = BTreeMap::new();
    for event in batches.iter().flat_map(|batch| items(batch, "batch")) {
        if let Some(fragment) = langfuse::fragment(event).unwrap() {
            actions.entry(fragment.id.join("/")).or_default().push(fragment);
        }
    }
    let (mut events, mut open) = (Vec::new(), Vec::new());
    for (id, mut fragments) in actions {
        fragments.sort_by_key(|fragment| (!fragment.opens, fragment.said));
        let mut all = fragments.remove(0);
        fragments.into_iter().for_each(|fragment| all.lay(fragment));
        if !all.closes {
            open.push(id.clone());
        }
        events.push(all.event());
    }
    (events, open)
}

fn items<'a>(json: &'a Json<'a>, key: &str) -> &'a [Json<'a>] {
    match json.get(key) {
        Some(Json::Array(items)) => items,
        _ => panic!("no list under {key}"),
    }
}

fn check(case: &str, events: &[Event<'_>], more: Value) {
    let events: Vec<Value> = events.iter().map(event_value).collect();
    as_recorded([(file(&format!("{case}.events.json")), json!({ "events": events, "open": more }))]);
}

/// Model calls that came off and that failed, embeddings, tools that came off and that failed.
fn counts(events: &[Event<'_>]) -> [usize; 5] {
    let count = |what: fn(&Action<'_>) -> bool, status: Status| {
        events.iter().filter(|event| what(&event.action) && event.outcome.status == status).count()
    };
    let generate: fn(&Action<'_>) -> bool = |action| matches!(action, Action::Generate { .. });
    let tool: fn(&Action<'_>) -> bool = |action| matches!(action, Action::Tool { .. });
    [
        count(generate, Status::Ok),
        count(generate, Status::Error),
        count(|action| matches!(action, Action::Embed { .. }), Status::Ok),
        count(tool, Status::Ok),
        count(tool, Status::Error),
    ]
}

fn client(case: &str, requests: usize) -> ([usize; 5], usize) {
    let texts: Vec<String> = (1..=requests).map(|n| text(&format!("{case}.{n}.batch.json"))).collect();
    let batches: Vec<Json<'_>> = texts.iter().map(|text| json::parse(text).unwrap()).collect();
    let (events, open) = told(&batches);
    check(case, &events, json!(open));
    (counts(&events), events.len())
}

#[test]
fn what_clients_did_is_what_is_told() {
    // Four calls that came off by the decorators, one by hand; the SDK's integration leaves embeddings
    // out. These SDKs have no tools: their functions are spans, like any other unit of work, but for the one
    // that is named as tools of MCP are.
    assert_eq!(client("py-v2", 3), ([5, 2, 0, 0, 1], 15));
    assert_eq!(client("js-v3", 4), ([1, 1, 0, 0, 0], 8));
}

#[test]
fn rows_of_every_form_are_the_same_actions() {
    let texts =
        ["api-trace.json", "api-observations.1.json", "api-observations.2.json", "api-v2-observations.json"]
            .map(text);
    let [trace, first, second, v2] = [0, 1, 2, 3].map(|at| json::parse(&texts[at]).unwrap());
    let read = |row| langfuse::observation(row, Some(&trace)).unwrap().unwrap();
    let whole: Vec<Event<'_>> = items(&trace, "observations").iter().map(read).collect();
    let pages: Vec<Event<'_>> =
        items(&first, "data").iter().chain(items(&second, "data")).map(read).collect();
    assert_eq!(whole, pages);
    // One generation that came off and one that failed; a tool and a span that is named as tools of MCP are,
    // and a failed tool.
    assert_eq!(counts(&whole), [1, 1, 1, 2, 1]);
    let mut all = whole;
    all.push(langfuse::trace(&trace).unwrap().unwrap());
    check("api", &all, Value::Null);

    let lines = |name: &str| text(name).lines().map(str::to_owned).collect::<Vec<_>>();
    let (rows, traces) = (lines("blob-observations.jsonl"), lines("blob-traces.jsonl"));
    let trace = json::parse(&traces[0]).unwrap();
    let rows: Vec<Json<'_>> = rows.iter().map(|row| json::parse(row).unwrap()).collect();
    let exported: Vec<Event<'_>> =
        rows.iter().map(|row| langfuse::observation(row, Some(&trace)).unwrap().unwrap()).collect();
    assert_eq!(exported.len(), pages.len());
    for (exported, page) in exported.iter().zip(&pages) {
        // Only the whole trace tells what happened within what.
        let (mut exported, mut page) = (event_value(exported), event_value(page));
        for event in [&mut exported, &mut page] {
            event.as_object_mut().unwrap().remove("action");
        }
        assert_eq!(exported, page);
    }

    let v2: Vec<Event<'_>> =
        items(&v2, "data").iter().map(|row| langfuse::observation(row, None).unwrap().unwrap()).collect();
    for (short, page) in v2.iter().zip(&pages) {
        assert_eq!((&short.input, &short.outcome.result), (&page.input, &page.outcome.result));
        assert_eq!(short.action, page.action);
    }
}
