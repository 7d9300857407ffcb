//! Real clients that show a token, each where it has room for one.

use super::*;
use crate::support::clients::{agents, langfuse5, npm, python};
use crate::support::root;

/// What the clients claim, where they claim anything.
const TENANT: &str = "acme-corp";

/// Sends by a client that is given the address and the token, and without one; what is sealed.
fn sent(tenants: &str, least: u64, send: impl Fn(&Halod, &str) -> bool) -> Vec<Value> {
    let place = Place::new();
    let token = place.token("checkout", &["--tenants", tenants]);
    let halod = place.start("");
    let _ = send(&halod, "halod_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(halod.sealed(), 0, "a wrong token lets nothing in");
    assert!(halod.metric("halod_requests_total", "unauthenticated") > 0);
    assert!(send(&halod, &token), "{}", halod.log());
    await_sealed(&halod, least);
    assert!(halod.terminate().success());
    let records: Vec<Value> = files(&place.records()).iter().flat_map(|file| records(file)).collect();
    for record in &records {
        assert_eq!(record["principal"]["service_account"], "checkout", "{record}");
    }
    assert_verified(&place.records());
    records
}

fn by_environment(protocol: &str) {
    let records = sent(TENANT, 1, |halod, token| {
        let to = if protocol == "grpc" { halod.grpc } else { halod.http };
        let mut command = python().script(&root().join("tests/clients/by_environment.py"), &[protocol]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{to}"));
        command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{token}"));
        command.output().unwrap().status.success()
    });
    assert_eq!(records.len(), 1);
}

#[test]
fn opentelemetry_for_python_over_grpc() {
    by_environment("grpc");
}

#[test]
fn opentelemetry_for_python_over_http() {
    by_environment("http");
}

#[test]
fn langfuse_with_the_token_as_secret_key() {
    let records = sent(TENANT, 4, |halod, token| {
        let script = root().join("tests/clients/langfuse_v5.py");
        let mut command = langfuse5().script(&script, &[]);
        let host = format!("http://{}", halod.http);
        command.env("LANGFUSE_HOST", &host).env("LANGFUSE_BASE_URL", &host).env("SECRET", token);
        command.output().unwrap().status.success()
    });
    assert!(records.iter().any(|record| record["action"]["tool"] == "model.generate"), "{records:?}");
}

#[test]
fn langsmith_with_the_token_as_api_key() {
    let records = sent(TENANT, 2, |halod, token| {
        let api = crate::support::api::Api::start();
        let mut command = agents().script(&root().join("tests/clients/langsmith_agent.py"), &["invoke"]);
        command
            .env("LANGSMITH_TRACING", "true")
            .env("LANGSMITH_ENDPOINT", format!("http://{}", halod.http))
            .env("LANGSMITH_API_KEY", token)
            .env("OPENAI_BASE_URL", &api.url)
            .env("OPENAI_API_KEY", "sk-FAKE");
        command.output().unwrap().status.success()
    });
    assert!(records.iter().any(|record| record["source"]["adapter"] == "langsmith"), "{records:?}");
}

#[test]
fn opentelemetry_for_node() {
    let records = sent("node-*", 100, |halod, token| {
        let script = root().join("tests/clients/node_sender.mjs");
        let header = format!("authorization=Bearer%20{token}");
        let run = || {
            npm().run(&script, &[halod.http.to_string().into()], &[("OTEL_EXPORTER_OTLP_HEADERS", &header)])
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_ok()
    });
    assert!(records.len() >= 100);
}
