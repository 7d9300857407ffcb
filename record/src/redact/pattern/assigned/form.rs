//! Where a value begins and ends, by the form in which it is written.

use super::super::super::chars::{at, byte, byte_run, space};
use super::super::super::fields::{MASK, password_key};
use super::plain::{SCHEMES, code, known_header, plain, weak};
use super::{Name, blanks, name_byte};

/// A name, its sign and what follows that.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) name: Name,
    pub(super) sign: usize,
    pub(super) after: usize,
}

/// The longest tuple, in bytes.
const TUPLE: usize = 512;
/// The most bytes of a YAML block.
const BLOCK: usize = 8192;

/// Where the value begins and ends; `None` where it is no credential.
pub(super) fn value_of(text: &str, place: &Place) -> Option<(usize, usize)> {
    let mut value = blanks(text, place.after);
    // JSON may stand on several lines.
    if place.name.quote != 0 && byte(text, place.sign) == b':' {
        value = byte_run(text, value, 64, |b| b.is_ascii_whitespace());
    }
    let prefix = byte_run(text, value, 2, |b| matches!(b | 0x20, b'b' | b'r' | b'f' | b'u'));
    let quote = byte_run(text, prefix, 8, |b| b == b'\\');
    if let sign @ (b'"' | b'\'' | b'`') = byte(text, quote) {
        return quoted(text, quote, sign, quote - prefix, place);
    }
    match byte(text, value) {
        b'(' | b'[' if !text.get(value..).is_some_and(|rest| rest.starts_with("[REDACTED")) => {
            tuple(text, value)
        }
        b'{' | b'}' | b']' | b')' | b',' | b';' | 0 => None,
        b'<' if text.get(value..).is_some_and(|rest| rest.starts_with("<![CDATA[")) => None,
        _ if place.name.quote != 0 => bare(text, value, place),
        _ => unquoted(text, value, place),
    }
}

/// A value in quotes ends at its own quote.
fn quoted(text: &str, at: usize, sign: u8, escapes: usize, place: &Place) -> Option<(usize, usize)> {
    let key = text.get(place.name.start..place.name.end)?;
    let triple = byte(text, at + 1) == sign && byte(text, at + 2) == sign;
    let value = at + if triple { 3 } else { 1 };
    let end = if triple {
        let close = [sign; 3];
        let rest = text.as_bytes().get(value..)?;
        value + memchr::memmem::find(rest, &close).unwrap_or(rest.len())
    } else {
        quoted_end(text, value, sign, escapes)
    };
    // What another row masked may have ended inside of the quotes.
    let cut = text.get(value..end) == Some(MASK) && byte(text, end + escapes + 1).is_ascii_alphanumeric();
    let end = if cut { quoted_end(text, end + escapes + 1, sign, escapes) } else { end };
    let shown = text.get(value..end)?;
    if weak(key) && !shown.bytes().any(|b| b.is_ascii_alphanumeric() || b >= 0x80) && shown != MASK {
        return None;
    }
    Some((value, end))
}

/// Where a quoted value ends: before a quote with no more backslashes than its first, or at the end of
/// the text or line.
pub(super) fn quoted_end(text: &str, from: usize, quote: u8, escapes: usize) -> usize {
    let mut slashes = 0;
    for (i, &b) in text.as_bytes().get(from..).unwrap_or_default().iter().enumerate() {
        match b {
            b'\\' => slashes += 1,
            b'\n' => return from + i,
            _ if b == quote && slashes <= escapes => return from + i - slashes,
            _ => slashes = 0,
        }
    }
    text.len()
}

/// A number, or what else stands without quotes after a name in quotes.
fn bare(text: &str, value: usize, place: &Place) -> Option<(usize, usize)> {
    let end = byte_run(text, value, usize::MAX, |b| {
        !b.is_ascii_whitespace() && !matches!(b, b',' | b'}' | b']' | b')' | b'"' | b'\'' | b'\\')
    });
    let key = text.get(place.name.start..place.name.end)?;
    let shown = text.get(value..end)?;
    let number = shown.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if number && !password_key(key) || code(key, shown) || shown.is_empty() {
        return None;
    }
    Some((value, end))
}

