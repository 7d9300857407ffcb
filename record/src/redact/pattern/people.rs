//! People outside of the United States: telephone numbers, cards of all issuers, addresses of mail in every script;
//! numbers that only a name beside them tells; private addresses of IPv6.

use super::super::chars::{Digits, before, boundary, byte, byte_run, starts};
use super::super::checks::Luhn;
use super::super::skip;
use super::super::table::Find;
use super::super::text::{Span, add};
use memchr::memchr_iter;

/// What may stand between the digits of a telephone number at `from`: its length.
fn gap(text: &str, from: usize) -> usize {
    byte_run(text, from, 3, |b| matches!(b, b' ' | b'.' | b'-' | b'(' | b')' | b'/')) - from
}

/// Where the number that starts with a digit or `(` at `from` ends, and how many digits it has: at most `most`.
fn number(text: &str, from: usize, most: usize) -> (usize, usize) {
    let (mut end, mut count, mut at) = (from, 0, byte_run(text, from, 1, |b| b == b'('));
    while byte(text, at).is_ascii_digit() {
        at += 1;
        count += 1;
        end = at;
        if count > most {
            break;
        }
        at += gap(text, at);
    }
    (end, count)
}

/// E.164: a plus sign, the country's code and at most 15 digits in all.
pub(in super::super) fn e164(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    for plus in memchr_iter(b'+', text.as_bytes()) {
        let glued = before(text, plus)
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | ')' | ']'));
        if plus < done || glued || !matches!(byte(text, plus + 1), b'1'..=b'9') {
            continue;
        }
        let (end, count) = number(text, plus + 1, 15);
        let after = byte(text, end);
        if (9..=15).contains(&count) && !after.is_ascii_alphanumeric() && after != b'_' {
            add(out, Span::new(plus, end));
            done = end;
        }
    }
}

/// Names of telephone numbers.
const PHONES: [&[u8]; 7] = [b"phone", b"tel", b"telefon", b"mobile", b"mobil", b"fax", b"msisdn"];
/// Names of social security numbers.
const SECURITY: [&[u8]; 3] = [b"ssn", b"social security number", b"socialsecuritynumber"];

static PHONE_STARTS: Starts = Starts::of(&[*b"ph", *b"te", *b"mo", *b"fa", *b"ms"]);
static SECURITY_STARTS: Starts = Starts::of(&[*b"ss", *b"so"]);

/// National forms, which only a name tells from an order's number: `tel: 030 5550 1234`.
pub(in super::super) fn named_phone(text: &str, out: &mut Vec<Span>) {
    if skip::has_any(text.as_bytes(), &[*b"hon", *b"tel", *b"mob", *b"fax", *b"msi"]) {
        named(text, &PHONE_STARTS, &PHONES, 6..=15, out);
    }
}

/// Nine digits in a row.
pub(in super::super) fn named_ssn(text: &str, out: &mut Vec<Span>) {
    if skip::has_any(text.as_bytes(), &[*b"ssn", *b"rit"]) {
        named(text, &SECURITY_STARTS, &SECURITY, 9..=9, out);
    }
}

/// Whether `value`, as a whole, is the number that a member of this name holds: the type of the finding.
pub(in super::super) fn member(name: &str, value: &str) -> Option<&'static str> {
    const LONGEST: usize = 40;
    let opens = value.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'(' | b'+'));
    if !opens || !(6..=LONGEST).contains(&value.len()) || name.len() > LONGEST {
        return None;
    }
    let text = [name, ": ", value].concat();
    let is = |starts: &Starts, find: Find| {
        let mut found = Vec::new();
        if starts.next(name.as_bytes()).is_some() {
            find(&text, &mut found);
        }
        found.last().is_some_and(|span| span.end == text.len() && span.kept == name.len() + 2)
    };
    if is(&PHONE_STARTS, named_phone) {
        Some("phone")
    } else {
        is(&SECURITY_STARTS, named_ssn).then_some("ssn")
    }
}

/// The first two letters of names, in either case: for each byte, the names whose first and whose second it is.
struct Starts([[u8; 256]; 2]);

