//! Characters that show nothing: they must not split a secret.

use super::chars::space;
use crate::charge;
use std::borrow::Cow;

/// Format characters (Cf), Default_Ignorable_Code_Point (both of Unicode 15.1), the blank Braille
/// pattern and the null notehead: what the reference takes for invisible.
const INVISIBLE: [(u32, u32); 27] = [
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x600, 0x605),
    (0x61C, 0x61C),
    (0x6DD, 0x6DD),
    (0x70F, 0x70F),
    (0x890, 0x891),
    (0x8E2, 0x8E2),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D159, 0x1D159),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
];

/// Whether the reference takes `c` for a character that shows nothing.
#[must_use]
pub fn invisible(c: char) -> bool {
    let code = u32::from(c);
    code >= 0xAD && {
        let after = INVISIBLE.partition_point(|(first, _)| *first <= code);
        after > 0 && INVISIBLE.get(after - 1).is_some_and(|(_, last)| code <= *last)
    }
}

/// Whether a reader of a name does not see `c` at all: the narrow blanks are among what is hardly seen.
pub fn shows_nothing(c: char) -> bool {
    invisible(c) || c.is_control() || matches!(c, '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}')
}

fn token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '/' | ':' | '=' | '_')
}

/// Whether invisible characters between these two hide that they belong together. Elsewhere they
/// stay: removing them could join what is apart. The last line is an addition to the reference's rule.
fn hides(left: char, right: char) -> bool {
    (token(left) && (token(right) || right == '@' || space(right)))
        || (space(left) && (token(right) || matches!(right, '(' | ')')))
        || (matches!(left, '(' | ')') && space(right))
        || (left == '@' && token(right))
}

/// The text without invisible characters inside what could be a secret.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(invisible) {
        return Cow::Borrowed(text);
    }
    if charge::take(text.len()).is_err() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(invisible) {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let length = tail.find(|c| !invisible(c)).unwrap_or(tail.len());
        let (hidden, next) = tail.split_at(length);
        let joined = out.chars().next_back().zip(next.chars().next()).is_some_and(|(a, b)| hides(a, b));
        if !joined {
            out.push_str(hidden);
        }
        rest = next;
    }
    out.push_str(rest);
    Cow::Owned(out)
}
