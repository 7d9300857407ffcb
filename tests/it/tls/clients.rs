//! Real exporters with TLS and a certificate of their own, as their environment variables set it.

use super::start;
use crate::support::certificates::{Authority, Pair};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::{npm, python, text_of};
use crate::support::halod::Halod;
use crate::support::root;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What an operator sets; `trusts` is the authority's file.
fn environment(door: SocketAddr, trusts: &Pair, shows: &Pair) -> [(&'static str, String); 4] {
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{}", door.port())),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", text(&trusts.certificate)),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", text(&shows.certificate)),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", text(&shows.key)),
    ]
}

#[test]
fn exporters_show_their_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let [authority, clients] = ["authority", "clients"].map(|name| Authority::new(dir.path(), name));
    let asks = format!(", client_ca_file: {}", clients.own.certificate.display());
    let (halod, records): (Halod, _) = start(dir.path(), &authority.server("server", 30).section(&asks));
    let known = clients.client("agent");
    let script = root().join("tests/clients/by_environment.py");
    for (protocol, door) in [("grpc", halod.grpc), ("http", halod.http)] {
        let mut client = python().script(&script, &[protocol]);
        client.envs(environment(door, &authority.own, &known));
        // `requests` prefers these to what it is told.
        client.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
        client.env("OTEL_RESOURCE_ATTRIBUTES", format!("tenant.id=python-{protocol}"));
        text_of(client.output().unwrap(), protocol);
        assert_eq!(of_tenant(records.path(), Some(&format!("python-{protocol}"))).len(), 1);
    }
    let set = environment(halod.http, &authority.own, &known);
    let set: Vec<(&str, &str)> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
    npm().run(&root().join("tests/clients/node_by_environment.mjs"), &["node".into()], &set);
    assert_eq!(of_tenant(records.path(), Some("node")).len(), 1);
    assert!(halod.terminate().success());
    assert_verified(records.path());
}