impl Starts {
    const fn of(pairs: &[[u8; 2]]) -> Self {
        let mut table = [[0; 256]; 2];
        let mut name = 0;
        while name < pairs.len() {
            let [first, second] = pairs[name];
            let bit = 1 << name;
            table[0][first as usize] |= bit;
            table[0][first.to_ascii_uppercase() as usize] |= bit;
            table[1][second as usize] |= bit;
            table[1][second.to_ascii_uppercase() as usize] |= bit;
            name += 1;
        }
        Self(table)
    }

    /// Where the next name may begin in `bytes`.
    fn next(&self, bytes: &[u8]) -> Option<usize> {
        let Self([first, second]) = self;
        bytes.array_windows().position(|[a, b]| first[usize::from(*a)] & second[usize::from(*b)] != 0)
    }
}

/// The most letters between a name and the blanks before its number, and the most bytes of those.
const WORD: usize = 8;
const GAP: usize = 12;

/// Numbers are rarer than what may begin a name, so names are looked for right before each.
fn named(
    text: &str,
    starts: &Starts,
    names: &[&[u8]],
    digits: std::ops::RangeInclusive<usize>,
    out: &mut Vec<Span>,
) {
    let bytes = text.as_bytes();
    let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let (mut done, mut from, mut all) = (0, 0, skip::Digits::of(bytes));
    loop {
        let first = all.next_from(from);
        if first >= bytes.len() {
            return;
        }
        let before = bytes.get(..first).unwrap_or_default();
        let gap = before.iter().rev().take(WORD + GAP + 2).position(u8::is_ascii_alphanumeric);
        let last = first - gap.unwrap_or(0);
        // A name ends in a letter, and not right before its number.
        let named = gap.is_some_and(|gap| gap > 0) && byte(text, last - 1).is_ascii_alphabetic();
        let glued = gap == Some(0);
        from = byte_run(text, first, usize::MAX, |b| b.is_ascii_digit() || glued && b.is_ascii_alphabetic());
        if !named || !digits.contains(&number(text, first, *digits.end()).1) {
            continue;
        }
        let mut at = done.max(last.saturating_sub(WORD + longest));
        while let Some(next) = bytes.get(at..last).and_then(|before| starts.next(before)) {
            if let Some(found) = named_at(text, at + next, names, &digits) {
                (done, from) = (found.end, found.end);
                add(out, found);
                break;
            }
            at += next + 1;
        }
    }
}

/// The name that begins at `start`, and its number.
fn named_at(
    text: &str,
    start: usize,
    names: &[&[u8]],
    digits: &std::ops::RangeInclusive<usize>,
) -> Option<Span> {
    let rest = text.as_bytes().get(start..)?;
    let begins = |name: &&&[u8]| rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
    let name = names.iter().filter(begins).max_by_key(|name| name.len())?;
    // The last word of a name, as in `customerPhone` and `telephone`, but not in `telling` or `hotel`.
    let end = start + name.len();
    let glued = start > 0
        && byte(text, start - 1).is_ascii_alphabetic()
        && byte(text, start).is_ascii_lowercase()
        && *name != b"phone";
    if byte(text, end).is_ascii_lowercase() || glued {
        return None;
    }
    let word = byte_run(text, end, WORD, |b| b.is_ascii_alphabetic() || b == b'_');
    let from = byte_run(text, word, GAP, |b| !b.is_ascii_alphanumeric() && !matches!(b, b'(' | b'+' | b'\n'));
    if from == word || from == end + GAP {
        return None;
    }
    let (stop, count) = number(text, from, *digits.end());
    let after = byte(text, stop);
    let whole = digits.contains(&count) && !after.is_ascii_alphanumeric() && after != b'_';
    whole.then_some(Span { start, end: stop, kept: from })
}

/// The lengths of the cards of the issuers that the reference does not know, by their first four digits.
fn lengths(four: &[u8]) -> Option<std::ops::RangeInclusive<usize>> {
    let four = four.iter().fold(0_u32, |all, digit| all * 10 + u32::from(digit & 0xF));
    Some(match four {
        // Mir, Mastercard's second series, JCB, Discover.
        2200..=2204 | 2221..=2720 | 3528..=3589 | 6440..=6499 => 16..=16,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => 14..=14,
        // UnionPay.
        6200..=6299 => 16..=19,
        // Maestro.
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => 13..=19,
        _ => return None,
    })
}

