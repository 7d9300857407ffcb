//! A text as a reader decodes it: percent-encoding, HTML's entities, JSON's `\uXXXX`, full-width forms, unusual
//! dashes and blanks. What the rows find in it is masked in the text itself.

use super::text::Span;
use crate::charge;

/// A text with one level of encodings undone.
pub(super) struct Decoded {
    pub(super) text: String,
    /// For each of its bytes where that stands in the raw text, and where all ends.
    places: Vec<u32>,
}

impl Decoded {
    /// `None` where nothing is encoded, or where the text is too long for this.
    pub(super) fn of(raw: &str) -> Option<Self> {
        const MOST: usize = 1 << 20;
        if raw.len() > MOST || charge::take(raw.len().saturating_mul(5)).is_err() {
            return None;
        }
        let mut decoded =
            Self { text: String::with_capacity(raw.len()), places: Vec::with_capacity(raw.len() + 1) };
        let mut at = 0;
        let mut changed = false;
        while let Some(&byte) = raw.as_bytes().get(at) {
            if byte.is_ascii() && !matches!(byte, b'%' | b'&' | b'\\') {
                decoded.text.push(char::from(byte));
                decoded.places.push(u32::try_from(at).ok()?);
                at += 1;
                continue;
            }
            let rest = raw.get(at..)?;
            let first = rest.chars().next()?;
            let (c, length) = one(rest, first).unwrap_or((first, first.len_utf8()));
            changed |= c != first || length != first.len_utf8();
            decoded.text.push(c);
            decoded.places.extend(std::iter::repeat_n(u32::try_from(at).ok()?, c.len_utf8()));
            at += length;
        }
        decoded.places.push(u32::try_from(raw.len()).ok()?);
        changed.then_some(decoded)
    }

    /// Where a span of the decoded text stands in the raw one; `None` where that has it as it is, because then
    /// the rows find it there.
    pub(super) fn raw(&self, span: Span, raw: &str) -> Option<Span> {
        let place = |at: usize| self.places.get(at).map(|at| *at as usize);
        let found = Span { start: place(span.start)?, end: place(span.end)?, kept: place(span.kept)? };
        let same = raw.get(found.start..found.end) == self.text.get(span.start..span.end);
        (!same && found.start < found.end).then_some(found)
    }
}

/// What one encoded character stands for, and how many bytes it takes.
fn one(rest: &str, first: char) -> Option<(char, usize)> {
    match first {
        '%' => Some((printable(hex(rest.get(1..3)?)?)?, 3)),
        '&' => entity(rest),
        '\\' => {
            let digits = rest.strip_prefix("\\u")?.get(..4)?;
            Some((printable(hex(digits)?)?, 6))
        }
        _ if first.is_ascii() => None,
        _ => folded(first).map(|c| (c, first.len_utf8())),
    }
}

fn hex(digits: &str) -> Option<u32> {
    let digit = |code: u32, b: u8| Some(code.checked_mul(16)? | char::from(b).to_digit(16)?);
    digits.bytes().try_fold(0, digit)
}

/// An ASCII character that shows; others are left as they are encoded.
fn printable(code: u32) -> Option<char> {
    char::from_u32(code).filter(|c| matches!(c, ' '..='~' | '\n' | '\t'))
}

fn entity(rest: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 7] = [
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&nbsp;", ' '),
        ("&commat;", '@'),
    ];
    if let Some((name, c)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
        return Some((*c, name.len()));
    }
    let digits = rest.strip_prefix("&#")?;
    let end = digits.bytes().take(8).position(|b| b == b';')?;
    let number = digits.get(..end)?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(number) => hex(number)?,
        None => number.parse().ok()?,
    };
    Some((printable(code)?, end + 3))
}

/// Full-width forms, and the dashes, points and blanks that stand in documents for those of ASCII.
fn folded(c: char) -> Option<char> {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{FE58}' | '\u{FE63}' => Some('-'),
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Some(' '),
        '\u{B7}' | '\u{2024}' | '\u{30FB}' => Some('.'),
        '\u{2018}' | '\u{2019}' => Some('\''),
        '\u{201C}' | '\u{201D}' => Some('"'),
        _ => None,
    }
}
