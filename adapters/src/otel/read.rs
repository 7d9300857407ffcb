//! One pass over a span's attributes and events into slots.

use super::content::{self, Indexed};
use super::rows::{self, Dialect, FIELDS, Field};
use crate::event::Content;
use crate::json::{Json, Text};
use crate::otlp::model::{AnyValue, KeyValue, Span, SpanEvent};
use std::borrow::Cow;

/// What a span's attributes and events say, by [`Field`].
///
/// A key that appears twice is "unpredictable" by the specification (`common.proto`); here the last
/// value that is not empty wins, whatever the order of the rest.
#[derive(Debug)]
pub(super) struct Found<'a> {
    slots: [Option<(u8, &'a AnyValue<'a>)>; FIELDS],
    prompts: Vec<Indexed<'a>>,
    completions: Vec<Indexed<'a>>,
    /// Legacy message events: `gen_ai.user.message` and its like, and `gen_ai.choice`.
    pub(super) messages: Vec<&'a SpanEvent<'a>>,
    pub(super) choices: Vec<&'a SpanEvent<'a>>,
    pub(super) exception: bool,
    current: bool,
    legacy: bool,
    mcp: bool,
    /// Some attribute was of a dialect that this adapter reads.
    pub(super) known: bool,
}

impl<'a> Found<'a> {
    pub(super) fn of_span(span: &'a Span<'a>) -> Self {
        let mut found = Self::of_attributes(&span.attributes);
        for event in &span.events {
            found.event(event);
        }
        found
    }

