//! Envoy's default text, and Istio's, which says more after the flags.

use super::fields::{Field, MILLI};
use super::row::{Row, Value};
use super::text::{Rest, said};
use super::{number, time};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// `[start] "method path protocol" code flags received sent duration upstream-time "forwarded-for" "agent"
/// "request-id" "authority" "upstream"`.
pub(super) fn row(line: &str) -> Result<Row<'_>, Unusable> {
    let start = line.strip_prefix('[').and_then(|line| line.split_once("] \""));
    let (moment, rest) =
        start.ok_or_else(|| Unusable::new("", "no time in brackets with a quoted request after it"))?;
    let started = time::any(moment).ok_or_else(|| Unusable::new("start_time", "not a time"))?;
    let mut row = Row { started: Some(started), ..Row::default() };
    let (request, rest) =
        request(rest).ok_or_else(|| Unusable::new("request", "the line ends inside of it"))?;
    // `- - -` where there was none; no path in a CONNECT.
    row.request(Cow::Borrowed(request));
    if request.starts_with("- ") {
        row.method = None;
    }
    if row.path.as_deref().is_none_or(|path| said(path).is_none()) {
        (row.path, row.malformed) = (None, true);
    }
    let mut rest = Rest(rest);
    let end = |field: &'static str| Unusable::new(field, "the line ends before it");
    let status = rest.word().ok_or_else(|| end("response_code"))?;
    if status != "-" && !(status.len() <= 3 && number::whole(status).is_some()) {
        return Err(Unusable::new("response_code", "not a status"));
    }
    row.put(Field::Status, Value::Whole(number::whole(status).map_or(0, |code| code as i64)));
    flags(rest.word().ok_or_else(|| end("response_flags"))?, &mut row);
    let mut received = rest.word().ok_or_else(|| end("bytes_received"))?;
    if number::whole(received).is_none() {
        // Istio's: details, how the connection ended, why the upstream's failed.
        let (_, reason) = (rest.word(), rest.quoted());
        if let Some(reason) = reason.and_then(said) {
            row.put(Field::Error, text(reason));
        }
        received = rest.word().ok_or_else(|| end("bytes_received"))?;
    }
    row.bytes_in =
        Some(number::whole(received).ok_or_else(|| Unusable::new("bytes_received", "not a number"))?);
    let sent = rest.word().ok_or_else(|| end("bytes_sent"))?;
    row.bytes_out = Some(number::whole(sent).ok_or_else(|| Unusable::new("bytes_sent", "not a number"))?);
    row.put(Field::Duration(MILLI), text(rest.word().ok_or_else(|| end("duration"))?));
    row.put(Field::Latency(MILLI), text(rest.word().unwrap_or("-")));
    names(rest.0, &mut row);
    Ok(row)
}

/// The request, and what comes after its closing quote. Envoy escapes nothing, and a client's
/// `x-envoy-original-path`, which it may log for the path, can have quotes and blanks: a protocol ends it.
fn request(rest: &str) -> Option<(&str, &str)> {
    let ends = || rest.match_indices("\" ").map(|(at, _)| (&rest[..at], &rest[at + 2..]));
    let whole = |request: &str| {
        let last = request.rsplit(' ').next();
        last.is_some_and(|protocol| protocol == "-" || protocol.starts_with("HTTP/"))
    };
    ends().find(|(request, _)| whole(request)).or_else(|| ends().next())
}

/// What went wrong beside the status: the flags that say that an answer was cut short.
pub(super) fn flags<'a>(flags: &'a str, row: &mut Row<'a>) {
    let Some(flags) = said(flags) else { return };
    row.flags = Some(Cow::Borrowed(flags));
    row.aborted = flags.split(',').find_map(|flag| match flag {
        "DC" | "DR" => Some("client_closed_request"),
        "UC" | "UR" | "LR" | "UF" => Some("upstream_closed"),
        "UT" | "SI" | "DT" => Some("upstream_timeout"),
        "UPE" | "DPE" => Some("protocol_error"),
        _ => None,
    });
    // By its own rules: external authorization, access logs' RBAC comes with a 403.
    row.denied = flags.split(',').any(|flag| flag == "UAEX");
}

/// The quoted fields. An agent's name may have quotes, so that the last three are found from the end.
fn names<'a>(rest: &'a str, row: &mut Row<'a>) {
    let rest = rest.trim_start_matches(' ');
    let Some(rest) = rest.strip_prefix('"').and_then(|rest| rest.rfind('"').map(|end| &rest[..end])) else {
        return;
    };
    let mut last = rest.rsplitn(4, "\" \"");
    let (Some(upstream), Some(authority), Some(id), Some(rest)) =
        (last.next(), last.next(), last.next(), last.next())
    else {
        return;
    };
    let (forwarded, agent) = rest.split_once("\" \"").unwrap_or((rest, ""));
    row.put(Field::Upstream, text(upstream));
    row.put(Field::Host, text(authority));
    row.put(Field::XRequestId, text(id));
    row.put(Field::RequestId, text(id));
    row.put(Field::ForwardedFor, text(forwarded));
    row.put(Field::UserAgent, text(agent));
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}