pub(in super::super) fn other_card(text: &str, out: &mut Vec<Span>) {
    let mut runs = Digits::of(text);
    while let Some(run) = runs.next() {
        let four =
            text.as_bytes().get(run.start..run.start + 4).filter(|four| four.iter().all(u8::is_ascii_digit));
        if !starts::<true>(text, run.start) {
            continue;
        }
        let Some(lengths) = four.and_then(lengths) else { continue };
        let mut sum = Luhn::default();
        let (mut at, mut count, mut valid) = (run.start, 0, None);
        while byte(text, at).is_ascii_digit() && count < *lengths.end() {
            sum.add(byte(text, at));
            at += 1;
            count += 1;
            if lengths.contains(&count) && sum.valid() && boundary::<true>(text, at) {
                valid = Some(at);
            }
            at += usize::from(
                matches!(byte(text, at), b' ' | b'-' | b'.') && byte(text, at + 1).is_ascii_digit(),
            );
        }
        if let Some(end) = valid {
            add(out, Span::new(run.start, end));
            runs.skip_to(end);
        }
    }
}

/// Whether a whole number, as its decimal digits, is such a card's.
pub(in super::super) fn card_number(digits: &str) -> bool {
    let mut found = Vec::new();
    other_card(digits, &mut found);
    found.first().is_some_and(|span| span.start == 0 && span.end == digits.len())
}

/// Mail addresses with other scripts in them, also where those are written as `xn--`.
pub(in super::super) fn mail(text: &str, out: &mut Vec<Span>) {
    if text.is_ascii() && memchr::memmem::find(text.as_bytes(), b".xn--").is_none() {
        return;
    }
    let local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let label = |c: char| c.is_alphanumeric() || c == '-';
    let mut done = 0;
    for sign in memchr_iter(b'@', text.as_bytes()) {
        let head = text.get(done..sign).unwrap_or_default();
        let name: usize = head.chars().rev().take(64).take_while(|c| local(*c)).map(char::len_utf8).sum();
        let rest = text.get(sign + 1..).unwrap_or_default();
        let host = rest.chars().take(253).take_while(|c| label(*c) || *c == '.');
        let host = rest
            .get(..host.map(char::len_utf8).sum::<usize>())
            .unwrap_or_default()
            .trim_end_matches(['.', '-']);
        let top = host.rsplit_once('.').map_or("", |(_, top)| top);
        let named =
            top.chars().count() >= 2 && (top.starts_with("xn--") || top.chars().all(char::is_alphabetic));
        let foreign = !host.is_ascii()
            || top.starts_with("xn--")
            || !head.get(head.len() - name..).is_none_or(str::is_ascii);
        if name > 0 && named && foreign {
            add(out, Span::new(sign - name, sign + 1 + host.len()));
            done = sign + 1 + host.len();
        }
    }
}

/// Unique local addresses of IPv6 (RFC 4193): `fd` and what follows.
pub(in super::super) fn local_address(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    for start in memchr::memmem::find_iter(text.as_bytes(), "fd") {
        let glued = start > 0
            && (byte(text, start - 1).is_ascii_alphanumeric()
                || matches!(byte(text, start - 1), b':' | b'_'));
        if start < done || glued || byte(text, start + 4) != b':' {
            continue;
        }
        let end = byte_run(text, start, 45, |b| b.is_ascii_hexdigit() || b == b':');
        let found = text.get(start..end).unwrap_or_default().trim_end_matches(':');
        let groups = found.split(':').all(|group| group.len() <= 4);
        if groups && found.bytes().filter(|b| *b == b':').count() >= 2 {
            add(out, Span::new(start, start + found.len()));
            done = start + found.len();
        }
    }
}

/// Keeps the first group.
pub(in super::super) fn mask_local_address(found: &str, out: &mut String) {
    out.push_str(found.split(':').next().unwrap_or_default());
    out.push_str(":****");
}
