//! Lines of JSON: one object a request.

mod programs;
mod repair;

pub(super) use repair::mended;

use super::fields::{Field, MILLI, usual};
use super::format::Format;
use super::row::{Row, Value};
use halod_record::json::{Json, Limits, ParseError, Text, parse_with};
use halod_record::unusable::Unusable;

/// No gateway nests as deep.
const LIMITS: Limits = Limits { depth: 64, int_digits: 4300, values: 10_000 };

pub(super) type Entries<'a> = Vec<(Text<'a>, Json<'a>)>;

/// The request of an object, or none if it is of something else.
pub(super) fn row<'a>(line: &'a str, format: Format) -> Result<Option<Row<'a>>, Unusable> {
    with_object(line, |object| read(object, format))
}

/// Reads the object of a line. What nginx, Apache and HAProxy write into a hand-made format is not always
/// JSON: such a line is mended first.
pub(super) fn with_object<'a>(
    line: &'a str,
    read: impl for<'x> Fn(Entries<'x>) -> Result<Option<Row<'x>>, Unusable>,
) -> Result<Option<Row<'a>>, Unusable> {
    let error = match parse_with(line, &LIMITS) {
        Ok(parsed) => return read(object(parsed.value)?),
        Err(error) => error,
    };
    let Some((mended, damaged)) = repair::mended(line) else { return Err(no_json(&error)) };
    let parsed = parse_with(&mended, &LIMITS).map_err(|_| no_json(&error))?;
    let mut row = read(object(parsed.value)?)?.map(Row::into_owned);
    if let Some(row) = &mut row {
        row.damaged |= damaged;
    }
    Ok(row)
}

fn object(json: Json<'_>) -> Result<Entries<'_>, Unusable> {
    match json {
        Json::Object(entries) => Ok(entries),
        Json::Array(_) => Err(Unusable::new("", "an array: a line holds one object, of one request")),
        _ => Err(Unusable::new("", "JSON, but no object")),
    }
}

fn no_json(error: &ParseError) -> Unusable {
    Unusable::new("", format!("no JSON: {} at column {}", error.problem, error.column))
}

fn read(mut object: Entries<'_>, format: Format) -> Result<Option<Row<'_>>, Unusable> {
    if format == Format::Envoy {
        // Written by name, so before the host, which says more.
        object.sort_by_key(|(key, _)| key.as_str() == Some("upstream_cluster"));
    }
    let row = match format {
        Format::Caddy => programs::caddy(object),
        Format::Kong => programs::kong(object),
        Format::Traefik => programs::traefik(object),
        Format::Cloudflare => programs::cloudflare(object),
        Format::Portkey => programs::portkey(object),
        Format::Haproxy => programs::haproxy(object),
        Format::Envoy => with_own(object, |key| match key {
            "duration" => Some(Field::Duration(MILLI)),
            "genai_model_name" => Some(Field::Model),
            "genai_backend_name" => Some(Field::Provider),
            "genai_tokens_input" => Some(Field::InputTokens),
            "genai_tokens_output" => Some(Field::OutputTokens),
            "genai_tokens_total" => Some(Field::TotalTokens),
            "upstream_transport_failure_reason" => Some(Field::Error),
            "session.id" => Some(Field::Session),
            _ => None,
        }),
        // Apache's %t and what is like it is the time of the request's start.
        Format::Apache => {
            with_own(object, |key| matches!(key, "time" | "timestamp").then_some(Field::Started))
        }
        _ => with_own(object, |_| None),
    };
    finish(row, format)
}

fn finish(mut row: Row<'_>, format: Format) -> Result<Option<Row<'_>>, Unusable> {
    if !row.is_request() {
        return Ok(None);
    }
    if !row.asked && !row.malformed && row.path.is_none() {
        return Err(Unusable::new("path", "no key that halod knows says what was requested"));
    }
    if let Some(flags) = row.flags.take() {
        // Both set the flags again, unless they say nothing.
        let flags = flags.into_owned();
        let mut of = Row::default();
        match format {
            Format::Haproxy => super::haproxy::ended(&flags, &mut of),
            _ => super::envoy::flags(&flags, &mut of),
        }
        (row.aborted, row.denied) = (row.aborted.or(of.aborted), row.denied || of.denied);
        row.flags = of.flags.map(|flags| flags.into_owned().into());
    }
    // An access log's own way to say that nothing could be made of what was sent.
    let named = row.path.is_some() || row.url.is_some() || row.tool.is_some() || row.model.is_some();
    row.malformed |= !named;
    Ok(Some(row))
}

/// Keys by a program's own names, then by the usual ones; objects for request and response, and headers.
fn with_own<'a>(object: Entries<'a>, own: impl Fn(&str) -> Option<Field>) -> Row<'a> {
    let mut row = Row::default();
    members(object, &own, &mut row, 0);
    row
}

fn members<'a>(object: Entries<'a>, own: &impl Fn(&str) -> Option<Field>, row: &mut Row<'a>, depth: u8) {
    for (key, value) in object {
        let Some(key) = key.as_str() else { continue };
        match value {
            Json::Object(inner) if depth == 0 => match key {
                "request" | "req" | "response" | "resp" | "res" | "http" => members(inner, own, row, 1),
                "headers" | "request_headers" | "req_headers" | "response_headers" | "resp_headers" => {
                    headers(inner, row);
                }
                // The reference's form of a tenant.
                "subject" => take(inner, "id", Field::Tenant, row),
                _ => {}
            },
            Json::Object(inner) if key == "headers" => headers(inner, row),
            Json::Object(_) => {}
            value => {
                let Some(field) = own(key).or_else(|| usual(key)) else { continue };
                // A null says that there was none.
                row.asked |= field.asks();
                if let Some(value) = Value::of(value) {
                    row.put(field, value);
                }
            }
        }
    }
}

