//! Private keys in armour (RFC 7468, RFC 4880 section 6) and PuTTY's files.

use super::super::chars::{byte, byte_run, first};
use super::super::text::{Span, add};
use memchr::memchr;
use memchr::memmem::{Finder, find_iter};

const ANY: usize = usize::MAX;
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

pub(in super::super) fn mask(_: &str, out: &mut String) {
    out.push_str("[PRIVATE KEY REDACTED]");
}

/// Where `literal` ends if it stands at `from`.
fn after(text: &str, from: usize, literal: &str) -> Option<usize> {
    text.get(from..)?.starts_with(literal).then_some(from + literal.len())
}

/// Where a label such as `RSA PRIVATE KEY-----` ends.
fn label(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..4 {
        let key = after(text, at, "PRIVATE KEY");
        let key = key.map(|key| after(text, key, " BLOCK").unwrap_or(key));
        if let Some(end) = key.and_then(|key| after(text, key, "-----")) {
            return Some(end);
        }
        let word = byte_run(text, at, ANY, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
        at = after(text, word, " ").filter(|_| word > at)?;
    }
    None
}

pub(in super::super) fn find(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    let mut headers = Headers::default();
    let (begin, end) = (Finder::new("-----BEGIN"), Finder::new(END));
    let mut begins = find_iter(text.as_bytes(), BEGIN).peekable();
    while let Some(start) = begins.next() {
        if start < done {
            continue;
        }
        let Some(body) = label(text, start + BEGIN.len()) else { continue };
        // A body never reaches over the next beginning, of whatever kind.
        let limit = next_begin(text, body, begins.peek().copied(), &begin);
        done = ending(text, body, limit, &end).unwrap_or_else(|| truncated(text, body, &mut headers));
        add(out, Span::new(start, done));
    }
}

/// Where the text from `body` on begins something again. `known` is the next full `-----BEGIN `; one
/// without the space ends a body as well.
fn next_begin(text: &str, body: usize, known: Option<usize>, begin: &Finder<'_>) -> usize {
    let limit = known.unwrap_or(text.len());
    let part = text.as_bytes().get(body..limit).unwrap_or_default();
    begin.find(part).map_or(limit, |at| body + at)
}

/// Where the first END line of a private key between `from` and `limit` ends.
fn ending(text: &str, from: usize, limit: usize, end: &Finder<'_>) -> Option<usize> {
    let part = text.as_bytes().get(from..limit)?;
    end.find_iter(part).find_map(|at| label(text, from + at + END.len()))
}

fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// Where a key without an END ends: after its header lines and the blank line that closes them, and
/// then its lines of base64.
fn truncated(text: &str, body: usize, headers: &mut Headers) -> usize {
    let mut at = body;
    let headers = headers.end(text, body);
    if byte(text, headers) == b'\n' && byte(text, headers + 1) == b'\n' && base64(byte(text, headers + 2)) {
        at = headers + 1;
    }
    while byte(text, at) == b'\n' {
        let end = byte_run(text, at + 1, ANY, base64);
        if end == at + 1 || !(end == text.len() || byte(text, end) == b'\n') {
            break;
        }
        at = end;
    }
    at
}

/// The header lines last read. A header's value may be the beginning of another key, for which the
/// same lines must not be read again.
#[derive(Default)]
struct Headers {
    start: usize,
    end: usize,
}

impl Headers {
    /// Where the header lines that start at `from` end.
    fn end(&mut self, text: &str, from: usize) -> usize {
        if byte(text, from) == b'\n' && !(self.start..=self.end).contains(&from) {
            *self = Self { start: from, end: from };
            while let Some(line) = header(text, self.end) {
                self.end = line;
            }
        }
        if byte(text, from) == b'\n' { self.end } else { from }
    }
}

/// Where the header line (`\nName: value`) at `from` ends.
fn header(text: &str, from: usize) -> Option<usize> {
    let name = after(text, from, "\n").filter(|&name| byte(text, name).is_ascii_alphabetic())?;
    let colon = byte_run(text, name, 42, |b| b.is_ascii_alphanumeric() || b == b'-');
    let value = after(text, colon, ":").filter(|_| colon - name <= 41)?;
    let rest = text.get(value..)?;
    let length = memchr(b'\n', rest.as_bytes())?;
    let line = rest.get(..length)?;
    (first(line, 200).len() == line.len()).then_some(value + length)
}

/// The private half of a PuTTY key file: `Private-Lines: n` and as many lines of base64.
pub(in super::super) fn putty(text: &str, out: &mut Vec<Span>) {
    for start in find_iter(text.as_bytes(), "Private-Lines: ") {
        let mut end = byte_run(text, start + 15, 4, |b| b.is_ascii_digit());
        loop {
            let line = end + usize::from(byte(text, end) == b'\r');
            let stop = byte_run(text, line + 1, ANY, base64);
            if byte(text, line) != b'\n' || stop - line < 20 {
                break;
            }
            end = stop;
        }
        add(out, Span::new(start, end));
    }
}
