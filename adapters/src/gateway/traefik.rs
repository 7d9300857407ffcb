//! Traefik's common log format. Of what clients write it escapes the quotes in headers, and nothing else.

use super::fields::{Field, MILLI};
use super::row::{Row, Value};
use super::text::{Rest, said};
use super::{number, time};
use halod_record::unusable::Unusable;
use memchr::memrchr_iter;
use std::borrow::Cow;

/// `client - user [start] "method target protocol" status bytes "referer" "agent" count "router" "server" 5ms`.
pub(super) fn row(line: &str) -> Result<Row<'_>, Unusable> {
    let (before, started, rest) = around_the_time(line)
        .ok_or_else(|| Unusable::new("", "no time in brackets with a quoted request after it"))?;
    let (method, target, rest) =
        request(rest).ok_or_else(|| Unusable::new("request", "not a method, a target and a protocol"))?;
    let mut row = Row { started: Some(started), ..Row::default() };
    let (client, user) = before.split_once(" - ").unwrap_or((before, ""));
    row.put(Field::Client, text(client));
    row.principal = said(user.strip_suffix(' ').unwrap_or(user)).map(Cow::Borrowed);
    row.put(Field::Method, text(method));
    row.put(Field::Path, text(target));
    let mut rest = Rest(rest);
    let status = rest.word().ok_or_else(|| Unusable::new("status", "the line ends before it"))?;
    if status != "-" && !(status.len() <= 3 && number::whole(status).is_some()) {
        return Err(Unusable::new("status", "not a status"));
    }
    row.put(Field::Status, Value::Whole(number::whole(status).map_or(0, |code| code as i64)));
    let bytes = rest.word().unwrap_or("-");
    if bytes != "-" {
        row.bytes_out = Some(number::whole(bytes).ok_or_else(|| Unusable::new("bytes", "not a number"))?);
    }
    more(rest.0, &mut row);
    Ok(row)
}

/// What stands before the time, the time, and what follows the quote after it. A user's name is what the
/// client wrote into the URL, decoded, and may look like all the rest of a line; nothing behind can. So the
/// last time counts.
fn around_the_time(line: &str) -> Option<(&str, time::Time, &str)> {
    memrchr_iter(b'[', line.as_bytes()).find_map(|at| {
        let text = &line[at + 1..];
        let end = text.bytes().take(40).position(|b| b == b']')?;
        let rest = text[end..].strip_prefix("] \"")?;
        let moment = time::clf(&text[..end])?;
        request(rest).is_some().then_some((&line[..at], moment, rest))
    })
}

/// Method and target of a request, and what follows it: Go takes none with a blank in it, but quotes.
fn request(rest: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = rest.split_once(' ')?;
    let (target, rest) = rest.split_once(' ')?;
    let (protocol, rest) = rest.split_once(' ')?;
    let whole = protocol.ends_with('"') && !method.is_empty() && !method.contains('"') && !target.is_empty();
    whole.then_some((method, target, rest))
}

/// From the end, where the operator's names are: what a client says of itself stands before them, and a
/// backslash at its end looks like an escaped quote.
fn more<'a>(rest: &'a str, row: &mut Row<'a>) {
    let Some((rest, lasted)) = rest.trim_end().rsplit_once(' ') else { return };
    row.put(Field::Duration(MILLI), text(lasted));
    let Some((rest, server)) = last_quoted(rest) else { return };
    row.put(Field::Upstream, text(server));
    let Some((headers, _)) = last_quoted(rest).and_then(|(rest, _router)| rest.rsplit_once(' ')) else {
        return;
    };
    let agent = headers.strip_suffix('"').and_then(|headers| headers.rsplit_once("\" \""));
    if let Some((_, agent)) = agent {
        row.put(Field::UserAgent, Value::Text(unquoted(agent)));
    }
}

/// What stands before the text in quotes that comes last, and that text.
fn last_quoted(rest: &str) -> Option<(&str, &str)> {
    let (before, text) = rest.strip_suffix('"')?.rsplit_once('"')?;
    Some((before.trim_end(), text))
}

/// `"` is written as `\"`, and `\` as itself.
fn unquoted(text: &str) -> Cow<'_, str> {
    if text.contains("\\\"") { Cow::Owned(text.replace("\\\"", "\"")) } else { Cow::Borrowed(text) }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}
