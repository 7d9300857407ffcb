//! Mastra's log records (`@mastra/otel-exporter`): why a call failed, which its span does not say.

use super::Item;
use super::read::{Log, failed, member};
use halod_record::event::{Action, Content, Event, Fact};
use std::borrow::Cow;

/// How the scopes begin that write them.
pub(super) const SCOPE: &str = "@mastra/";

/// `None` for records that tell of no failure.
pub(super) fn item<'a>(log: &Log<'_, 'a>) -> Option<Item<'a>> {
    let class = log.text("mastra.log.errorId");
    let thrown = log.content("mastra.log.error");
    if class.is_none() && thrown == Content::Undisclosed {
        return None;
    }
    let told = |key| match thrown.clone() {
        Content::Value(thrown) => member(thrown, key),
        Content::Undisclosed | Content::Digest(_) => None,
    };
    let text = told("message").or_else(|| log.text("mastra.log.cause")).or_else(|| body(log));
    let mut event: Event<'a> =
        log.event("mastra", "mastra.metadata.sessionId", Action::Boundary { verb: "error" });
    event.principal = log.text("mastra.metadata.userId").or(event.principal);
    event.outcome = failed(Content::Undisclosed, class.or_else(|| told("name")), text);
    let label = |key: &'static str, text: Option<Cow<'a, str>>| text.map(|text| (key, Fact::Label(text)));
    event.facts.extend(label("tool", log.text("mastra.log.tool")));
    event.facts.extend(label("model", log.text("mastra.log.modelId")));
    Some(Item::Event(Box::new(event)))
}

fn body<'a>(log: &Log<'_, 'a>) -> Option<Cow<'a, str>> {
    super::spans::text(&log.record.body)
}
