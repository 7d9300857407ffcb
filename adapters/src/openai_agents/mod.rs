//! The OpenAI Agents SDK's own traces, as its default exporter posts them: items that are a trace or a
//! span of one.
//!
//! | item | becomes |
//! |---|---|
//! | a trace | `agent.workflow`, with the workflow's name and the group's id |
//! | `function` | the tool; `mcp__<server>__<tool>` where `mcp_data` names a server |
//! | `generation`, `response`, `transcription`, `speech` | `model.generate` |
//! | `agent` | `agent.invoke` |
//! | `task`, `turn` and other `custom` ones, `speech_group` | `agent.workflow`, `agent.step` |
//! | `handoff` | `agent.handoff` |
//! | `guardrail` | the guard; denied when it was triggered |
//! | `mcp_tools` | `retrieve:tools/list` |
//!
//! A trace's session is its group, else itself. Group, user and tenant are told by the trace alone, which comes in
//! an earlier request as often as not: who has it lets its spans [`inherit`] them, and their session is else the
//! trace.

use crate::MAPPING;
use crate::fields::{content, count, is_true, nanos, structure, text, unread_times};
use halod_record::event::{
    Action, Agent, Content, Event, Fact, INHERITED, Keyed, Origin, Outcome, Source, Status, Usage,
};
use halod_record::json::{Json, Text};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

const SOURCE: Source = Source {
    adapter: "openai_agents_traces",
    via: "OpenAI Agents SDK traces",
    dialect: "openai_agents",
    mapping: MAPPING,
};

/// Where a trace's metadata may name a tenant.
const TENANT: [&str; 4] = ["tenant.id", "halo.subject.id", "tenant_id", "tenant"];
const USER: [&str; 4] = ["user.id", "user_id", "enduser.id", "user"];

/// What an item tells; `None` when it is neither a trace nor a span.
///
/// # Errors
/// It is no object, or lacks an id.
pub fn item<'a>(item: &Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    if !matches!(item, Json::Object(_)) {
        return Err(Unusable::new("", "must be an object, a trace or a span"));
    }
    let object =
        text(item, "object").ok_or_else(|| Unusable::new("object", "must be trace or trace.span"))?;
    match object.as_ref() {
        "trace" => trace(item).map(Some),
        "trace.span" => span(item).map(Some),
        _ => Ok(None),
    }
}

/// Lets a span have the session and the user of its trace, where it names none.
pub fn inherit<'a>(event: &mut Event<'a>, session: Option<Cow<'a, str>>, principal: Option<Cow<'a, str>>) {
    let mut inherited = Vec::new();
    if event.principal.is_none() && principal.is_some() {
        event.principal = principal;
        inherited.push(Cow::Borrowed("principal"));
    }
    if session.is_some() && session != event.session {
        event.session = session;
        inherited.push(Cow::Borrowed("session"));
    }
    if !inherited.is_empty() {
        event.facts.push((INHERITED, Fact::Labels(inherited)));
    }
}

/// Puts parents before their children: a parent begins before them, and ends, and so is sent, after.
pub fn parents_first<'a, T>(items: &mut [T], event: impl Fn(&T) -> &Event<'a>) {
    items.reverse();
    items.sort_by_key(|item| event(item).started.unwrap_or(0));
}

fn id<'a>(item: &Json<'a>, key: &'static str) -> Result<Cow<'a, str>, Unusable> {
    text(item, key).ok_or_else(|| Unusable::new(key, "must be an id, and there is none"))
}

fn first_of<'a>(metadata: Option<&Json<'a>>, keys: [&str; 4]) -> Option<Cow<'a, str>> {
    keys.iter().find_map(|key| text(metadata?, key))
}

