//! The catch-all: tokens that look random.

use super::chars::first;
use super::probe::{TOKEN_RUN, token};
use super::text::Span;

/// Bits per character from which a token counts as random.
const THRESHOLD: f64 = 3.5;

/// Finds runs of at least [`TOKEN_RUN`] characters of `[A-Za-z0-9+/=_-]` that look like a secret. Each
/// covers a place that is a multiple of its least length, so only those places are looked at.
pub(super) fn find(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in (TOKEN_RUN - 1..bytes.len()).step_by(TOKEN_RUN) {
        if at < done || !bytes.get(at).is_some_and(|&b| token(b)) {
            continue;
        }
        let (head, tail) = bytes.split_at(at);
        let head = head.get(done..).unwrap_or_default();
        let start = at - head.iter().rev().take_while(|&&b| token(b)).count();
        let end = at + tail.iter().position(|&b| !token(b)).unwrap_or(tail.len());
        if end - start >= TOKEN_RUN && bytes.get(start..end).is_some_and(secret) {
            out.push(Span { start, end });
        }
        done = end;
    }
}

pub(super) fn mask(found: &str, out: &mut String) {
    out.push_str(first(found, 3));
    out.push_str("****");
}

const DIGIT: u8 = 1;
const LOWER: u8 = 2;
const UPPER: u8 = 4;
const NO_HEX: u8 = 8;

static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let b = at as u8;
        table[at] = if b.is_ascii_digit() { DIGIT } else { 0 }
            | if b.is_ascii_lowercase() { LOWER } else { 0 }
            | if b.is_ascii_uppercase() { UPPER } else { 0 }
            | if b.is_ascii_hexdigit() { 0 } else { NO_HEX };
        at += 1;
    }
    table
};

/// A hash, a UUID, a number or a word is no secret; what is left must be varied enough.
fn secret(token: &[u8]) -> bool {
    let classes = token.iter().fold(0, |all, b| all | CLASS[usize::from(*b)]);
    let has = |class: u8| classes & class == class;
    (has(DIGIT) || has(LOWER | UPPER)) && has(NO_HEX) && !starts_with_uuid(token) && varied(token)
}

/// So many different characters are needed to reach [`THRESHOLD`]: 2 to the power of that is 11.3.
const VARIETY: usize = 12;

fn varied(token: &[u8]) -> bool {
    let mut there = [false; 128];
    for b in token {
        there[usize::from(b & 0x7F)] = true;
    }
    there.iter().filter(|there| **there).count() >= VARIETY && bits(token) >= THRESHOLD
}

/// The first three groups decide, as they do for the reference.
fn starts_with_uuid(token: &[u8]) -> bool {
    token.get(..19).is_some_and(|uuid| {
        uuid.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
    })
}

/// Shannon entropy per character. Summed in the order in which the characters first occur, as the
/// reference does, so that rounding agrees.
fn bits(token: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    let mut order = Vec::with_capacity(64);
    for &b in token {
        let Some(count) = counts.get_mut(usize::from(b)) else { continue };
        if *count == 0 {
            order.push(b);
        }
        *count += 1;
    }
    let length = token.len() as f64;
    let shares = order.iter().filter_map(|&b| counts.get(usize::from(b))).map(|&n| f64::from(n) / length);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}
