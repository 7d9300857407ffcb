//! Taking a text apart into the values that it lists, before any of them is parsed.
//!
//! Nothing is built, so a list's length and the number of values in it are known before memory is spent
//! on them, and one value that is no JSON spoils no other.

use super::error::{ParseError, Problem};
use crate::charge::{self, Exhausted};

/// How a text lists its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// A JSON array of them.
    Array,
    /// One value, which is no array.
    Single,
    /// One value a line.
    Lines,
}

/// What bounds a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    pub items: usize,
    /// Values over all items, at every depth.
    pub values: usize,
}

/// The values that `text` lists, each as its own text. An array has to be whole; what a line holds is not
/// looked at.
///
/// # Errors
/// Brackets or quotes that are not closed, or more than `most`.
pub fn split<'a>(text: &'a str, most: &Most) -> Result<(Listing, Vec<&'a str>), ParseError> {
    let start = text.len() - text.trim_ascii_start().len();
    let mut scan = Scan { text, at: start, values: 0, most };
    if text.as_bytes().get(start) == Some(&b'[') {
        return scan.array().map(|items| (Listing::Array, items));
    }
    let one = scan.value();
    let rest = text.get(scan.at..).unwrap_or_default();
    if let Ok(one) = one
        && rest.trim_ascii().is_empty()
    {
        return Ok((Listing::Single, vec![one]));
    }
    let whole = text.trim_ascii();
    if !whole.contains('\n') {
        return one.and_then(|_| Err(scan.error(Problem::ExtraData)));
    }
    let refused = |problem| ParseError::new(problem, text, text.len());
    let (mut lines, mut values) = (Vec::new(), 0);
    for line in whole.lines().map(str::trim_ascii).filter(|line| !line.is_empty()) {
        if lines.len() == most.items {
            return Err(refused(Problem::TooMany { limit: most.items }));
        }
        values += values_in(line);
        if values > most.values {
            return Err(refused(Problem::TooMany { limit: most.values }));
        }
        charge::push(&mut lines, line).map_err(|Exhausted| refused(Problem::Exhausted))?;
    }
    Ok((Listing::Lines, lines))
}

/// At least as many as there are values in `text`, at every depth, as far as it is JSON.
#[must_use]
pub fn values_in(text: &str) -> usize {
    let mut scan = Scan { text, at: 0, values: 1, most: &Most { items: usize::MAX, values: usize::MAX } };
    while let Some(byte) = scan.peek() {
        if byte == b'"' && scan.string().is_err() {
            break;
        } else if byte != b'"' {
            scan.at += 1;
            scan.values += usize::from(matches!(byte, b',' | b'[' | b'{'));
        }
    }
    scan.values
}

struct Scan<'a, 'm> {
    text: &'a str,
    at: usize,
    values: usize,
    most: &'m Most,
}

impl<'a> Scan<'a, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, problem: Problem) -> ParseError {
        ParseError::new(problem, self.text, self.at)
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn array(&mut self) -> Result<Vec<&'a str>, ParseError> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.end(items);
        }
        loop {
            if items.len() == self.most.items {
                return Err(self.error(Problem::TooMany { limit: self.most.items }));
            }
            let value = self.value()?;
            charge::push(&mut items, value).map_err(|Exhausted| self.error(Problem::Exhausted))?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return self.end(items);
                }
                _ => return Err(self.error(Problem::ExpectedCommaOrEnd)),
            }
        }
    }

    fn end(&mut self, items: Vec<&'a str>) -> Result<Vec<&'a str>, ParseError> {
        self.blank();
        if self.at == self.text.len() { Ok(items) } else { Err(self.error(Problem::ExtraData)) }
    }

    /// What stands up to the next comma, bracket or line's end that is outside every bracket of its own.
    fn value(&mut self) -> Result<&'a str, ParseError> {
        self.blank();
        let start = self.at;
        let mut open = 0usize;
        self.values += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'[' | b'{' => {
                    open += 1;
                    self.values += 1;
                }
                b']' | b'}' if open == 0 => break,
                b']' | b'}' => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        break;
                    }
                }
                b',' if open == 0 => break,
                b',' => self.values += 1,
                b'\n' if open == 0 => break,
                _ => {}
            }
            self.at += 1;
            if self.values > self.most.values {
                return Err(self.error(Problem::TooMany { limit: self.most.values }));
            }
        }
        let value = self.text.get(start..self.at).unwrap_or_default().trim_ascii();
        if open > 0 {
            return Err(self.error(Problem::ExpectedCommaOrEnd));
        }
        if value.is_empty() {
            return Err(self.error(Problem::ExpectedValue));
        }
        self.blank();
        Ok(value)
    }

    fn string(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = start;
                return Err(self.error(Problem::UnterminatedString));
            };
            self.at += found + 1;
            if rest.get(found) == Some(&b'"') {
                return Ok(());
            }
            // Whatever is escaped: if it is more than one byte, the others are no quotes.
            self.at += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const MOST: Most = Most { items: 4, values: 12 };

    fn listed(text: &str) -> (Listing, Vec<&str>) {
        split(text, &MOST).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn arrays_single_values_and_lines_are_told_apart() {
        assert_eq!(listed(" [ ] "), (Listing::Array, vec![]));
        assert_eq!(
            listed("[{\"a\":[1,2]}, null ,\"]\\\"\"]"),
            (Listing::Array, vec!["{\"a\":[1,2]}", "null", "\"]\\\"\""])
        );
        assert_eq!(listed("{\"a\":\n1}\n"), (Listing::Single, vec!["{\"a\":\n1}"]));
        assert_eq!(listed("{\"a\":1}\n\r\n{oops\n"), (Listing::Lines, vec!["{\"a\":1}", "{oops"]));
        assert_eq!(listed("{oops\n{}"), (Listing::Lines, vec!["{oops", "{}"]));
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for text in ["", " ", "[", "[1", "[1,", "[1,]", "[\"a]", "[1]x", "{\"a\":1", "{}{}", "[{]"] {
            assert!(split(text, &MOST).is_err(), "{text}");
        }
    }

    #[test]
    fn long_lists_are_refused_before_they_are_parsed() {
        let long = |text: &str| {
            matches!(split(text, &MOST), Err(ParseError { problem: Problem::TooMany { .. }, .. }))
        };
        assert!(long("[1,2,3,4,5]") && long("1\n2\n3\n4\n5"));
        assert!(long("[[1,2,3,4,5,6,7,8,9,10,11,12]]") && long("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12]}\n{}"));
        assert_eq!(values_in("{\"a,[\":[1,2]}"), 4);
    }
}