fn base<'a>(action: Action<'a>, keyed: Keyed<'a>, metadata: Option<&Json<'a>>) -> Event<'a> {
    Event {
        action,
        agent: Agent::default(),
        session: None,
        principal: first_of(metadata, USER),
        tenant: first_of(metadata, TENANT),
        input: Content::Undisclosed,
        outcome: Outcome {
            status: Status::Ok,
            result: Content::Undisclosed,
            error_type: None,
            error_text: None,
        },
        authorization: None,
        origin: Origin::Keyed(keyed),
        started: None,
        ended: None,
        usage: Usage::default(),
        source: SOURCE,
        dropped: 0,
        trace_flags: None,
        facts: Vec::new(),
    }
}

fn trace<'a>(item: &Json<'a>) -> Result<Event<'a>, Unusable> {
    let trace = id(item, "id")?;
    let keyed = Keyed { space: "openai_agents", id: vec![trace.clone()], parent: None };
    let mut event = base(Action::Boundary { verb: "workflow" }, keyed, item.get("metadata"));
    let group = text(item, "group_id");
    event.facts.push(("trace_id", Fact::Id(trace.clone())));
    event.facts.extend(group.clone().map(|group| ("group_id", Fact::Id(group))));
    event.facts.extend(text(item, "workflow_name").map(|name| ("workflow", Fact::Label(name))));
    event.session = Some(group.unwrap_or(trace));
    Ok(event)
}

fn span<'a>(item: &Json<'a>) -> Result<Event<'a>, Unusable> {
    let (trace, span) = (id(item, "trace_id")?, id(item, "id")?);
    let data = item.get("span_data").filter(|data| matches!(data, Json::Object(_)));
    let data = data.ok_or_else(|| Unusable::new("span_data", "must be an object"))?;
    let kind =
        text(data, "type").ok_or_else(|| Unusable::new("span_data.type", "must say what the span is of"))?;
    // A span without a parent is a part of the trace itself.
    let above = text(item, "parent_id");
    let parent = above.clone().map_or_else(|| vec![trace.clone()], |id| vec![trace.clone(), id]);
    let keyed = Keyed { space: "openai_agents", id: vec![trace.clone(), span.clone()], parent: Some(parent) };
    let mut event = base(action(&kind, data), keyed, item.get("metadata"));
    event.facts.push(("trace_id", Fact::Id(trace.clone())));
    event.facts.push(("span_id", Fact::Id(span)));
    event.facts.extend(above.map(|id| ("parent_span_id", Fact::Id(id))));
    event.session = Some(trace);
    event.started = nanos(item.get("started_at"));
    event.ended = nanos(item.get("ended_at"));
    event.facts.extend(unread_times(item, &["started_at", "ended_at"]));
    event.usage = usage(data);
    tell(&kind, data, &mut event);
    if let Some(error) = item.get("error").filter(|error| !matches!(error, Json::Null)) {
        fail(error, &mut event);
    }
    if let Action::Other { name } = &event.action {
        event.facts.push(("span_name", Fact::Label(name.clone())));
    }
    if matches!(event.action, Action::Boundary { .. }) {
        let sums = event.usage.take_sums();
        event.facts.extend(sums);
    }
    let told = event.outcome.result != Content::Undisclosed;
    if event.ended.is_none() && !told && event.outcome.status == Status::Ok {
        event.outcome.status = Status::Unfinished;
    }
    Ok(event)
}

