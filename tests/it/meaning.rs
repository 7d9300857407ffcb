//! What senders told, sent to a real halod, and what the chain says of it: what it was, how it ended, what its
//! numbers count.

use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use serde_json::{Value, json};

/// An attribute: a text, a number, a truth value, or a structure in text.
fn attribute((key, value): (&str, Value)) -> Value {
    let value = match value {
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    };
    json!({ "key": key, "value": value })
}

struct Sender {
    halod: Halod,
    dir: tempfile::TempDir,
    spans: u64,
}

impl Sender {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { halod: Halod::start(dir.path()), dir, spans: 0 }
    }

    /// Sends a span by itself, of a trace of its own; what is in `more` replaces what a span has anyway.
    fn span(&mut self, scope: &str, name: &str, attributes: &[(&str, Value)], more: &Value) -> u16 {
        self.spans += 1;
        let mut span = json!({
            "traceId": format!("{:032x}", self.spans), "spanId": format!("{:016x}", self.spans), "name": name,
            "startTimeUnixNano": "1795400000001000000", "endTimeUnixNano": "1795400000006000000",
            "attributes": attributes.iter().cloned().map(attribute).collect::<Vec<_>>(),
        });
        for (key, value) in more.as_object().unwrap() {
            span[key] = value.clone();
        }
        let body = json!({"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": [span]}]}]});
        self.post("/v1/traces", body.to_string().as_bytes())
    }

    fn post(&self, path: &str, body: &[u8]) -> u16 {
        self.halod.connect().post(path, &[("content-type", JSON)], body).unwrap().status
    }

    /// The records, once halod has ended and the reference has found nothing wrong with them.
    fn records(self) -> Vec<Value> {
        assert!(self.halod.terminate().success());
        assert_verified(self.dir.path());
        // halod's own notices tell of what was rejected.
        let mut all = of_tenant(self.dir.path(), None);
        all.retain(|record| record["source"]["adapter"] == "otel");
        all
    }
}

/// `(action.type, action.tool, outcome.status or data.outcome)` of each record.
fn shown(records: &[Value]) -> Vec<(&str, &str, &str)> {
    records
        .iter()
        .map(|record| {
            let status = record["outcome"]["status"].as_str().or(record["data"]["outcome"].as_str());
            let action = &record["action"];
            (action["type"].as_str().unwrap(), action["tool"].as_str().unwrap(), status.unwrap_or("-"))
        })
        .collect()
}

#[test]
fn what_is_not_known_is_sealed_as_an_activity_and_calls_as_calls() {
    let mut sender = Sender::start();
    let none = json!({});
    for (scope, name, attributes) in [
        ("codex_exec", "get_model_info", vec![("model", json!("gpt-5-codex"))]),
        ("my.scope", "warm_up", vec![("app.model", json!("m-1")), ("app.prompt", json!("hello"))]),
        ("opencode", "Tool.execute", vec![("tool.name", json!("bash"))]),
        ("my.scope", "find_item", vec![("gen_ai.tool.call.arguments", json!({ "sku": "A1" }))]),
        (
            "my.scope",
            "ask",
            vec![("gen_ai.request.model", json!("m")), ("gen_ai.usage.input_tokens", json!(25))],
        ),
        ("my.scope", "ask", vec![("gen_ai.usage.input_tokens", json!(25))]),
        ("gcp.vertex.agent", "execute_tool pay", vec![]),
    ] {
        assert_eq!(sender.span(scope, name, &attributes, &none), 200, "{name}");
    }
    let records = sender.records();
    assert_eq!(
        shown(&records),
        [
            ("agent_message", "agent.activity", "ok"),
            ("tool_call", "bash", "ok"),
            ("tool_call", "find_item", "ok"),
            ("tool_call", "model.generate", "ok"),
            ("agent_message", "agent.step", "ok"),
            ("tool_call", "pay", "ok"),
        ]
    );
    let activity = &records[0]["data"];
    let said = (&activity["span_name"], &activity["instrumentation_scope"]);
    assert_eq!(said, (&json!("warm_up"), &json!("my.scope")));
    assert_eq!(
        (&activity["unmapped"], &activity["undisclosed"]),
        (&json!(["app.model", "app.prompt"]), &Value::Null)
    );
    assert_eq!(
        (&records[4]["data"]["sum_input_tokens"], &records[4]["data"]["input_tokens"]),
        (&json!(25), &Value::Null)
    );
    assert!(records.iter().all(|record| record["source"]["mapping"] == "3"));
}

