//! One pass over a span's attributes and events into slots.

use super::content::{self, Indexed};
use super::dialects::claude_code::TOOL_OUTPUT;
use super::dialects::frameworks::RAW_REQUEST;
use super::dialects::{self, CONVENTIONAL, DIALECTS, Entry, LEGACY, langwatch};
use super::provider::raw_key;
use super::table::{FIELDS, Field, Side};
use crate::otlp::model::{AnyValue, KeyValue, Span, SpanEvent};
use halod_record::charge;
use halod_record::event::Content;
use halod_record::json::{self, Json, Text};
use std::borrow::Cow;

/// What an attribute takes at most beside its value: in a list by index, and in the message made of that.
const ATTRIBUTE: usize = 256;

/// What a span's attributes and events say, by [`Field`].
///
/// A key that appears twice is "unpredictable" by the specification (`common.proto`); here the last
/// value that is not empty wins, whatever the order of the rest.
#[derive(Debug)]
pub(super) struct Found<'a> {
    values: [Option<&'a AnyValue<'a>>; FIELDS],
    /// Of each value, the place of its row.
    places: [u16; FIELDS],
    inputs: Vec<Indexed<'a>>,
    outputs: Vec<Indexed<'a>>,
    /// Legacy message events: `gen_ai.user.message` and its like, and `gen_ai.choice`.
    messages: Vec<&'a SpanEvent<'a>>,
    choices: Vec<&'a SpanEvent<'a>>,
    pub(super) exception: bool,
    /// One bit for each dialect that some attribute tells of.
    pub(super) seen: u32,
    /// Some attribute was of a dialect that this adapter reads.
    pub(super) known: bool,
    /// One of them tells of an action, and not only of who is behind it.
    pub(super) acts: bool,
    /// It is LiteLLM's account of what it asked a provider, and was answered.
    pub(super) is_raw: bool,
    /// Some attribute is of the conventions' names (`gen_ai.*`), if only one of who is behind it.
    pub(super) gen_ai: bool,
    /// The scope is one that a dialect's instrumentation writes under.
    pub(super) by_scope: bool,
}

impl<'a> Found<'a> {
    pub(super) fn of_span(scope: &str, span: &'a Span<'a>) -> Self {
        let mut found = Self::of_attributes(&span.attributes);
        let told = dialects::scope(scope);
        found.seen |= told;
        found.by_scope = told != 0;
        let litellm = scope == "litellm" || span.name == RAW_REQUEST;
        found.is_raw = litellm
            && !found.has(Field::Operation)
            && !found.has(Field::RequestType)
            && span.attributes.iter().any(|pair| raw_key(&pair.key).is_some());
        found.known |= found.by_scope;
        for event in &span.events {
            found.event(event);
        }
        found
    }

