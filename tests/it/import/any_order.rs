//! However live traffic, exports by several routes, repeats and cut windows follow each other, each action has its
//! record once, and nothing contradicts what is not contradicted.

use super::fixture::Fixture;
use super::parquet::of_lines;
use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use crate::support::wait_until;
use halod_record::fold::{Actions, End};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How the observations come live, which tells how their ids are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Live {
    Ingestion,
    Otlp,
}

/// Who says whose the observations are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tenant {
    Nobody,
    Each,
    Trace,
}

/// A form of the store's exports.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Route {
    Page,
    Table,
    Api1,
    Api2,
    Legacy,
    Enriched,
    Parquet,
}

const ROUTES: [Route; 7] =
    [Route::Page, Route::Table, Route::Api1, Route::Api2, Route::Legacy, Route::Enriched, Route::Parquet];

/// What happened: one action.
#[derive(Clone, Debug)]
struct Told {
    kind: &'static str,
    trace: usize,
    input: Value,
    output: Value,
    error: bool,
    start: u64,
    lasts: u64,
    tokens: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Live,
    /// `open`: the export is made before the last of its observations has ended.
    Export {
        route: Route,
        traces: bool,
        open: bool,
    },
}

#[derive(Clone, Debug)]
struct Case {
    live: Live,
    tenant: Tenant,
    all: Vec<Told>,
    /// Each is of a window of the observations: from, and how many.
    steps: Vec<(Step, prop::sample::Index, prop::sample::Index)>,
}

fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-z]{3,8} [a-z]{3,8} [0-9]{1,4}".prop_map(Value::from),
        "[a-zé]{3,8}".prop_map(|word| json!([{ "role": "user", "content": word }])),
        ("[a-z]{3,8}", 0..1000_u32).prop_map(|(word, n)| json!({ word: n, "list": ["x", n] })),
    ]
}

fn told() -> impl Strategy<Value = Told> {
    let kind = prop::sample::select(vec!["GENERATION", "TOOL", "SPAN", "RETRIEVER"]);
    (
        kind,
        0..2_usize,
        content(),
        content(),
        prop::bool::weighted(0.2),
        0..9_000_u64,
        1..9_000_u64,
        1..500_u64,
    )
        .prop_map(|(kind, trace, input, output, error, start, lasts, tokens)| Told {
            kind,
            trace,
            input,
            output,
            error,
            start,
            lasts,
            tokens,
        })
}

