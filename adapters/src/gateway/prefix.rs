//! Prefixes that container runtimes and syslog put before a program's own line: a prefix is never read as a part of
//! the line.

use super::time;
use halod_record::json::{Json, Text, parse};
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// The program's own line.
///
/// # Errors
/// The line is only a part of one: the container runtime cut it.
pub(super) fn unwrapped(line: &str) -> Result<Cow<'_, str>, Unusable> {
    if line.starts_with("{\"log\":") {
        return Ok(docker(line).unwrap_or(Cow::Borrowed(line)));
    }
    if let Some(cri) = cri(line) {
        return cri.map(Cow::Borrowed);
    }
    Ok(Cow::Borrowed(syslog(line).or_else(|| compose(line)).unwrap_or(line)))
}

/// `{"log":"<line>\n","stream":"stdout","time":"..."}`: Docker's driver json-file.
fn docker(line: &str) -> Option<Cow<'_, str>> {
    let object = parse(line).ok()?;
    object.get("stream")?.as_str()?;
    object.get("time")?.as_str()?;
    let Json::Object(members) = object else { return None };
    let log = members.into_iter().find(|(key, _)| key.as_str() == Some("log"))?.1;
    let Json::Str(Text::Utf8(log)) = log else { return None };
    Some(match log {
        Cow::Borrowed(log) => Cow::Borrowed(log.trim_end_matches(['\n', '\r'])),
        Cow::Owned(log) => Cow::Owned(log.trim_end_matches(['\n', '\r']).to_owned()),
    })
}

/// `<time> stdout F <line>`: the Container Runtime Interface. `P` marks a part of a line, whose rest comes later.
fn cri(line: &str) -> Option<Result<&str, Unusable>> {
    let (moment, rest) = line.split_once(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    if !matches!(stream, "stdout" | "stderr") || !moment.contains('T') || time::any(moment).is_none() {
        return None;
    }
    let (tags, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match tags.split(':').next() {
        Some("F") => Some(Ok(rest)),
        Some("P") => Some(Err(Unusable::new("", "a part of a line that the container runtime cut"))),
        _ => None,
    }
}

/// The message of a line with syslog's header: that of RFC 3164, of RFC 5424, or RFC 3164's with an ISO time, as rsyslog
/// writes it.
fn syslog(line: &str) -> Option<&str> {
    let (priority, rest) = match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((number, rest)) if number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit()) => {
            (true, rest)
        }
        _ => (false, line),
    };
    if priority && let Some(rest) = rest.strip_prefix("1 ") {
        return rfc5424(rest);
    }
    let rest = match rest.split_once(' ') {
        Some((iso, rest)) if iso.contains('T') && time::any(iso).is_some() => rest,
        _ => after_bsd_time(rest)?,
    };
    // `host tag[pid]: message`.
    let (_host, rest) = rest.split_once(' ')?;
    let (tag, message) = rest.split_once(": ")?;
    let is_tag = !tag.is_empty() && tag.len() <= 64 && tag.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    is_tag.then_some(message)
}

/// `Nov 29 10:00:00 `, with a blank before a single digit of the day.
fn after_bsd_time(text: &str) -> Option<&str> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = text.get(..16)?;
    let shape = |(at, byte): (usize, u8)| match at {
        3 | 6 | 15 => byte == b' ',
        9 | 12 => byte == b':',
        4 => byte == b' ' || byte.is_ascii_digit(),
        0..3 => true,
        _ => byte.is_ascii_digit(),
    };
    (MONTHS.contains(&time.get(..3)?) && time.bytes().enumerate().all(shape)).then(|| &text[16..])
}

/// `time host app pid msgid structured-data message`.
fn rfc5424(rest: &str) -> Option<&str> {
    let (moment, mut rest) = rest.split_once(' ')?;
    if moment != "-" && time::any(moment).is_none() {
        return None;
    }
    for _ in 0..4 {
        rest = rest.split_once(' ')?.1;
    }
    let message = match rest.strip_prefix("- ") {
        Some(message) => message,
        None => after_structured_data(rest)?,
    };
    Some(message.strip_prefix('\u{feff}').unwrap_or(message))
}

/// `[id name="value"][...] message`; in a value `"`, `\` and `]` are escaped.
fn after_structured_data(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_u32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' if !quoted => depth += 1,
            b']' if !quoted => depth = depth.checked_sub(1)?,
            b' ' if !quoted && depth == 0 => return (at > 0).then(|| &text[at + 1..]),
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// `name-1  | <line>`: what docker compose shows.
fn compose(line: &str) -> Option<&str> {
    let (name, message) = line.split_once(" | ")?;
    let name = name.trim_end();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let numbered = name
        .rsplit_once(['-', '_'])
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    (numbered && name.len() <= 128 && name.bytes().all(is_name)).then_some(message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OWN: &str = r#"203.0.113.7 - - [29/Nov/2026:10:00:00 +0000] "POST /v1/messages HTTP/1.1" 200 5"#;

    #[test]
    fn what_stands_before_a_line_is_taken_off() {
        for prefix in [
            "2026-11-29T10:00:00.123456789Z stdout F ",
            "2026-11-29T10:00:00.1+01:00 stderr F ",
            "Nov 29 10:00:00 host nginx: ",
            "<190>Nov  9 10:00:00 host nginx[12]: ",
            "2026-11-29T10:00:00.123456+00:00 host nginx[12]: ",
            "<190>1 2026-11-29T10:00:00Z host nginx 12 - - ",
            r#"<190>1 2026-11-29T10:00:00Z host nginx 12 ID [a@1 b="x \] y"][c@1] "#,
            "litellm-1  | ",
            "deploy_proxy_2 | ",
        ] {
            let line = [prefix, OWN].concat();
            assert_eq!(unwrapped(&line).unwrap(), OWN, "{prefix}");
        }
        let own = [OWN, "\n"].concat();
        let docker = serde_json::json!({ "log": own, "stream": "stdout", "time": "2026-11-29T10:00:00Z" });
        assert_eq!(unwrapped(&docker.to_string()).unwrap(), OWN);
    }

    #[test]
    fn what_only_looks_like_a_prefix_stays() {
        for line in [
            OWN,
            r#"{"log":"x"}"#,
            "host.example 203.0.113.7 - - [29/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5",
            "a b | c",
            "x-y | c",
            "Nov 29 10:00:00 host",
            "<190>1 x y",
            "2026-11-29T10:00:00Z stdout X y",
        ] {
            assert_eq!(unwrapped(line).unwrap(), line);
        }
        assert!(unwrapped("2026-11-29T10:00:00Z stdout P 203.0.113").is_err());
    }
}
