//! AWS Application Load Balancer.

use super::combined::request_of;
use super::fields::{Field, SECOND};
use super::row::{Row, Value};
use super::text::{Rest, said, unescape};
use super::{number, time};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// `type time elb client target t t t elb-status target-status received sent "request" "agent" cipher protocol
/// target-group "trace" "domain" "certificate" rule created "actions" "redirect" "error" ...`.
pub(super) fn row(line: &str) -> Result<Row<'_>, Unusable> {
    let mut rest = Rest(line);
    let end = |field: &'static str| move || Unusable::new(field, "the line ends before it");
    let kind = rest.word().ok_or_else(end("type"))?;
    if !matches!(kind, "http" | "https" | "h2" | "grpcs" | "ws" | "wss") {
        return Err(Unusable::new("type", "none of http, https, h2, grpcs, ws, wss"));
    }
    let mut row = Row::default();
    let moment = rest.word().ok_or_else(end("time"))?;
    row.ended = Some(time::any(moment).ok_or_else(|| Unusable::new("time", "not a time"))?);
    let _ = rest.word().ok_or_else(end("elb"))?;
    let client = rest.word().ok_or_else(end("client:port"))?;
    row.put(Field::Client, text(client.rsplit_once(':').map_or(client, |(address, _)| address)));
    row.put(Field::Upstream, text(rest.word().ok_or_else(end("target:port"))?));
    // -1 for what never came about; then the whole is not known either.
    let mut lasted = Some(0_u64);
    for field in ["request_processing_time", "target_processing_time", "response_processing_time"] {
        let part = number::decimal(rest.word().ok_or_else(end(field))?, SECOND);
        lasted = lasted.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        if field == "target_processing_time" {
            row.latency = part;
        }
    }
    row.duration = lasted;
    let status = rest.word().ok_or_else(end("elb_status_code"))?;
    if status != "-" && !(status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Unusable::new("elb_status_code", "not three digits"));
    }
    row.put(Field::Status, Value::Whole(number::whole(status).map_or(0, |code| code as i64)));
    row.put(Field::UpstreamStatus, text(rest.word().ok_or_else(end("target_status_code"))?));
    row.bytes_in = number::whole(rest.word().ok_or_else(end("received_bytes"))?);
    row.bytes_out = number::whole(rest.word().ok_or_else(end("sent_bytes"))?);
    let request = rest.quoted().ok_or_else(|| Unusable::new("request", "no quoted text"))?;
    // A URL as `http://host:80- -`, without a method, stands for what could not be read.
    match request.strip_prefix("- ") {
        Some(_) => row.malformed = true,
        None => request_of(request, &mut row),
    }
    more(rest, &mut row);
    Ok(row)
}

fn more<'a>(mut rest: Rest<'a>, row: &mut Row<'a>) {
    if let Some(agent) = rest.quoted() {
        let (agent, whole) = unescape(agent);
        row.damaged |= !whole;
        row.put(Field::UserAgent, Value::Text(agent));
    }
    let (_, _, _) = (rest.word(), rest.word(), rest.word());
    if let Some(trace) = rest.quoted().and_then(said) {
        row.facts.push(("amzn_trace_id", Cow::Borrowed(trace)));
        row.put(Field::RequestId, text(trace));
    }
    if let Some(domain) = rest.quoted() {
        row.put(Field::Host, text(domain));
    }
    let (_, _) = (rest.quoted(), rest.word());
    if let Some(created) = rest.word() {
        row.put(Field::Started, text(created));
    }
    let (_, _) = (rest.quoted(), rest.quoted());
    if let Some(error) = rest.quoted().and_then(said) {
        row.put(Field::ErrorType, text(error));
        row.put(Field::Error, text(error));
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}
