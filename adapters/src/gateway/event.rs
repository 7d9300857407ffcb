//! From a request that was logged to the event of its record.

use super::path::{self, Target};
use super::row::Row;
use super::{MAPPING, Place};
use halod_record::event::{
    Action, Agent, Content, Event, FILE, Fact, Keyed, Origin, Outcome, Source, Status, Usage,
};
use halod_record::json::{Json, Text};
use std::borrow::Cow;

/// The event of a request. `target` is its own.
pub(super) fn event<'a>(
    row: Row<'a>,
    target: Target<'a>,
    place: &Place<'a>,
    dialect: &'static str,
) -> Event<'a> {
    let model = row.model.clone().or_else(|| target.model.clone());
    let tool = tool(&row, &target, model.as_deref());
    let (started, ended) = times(&row);
    let mut facts = Vec::with_capacity(16);
    let trace_flags = trace(&row, &mut facts);
    let outcome = outcome(&row);
    let unread = row.unread();
    let input = input(&row, &target, model.as_deref(), &tool);
    let Row { method, session, request_id, principal, tenant, gateway, .. } = row;
    let number = |key, value: Option<u64>| value.map(|value| (key, Fact::Number(value)));
    let label = |key, value: Option<Cow<'a, str>>| value.map(|value| (key, Fact::Label(value)));
    facts.push(("file", Fact::Label(Cow::Borrowed(place.file))));
    facts.push(("offset", Fact::Number(place.offset)));
    facts.extend(number("http_status", row.status.or(row.loose_status).map(u64::from)));
    facts.extend(label("method", method));
    facts.extend(target.shown.map(|path| ("path", Fact::Label(path))));
    facts.extend(target.host.map(|host| ("host", Fact::Address(host))));
    facts.extend(number("duration_ms", row.duration.map(to_millis)));
    facts.extend(number("upstream_ms", row.latency.map(to_millis)));
    facts.extend(number("bytes_in", row.bytes_in));
    facts.extend(number("bytes_out", row.bytes_out));
    facts.extend(request_id.clone().map(|id| ("request_id", Fact::Id(id))));
    facts.extend(label("response_flags", row.flags));
    facts.extend(row.cached.map(|cached| ("cached", Fact::Flag(cached))));
    facts.extend(row.facts.into_iter().map(|(key, text)| (key, fact(key, text))));
    if !unread.is_empty() {
        facts.push(("unread", Fact::Labels(unread.into_iter().map(Cow::Borrowed).collect())));
    }
    if row.malformed {
        facts.push(("malformed_request", Fact::Flag(true)));
    }
    if row.cut {
        facts.push(("cut_request", Fact::Flag(true)));
    }
    if row.damaged {
        facts.push(("replaced_bytes", Fact::Flag(true)));
    }
    if [row.started, row.ended].into_iter().flatten().any(|time| !time.zoned) {
        facts.push(("time_zone", Fact::Label(Cow::Borrowed("not logged, taken for UTC"))));
    }
    let tokens = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    Event {
        action: Action::Request { tool, model },
        agent: Agent {
            id: Some(Cow::Borrowed("gateway")),
            name: Some(gateway.unwrap_or(Cow::Borrowed("gateway"))),
            version: None,
        },
        session: session.or(request_id),
        principal,
        tenant,
        input,
        outcome,
        authorization: None,
        origin: Origin::Keyed(Keyed { space: FILE, id: id(place), parent: None }),
        started,
        ended,
        usage: Usage {
            input_tokens: tokens(row.input_tokens),
            output_tokens: tokens(row.output_tokens),
            total_tokens: tokens(row.total_tokens),
            ..Usage::default()
        },
        source: Source { adapter: "gateway", via: "LLM gateway / proxy log", dialect, mapping: MAPPING },
        dropped: 0,
        trace_flags,
        facts,
    }
}

fn id<'a>(place: &Place<'a>) -> Vec<Cow<'a, str>> {
    let mut id: Vec<Cow<'a, str>> = place.identity.iter().map(|part| Cow::Borrowed(*part)).collect();
    id.push(Cow::Owned(place.offset.to_string()));
    id
}

/// The reference's name for it, without the query.
fn tool<'a>(row: &Row<'a>, target: &Target<'a>, model: Option<&str>) -> Cow<'a, str> {
    match (&row.tool, model) {
        (Some(tool), _) => tool.clone(),
        (None, Some(model)) => Cow::Owned(["gen_ai:", model].concat()),
        (None, None) => Cow::Owned(["http:", target.path.as_deref().unwrap_or("request")].concat()),
    }
}

