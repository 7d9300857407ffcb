//! Agents on real frameworks, watched by what people watch them with: what an agent did is what the
//! chain says. The model calls are counted by the API that they were made to, the tool calls by the
//! tools themselves.

use crate::support::api::{Api, account, action, counted, tools};
use crate::support::chains::{assert_verified, files, of_tenant};
use crate::support::clients::{Python, agents, npm, python, text_of};
use crate::support::halod::Halod;
use crate::support::root;
use crate::support::tree::Tree;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const TENANT: &str = "acme-corp";

/// What a user sets to point an agent at an API and its telemetry at halod.
pub fn environment(api: &Api, door: SocketAddr) -> [(&'static str, String); 6] {
    [
        ("OPENAI_BASE_URL", api.url.clone()),
        ("OPENAI_API_KEY", "sk-FAKE".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{door}")),
        ("OTEL_RESOURCE_ATTRIBUTES", format!("service.name=acme-support-agent,tenant.id={TENANT}")),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental".to_owned()),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY".to_owned()),
    ]
}

/// What a client says on the span of every call: in which session, for whom, and what went in and
/// came out.
pub struct Shows {
    session: bool,
    user: bool,
    content: bool,
}

pub const ALL: Shows = Shows { session: true, user: true, content: true };

/// The instrumentations of the bare `openai` package know of no session and no user.
const CALL: Shows = Shows { session: false, user: false, content: true };

/// Runs an agent under `halod`, and holds the chain against what the agent did. Returns its records.
pub fn check(run: impl FnOnce(&Halod, &Api) -> String, shows: &Shows) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let api = Api::start();
    let said = account(&run(&halod, &api));
    let mut did = api.asked();
    assert!(did.len() == 2 && did.values().sum::<u64>() == 4, "the script's own plan: {did:?}");
    did.extend(tools(&said));
    let records = of_tenant(dir.path(), Some(TENANT));
    assert_eq!(counted(&records), did, "{}", told(&records));
    assert_eq!(files(dir.path()).len(), 1, "all of it is one tenant's");
    for record in records.iter().filter(|r| action(r).is_some()) {
        check_record(record, &said, shows);
    }
    let log = halod.log();
    assert!(halod.terminate().success());
    for secret in said["secrets"].as_array().unwrap() {
        let secret = secret.as_str().unwrap();
        assert!(!log.contains(secret), "{secret} is in the log");
        assert_nowhere(dir.path(), secret);
    }
    assert_verified(dir.path());
    records
}

/// What the script put into every call.
fn check_record(record: &Value, said: &Value, shows: &Shows) {
    if shows.session {
        assert_eq!(record["session_id"], said["session"], "{record}");
    }
    if shows.user {
        assert_eq!(record["principal"]["human_id"], said["user"], "{record}");
    }
    let ok = record["outcome"]["status"] == "ok";
    let model = action(record) == Some("model.generate");
    if !model || (shows.content && ok) {
        assert_eq!(record["severity"], "CRITICAL", "a secret went in: {record}");
        assert_eq!(record["data"]["undisclosed"], Value::Null, "{record}");
    }
    if model && ok {
        assert!(record["agent"]["model"].as_str().unwrap().starts_with("gpt-4o-mini"), "{record}");
        assert_eq!(record["action"]["authorization"]["scope"], "model:openai", "{record}");
        assert_eq!(record["data"]["input_tokens"], 117, "{record}");
        assert_eq!(record["data"]["output_tokens"], 42, "{record}");
    }
}

/// The records in short, for a failure's message.
pub fn told(records: &[Value]) -> String {
    let line = |r: &Value| {
        format!(
            "{} {} {} {} <- {}\n",
            r["action"]["tool"],
            r["outcome"]["status"],
            r["source"]["dialect"],
            r["record_id"],
            r["parent_id"]
        )
    };
    records.iter().map(line).collect()
}

