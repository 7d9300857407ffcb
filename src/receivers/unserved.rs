//! Requests at paths where nothing is received: what the sender most likely meant, for the answer and for the log.

use crate::net::peer::Peer;
use crate::pipeline::quiet::Rationed;
use halod_record::redact::Redactor;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Lines in a minute, over all senders: whoever makes up paths fills no log.
const LINES: u32 = 20;

/// Bytes of a path that the log shows.
const SHOWN: usize = 128;

const OTLP: [&str; 3] = ["/v1/traces", "/v1/logs", "/v1/metrics"];

const PATHS: &str = "OTLP goes to /v1/traces, /v1/logs and /v1/metrics, records to /v1/records, LiteLLM's to /litellm; the SDKs of Langfuse, LangSmith \
     and OpenAI Agents are given halod's address";
const METHODS: &str = "the gRPC methods are Export of OTLP's trace, logs and metrics services, and Write of halo.ingest.v1.RecordService";
const TWICE: &str = "the address has OTLP's path twice: OTEL_EXPORTER_OTLP_ENDPOINT is without a path, as http://halod:4318, and \
     OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is with /v1/traces";
const BEFORE: &str =
    "OTLP's paths are /v1/traces, /v1/logs and /v1/metrics, with nothing before them and single slashes";

/// Words in a path, and what is said then. The first that fits is said.
const MEANT: &[(&[&str], &str)] = &[
    (
        &["service/", "/halo.ingest", "/grpc."],
        "this is a gRPC method, which is called over HTTP/2 as application/grpc; OTLP/HTTP goes to /v1/traces, /v1/logs and \
         /v1/metrics",
    ),
    (
        &["/api/public", "/ingestion", "langfuse"],
        "Langfuse's SDKs are given halod's address without a path (LANGFUSE_HOST, LANGFUSE_BASE_URL), and ask below \
         /api/public/ by themselves",
    ),
    (
        &["/chat/completions", "/responses", "/messages", "/completions", "/embeddings"],
        "halod answers no model calls: point tracing here, and the model's base URL at the provider",
    ),
    (
        &["langsmith", "/runs", "/feedback", "/sessions"],
        "LangSmith's SDKs are given halod's address, or it with /langsmith (LANGSMITH_ENDPOINT)",
    ),
    (&["litellm"], "LiteLLM's callback goes to /litellm (GENERIC_LOGGER_ENDPOINT)"),
    (&["/record"], "records go to /v1/records"),
    (&["/spans", "/api/traces"], "the formats of Zipkin and Jaeger are not read; OTLP goes to /v1/traces"),
    (&["/trace", "/span"], "OTLP's traces go to /v1/traces"),
    (&["/log"], "OTLP's logs go to /v1/logs"),
    (
        &["/health", "/ready", "/live", "/status", "/metric"],
        "health, status and Prometheus' metrics are at the admin port",
    ),
];

/// What a sender is told at a path where nothing is received.
#[must_use]
pub(super) fn hint(path: &str, grpc: bool) -> &'static str {
    let path = lean(path);
    if grpc {
        let http = OTLP.iter().any(|known| path.ends_with(known));
        let said = "OTLP/HTTP is received here, as application/x-protobuf or application/json; application/grpc is for gRPC's own methods";
        return if http { said } else { METHODS };
    }
    if path == "/v1/metric" {
        return "OTLP's metrics go to /v1/metrics";
    }
    if OTLP.iter().any(|known| path.ends_with(known)) {
        let versions = path.matches("/v1/").count();
        return if versions > 1 { TWICE } else { BEFORE };
    }
    let fits = |(words, _): &&(&[&str], &str)| words.iter().any(|word| path.contains(word));
    MEANT.iter().find(fits).map_or(PATHS, |(_, said)| said)
}

/// What is said where an SDK was given an address that ends with its own path.
#[must_use]
pub(super) fn doubled(path: &str, own: &str) -> Option<&'static str> {
    (lean(path).matches(own).count() > 1).then(|| hint(path, false))
}

/// The path in small letters, with single slashes and none at its end.
fn lean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| format!("/{}", part.to_ascii_lowercase())).collect()
}

/// What the log was told of such requests at one door.
#[derive(Debug)]
pub(super) struct Unserved {
    told: Mutex<Rationed>,
    /// Made when the first line is.
    redactor: OnceLock<Redactor>,
}

impl Default for Unserved {
    fn default() -> Self {
        Self { told: Mutex::new(Rationed::new(LINES)), redactor: OnceLock::new() }
    }
}

impl Unserved {
    /// Logs a request and what its sender is told, once a minute for each path.
    pub(super) fn tell(&self, path: &str, said: &'static str, peer: Option<Peer>) {
        let path = cleaned(path);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).say(&path, |left_out| {
            let path = self.redactor.get_or_init(Redactor::new).text(&path);
            let peer = peer.map(Peer::name).unwrap_or_default();
            tracing::warn!(%path, peer, left_out, "nothing is received at this path: {said}");
        });
    }
}

/// What may stand in a log of what a sender wrote.
fn cleaned(path: &str) -> String {
    let shown = path.get(..path.floor_char_boundary(SHOWN)).unwrap_or_default();
    let mut cleaned: String = shown.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    if shown.len() < path.len() {
        cleaned.push_str("...");
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_likely_path_is_named() {
        for (path, said) in [
            ("/", PATHS),
            ("", PATHS),
            ("/nothing", PATHS),
            ("/v1/traces/v1/traces", TWICE),
            ("/v1/traces/v1/logs/", TWICE),
            ("//v1/traces", BEFORE),
            ("/v1/traces/", BEFORE),
            ("/otlp/v1/Traces", BEFORE),
            ("/v1/trace", "OTLP's traces go to /v1/traces"),
            ("/traces", "OTLP's traces go to /v1/traces"),
            ("/v1/log", "OTLP's logs go to /v1/logs"),
            ("/v1/metric", "OTLP's metrics go to /v1/metrics"),
            ("/v1/record", "records go to /v1/records"),
        ] {
            assert_eq!(hint(path, false), said, "{path}");
        }
        for (path, word) in [
            ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc"),
            ("/api/public", "LANGFUSE_HOST"),
            ("/ingestion", "LANGFUSE_HOST"),
            ("/api/v2/runs", "LANGSMITH_ENDPOINT"),
            ("/litellm/callback", "to /litellm"),
            ("/v1/chat/completions", "no model calls"),
            ("/readyz", "admin port"),
            ("/metrics", "admin port"),
            ("/api/v2/spans", "Zipkin"),
        ] {
            assert!(hint(path, false).contains(word), "{path}: {}", hint(path, false));
        }
        assert!(hint("/v1/traces", true).contains("application/x-protobuf"));
        assert_eq!(hint("/a.B/C", true), METHODS);
        assert!(
            doubled("/api/public/api/public/ingestion", "/api/public")
                .is_some_and(|said| said.contains("LANGFUSE_HOST"))
        );
        assert_eq!(doubled("/api/public/prompts", "/api/public"), None);
    }

    #[test]
    fn what_is_logged_of_a_path_is_short_and_clean() {
        assert_eq!(cleaned("/a\u{1b}[31mé\n"), "/a?[31m??");
        assert_eq!(cleaned(&"é".repeat(100)).len(), 64 + 3);
    }
}
