//! The module tells which part a line has in actions, and what a line says of those after it.

use super::super::base::time;
use super::super::join::{After, Answer, Of, Part, Read, Role};
use super::{call_of, end_of, error_of, is_of_model, kind, output_of};
use crate::fields::{count, text};
use halod_record::canon::write_str;
use halod_record::json::Json;
use std::sync::Arc;

/// The knowledge of a session from the lines so far.
#[derive(Debug, Default)]
pub(in super::super) struct Session {
    id: Option<String>,
    originator: Option<String>,
    version: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    turn: Option<String>,
    /// The knowledge of the session, as JSON.
    context: Option<Arc<str>>,
    /// Answers end with a record of their usage: what is counted besides repeats it.
    records: bool,
    /// The tokens that all answers so far have counted.
    counted: Option<i64>,
    /// There are parts of an answer that has not ended.
    open: bool,
    /// The line that the next answer follows.
    before: After,
}

/// Characters of a name that are kept.
const NAME: usize = 512;

impl Session {
    pub(in super::super) fn context(&self) -> Option<Arc<str>> {
        self.context.clone()
    }

    /// `None` where the line is no object.
    pub(in super::super) fn read(&mut self, line: &Json<'_>) -> Option<Read> {
        let Json::Object(_) = line else { return None };
        let Some(payload) = line.get("payload") else { return Some(Read::default()) };
        let read = match line.get("type").and_then(Json::as_str) {
            Some("session_meta") => self.meta(payload),
            Some("turn_context") => self.turn(payload),
            Some("response_item") => self.item(payload),
            Some("token_usage_record") => self.record(payload),
            Some("event_msg") => self.message(line, payload),
            _ => Read::default(),
        };
        if Self::is_before(line) {
            self.before = time(line).map_or(After::Unknown, After::Time);
        }
        Some(read)
    }

    /// Whether an answer may follow a line at once: what was said to the model, or noted of it before.
    fn is_before(line: &Json<'_>) -> bool {
        let Some(payload) = line.get("payload") else { return false };
        match line.get("type").and_then(Json::as_str) {
            Some("turn_context") => true,
            Some("response_item") => {
                output_of(payload).is_some()
                    || kind(payload) == Some("message")
                        && payload.get("role").and_then(Json::as_str) != Some("assistant")
            }
            Some("event_msg") => kind(payload) == Some("token_count"),
            _ => false,
        }
    }

    fn meta(&mut self, meta: &Json<'_>) -> Read {
        // What a session was forked from may follow with a begin of its own.
        if self.version.is_none() {
            self.id = said(meta, "id").or(self.id.take());
            self.originator = said(meta, "originator");
            self.version = said(meta, "cli_version");
            self.provider = said(meta, "model_provider");
            self.write();
        }
        Read::default()
    }

    fn turn(&mut self, context: &Json<'_>) -> Read {
        self.model = said(context, "model").or(self.model.take());
        self.turn = said(context, "turn_id");
        self.write();
        Read::default()
    }

    fn item(&mut self, item: &Json<'_>) -> Read {
        let tool = |id: &str, role| vec![Part { of: Of::Tool, id: id.to_owned(), role }];
        if let Some(id) = output_of(item) {
            return Read { parts: tool(id, Role::Answers), ..Read::default() };
        }
        let call = call_of(item);
        let assistant = item.get("role").and_then(Json::as_str) == Some("assistant");
        let parts = call.map_or_else(Vec::new, |id| tool(id, Role::Asks(None)));
        let is_part = match kind(item) {
            Some("message") => assistant,
            Some("reasoning") => true,
            _ => call.is_some(),
        };
        self.open |= is_part;
        if is_part {
            Read { parts, answer: Answer::Item, after: self.before.clone(), named: None }
        } else {
            Read { parts, ..Read::default() }
        }
    }

    fn record(&mut self, record: &Json<'_>) -> Read {
        self.records = true;
        self.of(record);
        self.open = false;
        match said(record, "response_id") {
            Some(id) => Read { answer: Answer::End(id), ..Read::default() },
            None => Read::default(),
        }
    }

    fn message(&mut self, line: &Json<'_>, message: &Json<'_>) -> Read {
        self.of(message);
        if let Some(id) = end_of(message) {
            let part = Part { of: Of::Tool, id: id.to_owned(), role: Role::Adds };
            return Read { parts: vec![part], ..Read::default() };
        }
        if error_of(message).is_some_and(is_of_model) {
            let turn = said(message, "turn_id").or_else(|| self.turn.clone());
            let id = turn.or_else(|| said(line, "timestamp"));
            let part = id.map(|id| Part { of: Of::Failure, id, role: Role::Tells });
            return Read { parts: part.into_iter().collect(), ..Read::default() };
        }
        if kind(message) == Some("token_count") {
            return self.count(line, message);
        }
        Read::default()
    }

    /// What all answers have counted, told after each, and after a turn once more.
    fn count(&mut self, line: &Json<'_>, message: &Json<'_>) -> Read {
        let total =
            message.get("info").and_then(|info| count(info.get("total_token_usage")?, "total_tokens"));
        let counts = total.is_some() && total != self.counted && self.open && !self.records;
        self.counted = total.or(self.counted);
        let Some(at) = said(line, "timestamp").filter(|_| counts) else { return Read::default() };
        self.open = false;
        Read { answer: Answer::End(at), ..Read::default() }
    }

    /// Messages name their session, too.
    fn of(&mut self, message: &Json<'_>) {
        if self.id.is_none() {
            self.id = said(message, "thread_id");
            if self.id.is_some() {
                self.write();
            }
        }
    }

    fn write(&mut self) {
        let members = [
            ("session", &self.id),
            ("originator", &self.originator),
            ("version", &self.version),
            ("provider", &self.provider),
            ("model", &self.model),
        ];
        let mut text = Vec::from(b"{");
        for (key, value) in members.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            if text.len() > 1 {
                text.push(b',');
            }
            write_str(key, &mut text);
            text.push(b':');
            write_str(value, &mut text);
        }
        text.push(b'}');
        self.context = String::from_utf8(text).ok().map(Arc::from);
    }
}

fn said(object: &Json<'_>, key: &str) -> Option<String> {
    let text = text(object, key)?;
    Some(text.chars().take(NAME).collect())
}
