//! What the LiteLLM proxy prints: banners, its own messages, and the access lines of its server, plain or
//! inside of a JSON object.

use super::fields::Field;
use super::json::with_object;
use super::number;
use super::row::{Row, Value};
use super::text::Rest;
use halod_record::json::{Json, Text};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

pub(super) fn row(line: &str) -> Result<Option<Row<'_>>, Unusable> {
    if line.starts_with('{') {
        return with_object(line, object);
    }
    // `INFO:     127.0.0.1:47880 - "POST /v1/chat/completions HTTP/1.1" 200 OK`. All else is banner.
    match line.strip_prefix("INFO:").map(str::trim_start) {
        Some(message) if is_access(message) => access(message).map(Some),
        _ => Ok(None),
    }
}

fn object<'a>(entries: Vec<(Text<'a>, Json<'a>)>) -> Result<Option<Row<'a>>, Unusable> {
    let (mut message, mut moment, mut of_access) = (None, None, false);
    for (key, value) in entries {
        match key.as_str() {
            Some("message") => message = Value::of(value),
            Some("timestamp") => moment = Value::of(value),
            Some("component") => of_access = value.as_str() == Some("uvicorn.access"),
            _ => {}
        }
    }
    let mut row = match message {
        Some(Value::Text(Cow::Borrowed(text))) if of_access || is_access(text) => access(text)?,
        Some(Value::Text(Cow::Owned(text))) if of_access || is_access(&text) => access(&text)?.into_owned(),
        _ => return Ok(None),
    };
    if let Some(moment) = moment {
        row.put(Field::Ended, moment);
    }
    Ok(Some(row))
}

/// `address:port - "`; over a Unix socket the server has no address.
fn is_access(message: &str) -> bool {
    message.starts_with("- \"")
        || message.split_once(" - \"").is_some_and(|(client, _)| !client.is_empty() && !client.contains(' '))
}

fn access(message: &str) -> Result<Row<'_>, Unusable> {
    let (client, rest) = message
        .strip_prefix("- ")
        .map(|rest| ("", rest))
        .or_else(|| message.split_once(" - "))
        .ok_or_else(|| Unusable::new("message", "no client before a quoted request"))?;
    let mut rest = Rest(rest);
    let request = rest.quoted().ok_or_else(|| Unusable::new("message", "no quoted request"))?;
    let status = rest.word().and_then(number::whole).filter(|code| *code < 1000);
    let status = status.ok_or_else(|| Unusable::new("message", "no status after the request"))?;
    let mut row = Row::default();
    let address = client.rsplit_once(':').map_or(client, |(at, _)| at);
    if !address.is_empty() {
        row.put(Field::Client, Value::Text(Cow::Borrowed(address)));
    }
    row.request(Cow::Borrowed(request));
    row.put(Field::Status, Value::Whole(status as i64));
    Ok(row)
}
