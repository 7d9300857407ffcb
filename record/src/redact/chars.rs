//! Character classes, as the reference's regular expressions see them.
//!
//! Python's `\w` is letters, numbers and `_` of all scripts; so `字bob@x.com` has no word boundary
//! before `bob`, and the reference leaves that address readable.

use super::marks::mark;
use super::skip::next_any_digit;

/// The character that starts at byte `at`; `None` at the end or inside a character.
pub(super) fn at(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

/// The character that ends at byte `at`.
pub(super) fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// The byte at `at`; 0 beyond the end.
pub(super) fn byte(text: &str, at: usize) -> u8 {
    text.as_bytes().get(at).copied().unwrap_or(0)
}

/// Where a word ends. The reference's rows read it as Python does, the additions also as ASCII alone:
/// then a number or an address glued to another script is found too.
pub(super) type Lenient = bool;

fn ascii_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `\w`
fn word(c: Option<char>) -> bool {
    ascii_word(c) || c.is_some_and(|c| !c.is_ascii() && c.is_alphanumeric() && !mark(c))
}

/// The ASCII byte before `at`, or 0 at the start; `None` when another character ends there.
fn left(text: &str, at: usize) -> Option<u8> {
    let byte = if at == 0 { 0 } else { byte(text, at - 1) };
    byte.is_ascii().then_some(byte)
}

/// ASCII letters, digits and `_`.
pub(super) static WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric() || b as u8 == b'_';
        b += 1;
    }
    table
};

fn word_byte(b: u8) -> bool {
    WORD[usize::from(b)]
}

/// `\b`; a lenient one is a boundary by either reading.
#[inline]
pub(super) fn boundary<const LENIENT: Lenient>(text: &str, at: usize) -> bool {
    if let (Some(left), right @ 0..=0x7F) = (left(text, at), byte(text, at)) {
        return word_byte(left) != word_byte(right);
    }
    foreign_boundary::<LENIENT>(text, at)
}

/// [`boundary`] beside another script.
#[cold]
fn foreign_boundary<const LENIENT: Lenient>(text: &str, at: usize) -> bool {
    let (left, right) = (before(text, at), self::at(text, at));
    word(left) != word(right) || (LENIENT && ascii_word(left) != ascii_word(right))
}

/// Nothing that a word or number is made of stands before `at`.
#[inline]
pub(super) fn starts<const LENIENT: Lenient>(text: &str, at: usize) -> bool {
    if let Some(left) = left(text, at) {
        return !word_byte(left);
    }
    let left = before(text, at);
    !(if LENIENT { ascii_word(left) } else { word(left) })
}

/// Nothing that continues a word or number starts at `at`.
#[inline]
pub(super) fn ends<const LENIENT: Lenient>(text: &str, at: usize) -> bool {
    if let right @ 0..=0x7F = byte(text, at) {
        return !word_byte(right);
    }
    let right = self::at(text, at);
    !(if LENIENT { ascii_word(right) || right.is_some_and(digit) } else { word(right) })
}

/// `\d`: digits of every script. Other numbers (`½`) count as well, which only masks more.
pub(super) fn digit(c: char) -> bool {
    // The look-up is slow. Before U+0660 only superscripts and fractions of Latin-1 are numbers.
    c.is_ascii_digit() || (!c.is_ascii() && !('\u{c0}'..'\u{660}').contains(&c) && c.is_numeric())
}

/// `\s`, which in Python includes U+001C to U+001F.
pub(super) fn space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Where the run of characters of `class` that starts at `from` ends.
pub(super) fn run(text: &str, from: usize, class: impl Fn(char) -> bool) -> usize {
    let mut end = from;
    while let Some(&b) = text.as_bytes().get(end) {
        let c = if b.is_ascii() { Some(char::from(b)) } else { at(text, end) };
        match c.filter(|c| class(*c)) {
            Some(c) => end += c.len_utf8(),
            None => break,
        }
    }
    end
}

/// Where the run of bytes of `class` that starts at `from` ends, looking at no more than `most`.
pub(super) fn byte_run(text: &str, from: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
    let bytes = text.as_bytes().get(from..).unwrap_or_default();
    let bytes = bytes.get(..most.min(bytes.len())).unwrap_or_default();
    from + bytes.iter().position(|&b| !class(b)).unwrap_or(bytes.len())
}

/// The text up to its `count`-th character.
pub(super) fn first(text: &str, count: usize) -> &str {
    // No string of at most `count` bytes has more characters than that.
    if text.len() <= count {
        return text;
    }
    let bytes = text.as_bytes();
    let within = |b: &&u8| (0x80..0xC0).contains(*b);
    let (mut end, mut missing) = (0, count);
    while missing > 0 {
        // There are at least as many bytes as characters: in ASCII, this is the only step.
        let Some(next) = bytes.get(end..end + missing) else { return text };
        end += missing;
        missing = next.iter().filter(within).count();
    }
    end += bytes.get(end..).unwrap_or_default().iter().take_while(within).count();
    text.get(..end).unwrap_or(text)
}

/// Runs of digits: where each starts and ends, and how many digits it has.
pub(super) struct Digits<'t> {
    text: &'t str,
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) count: usize,
}

impl<'t> Digits<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Goes on at byte `at`, which must not be inside a run.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = self.at.max(at);
    }
}

/// The run of digits that starts at `start`; `None` when there is no digit.
pub(super) fn digits_at(text: &str, start: usize) -> Option<Run> {
    let mut run = Run { start, end: start, count: 0 };
    while let Some(&b) = text.as_bytes().get(run.end) {
        if b.is_ascii_digit() {
            run.end += 1;
        } else if b >= 0x80
            && let Some(c) = at(text, run.end).filter(|&c| digit(c))
        {
            run.end += c.len_utf8();
        } else {
            break;
        }
        run.count += 1;
    }
    (run.count > 0).then_some(run)
}

impl Iterator for Digits<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        loop {
            let bytes = self.text.as_bytes();
            self.at = next_any_digit(bytes, self.at);
            if self.at >= bytes.len() {
                return None;
            }
            match digits_at(self.text, self.at) {
                Some(run) => {
                    self.at = run.end;
                    return Some(run);
                }
                None => self.at += 1,
            }
        }
    }
}
