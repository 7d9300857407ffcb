//! A call that passed the proxy, and that others tell of as well, is one action.

use super::{Peer, wait_for};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::{Halod, halod_verify};
use serde_json::json;

#[test]
fn a_span_of_the_same_call_is_a_corroboration() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut peer = Peer::of(dir.path());
    peer.greet();
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    peer.ask(
        1,
        "tools/call",
        &json!({"name": "pay", "arguments": {"n": 1}, "_meta": {"traceparent": format!("00-{trace}-{span}-01")}}),
    );
    peer.end();
    let records = wait_for(dir.path(), 3);
    let call = records.iter().find(|record| record["action"]["tool"] == "mcp__acme__pay").unwrap();
    // As the client's own instrumentation tells it, later.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let body = json!({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "client"}, "spans": [{
        "traceId": trace, "spanId": span, "name": "tools/call pay", "kind": 3,
        "startTimeUnixNano": (now - 1_000_000_000).to_string(), "endTimeUnixNano": now.to_string(),
        "attributes": [text("mcp.method.name", "tools/call"), text("gen_ai.tool.name", "pay"),
            text("gen_ai.tool.call.arguments", "{\"n\": 1}")],
    }]}]}]});
    let answer = halod
        .connect()
        .post("/v1/traces", &[("content-type", "application/json")], body.to_string().as_bytes())
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = of_tenant(dir.path(), None);
    let other = all.iter().find(|record| record["source"]["adapter"] == "otel").unwrap();
    let tool = other["action"]["tool"].as_str().unwrap();
    assert!(tool.starts_with("corroborates:") && tool.ends_with("pay"), "{other}");
    assert_eq!(other["data"]["corroborates"], call["record_id"]);
    // Both hash the arguments, however each has them.
    assert_eq!(other["action"]["input"], call["action"]["input"]);
    let calls = all.iter().filter(|record| record["action"]["type"] != "agent_message").count();
    assert_eq!(calls, 1);
    halod.terminate();
    halod_verify(dir.path());
    assert_verified(dir.path());
}

#[test]
fn a_hook_of_the_same_call_is_a_corroboration() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut peer = Peer::of(dir.path());
    peer.greet();
    let meta = json!({"claudecode/toolUseId": "toolu_1a", "claudecode/sessionId": "79801370-a84c-4470-8d3a-1cad2589fef0"});
    peer.ask(1, "tools/call", &json!({"name": "pay", "arguments": {"n": 1}, "_meta": meta}));
    let event = json!({
        "session_id": "79801370-a84c-4470-8d3a-1cad2589fef0", "prompt_id": "4f718b32-781e-4983-9a2c-58dd266e6495",
        "hook_event_name": "PostToolUse", "tool_name": "mcp__acme__pay", "tool_input": {"n": 1},
        "tool_response": [{"type": "text", "text": "pay"}], "tool_use_id": "toolu_1a", "duration_ms": 3,
    });
    let mut hook = std::process::Command::new(crate::support::halod::BINARY);
    hook.args(["hook", "--strict", "--dir"]).arg(dir.path()).env_remove("HALOD_SUBJECT");
    let mut hook = hook.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut hook.stdin.take().unwrap(), event.to_string().as_bytes()).unwrap();
    assert!(hook.wait().unwrap().success());
    peer.end();
    wait_for(dir.path(), 3);
    let all = of_tenant(dir.path(), None);
    let calls: Vec<_> = all.iter().filter(|record| record["action"]["type"] != "agent_message").collect();
    assert_eq!(calls.len(), 1, "{all:?}");
    assert!(all.iter().any(|record| record["data"]["corroborates"] == calls[0]["record_id"]));
    halod.terminate();
    halod_verify(dir.path());
}