/// Of request and response headers the few that say whose call it was. Credentials are not looked at.
fn headers<'a>(object: Entries<'a>, row: &mut Row<'a>) {
    for (name, value) in object {
        let Some(name) = name.as_str() else { continue };
        if let Some(field) = header(name)
            && let Some(value) = Value::of(value)
        {
            row.put(field, value);
        }
    }
}

fn header(name: &str) -> Option<Field> {
    // No name of these is longer.
    if name.len() > 24 {
        return None;
    }
    Some(match name.to_ascii_lowercase().replace('_', "-").as_str() {
        "x-request-id" | "request-id" => Field::XRequestId,
        "traceparent" => Field::Traceparent,
        "x-session-id" | "session-id" | "mcp-session-id" => Field::Session,
        "x-tenant" | "x-tenant-id" | "tenant-id" => Field::Tenant,
        "x-litellm-call-id" => Field::CallId,
        "user-agent" => Field::UserAgent,
        "x-forwarded-for" => Field::ForwardedFor,
        _ => return None,
    })
}

/// One member of an object that is not read as a whole.
fn take<'a>(object: Entries<'a>, key: &str, field: Field, row: &mut Row<'a>) {
    let found = object.into_iter().find(|(name, _)| name.as_str() == Some(key));
    if let Some(value) = found.and_then(|(_, value)| Value::of(value)) {
        row.put(field, value);
    }
}

/// What is at a path of keys in an object, which gives it away.
pub(super) fn at<'a>(object: &mut Entries<'a>, path: &[Box<str>]) -> Option<Json<'a>> {
    let (first, rest) = path.split_first()?;
    let (_, value) = object.iter_mut().find(|(key, _)| key.as_str() == Some(first))?;
    match (rest, value) {
        ([], value) => Some(std::mem::replace(value, Json::Null)),
        (rest, Json::Object(inner)) => at(inner, rest),
        _ => None,
    }
}
