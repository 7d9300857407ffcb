//! Golden files: `golden/otel/<case>.{pb,json}` is a traces request, `<case>.events.json` is what
//! the adapter makes of it; `UPDATE_EXPECT=1 cargo test -p halo-adapters` rewrites the latter.
//!
//! The `.pb` files, `vercel-json`, `claude-code` and `gemini-cli` are what real clients sent, without
//! the prompts and definitions that frameworks repeat on every span. The other requests are written
//! from the sources of the projects that they are named after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use halo_adapters::event::{Action, Content, Event, Origin};
use halo_adapters::json::Json;
use halo_adapters::otel;
use halo_adapters::otlp::model::Traces;
use halo_adapters::otlp::{json, protobuf};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/otel")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> =
        entries.filter(|path| !path.to_string_lossy().ends_with(".events.json")).collect();
    cases.sort();
    cases
}

fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Traces<'a> {
    let decoded = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pb") => protobuf::traces(bytes),
        _ => json::traces(bytes),
    };
    decoded.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn events_are_as_recorded() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut stale = Vec::new();
    for path in cases() {
        let bytes = fs::read(&path).unwrap();
        let mut text = serde_json::to_string_pretty(&report(&decode(&path, &bytes))).unwrap();
        text.push('\n');
        let expected = path.with_extension("events.json");
        if fs::read_to_string(&expected).unwrap_or_default() != text {
            if update {
                fs::write(&expected, text).unwrap();
            } else {
                stale.push(expected.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert!(stale.is_empty(), "these differ; UPDATE_EXPECT=1 rewrites them, git diff shows how: {stale:?}");
}

fn report(traces: &Traces<'_>) -> Value {
    let (mut events, mut filtered) = (Vec::new(), Vec::new());
    for resource in &traces.resource_spans {
        let context = otel::Resource::new(&resource.resource);
        for span in resource.scopes.iter().flat_map(|scope| &scope.spans) {
            let event = otel::event(&context, span);
            let explained = otel::explain(&context, span).event;
            assert_eq!(explained.as_ref().map(event_value), event.as_ref().map(event_value), "{}", span.name);
            match event {
                Some(event) => events.push(event_value(&event)),
                None => filtered.push(Value::from(span.name.as_ref())),
            }
        }
    }
    let mut report = Map::new();
    if traces.rejected.items > 0 {
        let first = traces.rejected.first_reason.as_deref();
        report.insert("rejected".into(), json!({ "spans": traces.rejected.items, "first_reason": first }));
    }
    report.insert("filtered".into(), filtered.into());
    report.insert("events".into(), events.into());
    report.into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event with what it does not say left out.
fn event_value(event: &Event<'_>) -> Value {
    let Event { agent, outcome, usage, source, .. } = event;
    let Origin::Span { trace, span, parent, name } = &event.origin else { panic!("not of a span") };
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            out.insert(key.into(), value);
        }
    };
    put("action", action(&event.action));
    put("status", format!("{:?}", outcome.status).to_lowercase().into());
    put("error_type", json!(outcome.error_type));
    put("error_text", json!(outcome.error_text));
    put("input", content(&event.input));
    put("result", content(&outcome.result));
    put(
        "authorization",
        json!(event.authorization.as_ref().map(|a| format!("{:?} by {:?}", a.decision, a.approver))),
    );
    put("agent", present(json!({ "id": agent.id, "name": agent.name, "version": agent.version })));
    put("session", json!(event.session));
    put("principal", json!(event.principal));
    put("tenant", json!(event.tenant));
    put(
        "usage",
        present(json!({
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "finish_reason": usage.finish_reason,
            "response_id": usage.response_id,
        })),
    );
    put("started", json!(event.started));
    put("ended", json!(event.ended));
    put("span", json!(format!("{}/{} {name}", hex(trace), hex(span))));
    put("parent", json!(parent.as_ref().map(|id| hex(id))));
    put("source", format!("{} {} {}", source.adapter, source.dialect, source.mapping).into());
    put("dropped", if event.dropped == 0 { Value::Null } else { event.dropped.into() });
    out.into()
}

fn action(action: &Action<'_>) -> Value {
    match action {
        Action::Generate { provider, model } => {
            present(json!({ "kind": "generate", "provider": provider, "model": model }))
        }
        Action::Embed { provider, model } => {
            present(json!({ "kind": "embed", "provider": provider, "model": model }))
        }
        Action::Tool { name, mcp_server, call_id } => {
            present(json!({ "kind": "tool", "name": name, "mcp_server": mcp_server, "call_id": call_id }))
        }
        Action::Retrieve { name } => json!({ "kind": "retrieve", "name": name }),
        Action::Boundary { verb } => json!({ "kind": "boundary", "verb": verb }),
        Action::Guard { name } => json!({ "kind": "guard", "name": name }),
        Action::Decide { tool, call_id } => {
            present(json!({ "kind": "decide", "tool": tool, "call_id": call_id }))
        }
        Action::Other { name } => json!({ "kind": "other", "name": name }),
    }
}

/// The members that are not null; null if there is none.
fn present(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let members: Map<_, _> = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if members.is_empty() { Value::Null } else { members.into() }
}

/// Absent when undisclosed; disclosed null is told apart.
fn content(content: &Content<'_>) -> Value {
    match content {
        Content::Undisclosed => Value::Null,
        Content::Value(Json::Null) => "disclosed: null".into(),
        Content::Value(json) => value(json),
    }
}

fn value(json: &Json<'_>) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => (*bool).into(),
        Json::Int(int) => (*int).into(),
        Json::BigInt(digits) => format!("integer {digits}").into(),
        Json::Float(float) if float.is_finite() => (*float).into(),
        Json::Float(float) => format!("float {float}").into(),
        Json::Str(text) => text.to_lossy().into(),
        Json::Array(items) => items.iter().map(value).collect(),
        Json::Object(entries) => {
            let members = entries.iter().map(|(key, item)| (key.to_lossy().into_owned(), value(item)));
            Value::Object(members.collect())
        }
    }
}
