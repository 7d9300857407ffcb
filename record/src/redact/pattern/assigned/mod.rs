//! A credential's name beside its value, wherever the two meet in a text: assignments of shells and
//! programs, headers, YAML, TOML and INI, JSON that is cut, pairs of a name and a value, XML, tuples.
//!
//! One walk over the signs `=`, `:` and `>`: what stands before a sign is a name, what follows is its
//! value. The name decides; the value's form says where the value ends.

mod form;
mod markup;
mod plain;
#[cfg(test)]
mod tests;

use super::super::chars::{byte, byte_run};
use super::super::fields::{MASK, credential_key, pair_name, pair_value};
use super::super::invisible::invisible;
use super::super::leaf::DEEPER;
use super::super::text::{Span, add};
use crate::charge;
use form::{Place, quoted_end, value_of};
use memchr::{memchr2_iter, memchr3_iter};

/// A name and its value: the value alone is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Assigned {
    /// Where the name begins, or what opens it.
    start: usize,
    value: usize,
    end: usize,
}

impl Assigned {
    fn span(&self) -> Span {
        Span { start: self.start, end: self.end, kept: self.value }
    }
}

/// The longest name that is looked at.
const NAME: usize = 64;
/// The most blanks before and after a sign.
const BLANKS: usize = 16;

pub(in super::super) fn find(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    let first = out.len();
    for sign in memchr3_iter(b'=', b':', b'>', text.as_bytes()) {
        if sign <= done {
            continue;
        }
        if let Some(found) = at_sign(text, done, sign) {
            add(out, found.span());
            done = found.end;
        }
    }
    let signs = out.len();
    tuples(text, out);
    if signs > first && out.len() > signs {
        super::super::text::join(out);
    }
}

pub(in super::super) fn mask(_: &str, out: &mut String) {
    out.push_str(MASK);
}

fn at_sign(text: &str, done: usize, sign: usize) -> Option<Assigned> {
    let before = if sign == 0 { 0 } else { byte(text, sign - 1) };
    let after = byte(text, sign + 1);
    let (head, value) = match (byte(text, sign), before, after) {
        // An arrow is told at its `=`.
        (b'>', b'=' | b'-', _) => return None,
        (b'>', ..) => return markup::element(text, done, sign),
        (b'=', b'=' | b'!' | b'<' | b'~' | b'+', _) | (b'=', _, b'=' | b'~') => return None,
        (b'=', b':', _) => return None,
        (b'=', _, b'>') => (sign, sign + 2),
        (b':', b':', _) | (b':', _, b':' | b'/') => return None,
        (b':', _, b'=') => (sign, sign + 2),
        _ => (sign, sign + 1),
    };
    let name = name_before(text, done, head)?;
    let key = text.get(name.start..name.end)?;
    if credential_key(key) {
        return assigned(text, &name, head, value);
    }
    if pair_name(key) { pair(text, &name, value) } else { None }
}

/// A name as it stands before a sign.
#[derive(Clone, Copy)]
struct Name {
    /// Where its quote begins, or it itself.
    open: usize,
    start: usize,
    end: usize,
    /// Its quote; 0 for none.
    quote: u8,
}

fn name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// Whether a credential's name, or one of a pair, can end in these letters: most names of a text end
/// in others, and need no more work.
fn may_end(b: u8, last: u8) -> bool {
    matches!(
        (b | 0x20, last | 0x20),
        (b'r' | b'w', b'd')
            | (b's' | b'd' | b'i' | b'm' | b'l', b'e')
            | (b'e', b't' | b'y' | b'n' | b'r')
            | (b's' | b'l', b's')
            | (b't', b'h')
            | (b'o', b'n')
            | (b'a', b'l')
            | (b'n', b'g')
            | (b'p', b'w')
    )
}

fn name_before(text: &str, done: usize, sign: usize) -> Option<Name> {
    let bytes = text.as_bytes();
    let near = bytes.get(done..sign)?;
    let blanks = near.iter().rev().take(BLANKS).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let mut near = near.get(..near.len() - blanks)?;
    // `config["password"] = ...`
    near = near.strip_suffix(b"]").unwrap_or(near);
    let (&last, head) = near.split_last()?;
    if !matches!(last, b'"' | b'\'' | b'`') {
        let length = near.iter().rev().take(NAME).take_while(|b| name_byte(**b)).count();
        let (end, all) = (done + near.len(), near.get(near.len() - length..)?);
        if !all.last_chunk().is_some_and(|[a, b]| may_end(*a, *b)) {
            return None;
        }
        let length = length - all.iter().take_while(|b| matches!(b, b'-' | b'.')).count();
        let mut start = end - length;
        // `API key: ...`
        let word = text.get(start..end)?;
        if word.eq_ignore_ascii_case("key") && start > done + 1 && byte(text, start - 1) == b' ' {
            let more = near.get(..near.len() - 4)?.iter().rev().take(NAME);
            let more = start - 1 - more.take_while(|b| b.is_ascii_alphanumeric()).count();
            start = if credential_key(text.get(more..end)?) { more } else { start };
        }
        return Some(Name { open: start, start, end, quote: 0 });
    }
    let escapes = head.iter().rev().take(8).take_while(|b| **b == b'\\').count();
    let head = head.get(..head.len() - escapes)?;
    if !head.trim_ascii_end().last_chunk().is_some_and(|[a, b]| may_end(*a, *b) || !b.is_ascii()) {
        return None;
    }
    // A key with a colon in it is none.
    let length = head.iter().rev().take(NAME).position(|b| *b == last || *b == b':')?;
    let open = head.len() - length - 1;
    if *head.get(open)? != last {
        return None;
    }
    // The key's two quotes are escaped alike, else they are no pair.
    let opening = head.get(..open)?.iter().rev().take(8).take_while(|b| **b == b'\\').count();
    let open = done + open;
    (opening == escapes).then(|| Name {
        open: open - escapes,
        start: open + 1,
        end: done + head.len(),
        quote: last,
    })
}

