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

/// A line of a container runtime that cuts long lines, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The parts of one line have the same.
    pub of: PartOf,
    /// The rest of the program's line comes in a later part.
    pub more: bool,
    /// The runtime's part of the line, before and behind the program's own.
    pub head: &'a [u8],
    pub text: &'a [u8],
    pub tail: &'a [u8],
}

/// Which line a part can belong to: each stream of a container has one that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOf {
    docker: bool,
    stderr: bool,
}

/// Bytes of a line after which Docker's drivers cut it.
const DOCKER_PART: usize = 16 << 10;

/// The runtime's line, unless it is none. `line` may be any bytes: a cut does not look for characters.
#[must_use]
pub fn part(line: &[u8]) -> Option<Part<'_>> {
    match line.first()? {
        b'{' => docker_part(line),
        b'0'..=b'9' => cri_part(line),
        _ => None,
    }
}

fn cri_part(line: &[u8]) -> Option<Part<'_>> {
    if line.get(10) != Some(&b'T') || line.get(4) != Some(&b'-') {
        return None;
    }
    let stream = memchr::memchr(b' ', line)? + 1;
    let stderr = match line.get(stream..stream + 7)? {
        b"stdout " => false,
        b"stderr " => true,
        _ => return None,
    };
    let tags = stream + 7;
    let rest = line.get(tags..)?;
    let own = tags + memchr::memchr(b' ', rest).map_or(rest.len(), |at| at + 1);
    let (head, text) = line.split_at_checked(own)?;
    let more = match head.get(tags..)? {
        [b'P'] | [b'P', b' ' | b':', ..] => true,
        [b'F'] | [b'F', b' ' | b':', ..] => false,
        _ => return None,
    };
    time::any(std::str::from_utf8(line.get(..stream - 1)?).ok()?)?;
    Some(Part { of: PartOf { docker: false, stderr }, more, head, text, tail: b"" })
}

fn docker_part(line: &[u8]) -> Option<Part<'_>> {
    const HEAD: &[u8] = b"{\"log\":\"";
    let rest = line.strip_prefix(HEAD)?;
    let (mut end, mut ends, mut plain, mut replaced) = (0, false, 0, false);
    loop {
        let at = end + memchr::memchr2(b'"', b'\\', rest.get(end..)?)?;
        plain += at - end;
        ends &= at == end;
        if rest.get(at) == Some(&b'"') {
            end = at;
            break;
        }
        let escape = *rest.get(at + 1)?;
        ends = escape == b'n';
        if escape == b'u' {
            let digits = rest.get(at + 2..at + 6)?;
            replaced |= digits == b"fffd";
            plain += escaped_length(digits);
            end = at + 6;
        } else {
            plain += 1;
            end = at + 2;
        }
    }
    let (text, tail) = rest.split_at_checked(end)?;
    let stderr = match tail.strip_prefix(b"\",\"stream\":\"")? {
        [b's', b't', b'd', b'o', b'u', b't', b'"', ..] => false,
        [b's', b't', b'd', b'e', b'r', b'r', b'"', ..] => true,
        _ => return None,
    };
    memchr::memmem::find(tail, b"\"time\":\"")?;
    // Other programs write such objects as well, without the line's end: what Docker cuts is of that length, or longer
    // where bytes were no UTF-8.
    let full = plain == DOCKER_PART || replaced && plain > DOCKER_PART;
    let head = line.get(..HEAD.len())?;
    Some(Part { of: PartOf { docker: true, stderr }, more: full && !ends, head, text, tail })
}

/// How many bytes the character of `\uXXXX` has in UTF-8; half of a pair has half of its four.
fn escaped_length(digits: &[u8]) -> usize {
    let code = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match code.unwrap_or_default() {
        ..0x80 => 1,
        0x80..0x800 | 0xd800..0xe000 => 2,
        _ => 3,
    }
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

    #[test]
    fn parts_of_lines_are_told_from_lines() {
        let of = |line: &str| part(line.as_bytes()).map(|part| (part.of, part.more, part.text.len()));
        let (cri, docker) = (false, true);
        let key = |docker, stderr| PartOf { docker, stderr };
        assert_eq!(of("2026-11-29T10:00:00.1Z stdout P ab c"), Some((key(cri, false), true, 4)));
        assert_eq!(of("2026-11-29T10:00:00.1+01:00 stderr F ab"), Some((key(cri, true), false, 2)));
        assert_eq!(of("2026-11-29T10:00:00.1Z stdout P:x "), Some((key(cri, false), true, 0)));
        assert_eq!(of("2026-11-29T10:00:00.1Z stdout F"), Some((key(cri, false), false, 0)));
        for other in [OWN, "2026-11-29T10:00:00.1Z stdout X a", "2026-11-29Tx stdout P a", "2026-11-29", ""] {
            assert_eq!(of(other), None, "{other}");
        }
        let object =
            |log: &str| format!(r#"{{"log":"{log}","stream":"stderr","time":"2026-11-29T10:00:00Z"}}"#);
        let x = |n| "x".repeat(n);
        for (log, more) in [
            (x(DOCKER_PART), true),
            (x(DOCKER_PART - 5) + r#"\"\u003c\u00e9\n"#, false),
            (x(DOCKER_PART - 5) + r#"\"\u003c\u00e9x"#, true),
            (x(DOCKER_PART - 1) + r"\n", false),
            (x(DOCKER_PART - 2) + r"\\n", true),
            (x(DOCKER_PART - 2) + r"\\", false),
            (x(DOCKER_PART - 1) + r"\ufffd", true),
            (x(DOCKER_PART + 1), false),
            (x(10), false),
        ] {
            assert_eq!(
                of(&object(&log)),
                Some((key(docker, true), more, log.len())),
                "{}",
                &log[log.len() - 10..]
            );
        }
        assert_eq!(of(r#"{"log":"x"}"#), None);
        assert_eq!(of(r#"{"log":"x","stream":"stdout"}"#), None);
        assert_eq!(of(r#"{"log":"x"#), None);
    }
}
