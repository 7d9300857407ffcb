//! Secrets that are known by the name in front of them.

use super::super::chars::{at, before, byte, byte_run, run, space};
use super::super::invisible::invisible;
use super::super::text::{Span, add};
use memchr::{memchr2, memchr2_iter};

/// Where `label` (lower-case ASCII) ends if it stands at `from`, in any case. As Unicode folds case,
/// `ſ` is an s and the Kelvin sign a k.
fn label(text: &str, from: usize, label: &str) -> Option<usize> {
    let plain = text.as_bytes().get(from..from + label.len());
    if plain.is_some_and(|found| found.eq_ignore_ascii_case(label.as_bytes())) {
        return Some(from + label.len());
    }
    if plain.is_some_and(<[u8]>::is_ascii) {
        return None;
    }
    let mut end = from;
    for expected in label.bytes() {
        let found = byte(text, end);
        if found.eq_ignore_ascii_case(&expected) {
            end += 1;
            continue;
        }
        let folded = match (found, expected) {
            (0xC5, b's') => at(text, end) == Some('ſ'),
            (0xE2, b'k') => at(text, end) == Some('\u{212a}'),
            _ => false,
        };
        if !folded {
            return None;
        }
        end += if expected == b's' { 2 } else { 3 };
    }
    Some(end)
}

fn quote(b: u8) -> bool {
    b == b'"' || b == b'\''
}

/// ASCII letters and digits, and what `(?i)` folds to them.
fn folded_alnum(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, 'ſ' | '\u{212a}' | 'İ' | 'ı')
}

/// Where at most `most` blanks from `from` on end. What is invisible is a blank.
fn blanks(text: &str, from: usize, most: usize) -> usize {
    let ascii = byte_run(text, from, most, |b| matches!(b, b' ' | b'\t'));
    if ascii == from + most || byte(text, ascii).is_ascii() {
        return ascii;
    }
    let rest = text.get(from..).unwrap_or_default();
    let blank = |c: &char| matches!(c, ' ' | '\t') || invisible(*c);
    from + rest.chars().take(most).take_while(blank).map(char::len_utf8).sum::<usize>()
}

const LABELS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

/// The most characters of a password to the reference.
const PASSWORD: usize = 256;

pub(in super::super) fn password(text: &str, out: &mut Vec<Span>) {
    passwords(text, PASSWORD, out);
}

/// Also what a long one goes on with.
pub(in super::super) fn long_password(text: &str, out: &mut Vec<Span>) {
    // Such a password covers a part between two of these places.
    let inside = |b: &u8| !PASSWORD_ENDS[usize::from(*b)];
    if text.as_bytes().chunks_exact(PASSWORD / 2).any(|part| part.iter().all(inside)) {
        passwords(text, usize::MAX, out);
    }
}

/// By hand for its look-behind: the label must not continue a word.
fn passwords(text: &str, most: usize, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr2(b'p', b'P', rest)) {
        let start = from + at;
        from = start + 1;
        if before(text, start).is_some_and(folded_alnum) {
            continue;
        }
        let Some(label) = LABELS.iter().find_map(|name| label(text, start, name)) else { continue };
        if let Some(value) = password_value(text, label) {
            let end = password_end(text, value, most);
            if end > value {
                add(out, Span::new(start, end));
                from = end;
            }
        }
    }
}

/// Where the password of at most `most` characters that starts at `from` ends.
fn password_end(text: &str, from: usize, most: usize) -> usize {
    let end = byte_run(text, from, most, |b| b.is_ascii() && !PASSWORD_ENDS[usize::from(b)]);
    if byte(text, end).is_ascii() {
        return end;
    }
    let rest = text.get(end..).unwrap_or_default().chars().take(most - (end - from));
    let ends =
        |c: &char| space(*c) || invisible(*c) || PASSWORD_ENDS.get(*c as usize).is_some_and(|end| *end);
    end + rest.take_while(|c| !ends(c)).map(char::len_utf8).sum::<usize>()
}

/// ASCII blanks, quotes and `,;<>`.
static PASSWORD_ENDS: [bool; 256] = {
    let mut table = [false; 256];
    let ends = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \"',;<>";
    let mut at = 0;
    while at < ends.len() {
        table[ends[at] as usize] = true;
        at += 1;
    }
    table
};

/// Where the value begins that belongs to a label ending at `from`.
fn password_value(text: &str, from: usize) -> Option<usize> {
    let quoted = |at: usize| at + usize::from(quote(byte(text, at)));
    // What is invisible may also stand before the label's quote.
    let sign = blanks(text, quoted(from), 16);
    let sign = match byte(text, sign) {
        b'"' | b'\'' => blanks(text, quoted(run(text, from, invisible)), 16),
        _ => sign,
    };
    if !matches!(byte(text, sign), b'=' | b':') {
        return None;
    }
    let value = quoted(blanks(text, sign + 1, 8));
    // A value may begin with something invisible, and ends before it elsewhere.
    Some(run(text, value, invisible))
}

/// Keeps the label, its sign, three blanks and a quote, as the reference does.
pub(in super::super) fn mask_password(found: &str, out: &mut String) {
    let sign = found.find(['=', ':']).map_or(0, |at| at + 1);
    let value = byte_run(found, sign, 3, |b| matches!(b, b' ' | b'\t'));
    out.push_str(found.get(..value + usize::from(quote(byte(found, value)))).unwrap_or_default());
    out.push_str("****");
}

const AWS: &str = "aws_secret_access_key";

/// Where the value of an AWS secret key whose label ends at `from` begins and ends.
fn aws_value(text: &str, from: usize) -> Option<(usize, usize)> {
    let forty = |at: usize| {
        let body = at + usize::from(quote(byte(text, at)));
        let mut count = 0;
        let class = |c: &char| folded_alnum(*c) || matches!(c, '/' | '+' | '=');
        let value = text.get(body..)?.chars().take(40).take_while(class).inspect(|_| count += 1);
        let length: usize = value.map(char::len_utf8).sum();
        (count == 40).then_some((body, body + length))
    };
    let sign = run(text, from, space);
    let spaced = if sign > from { forty(sign) } else { None };
    if matches!(byte(text, sign), b'=' | b':') {
        return forty(run(text, sign + 1, space)).or(spaced);
    }
    spaced
}

pub(in super::super) fn aws_secret_key(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    for w in memchr2_iter(b'w', b'W', text.as_bytes()) {
        let Some(start) = w.checked_sub(1).filter(|&start| start >= done) else { continue };
        if let Some((_, end)) = label(text, start, AWS).and_then(|label| aws_value(text, label)) {
            done = end;
            add(out, Span::new(start, done));
        }
    }
}

/// Keeps the label and its sign. The reference keeps everything up to the last `=`, `:` or space,
/// which may be inside the secret.
pub(in super::super) fn mask_aws_secret_key(found: &str, out: &mut String) {
    let value = label(found, 0, AWS).and_then(|label| aws_value(found, label)).map_or(0, |(start, _)| start);
    let value = found.get(..value).unwrap_or_default();
    let keep = value.rfind(['=', ':', ' ']).map_or(0, |at| at + 1);
    out.push_str(value.get(..keep).unwrap_or_default());
    out.push_str("****");
}
