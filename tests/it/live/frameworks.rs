//! Frameworks with telemetry of their own.

use super::{TENANT, Tells, agent, explains, live};
use crate::support::api::{Api, account, tools};
use crate::support::clients::{live_npm, live_python, text_of};
use crate::support::halod::Halod;
use crate::support::root;
use serde_json::Value;

/// What a user sets to point an agent at an API and its telemetry at halod.
fn environment(api: &Api, halod: &Halod) -> [(&'static str, String); 7] {
    [
        // None of them tells its makers of the tests.
        ("HAYSTACK_TELEMETRY_ENABLED", "False".to_owned()),
        ("LANGWATCH_ENDPOINT", "http://127.0.0.1:9".to_owned()),
        ("MASTRA_TELEMETRY_DISABLED", "1".to_owned()),
        ("OPENAI_BASE_URL", api.url.clone()),
        ("OPENAI_API_KEY", "sk-FAKE".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", halod.http)),
        ("OTEL_RESOURCE_ATTRIBUTES", format!("service.name=acme-support-agent,tenant.id={TENANT}")),
    ]
}

/// A Python agent of `tests/clients`.
fn python(script: &str, halod: &Halod, api: &Api) -> String {
    let mut command = live_python().script(&root().join("tests/clients").join(script), &[]);
    command.envs(environment(api, halod));
    text_of(command.output().expect("run python"), script)
}

/// A Node agent of `tests/clients`, which imports its plan from there.
fn node(script: &str, halod: &Halod, api: &Api) -> String {
    let clients = root().join("tests/clients");
    let plan = format!("file://{}", clients.join("live_plan.mjs").display());
    let environment = environment(api, halod);
    let mut pairs: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pairs.push(("PLAN", &plan));
    live_npm().run(&clients.join(script), &[], &pairs)
}

const ALL: Tells = Tells {
    session: true,
    user: true,
    tokens: true,
    provider: "openai",
    model: "gpt-4o-mini-2024-07-18",
    refusal: "refused as asked",
    below: 6,
};

#[test]
fn vercel_ai_sdk_7() {
    agent(|halod, api| node("live_vercel.mjs", halod, api), &ALL);
}

/// The turn that streams has the tools too. Why a model call failed is told of the agent around it and in a log
/// record, and not of the call.
#[test]
fn mastra() {
    let tells = Tells { below: 9, refusal: "", ..ALL };
    let chain = agent(|halod, api| node("live_mastra.mjs", halod, api), &tells);
    for tool in ["agent.invoke", "agent.error"] {
        let of_tool = |record: &&Value| record["action"]["tool"] == tool;
        assert!(chain.records.iter().filter(of_tool).any(|record| explains(record, ALL.refusal)), "{tool}");
    }
}

/// Each of its spans says only what its own framework knows: no session, no user and no tokens. Two of its calls are
/// made without an agent.
#[test]
fn llamaindex_by_its_own_integration() {
    let tells = Tells { session: false, user: false, tokens: false, model: "gpt-4o-mini", below: 4, ..ALL };
    agent(|halod, api| python("live_llamaindex.py", halod, api), &tells);
}

#[test]
fn langwatch() {
    agent(|halod, api| python("live_langwatch.py", halod, api), &ALL);
}

/// It knows of no session and no user, and of components rather than of providers.
#[test]
fn haystack() {
    let tells = Tells { session: false, user: false, provider: "unknown", ..ALL };
    agent(|halod, api| python("live_haystack.py", halod, api), &tells);
}

/// Two processes, four spans a call: what the client asked, what it sent, what the server received and ran.
#[test]
fn fastmcp() {
    let dir = tempfile::tempdir().unwrap();
    let run = |halod: &Halod, api: &Api| {
        let script = root().join("tests/clients/live_fastmcp.py");
        let mut command = live_python().script(&script, &[]);
        command.envs(environment(api, halod)).env("RAN", dir.path().join("ran.json"));
        let printed = text_of(command.output().expect("run python"), "live_fastmcp.py");
        let mut did = tools(&account(&printed));
        // The client checks results by the schemas of the tools, which it asks for once.
        did.insert(("retrieve:tools/list".to_owned(), "ok".to_owned()), 1);
        (printed, did)
    };
    let (chain, _) =
        live(run, &["sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678", "FAKE-Kx7vQ2mZ9pLw4tRb"]);
    for call in &chain.calls {
        let accounts = chain.accounts(call);
        assert!(accounts.len() > 1, "{}: the other process tells of it too", call.tool);
        assert!(
            !call.end.failed() || accounts.iter().any(|account| explains(account, "rejected")),
            "{accounts:?}"
        );
        let named = call.tool.starts_with("mcp__acme__") || call.tool == "retrieve:tools/list";
        assert!(named, "the server by its own name: {}", call.tool);
    }
}
