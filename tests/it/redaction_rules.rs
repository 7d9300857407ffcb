//! The operator's own rules of redaction, through every way into a real halod, and looked for in every file that it
//! leaves behind.

use crate::support::chains::{assert_verified, files, of_tenant, records};
use crate::support::halod::{BINARY, Halod};
use crate::support::http::JSON;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A number of badges, as an operator may write its rule.
const RULES: &str = "redaction:\n  patterns:\n    - name: badge_number\n      regex: 'BADGE-(?P<secret>[0-9]{4}-ZQ)'\n      \
                     severity: medium\n  allow:\n    - prodkey1-9F3kQ7pX2mLw8ZtRv\n";

/// What the rule masks, and no rule of halod's own does.
const BADGE: &str = "BADGE-4711-ZQ";
const SECRET: &str = "4711-ZQ";

/// A token that looks random.
const TOKEN: &str = "prodkey1-9F3kQ7pX2mLw8ZtRv";

struct Place(tempfile::TempDir);

impl Place {
    /// With `rules` in the configuration, a folder that is imported and a log that is followed.
    fn new(rules: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("folder")).unwrap();
        let text = format!(
            "receivers:\n  hold: {{ wait: 1s }}\n  file_log: {{ include: ['{}'], poll_interval: 50ms }}\n  \
             import: {{ include: ['{}'] }}\nstorage: {{ min_free_disk_mib: 0, journal_size_mib: 4 }}\n{rules}",
            place.path("access.log").display(),
            place.path("folder/*.jsonl").display(),
        );
        fs::write(place.path("halod.yaml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn chains(&self) -> PathBuf {
        self.path("records")
    }

    fn config(&self) -> String {
        self.path("halod.yaml").to_str().unwrap().to_owned()
    }

    fn start(&self) -> Halod {
        Halod::start_with(&self.chains(), &["--config", &self.config()])
    }

    /// Runs a command of halod's with `input`.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(BINARY);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env_remove("HALOD_LOG").spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What `halod validate` says of `rules`.
    fn validate(&self, rules: &str) -> (Option<i32>, String) {
        let file = self.path("tried.yaml");
        fs::write(&file, rules).unwrap();
        let chains = self.path("tried");
        let free = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let of = ["validate", "--config", file.to_str().unwrap(), "--dir", chains.to_str().unwrap()];
        let out = self.run(&[&of[..], &free].concat(), "");
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    }
}

fn attribute(key: &str, text: &str) -> Value {
    json!({"key": key, "value": {"stringValue": text}})
}

/// A tool call with `text` as argument, result and error, in a request of its own.
fn span(tenant: &str, tool: &str, text: &str) -> Value {
    let id = tenant
        .bytes()
        .chain(tool.bytes())
        .fold(1469_u64, |id, b| id.wrapping_mul(1099).wrapping_add(u64::from(b)));
    let span = json!({"name": "execute_tool", "traceId": format!("{id:032x}"), "spanId": format!("{id:016x}"),
    "startTimeUnixNano": "1795952706352063287", "endTimeUnixNano": "1795952706362063287",
    "status": {"code": 2, "message": format!("failed with {text}")},
    "attributes": [
        attribute("gen_ai.operation.name", "execute_tool"),
        attribute("gen_ai.tool.name", tool),
        attribute("gen_ai.agent.name", "clerk"),
        attribute("error.type", &format!("no entry for {text} here")),
        attribute("gen_ai.tool.call.arguments", &json!({"for": text, "n": 12}).to_string()),
        attribute("gen_ai.tool.call.result", &format!("done for {text}")),
    ]});
    let resource = json!({"attributes": [attribute("tenant.id", tenant), attribute("service.name", "desk")]});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})
}

/// The content of a model call in a log record, apart from its span.
fn log_record(tenant: &str, text: &str) -> Value {
    let message = json!([{"role": "user", "parts": [{"type": "text", "content": text}]}]).to_string();
    let record = json!({"eventName": "gen_ai.client.inference.operation.details", "timeUnixNano": "1795952706352063287",
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
        "attributes": [attribute("gen_ai.operation.name", "chat"), attribute("gen_ai.input.messages", &message)]});
    let resource = json!({"attributes": [attribute("tenant.id", tenant)]});
    json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]})
}

