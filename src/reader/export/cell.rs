//! Cells of a table.

use super::literal::{Literal, literal};
use crate::reader::records::is_space;

/// Longer summaries are not looked into.
const LONGEST: usize = 4096;

/// Writes `text` as a cell. What a spreadsheet could take for a formula gets a quote before it, which makes it text.
pub(super) fn write(text: &str, out: &mut String) {
    let first = text.chars().next();
    let formula = |c: Option<char>| matches!(c, Some('=' | '+' | '-' | '@'));
    let is_risky = formula(first)
        || first.is_some_and(|c| u32::from(c) < 32 || c == '\u{7F}')
        || (first.is_some_and(is_space) && formula(text.trim_start_matches(is_space).chars().next()));
    let quote = if is_risky { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        out.push('"');
        out.push_str(quote);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(quote);
        out.push_str(text);
    }
}

/// A summary in words: a structure as Python writes it becomes `key=value; key=value`.
pub(super) fn readable(text: &str) -> String {
    let trimmed = text.trim_matches(is_space);
    let is_structure = trimmed.starts_with(['{', '[']) && trimmed.ends_with(['}', ']']);
    if !is_structure || trimmed.chars().count() > LONGEST {
        return text.to_owned();
    }
    literal(trimmed).map_or_else(|| text.to_owned(), |literal| flat(&literal))
}

fn flat(literal: &Literal) -> String {
    match literal {
        Literal::None => String::new(),
        Literal::Word(word) => word.clone(),
        Literal::Text(text) => readable(text),
        Literal::List(items) => items.iter().map(flat).collect::<Vec<_>>().join("; "),
        Literal::Map(entries) => {
            entries.iter().map(|(key, value)| format!("{key}={}", flat(value))).collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for (text, cell) in [
            ("=1", "'=1"),
            (" @x", "' @x"),
            ("\u{7F}x", "'\u{7F}x"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("\n=", "\"'\n=\""),
            ("x", "x"),
        ] {
            let mut out = String::new();
            write(text, &mut out);
            assert_eq!(out, cell);
        }
    }

    #[test]
    fn structures_become_words() {
        for (text, words) in [
            ("{'a': 1, 'b': [1, 2], 'c': {'d': None}}", "a=1; b=1; 2; c=d="),
            ("{\"n\":0}", "n=0"),
            ("[1e100, -0.0, 0x1F, True, 1_0]", "1e+100; -0.0; 31; True; 10"),
            ("{'s': '[1]'}", "s=1"),
            ("['a'  \"b\"]", "ab"),
            ("{'a': 1, 'a': 2}", "a=2"),
            ("{'a': true}", "{'a': true}"),
            ("[1 + 2]", "[1 + 2]"),
            ("[,]", "[,]"),
            ("x", "x"),
        ] {
            assert_eq!(readable(text), words);
        }
        assert_eq!(readable(&"[".repeat(2000)), "[".repeat(2000));
    }
}
