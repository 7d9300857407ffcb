//! Rows of gateways beside the reference's adapter: what both record of the same request.

use crate::support::reference;
use halo_adapters::gateway::{Format, Line, Place, Reader, Rules, Spec};
use halod_record::build::Builder;
use halod_record::draft::{GENESIS, Scratch};
use halod_record::event::{Content, Event};
use halod_record::json::Json;
use halod_record::tenant::Tenant;
use halod_record::time;
use serde_json::{Value, json};

const PLACE: Place<'static> = Place { file: "access.log", identity: &["id"], offset: 0 };

fn event<'a>(format: Format, line: &'a str) -> Option<Event<'a>> {
    match Reader::new(Spec::from(format), Rules::all()).line(line.as_bytes(), &PLACE) {
        Ok(Line::Event(event)) => Some(*event),
        _ => None,
    }
}

fn record(event: &Event<'_>) -> Value {
    let tenant = event.tenant.as_deref().map_or(Tenant::Local, |claim| Tenant::claimed(claim).unwrap());
    let draft = Builder::new(false).draft(event, &tenant, &mut Scratch::default());
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1_800_000_000_000_000_000), &mut line);
    serde_json::from_slice(&line).unwrap()
}

/// What both records say.
const COMMON: [&str; 15] = [
    "/action/type",
    "/action/category",
    "/action/authorization/scope",
    "/action/tool",
    "/action/input/hash",
    "/outcome/status",
    "/outcome/summary",
    "/severity",
    "/agent/id",
    "/agent/name",
    "/session_id",
    "/subject/id",
    "/source/adapter",
    "/source/via",
    "/source/capture",
];

fn assert_same(ours: &Value, theirs: &Value, what: &str, apart: &[&str]) {
    // A path of words is no finding here, and LOW to the reference.
    let words = theirs["severity"] == "LOW" && ours["severity"] == "INFO";
    let apart_of = |part: &&&str| apart.contains(*part) || (words && **part == "/severity");
    for part in COMMON.iter().filter(|part| !apart_of(part)) {
        assert_eq!(ours.pointer(part), theirs.pointer(part), "{part} of {what}");
    }
    // Of a request that came off the reference hashes null; here nothing is said of what nobody told.
    if ours["outcome"]["status"] != "ok" && !apart.contains(&"/outcome/hash") {
        assert_eq!(ours["outcome"]["hash"], theirs["outcome"]["hash"], "{what}");
    }
}

fn theirs(rows: &[Value]) -> Vec<Value> {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let answers = reference::ask_python("gateway_rows.py", &[], &lines);
    let records: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), rows.len());
    records
}

