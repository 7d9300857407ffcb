//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1.1) that lies whole in memory: its parts, borrowed.

use halod_record::charge;
use halod_record::unusable::Unusable;
use memchr::memmem::Finder;
use std::borrow::Cow;

/// Parts of one body. The SDKs send some ten for each run, and 100 runs at a time.
const MAX_PARTS: usize = 65_536;
/// Headers of one part, and their bytes altogether. The SDKs send three.
const MAX_HEADERS: usize = 16;
const MAX_HEADER_BYTES: usize = 8 << 10;
/// Characters of a boundary (RFC 2046).
const MAX_BOUNDARY: usize = 70;

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub name: Cow<'a, str>,
    pub content: &'a [u8],
}

/// The boundary that a request's content type names, when it is that of a form.
#[must_use]
pub fn boundary(content_type: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content_type).ok()?;
    let (kind, parameters) = text.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let valid = (1..=MAX_BOUNDARY).contains(&boundary.len())
        && boundary.bytes().all(legal)
        && !boundary.ends_with(' ');
    valid.then(|| boundary.into_owned())
}

/// The parts of `body`, in their order.
///
/// # Errors
/// It is no form with that boundary, it breaks off, or it exceeds a bound.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, Unusable> {
    let delimiter = ["\r\n--", boundary].concat();
    let finder = Finder::new(&delimiter);
    let mut parts = Vec::new();
    let mut rest =
        opening(body, &delimiter, &finder).ok_or_else(|| wrong("no part begins with the boundary"))?;
    loop {
        rest = match ending(rest) {
            Some(End::Last) => return Ok(parts),
            Some(End::Next(rest)) => rest,
            None => return Err(wrong("something stands behind a boundary on its line")),
        };
        if parts.len() == MAX_PARTS {
            return Err(wrong(format!("a body has at most {MAX_PARTS} parts")));
        }
        let (name, after) = headers(rest)?;
        let (content, after) = content(after, &finder).ok_or_else(|| wrong("the last part has no end"))?;
        charge::push(&mut parts, Part { name, content }).map_err(|full| wrong(full.to_string()))?;
        rest = after;
    }
}

fn wrong(what: impl Into<Cow<'static, str>>) -> Unusable {
    Unusable::new("multipart", what)
}

/// What follows the first delimiter. What stands before it means nothing.
fn opening<'a>(body: &'a [u8], delimiter: &str, finder: &Finder<'_>) -> Option<&'a [u8]> {
    if let Some(rest) = body.strip_prefix(delimiter.as_bytes().get(2..)?)
        && ending(rest).is_some()
    {
        return Some(rest);
    }
    content_end(body, finder).map(|(_, rest)| rest)
}

/// What stands behind a boundary.
enum End<'a> {
    Next(&'a [u8]),
    Last,
}

fn ending(rest: &[u8]) -> Option<End<'_>> {
    if rest.starts_with(b"--") {
        return Some(End::Last);
    }
    let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    rest.get(blank..)?.strip_prefix(b"\r\n").map(End::Next)
}

/// The content of a part that begins at `rest`, and what follows the delimiter behind it.
fn content<'a>(rest: &'a [u8], finder: &Finder<'_>) -> Option<(&'a [u8], &'a [u8])> {
    // A part without content: its delimiter's line break is the one that ended the headers.
    let delimiter = finder.needle();
    if let Some(after) = rest.strip_prefix(delimiter.get(2..)?)
        && ending(after).is_some()
    {
        return Some((&[], after));
    }
    content_end(rest, finder)
}

/// A delimiter is a line of its own: what only begins like one is content.
fn content_end<'a>(rest: &'a [u8], finder: &Finder<'_>) -> Option<(&'a [u8], &'a [u8])> {
    finder.find_iter(rest).find_map(|at| {
        let after = rest.get(at + finder.needle().len()..)?;
        ending(after).is_some().then_some((rest.get(..at)?, after))
    })
}

/// The name that a part's headers give it, and what follows them.
fn headers(part: &[u8]) -> Result<(Cow<'_, str>, &[u8]), Unusable> {
    let mut rest = part;
    let mut name = None;
    for _ in 0..=MAX_HEADERS {
        let read = part.len() - rest.len();
        let room = MAX_HEADER_BYTES.saturating_sub(read).min(rest.len());
        let end = memchr::memmem::find(rest.get(..room).unwrap_or_default(), b"\r\n");
        let Some(end) = end else {
            return Err(wrong(format!(
                "a part's headers do not end, or take more than {MAX_HEADER_BYTES} bytes"
            )));
        };
        let (line, after) = rest.split_at(end);
        rest = after.get(2..).unwrap_or_default();
        if line.is_empty() {
            let name = name.ok_or_else(|| wrong("a part has no name"))?;
            return Ok((name, rest));
        }
        let line = std::str::from_utf8(line).map_err(|_| wrong("a part's headers are not UTF-8"))?;
        let (header, value) =
            line.split_once(':').ok_or_else(|| wrong("a line among a part's headers is none"))?;
        if header.trim().eq_ignore_ascii_case("content-disposition") {
            let form = |kind: &str| kind.trim().eq_ignore_ascii_case("form-data");
            let parameters = value.split_once(';').filter(|(kind, _)| form(kind)).map(|(_, rest)| rest);
            name = parameters.and_then(|parameters| parameter(parameters, "name"));
        }
    }
    Err(wrong(format!("a part has more than {MAX_HEADERS} headers")))
}

