//! A tool that reads and writes a database and asks a service, told by instrumentations of its libraries.

use super::TENANT;
use crate::support::api::Api;
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::{agents, text_of};
use crate::support::halod::Halod;
use crate::support::root;
use serde_json::Value;

#[test]
fn a_database_and_a_service_below_a_tool() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("halod.yaml");
    std::fs::write(&config, "receivers: { otlp: { record: [actions, data] } }\n").unwrap();
    let records = dir.path().join("records");
    let halod = Halod::start_with(&records, &["--config", config.to_str().unwrap()]);
    let api = Api::start();
    let mut client = agents().script(&root().join("tests/clients/live_data.py"), &[]);
    client.envs([
        ("OPENAI_BASE_URL", api.url.clone()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", halod.http)),
        ("OTEL_RESOURCE_ATTRIBUTES", format!("service.name=acme-support-agent,tenant.id={TENANT}")),
    ]);
    text_of(client.output().expect("run python"), "live_data.py");
    assert!(halod.terminate().success());
    let records = of_tenant(&records, Some(TENANT));
    let tool = records.iter().find(|record| record["action"]["tool"] == "issue_refund").unwrap();
    let line = |record: &&Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let action = &record["action"];
        [&action["tool"], &action["type"], &action["authorization"]["scope"], &record["outcome"]["status"]]
            .map(text)
    };
    let touched: Vec<&Value> = records.iter().filter(|record| !record["data"]["access"].is_null()).collect();
    let (actions, accounts): (Vec<&Value>, Vec<&Value>) =
        touched.into_iter().partition(|record| record["data"]["corroborates"].is_null());
    let mut lines: Vec<[String; 4]> = actions.iter().map(line).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            ["db:sqlite", "read", "db.read", "error"],
            ["db:sqlite", "read", "db.read", "ok"],
            ["db:sqlite", "write", "db.write", "ok"],
            ["http:127.0.0.1", "network", "network", "error"],
        ]
    );
    assert!(actions.iter().all(|record| record["parent_id"] == tool["record_id"]), "{actions:#?}");
    // Each statement is told by the ORM and by the driver.
    let statements =
        |of: &[&Value]| of.iter().filter(|record| record["data"]["access"] == "database").count();
    assert_eq!((statements(&actions), statements(&accounts)), (3, 3), "{records:#?}");
    let asked = actions.iter().find(|record| record["data"]["access"] == "http").unwrap();
    assert_eq!(asked["data"]["method"], "GET");
    assert!(!records.iter().any(|record| record.to_string().contains("FAKE-")));
    // What was done outside of the agent is no record.
    assert!(!records.iter().any(|record| record.to_string().contains("CREATE TABLE")));
    assert_verified(&dir.path().join("records"));
}