    pub(super) fn of_attributes(attributes: &'a [KeyValue<'a>]) -> Self {
        let mut found = Self {
            values: [None; FIELDS],
            places: [0; FIELDS],
            inputs: Vec::new(),
            outputs: Vec::new(),
            messages: Vec::new(),
            choices: Vec::new(),
            exception: false,
            seen: 0,
            known: false,
            acts: false,
            is_raw: false,
            gen_ai: false,
            by_scope: false,
        };
        found.attributes(attributes);
        found
    }

    fn attributes(&mut self, attributes: &'a [KeyValue<'a>]) {
        if charge::take(attributes.len() * ATTRIBUTE).is_err() {
            return;
        }
        for KeyValue { key, value } in attributes {
            match dialects::find(key) {
                Some(entry) => self.put(entry, value),
                None => self.indexed(key, value),
            }
        }
    }

    fn put(&mut self, entry: &Entry, value: &'a AnyValue<'a>) {
        let text = match value {
            AnyValue::Empty => Some(""),
            AnyValue::Str(text) => Some(text.as_ref()),
            _ => None,
        };
        if text == Some("") && !entry.field.is_content() {
            return;
        }
        self.known |= entry.known;
        self.acts |= entry.known && !entry.field.is_context();
        self.gen_ai |= entry.known && entry.tells == 0;
        self.seen |= entry.tells;
        let mut slot = entry.field as usize;
        if entry.field == Field::Provider
            && let Some(framework) = text.and_then(dialects::framework)
        {
            slot = Field::Framework as usize;
            self.seen |= framework;
        }
        if let (Some(found), Some(place)) = (self.values.get_mut(slot), self.places.get_mut(slot))
            && (found.is_none() || entry.place <= *place)
        {
            (*found, *place) = (Some(value), entry.place);
        }
    }

    /// `<prefix><n>.<rest>` of the families.
    fn indexed(&mut self, key: &'a str, value: &'a AnyValue<'a>) {
        let Some((family, place, bit, rest)) = dialects::family(key) else {
            // Others of the conventions' names: parameters of a request, and what is newer than the tables.
            let convention = key.starts_with("gen_ai.");
            self.gen_ai |= convention;
            self.acts |= convention && !key.starts_with("gen_ai.agent.");
            return;
        };
        let Some(entry) = Indexed::read(family, place, rest, value) else { return };
        match family.side {
            Side::Input => self.inputs.push(entry),
            Side::Output => self.outputs.push(entry),
        }
        (self.known, self.acts) = (true, true);
        self.seen |= bit;
    }

    fn event(&mut self, event: &'a SpanEvent<'a>) {
        if charge::take((event.attributes.len() + 1) * ATTRIBUTE).is_err() {
            return;
        }
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
            // LlamaIndex' own: with what a call began, and why it ended early.
            "LLMChatStartEvent" | "LLMCompletionStartEvent" | "EmbeddingStartEvent" | "SpanDropEvent" => {
                self.attributes(&event.attributes);
            }
            TOOL_OUTPUT => {
                let output = event.attributes.iter().find(|pair| pair.key == "output");
                if let (Some(entry), Some(output)) = (dialects::find(TOOL_OUTPUT), output) {
                    self.put(entry, &output.value);
                }
            }
            "exception" | "gen_ai.execute_tool.exception" => {
                self.exception = true;
                self.attributes(&event.attributes);
            }
            _ => {}
        }
    }

    /// Which dialect the event is told in: that which decided what it is, unless that is one of the
    /// conventions and some other was seen; else the current convention before those left behind.
    pub(super) fn dialect(&self, decided: Option<&'static str>) -> &'static str {
        if let Some(name) = decided.filter(|name| !dialects::is_convention(name)) {
            return name;
        }
        let legacy = !self.messages.is_empty() || !self.choices.is_empty();
        let first = match self.seen & !CONVENTIONAL {
            0 if legacy => self.seen | LEGACY,
            0 => self.seen,
            others => others,
        };
        DIALECTS.get(first.trailing_zeros() as usize).map_or("gen_ai", |table| table.name)
    }

    #[inline]
    pub(super) fn value(&self, field: Field) -> Option<&'a AnyValue<'a>> {
        self.values.get(field as usize).copied().flatten()
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.value(field).is_some()
    }

    /// The row that a field's value comes from.
    pub(super) fn row(&self, field: Field) -> Option<&'static Entry> {
        self.value(field)?;
        dialects::at(*self.places.get(field as usize)?)
    }

    #[inline(always)]
    pub(super) fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        match self.value(field) {
            Some(value) => text(value),
            None => None,
        }
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

    /// A disclosed value; JSON where its row or its mime type says so, or where it looks like it.
    pub(super) fn json(&self, field: Field) -> Option<Json<'a>> {
        let value = self.value(field)?;
        let mime = match field {
            Field::Input => self.text(Field::InputMime),
            Field::Output => self.text(Field::OutputMime),
            _ => None,
        };
        let encoded = mime.is_some_and(|mime| mime.starts_with("application/json"))
            || self.row(field).is_some_and(|row| row.encoded);
        let told = match value {
            AnyValue::Str(text) if encoded => json::parse_embedded(text).unwrap_or_else(|_| Json::str(text)),
            value => content::disclosed(value),
        };
        let wrapped = self.row(field).is_some_and(|row| row.key.starts_with(langwatch::PREFIX));
        Some(if wrapped { content::unlabelled(told) } else { told })
    }

    /// Whether the span is told in a dialect.
    pub(super) fn is_told_in(&self, dialect: &str) -> bool {
        self.seen & dialects::bit(dialect) != 0
    }

    /// Whether the field is told under a name that has precedence over the conventions.
    fn outright(&self, field: Field) -> bool {
        self.row(field).is_some_and(|row| row.outright)
    }

    /// Whether a model was asked or answered: counts, messages, or an answer's id.
    pub(super) fn converses(&self) -> bool {
        const TOLD: [Field; 9] = [
            Field::InputTokens,
            Field::OutputTokens,
            Field::TotalTokens,
            Field::UsageObject,
            Field::InputMessages,
            Field::OutputMessages,
            Field::SystemInstructions,
            Field::ResponseId,
            Field::FinishReason,
        ];
        TOLD.iter().any(|field| self.has(*field))
            || !self.inputs.is_empty()
            || !self.outputs.is_empty()
            || !self.messages.is_empty()
            || !self.choices.is_empty()
    }

    /// Whether a field is told under a name of the conventions (`gen_ai.*`).
    pub(super) fn conventional(&self, field: Field) -> bool {
        self.row(field).is_some_and(|row| row.key.starts_with("gen_ai."))
    }

    /// The text under the first of `names` that is there, in a value that is a JSON object.
    pub(super) fn member(&self, field: Field, names: &[&str]) -> Option<Cow<'a, str>> {
        let Json::Object(entries) = self.json(field)? else { return None };
        let place = |name: &&str| entries.iter().position(|(key, _)| key.as_str() == Some(name));
        match entries.get(names.iter().find_map(place)?)?.1.clone() {
            Json::Str(Text::Utf8(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
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
        let indexed = self.outputs.iter().find(|entry| entry.name == "finish_reason");
        let event = || {
            let mut attributes = self.choices.iter().flat_map(|choice| &choice.attributes);
            attributes.find(|pair| pair.key == "finish_reason").map(|pair| &pair.value)
        };
        indexed.map(|entry| entry.value).or_else(event).and_then(text)
    }

    /// The messages to a model, in whichever form they came, or what else went in.
    pub(super) fn input(&mut self) -> Content<'a> {
        if self.outright(Field::Input)
            && let Some(input) = self.json(Field::Input)
        {
            return Content::Value(input);
        }
        let messages = self.json(Field::InputMessages).or_else(|| content::indexed(&mut self.inputs));
        let messages = messages.or_else(|| content::messages(&self.messages));
        let messages = messages.or_else(|| self.json(Field::Input));
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

    /// What went into and came out of what is around calls. Where that is said outright, messages
    /// beside it are only an excerpt.
    pub(super) fn boundary_content(&mut self) -> (Content<'a>, Content<'a>) {
        let (input, output) = (self.json(Field::Input), self.json(Field::Output));
        let input = input.map_or_else(|| self.input(), Content::Value);
        (input, output.map_or_else(|| self.output(), Content::Value))
    }

    /// What the model answered, or what else came out.
    pub(super) fn output(&mut self) -> Content<'a> {
        if self.outright(Field::Output)
            && let Some(output) = self.json(Field::Output)
        {
            return Content::Value(output);
        }
        self.json(Field::OutputMessages)
            .or_else(|| content::indexed(&mut self.outputs))
            .or_else(|| content::messages(&self.choices))
            .or_else(|| self.json(Field::Output))
            .map_or(Content::Undisclosed, Content::Value)
    }

    /// A tool's arguments and result; in legacy events they are the bodies of two messages.
    pub(super) fn tool_content(&mut self) -> (Content<'a>, Content<'a>) {
        let outright = |field| if self.outright(field) { self.json(field) } else { None };
        let (own_input, own_output) = (outright(Field::Input), outright(Field::Output));
        let arguments = own_input
            .or_else(|| self.json(Field::Arguments))
            .or_else(|| content::body(&self.messages, "content"));
        let arguments = arguments.or_else(|| self.json(Field::Input));
        let result = own_output
            .or_else(|| self.json(Field::Result))
            .or_else(|| content::body(&self.choices, "message"));
        let result = result.or_else(|| self.json(Field::Output));
        let input = match arguments {
            Some(arguments) => Content::Value(content::unwrapped(arguments)),
            None => self.input(),
        };
        (input, result.map_or_else(|| self.output(), Content::Value))
    }
}

/// A value as a name or id; `None` for what cannot be one.
#[inline(always)]
pub(super) fn text<'a>(value: &'a AnyValue<'a>) -> Option<Cow<'a, str>> {
    match value {
        AnyValue::Str(text) => match text.as_bytes().first() {
            None => None,
            Some(b'"') => quoted(text),
            Some(_) => Some(Cow::Borrowed(text)),
        },
        AnyValue::Int(int) => Some(Cow::Owned(int.to_string())),
        _ => None,
    }
}

/// Some senders encode each value as JSON: of a string in quotes, what is between them.
#[cold]
fn quoted(text: &str) -> Option<Cow<'_, str>> {
    match json::parse_embedded(text) {
        Ok(Json::Str(Text::Utf8(inner))) => Some(inner).filter(|inner| !inner.is_empty()),
        _ => Some(Cow::Borrowed(text)),
    }
}