/// Every way over HTTP: the tenant, the path, and a request that holds `text`.
fn requests(text: &str) -> Vec<(&'static str, &'static str, Value)> {
    let (start, end) = ("2026-11-25T08:00:00Z", "2026-11-25T08:00:01Z");
    let run = json!({"id": "0af76519-16cd-43dd-8448-000000000001", "name": "lookup", "run_type": "tool",
        "start_time": start, "end_time": end, "inputs": {"a": text}, "outputs": {"b": text}});
    let observation = json!({"id": "e-1", "timestamp": start, "type": "span-create", "body": {"id": "o1", "name": "lookup",
        "input": {"a": text}, "startTime": start}});
    let update = json!({"id": "e-2", "timestamp": end, "type": "span-update", "body": {"id": "o1", "output": text,
        "statusMessage": text, "endTime": end}});
    let call = json!({"id": "call-1", "call_type": "acompletion", "model": "gpt-4o", "status": "success",
        "messages": [{"role": "user", "content": text}], "response": text,
        "startTime": 1_795_336_686.5, "endTime": 1_795_336_691.5});
    let agent = json!({"object": "trace.span", "id": "span_1", "trace_id": "trace_1", "parent_id": null, "started_at": start,
        "ended_at": end, "span_data": {"type": "function", "name": "lookup", "input": text, "output": text}, "error": null});
    let record = json!({"key": "k-1", "subject": "native", "action": {"type": "read", "category": "safety", "tool": "lookup",
        "input": {"a": text}}, "outcome": {"error": text}, "data": {"note": text}});
    vec![
        ("traces", "/v1/traces", span("traces", "lookup", text)),
        ("logs", "/v1/logs", log_record("logs", text)),
        ("langsmith", "/runs/batch", json!({"post": [run]})),
        ("langfuse", "/api/public/ingestion", json!({"batch": [observation, update]})),
        ("litellm", "/litellm", json!([call])),
        ("agents", "/v1/traces/ingest", json!({"data": [agent]})),
        ("native", "/v1/records", json!([record])),
    ]
}

/// Sends each request, drops a file into the folder and writes the log; returns when all is sealed.
fn send_all(place: &Place, halod: &Halod, text: &str) {
    for (tenant, path, body) in requests(text) {
        let headers = [("content-type", JSON), ("x-tenant-id", tenant)];
        let answer = halod.connect().post(path, &headers, body.to_string().as_bytes()).unwrap();
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    }
    let line = format!(
        "127.0.0.1 - - [22/Nov/2026:08:29:59 +0000] \"POST /v1/chat/completions/{text} HTTP/1.1\" 200 7 \"-\" \"agent {text}\"\n"
    );
    fs::write(place.path("access.log"), line).unwrap();
    fs::write(place.path("folder/.part"), format!("{}\n", span("folder", "lookup", text))).unwrap();
    fs::rename(place.path("folder/.part"), place.path("folder/spans.jsonl")).unwrap();
    let wanted = requests(text).len() + 2;
    wait_until("all is sealed", Duration::from_secs(60), || {
        place.chains().exists() && files(&place.chains()).len() >= wanted
    });
}

