//! The common and combined text of nginx and Apache, and what operators append to them.

use super::fields::{Field, SECOND, usual};
use super::format::Format;
use super::row::{Row, Value};
use super::text::{Piece, Rest, said, unescape};
use super::{ingress, number, time};
use halod_record::unusable::Unusable;
use memchr::memchr_iter;
use std::borrow::Cow;

/// `[vhost ]client ident user [time] "request" status bytes[ "referer" "agent"][ more]`.
pub(super) fn row<'a>(line: &'a str, format: Format) -> Result<Row<'a>, Unusable> {
    let (before, moment, rest) = around_the_time(line)
        .ok_or_else(|| Unusable::new("", "no time in brackets with a quoted request after it"))?;
    let mut row = Row::default();
    let of_vhost = client(before, &mut row);
    if format == Format::Apache || of_vhost {
        row.started = Some(moment);
    } else {
        row.ended = Some(moment);
    }
    let mut rest = Rest(rest);
    let request =
        rest.quoted_or_none().ok_or_else(|| Unusable::new("request", "the line ends inside of it"))?;
    request_of(request, &mut row);
    let status = rest.word().ok_or_else(|| Unusable::new("status", "the line ends before it"))?;
    if status != "-" && !(status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Unusable::new("status", "not three digits"));
    }
    row.put(Field::Status, Value::Whole(number::whole(status).map_or(0, |code| code as i64)));
    let bytes = rest.word().unwrap_or("-");
    if bytes != "-" {
        row.bytes_out = Some(number::whole(bytes).ok_or_else(|| Unusable::new("bytes", "not a number"))?);
    }
    more(rest, &mut row);
    Ok(row)
}

/// What stands before the time, the time, and the quoted request with all after it. A user's name may
/// look like a time, but no name has a quote in it.
fn around_the_time(line: &str) -> Option<(&str, time::Time, &str)> {
    // A request that was not read may be a `-` without quotes.
    before(line, "\"").or_else(|| before(line, "- "))
}

fn before<'a>(line: &'a str, request: &str) -> Option<(&'a str, time::Time, &'a str)> {
    memchr_iter(b'[', line.as_bytes()).find_map(|at| {
        let text = &line[at + 1..];
        if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        // The longest form has 35 bytes.
        let end = text.bytes().take(40).position(|b| b == b']')?;
        let rest = text[end..].strip_prefix("] ").filter(|rest| rest.starts_with(request))?;
        Some((&line[..at], time::any(&text[..end])?, rest))
    })
}

/// Client and user, who may have blanks; whether a virtual host stands before them.
fn client<'a>(before: &'a str, row: &mut Row<'a>) -> bool {
    let mut words = before.trim_end().splitn(3, ' ');
    let (first, second, third) = (words.next(), words.next(), words.next());
    // `vhost:port client - user`: the second word of the usual form is hardly ever anything but `-`.
    let vhost = match (second, third) {
        (Some(client), Some(rest)) if client != "-" => rest.strip_prefix("- ").map(|user| (client, user)),
        _ => None,
    };
    // Two addresses are no host and its client: the usual form begins with who connected, and operators put the
    // header behind it.
    let two = vhost.filter(|(second, _)| first.is_some_and(is_address) && is_address(second));
    let (client, user) = match vhost {
        Some((forwarded, user)) if two.is_some() => {
            row.put(Field::ForwardedFor, text(forwarded));
            (first.unwrap_or(""), user)
        }
        Some((client, user)) => {
            row.put(Field::Host, text(first.unwrap_or("")));
            (client, user)
        }
        None => (first.unwrap_or(""), third.unwrap_or("")),
    };
    row.put(Field::Client, text(client));
    if let Some(user) = said(user).filter(|user| *user != "\"\"") {
        let (user, whole) = unescape(user);
        row.damaged |= !whole;
        row.principal = Some(user);
    }
    vhost.is_some() && two.is_none()
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

pub(super) fn request_of<'a>(request: &'a str, row: &mut Row<'a>) {
    let (request, whole) = unescape(request);
    row.damaged |= !whole;
    row.request(request);
}

/// Referer and agent, then ingress-nginx's fields, or pairs.
fn more<'a>(mut rest: Rest<'a>, row: &mut Row<'a>) {
    if rest.0.is_empty() {
        return;
    }
    if rest.quoted_or_none().is_some()
        && let Some(agent) = rest.quoted_or_none()
    {
        let agent = escaped(agent, &mut row.damaged);
        row.put(Field::UserAgent, agent);
    }
    if ingress::fields(rest, row) {
        return;
    }
    let mut first_quoted = true;
    while let Some(piece) = rest.piece() {
        match piece {
            Piece::Pair(key, value) => {
                if let Some(field) = appended(key).or_else(|| usual(key)) {
                    let value = escaped(value, &mut row.damaged);
                    row.put(field, value);
                }
            }
            // nginx's own `main` format ends so.
            Piece::Quoted(text) if std::mem::take(&mut first_quoted) && addresses(text) => {
                row.put(Field::ForwardedFor, Value::Text(Cow::Borrowed(text)));
            }
            _ => {}
        }
    }
}

/// What the short names stand for that nginx's and others' documentation gives to appended fields.
fn appended(key: &str) -> Option<Field> {
    Some(match key {
        "ua" => Field::Upstream,
        "us" => Field::UpstreamStatus,
        "ut" => Field::Latency(SECOND),
        "rl" => Field::BytesIn,
        _ => return None,
    })
}

fn addresses(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit() || b".:, ".contains(&b))
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn escaped<'a>(text: &'a str, damaged: &mut bool) -> Value<'a> {
    let (text, whole) = unescape(text);
    *damaged |= !whole;
    Value::Text(text)
}
