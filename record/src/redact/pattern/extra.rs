//! What the reference leaves readable: current providers' tokens and credentials in URLs.

use super::super::chars::{WORD, byte, byte_run, run, space};
use super::super::fields::credential_key;
use super::super::text::{Span, add};
use super::prefixes::{PREFIXES, Prefix};
use super::token::base64url;
use memchr::memmem::Finder;
use memchr::{memchr2_iter, memchr3_iter};
use std::sync::LazyLock;

/// Tokens of [`PREFIXES`] that do not continue a word.
pub(in super::super) fn prefixed(text: &str, out: &mut Vec<Span>) {
    let starts = &*STARTS;
    let mut start = 0;
    while let Some([first, second, ..]) = text.as_bytes().get(start..) {
        let group = starts.groups[usize::from(first & 0x7F)][usize::from(second & 0x7F)];
        let end = if group == 0 { None } else { starts.token_at(text, start, usize::from(group)) };
        if let Some(end) = end {
            add(out, Span::new(start, end));
            start = end - 1;
        }
        // After the word that a token must not continue.
        start = byte_run(text, start, usize::MAX, |b| WORD[usize::from(b)]) + 1;
    }
}

/// Where the token that starts at `start` ends if it begins with this prefix.
fn prefixed_at(text: &str, start: usize, (prefix, body, least): &Prefix) -> Option<usize> {
    let rest = text.as_bytes().get(start..)?.strip_prefix(prefix.as_bytes())?;
    let length = rest.iter().position(|b| !body.has(*b)).unwrap_or(rest.len());
    (length >= *least).then_some(start + prefix.len() + length)
}

/// [`PREFIXES`] by their first two bytes.
struct Starts {
    /// Which of `prefixes` start with these bytes; 0 stands for none.
    groups: Box<[[u8; 128]; 128]>,
    prefixes: Vec<Group>,
}

#[derive(Default)]
struct Group {
    prefixes: Vec<&'static Prefix>,
    /// A bit for each third byte that one of them may have, by its lower six bits.
    thirds: u64,
}

fn third_bit(third: u8) -> u64 {
    1 << (third & 0x3F)
}

impl Starts {
    /// Where the token that starts at `start` with the bytes of this group ends.
    fn token_at(&self, text: &str, start: usize, group: usize) -> Option<usize> {
        let group = self.prefixes.get(group)?;
        if group.thirds & third_bit(byte(text, start + 2)) == 0 {
            return None;
        }
        let known = group.prefixes.iter().find_map(|prefix| prefixed_at(text, start, prefix));
        known.or_else(|| airtable(text, start)).or_else(|| discord(text, start))
    }
}

static STARTS: LazyLock<Starts> = LazyLock::new(|| {
    let any = Group { thirds: !0, ..Group::default() };
    let mut starts = Starts { groups: Box::new([[0; 128]; 128]), prefixes: vec![Group::default(), any] };
    for first in DISCORD {
        starts.groups[usize::from(first)] = [1; 128];
    }
    for prefix in PREFIXES {
        let start = prefix.0;
        let group = &mut starts.groups[usize::from(byte(start, 0))][usize::from(byte(start, 1))];
        if *group < 2 {
            let discord = *group == 1;
            *group = starts.prefixes.len() as u8;
            starts.prefixes.push(Group { thirds: if discord { !0 } else { 0 }, ..Group::default() });
        }
        if let Some(same) = starts.prefixes.get_mut(usize::from(*group)) {
            same.prefixes.push(prefix);
            same.thirds |= if start.len() < 3 { !0 } else { third_bit(byte(start, 2)) };
            same.thirds |=
                if AIRTABLE.starts_with(&start[..2]) { third_bit(AIRTABLE.as_bytes()[2]) } else { 0 };
        }
    }
    starts
});

const AIRTABLE: &str = "pat";

/// Airtable's tokens: `pat`, 14 letters or digits, a dot and 64 hexadecimal digits.
fn airtable(text: &str, start: usize) -> Option<usize> {
    let id = text.get(start..)?.starts_with(AIRTABLE).then_some(start + AIRTABLE.len())?;
    let dot = byte_run(text, id, 15, |b| b.is_ascii_alphanumeric());
    let end = byte_run(text, dot + 1, 64, |b| b.is_ascii_hexdigit());
    (dot - id == 14 && byte(text, dot) == b'.' && end - dot == 65).then_some(end)
}