/// The reference's input: what is there of these, in this order.
fn input<'a>(row: &Row<'a>, target: &Target<'a>, model: Option<&str>, tool: &str) -> Content<'a> {
    let text = |text: &str| Json::Str(Text::Utf8(Cow::Owned(text.to_owned())));
    let cow = |text: &Cow<'a, str>| Json::Str(Text::Utf8(text.clone()));
    let mut input: Vec<(Text<'a>, Json<'a>)> = Vec::with_capacity(5);
    if let Some(method) = &row.method {
        input.push(("method".into(), cow(method)));
    }
    if let Some(path) = target.shown.as_ref().filter(|_| row.path.is_some()) {
        input.push(("path".into(), cow(path)));
    }
    if let Some(url) = &row.url {
        input.push(("url".into(), text(&path::url(url))));
    }
    if let Some(model) = model {
        input.push(("model".into(), text(model)));
    }
    match row.status {
        Some(status) if row.status_is_text => input.push(("status".into(), text(&status.to_string()))),
        Some(status) => input.push(("status".into(), Json::Int(i64::from(status)))),
        None => {}
    }
    if input.is_empty() {
        input.push(("request".into(), text(tool)));
    }
    Content::Value(Json::Object(input))
}

/// Refused is what was answered for want of permission: 401, 403, 407. 429 is not: the gateway was asked
/// too often, not by the wrong one, and the same request is answered later.
fn outcome<'a>(row: &Row<'a>) -> Outcome<'a> {
    let code = row.status.or(row.loose_status);
    let failed = code.is_some_and(|code| code >= 400 || code == 0);
    let status = match code {
        _ if row.denied => Status::Denied,
        Some(401 | 403 | 407) => Status::Denied,
        _ if failed || row.error.is_some() || row.aborted.is_some() => Status::Error,
        // Nothing was said of how it ended, or nothing that is understood.
        None => Status::Unknown,
        Some(_) => Status::Ok,
    };
    let ok = !status.failed();
    let error_type = row.error_type.clone().filter(|_| !ok).or_else(|| match code {
        // 460 is that of AWS.
        Some(0 | 460 | 499) => Some(Cow::Borrowed("client_closed_request")),
        Some(code) if code >= 400 => Some(Cow::Owned(code.to_string())),
        _ => row.aborted.map(Cow::Borrowed),
    });
    let error_text = row.error.clone().or_else(|| match code {
        Some(code) if failed => Some(Cow::Owned(format!("gateway status {code}"))),
        _ => row.aborted.map(Cow::Borrowed),
    });
    Outcome { status, result: Content::Undisclosed, error_type, error_text: error_text.filter(|_| !ok) }
}

/// Start and end. One that is not logged is reckoned, if the other is finer than seconds.
fn times(row: &Row<'_>) -> (Option<u64>, Option<u64>) {
    match (row.started, row.ended) {
        (Some(started), Some(ended)) => (Some(started.nanos), Some(ended.nanos)),
        (Some(started), None) => {
            let ended =
                row.duration.filter(|_| started.fine).and_then(|lasted| started.nanos.checked_add(lasted));
            (Some(started.nanos), ended)
        }
        (None, Some(ended)) => {
            let started =
                row.duration.filter(|_| ended.fine).and_then(|lasted| ended.nanos.checked_sub(lasted));
            (started, Some(ended.nanos))
        }
        (None, None) => (None, None),
    }
}

/// The span of the same call, by the W3C header: `00-<trace>-<span>-<flags>`.
fn trace<'a>(row: &Row<'a>, facts: &mut Vec<(&'static str, Fact<'a>)>) -> Option<u8> {
    let parent = row.traceparent.as_deref()?;
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b != b'0')
    };
    let mut parts = parent.split('-').skip(1);
    let (trace, span) = (parts.next()?, parts.next()?);
    if !hex(trace, 32) || !hex(span, 16) {
        return None;
    }
    facts.push(("trace_id", Fact::Id(Cow::Owned(trace.to_ascii_lowercase()))));
    facts.push(("span_id", Fact::Id(Cow::Owned(span.to_ascii_lowercase()))));
    parts.next().and_then(|flags| u8::from_str_radix(flags.get(..2)?, 16).ok())
}

fn to_millis(nanos: u64) -> u64 {
    nanos / 1_000_000
}

fn fact<'a>(key: &'static str, text: Cow<'a, str>) -> Fact<'a> {
    match key {
        "x_request_id" | "call_id" | "trace_id" | "span_id" | "amzn_trace_id" => Fact::Id(text),
        "client" | "forwarded_for" | "upstream" | "host" => Fact::Address(text),
        "user_agent" => Fact::Text(text),
        _ => Fact::Label(text),
    }
}