fn action<'a>(kind: &Cow<'a, str>, data: &Json<'a>) -> Action<'a> {
    let name = || text(data, "name").unwrap_or_else(|| kind.clone());
    match kind.as_ref() {
        "function" => {
            let mcp = structure(data.get("mcp_data"));
            let server = mcp.as_ref().map(|mcp| text(mcp, "server").unwrap_or(Cow::Borrowed("unknown")));
            Action::Tool { name: name(), mcp_server: server, call_id: None }
        }
        // What asks for a response is OpenAI's API, or speaks it.
        "response" => {
            Action::Generate { provider: Some(Cow::Borrowed("openai")), model: text(data, "model") }
        }
        "generation" | "transcription" | "speech" => {
            Action::Generate { provider: provider(data), model: text(data, "model") }
        }
        "agent" => Action::Boundary { verb: "invoke" },
        "handoff" => Action::Boundary { verb: "handoff" },
        "task" => Action::Boundary { verb: "workflow" },
        "custom" if sdk_type(data).as_deref() == Some("task") => Action::Boundary { verb: "workflow" },
        "custom" | "turn" | "speech_group" => Action::Boundary { verb: "step" },
        "guardrail" => Action::Guard { name: name() },
        "mcp_tools" => Action::Retrieve { name: Cow::Borrowed("tools/list") },
        _ => Action::Other { name: name() },
    }
}

/// The SDK's own kinds of span that its exporter disguises as custom ones.
fn sdk_type<'a>(data: &Json<'a>) -> Option<Cow<'a, str>> {
    text(data.get("data")?, "sdk_span_type")
}

/// Told by the address of the API, where it is OpenAI's own, or by a name with the provider in front.
fn provider<'a>(data: &Json<'a>) -> Option<Cow<'a, str>> {
    let base = data.get("model_config").and_then(|config| text(config, "base_url"));
    if base.is_some_and(|url| url.starts_with("https://api.openai.com/")) {
        return Some(Cow::Borrowed("openai"));
    }
    let model = text(data, "model")?;
    let rest = model.strip_prefix("litellm/").unwrap_or(&model);
    rest.split_once('/').map(|(provider, _)| Cow::Owned(provider.to_owned()))
}

fn usage<'a>(data: &Json<'a>) -> Usage<'a> {
    let none = Json::Null;
    let usage = data.get("usage").unwrap_or(&none);
    let within = |outer: &str, inner: &str| usage.get(outer).and_then(|details| count(details, inner));
    let answer = match data.get("output") {
        Some(Json::Array(outputs)) => outputs.first().and_then(|output| text(output, "id")),
        _ => None,
    };
    Usage {
        input_tokens: count(usage, "input_tokens").or_else(|| count(usage, "prompt_tokens")),
        output_tokens: count(usage, "output_tokens").or_else(|| count(usage, "completion_tokens")),
        total_tokens: count(usage, "total_tokens"),
        cache_read_tokens: within("input_tokens_details", "cached_tokens"),
        cache_write_tokens: within("input_tokens_details", "cache_write_tokens").filter(|tokens| *tokens > 0),
        reasoning_tokens: within("output_tokens_details", "reasoning_tokens"),
        finish_reason: None,
        // The SDK's placeholder for what has no id says nothing.
        response_id: text(data, "response_id").or(answer).filter(|id| id != "__fake_id__"),
    }
}

/// What a span's data says beside the name of the action.
fn tell<'a>(kind: &str, data: &Json<'a>, event: &mut Event<'a>) {
    let mut label = |key, value: Option<Cow<'a, str>>| {
        event.facts.extend(value.map(|value| (key, Fact::Label(value))));
    };
    match kind {
        "function" | "generation" | "speech_group" => {
            event.input = content(data.get("input"));
            event.outcome.result = content(data.get("output"));
        }
        // Sound stays out of records: its text is what counts.
        "transcription" => event.outcome.result = content(data.get("output")),
        "speech" => event.input = content(data.get("input")),
        "agent" => {
            event.agent.name = text(data, "name");
            label("output_type", text(data, "output_type"));
        }
        "handoff" => {
            event.agent.name = text(data, "from_agent");
            label("from_agent", text(data, "from_agent"));
            label("to_agent", text(data, "to_agent"));
        }
        "guardrail" => {
            let triggered = is_true(data, "triggered");
            if triggered {
                event.outcome.status = Status::Denied;
                event.outcome.error_type = Some(Cow::Borrowed("guardrail_triggered"));
            }
            let verdict = vec![(Text::from("triggered"), Json::Bool(triggered))];
            event.outcome.result = Content::Value(Json::object(verdict));
        }
        "mcp_tools" => {
            label("mcp_server", text(data, "server"));
            event.outcome.result = content(data.get("result"));
        }
        "custom" | "task" | "turn" => {
            let inner = data.get("data").unwrap_or(data);
            event.agent.name = text(inner, "agent_name");
            label("step", sdk_type(data).or_else(|| text(data, "name")));
            event.facts.extend(
                count(inner, "turn").and_then(|n| u64::try_from(n).ok()).map(|n| ("turn", Fact::Number(n))),
            );
            if sdk_type(data).is_none() {
                event.input = content(data.get("data"));
            }
        }
        _ => {}
    }
}

