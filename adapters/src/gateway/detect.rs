//! Which format a log has, by its first lines.

use super::fields::usual;
use super::format::Format;
use super::prefix;
use super::spec::Spec;
use halod_record::json::{Json, parse};

/// Texts, with those that fit the fewest lines first.
const TEXTS: [Format; 4] = [Format::Alb, Format::Envoy, Format::Haproxy, Format::Combined];

/// The format of a log that begins with these lines; `None` if none of them tells, as when all are banners.
/// Lines that cannot be read say nothing: what fits most of the others, and before that the first, wins.
#[must_use]
pub fn detect(lines: &[&[u8]]) -> Option<Format> {
    let mut votes: Vec<(Format, usize)> = Vec::new();
    for line in lines {
        let line = String::from_utf8_lossy(line);
        let own = prefix::unwrapped(&line).ok().and_then(|own| of_line(&own));
        let Some(format) = own.or_else(|| of_line(&line)) else { continue };
        match votes.iter_mut().find(|(known, _)| *known == format) {
            Some((_, count)) => *count += 1,
            None => votes.push((format, 1)),
        }
    }
    // A proxy's messages and another's requests: whoever says a program's name is more certain.
    let litellm = votes.iter().any(|(format, _)| *format == Format::Litellm);
    if litellm {
        return Some(Format::Litellm);
    }
    let most = votes.iter().map(|(_, count)| *count).max()?;
    votes.into_iter().find(|(_, count)| *count == most).map(|(format, _)| format)
}

fn of_line(line: &str) -> Option<Format> {
    let line = line.trim_end();
    if line.starts_with('{') {
        return of_object(line);
    }
    if line.starts_with("INFO:") && reads(Format::Litellm, line) {
        return Some(Format::Litellm);
    }
    if line.contains("]: {") && reads(Format::Haproxy, line) {
        return Some(Format::Haproxy);
    }
    // `... 17 "router@file" "http://10.0.0.1:80" 12ms`.
    if traefik(line) && reads(Format::Traefik, line) {
        return Some(Format::Traefik);
    }
    TEXTS.into_iter().find(|format| reads(*format, line))
}

fn traefik(line: &str) -> bool {
    let lasted = line.rsplit(' ').next().and_then(|last| last.strip_suffix("ms"));
    lasted.is_some_and(|lasted| !lasted.is_empty() && lasted.bytes().all(|b| b.is_ascii_digit()))
}

fn reads(format: Format, line: &str) -> bool {
    matches!(Spec::from(format).row(line), Ok(Some(_)))
}

/// By the keys that only one program writes.
fn of_object(line: &str) -> Option<Format> {
    let mended;
    let object = match parse(line) {
        Ok(object) => object,
        Err(_) => {
            mended = super::json::mended(line)?.0;
            parse(&mended).ok()?
        }
    };
    let Json::Object(entries) = &object else { return None };
    let has = |key: &str| entries.iter().any(|(name, _)| name.as_str() == Some(key));
    let all = |keys: &[&str]| keys.iter().all(|key| has(key));
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or("");
    let named = if all(&["message", "level", "timestamp"]) && any(&["component", "logger"]) {
        Format::Litellm
    } else if has("DownstreamStatus") || all(&["RequestMethod", "RequestPath"]) {
        Format::Traefik
    } else if all(&["Gateway", "Provider", "Model"]) || all(&["Gateway", "StatusCode"]) {
        Format::Cloudflare
    } else if has("latencies") && all(&["request", "response"]) {
        Format::Kong
    } else if all(&["level", "ts"])
        && (text("logger").starts_with("http.log") || text("msg") == "handled request")
    {
        Format::Caddy
    } else if all(&["ai_org", "ai_model"])
        || any(&["response_status_code"]) && any(&["ai_model", "request_url"])
    {
        Format::Portkey
    } else if any(&["response_flags", "response_code"]) {
        Format::Envoy
    } else if any(&["upstream_response_time", "request_time", "body_bytes_sent", "remote_addr"]) {
        Format::Nginx
    } else if any(&["termination_state", "Ta", "TR", "tsc"]) {
        Format::Haproxy
    } else if any(&["duration_us", "remoteIP", "requestTime"]) {
        Format::Apache
    } else {
        let usual =
            |wanted| entries.iter().filter_map(|(key, _)| usual(key.as_str()?)).any(|field| field == wanted);
        let request = [super::fields::Field::Path, super::fields::Field::Url, super::fields::Field::Request];
        return (request.into_iter().any(usual) && usual(super::fields::Field::Status))
            .then_some(Format::Json);
    };
    Some(named)
}
