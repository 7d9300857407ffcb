//! The fuzz targets of the adapters on a stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/fuzz/exercise.rs"]
mod exercise;
#[path = "../fuzz/gateway.rs"]
mod gateway;
#[path = "../fuzz/hook.rs"]
mod hook;
#[path = "../fuzz/items.rs"]
mod items;
#[path = "../fuzz/langfuse.rs"]
mod langfuse;
#[path = "../fuzz/langsmith.rs"]
mod langsmith;
#[path = "../fuzz/otel.rs"]
mod otel;
#[path = "../fuzz/transcript.rs"]
mod transcript;

const PROTOBUF: &str = "tests/fuzz/seeds/otlp_protobuf";
const JSON: &str = "tests/fuzz/seeds/otlp_json";
const SPANS: &str = "adapters/golden/otel";
const LOGS: &str = "adapters/golden/otel_logs";

fn holds(target: fn(&[u8]), directories: &[&str]) {
    exercise::exercise(directories, 3_000, |data| {
        target(data);
        0
    });
}

#[test]
fn otlp_protobuf() {
    holds(otel::otlp_protobuf, &[PROTOBUF, SPANS, LOGS]);
}

#[test]
fn otlp_json() {
    holds(otel::otlp_json, &[JSON, SPANS, LOGS]);
}

#[test]
fn otel_event() {
    holds(otel::otel_event, &["tests/fuzz/seeds/otel_event", PROTOBUF, JSON, SPANS]);
}

#[test]
fn otel_log() {
    holds(otel::otel_log, &[PROTOBUF, JSON, LOGS]);
}

#[test]
fn langfuse_events() {
    holds(langfuse::langfuse, &["adapters/golden/langfuse"]);
}

#[test]
fn litellm() {
    holds(items::litellm, &["adapters/golden/litellm"]);
}

#[test]
fn openai_agents() {
    holds(items::openai_agents, &["adapters/golden/openai_agents"]);
}

#[test]
fn langsmith_runs() {
    holds(langsmith::langsmith, &["tests/fuzz/seeds/langsmith", "adapters/golden/langsmith"]);
}

#[test]
fn gateway_text() {
    holds(gateway::text, &["adapters/golden/gateway"]);
}

#[test]
fn gateway_json() {
    holds(gateway::json, &["adapters/golden/gateway"]);
}

#[test]
fn transcripts() {
    let seeds = ["tests/fuzz/seeds/transcript"];
    assert_eq!(exercise::exercise(&seeds, 3_000, transcript::transcript), 28);
}

#[test]
fn hooks() {
    assert_eq!(exercise::exercise(&["tests/fuzz/seeds/hook"], 5_000, hook::hook), 21);
}