/// A parameter of a header: a token, or a string in quotes.
fn parameter<'a>(mut text: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let name = name.trim_start_matches([';', ' ', '\t']).trim_end();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let end = rest.find(';').unwrap_or(rest.len());
                (Cow::Borrowed(rest.get(..end)?.trim()), rest.get(end..)?)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = rest;
    }
}

/// A string up to its closing quote, and what follows.
fn quoted_string(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
    if text.as_bytes().get(end) == Some(&b'"') {
        return Some((Cow::Borrowed(text.get(..end)?), text.get(end + 1..)?));
    }
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(value), text.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            char => value.push(char),
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<(String, String)>, String> {
        let parts = parts(body.as_bytes(), "b").map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(parts.into_iter().map(|part| (part.name.into_owned(), text(part.content))).collect())
    }

    const NAMED: &str = "Content-Disposition: form-data; name=\"p\"\r\n\r\n";

    #[test]
    fn parts_are_told_apart_by_lines_of_the_boundary() {
        let body = format!(
            "preamble\r\n--b\r\n{NAMED}one\r\n--b  \r\ncontent-disposition:form-data;name=q;filename=\"x=\\\"; \"\r\n\
             Content-Length: 3\r\n\r\ntwo\r\n--bc\r\n\r\n--b --\r\n--b\r\n{NAMED}\r\n--b\r\n{NAMED}--b--\r\nepilogue"
        );
        let expected = [("p", "one"), ("q", "two\r\n--bc\r\n\r\n--b --"), ("p", ""), ("p", "")];
        let read = read(&body).unwrap();
        let read: Vec<_> = read.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let endless = format!("--b\r\n{}", "x: y\r\n".repeat(4000));
        let many = format!("--b\r\n{}", "x: y\r\n".repeat(40));
        for (body, why) in [
            ("", "no part begins"),
            ("{}", "no part begins"),
            ("--c\r\n--c--", "no part begins"),
            ("--b\r\n", "do not end"),
            ("--b\r\nx: y", "do not end"),
            ("--b\r\nx: y\r\n\r\n--b--", "has no name"),
            ("--b\r\nnonsense\r\n\r\n--b--", "is none"),
            ("--b\r\nContent-Disposition: attachment; name=\"p\"\r\n\r\n--b--", "has no name"),
            ("--b\r\nContent-Disposition: form-data; name=\"p\r\n\r\n--b--", "has no name"),
            ("--b\r\nContent-Disposition: form-data; name=\"p\"\r\n\r\nx\r\n--b", "has no end"),
            (&many, "more than 16 headers"),
            (&endless, "more than 16 headers"),
            (&format!("--b\r\nx: {}\r\n", "y".repeat(9000)), "more than 8192 bytes"),
        ] {
            let said = read(body).unwrap_err();
            assert!(said.contains(why), "{body:?}: {said}");
        }
        let crowd = format!("--b\r\n{NAMED}x\r\n").repeat(MAX_PARTS + 1) + "--b--";
        assert!(read(&crowd).unwrap_err().contains("at most 65536 parts"));
        assert_eq!(read("--b--"), Ok(Vec::new()));
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        for (text, expected) in [
            ("multipart/form-data; boundary=be9aa4f7", Some("be9aa4f7")),
            ("Multipart/Form-Data;charset=\"x;y\"; BOUNDARY=\"a b\"", Some("a b")),
            (
                "multipart/form-data; boundary=----LangSmithFormBoundary0x",
                Some("----LangSmithFormBoundary0x"),
            ),
            ("multipart/mixed; boundary=x", None),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"x", None),
            ("multipart/form-data; boundary=\"x \"", None),
            ("multipart/form-data; boundary=\"x\\\"y\"", None),
            (
                "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789a",
                None,
            ),
            ("application/json", None),
        ] {
            assert_eq!(boundary(text.as_bytes()).as_deref(), expected, "{text}");
        }
        assert_eq!(boundary(b"multipart/form-data; boundary=\xff"), None);
    }
}