/// No file below `dir` contains `secret`.
pub fn assert_nowhere(dir: &Path, secret: &str) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, secret);
        }
        // A socket has nothing to read.
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
        assert_eq!(at, None, "{secret} is in {}", path.display());
    }
}

/// A Python agent of `tests/clients`; its first argument is the protocol.
fn runs(env: &Python, script: &str, arguments: &[&str], halod: &Halod, api: &Api) -> String {
    runs_with(&[], env, script, arguments, halod, api)
}

/// The same with other values in its environment.
fn runs_with(
    values: &[(&str, &str)],
    env: &Python,
    script: &str,
    arguments: &[&str],
    halod: &Halod,
    api: &Api,
) -> String {
    let door = if arguments[0] == "grpc" { halod.grpc } else { halod.http };
    let path = root().join("tests/clients").join(script);
    let mut command: Command = env.script(&path, arguments);
    command.envs(environment(api, door)).envs(values.iter().copied());
    text_of(command.output().expect("run python"), script)
}

#[test]
fn openai_instrumentation_v2() {
    let run =
        |halod: &Halod, api: &Api| runs(python(), "openai_tools.py", &["grpc", "openai_v2"], halod, api);
    check(run, &CALL);
}

/// As it is without being told to speak the latest conventions: contents come as log records. Each is
/// in the record of its call, or in one beside it.
#[test]
fn openai_instrumentation_v2_with_contents_as_events() {
    let values = [
        ("OTEL_SEMCONV_STABILITY_OPT_IN", ""),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true"),
    ];
    let arguments = ["http", "openai_v2"];
    let run =
        |halod: &Halod, api: &Api| runs_with(&values, python(), "openai_tools.py", &arguments, halod, api);
    let records = check(run, &Shows { content: false, ..CALL });
    let calls = records.iter().filter(|r| action(r) == Some("model.generate"));
    let tree = Tree::of(&records);
    for call in calls {
        let beside = |r: &&Value| {
            r["action"]["tool"] == "agent.content" && tree.parent(r).is_some_and(|parent| parent == call)
        };
        let told = std::iter::once(call).chain(records.iter().filter(beside));
        let told: Vec<&Value> = told.filter(|r| r["action"]["input"]["summary"].is_string()).collect();
        assert!(!told.is_empty(), "what went into {call} is in none of\n{}", self::told(&records));
        assert!(told.iter().any(|r| r["severity"] == "CRITICAL"), "{told:?}");
    }
}

#[test]
fn openai_instrumentation_of_the_genai_group() {
    let run =
        |halod: &Halod, api: &Api| runs(agents(), "openai_tools.py", &["http", "genai.openai"], halod, api);
    check(run, &CALL);
}

#[test]
fn langchain_under_openinference() {
    check(|halod, api| runs(agents(), "openinference_langchain.py", &["http"], halod, api), &ALL);
}

#[test]
fn openllmetry() {
    check(|halod, api| runs(agents(), "openllmetry.py", &["grpc"], halod, api), &ALL);
}

/// Its telemetry has no place for a user.
#[test]
fn pydantic_ai() {
    let run = |halod: &Halod, api: &Api| runs(agents(), "pydantic_ai_agent.py", &["grpc"], halod, api);
    check(run, &Shows { user: false, ..ALL });
}

#[test]
fn openai_agents_sdk_under_openinference() {
    check(|halod, api| runs(agents(), "openai_agents.py", &["http"], halod, api), &ALL);
}

fn vercel(encoding: &str) {
    let run = |halod: &Halod, api: &Api| {
        let env = environment(api, halod.http);
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        npm().run(&root().join("tests/clients/vercel_agent.mjs"), &[PathBuf::from(encoding)], &env)
    };
    check(run, &ALL);
}

#[test]
fn vercel_ai_sdk_over_json() {
    vercel("json");
}

#[test]
fn vercel_ai_sdk_over_protobuf() {
    vercel("protobuf");
}
