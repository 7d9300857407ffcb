//! HAProxy's `option httplog`.

use super::fields::{Field, MILLI};
use super::row::{Row, Value};
use super::text::{Rest, hex, said};
use super::{number, time};
use halod_record::unusable::Unusable;
use memchr::memchr_iter;
use std::borrow::Cow;

/// `client:port [time] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cookie cookie state conns queues
/// {headers} {headers} "request"`, with what syslog writes before it. What HAProxy says of itself is none.
pub(super) fn row(line: &str) -> Result<Option<Row<'_>>, Unusable> {
    let found = memchr_iter(b'[', line.as_bytes()).find_map(|at| {
        let text = &line[at + 1..];
        if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let end = text.bytes().take(40).position(|b| b == b']')?;
        Some((&line[..at], time::clf(&text[..end])?, text[end..].strip_prefix("] ")?))
    });
    let Some((before, moment, rest)) = found else {
        return if own_words(line) { Ok(None) } else { Err(Unusable::new("", "no time in brackets")) };
    };
    let mut rest = Rest(rest);
    let mut row = Row { started: Some(moment), ..Row::default() };
    let client = before.trim_end().rsplit(' ').next().unwrap_or("");
    row.put(Field::Client, text(client.rsplit_once(':').map_or(client, |(address, _)| address)));
    let end = |field: &'static str| Unusable::new(field, "the line ends before it");
    let frontend = rest.word().ok_or_else(|| end("frontend"))?;
    // `https-in/1: SSL handshake failure`.
    if frontend.ends_with(':') {
        return Ok(None);
    }
    let server = rest.word().ok_or_else(|| end("server"))?;
    row.put(Field::Upstream, text(server));
    timers(rest.word().ok_or_else(|| end("timers"))?, &mut row)?;
    let status = rest.word().ok_or_else(|| end("status"))?;
    if status != "-1" && !(status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Unusable::new("status", "neither three digits nor -1"));
    }
    row.put(Field::Status, Value::Whole(number::whole(status).map_or(-1, |code| code as i64)));
    let bytes = rest.word().ok_or_else(|| end("bytes"))?;
    row.bytes_out = Some(
        number::whole(bytes.trim_start_matches('+')).ok_or_else(|| Unusable::new("bytes", "not a number"))?,
    );
    let (_, _, state) = (rest.word(), rest.word(), rest.word().ok_or_else(|| end("state"))?);
    ended(state, &mut row);
    let (_, _) = (rest.word(), rest.word());
    request(rest.0, &mut row)?;
    Ok(Some(row))
}

/// How HAProxy begins what it says when it starts, stops or warns, and of servers and their health.
const OWN: [&str; 13] = [
    "[NOTICE]",
    "[WARNING]",
    "[ALERT]",
    "[DEBUG]",
    "Proxy ",
    "Server ",
    "Backup Server ",
    "Health check for ",
    "backend ",
    "Pausing ",
    "Enabling ",
    "Resuming ",
    "Stopping ",
];

/// Whether HAProxy speaks of itself, in a file or through syslog. A request begins with its client's address.
fn own_words(line: &str) -> bool {
    let said = line.split_once("haproxy[").and_then(|(_, rest)| rest.split_once("]: "));
    let words = said.map_or(line, |(_, words)| words);
    OWN.iter().any(|start| words.starts_with(start)) || line.contains("haproxy[") && !line.contains('"')
}

/// In milliseconds, -1 for what never came about; the last with a `+` if the answer was still going on.
fn timers(timers: &str, row: &mut Row<'_>) -> Result<(), Unusable> {
    let mut parts = [""; 5];
    let mut all = timers.split('/');
    for (slot, part) in parts.iter_mut().zip(&mut all) {
        *slot = part;
    }
    if parts[4].is_empty() || all.next().is_some() {
        return Err(Unusable::new("timers", "not five"));
    }
    row.latency = number::decimal(parts[3], MILLI);
    row.duration = number::decimal(parts[4].trim_start_matches('+'), MILLI);
    Ok(())
}

/// The state at the end: who or what ended the session, if not both in peace.
pub(super) fn ended<'a>(state: &'a str, row: &mut Row<'a>) {
    if state.starts_with("--") {
        return;
    }
    row.flags = Some(Cow::Borrowed(state));
    row.aborted = match state.as_bytes().first() {
        Some(b'C') => Some("client_closed_request"),
        Some(b'c') => Some("client_timeout"),
        Some(b'S') => Some("upstream_closed"),
        Some(b's') => Some("upstream_timeout"),
        Some(b'R' | b'I' | b'D' | b'U' | b'K') => Some("proxy_error"),
        // P: refused, which the status says. L: answered by HAProxy itself.
        _ => None,
    };
}

/// The captured headers, whose names the line does not say, then the request, which HAProxy cuts together
/// with its closing quote when the line gets too long.
fn request<'a>(rest: &'a str, row: &mut Row<'a>) -> Result<(), Unusable> {
    let at = rest.find('"').ok_or_else(|| Unusable::new("request", "no quoted text"))?;
    let text = &rest[at + 1..];
    let text = text.rfind('"').map_or(text, |end| &text[..end]);
    row.cut = rest.len() == at + 1 + text.len();
    match said(text) {
        Some("<BADREQ>") | None => row.malformed = true,
        Some(text) => {
            let request = decoded(text, &mut row.damaged);
            row.request(request);
        }
    }
    Ok(())
}

/// HAProxy writes `#HH` for what it takes for unprintable or a quote.
fn decoded<'a>(text: &'a str, damaged: &mut bool) -> Cow<'a, str> {
    if !text.contains('#') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match *tail {
            [high @ (b'0'..=b'9' | b'A'..=b'F'), low @ (b'0'..=b'9' | b'A'..=b'F'), ..] if byte == b'#' => {
                out.push(hex(high) << 4 | hex(low));
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).map_or_else(
        |error| {
            *damaged = true;
            Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned())
        },
        Cow::Owned,
    )
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}
