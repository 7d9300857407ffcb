//! What the captured programs did, counted by the model server and inside the tools while they ran,
//! against what their spans come to when each call is counted once.
#![allow(clippy::unwrap_used, clippy::panic)]

use halo_adapters::count::{Counted, Item, Kind, count};
use halo_adapters::otel;
use halo_adapters::otlp::model::Traces;
use halo_adapters::otlp::{json, protobuf};
use halod_record::event::{Action, Event};
use std::fs;
use std::path::Path;

/// Model calls that came off and that failed, embedding calls, tool calls that came off and failed.
type Counts = [usize; 5];

struct Row {
    /// A file of `golden/otel`.
    case: &'static str,
    truth: Counts,
    seen: Counts,
    /// Runs of agents: boundaries of that kind, counted by eye in the capture.
    agents: usize,
    /// Why what is seen is not what was done.
    why: &'static str,
}

const fn row(case: &'static str, truth: Counts, seen: Counts, agents: usize, why: &'static str) -> Row {
    Row { case, truth, seen, agents, why }
}

const NO_TOOL_SPANS: &str = "the client has no spans of tools";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("ag2.pb", [3, 1, 0, 2, 1], [3, 1, 0, 2, 1], 2, ""),
    row("beeai.pb", [2, 1, 0, 1, 1], [2, 1, 0, 1, 1], 0, ""),
    row("claude-code-332.pb", [6, 0, 0, 3, 2], [6, 0, 0, 3, 2], 1, ""),
    row("codex-1.pb", [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], 0, ""),
    row("fastmcp-client.pb", [0, 0, 0, 2, 2], [0, 0, 0, 2, 2], 0, ""),
    row("fastmcp-server.pb", [0, 0, 0, 2, 2], [0, 0, 0, 2, 2], 0, ""),
    row("genkit-1.42.pb", [4, 1, 1, 2, 1], [4, 1, 1, 2, 1], 0, ""),
    row("google-adk-1.5.pb", [2, 1, 0, 2, 1], [2, 1, 0, 2, 1], 2, ""),
    row("haystack-3.4.pb", [4, 1, 1, 2, 1], [4, 1, 1, 2, 1], 2, ""),
    row("langfuse-scores.pb", [3, 1, 1, 1, 1], [3, 1, 1, 1, 1], 1, ""),
    row("langsmith-hybrid.pb", [3, 1, 1, 1, 1], [3, 1, 1, 1, 1], 0, ""),
    row("litellm-proxy.pb", [8, 3, 1, 0, 0], [8, 3, 1, 0, 0], 0, ""),
    row("livekit-1.8.pb", [3, 1, 0, 2, 1], [3, 1, 0, 2, 1], 2, ""),
    row("llamaindex-otel.pb", [4, 1, 2, 2, 1], [4, 1, 2, 2, 1], 1, ""),
    row("mastra.pb", [4, 1, 0, 2, 1], [4, 1, 0, 2, 1], 3, ""),
    row("openllmetry-anthropic-1.pb", [3, 1, 0, 1, 1], [3, 2, 0, 1, 1], 0, "a failed call has no answer whose id links the two spans of it"),
    row("openllmetry-anthropic-2.pb", [0, 1, 0, 0, 0], [0, 1, 0, 0, 0], 0, ""),
    row("autogen.pb", [7, 1, 0, 2, 1], [0, 0, 0, 2, 1], 6, "the client has no spans of models"),
    row("claude-code.json", [8, 0, 0, 4, 3], [8, 0, 0, 4, 3], 1, ""),
    row("gemini-cli.json", [5, 0, 0, 2, 2], [5, 0, 0, 4, 0], 0, "a failed tool's span says that it came off"),
    row("genai-anthropic.pb", [3, 1, 0, 2, 1], [3, 1, 0, 0, 0], 0, NO_TOOL_SPANS),
    row("genai-openai.pb", [5, 3, 1, 2, 1], [5, 3, 1, 0, 0], 0, NO_TOOL_SPANS),
    row("genai-openai-eventonly.pb", [5, 3, 1, 2, 1], [5, 3, 1, 0, 0], 0, NO_TOOL_SPANS),
    row("google-adk.pb", [5, 1, 0, 4, 2], [5, 1, 0, 5, 1], 3, "a tool's own error is in its result, which is not disclosed"),
    row("google-genai.pb", [4, 1, 0, 2, 1], [2, 1, 0, 2, 1], 0, "automatic function calling is one span around three calls"),
    row("langfuse.pb", [4, 2, 1, 2, 1], [5, 2, 1, 2, 1], 1, "the program reported one more generation by hand"),
    row("langsmith.pb", [4, 1, 0, 2, 1], [4, 1, 0, 3, 1], 0, "the program ran one more tool, which truth lists apart"),
    row("litellm.pb", [5, 2, 1, 2, 1], [5, 2, 1, 0, 0], 0, NO_TOOL_SPANS),
    row("llamaindex.pb", [3, 1, 0, 2, 1], [3, 1, 0, 2, 1], 0, ""),
    row("logfire.pb", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 0, ""),
    row("mcp-openinference.pb", [0, 0, 0, 2, 3], [0, 0, 0, 0, 0], 0, "the client only passes the trace on"),
    row("mcp-openllmetry.pb", [0, 0, 0, 2, 3], [0, 0, 0, 2, 3], 0, ""),
    row("ms-agent-framework.pb", [3, 1, 0, 2, 1], [3, 1, 0, 2, 1], 2, ""),
    row("openai-v2.pb", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 1, ""),
    row("openai-v2-grpc.pb", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 1, ""),
    row("openai-v2-latest.pb", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 1, ""),
    row("openai-v2-nocontent.pb", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 1, ""),
    row("openinference-langchain.pb", [4, 1, 0, 2, 1], [4, 1, 0, 2, 1], 1, ""),
    row("openinference-openai.pb", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 1, ""),
    row("openllmetry.pb", [7, 3, 1, 4, 2], [7, 4, 1, 4, 2], 2, "a failed call has no answer whose id links the SDK's own span with the one beside it"),
    row("smolagents.pb", [7, 1, 0, 6, 5], [7, 1, 0, 6, 5], 1, ""),
    row("strands.pb", [3, 1, 0, 2, 1], [3, 1, 0, 2, 1], 2, ""),
    row("vercel-json.json", [4, 2, 1, 2, 1], [4, 2, 1, 2, 1], 4, ""),
];

fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Traces<'a> {
    let decoded = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pb") => protobuf::traces(bytes),
        _ => json::traces(bytes),
    };
    decoded.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn events<'a>(traces: &'a Traces<'a>) -> Vec<Event<'a>> {
    let of_group = |resource: &'a halo_adapters::otlp::model::ResourceSpans<'a>| {
        let context = otel::Resource::new(&resource.resource);
        let scopes =
            resource.scopes.iter().flat_map(|scope| scope.spans.iter().map(move |span| (scope, span)));
        scopes.filter_map(|(scope, span)| otel::event(&context, &scope.scope_name, span)).collect::<Vec<_>>()
    };
    traces.resource_spans.iter().flat_map(of_group).collect()
}

fn counts(events: &[Event<'_>]) -> Counts {
    let items: Vec<_> = events.iter().filter_map(Item::of).collect();
    let mut counts = Counts::default();
    for counted in count(&items) {
        match counted {
            Counted::Ok(Kind::Generate) => counts[0] += 1,
            Counted::Failed(Kind::Generate) => counts[1] += 1,
            Counted::Ok(Kind::Embed) | Counted::Failed(Kind::Embed) => counts[2] += 1,
            Counted::Ok(Kind::Tool) => counts[3] += 1,
            Counted::Failed(Kind::Tool) => counts[4] += 1,
            _ => {}
        }
    }
    counts
}

#[test]
fn what_is_seen_is_what_was_done() {
    let mut wrong = Vec::new();
    for Row { case, truth, seen, agents, why } in ROWS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/otel").join(case);
        let bytes = fs::read(&path).unwrap();
        let traces = decode(&path, &bytes);
        let events = events(&traces);
        let invoked = |event: &&Event<'_>| matches!(event.action, Action::Boundary { verb: "invoke" });
        let (counts, invoked) = (counts(&events), events.iter().filter(invoked).count());
        if counts != *seen || invoked != *agents {
            wrong.push(format!("{case}: {counts:?} and {invoked} agents"));
        }
        assert_eq!(truth != seen, !why.is_empty(), "{case}: a difference needs its reason");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
