//! An event as golden files show it.

use halod_record::event::{Action, Content, Event, Fact, Keyed, Origin};
use halod_record::json::Json;
use serde_json::{Map, Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event with what it does not say left out.
pub(crate) fn event_value(event: &Event<'_>) -> Value {
    let Event { agent, outcome, usage, source, .. } = event;
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
    match &event.origin {
        Origin::Span { trace, span, parent, name } => {
            put("span", json!(format!("{}/{} {name}", hex(trace), hex(span))));
            put("parent", json!(parent.as_ref().map(|id| hex(id))));
        }
        Origin::Log { name, identity, .. } => put("log", json!(format!("{name} {identity:?}"))),
        Origin::Keyed(Keyed { space, id, parent }) => {
            put("id", json!(format!("{space}: {}", id.join(" / "))));
            put("parent", json!(parent.as_ref().map(|parent| parent.join(" / "))));
        }
    }
    let facts: Map<_, _> =
        event.facts.iter().map(|(key, fact)| ((*key).to_owned(), fact_value(fact))).collect();
    put("facts", if facts.is_empty() { Value::Null } else { facts.into() });
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
        Action::Access { of, to } => {
            json!({ "kind": "access", "of": of, "to": format!("{to:?}").to_lowercase() })
        }
        Action::Guard { name } => json!({ "kind": "guard", "name": name }),
        Action::Decide { tool, call_id } => {
            present(json!({ "kind": "decide", "tool": tool, "call_id": call_id }))
        }
        Action::Request { tool, model } => {
            present(json!({ "kind": "request", "tool": tool, "model": model }))
        }
        Action::Other { name } => json!({ "kind": "other", "name": name }),
    }
}

fn fact_value(fact: &Fact<'_>) -> Value {
    match fact {
        Fact::Number(number) => json!(number),
        Fact::Flag(flag) => json!(flag),
        Fact::Id(text) | Fact::Label(text) | Fact::Address(text) | Fact::Text(text) => json!(text),
        Fact::Labels(all) => json!(all),
    }
}

/// The members that are not null; null if there is none.
pub(super) fn present(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let members: Map<_, _> = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if members.is_empty() { Value::Null } else { members.into() }
}

/// Absent when undisclosed; disclosed null is told apart.
fn content(content: &Content<'_>) -> Value {
    match content {
        Content::Undisclosed | Content::Digest(_) => Value::Null,
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