/// The first letters of digits in base64, as far as ids start with them now.
const DISCORD: [u8; 3] = *b"MNO";

/// A Discord bot's token: three parts of base64url, of which the first is an id of 17 to 20 digits.
fn discord(text: &str, start: usize) -> Option<usize> {
    if !DISCORD.contains(&byte(text, start)) {
        return None;
    }
    let part = |from: usize, least: usize, most: usize| {
        let end = byte_run(text, from, most + 1, base64url);
        (least..=most).contains(&(end - from)).then_some(end)
    };
    let dot = |at: usize| (byte(text, at) == b'.').then_some(at + 1);
    part(dot(part(dot(part(start, 23, 28)?)?, 6, 6)?)?, 27, 45)
}

/// Names of parameters that are credentials though [`credential_key`] says nothing of them.
const QUERY: [&str; 5] = ["sig", "signature", "x-amz-signature", "x-goog-signature", "code"];

/// A credential in a query or a form: `?access_token=...`, `&sig=...`.
pub(in super::super) fn query_secret(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    for mark in memchr3_iter(b'?', b'&', b';', text.as_bytes()) {
        if mark < done {
            continue;
        }
        let name = byte_run(text, mark + 1, 64, |b| base64url(b) || b == b'.');
        if byte(text, name) != b'=' {
            continue;
        }
        let key = text.get(mark + 1..name).unwrap_or_default();
        if !QUERY.iter().any(|known| known.eq_ignore_ascii_case(key)) && !credential_key(key) {
            continue;
        }
        let value = |c: char| !space(c) && !matches!(c, '"' | '\'' | '<' | '>' | '&' | '#' | ';');
        let end = run(text, name + 1, value);
        if end > name + 1 {
            add(out, Span { start: mark, end, kept: name + 1 });
            done = end;
        }
    }
}

/// Keeps everything up to the first `=`.
pub(in super::super) fn mask_after_equals(found: &str, out: &mut String) {
    let keep = found.find('=').map_or(0, |at| at + 1);
    out.push_str(found.get(..keep).unwrap_or_default());
    out.push_str("****");
}

/// The keys of Azure's storage, service bus and event hub connection strings.
pub(in super::super) fn azure_key(text: &str, out: &mut Vec<Span>) {
    let value = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let finder = Finder::new("Key=");
    for at in finder.find_iter(text.as_bytes()) {
        let before = text.get(..at).unwrap_or_default();
        let name = ["SharedAccess", "Account"].into_iter().find(|name| before.ends_with(name));
        let end = byte_run(text, at + 4, usize::MAX, value);
        if let Some(name) = name.filter(|_| end - at >= 36) {
            add(out, Span::new(at - name.len(), end));
        }
    }
}

/// `Basic` and base64 of `user:password` (RFC 7617): the decoded text tells it from prose.
pub(in super::super) fn basic_auth(text: &str, out: &mut Vec<Span>) {
    for start in memchr2_iter(b'b', b'B', text.as_bytes()) {
        let at = start + 5;
        if !text.as_bytes().get(start..at).is_some_and(|word| word.eq_ignore_ascii_case(b"basic"))
            || byte(text, at) != b' '
        {
            continue;
        }
        let body = byte_run(text, at, 8, |b| b == b' ');
        let end = byte_run(text, body, usize::MAX, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
        });
        if text.as_bytes().get(body..end).is_some_and(names_a_user) {
            let padded = byte_run(text, end, 2, |b| b == b'=');
            add(out, Span::new(start, padded));
        }
    }
}

/// Whether base64 decodes to printable text that has a colon.
fn names_a_user(encoded: &[u8]) -> bool {
    let (mut bits, mut held, mut colon) = (0u32, 0u32, false);
    for &b in encoded {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            let decoded = (bits >> held) as u8;
            if decoded < 0x20 || decoded == 0x7F {
                return false;
            }
            colon |= decoded == b':';
        }
    }
    colon && encoded.len() >= 4
}
