//! Real clients that show a token, each where it has room for one.

use super::*;
use crate::support::api::Api;
use crate::support::certificates::{Authority, Pair};
use crate::support::clients::{agents, langfuse5, litellm, npm, python, text_of};
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
        let api = Api::start();
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

#[test]
fn litellm_by_its_headers() {
    let records = sent(TENANT, 2, |halod, token| {
        let api = Api::start();
        let mut command =
            litellm().script(&root().join("tests/clients/litellm_library.py"), &["generic_api"]);
        command
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("GENERIC_LOGGER_ENDPOINT", format!("http://{}/litellm", halod.http))
            .env("GENERIC_LOGGER_HEADERS", format!("Authorization=Bearer {token}"))
            .env("DEFAULT_FLUSH_INTERVAL_SECONDS", "3600")
            .env("OPENAI_BASE_URL", &api.url)
            .env("OPENAI_API_KEY", "sk-FAKE");
        command.output().unwrap().status.success()
    });
    assert!(records.iter().all(|record| record["source"]["adapter"] == "litellm"), "{records:?}");
}

#[test]
fn the_agents_sdk_by_its_tracing_key() {
    let records = sent(TENANT, 2, |halod, token| {
        let api = Api::start();
        let endpoint = format!("http://{}/v1/traces/ingest", halod.http);
        let script = root().join("tests/clients/openai_agents_traces.py");
        let mut command = agents().script(&script, &[&endpoint]);
        command.env("OPENAI_BASE_URL", &api.url).env("OPENAI_API_KEY", "sk-FAKE").env("TRACING_KEY", token);
        command.output().unwrap().status.success()
    });
    assert!(records.iter().any(|record| record["action"]["tool"] == "model.generate"), "{records:?}");
}

/// Its library has a socket where others have a host.
#[test]
fn grpcio_over_a_unix_socket_by_its_user() {
    let place = Place::new();
    let uid = rustix::process::geteuid().as_raw();
    place.identities(&format!("me uid={uid} tenants=acme\n"));
    let socket = place.path("grpc.sock");
    let halod = place.start_with("", &["--grpc", &format!("unix:{}", socket.display())]);
    let script = root().join("tests/clients/unix_sender.py");
    text_of(python().script(&script, &[socket.to_str().unwrap()]).output().unwrap(), "unix_sender.py");
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    assert_eq!((records.len(), &records[0]["principal"]["service_account"]), (2, &json!("me")));
}

/// Over TLS, by the certificate alone: the SPIFFE id in it, or the name of its subject.
#[test]
fn an_exporter_by_its_certificate() {
    let place = Place::new();
    let [authority, clients] = ["authority", "clients"].map(|name| Authority::new(place.dir.path(), name));
    let lines =
        "fleet spiffe=spiffe://acme/age* tenants=acme\nproxy subject=\"CN=proxy,O=Acme\" tenants=acme\n";
    place.identities(lines);
    let asks = format!(", client_ca_file: {}", clients.own.certificate.display());
    let tls = authority.server("server", 30).section(&asks);
    let doors = format!("grpc: {{ tls: {tls} }}, http: {{ tls: {tls} }}");
    let halod = place.start(&format!("receivers: {{ otlp: {{ protocols: {{ {doors} }} }} }}\n"));
    let export = |shows: &Pair, protocol: &str| {
        let door = if protocol == "grpc" { halod.grpc } else { halod.http };
        let mut client = python().script(&root().join("tests/clients/by_environment.py"), &[protocol]);
        client
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", door.port()))
            .env("OTEL_EXPORTER_OTLP_CERTIFICATE", &authority.own.certificate)
            .env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &shows.certificate)
            .env("OTEL_EXPORTER_OTLP_CLIENT_KEY", &shows.key)
            .env_remove("REQUESTS_CA_BUNDLE")
            .env_remove("CURL_CA_BUNDLE");
        client.output().unwrap()
    };
    // The authority vouches for others too, and they are nobody's.
    let [agent, proxy, other] = ["agent", "proxy", "stranger"].map(|name| clients.client(name));
    for (known, protocol) in [(&agent, "grpc"), (&proxy, "http")] {
        text_of(export(known, protocol), protocol);
        export(&other, protocol);
    }
    assert_eq!(halod.sealed(), 2);
    assert_eq!(halod.metric("halod_requests_total", "unauthenticated"), 2);
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    let by: Vec<&Value> = records.iter().map(|record| &record["principal"]["service_account"]).collect();
    assert_eq!(by, ["fleet", "proxy"]);
}
