//! Coding agents as they are installed, with the hook in their settings and their telemetry on: every call is one
//! action, which both tell of.

use crate::live::coding::{KEY, PASSWORD, claude, codex_of, tools_of_claude};
use crate::live::{Chain, TENANT, live};
use crate::support::api::{Api, Counts};
use crate::support::halod::{BINARY, Halod};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn install(halod: &Halod, client: &str, home: &Path) {
    let (_, status) = halod.ask("/status").unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["hook", "--install", client, "--subject", TENANT, "--dir"]);
    command.arg(status["directory"].as_str().unwrap());
    command.env("HOME", home).env("CODEX_HOME", home.join("codex")).env_remove("CLAUDE_CONFIG_DIR");
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Every tool call is told by the hook and by telemetry; model calls by telemetry alone.
fn check(chain: &Chain, adapter: &str) {
    let by_hook = |record: &Value| record["source"]["adapter"] == adapter;
    for call in chain.calls.iter().filter(|call| call.tool != "model.generate") {
        let accounts = chain.accounts(call);
        assert!(accounts.iter().any(|account| by_hook(account)), "{accounts:?}");
        assert!(accounts.iter().any(|account| !by_hook(account)), "{accounts:?}");
    }
    let tools =
        |tool: &str| chain.records.iter().filter(|r| by_hook(r) && r["action"]["tool"] == tool).count();
    assert_eq!((tools("agent.session_start"), tools("agent.prompt"), tools("agent.stop")), (1, 1, 1));
    let captured = chain.records.iter().filter(|r| by_hook(r)).all(|r| r["source"]["capture"] == "captured");
    assert!(captured);
}

#[test]
fn claude_code_by_its_hook_and_its_telemetry() {
    let home = tempfile::tempdir().unwrap();
    let run = |halod: &Halod, api: &Api| -> (String, Counts) {
        install(halod, "claude-code", home.path());
        let printed = claude(halod, api, home.path(), false);
        let did = tools_of_claude(&printed);
        (printed, did)
    };
    let (chain, _) = live(run, &[KEY, PASSWORD]);
    check(&chain, "hook");
}

#[test]
fn codex_by_its_hook_and_its_telemetry() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("codex")).unwrap();
    let run = |halod: &Halod, api: &Api| {
        install(halod, "codex", home.path());
        codex_of(halod, api, home.path())
    };
    let (chain, _) = live(run, &[KEY, PASSWORD]);
    check(&chain, "codex_hook");
}
