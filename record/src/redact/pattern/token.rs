//! Tokens: a fixed beginning and a body of some class of characters.

use super::super::chars::{byte, byte_run, first, run, space};
use super::super::text::{Span, add};
use memchr::memmem::Finder;
use std::sync::LazyLock;

type Class = fn(u8) -> bool;

/// A beginning, the class of the body and how long that is.
struct Token {
    start: Finder<'static>,
    class: Class,
    min: usize,
    max: usize,
}

/// Such tokens, of which the searches are prepared once.
type Tokens<const N: usize> = LazyLock<[Token; N]>;

const ANY: usize = usize::MAX;

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn upper(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_uppercase()
}

fn dashed(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-'
}

fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// The characters of unpadded base64url (RFC 4648, section 5).
pub(super) fn base64url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn dotted(b: u8) -> bool {
    base64url(b) || b == b'.'
}

pub(in super::super) fn first_four(found: &str, out: &mut String) {
    out.push_str(first(found, 4));
    out.push_str("****");
}

fn token(start: &'static str, class: Class, min: usize, max: usize) -> Token {
    Token { start: Finder::new(start), class, min, max }
}

pub(in super::super) fn api_key(text: &str, out: &mut Vec<Span>) {
    static TOKENS: Tokens<7> = LazyLock::new(|| {
        [
            token("sk-", base64url, 20, ANY),
            token("AKIA", upper, 16, 16),
            token("xoxb-", dashed, 10, ANY),
            token("xoxa-", dashed, 10, ANY),
            token("xoxp-", dashed, 10, ANY),
            token("xoxr-", dashed, 10, ANY),
            token("xoxs-", dashed, 10, ANY),
        ]
    });
    find(text, &TOKENS, out);
}

pub(in super::super) fn gcp_api_key(text: &str, out: &mut Vec<Span>) {
    static TOKENS: Tokens<1> = LazyLock::new(|| [token("AIza", base64url, 35, ANY)]);
    find(text, &TOKENS, out);
}

pub(in super::super) fn stripe_key(text: &str, out: &mut Vec<Span>) {
    static TOKENS: Tokens<6> = LazyLock::new(|| {
        [
            token("sk_live_", alnum, 16, ANY),
            token("rk_live_", alnum, 16, ANY),
            token("pk_live_", alnum, 16, ANY),
            token("sk_test_", alnum, 16, ANY),
            token("rk_test_", alnum, 16, ANY),
            token("pk_test_", alnum, 16, ANY),
        ]
    });
    find(text, &TOKENS, out);
}

pub(in super::super) fn github_token(text: &str, out: &mut Vec<Span>) {
    static TOKENS: Tokens<5> = LazyLock::new(|| {
        [
            token("gho_", alnum, 36, 36),
            token("ghp_", alnum, 36, 36),
            token("ghs_", alnum, 36, 36),
            token("ghu_", alnum, 36, 36),
            token("github_pat_", word, 22, ANY),
        ]
    });
    find(text, &TOKENS, out);
}

/// Temporary, bearer and context-specific access key ids: the IAM user guide's table of unique
/// identifier prefixes has them beside `AKIA`.
pub(in super::super) fn aws_session_key(text: &str, out: &mut Vec<Span>) {
    static TOKENS: Tokens<3> = LazyLock::new(|| {
        [token("ASIA", upper, 16, 16), token("ABIA", upper, 16, 16), token("ACCA", upper, 16, 16)]
    });
    find(text, &TOKENS, out);
}

/// Finds any of `tokens`, the leftmost first. Where each starts next is remembered, so that the text
/// is searched once for each of them.
fn find<const N: usize>(text: &str, tokens: &[Token; N], out: &mut Vec<Span>) {
    let search =
        |token: &Token, from: usize| token.start.find(text.as_bytes().get(from..)?).map(|at| from + at);
    let mut next = tokens.each_ref().map(|token| search(token, 0));
    loop {
        let earliest =
            next.iter().enumerate().filter_map(|(i, at)| Some((i, (*at)?))).min_by_key(|(_, at)| *at);
        let Some((i, start)) = earliest else { return };
        let Some(token) = tokens.get(i) else { return };
        let body = start + token.start.needle().len();
        let end = byte_run(text, body, token.max, token.class);
        let mut from = start + 1;
        if end - body >= token.min {
            add(out, Span::new(start, end));
            from = end;
        }
        for (token, at) in tokens.iter().zip(&mut next) {
            if at.is_some_and(|at| at < from) {
                *at = search(token, from);
            }
        }
    }
}

/// The most characters of a JWT's segment.
const SEGMENT: usize = 8192;

/// By hand for its look-behind: `eyJ` must not continue a token.
pub(in super::super) fn jwt(text: &str, out: &mut Vec<Span>) {
    let finder = Finder::new("eyJ");
    let mut from = 0;
    while let Some(at) = text.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
        let start = from + at;
        let glued = start > 0 && base64url(byte(text, start - 1));
        match if glued { None } else { segments(text, start + 3) } {
            Some(end) => {
                add(out, Span::new(start, end));
                from = end;
            }
            // What starts later in the same run continues it.
            None => from = byte_run(text, start + 3, ANY, base64url),
        }
    }
}

fn segments(text: &str, from: usize) -> Option<usize> {
    let segment = |from: usize| {
        let end = byte_run(text, from, SEGMENT, base64url);
        (end - from >= 10).then_some(end)
    };
    let dot = |at: usize| (byte(text, at) == b'.').then_some(at + 1);
    segment(dot(segment(dot(segment(from)?)?)?)?)
}

pub(in super::super) fn bearer(text: &str, out: &mut Vec<Span>) {
    let finder = Finder::new("Bearer");
    let mut from = 0;
    while let Some(at) = text.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
        let start = from + at;
        let body = run(text, start + 6, space);
        let end = byte_run(text, body, ANY, dotted);
        from = body;
        if body > start + 6 && end - body >= 20 {
            add(out, Span::new(start, end));
            from = end;
        }
    }
}