fn fail<'a>(error: &Json<'a>, event: &mut Event<'a>) {
    let message = text(error, "message").or_else(|| crate::fields::text_of(error));
    let detail = error.get("data").and_then(|data| text(data, "error").or_else(|| text(data, "guardrail")));
    if event.outcome.status == Status::Ok {
        event.outcome.status = Status::Error;
    }
    event.outcome.error_text = match (message, detail) {
        (Some(message), Some(detail)) => Some([message.as_ref(), ": ", detail.as_ref()].concat().into()),
        (message, detail) => message.or(detail),
    };
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    fn of(members: &str) -> Event<'static> {
        let text = format!(r#"{{"object":"trace.span","trace_id":"trace_1","id":"span_2",{members}}}"#);
        let text: &'static str = Box::leak(text.into_boxed_str());
        item(&parse(text).unwrap_or(Json::Null)).ok().flatten().unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_guardrail_that_was_triggered_denies() {
        let passed = of(r#""span_data":{"type":"guardrail","name":"pii","triggered":false}"#);
        assert_eq!(passed.outcome.status, Status::Ok);
        let tripped = of(
            r#""span_data":{"type":"guardrail","name":"pii","triggered":true},"error":{"message":"tripped"}"#,
        );
        assert_eq!(tripped.outcome.status, Status::Denied);
        assert_eq!(tripped.action, Action::Guard { name: "pii".into() });
    }

    #[test]
    fn an_mcp_tool_is_named_by_its_server() {
        let event = of(
            r#""span_data":{"type":"function","name":"search","input":"{\"q\":1}","output":"x","mcp_data":{"server":"kb"}}"#,
        );
        assert_eq!(
            event.action,
            Action::Tool { name: "search".into(), mcp_server: Some("kb".into()), call_id: None }
        );
        assert!(matches!(event.input, Content::Value(Json::Object(_))));
    }

    #[test]
    fn a_span_is_under_its_parent_and_the_first_ones_under_the_trace() {
        let parent = |event: Event<'_>| match event.origin {
            Origin::Keyed(keyed) => keyed.parent.map(|parent| parent.join(" ")),
            _ => None,
        };
        let span = r#""span_data":{"type":"agent","name":"a"}"#;
        assert_eq!(parent(of(span)).as_deref(), Some("trace_1"));
        assert_eq!(parent(of(&format!(r#"{span},"parent_id":"span_1""#))).as_deref(), Some("trace_1 span_1"));
    }

    #[test]
    fn what_is_no_item_is_refused_and_what_is_new_is_passed_over() {
        for text in [
            "null",
            "{}",
            r#"{"object":"trace"}"#,
            r#"{"object":"trace.span","id":"s","trace_id":"t"}"#,
            r#"{"object":"trace.span","id":"s","span_data":{"type":"agent"}}"#,
            r#"{"object":"trace.span","id":"s","trace_id":"t","span_data":{}}"#,
        ] {
            assert!(item(&parse(text).unwrap_or(Json::Null)).is_err(), "{text}");
        }
        assert_eq!(item(&parse(r#"{"object":"trace.score","id":"s"}"#).unwrap_or(Json::Null)), Ok(None));
    }
}