#[test]
fn an_end_is_what_was_told_of_it() {
    let mut sender = Sender::start();
    let tool = ("gen_ai.tool.name", json!("pay"));
    let result = |value: Value| vec![tool.clone(), ("gen_ai.tool.call.result", value)];
    let none = json!({});
    let open = json!({ "endTimeUnixNano": "0" });
    sender.span("lib", "x", &result(json!({ "success": false, "message": "card refused" })), &none);
    sender.span("lib", "x", &result(json!({ "success": true })), &none);
    sender.span("lib", "x", std::slice::from_ref(&tool), &open);
    sender.span(
        "lib",
        "x",
        std::slice::from_ref(&tool),
        &json!({ "endTimeUnixNano": "0", "status": { "code": 2 } }),
    );
    let bash = [("span.type", json!("tool")), ("gen_ai.tool.name", json!("Bash"))];
    sender.span("com.anthropic.claude_code.tracing", "claude_code.tool", &bash, &none);
    let failed = json!({ "status": { "code": 2, "message": "RuntimeError: card refused" } });
    sender.span("gcp.vertex.agent", "execute_tool refund", &[], &failed);
    let records = sender.records();
    assert_eq!(
        shown(&records),
        [
            ("tool_call", "pay", "error"),
            ("tool_call", "pay", "ok"),
            ("tool_call", "pay", "unfinished"),
            ("tool_call", "pay", "error"),
            ("tool_call", "Bash", "unknown"),
            ("tool_call", "refund", "error"),
        ]
    );
    assert_eq!(records[0]["outcome"]["summary"], "card refused");
    assert_eq!(records[2]["outcome"], json!({}), "nothing is said of what is not known");
}

#[test]
fn one_call_counts_alike_whoever_tells_of_it() {
    let mut sender = Sender::start();
    let none = json!({});
    let usage = json!({ "input": 86, "output": 5, "input_cached_tokens": 17_817 });
    for attributes in [
        vec![
            ("gen_ai.operation.name", json!("chat")),
            ("gen_ai.usage.input_tokens", json!(17_903)),
            ("gen_ai.usage.cache_read.input_tokens", json!(17_817)),
        ],
        vec![
            ("langfuse.observation.type", json!("generation")),
            ("gen_ai.usage.input_tokens", json!(1)),
            ("langfuse.observation.usage_details", usage),
        ],
        vec![
            ("openinference.span.kind", json!("LLM")),
            ("llm.token_count.prompt", json!(17_903)),
            ("llm.token_count.prompt_details.cache_read", json!(17_817)),
        ],
    ] {
        sender.span("lib", "x", &attributes, &none);
    }
    let own = [
        ("span.type", json!("llm_request")),
        ("input_tokens", json!(86)),
        ("cache_read_tokens", json!(17_817)),
    ];
    sender.span("lib", "claude_code.llm_request", &own, &none);
    let records = sender.records();
    assert_eq!(records.len(), 4);
    for record in &records {
        let data = &record["data"];
        assert_eq!(
            (&data["input_tokens"], &data["cache_read_tokens"]),
            (&json!(17_903), &json!(17_817)),
            "{record}"
        );
    }
}

#[test]
fn a_bad_value_costs_itself_only() {
    let mut sender = Sender::start();
    let chat = [("gen_ai.operation.name", json!("chat"))];
    let nested = |levels: usize| {
        (0..levels).fold(
            json!({ "intValue": "1" }),
            |value, _| json!({ "kvlistValue": { "values": [{ "key": "k", "value": value }] } }),
        )
    };
    // A request of which nothing can be used is no success.
    for (levels, status, sealed) in [(30, 200, 1), (64, 200, 2), (66, 400, 2)] {
        let attributes = json!([attribute(chat[0].clone()), { "key": "x.deep", "value": nested(levels) }]);
        assert_eq!(sender.span("lib", "deep", &[], &json!({ "attributes": attributes })), status, "{levels}");
        assert_eq!(sender.halod.sealed(), sealed, "{levels}");
    }
    let span = |id: u8, text: &str| {
        format!(
            r#"{{"traceId":"0123456789abcdef0123456789abcdef","spanId":"00000000000001{id:02x}","name":"chat","endTimeUnixNano":"5","attributes":[
            {{"key":"gen_ai.operation.name","value":{{"stringValue":"chat"}}}},{{"key":"gen_ai.output.messages","value":{text}}}]}}"#
        )
    };
    let spans = [
        span(1, r#"{"stringValue":"nice \ud83d"}"#),
        span(2, r#"{"stringValue":7}"#),
        span(3, r#"{"stringValue":"\ude00 \u0041"}"#),
    ];
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","));
    let answer =
        sender.halod.connect().post("/v1/traces", &[("content-type", JSON)], body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["partialSuccess"]["rejectedSpans"], "1", "{said}");
    assert!(said["partialSuccess"]["errorMessage"].as_str().unwrap().contains("spans[1]"), "{said}");
    // Of what is not known nothing is read, which is legal, and said.
    assert_eq!(sender.post("/v1/traces", b"{}"), 200);
    assert!(!sender.halod.log().contains("nothing of it was read"));
    assert_eq!(sender.post("/v1/traces", br#"{"resource_spans":[{}]}"#), 200);
    assert_eq!(sender.post("/v1/logs", br#"{"timestamp":1,"body":"x"}"#), 200);
    sender.halod.await_log("nothing of it was read");
    let records = sender.records();
    assert_eq!(records.len(), 4);
    assert!(records[2]["outcome"]["summary"].as_str().unwrap().contains("nice \u{fffd}"), "{}", records[2]);
}