fn case() -> impl Strategy<Value = Case> {
    let live = prop::sample::select(vec![Live::Ingestion, Live::Otlp]);
    let tenant = prop::sample::select(vec![Tenant::Nobody, Tenant::Each, Tenant::Trace]);
    let route = prop::sample::select(vec![0, 1, 2, 3, 4, 5, 6]);
    // By two routes, beside what comes live.
    let routes = (route.clone(), route);
    (live, tenant, prop::collection::vec(told(), 2..7), routes).prop_flat_map(
        |(live, tenant, all, (one, other))| {
            let export =
                (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(move |(first, traces, open)| {
                    Step::Export { route: ROUTES[if first { one } else { other }], traces, open }
                });
            let step = prop_oneof![1 => Just(Step::Live), 3 => export];
            let step = (step, any::<prop::sample::Index>(), any::<prop::sample::Index>());
            prop::collection::vec(step, 2..7).prop_map(move |steps| Case {
                live,
                tenant,
                all: all.clone(),
                steps,
            })
        },
    )
}

fn moment(ms: u64) -> String {
    format!("2026-10-05T10:00:{:02}.{:03}Z", ms / 1000, ms % 1000)
}

impl Case {
    fn trace(&self, at: usize) -> String {
        match self.live {
            Live::Ingestion => format!("tr-{at}"),
            Live::Otlp => format!("{:032x}", at + 0xabc),
        }
    }

    fn id(&self, at: usize) -> String {
        match self.live {
            Live::Ingestion => format!("ob-{at}"),
            Live::Otlp => format!("{:016x}", at + 0xdef),
        }
    }

    fn metadata(&self, says: Tenant) -> Value {
        if self.tenant == says { json!({ "tenant": "acme" }) } else { json!({}) }
    }

    /// An observation as the API has it; `open`: before it ended.
    fn observation(&self, at: usize, open: bool) -> Value {
        let Told { kind, trace, input, output, error, start, lasts, tokens } = &self.all[at];
        let mut row = json!({ "id": self.id(at), "traceId": self.trace(*trace), "projectId": "p", "type": kind,
            "name": format!("step {at}"), "startTime": moment(*start), "endTime": moment(start + lasts),
            "level": if *error { "ERROR" } else { "DEFAULT" }, "statusMessage": error.then_some("it broke"),
            "input": input, "output": if *error { &Value::Null } else { output }, "metadata": self.metadata(Tenant::Each),
            "parentObservationId": null, "createdAt": moment(20_000), "updatedAt": moment(21_000) });
        if *kind == "GENERATION" {
            row["model"] = "m-1".into();
            row["usageDetails"] = json!({ "input": tokens, "output": 3, "total": tokens + 3 });
        }
        if open {
            for key in ["endTime", "output", "statusMessage", "usageDetails"] {
                row.as_object_mut().unwrap().remove(key);
            }
            (row["level"], row["updatedAt"]) = ("DEFAULT".into(), moment(start + 1).into());
        }
        row
    }

    fn trace_row(&self, at: usize) -> Value {
        json!({ "id": self.trace(at), "timestamp": moment(0), "name": "t", "userId": null, "sessionId": null, "tags": [],
            "public": false, "metadata": self.metadata(Tenant::Trace), "updatedAt": moment(21_000) })
    }

    /// A window of the observations that is not empty.
    fn window(&self, from: &prop::sample::Index, count: &prop::sample::Index) -> std::ops::Range<usize> {
        let from = from.index(self.all.len());
        from..from + 1 + count.index(self.all.len() - from)
    }

    fn send(&self, halod: &Halod, window: std::ops::Range<usize>) {
        let (path, body) = match self.live {
            Live::Ingestion => ("/api/public/ingestion", self.batch(window)),
            Live::Otlp => ("/v1/traces", self.spans(window)),
        };
        let answer =
            halod.connect().post(path, &[("content-type", JSON)], body.to_string().as_bytes()).unwrap();
        assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.body));
        wait_until("nothing is held any more", Duration::from_secs(60), || {
            halod.metric("halod_items_in_flight", "") == 0
        });
    }

    fn batch(&self, window: std::ops::Range<usize>) -> Value {
        let event = |id: String, kind: &str, body: Value| json!({ "id": id, "type": kind, "timestamp": moment(0), "body": body });
        let traces = [0, 1].map(|at| event(format!("t{at}"), "trace-create", self.trace_row(at)));
        let observations = window.map(|at| {
            let mut body = self.observation(at, false);
            let kind = self.all[at].kind;
            let kind = if kind == "SPAN" || kind == "GENERATION" {
                kind.to_lowercase()
            } else {
                "observation".into()
            };
            body.as_object_mut()
                .unwrap()
                .retain(|key, _| !["createdAt", "updatedAt"].contains(&key.as_str()));
            event(format!("e{at}"), &format!("{kind}-create"), body)
        });
        json!({ "batch": traces.into_iter().chain(observations).collect::<Vec<_>>() })
    }

    fn spans(&self, window: std::ops::Range<usize>) -> Value {
        let span = |at: usize| {
            let Told { kind, trace, input, output, error, start, lasts, tokens } = &self.all[at];
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut attributes = vec![
                ("langfuse.observation.type", kind.to_lowercase()),
                ("langfuse.observation.input", text(input)),
            ];
            if *error {
                attributes.push(("langfuse.observation.level", "ERROR".into()));
                attributes.push(("langfuse.observation.status_message", "it broke".into()));
            } else {
                attributes.push(("langfuse.observation.output", text(output)));
            }
            if *kind == "GENERATION" {
                let usage = json!({ "input": tokens, "output": 3, "total": tokens + 3 });
                attributes.push(("langfuse.observation.model.name", "m-1".into()));
                attributes.push(("langfuse.observation.usage_details", usage.to_string()));
            }
            if self.tenant != Tenant::Nobody {
                attributes.push(("tenant.id", "acme".into()));
            }
            let attribute =
                |(key, value): (&str, String)| json!({ "key": key, "value": { "stringValue": value } });
            // What the moments of the exports are.
            let nanos = |ms: u64| (1_791_194_400_000_000_000 + ms * 1_000_000).to_string();
            json!({ "traceId": self.trace(*trace), "spanId": self.id(at), "name": format!("step {at}"), "kind": 1,
                "startTimeUnixNano": nanos(*start), "endTimeUnixNano": nanos(start + lasts),
                "status": if *error { json!({ "code": 2 }) } else { json!({}) },
                "attributes": attributes.into_iter().map(attribute).collect::<Vec<_>>() })
        };
        let spans: Vec<Value> = window.map(span).collect();
        json!({ "resourceSpans": [{ "scopeSpans": [{ "scope": { "name": "langfuse-sdk" }, "spans": spans }] }] })
    }

    /// The files of an export of some rows.
    fn export(
        &self,
        fixture: &Fixture,
        name: &str,
        route: Route,
        rows: &[Value],
        traces: bool,
    ) -> Vec<PathBuf> {
        let mut inputs = vec![written(fixture, name, route, rows)];
        if traces {
            let rows: Vec<String> = [0, 1].map(|at| snake(self.trace_row(at)).to_string() + "\n").into();
            inputs.push(fixture.file(&format!("{name}.traces.jsonl"), rows.concat()));
        }
        inputs
    }
}

