//! Files as the stores write them: each is read as what it is, or named.

use super::fixture::{Fixture, Said, gzip, observations};
use crate::support::chains::{assert_verified, files, records};
use crate::support::halod::Halod;
use crate::support::root;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What lies below `tests/cases/exports`.
pub fn case(name: &str) -> PathBuf {
    root().join("tests/cases/exports").join(name)
}

/// What an import of one input came to, in chains of its own.
pub struct Came {
    pub said: Said,
    pub records: Vec<Value>,
}

pub fn import(format: &str, input: PathBuf) -> Came {
    let fixture = Fixture::new();
    let said = fixture.import(format, &[input], &[]);
    let records: Vec<Value> = files(&fixture.chains()).iter().flat_map(|file| records(file)).collect();
    if !records.is_empty() {
        assert_verified(&fixture.chains());
    }
    Came { said, records }
}

/// The same of rows that are written here.
pub fn of_rows(format: &str, name: &str, content: &str) -> Came {
    let fixture = Fixture::new();
    import(format, fixture.file(name, content))
}

impl Came {
    pub fn counts(&self) -> [u64; 3] {
        ["sealed", "filtered", "rejected"].map(|name| self.said.count(name))
    }

    /// The record whose origin has this id.
    pub fn of(&self, id: &str) -> &Value {
        let is = |record: &&Value| {
            ["observation_id", "run_id", "call_id", "score_id"].iter().any(|key| record["data"][key] == id)
        };
        self.records.iter().find(is).unwrap_or_else(|| panic!("no {id} in {:#?}", self.records))
    }
}

/// Which format each sample is of; none is read of the others.
const SAMPLES: [(&str, Option<&str>, u64); 18] = [
    ("agents", Some("openai_agents"), 2),
    ("braintrust", None, 0),
    ("claude", Some("claude-code"), 1),
    ("codex", Some("codex"), 1),
    ("completions", None, 0),
    ("helicone", None, 0),
    ("langfuse-prompts", None, 0),
    ("lf-obs", Some("langfuse"), 5),
    ("lf-score", Some("langfuse"), 1),
    ("lf-trace", Some("langfuse"), 1),
    ("ll-pay", Some("litellm"), 3),
    ("ll-rows", Some("litellm"), 3),
    ("ls-feedback", Some("langsmith"), 1),
    ("ls-runs", Some("langsmith"), 4),
    ("otlp", Some("otlp"), 3),
    ("products", None, 0),
    ("responses", None, 0),
    ("users", None, 0),
];

#[test]
fn no_file_is_read_as_that_of_another_store() {
    let fixture = Fixture::new();
    for format in ["litellm", "langsmith", "langfuse", "openai_agents", "otlp", "claude-code", "codex"] {
        let others: Vec<_> = SAMPLES.iter().filter(|(_, own, _)| *own != Some(format)).collect();
        let inputs: Vec<_> =
            others.iter().map(|(sample, ..)| case(&format!("other-stores/{sample}.jsonl"))).collect();
        let said = fixture.import(format, &inputs, &[]);
        assert!(matches!(said.code, Some(1 | 2)), "{format}: {}", said.report);
        assert_eq!(said.count("sealed"), 0, "{format}: {}", said.report);
        for own in others.iter().filter_map(|(_, own, _)| *own) {
            assert!(said.errors.contains(&format!("import it as {own}")), "{format}: {}", said.errors);
        }
    }
}

#[test]
fn every_own_format_is_told_by_its_rows_and_others_are_named() {
    for (sample, own, count) in SAMPLES {
        let came = import("auto", case(&format!("other-stores/{sample}.jsonl")));
        assert_eq!(came.said.count("sealed"), count, "{sample}: {}", came.said.errors);
        assert_eq!(came.said.code, Some(if own.is_some() { 0 } else { 2 }), "{sample}: {}", came.said.errors);
    }
    for (input, name) in [
        ("other-stores/braintrust.jsonl", "Braintrust"),
        ("other-stores/responses.jsonl", "OpenAI"),
        ("helicone.jsonl", "Helicone"),
        ("completions.json", "OpenAI"),
    ] {
        let said = import("auto", case(input)).said;
        assert!(
            said.errors.contains(name) && said.errors.contains("does not read"),
            "{input}: {}",
            said.errors
        );
    }
}

