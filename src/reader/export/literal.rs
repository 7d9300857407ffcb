//! Structures as Python writes them, which the reference's summaries are.
//!
//! What Python reads and no record has (complex numbers, bytes, sets, keys that are structures, `\N{...}`) is no literal here,
//! so that its summary stays as it is.

use crate::reader::dumps::python_float;

/// A value that Python wrote.
#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    None,
    /// A number or a truth value, as Python prints it.
    Word(String),
    Text(String),
    List(Vec<Literal>),
    Map(Vec<(String, Literal)>),
}

/// Structures in each other that Python reads.
const DEPTH: usize = 199;

/// The value that all of `text` writes.
pub(super) fn literal(text: &str) -> Option<Literal> {
    if text.contains('\0') {
        return None;
    }
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    // Behind the value a comment may stand that no line ends.
    reader.rest = reader.rest.trim_start_matches([' ', '\t', '\u{C}']);
    (reader.rest.is_empty() || (reader.rest.starts_with('#') && !reader.rest.contains('\n'))).then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEPTH {
            return None;
        }
        match self.rest.chars().next()? {
            '{' => self.map(depth),
            '[' => self.items('[', ']', depth).map(|(items, _)| Literal::List(items)),
            '(' => {
                let (mut items, comma) = self.items('(', ')', depth)?;
                if items.len() == 1 && !comma { items.pop() } else { Some(Literal::List(items)) }
            }
            '.' if self.rest.starts_with("...") => self.word(),
            c if c == '+' || c == '-' || c == '.' || c.is_ascii_digit() => self.number(),
            _ => self.word(),
        }
    }

    fn items(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Literal>, bool)> {
        self.takes(open)?;
        let (mut items, mut comma) = (Vec::new(), false);
        self.blanks()?;
        while self.takes(close).is_none() {
            items.push(self.value(depth + 1)?);
            self.blanks()?;
            comma = self.takes(',').is_some();
            self.blanks()?;
            if !comma && !self.rest.starts_with(close) {
                return None;
            }
        }
        Some((items, comma))
    }

    fn map(&mut self, depth: usize) -> Option<Literal> {
        self.takes('{')?;
        let mut entries: Vec<(String, bool, Literal)> = Vec::new();
        self.blanks()?;
        while self.takes('}').is_none() {
            let (key, is_text) = match self.value(depth + 1)? {
                Literal::None => ("None".to_owned(), false),
                Literal::Word(word) => (word, false),
                Literal::Text(text) => (text, true),
                Literal::List(_) | Literal::Map(_) => return None,
            };
            self.blanks()?;
            self.takes(':')?;
            self.blanks()?;
            let value = self.value(depth + 1)?;
            match entries.iter_mut().find(|(known, text, _)| *known == key && *text == is_text) {
                Some(entry) => entry.2 = value,
                None => entries.push((key, is_text, value)),
            }
            self.blanks()?;
            let comma = self.takes(',').is_some();
            self.blanks()?;
            if !comma && !self.rest.starts_with('}') {
                return None;
            }
        }
        Some(Literal::Map(entries.into_iter().map(|(key, _, value)| (key, value)).collect()))
    }

    fn takes(&mut self, what: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(what)?;
        Some(())
    }

    /// Passes over white space, ends of lines and comments, which a line ends.
    fn blanks(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\u{C}', '\n', '\r']);
            if let Some(comment) = self.rest.strip_prefix('#') {
                self.rest = comment.get(comment.find('\n')?..)?;
            } else if let Some(rest) = self.rest.strip_prefix("\\\n") {
                self.rest = rest;
            } else {
                return Some(());
            }
        }
    }

    fn word(&mut self) -> Option<Literal> {
        for (word, value) in [
            ("None", Literal::None),
            ("...", Literal::Word("Ellipsis".into())),
            ("True", Literal::Word("True".into())),
            ("False", Literal::Word("False".into())),
        ] {
            if let Some(rest) = self.rest.strip_prefix(word)
                && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '\'' || c == '"')
            {
                self.rest = rest;
                return Some(value);
            }
        }
        let mut all = String::new();
        loop {
            self.text(&mut all)?;
            self.blanks()?;
            if !self.rest.starts_with(['\'', '"', 'u', 'U', 'r', 'R']) {
                return Some(Literal::Text(all));
            }
        }
    }

    fn text(&mut self, out: &mut String) -> Option<()> {
        let raw = self.rest.starts_with(['r', 'R']);
        self.rest = self.rest.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(self.rest);
        let quote = self.rest.get(..1).filter(|quote| *quote == "'" || *quote == "\"")?;
        let triple = quote.repeat(3);
        let close = if self.rest.starts_with(&triple) { triple } else { quote.to_owned() };
        self.rest = self.rest.strip_prefix(&*close)?;
        loop {
            if let Some(rest) = self.rest.strip_prefix(&*close) {
                self.rest = rest;
                return Some(());
            }
            let c = self.rest.chars().next()?;
            self.rest = self.rest.get(c.len_utf8()..)?;
            match c {
                '\n' | '\r' if close.len() == 1 => return None,
                '\r' => return None,
                '\\' if raw => {
                    out.push('\\');
                    let next = self.rest.chars().next()?;
                    out.push(next);
                    self.rest = self.rest.get(next.len_utf8()..)?;
                }
                '\\' => self.escaped(out)?,
                other => out.push(other),
            }
        }
    }

    fn escaped(&mut self, out: &mut String) -> Option<()> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        let digits = match c {
            '\n' => return Some(()),
            '\\' | '\'' | '"' => {
                out.push(c);
                return Some(());
            }
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' => {
                let at = "abfnrtv".find(c)?;
                out.push(char::from(*b"\x07\x08\x0C\n\r\t\x0B".get(at)?));
                return Some(());
            }
            '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let text = format!("{c}{}", self.rest.get(..more)?);
                self.rest = self.rest.get(more..)?;
                out.push(char::from_u32(u32::from_str_radix(&text, 8).ok()?)?);
                return Some(());
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            'N' => return None,
            other => {
                out.push('\\');
                out.push(other);
                return Some(());
            }
        };
        let text =
            self.rest.get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        out.push(char::from_u32(u32::from_str_radix(text, 16).ok()?)?);
        self.rest = self.rest.get(digits..)?;
        Some(())
    }

    fn number(&mut self) -> Option<Literal> {
        let minus = self.rest.starts_with('-');
        if minus || self.rest.starts_with('+') {
            self.rest = self.rest.get(1..)?;
            self.blanks()?;
        }
        let mut end = 0;
        let bytes = self.rest.as_bytes();
        let is_based = matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
        while let Some(&byte) = bytes.get(end) {
            let exponent = !is_based
                && matches!(byte, b'+' | b'-')
                && end > 0
                && matches!(bytes.get(end - 1), Some(b'e' | b'E'));
            if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || exponent) {
                break;
            }
            end += 1;
        }
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let sign = if minus { "-" } else { "" };
        let bad = digits.contains("__")
            || digits.ends_with('_')
            || digits.split(['.', 'e', 'E']).any(|part| part.starts_with('_') || part.ends_with('_'));
        if bad && !is_based {
            return None;
        }
        let plain = digits.replace('_', "");
        if is_based {
            let radix = match plain.as_bytes().get(1)? {
                b'x' | b'X' => 16,
                b'o' | b'O' => 8,
                _ => 2,
            };
            let value = u128::from_str_radix(plain.get(2..)?, radix).ok()?;
            return Some(Literal::Word(if value == 0 { "0".into() } else { format!("{sign}{value}") }));
        }
        if plain.bytes().all(|byte| byte.is_ascii_digit()) && !plain.is_empty() {
            let short = plain.trim_start_matches('0');
            return match (short, plain.len()) {
                ("", _) => Some(Literal::Word("0".into())),
                (short, len) if short.len() == len => Some(Literal::Word(format!("{sign}{short}"))),
                _ => None,
            };
        }
        if !plain
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            return None;
        }
        let float: f64 = plain.parse().ok()?;
        Some(Literal::Word(python_float(if minus { -float } else { float })))
    }
}