/// The same under the names of the store's tables.
fn snake(row: Value) -> Value {
    let spelled = |key: &str| {
        key.chars()
            .flat_map(|c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
            .collect()
    };
    let Value::Object(members) = row else { return row };
    let mut row: serde_json::Map<String, Value> =
        members.into_iter().map(|(key, value)| (spelled(&key), value)).collect();
    for (key, value) in &mut row {
        match value {
            Value::String(text) if key.ends_with("_time") || key.ends_with("_at") => {
                *text = text.replace('T', " ").replace('Z', "000");
            }
            Value::Array(_) | Value::Object(_) if key == "input" || key == "output" => {
                *value = value.to_string().into();
            }
            _ => {}
        }
    }
    row.into()
}

fn written(fixture: &Fixture, name: &str, route: Route, rows: &[Value]) -> PathBuf {
    let renamed = |row: &Value, from: &str, to: &str| {
        let mut row = row.clone();
        if let Some(value) = row.as_object_mut().unwrap().remove(from) {
            row[to] = value;
        }
        row
    };
    let lines = |rows: Vec<Value>| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let enriched = || {
        let row = |row: &Value| {
            let mut row = renamed(&snake(row.clone()), "model", "provided_model_name");
            row["trace_name"] = "t".into();
            row["is_root_observation"] = true.into();
            row
        };
        lines(rows.iter().map(row).collect())
    };
    match route {
        Route::Page => fixture.file(&format!("{name}.json"), json!(rows).to_string()),
        Route::Api1 => fixture
            .file(&format!("{name}.api.json"), json!({ "data": rows, "meta": { "page": 1 } }).to_string()),
        Route::Api2 => {
            let row = |row: &Value| {
                let mut row = renamed(row, "model", "providedModelName");
                for key in ["input", "output"] {
                    if row[key].is_object() || row[key].is_array() {
                        row[key] = row[key].to_string().into();
                    }
                }
                row
            };
            let rows: Vec<Value> = rows.iter().map(row).collect();
            fixture.file(&format!("{name}.api2.json"), json!({ "data": rows, "meta": {} }).to_string())
        }
        Route::Table => {
            let mut columns: Vec<&String> =
                rows.iter().flat_map(|row| row.as_object().unwrap().keys()).collect();
            columns.sort();
            columns.dedup();
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let cell =
                |value: &Value| if value.is_null() { String::new() } else { quoted(&value.to_string()) };
            let row = |row: &Value| {
                columns.iter().map(|key| cell(&row[key.as_str()])).collect::<Vec<_>>().join(",")
            };
            let head = columns.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(",");
            let rows: Vec<String> = std::iter::once(head).chain(rows.iter().map(row)).collect();
            fixture.file(&format!("{name}.csv"), rows.join("\n"))
        }
        Route::Legacy => {
            fixture.file(&format!("{name}.jsonl"), lines(rows.iter().cloned().map(snake).collect()))
        }
        Route::Enriched => fixture.file(&format!("{name}.enriched.jsonl"), enriched()),
        Route::Parquet => {
            let source = fixture.file(&format!("{name}.source"), enriched());
            of_lines(fixture, &source, &format!("{name}.parquet"), &json!({ "compression": "zstd" }))
        }
    }
}

/// How often an observation was sealed as an action, and how it ended.
fn sealed(case: &Case, fixture: &Fixture, at: usize) -> (usize, Option<End>) {
    let all: Vec<Value> = files(&fixture.chains()).iter().flat_map(|file| records(file)).collect();
    let mut actions = Actions::default();
    for file in files(&fixture.chains()) {
        std::fs::read(file).unwrap().split(|byte| *byte == b'\n').for_each(|line| actions.push(line));
    }
    let (id, trace) = (case.id(at), case.trace(case.all[at].trace));
    let is = |record: &&Value| {
        let data = &record["data"];
        let tool = record["action"]["tool"].as_str().unwrap();
        let own = tool != "agent.update"
            && !tool.starts_with("corroborates:")
            && record.get("conflicts_with").is_none();
        own && data["trace_id"] == trace.as_str()
            && [&data["observation_id"], &data["span_id"]].contains(&&json!(id))
    };
    let found: Vec<&Value> = all.iter().filter(is).collect();
    let end = found.first().and_then(|record| {
        let id = record["record_id"].as_str()?;
        actions.actions().iter().find(|action| action.id.to_string() == id).map(|action| action.end)
    });
    (found.len(), end)
}

fn holds(case: &Case, contradiction: bool) {
    let fixture = Fixture::new();
    let config = fixture.file("halod.yaml", "receivers: { hold: { wait: 1s } }\n");
    let halod = Halod::start_with(&fixture.chains(), &["--config", config.to_str().unwrap()]);
    let mut inputs = Vec::new();
    let import = |inputs: &[PathBuf]| {
        let said = fixture.import("langfuse", inputs, &[]);
        assert_eq!(said.code, Some(0), "{}", said.errors);
        assert_eq!(said.count("rejected"), 0, "{}", said.errors);
        said
    };
    for (number, (step, from, count)) in case.steps.iter().enumerate() {
        // Who says nothing of the tenant comes after somebody who did, or with them.
        let first = case.tenant == Tenant::Trace && number == 0;
        let window = if first { 0..case.all.len() } else { case.window(from, count) };
        let Step::Export { route, traces, open } = step else {
            case.send(&halod, window);
            continue;
        };
        let last = window.end - 1;
        let rows: Vec<Value> = window.map(|at| case.observation(at, *open && at == last)).collect();
        let traces = *traces || first;
        let export = case.export(&fixture, &format!("step-{number}"), *route, &rows, traces);
        assert_eq!(import(&export).count("conflicts"), 0, "step {number}");
        inputs.push(export);
    }
    let rows: Vec<Value> = (0..case.all.len()).map(|at| case.observation(at, false)).collect();
    let export = case.export(&fixture, "all", Route::Legacy, &rows, true);
    assert_eq!(import(&export).count("conflicts"), 0);
    case.send(&halod, 0..case.all.len());
    inputs.push(export);
    for export in inputs {
        let said = import(&export);
        assert_eq!(["sealed", "conflicts"].map(|name| said.count(name)), [0, 0], "{export:?}");
    }
    for (at, told) in case.all.iter().enumerate() {
        let end = if told.error { End::Error } else { End::Ok };
        assert_eq!(sealed(case, &fixture, at), (1, Some(end)), "observation {at}");
    }
    if contradiction {
        let mut row = case.observation(0, false);
        row["startTime"] = moment(case.all[0].start + 77).into();
        row["endTime"] = moment(59_000).into();
        let said = import(&case.export(&fixture, "other", Route::Page, &[row], false));
        assert_eq!(said.count("conflicts"), 1, "{}", said.report);
    }
    assert!(halod.terminate().success());
    assert_verified(&fixture.chains());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_action_is_sealed_once_and_only_contradictions_are_conflicts(case in case(), contradiction in any::<bool>()) {
        holds(&case, contradiction);
    }
}