fn assigned(text: &str, name: &Name, sign: usize, after: usize) -> Option<Assigned> {
    let place = Place { name: *name, sign, after };
    let (value, end) = value_of(text, &place)?;
    (!masked(text.get(value..end)?)).then_some(Assigned { start: name.open, value, end })
}

/// Whether a value is masked already, by this row or another, or shows nothing: the mask of what shows nothing would
/// end what a reader takes for the value.
fn masked(value: &str) -> bool {
    if matches!(value, "" | DEEPER) || !value.is_ascii() && value.chars().all(invisible) {
        return true;
    }
    let Some(shown) = value.strip_suffix(MASK) else { return false };
    let scheme = shown.strip_suffix(' ').is_some_and(|scheme| plain::SCHEMES.contains(&scheme));
    scheme || (shown.len() <= 4 && shown.bytes().all(name_byte))
}

/// The names of a pair's second member: `{"name": "DB_PASSWORD", "value": "..."}`, `key="..." value="..."`,
/// and the two lines of YAML.
fn pair(text: &str, name: &Name, value: usize) -> Option<Assigned> {
    let at = blanks(text, value);
    let at = byte_run(text, at, 8, |b| b == b'\\');
    let quote = byte(text, at);
    let quoted = matches!(quote, b'"' | b'\'');
    let start = at + usize::from(quoted);
    let end = byte_run(text, start, NAME, |b| name_byte(b) || b == b' ');
    let key = text.get(start..end)?.trim_ascii_end();
    let end = start + key.len();
    if !credential_key(key) {
        return None;
    }
    let mut next = byte_run(text, end, 8, |b| b == b'\\');
    if quoted {
        next = (byte(text, next) == quote).then_some(next + 1)?;
    }
    next = byte_run(text, next, 1, |b| b == b',');
    next = byte_run(text, next, 64, |b| b.is_ascii_whitespace() || b == b'-');
    let open = next;
    next = byte_run(text, next, 9, |b| matches!(b, b'\\' | b'"' | b'\''));
    let member = byte_run(text, next, 16, |b| b.is_ascii_alphanumeric() || b == b'_');
    if !pair_value(text.get(next..member)?) {
        return None;
    }
    let closed = byte_run(text, member, 9, |b| matches!(b, b'\\' | b'"' | b'\''));
    let sign = blanks(text, closed);
    if !matches!(byte(text, sign), b':' | b'=') {
        return None;
    }
    let quote = if closed > member { byte(text, closed - 1) } else { 0 };
    let member = Name { open, start: next, end: member, quote };
    let (value, end) = value_of(text, &Place { name: member, sign, after: sign + 1 })?;
    (!masked(text.get(value..end)?)).then_some(Assigned { start: name.open, value, end })
}

/// `("password", "...")`: headers and parameters in lists of pairs.
fn tuples(text: &str, out: &mut Vec<Span>) {
    // By what opens them: a bracket, bytes or none, and a quote.
    let mut done = [0; 8];
    let mut found: Vec<(usize, Span)> = Vec::new();
    for open in memchr2_iter(b'(', b'[', text.as_bytes()) {
        let list = byte(text, open) == b'[';
        let bytes = !list && byte(text, open + 1) == b'b';
        let single = match byte(text, open + 1 + usize::from(bytes)) {
            b'"' => false,
            b'\'' => true,
            _ => continue,
        };
        let kind = usize::from(bytes) << 2 | usize::from(list) << 1 | usize::from(single);
        if let Some(pair) = tuple(text, open).filter(|pair| pair.start >= done[kind])
            && charge::push(&mut found, (kind, pair.span())).is_ok()
        {
            done[kind] = pair.end;
        }
    }
    found.sort_by_key(|(kind, _)| *kind);
    found.into_iter().for_each(|(_, span)| add(out, span));
}

fn tuple(text: &str, open: usize) -> Option<Assigned> {
    let list = byte(text, open) == b'[';
    // A list of names is no pair: only a list inside a list is.
    if list && open > 0 && !matches!(text.as_bytes().get(..open)?.trim_ascii_end().last(), Some(b'[' | b','))
    {
        return None;
    }
    let at = byte_run(text, open + 1, 1, |b| b == b'b');
    let quote = byte(text, at);
    let end = byte_run(text, at + 1, NAME, |b| name_byte(b) || b == b' ');
    if !credential_key(text.get(at + 1..end)?) || byte(text, end) != quote {
        return None;
    }
    let comma = blanks(text, end + 1);
    if byte(text, comma) != b',' {
        return None;
    }
    let value = byte_run(text, blanks(text, comma + 1), 1, |b| b == b'b');
    let quote = byte(text, value);
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let end = quoted_end(text, value + 1, quote, 0);
    let closed = byte(text, blanks(text, end + 1));
    let pair = if list { closed == b']' } else { matches!(closed, b')' | b',') };
    (pair && !masked(text.get(value + 1..end)?)).then_some(Assigned { start: open, value: value + 1, end })
}

fn blanks(text: &str, from: usize) -> usize {
    byte_run(text, from, BLANKS, |b| matches!(b, b' ' | b'\t'))
}