/// `auth=('user', 'password')`: whole where it holds something in quotes.
fn tuple(text: &str, value: usize) -> Option<(usize, usize)> {
    let open = byte(text, value);
    let close = if open == b'(' { b')' } else { b']' };
    let first = byte_run(text, value + 1, 16, |b| b.is_ascii_whitespace() || b == b'\\');
    if !matches!(byte(text, first), b'"' | b'\'') {
        return None;
    }
    let end = byte_run(text, value + 1, TUPLE, |b| b != close && b != open);
    let inside = text.get(value + 1..end)?;
    (byte(text, end) == close && !names_only(inside)).then_some((value + 1, end))
}

/// Whether all that stands in the quotes is masked.
fn names_only(inside: &str) -> bool {
    inside.split(['"', '\'', '\\', ',', ' ']).all(|part| matches!(part, "" | "****"))
}

/// Whether the text begins at `start` as a line does: after a break, which JSON may have escaped, and
/// signs of lists, quotations, differences and shells.
fn begins_line(text: &str, start: usize) -> bool {
    let head = text.as_bytes().get(..start).unwrap_or_default();
    let near = head.get(head.len().saturating_sub(64)..).unwrap_or_default();
    let mut rest = near;
    for word in [&b"export "[..], b"set ", b"setx ", b"env ", b"ENV ", b"ARG ", b"SET ", b"Environment="] {
        rest = rest.strip_suffix(word).unwrap_or(rest);
    }
    while let Some((last, head)) = rest.split_last() {
        match last {
            b' ' | b'\t' | b'-' | b'>' | b'<' | b'*' | b'+' | b'#' | b'|' | b'$' => rest = head,
            b'\n' | b'\r' | b'"' | b'\'' | b'`' => return true,
            b'n' | b'r' | b't' => return head.ends_with(b"\\"),
            _ => return false,
        }
    }
    near.len() == head.len()
}

/// So much of a value decides what it is.
const LOOK: usize = 128;

fn unquoted(text: &str, value: usize, place: &Place) -> Option<(usize, usize)> {
    let key = text.get(place.name.start..place.name.end)?;
    // Asked only where it decides.
    let line = || begins_line(text, place.name.start);
    let shown = text.get(value..token_end(text, value, LOOK))?;
    if byte(text, place.after - 1) != b'=' && byte(text, place.after - 1) != b'>' {
        return colon(text, value, place, shown, line);
    }
    let tight = value == place.after && place.name.end == place.sign;
    // In a file of variables, a value like a program's name is one that somebody chose.
    let chosen = || tight && !shown.starts_with('$') && !shown.eq_ignore_ascii_case(key) && line();
    let reference = code(key, shown) && !chosen();
    let ordinary = number_of_other(key, shown) || (weak(key) && !tight && plain(shown));
    if shown.is_empty() || reference || ordinary {
        return None;
    }
    let end = if !tight && line() { line_end(text, value) } else { token_end(text, value, usize::MAX) };
    Some((value, end))
}

/// After a colon: headers, YAML, and prose.
fn colon(
    text: &str,
    value: usize,
    place: &Place,
    shown: &str,
    line: impl Fn() -> bool,
) -> Option<(usize, usize)> {
    let key = text.get(place.name.start..place.name.end)?;
    if (shown.is_empty() || matches!(shown, "|-" | "|+" | ">-")) && line() {
        return block(text, value);
    }
    if shown.is_empty() {
        return None;
    }
    let header = known_header(key);
    // Of such names in prose there are many, so they are told first.
    let prose = weak(key) && plain(shown);
    if (prose && !header) || code(key, shown) || number_of_other(key, shown) {
        return None;
    }
    let opening = place.name.start.checked_sub(1).map_or(0, |at| byte(text, at));
    let within = matches!(opening, b'"' | b'\'');
    let tight = value == place.after;
    if header || (within && !tight) {
        // In quotes together: `-H "X-Api-Key: a b"`.
        let secret = scheme_end(text, value);
        let end = match (within, line()) {
            (true, _) => inner_end(text, secret, opening),
            (false, true) => line_end(text, secret),
            (false, false) => token_end(text, secret, usize::MAX),
        };
        return (end > secret).then_some((secret, end));
    }
    let arn = tight && opening == b':';
    if arn || (weak(key) && tight && !line()) {
        return None;
    }
    let end = if !tight && line() { line_end(text, value) } else { token_end(text, value, usize::MAX) };
    Some((value, end))
}

/// A number that is no credential under this name.
fn number_of_other(key: &str, shown: &str) -> bool {
    shown.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !password_key(key)
}