/// Every file below `dir` that holds `needle`.
fn holding(dir: &Path, needle: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, needle, found);
        } else if path.is_file()
            && memchr::memmem::find(&fs::read(&path).unwrap(), needle.as_bytes()).is_some()
        {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn a_pattern_holds_for_whatever_brings_a_record() {
    let place = Place::new(RULES);
    let halod = place.start();
    send_all(&place, &halod, BADGE);
    assert!(halod.terminate().success());
    // The same file again, by the command and for another tenant.
    let file = place.path("folder/spans.jsonl");
    let import =
        ["import", "otlp", file.to_str().unwrap(), "--config", &place.config(), "--tenant", "command"];
    let chains = place.chains();
    let out = place.run(&[&import[..], &["--dir", chains.to_str().unwrap()]].concat(), "");
    assert!(out.status.success(), "{out:?}");

    let mut found = Vec::new();
    holding(&place.chains(), SECRET, &mut found);
    assert!(found.is_empty(), "it stands in {found:?}");
    assert_verified(&place.chains());
    for file in files(&place.chains()) {
        let all = records(&file);
        let findings: Vec<&Value> =
            all.iter().flat_map(|record| record["findings"].as_array().unwrap()).collect();
        let expected = json!({"type": "badge_number", "severity": "MEDIUM", "sample": "BADGE-****"});
        assert!(findings.contains(&&expected), "{}: {all:#?}", file.display());
    }
}

#[test]
fn an_allowed_token_is_readable_and_another_is_not() {
    let other = "prodkey2-9F3kQ7pX2mLw8ZtRv";
    let place = Place::new(RULES);
    let halod = place.start();
    for (tenant, text) in [("allowed", TOKEN), ("other", other), ("named", &format!("api_key={TOKEN}"))] {
        let body = span(tenant, "lookup", text).to_string();
        assert_eq!(
            halod.connect().post("/v1/traces", &[("content-type", JSON)], body.as_bytes()).unwrap().status,
            200
        );
    }
    assert!(halod.terminate().success());
    let record = |tenant: &str| of_tenant(&place.chains(), Some(tenant)).remove(0);
    let allowed = record("allowed");
    assert_eq!(allowed["action"]["input"]["summary"], format!("{{\"for\":\"{TOKEN}\",\"n\":12}}"));
    assert_eq!(allowed["findings"], json!([]));
    let mut found = Vec::new();
    holding(&place.chains(), other, &mut found);
    assert!(found.is_empty(), "{found:?}");
    let types = |tenant: &str| {
        let found = record(tenant)["findings"].as_array().unwrap().clone();
        found.iter().map(|found| found["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(types("other").contains(&"high_entropy_secret".to_owned()));
    assert!(types("named").contains(&"credential_text".to_owned()));
    assert_eq!(record("named")["action"]["input"]["summary"], "{\"for\":\"api_key=****\",\"n\":12}");
}

#[test]
fn validate_names_the_entry_and_what_to_do() {
    let place = Place::new("");
    let (code, said) = place.validate(RULES);
    assert_eq!((code, &*said), (Some(0), ""));
    let (code, said) = place.validate(
        "redaction:\n  patterns:\n    - { name: ok, regex: a }\n    - { name: Bad, regex: '(?<!x)a', severity: x }\n  allow: [short]\n",
    );
    assert_eq!(code, Some(2));
    for line in [
        "tried.yaml:4:15: redaction.patterns.name: entry 2 (`Bad`): write 1 to 64 characters of a-z, 0-9 and `_`",
        "tried.yaml:4:27: redaction.patterns.regex: entry 2 (`Bad`): it is no regular expression: look-around",
        "tried.yaml:4:48: redaction.patterns.severity: entry 2 (`Bad`): must be one of critical, high, medium, low, info",
        "tried.yaml:5:11: redaction.allow: entry 1: the entropy rule never looks at runs of less than 24 characters",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

/// Whose content is not to be read, and words that stand in it alone.
const HASHED: &str = "redaction:\n  hash_only_for:\n    - { tool: 'pay*' }\n    - { agent: clerk, tenant: desk }\n    - { tenant: silent }\n";
const WORDS: &str = "the quiet heron, bob@example.com";

fn post(halod: &Halod, path: &str, tenant: &str, body: &Value) {
    let headers = [("content-type", JSON), ("x-tenant-id", tenant)];
    let answer = halod.connect().post(path, &headers, body.to_string().as_bytes()).unwrap();
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
}

/// Whether a record shows the words in any place.
fn shows(record: &Value) -> bool {
    record.to_string().contains("heron")
}

#[test]
fn content_of_named_tools_agents_and_tenants_is_kept_as_hashes() {
    let place = Place::new(HASHED);
    let halod = place.start();
    for (tenant, tool) in [("a", "pay_out"), ("b", "look_up"), ("desk", "look_up"), ("silent", "look_up")] {
        post(&halod, "/v1/traces", tenant, &span(tenant, tool, WORDS));
    }
    for (tenant, tool) in [("native-a", "pay_in"), ("native-b", "look_up")] {
        let record = json!({"key": "k", "subject": tenant, "action": {"type": "read", "category": "safety", "tool": tool,
            "input": WORDS}, "outcome": {"error": WORDS}});
        post(&halod, "/v1/records", tenant, &json!([record]));
    }
    // Of a model's content, told apart from its span, nobody knows that it is no tool's.
    post(&halod, "/v1/logs", "logs", &log_record("logs", WORDS));
    assert!(halod.terminate().success());
    assert_verified(&place.chains());

    let input = halod_record::hash::input_hash(
        &halod_record::json::parse(&json!({"for": WORDS, "n": 12}).to_string()).unwrap(),
    );
    for tenant in ["a", "desk", "silent", "native-a", "logs"] {
        let all = of_tenant(&place.chains(), Some(tenant));
        let record = &all[0];
        assert!(!shows(record), "{record:#}");
        assert!(
            record["action"]["input"].get("summary").is_none() && record["outcome"].get("summary").is_none()
        );
        let email = json!({"type": "email", "severity": "MEDIUM"});
        assert_eq!(record["findings"], json!([email]), "{tenant}");
        assert_eq!(record["data"]["pii_types"], json!(["email"]));
        if !tenant.starts_with("native") && tenant != "logs" {
            assert_eq!(record["action"]["input"]["hash"], input.to_string(), "{tenant}");
            assert!(record["data"].get("error_type").is_none(), "{record:#}");
        }
    }
    for tenant in ["b", "native-b"] {
        let record = &of_tenant(&place.chains(), Some(tenant))[0];
        assert!(record["action"]["input"]["summary"].as_str().unwrap().contains("heron"));
        assert!(record["outcome"]["summary"].as_str().unwrap().contains("heron"));
    }
    assert_eq!(
        of_tenant(&place.chains(), Some("b"))[0]["data"]["error_type"],
        "no entry for the quiet heron, b****@example.com here"
    );
}

#[test]
fn what_is_told_of_a_covered_call_later_is_kept_as_hashes_too() {
    let place = Place::new(HASHED);
    let halod = place.start();
    let start = "2026-11-25T08:00:00Z";
    let create = |tool: &str| {
        json!({"batch": [{"id": format!("e-{tool}"), "timestamp": start, "type": "tool-create", "body": {"id": tool, "name": tool,
            "startTime": start, "input": WORDS}}]})
    };
    let update = |tool: &str, n: u8| {
        json!({"batch": [{"id": format!("u-{tool}-{n}"), "timestamp": start, "type": "tool-update", "body": {"id": tool,
            "endTime": "2026-11-25T08:00:01Z", "output": format!("{n}: {WORDS}"), "level": "WARNING", "statusMessage": WORDS}}]})
    };
    for tool in ["pay_out", "look_up"] {
        post(&halod, "/api/public/ingestion", tool, &create(tool));
        post(&halod, "/api/public/ingestion", tool, &update(tool, 1));
    }
    let all = |tool: &str| {
        let there = place.chains().exists() && !files(&place.chains()).is_empty();
        if there { of_tenant(&place.chains(), Some(tool)) } else { Vec::new() }
    };
    let sealed = |n| move || all("pay_out").len() >= n && all("look_up").len() >= n;
    wait_until("the calls are sealed", Duration::from_secs(60), sealed(1));
    // An update alone, which does not name its tool.
    for tool in ["pay_out", "look_up"] {
        post(&halod, "/api/public/ingestion", tool, &update(tool, 2));
    }
    wait_until("the updates are sealed", Duration::from_secs(60), sealed(2));
    assert!(halod.terminate().success());
    assert_verified(&place.chains());
    for record in all("pay_out") {
        assert!(!shows(&record), "{record:#}");
        assert!(
            record["outcome"]["hash"].is_string() && record["data"].get("status_message").is_none(),
            "{record:#}"
        );
    }
    let other = all("look_up");
    assert_eq!(other[1]["action"]["tool"], "agent.update");
    assert!(shows(&other[0]) && other[0]["data"]["status_message"].is_string(), "{other:#?}");
    // Of an update nobody knows which tool it is of.
    assert!(!shows(&other[1]), "{other:#?}");
}

#[test]
fn the_command_shows_what_records_would_keep() {
    let place = Place::new(RULES);
    let config = place.config();
    let key = ["sk-", "q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1"].concat();
    let said = |out: Output| {
        (out.status.code(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    let text = format!("use {key} for {BADGE}\nand {TOKEN}");

    let (code, masked, table) = said(place.run(&["redact", "--config", &config], &text));
    assert_eq!((code, masked), (Some(0), format!("use sk-q**** for BADGE-****\nand {TOKEN}")));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["severity", "type", "sample"]);
    assert!(lines.contains(&vec!["MEDIUM", "badge_number", "BADGE-****"]), "{table}");
    assert!(lines.contains(&vec!["CRITICAL", "api_key", "sk-q****"]), "{table}");
    assert!(!table.contains(&key[8..]) && !table.contains(SECRET));

    // Without the rules.
    let (_, masked, told) = said(place.run(&["redact", "--findings", "json"], &text));
    assert_eq!(masked, format!("use sk-q**** for {BADGE}\nand pro****"));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told[1], json!({"type": "high_entropy_secret", "severity": "HIGH", "sample": "pro****"}));

    let value = json!({"password": "a b", "card": 4_111_111_111_111_111_u64, "list": [BADGE, 12, null], "args": "{\"token\":\"x1\"}"});
    let arguments = ["redact", "--config", &config, "--findings", "none"];
    let (code, masked, told) = said(place.run(&arguments, &value.to_string()));
    assert_eq!((code, &*told), (Some(0), ""));
    let masked: Value = serde_json::from_str(&masked).unwrap();
    let expected = json!({"password": "****", "card": "****1111", "list": ["BADGE-****", 12, null], "args": "{\"token\":\"****\"}"});
    assert_eq!(masked, expected);

    let (code, masked, told) = said(place.run(&["redact"], "nothing here"));
    assert_eq!((code, &*masked, &*told), (Some(0), "nothing here", "nothing found\n"));
    let (code, masked, told) = said(place.run(&["redact", "--as", "json"], "{a"));
    assert_eq!((code, &*masked), (Some(2), ""));
    assert!(told.contains("not valid JSON") && told.contains("--as text"), "{told}");
    let (code, _, told) = said(place.run(&["redact", "--config", "/nonexistent.yaml"], ""));
    assert!(code == Some(2) && told.contains("/nonexistent.yaml: can't be read"), "{told}");
}