#[test]
fn what_only_has_an_id_is_no_call() {
    for (format, row) in [
        ("litellm", r#"{"id":"a1","colour":"red"}"#),
        ("litellm", r#"{"id":"a1","title":"A meeting","startTime":"2026-10-05T10:00:00Z"}"#),
        ("langsmith", r#"{"id":"a1","colour":"red"}"#),
        ("langsmith", r#"{"id":"a1","key":"k"}"#),
        ("langfuse", r#"{"id":"a1","name":"Nord","value":12}"#),
        ("langfuse", r#"{"id":"a1","name":"Nord","value":12,"sessionId":"s"}"#),
        ("langfuse", r#"{"id":"e","type":"event","trace_id":"t"}"#),
    ] {
        let came = of_rows(format, "rows.jsonl", &format!("{row}\n"));
        assert_eq!((came.said.code, came.counts()), (Some(1), [0, 0, 1]), "{row}: {}", came.said.report);
    }
}

#[test]
fn what_only_has_an_id_is_no_call_at_the_door_either() {
    let fixture = Fixture::new();
    let halod = Halod::start(&fixture.chains());
    let rows = json!([{ "id": "a1", "colour": "red" },
        { "id": "o", "traceId": "t", "type": "AGENT", "startTime": "2026-10-05T10:00:00Z" }]);
    let headers = [("content-type", "application/json")];
    let answer = halod.connect().post("/litellm", &headers, rows.to_string().as_bytes()).unwrap();
    assert_eq!((answer.status, halod.sealed()), (400, 0), "{}", String::from_utf8_lossy(&answer.body));
    assert!(halod.terminate().success());
}

#[test]
fn times_are_read_by_their_size() {
    for (start, end) in [
        ("1791194400250", "1791194401750"),
        ("1791194400.25", "1791194401.75"),
        ("1791194400250000", "1791194401750000"),
        ("1791194400250000000", "1791194401750000000"),
        ("\"1791194400250\"", "\"1791194401750\""),
        ("\"2026-10-05 10:00:00.250\"", "\"2026-10-05T10:00:01.75Z\""),
    ] {
        let row = format!(r#"{{"id":"o","traceId":"t","type":"SPAN","startTime":{start},"endTime":{end}}}"#);
        let came = of_rows("langfuse", "rows.jsonl", &row);
        let data = &came.of("o")["data"];
        assert_eq!(data["started_at"], "2026-10-05T10:00:00.250000Z", "{start}");
        assert_eq!(data["ended_at"], "2026-10-05T10:00:01.750000Z", "{end}");
    }
}

#[test]
fn times_that_cannot_be_read_are_told_by_field() {
    let came = import("langfuse", case("spreadsheet.csv"));
    assert_eq!((came.said.code, came.counts()), (Some(0), [5, 0, 0]), "{}", came.said.errors);
    assert_eq!(came.said.report["unread_times"], json!({ "startTime": 5, "endTime": 5 }));
    assert!(came.said.errors.contains("startTime: 5 times can't be read"), "{}", came.said.errors);
    for record in &came.records {
        assert_eq!(record["data"]["unread_times"], json!(["startTime", "endTime"]), "{record}");
    }
    // Through a daemon it is told just so.
    let served = Fixture::new();
    let halod = Halod::start(&served.chains());
    let said = served.import("langfuse", &[case("spreadsheet.csv")], &[]);
    assert_eq!(said.report["unread_times"], json!({ "startTime": 5, "endTime": 5 }));
    assert!(halod.terminate().success());
    for (format, row, fields) in [
        ("litellm", json!({"id":"c","call_type":"completion","startTime":"soon"}), json!(["startTime"])),
        (
            "langsmith",
            json!({"id":"r","run_type":"llm","end_time":"9999-12-31T00:00:00"}),
            json!(["end_time"]),
        ),
        (
            "openai_agents",
            json!({"object":"trace.span","id":"s","trace_id":"t","started_at":"now","span_data":{"type":"agent"}}),
            json!(["started_at"]),
        ),
    ] {
        let came = of_rows(format, "rows.json", &row.to_string());
        assert_eq!(came.records[0]["data"]["unread_times"], fields, "{format}: {}", came.records[0]);
    }
}

#[test]
fn a_price_is_no_cost() {
    let came = import("langfuse", case("costs.json"));
    let costs: BTreeMap<&str, &Value> = came
        .records
        .iter()
        .map(|r| (r["data"]["observation_id"].as_str().unwrap(), &r["data"]["cost"]))
        .collect();
    assert_eq!(json!(costs), json!({ "e1": null, "e2": "0.05", "e3": "0.07" }));
}

#[test]
fn fields_of_every_route_are_read() {
    let came = import("langfuse", case("langfuse-api-v2.json"));
    assert_eq!(came.of("ob-gen1")["agent"]["model"], "gpt-4o-mini");
    assert_eq!(came.of("ob-bad")["agent"]["model"], "claude-sonnet-4-5");
    let came = import("langfuse", case("langfuse-scores.json"));
    let said: Vec<_> =
        came.records.iter().map(|r| (r["action"]["tool"].clone(), r["data"]["score"].clone())).collect();
    assert_eq!(json!(said), json!([["helpfulness", "0.5"], ["tone", "polite"], ["resolved", 1]]));
    let came = import("langfuse", case("enriched.jsonl"));
    let data = &came.of("r1")["data"];
    for (key, value) in [
        ("environment", json!("staging")),
        ("version", json!("7")),
        ("release", json!("2026.10")),
        ("prompt", json!("greet")),
        ("prompt_version", json!(3)),
        ("first_token_ms", json!(400)),
    ] {
        assert_eq!(data[key], value, "{key}");
    }
    let came = import("langfuse", case("deleted.jsonl"));
    assert_eq!((came.said.code, came.counts()), (Some(0), [5, 1, 0]));
}

#[test]
fn structures_in_strings_are_those_of_a_run() {
    let came = import("langsmith", case("langsmith-bulk.jsonl"));
    assert_eq!((came.said.code, came.counts()), (Some(0), [4, 0, 0]), "{}", came.said.errors);
    for record in &came.records {
        assert_eq!(record["session_id"], "conv-5", "{record}");
        assert_eq!(record["principal"]["human_id"], "guest-8", "{record}");
        assert_eq!(record["subject"]["id"], "alpenhof", "{record}");
    }
    let call = came.of("0197a1b2-0000-7000-8000-000000000002");
    assert_eq!((&call["data"]["input_tokens"], &call["data"]["output_tokens"]), (&json!(40), &json!(9)));
}

#[test]
fn a_span_of_the_agents_sdk_is_of_the_group_of_its_trace() {
    let came = import("openai_agents", case("other-stores/agents.jsonl"));
    assert!(came.records.iter().all(|record| record["session_id"] == "conv-5"), "{:#?}", came.records);
}

#[test]
fn a_downloaded_trace_is_read_with_its_observations() {
    for format in ["langfuse", "auto"] {
        let came = import(format, case("langfuse-download.json"));
        assert_eq!((came.said.code, came.counts()), (Some(0), [8, 0, 0]), "{}", came.said.errors);
        assert_eq!(came.of("ob-gen1")["subject"]["id"], "alpenhof");
    }
}

#[test]
fn a_bucket_is_imported_as_it_lies() {
    for format in ["langfuse", "auto"] {
        let came = import(format, case("bucket"));
        assert_eq!((came.said.code, came.counts()), (Some(0), [8, 1, 0]), "{format}: {}", came.said.errors);
    }
    // A table in which nothing stands is no fault of it.
    let fixture = Fixture::new();
    let folder = fixture.dir.path().join("files");
    fixture.file("scores.jsonl", "");
    fixture.file("traces.jsonl.gz", gzip(b""));
    fixture.file("o.jsonl", observations(2));
    let said = fixture.import("auto", &[folder], &[]);
    assert_eq!((said.code, said.count("sealed"), said.count("files")), (Some(0), 2, 3), "{}", said.errors);
    // A file of sessions that is named itself is no export of actions.
    let came = import("langfuse", case("langfuse-sessions.json"));
    assert_eq!((came.said.code, came.counts()), (Some(2), [0, 0, 0]), "{}", came.said.report);
    assert!(came.said.errors.contains("it holds sessions of Langfuse"), "{}", came.said.errors);
    let came =
        of_rows("auto", "s.json", r#"[{"id":"s","traceId":"t","name":"n","value":1,"timestamp":"x"}]"#);
    assert_eq!(came.counts(), [1, 0, 0], "{}", came.said.errors);
}

#[test]
fn tables_are_read_however_their_fields_are_parted() {
    for format in ["langfuse", "auto"] {
        let came = import(format, case("semicolons.csv"));
        assert_eq!((came.said.code, came.counts()), (Some(0), [5, 0, 0]), "{}", came.said.errors);
        assert_eq!(came.of("ob-gen1")["data"]["input_tokens"], 120, "{}", came.of("ob-gen1"));
    }
    let tabs = "id\ttrace_id\ttype\tname\tstart_time\tinput\n\
                o\tt\tTOOL\tfind\t2026-10-05 10:00:00\t\"a\tb, c\"\n";
    let came = of_rows("auto", "o.tsv", tabs);
    assert_eq!(came.counts(), [1, 0, 0], "{}", came.said.errors);
    // As a spreadsheet writes it where a comma parts decimals.
    let sheet = "\u{feff}sep=;\r\nid;traceId;type;name;startTime;totalCost;output;toolCallNames\r\n\
                 o;t;GENERATION;ask;2026-10-05T10:00:00Z;0,0125;1,5;\"[\"\"find\"\",\"\"book\"\"]\"\r\n";
    let came = of_rows("auto", "sheet.csv", sheet);
    let record = came.of("o");
    assert_eq!(
        (came.counts(), &record["data"]["cost"]),
        ([1, 0, 0], &json!("0.0125")),
        "{}",
        came.said.errors
    );
    assert_eq!(record["outcome"]["summary"], "1,5");
    assert_eq!(record["data"]["tool_call_names"], json!(["find", "book"]));
    let bad = of_rows("langfuse", "bad.csv", &sheet.replace("\"[\"\"find", "\"x\"y"));
    assert_eq!(bad.said.report["rejects"][0]["line"], 3, "{}", bad.said.report);
    // Of ClickHouse.
    let came = import("auto", case("clickhouse.csv"));
    assert_eq!((came.said.code, came.counts()), (Some(0), [5, 0, 0]), "{}", came.said.errors);
    let call = came.of("ob-gen1");
    assert_eq!(call["subject"]["id"], "alpenhof", "{call}");
    let counts = ["input_tokens", "output_tokens", "total_tokens", "cache_read_tokens"];
    assert_eq!(json!(counts.map(|key| &call["data"][key])), json!([120, 30, 150, 20]), "{call}");
    assert!(came.records.iter().all(|record| record["data"].get("unread_times").is_none()));
    // Of pandas, and of LiteLLM's database.
    let runs = "id,name,run_type,start_time,inputs,outputs,extra\n\
                r,find,tool,2026-10-05 10:00:00,{'q': 'hut'},\"{'a': None, 'b': 1}\",\"{'metadata': {'tenant': 'acme'}}\"\n";
    let came = of_rows("auto", "runs.csv", runs);
    assert_eq!(came.of("r")["subject"]["id"], "acme", "{}", came.said.errors);
    let spend = "request_id,call_type,spend,prompt_tokens,startTime,model,metadata\n\
                 c,acompletion,0.5,40,2026-10-05 10:00:00,gpt,\"{\"\"status\"\":\"\"success\"\"}\"\n";
    let came = of_rows("auto", "spend.csv", spend);
    assert_eq!(came.records[0]["data"]["input_tokens"], 40, "{}", came.said.errors);
}

#[test]
fn one_quote_costs_one_row() {
    let rows = |n: std::ops::Range<u32>| -> String {
        n.map(|n| format!("q{n},tr,TOOL,a,2026-10-05T10:00:00Z,fine\n")).collect()
    };
    let columns = "id,trace_id,type,name,start_time,input\n";
    for (bad, sealed, rejected) in [
        ("b,tr,TOOL,a,2026-10-05T10:00:00Z,\"never closed\n", 2_000, 1),
        ("b,tr,TOOL,a,2026-10-05T10:00:00Z,5\" disk\n", 2_001, 0),
        ("b,tr,TOOL,a,2026-10-05T10:00:00Z,\"{\"a\":1}\"\n", 2_000, 1),
    ] {
        let text = [columns, &rows(0..1000), bad, &rows(1000..2000)].concat();
        let came = of_rows("langfuse", "o.csv", &text);
        assert_eq!(came.counts(), [sealed, 0, rejected], "{bad}: {}", came.said.report);
    }
    // What a damaged record takes with it is said.
    let text = format!("{columns}b,tr,\"two\nlines\",a\n{}", rows(0..2));
    let came = of_rows("langfuse", "o.csv", &text);
    assert_eq!(came.counts(), [2, 0, 1], "{}", came.said.report);
    let why = came.said.report["rejects"][0]["reason"].as_str().unwrap();
    assert!(why.ends_with("it goes to line 3"), "{why}");
}

#[test]
fn what_stands_around_a_row_is_taken_off() {
    // A page of LiteLLM's, and what its callback sends to Datadog.
    let row = json!({ "request_id": "c", "call_type": "acompletion", "startTime": "2026-10-05T10:00:00Z", "spend": 1 });
    let payload = json!({ "id": "d", "call_type": "acompletion", "startTime": 1791194400.25 });
    let page = json!({ "data": [row], "total": 1, "page": 1, "page_size": 50, "total_pages": 1 });
    let log =
        json!({ "ddsource": "litellm", "service": "x", "status": "info", "message": payload.to_string() });
    for (content, id) in [(page, "c"), (log, "d")] {
        let came = of_rows("auto", "rows.json", &content.to_string());
        assert_eq!(came.counts(), [1, 0, 0], "{id}: {}", came.said.errors);
        assert_eq!(
            came.records[0]["data"]["started_at"].as_str().map(|at| &at[..16]),
            Some("2026-10-05T10:00")
        );
    }
    // Events of Langfuse's fourth version.
    let event = |id: &str, parent: &str| {
        json!({ "span_id": id, "parent_span_id": parent, "trace_id": "t", "type": "SPAN", "name": id,
            "start_time": "2026-10-05 10:00:00.000000", "end_time": "2026-10-05 10:00:01.000000" })
    };
    let came = of_rows("auto", "events.json", &json!([event("a", ""), event("b", "a")]).to_string());
    assert_eq!(came.counts(), [2, 0, 0], "{}", came.said.errors);
    assert_eq!(came.of("b")["parent_id"], came.of("a")["record_id"]);
}