/// Rows by the reference's own names.
#[test]
fn a_row_is_recorded_as_the_reference_records_it() {
    let rows = [
        json!({"method": "POST", "path": "/v1/messages", "status": 200, "session_id": "s-1"}),
        json!({"method": "POST", "path": "/v1/messages", "status": "200", "request_id": "r-1", "subject": "acme-corp"}),
        json!({"tool": "issue_refund", "model": "gpt-4o", "status": 500, "session_id": "s-1", "gateway": "edge-1"}),
        json!({"tool": "Bash", "path": "/v1/messages", "status": 404, "session_id": "s-1", "proxy": "edge-2"}),
        json!({"model": "claude-opus-4", "method": "POST", "path": "/v1/messages", "status": 429, "session_id": "s-1"}),
        json!({"model": "gpt-4o", "status": 200, "error": "upstream said no", "session_id": "s-1", "subject": {"id": "acme-corp"}}),
        json!({"model": "gpt-4o", "error": "key sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789 is bad", "session_id": "s-1"}),
        json!({"path": "/openai/deployments/x/chat", "method": "PUT", "status": 503, "session_id": "s-1", "status_code": 200}),
        json!({"status_code": 502, "model": "gpt-4o", "session_id": "s-1"}),
        json!({"method": "GET", "url": "/v1/files", "status": 200, "session_id": "s-1"}),
        json!({"model": "gpt-4o", "status": 401, "session_id": "s-1"}),
        json!({"model": "gpt-4o", "status": 0, "session_id": "s-1"}),
    ];
    for (row, theirs) in rows.iter().zip(theirs(&rows)) {
        let text = row.to_string();
        let ours = record(&event(Format::Json, &text).unwrap());
        // On purpose: a refusal is told from a failure, and a request that was never answered is none that
        // came off. A status by another name is part of the input, and so is a path's model.
        let apart: &[&str] = match &row["status"] {
            status if status == 401 || status == 0 => {
                &["/outcome/status", "/outcome/summary", "/outcome/hash"]
            }
            status if status.is_null() && row["status_code"].is_u64() => &["/action/input/hash"],
            _ if row["path"].as_str().is_some_and(|path| path.contains("deployments")) => {
                &["/action/input/hash", "/action/tool"]
            }
            _ => &[],
        };
        assert_same(&ours, &theirs, &text, apart);
    }
    let denied = record(&event(Format::Json, r#"{"model":"gpt-4o","status":401}"#).unwrap());
    assert_eq!(
        (&denied["outcome"]["status"], &denied["outcome"]["summary"]),
        (&json!("denied"), &json!("gateway status 401"))
    );
}

/// A captured line, read into the row that the reference is then given: the same method, path, model and
/// status come to the same record.
#[test]
fn the_lines_of_every_format_are_the_rows_that_the_reference_understands() {
    let files = [
        ("nginx-json.log", Format::Nginx),
        ("nginx-upstream.log", Format::Nginx),
        ("apache-json.log", Format::Apache),
        ("caddy.log", Format::Caddy),
        ("haproxy.log", Format::Haproxy),
        ("envoy.log", Format::Envoy),
        ("traefik.log", Format::Traefik),
        ("kong.log", Format::Kong),
        ("litellm.log", Format::Litellm),
        ("portkey.log", Format::Portkey),
        ("alb.log", Format::Alb),
    ];
    let (mut rows, mut ours) = (Vec::new(), Vec::new());
    for (name, format) in files {
        let bytes = std::fs::read(crate::support::root().join("adapters/golden/gateway").join(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines() {
            let Some(mut event) = event(format, line) else { continue };
            // Which tenant's it is, and a refusal, are compared above.
            event.tenant = None;
            let mut row = object(&event.input);
            let status = row["status"].clone();
            if matches!(status.as_u64(), Some(0 | 401 | 403))
                || status == "0"
                || row.as_object().unwrap().contains_key("request")
            {
                continue;
            }
            if let Some(session) = &event.session {
                row["session_id"] = json!(session);
            }
            if let Some(error) =
                event.outcome.error_text.as_deref().filter(|text| !text.starts_with("gateway status"))
            {
                row["error"] = json!(error);
            }
            ours.push((record(&event), format!("{name}: {line}")));
            rows.push(row);
        }
    }
    assert!(rows.len() > 80, "{}", rows.len());
    for ((ours, line), theirs) in ours.iter().zip(theirs(&rows)) {
        let mut apart = Vec::new();
        // The reference keeps a path's query in the tool's name, a URL whole, and calls a session "local".
        if theirs["action"]["tool"].as_str().unwrap().contains(['?', '*', ':']) {
            apart.push("/action/tool");
        }
        if theirs["session_id"] == "local" {
            apart.push("/session_id");
        }
        // What looks like a key in a query is a finding here, masked or not.
        if ours["action"]["input"]["summary"].as_str().unwrap().contains('?') {
            apart.push("/severity");
        }
        if ours["agent"]["name"] != "gateway" {
            apart.push("/agent/name");
        }
        assert_same(ours, &theirs, line, &apart);
    }
}

fn object(input: &Content<'_>) -> Value {
    let Content::Value(Json::Object(entries)) = input else { panic!("{input:?}") };
    let value = |json: &Json<'_>| match json {
        Json::Int(int) => json!(int),
        other => json!(other.as_str().unwrap()),
    };
    Value::Object(entries.iter().map(|(key, item)| (key.as_str().unwrap().to_owned(), value(item))).collect())
}
