//! Which tools the models of a batch were offered or asked for. The older SDKs have no type for tools, so that a
//! span is known to be a tool call only by its name.

use crate::fields::{structure, text};
use halod_record::fragment::{Fragment, Kind};
use halod_record::json::Json;
use std::collections::HashSet;

/// The names of tools in a batch's generations, where it has spans that may be named so.
#[must_use]
pub fn tools<'a>(events: &'a [Json<'a>]) -> HashSet<String> {
    let kind = |event: &'a Json<'a>| text(event, "type").unwrap_or_default();
    let is_named_span = |event: &&'a Json<'a>| {
        kind(event) == "span-create" && event.get("body").is_some_and(|body| body.get("name").is_some())
    };
    if !events.iter().any(|event| is_named_span(&event)) {
        return HashSet::new();
    }
    let generations = events.iter().filter(|event| kind(event).starts_with("generation-"));
    let contents = generations
        .flat_map(|event| ["input", "output"].into_iter().filter_map(|key| event.get("body")?.get(key)));
    contents.flat_map(named).collect()
}

/// The tools that a content lists, as OpenAI's interface does: those that are offered, and those that are called.
fn named(content: &Json<'_>) -> Vec<String> {
    // A text without the word lists no tools, so it is not read as JSON.
    let may_list = match content {
        Json::Str(text) => text.as_str().is_some_and(|text| text.contains("tool")),
        _ => true,
    };
    let Some(content) = structure(Some(content)).filter(|_| may_list) else { return Vec::new() };
    let listed = ["tools", "tool_calls"].into_iter().filter_map(|key| match content.get(key) {
        Some(Json::Array(tools)) => Some(tools),
        _ => None,
    });
    let name = |tool: &Json<'_>| {
        let named = tool.get("function").unwrap_or(tool).get("name")?.as_str()?;
        Some(named.to_owned())
    };
    listed.flatten().filter_map(name).collect()
}

/// Tells a step that has the name of a tool as a call of it.
pub fn call_by_name(fragment: &mut Fragment<'_>, tools: &HashSet<String>) {
    let is_tool = fragment.name.as_deref().is_some_and(|name: &str| tools.contains(name));
    if fragment.kind == Some(Kind::Step) && is_tool {
        fragment.kind = Some(Kind::Called);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::langfuse::fragment;
    use halod_record::json::parse;

    #[test]
    fn a_span_with_the_name_of_a_tool_is_a_call_of_it() {
        for content in [
            r#""input":{"tools":[{"type":"function","function":{"name":"look_up"}}]}"#,
            r#""input":"{\"tools\":[{\"name\":\"look_up\"}]}""#,
            r#""output":{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"look_up","arguments":"{}"}}]}"#,
        ] {
            let text = format!(
                r#"[{{"type":"generation-create","body":{{"id":"g","traceId":"t",{content}}}}},
                {{"type":"span-create","body":{{"id":"s","traceId":"t","name":"look_up","input":{{"q":1}}}}}},
                {{"type":"span-create","body":{{"id":"p","traceId":"t","name":"build_prompt","input":{{"q":1}}}}}}]"#
            );
            let Json::Array(events) = parse(&text).unwrap() else { unreachable!() };
            let tools = tools(&events);
            let kinds: Vec<_> = events[1..]
                .iter()
                .map(|event| {
                    let mut told = fragment(event).unwrap().unwrap();
                    call_by_name(&mut told, &tools);
                    told.kind
                })
                .collect();
            assert_eq!(kinds, [Some(Kind::Called), Some(Kind::Step)], "{content}");
        }
    }
}