/// Where the secret part of a header begins: after the scheme and a blank.
fn scheme_end(text: &str, value: usize) -> usize {
    let end = byte_run(text, value, 24, name_byte);
    let scheme = text.get(value..end).unwrap_or_default();
    let known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let next = blanks(text, end);
    if known && next > end && !byte(text, next).is_ascii_whitespace() { next } else { value }
}

/// Where a token without quotes ends: at a blank; at what joins it to another assignment; without the
/// brackets, points and quotes that close what it stands in.
fn token_end(text: &str, from: usize, most: usize) -> usize {
    let mut end = from;
    let bytes = text.as_bytes();
    while let Some(&b) = bytes.get(end).filter(|_| end - from < most) {
        // Most are told by themselves.
        if name_byte(b) {
            end += 1;
            continue;
        }
        let next = byte(text, end + 1);
        let stops = match b {
            b'&' | b';' | b',' => next == b || next == b'$' || assigns(text, end + 1),
            b'<' => next == b'/',
            b'|' => next == b'|',
            b'"' | b'\'' | b'`' => closes(next),
            b'\\' => matches!(next, b'n' | b'r' | b't') || quote_closes(text, end + 1),
            _ if b.is_ascii() => space(char::from(b)),
            _ => at(text, end).is_none_or(space),
        };
        if stops {
            break;
        }
        end += if b.is_ascii() { 1 } else { at(text, end).map_or(1, char::len_utf8) };
    }
    let shown = text.get(from..end).unwrap_or_default();
    from + shown.trim_end_matches([')', ']', '}', ',', ';', '.', '"', '\'', '`', '\\', '>', '|', '&']).len()
}

/// Whether a quote before this byte closes what it stands in.
fn closes(next: u8) -> bool {
    next == 0
        || next.is_ascii_whitespace()
        || matches!(next, b',' | b':' | b'}' | b']' | b')' | b';' | b'>' | b'\\' | b'"' | b'\'')
}

fn quote_closes(text: &str, quote: usize) -> bool {
    matches!(byte(text, quote), b'"' | b'\'') && closes(byte(text, quote + 1))
}

/// Whether a name and a sign stand at `from`.
fn assigns(text: &str, from: usize) -> bool {
    let name = blanks(text, from);
    let end = byte_run(text, name, 64, |b| name_byte(b) || b == b'[' || b == b']');
    end > name && matches!(byte(text, end), b'=' | b':')
}

/// The end of a line, or of what JSON wrote as one; without blanks.
fn line_end(text: &str, from: usize) -> usize {
    let mut end = from;
    let bytes = text.as_bytes();
    while let Some(&b) = bytes.get(end) {
        let next = byte(text, end + 1);
        let stops = match b {
            b'\n' | b'\r' => true,
            b'"' | b'\'' => matches!(next, b',' | b':' | b'}' | b']') || next == 0,
            b'\\' => {
                matches!(next, b'n' | b'r')
                    || (quote_closes(text, end + 1) && !byte(text, end + 2).is_ascii_whitespace())
            }
            _ => false,
        };
        if stops {
            break;
        }
        end += 1;
    }
    from + text.get(from..end).unwrap_or_default().trim_end().len()
}

/// The end of what stands in the quotes that the name is in.
fn inner_end(text: &str, from: usize, quote: u8) -> usize {
    let mut end = from;
    let bytes = text.as_bytes();
    while let Some(&b) = bytes.get(end) {
        if matches!(b, b'\n' | b'\r') || (b == quote && closes(byte(text, end + 1))) {
            break;
        }
        if b == b'\\' && matches!(byte(text, end + 1), b'n' | b'r') {
            break;
        }
        end += 1;
    }
    from + text.get(from..end).unwrap_or_default().trim_end_matches(['\\', ' ']).len()
}

/// A block of YAML: the lines after this one that are set in.
fn block(text: &str, from: usize) -> Option<(usize, usize)> {
    let first = byte_run(text, from, 16, |b| matches!(b, b' ' | b'\t' | b'\r' | b'|' | b'>' | b'-'));
    if byte(text, first) != b'\n' || first == from && byte(text, from.checked_sub(1)?) == b':' {
        return None;
    }
    let value = byte_run(text, first + 1, 64, |b| matches!(b, b' ' | b'\t'));
    if value == first + 1 {
        return None;
    }
    let mut end = line_end(text, value);
    while byte(text, end) == b'\n' && matches!(byte(text, end + 1), b' ' | b'\t') && end - value < BLOCK {
        end = line_end(text, end + 1);
    }
    (end > value).then_some((value, end))
}