    pub(super) fn of_attributes(attributes: &'a [KeyValue<'a>]) -> Self {
        let mut found = Self {
            slots: [None; FIELDS],
            prompts: Vec::new(),
            completions: Vec::new(),
            messages: Vec::new(),
            choices: Vec::new(),
            exception: false,
            current: false,
            legacy: false,
            mcp: false,
            known: false,
        };
        found.attributes(attributes);
        found
    }

    fn attributes(&mut self, attributes: &'a [KeyValue<'a>]) {
        for KeyValue { key, value } in attributes {
            match rows::find(key) {
                Some(row) => self.put(row, value),
                None => self.indexed(key, value),
            }
        }
    }

    fn put(&mut self, row: &rows::Row, value: &'a AnyValue<'a>) {
        let empty = match value {
            AnyValue::Empty => true,
            AnyValue::Str(text) => text.is_empty(),
            _ => false,
        };
        if empty && !row.field.is_content() {
            return;
        }
        match row.dialect {
            Dialect::Shared => self.known |= row.key.starts_with("gen_ai."),
            Dialect::GenAi => (self.known, self.current) = (true, true),
            Dialect::Legacy => (self.known, self.legacy) = (true, true),
            Dialect::Mcp => (self.known, self.mcp) = (true, true),
        }
        if let Some(slot) = self.slots.get_mut(row.field as usize)
            && slot.is_none_or(|(rank, _)| row.rank <= rank)
        {
            *slot = Some((row.rank, value));
        }
    }

    /// `gen_ai.prompt.<n>.<rest>` and `gen_ai.completion.<n>.<rest>`.
    fn indexed(&mut self, key: &'a str, value: &'a AnyValue<'a>) {
        let Some(rest) = key.strip_prefix("gen_ai.") else { return };
        let list = if let Some(rest) = rest.strip_prefix("prompt.") {
            (&mut self.prompts, rest)
        } else if let Some(rest) = rest.strip_prefix("completion.") {
            (&mut self.completions, rest)
        } else {
            return;
        };
        if let Some(entry) = Indexed::read(list.1, value) {
            list.0.push(entry);
            (self.known, self.legacy) = (true, true);
        }
    }

    fn event(&mut self, event: &'a SpanEvent<'a>) {
        match event.name.as_ref() {
            "gen_ai.choice" => self.choices.push(event),
            "gen_ai.system.message"
            | "gen_ai.user.message"
            | "gen_ai.assistant.message"
            | "gen_ai.tool.message" => {
                self.messages.push(event);
            }
            // Both carry the attributes that a span may carry itself.
            "gen_ai.content.prompt"
            | "gen_ai.content.completion"
            | "gen_ai.client.inference.operation.details" => {
                self.attributes(&event.attributes);
            }
            "exception" | "gen_ai.execute_tool.exception" => {
                self.exception = true;
                self.attributes(&event.attributes);
            }
            _ => {}
        }
    }

    /// Which dialect the event is told in. The legacy names are still common beside current ones.
    pub(super) fn dialect(&self) -> &'static str {
        match self {
            Self { current: true, .. } => "gen_ai",
            Self { legacy: true, .. } => "gen_ai.legacy",
            Self { mcp: true, .. } => "mcp",
            _ if !self.messages.is_empty() || !self.choices.is_empty() => "gen_ai.legacy",
            _ => "gen_ai",
        }
    }

    pub(super) fn value(&self, field: Field) -> Option<&'a AnyValue<'a>> {
        self.slots.get(field as usize).copied().flatten().map(|(_, value)| value)
    }

    pub(super) fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        self.value(field).and_then(text)
    }

    /// An integer, however it was encoded.
    pub(super) fn int(&self, field: Field) -> Option<i64> {
        match self.value(field)? {
            AnyValue::Int(int) => Some(*int),
            AnyValue::Str(text) => text.trim().parse().ok(),
            // Exact below 2^53, and counts are far below.
            AnyValue::Double(double) if double.fract() == 0.0 && double.abs() < 9.0e15 => {
                Some(*double as i64)
            }
            _ => None,
        }
    }

    pub(super) fn json(&self, field: Field) -> Option<Json<'a>> {
        self.value(field).map(content::disclosed)
    }

    /// The first finish reason: of a list, of a JSON list in a string, or of the legacy names.
    pub(super) fn finish_reason(&self) -> Option<Cow<'a, str>> {
        match self.value(Field::FinishReason) {
            Some(AnyValue::Array(reasons)) => reasons.first().and_then(text),
            Some(AnyValue::Str(reasons)) if reasons.trim_start().starts_with('[') => {
                match content::disclosed_text(reasons) {
                    Json::Array(list) => list.into_iter().next().and_then(|first| match first {
                        Json::Str(Text::Utf8(reason)) => Some(reason),
                        _ => None,
                    }),
                    _ => Some(Cow::Borrowed(reasons.as_ref())),
                }
            }
            Some(other) => text(other),
            None => self.legacy_finish_reason(),
        }
        .filter(|reason| !reason.is_empty())
    }

    fn legacy_finish_reason(&self) -> Option<Cow<'a, str>> {
        let indexed = self.completions.iter().find(|entry| entry.name == "finish_reason");
        let event = || {
            let mut attributes = self.choices.iter().flat_map(|choice| &choice.attributes);
            attributes.find(|pair| pair.key == "finish_reason").map(|pair| &pair.value)
        };
        indexed.map(|entry| entry.value).or_else(event).and_then(text)
    }

    /// The messages to a model, in whichever form they came.
    pub(super) fn input(&mut self) -> Content<'a> {
        let messages = self.json(Field::InputMessages).or_else(|| content::indexed(&mut self.prompts));
        let messages = messages.or_else(|| content::messages(&self.messages));
        match (self.json(Field::SystemInstructions), messages) {
            (None, None) => Content::Undisclosed,
            (None, Some(messages)) => Content::Value(messages),
            (Some(system), messages) => {
                let mut both = vec![("system_instructions".into(), system)];
                both.extend(messages.map(|messages| ("messages".into(), messages)));
                Content::Value(Json::Object(both))
            }
        }
    }

    /// What the model answered.
    pub(super) fn output(&mut self) -> Content<'a> {
        self.json(Field::OutputMessages)
            .or_else(|| content::indexed(&mut self.completions))
            .or_else(|| content::messages(&self.choices))
            .map_or(Content::Undisclosed, Content::Value)
    }
}

/// A value as a name or id; `None` for what cannot be one.
pub(super) fn text<'a>(value: &'a AnyValue<'a>) -> Option<Cow<'a, str>> {
    match value {
        AnyValue::Str(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        AnyValue::Int(int) => Some(Cow::Owned(int.to_string())),
        _ => None,
    }
}
