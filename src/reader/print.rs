//! A text made safe for terminals: whatever would act on one, turn its direction or show nothing is written out.

use halod_record::redact::shows_nothing;
use std::borrow::Cow;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthChar;

/// The text with `\n`, `\t`, `\u{202e}` and the like in place of what can't be seen.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => {
                // Writing to a string does not fail.
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_hidden(c: char) -> bool {
    !c.is_ascii_graphic()
        && c != ' '
        && (c.is_control()
            || shows_nothing(c)
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}'))
}

/// How many cells of a terminal a text takes that is [`visible`].
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// Appends a visible text in exactly so many cells: cut with `…`, or filled up with blanks.
pub fn fitted(text: &str, cells: usize, out: &mut String) {
    let (mut used, mut marks) = (0, 0);
    let whole = width(text) <= cells;
    let room = if whole { cells } else { cells.saturating_sub(1) };
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        // Marks take no cell: a text of many would be a line without end.
        marks = if wide == 0 { marks + 1 } else { 0 };
        if used + wide > room {
            break;
        }
        if marks <= 4 {
            out.push(c);
            used += wide;
        }
    }
    if !whole && cells > 0 {
        out.push('…');
        used += 1;
    }
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(used)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert_eq!(visible("plain é 東京"), "plain é 東京");
        assert_eq!(visible("a\u{1b}[31m\n\r\t\u{9b}"), "a\\u{1b}[31m\\n\\r\\t\\u{9b}");
        assert_eq!(visible("\u{202e}evil\u{200b}\u{feff}\u{ad}"), "\\u{202e}evil\\u{200b}\\u{feff}\\u{ad}");
        assert_eq!(visible("\u{2028}\u{2066}\u{e0041}"), "\\u{2028}\\u{2066}\\u{e0041}");
    }

    #[test]
    fn texts_fill_their_cells() {
        let fit = |text: &str, cells| {
            let mut out = String::new();
            fitted(text, cells, &mut out);
            out
        };
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("東京都", 4), "東… ");
        assert_eq!(fit("東京都", 6), "東京都");
        assert_eq!(fit("x", 0), "");
        assert!(fit(&format!("a{}", "\u{301}".repeat(500)), 3).chars().count() < 10);
    }

    proptest! {
        #[test]
        fn any_text_is_as_wide_as_asked(text in any::<String>(), cells in 0..40_usize) {
            let (shown, mut out) = (visible(&text), String::new());
            prop_assert!(!shown.chars().any(is_hidden));
            fitted(&shown, cells, &mut out);
            prop_assert_eq!(width(&out), cells);
        }
    }
}
