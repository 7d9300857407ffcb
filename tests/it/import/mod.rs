//! Files become records: of every format, with and without a daemon, twice, interrupted, and hostile.

mod again;
mod any_order;
mod archives;
pub mod fixture;
mod folder;
mod followed;
mod hostile;
mod manifests;
mod parquet;
mod place;
mod resume;
mod stores;
mod transcripts;

use crate::support::chains::{assert_verified, files, of_tenant, records};
use crate::support::halod::Halod;
use crate::support::wait_until;
use fixture::{Fixture, golden, gzip, observations, table};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Records by tenant and action.
fn counted(dir: &Path) -> BTreeMap<(Option<String>, String), u64> {
    let mut counts = BTreeMap::new();
    for record in files(dir).iter().flat_map(|file| records(file)) {
        let tenant = record.pointer("/subject/id").and_then(Value::as_str).map(str::to_owned);
        let tool = record["action"]["tool"].as_str().unwrap().to_owned();
        *counts.entry((tenant, tool)).or_insert(0) += 1;
    }
    counts
}

/// The ids of a directory's records, which are unique, without their places in the chains.
fn ids(dir: &Path) -> Vec<String> {
    let all = files(dir).into_iter().flat_map(|file| records(&file));
    let mut ids: Vec<String> = all.map(|record| record["record_id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    let before = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), before, "an id stands twice");
    ids
}

/// What there is of each format, with the number of records it comes to, and of items that can't be used.
const FORMATS: [(&str, &[&str]); 8] = [
    (
        "otlp",
        &[
            "otel/openai-agents.json",
            "otel/mcp-openinference.pb",
            "otel/langsmith.pb",
            "otel_logs/codex.json",
        ],
    ),
    ("litellm", &["litellm/generic-api.json", "litellm/proxy.jsonl", "litellm/spend-rows.json"]),
    (
        "langfuse",
        &["langfuse/api-trace.json", "langfuse/api-observations.1.json", "langfuse/api-observations.2.json"],
    ),
    ("langfuse", &["langfuse/blob-traces.jsonl", "langfuse/blob-observations.jsonl"]),
    ("langsmith", &["langsmith/export.jsonl", "langsmith/feedback.jsonl"]),
    ("openai_agents", &["openai_agents/native.json"]),
    (
        "claude-code",
        &[
            "transcript/claude-code.agent.jsonl",
            "transcript/claude-code.hook.jsonl",
            "transcript/claude-code.error.jsonl",
        ],
    ),
    (
        "codex",
        &["transcript/codex.kinds.jsonl", "transcript/codex.live.jsonl", "transcript/codex.error.jsonl"],
    ),
];

#[test]
fn every_format_is_the_same_dry_alone_through_the_daemon_and_told_by_itself() {
    for (format, names) in FORMATS {
        let inputs: Vec<_> = names.iter().map(|name| golden(name)).collect();
        let alone = Fixture::new();
        let dry = alone.import(format, &inputs, &["--dry-run"]);
        assert!(!alone.chains().exists(), "a dry run makes nothing");
        let done = alone.import(format, &inputs, &[]);
        assert_eq!((done.code, dry.code), (Some(0), Some(0)), "{format}: {}", done.errors);
        assert!(done.count("sealed") > 0, "{format}: {}", done.report);
        let told = dry.report["would_seal"].as_array().unwrap();
        let told = told.iter().map(|row| {
            let tenant = row["tenant"].as_str().map(str::to_owned);
            ((tenant, row["action"].as_str().unwrap().to_owned()), row["records"].as_u64().unwrap())
        });
        assert_eq!(told.collect::<BTreeMap<_, _>>(), counted(&alone.chains()), "{format}");
        for count in ["accepted", "filtered", "rejected", "sealed", "known"] {
            assert_eq!(dry.count(count), done.count(count), "{format}: {count}");
        }
        let again = alone.import("auto", &inputs, &[]);
        assert_eq!((again.code, again.count("sealed")), (Some(0), 0), "{format}: {}", again.errors);

        let served = Fixture::new();
        let halod = Halod::start(&served.chains());
        let through = served.import(format, &inputs, &[]);
        assert_eq!(through.code, Some(0), "{format}: {}", through.errors);
        assert_eq!(halod.sealed(), through.count("sealed"));
        assert_eq!(served.import(format, &inputs, &[]).count("sealed"), 0);
        assert_eq!(
            halod.items("import", "sealed") + halod.items("import", "duplicate"),
            2 * done.count("accepted")
        );
        assert!(halod.terminate().success());
        assert_eq!(ids(&served.chains()), ids(&alone.chains()), "{format}");
        assert_verified(&alone.chains());
        assert_verified(&served.chains());
    }
}

#[test]
fn observations_take_session_and_user_from_the_file_of_traces() {
    let fixture = Fixture::new();
    let traces = golden("langfuse/blob-traces.jsonl");
    let said = fixture.import("langfuse", &[golden("langfuse/blob-observations.jsonl"), traces], &[]);
    assert_eq!(said.code, Some(0), "{}", said.errors);
    for record in of_tenant(&fixture.chains(), Some("acme-corp")) {
        assert_eq!(record["session_id"], "sess-77", "{record}");
        assert_eq!(record["principal"]["human_id"], "user-4711", "{record}");
    }
    // Through the daemon they travel with the rows.
    let served = Fixture::new();
    let halod = Halod::start(&served.chains());
    let inputs = [golden("langfuse/blob-observations.jsonl"), golden("langfuse/blob-traces.jsonl")];
    assert_eq!(served.import("langfuse", &inputs, &[]).code, Some(0));
    assert!(halod.terminate().success());
    assert_eq!(ids(&served.chains()), ids(&fixture.chains()));
    assert!(of_tenant(&served.chains(), Some("acme-corp")).iter().all(|r| r["session_id"] == "sess-77"));
}

#[test]
fn one_export_in_every_form_is_sealed_once() {
    let fixture = Fixture::new();
    let rows = observations(300);
    let array: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let forms = [
        fixture.file("rows.jsonl", &rows),
        fixture.file("rows.json", serde_json::to_string(&array).unwrap()),
        fixture.file("pretty.json", serde_json::to_string_pretty(&array).unwrap()),
        fixture.file("page.json", json!({ "data": array, "meta": { "page": 1 } }).to_string()),
        fixture.file("rows.csv", table(300)),
        // Members of a gzip file, one after the other.
        fixture.file(
            "rows.jsonl.gz",
            [gzip(&rows.as_bytes()[..50_000]), gzip(&rows.as_bytes()[50_000..])].concat(),
        ),
    ];
    let said = fixture.import("langfuse", &forms, &[]);
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let counts = ["sealed", "known", "conflicts"].map(|name| said.count(name));
    assert_eq!(counts, [300, 5 * 300, 0]);
    let said = fixture.import("auto", &[fixture.dir.path().join("files")], &["--tenant", "initech"]);
    assert_eq!((said.code, said.count("sealed")), (Some(0), 300), "{}", said.errors);
    assert_eq!(of_tenant(&fixture.chains(), Some("initech")).len(), 300);
    // In the order of the file.
    let sealed = of_tenant(&fixture.chains(), Some("acme-corp"));
    let order: Vec<&str> = sealed.iter().map(|r| r["data"]["observation_id"].as_str().unwrap()).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_verified(&fixture.chains());
}

/// The same bodies, once posted as their senders do and once imported.
#[test]
fn what_came_live_is_recognised_in_its_export() {
    for (format, path, name) in [
        ("litellm", "/litellm", "litellm/generic-api.json"),
        ("openai_agents", "/v1/traces/ingest", "openai_agents/native.json"),
    ] {
        let fixture = Fixture::new();
        let halod = Halod::start(&fixture.chains());
        let body = fs::read(golden(name)).unwrap();
        let headers = [("content-type", "application/json")];
        assert_eq!(halod.connect().post(path, &headers, &body).unwrap().status, 200, "{name}");
        let (sealed, before) = (halod.sealed(), counted(&fixture.chains()));
        assert!(sealed > 0, "{name}");
        let said = fixture.import(format, &[golden(name)], &[]);
        let counts = ["sealed", "known", "conflicts"].map(|count| said.count(count));
        assert_eq!(counts, [0, sealed, 0], "{name}: {}", said.errors);
        assert_eq!(counted(&fixture.chains()), before, "{name}");
        assert!(halod.terminate().success());
        assert_verified(&fixture.chains());
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let fixture = Fixture::new();
    let mut command = fixture.command("langfuse", &["-".into()], &[]);
    let rows = fixture.file("rows.gz", gzip(observations(20).as_bytes()));
    let out = command.stdin(File::open(rows).unwrap()).output().unwrap();
    let said = fixture::said(&out);
    assert_eq!((said.code, said.count("sealed")), (Some(0), 20), "{}", said.errors);
}

#[test]
fn logs_of_gateways_are_told_by_what_stands_in_them() {
    let fixture = Fixture::new();
    let line = |n: u64, path: &str| {
        format!("203.0.113.9 - - [22/Nov/2026:08:11:{:02} +0000] \"POST {path} HTTP/1.1\" 200 512\n", n % 60)
    };
    let log: String = (0..50).map(|n| line(n, "/v1/chat/completions")).collect();
    let log = fixture.file("access.log", log + &line(1, "/healthz"));
    let said = fixture.import("gateway", std::slice::from_ref(&log), &[]);
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert_eq!((said.count("sealed"), said.count("filtered")), (50, 1));
    // What was appended is what is new.
    let mut grown = fs::read_to_string(&log).unwrap();
    grown += &line(7, "/v1/chat/completions");
    fs::write(&log, grown).unwrap();
    let said = fixture.import("auto", &[log], &[]);
    assert_eq!((said.count("sealed"), said.count("known")), (1, 50), "{}", said.errors);
    assert_verified(&fixture.chains());
}

#[test]
fn a_log_that_was_followed_is_known() {
    let fixture = Fixture::new();
    let line = |n: u64| {
        format!(
            "203.0.113.9 - - [22/Nov/2026:08:11:{n:02} +0000] \"POST /v1/chat/completions HTTP/1.1\" 200 512\n"
        )
    };
    let log = fixture.file("access.log", (0..40).map(line).collect::<String>());
    let settings = format!(
        "receivers:\n  file_log:\n    include: [\"{}\"]\n    format: combined\n    start_at: beginning\n",
        log.display()
    );
    let file = fixture.file("halod.yaml", settings);
    let halod = Halod::start_with(&fixture.chains(), &["--config", file.to_str().unwrap()]);
    wait_until("the log is followed", Duration::from_secs(60), || halod.sealed() == 40);
    let said = fixture.import("gateway", std::slice::from_ref(&log), &[]);
    let counts = ["sealed", "known", "conflicts"].map(|name| said.count(name));
    assert_eq!((said.code, counts), (Some(0), [0, 40, 0]), "{}", said.errors);
    assert!(halod.terminate().success());
    assert_verified(&fixture.chains());
}

/// Messages as the Collector's file exporter writes them when they are binary: each after its length.
fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let one =
        |message: &Vec<u8>| [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat();
    messages.iter().flat_map(one).collect()
}

/// What the Collector's file exporter writes, in each of its forms, is the same as the requests one by one.
#[test]
fn files_of_the_collectors_file_exporter() {
    let fixture = Fixture::new();
    let json = ["claude-code", "gemini-cli", "codex", "decisions"].map(|name| {
        let text = fs::read(golden(&format!("otel_logs/{name}.json"))).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap().to_string()
    });
    let protobuf = ["otel/openai-v2.pb", "otel/autogen.pb", "otel_logs/claude-code-defaults.pb"].map(golden);
    let lines = fixture.file("logs.json", json.map(|line| line + "\n").concat());
    let first = fixture.import("otlp", &[&[lines.clone()][..], &protobuf].concat(), &[]);
    assert_eq!(first.code, Some(0), "{}", first.errors);
    let bodies = protobuf.map(|file| fs::read(file).unwrap());
    let packed = fs::read_to_string(&lines).unwrap();
    let packed: Vec<Vec<u8>> =
        packed.lines().map(|line| compress_to_vec(line.as_bytes(), CompressionLevel::Fastest)).collect();
    let again = [fixture.file("traces.pb", framed(&bodies)), fixture.file("logs.zst", framed(&packed))];
    let said = fixture.import("auto", &again, &[]);
    let all = first.count("sealed") + first.count("known");
    let counts = ["sealed", "known", "conflicts", "rejected"].map(|name| said.count(name));
    assert_eq!((said.code, counts), (Some(0), [0, all, 0, 0]), "{}", said.errors);
    assert_verified(&fixture.chains());
}

#[test]
fn exit_codes_say_what_happened() {
    let fixture = Fixture::new();
    let code = |format: &str, name: &str, content: &str| {
        let file = fixture.file(name, content);
        fixture.import(format, &[file], &[]).code
    };
    assert_eq!(code("langfuse", "empty.jsonl", ""), Some(3));
    assert_eq!(code("langfuse", "good.jsonl", &observations(1)), Some(0));
    assert_eq!(code("langfuse", "bad.jsonl", &format!("{}{{\n", observations(1))), Some(1));
    assert_eq!(code("auto", "unknown.txt", "hello\n"), Some(2));
    assert_eq!(fixture.import("langfuse", &["missing.jsonl".into()], &[]).code, Some(2));
    assert_eq!(fixture.import("langfuse", &[], &[]).code, Some(2));
    assert_eq!(code("csv", "x.csv", ""), Some(2));
    let said = fixture.import("langfuse", &[fixture.file("x.jsonl", "")], &["--tenant", &"x".repeat(600)]);
    assert_eq!(said.code, Some(2));
}

/// A pipe that stays open: `kubectl logs -f ... | halod import gateway -`.
#[test]
fn lines_from_standard_input_are_sealed_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let line = |n: u32| {
        format!("203.0.113.7 - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages HTTP/1.1\" 200 {n}\n")
    };
    for format in ["gateway", "gateway:nginx"] {
        let records = dir.path().join(format);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halod"));
        command.args(["import", format, "-", "--json", "--dir"]).arg(&records).env_remove("HALOD_LOG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        for n in 0..3 {
            let line = line(n);
            let (half, rest) = line.split_at(40);
            input.write_all(half.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            input.write_all(rest.as_bytes()).unwrap();
            wait_until("the line is sealed", Duration::from_secs(30), || {
                fixture::lines(&records) == n as usize + 1
            });
        }
        input.write_all(line(9).trim_end().as_bytes()).unwrap();
        drop(input);
        let out = child.wait_with_output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!((out.status.code(), &report["sealed"]), (Some(0), &4.into()), "{report}");
    }
}
