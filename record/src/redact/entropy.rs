//! The catch-all: tokens that look random.

use super::chars::first;
use super::probe::{TOKEN_RUN, token};
use super::text::{Span, add};
use super::words;

/// Bits per character from which a token counts as random.
const THRESHOLD: f64 = 3.5;

/// Finds runs of at least [`TOKEN_RUN`] characters of `[A-Za-z0-9+/=_-]` that look like a secret. Each
/// covers a place that is a multiple of its least length, so only those places are looked at. Unless `strict`,
/// names of words and issued ids are left out.
pub(super) fn find(text: &str, strict: bool, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in (TOKEN_RUN - 1..bytes.len()).step_by(TOKEN_RUN) {
        if at < done || !bytes.get(at).is_some_and(|&b| token(b)) {
            continue;
        }
        let (head, tail) = bytes.split_at(at);
        let head = head.get(done..).unwrap_or_default();
        let mut chars = Chars::default();
        let mut run = 0;
        for &b in tail.iter().take_while(|&&b| token(b)) {
            chars.add(b);
            run += 1;
        }
        let end = at + run;
        for &b in head.iter().rev().take_while(|&&b| token(b)) {
            chars.add(b);
            run += 1;
        }
        let start = end - run;
        if run >= TOKEN_RUN
            && text.get(start..end).is_some_and(|token| {
                secret(token.as_bytes(), chars) && (strict || !known(text, start, token))
            })
        {
            add(out, Span::new(start, end));
        }
        done = end;
    }
}

/// Whether a token is no secret though it looks random: a name of words, or an id as its issuer writes it
/// in a field for ids.
fn known(text: &str, start: usize, token: &str) -> bool {
    if words::name_of_words(token) {
        return true;
    }
    let (name, id) = match token.split_once('=') {
        Some((name, id)) => (name, id),
        None => (before(text, start), token),
    };
    words::id_key(name) && words::issued(id)
}

/// The name before a value that starts at `start`.
fn before(text: &str, start: usize) -> &str {
    const NEAR: usize = 40;
    let head = text.get(text.floor_char_boundary(start.saturating_sub(NEAR))..start).unwrap_or_default();
    let name = head.trim_end_matches([' ', '"', '\'', '\\', ':', '=']);
    // A name right before a token is a part of it.
    if name.len() == head.len() {
        ""
    } else {
        name.rsplit([' ', '"', '\'', ',', '{', '(', '\n']).next().unwrap_or_default()
    }
}

pub(super) fn mask(found: &str, out: &mut String) {
    out.push_str(first(found, 3));
    out.push_str("****");
}

/// A set of ASCII characters, a bit each: codes below 64, and the others.
#[derive(Clone, Copy, Default)]
struct Chars(u64, u64);

impl Chars {
    const fn of(b: u8) -> Self {
        match b {
            0..64 => Self(1 << b, 0),
            _ => Self(0, 1 << (b & 0x3F)),
        }
    }

    fn add(&mut self, b: u8) {
        let Self(low, high) = CHARS[usize::from(b)];
        self.0 |= low;
        self.1 |= high;
    }

    fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0 || self.1 & other.1 != 0
    }

    fn count(self) -> u32 {
        self.0.count_ones() + self.1.count_ones()
    }
}

static CHARS: [Chars; 256] = {
    let mut table = [Chars(0, 0); 256];
    let mut b = 0;
    while b < 128 {
        table[b] = Chars::of(b as u8);
        b += 1;
    }
    table
};

/// The characters from `first` to `last`.
const fn from_to(first: u8, last: u8) -> Chars {
    let mut all = Chars(0, 0);
    let mut b = first;
    while b <= last {
        let one = Chars::of(b);
        all = Chars(all.0 | one.0, all.1 | one.1);
        b += 1;
    }
    all
}

const DIGITS: Chars = from_to(b'0', b'9');
const LOWER: Chars = from_to(b'a', b'z');
const UPPER: Chars = from_to(b'A', b'Z');
const HEX: Chars = Chars(DIGITS.0, from_to(b'a', b'f').1 | from_to(b'A', b'F').1);

/// So many different characters are needed to reach [`THRESHOLD`]: 2 to the power of that is 11.3.
const VARIETY: u32 = 12;

/// A hash, a UUID, a number or a word is no secret; what is left must be varied enough.
fn secret(token: &[u8], chars: Chars) -> bool {
    (chars.any(DIGITS) || (chars.any(LOWER) && chars.any(UPPER)))
        && chars.any(Chars(!HEX.0, !HEX.1))
        && chars.count() >= VARIETY
        && !starts_with_uuid(token)
        && bits(token) >= THRESHOLD
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
