//! The pieces that lines of text are made of.

use memchr::memchr2;
use std::borrow::Cow;

/// What is left of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a>(pub(super) &'a str);

impl<'a> Rest<'a> {
    /// What stands before the next blank, which is taken too.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ');
        if text.is_empty() {
            self.0 = text;
            return None;
        }
        let (word, rest) = match memchr::memchr(b' ', text.as_bytes()) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        self.0 = rest;
        Some(word)
    }

    /// Words that commas or colons hold together: nginx' lists of upstreams (`a, b : c`).
    pub(super) fn list(&mut self) -> &'a str {
        let from = self.0.trim_start_matches(' ');
        while self.word().is_some_and(|word| word.ends_with(',') || word == ":") || self.0.starts_with(": ") {
        }
        let used = from.len() - self.0.len();
        from.get(..used).unwrap_or("").trim_end_matches(' ')
    }

    /// The text between double quotes, or a `-` without any.
    pub(super) fn quoted_or_none(&mut self) -> Option<&'a str> {
        if let Some(quoted) = self.quoted() {
            return Some(quoted);
        }
        let after = self.0.trim_start_matches(' ').strip_prefix('-')?;
        self.0 = after.strip_prefix(' ').or_else(|| after.is_empty().then_some(after))?;
        Some("-")
    }

    /// What stands between double quotes, as it is escaped, if such a text comes next.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ').strip_prefix('"')?;
        let end = closing_quote(text)?;
        self.0 = &text[end + 1..];
        Some(&text[..end])
    }

    /// What stands between brackets.
    pub(super) fn bracketed(&mut self, open: char, close: u8) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ').strip_prefix(open)?;
        let end = memchr::memchr(close, text.as_bytes())?;
        self.0 = &text[end + 1..];
        Some(&text[..end])
    }

    /// The next piece: quoted, in brackets or a word.
    pub(super) fn piece(&mut self) -> Option<Piece<'a>> {
        match self.0.trim_start_matches(' ').as_bytes().first()? {
            b'"' => match self.quoted() {
                Some(text) => Some(Piece::Quoted(text)),
                None => self.word().map(Piece::Word),
            },
            b'[' => match self.bracketed('[', b']') {
                Some(text) => Some(Piece::Bracketed(text)),
                None => self.word().map(Piece::Word),
            },
            _ => self.pair_or_word(),
        }
    }

    /// `key=value` or `key="value"`, or a word.
    fn pair_or_word(&mut self) -> Option<Piece<'a>> {
        let text = self.0.trim_start_matches(' ');
        let end = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"_-.".contains(&b)))?;
        if end == 0 || text.as_bytes().get(end) != Some(&b'=') {
            return self.word().map(Piece::Word);
        }
        self.0 = &text[end + 1..];
        let value = if self.0.starts_with('"') { self.quoted() } else { None };
        let value = match value {
            Some(value) => value,
            // Nothing after the sign: an empty value, not the next word.
            None if self.0.starts_with(' ') || self.0.is_empty() => "",
            None => self.list(),
        };
        Some(Piece::Pair(&text[..end], value))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Bracketed(&'a str),
    Pair(&'a str, &'a str),
}

/// Where the quote is that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// What a logged text stands for, and whether all of it is UTF-8: nginx and Apache write `\xHH` for each
/// byte that could end a field, and `\"` and `\\`.
pub(super) fn unescape(text: &str) -> (Cow<'_, str>, bool) {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else { return (Cow::Borrowed(text), true) };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (decoded, used) = match *tail {
            [b'x' | b'X', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(high) << 4 | hex(low), 3)
            }
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'v', ..] => (0x0b, 1),
            [b'b', ..] => (0x08, 1),
            [b'f', ..] => (0x0c, 1),
            [quote @ (b'"' | b'\\' | b'/' | b'\''), ..] => (quote, 1),
            // No escape: a backslash.
            _ => (b'\\', 0),
        };
        out.push(decoded);
        rest = tail.get(used..).unwrap_or_default();
    }
    match String::from_utf8(out) {
        Ok(text) => (Cow::Owned(text), true),
        Err(error) => (Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()), false),
    }
}

/// The value of a hexadecimal digit; of anything else, nothing of use.
pub(super) fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// A field, unless it is a log's way to say that there is none.
pub(super) fn said(text: &str) -> Option<&str> {
    (!matches!(text, "" | "-")).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_apart_into_its_pieces() {
        let mut rest = Rest(r#""a \"b\" c\\" rt=0.1 urt="0.2, 0.3" us=502, 200 : - [x y] e= last "open"#);
        let mut pieces = Vec::new();
        while let Some(piece) = rest.piece() {
            pieces.push(piece);
        }
        assert_eq!(
            pieces,
            [
                Piece::Quoted(r#"a \"b\" c\\"#),
                Piece::Pair("rt", "0.1"),
                Piece::Pair("urt", "0.2, 0.3"),
                Piece::Pair("us", "502, 200 : -"),
                Piece::Bracketed("x y"),
                Piece::Pair("e", ""),
                Piece::Word("last"),
                Piece::Word("\"open"),
            ]
        );
    }

    #[test]
    fn escapes_of_nginx_and_apache_are_bytes() {
        assert_eq!(unescape("plain"), (Cow::Borrowed("plain"), true));
        assert_eq!(unescape(r"Zo\xC3\xAB \x22q\x22 \\ \t"), ("Zo\u{eb} \"q\" \\ \t".into(), true));
        assert_eq!(unescape(r"\xff\x"), ("\u{fffd}\\x".into(), false));
        assert_eq!(unescape(r"a\"), (r"a\".into(), true));
        assert_eq!(unescape(r"\xg0"), (r"\xg0".into(), true));
    }
}
