//! Coding agents, which run what a model asks them to. They say themselves what became of it.

use super::{Chain, TENANT, explains, live};
use crate::support::api::{Api, Counts};
use crate::support::clients::{live_npm, text_of};
use crate::support::halod::Halod;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) const KEY: &str = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
pub(crate) const PASSWORD: &str = "FAKE-Kx7vQ2mZ9pLw4tRb";

/// A program in a home of its own, with nothing of whoever runs the tests in its environment. One that waits for
/// what never comes is ended.
fn program(program: &Path, home: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("300").arg(program).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).current_dir(home).stdin(Stdio::null());
    command.env("OTEL_RESOURCE_ATTRIBUTES", format!("tenant.id={TENANT}"));
    command
}

/// The messages that it printed, one a line.
fn messages(printed: &str) -> Vec<Value> {
    printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What holds for every call of a coding agent.
fn check(chain: &Chain, session: &Value, model: &str, scope: &str) {
    for call in &chain.calls {
        let accounts = chain.accounts(call);
        assert_eq!(&accounts[0]["session_id"], session, "{}", accounts[0]);
        if call.tool == "model.generate" {
            assert_eq!(accounts[0]["agent"]["model"], model, "{}", accounts[0]);
            assert_eq!(accounts[0]["action"]["authorization"]["scope"], scope, "{}", accounts[0]);
            let tokens = [&accounts[0]["data"]["input_tokens"], &accounts[0]["data"]["output_tokens"]];
            assert_eq!(tokens, [&Value::from(117), &Value::from(42)], "{}", accounts[0]);
        }
        let reason = if call.tool == "Read" { "File does not exist" } else { "" };
        assert!(
            !call.end.failed() || accounts.iter().any(|account| explains(account, reason)),
            "{accounts:?}"
        );
    }
}

pub(crate) fn claude(halod: &Halod, api: &Api, home: &Path, traces: bool) -> String {
    let program_ = live_npm().program("@anthropic-ai", "claude-code", "claude");
    let mut command = program(&program_, home);
    let prompt = format!("Refund order A-1042. My password={PASSWORD}");
    command.args(["-p", &prompt, "--model", "claude-sonnet-4-5", "--allowedTools", "Bash,Read"]);
    command.args(["--output-format", "stream-json", "--verbose"]);
    command
        .env("ANTHROPIC_BASE_URL", api.url.trim_end_matches("/v1"))
        .env("ANTHROPIC_API_KEY", "sk-ant-FAKE");
    for set in [
        "CLAUDE_CODE_ENABLE_TELEMETRY=1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
        "DISABLE_AUTOUPDATER=1",
        "OTEL_LOGS_EXPORTER=otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        "OTEL_LOG_USER_PROMPTS=1",
        "OTEL_LOG_TOOL_DETAILS=1",
        "OTEL_LOG_TOOL_CONTENT=1",
    ] {
        let (name, value) = set.split_once('=').unwrap();
        command.env(name, value);
    }
    if traces {
        command.env("OTEL_TRACES_EXPORTER", "otlp").env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1");
    }
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", halod.http));
    text_of(command.output().expect("run Claude Code"), "claude")
}

/// What Claude Code says that its tools came to.
pub(crate) fn tools_of_claude(printed: &str) -> Counts {
    let mut names = BTreeMap::new();
    let mut did = Counts::new();
    for message in messages(printed) {
        for part in message["message"]["content"].as_array().into_iter().flatten() {
            if let (Some(id), Some(name)) = (part["id"].as_str(), part["name"].as_str()) {
                names.insert(id.to_owned(), name.to_owned());
            }
            if let Some(id) = part["tool_use_id"].as_str() {
                let status = if part["is_error"] == true { "error" } else { "ok" };
                *did.entry((names[id].clone(), status.to_owned())).or_default() += 1;
            }
        }
    }
    did
}

fn claude_code(traces: bool) -> Chain {
    let home = tempfile::tempdir().unwrap();
    let run = |halod: &Halod, api: &Api| {
        let printed = claude(halod, api, home.path(), traces);
        let did = tools_of_claude(&printed);
        assert_eq!(did.values().sum::<u64>(), 3, "the script's own plan: {did:?}");
        (printed, did)
    };
    let (chain, printed) = live(run, &[KEY, PASSWORD]);
    let session = messages(&printed).pop().unwrap()["session_id"].clone();
    check(&chain, &session, "claude-sonnet-4-5", "model:anthropic");
    let user = |call| chain.accounts(call)[0]["principal"]["human_id"].is_string();
    assert!(chain.calls.iter().all(user), "the user, by a digest of its own");
    chain
}

#[test]
fn claude_code_by_its_logs() {
    let chain = claude_code(false);
    assert!(chain.calls.iter().all(|call| call.accounts.is_empty()));
}

/// Its spans and its log records tell of the same calls.
#[test]
fn claude_code_by_its_logs_and_traces() {
    let chain = claude_code(true);
    assert!(chain.calls.iter().all(|call| !call.accounts.is_empty()));
    let below = |call| chain.accounts(call)[0]["parent_id"].is_string();
    assert!(chain.calls.iter().all(below), "all of it is below its turn");
}

const CODEX: &str = r#"model = "gpt-5-codex"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "<api>"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[otel]
log_user_prompt = true
exporter = { otlp-http = { endpoint = "<halod>/v1/logs", protocol = "binary" } }
trace_exporter = { otlp-http = { endpoint = "<halod>/v1/traces", protocol = "binary" } }
"#;

pub(crate) fn codex_of(halod: &Halod, api: &Api, home: &Path) -> (String, Counts) {
    std::fs::create_dir_all(home.join("codex")).unwrap();
    let config = CODEX.replace("<api>", &api.url).replace("<halod>", &format!("http://{}", halod.http));
    std::fs::write(home.join("codex/config.toml"), config).unwrap();
    let mut command = program(&live_npm().dir().join("node_modules/.bin/codex"), home);
    command.env("CODEX_HOME", home.join("codex")).env("OPENAI_API_KEY", "sk-FAKE");
    command.args(["exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]);
    // Whoever puts hooks there is not asked whether they may run.
    command.arg("--dangerously-bypass-hook-trust");
    command.arg(format!("Refund order A-1042, password={PASSWORD}"));
    let printed = text_of(command.output().expect("run Codex"), "codex");
    let mut did = Counts::new();
    for message in messages(&printed).iter().filter(|message| message["type"] == "item.completed") {
        if message["item"]["type"] == "command_execution" {
            let status = if message["item"]["exit_code"] == 0 { "ok" } else { "error" };
            *did.entry(("exec_command".to_owned(), status.to_owned())).or_default() += 1;
        }
    }
    (printed, did)
}

#[test]
fn codex() {
    let home = tempfile::tempdir().unwrap();
    let (chain, printed) = live(|halod, api| codex_of(halod, api, home.path()), &[KEY, PASSWORD]);
    assert_eq!(chain.counts().values().sum::<u64>(), 5, "three model calls for two commands");
    let session = messages(&printed)[0]["thread_id"].clone();
    check(&chain, &session, "gpt-5-codex", "model:openai");
    let failed = chain.calls.iter().find(|call| call.end.failed()).unwrap();
    let record = chain.accounts(failed)[0];
    assert_eq!(record["data"]["exit_code"], "2", "{record}");
    assert!(explains(record, "refund rejected"), "{record}");
}
