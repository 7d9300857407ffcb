//! A body of several values, taken apart without reading them: the items of one array, or the values
//! that stand one after the other, such as one a line.
//!
//! So a receiver holds one item's tree at a time, however many there are.

use super::{ParseError, Problem};

/// The values of a body, each as its text, from the first to the last or the first fault. What they
/// are is left to the parser; here only strings and brackets are told apart.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    text: &'a str,
    at: usize,
    state: State,
    /// Containers, members and items passed so far.
    elements: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// In the array: before its first item, or after another one.
    Array {
        first: bool,
    },
    Sequence,
    Done,
}

/// The values of `text`.
#[must_use]
pub fn items(text: &str) -> Items<'_> {
    Items { text, at: 0, state: State::Start, elements: 0 }
}

impl<'a> Items<'a> {
    /// At most how many values the items so far hold: what their trees would take.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.elements
    }

    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&mut self, problem: Problem) -> Option<Result<&'a str, ParseError>> {
        self.state = State::Done;
        Some(Err(ParseError::new(problem, self.text, self.at)))
    }

    /// The array is at its end: nothing may follow.
    fn end(&mut self) -> Option<Result<&'a str, ParseError>> {
        self.at += 1;
        self.state = State::Done;
        if self.peek().is_some() { self.fault(Problem::ExtraData) } else { None }
    }

    fn value(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut depth = 0usize;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.elements += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.elements += 1;
                    self.at += 1;
                    continue;
                }
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}' if depth == 0 => break,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                break;
            }
        }
        // What belongs nowhere is still something, for the parser to refuse.
        if self.at == start {
            self.at = self.text.ceil_char_boundary(start + 1);
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// To the end of the string that begins here.
    fn string(&mut self) {
        self.at += 1;
        let bytes = self.text.as_bytes();
        while let Some(more) = bytes.get(self.at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
            self.at += more + 1;
            if bytes.get(self.at - 1) == Some(&b'"') {
                return;
            }
            self.at += 1;
        }
        self.at = self.text.len();
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a str, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let next = self.peek();
        match (self.state, next) {
            (State::Start, None) => return self.fault(Problem::ExpectedValue),
            (State::Start, Some(b'[')) => {
                self.at += 1;
                self.state = State::Array { first: true };
                return self.next();
            }
            (State::Start, Some(_)) => self.state = State::Sequence,
            (State::Array { .. }, Some(b']')) => return self.end(),
            (State::Array { first: true }, Some(_)) => self.state = State::Array { first: false },
            (State::Array { first: false }, Some(b',')) => {
                self.at += 1;
                if self.peek().is_none() {
                    return self.fault(Problem::ExpectedValue);
                }
            }
            (State::Array { .. }, _) => return self.fault(Problem::ExpectedCommaOrEnd),
            (State::Sequence, None) => return None,
            (State::Sequence | State::Done, _) => {}
        }
        self.elements += 1;
        Some(Ok(self.value()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::parse;
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Result<Vec<&str>, Problem> {
        items(text).map(|item| item.map_err(|error| error.problem)).collect()
    }

    #[test]
    fn one_array_and_one_a_line() {
        for (text, expected) in [
            (r#"{"a":1}"#, vec![r#"{"a":1}"#]),
            (r#" [ {"a":[1,"]"]} , {} ] "#, vec![r#"{"a":[1,"]"]}"#, "{}"]),
            ("{\"a\":\n1}\n{\"b\":\"\\\"}\"}\r\n\n", vec!["{\"a\":\n1}", r#"{"b":"\"}"}"#]),
            ("[]", vec![]),
            ("[[1],2]", vec!["[1]", "2"]),
            ("1 2", vec!["1", "2"]),
            (r#"{"a":"unfinished"#, vec![r#"{"a":"unfinished"#]),
            ("[{}", vec!["{}"]),
        ] {
            let got: Vec<_> = items(text).map_while(Result::ok).collect();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn what_is_between_values_is_looked_at() {
        for (text, problem) in [
            ("", Problem::ExpectedValue),
            ("  \n", Problem::ExpectedValue),
            ("[{} {}]", Problem::ExpectedCommaOrEnd),
            ("[{}", Problem::ExpectedCommaOrEnd),
            ("[{},", Problem::ExpectedValue),
            ("[", Problem::ExpectedCommaOrEnd),
            ("[] []", Problem::ExtraData),
        ] {
            assert_eq!(split(text), Err(problem), "{text}");
        }
        // Here the values say it.
        for text in ["{},{}", "[{},]", "}", "[,]", "{}x", "\u{feff}{}"] {
            let broken = split(text).is_ok_and(|items| items.into_iter().any(|item| parse(item).is_err()));
            assert!(broken || split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn elements_bound_what_a_tree_takes() {
        let mut all = items("[[1,2,3],{\"a\":1,\"b\":2},\",,,,\"]");
        assert_eq!(all.by_ref().count(), 3);
        assert_eq!(all.elements(), 3 + (1 + 2) + (1 + 3));
    }

    proptest! {
        /// Whatever is in an array is found in it, and nothing makes the iterator run for ever.
        #[test]
        fn items_are_what_the_parser_sees(values in proptest::collection::vec("(\\{\"[a-z\\\\\\\\]{0,4}\":[0-9]\\}|\"[^\\x00-\\x1f\"\\\\\\\\]{0,8}\"|-?[1-9][0-9]{0,5}|\\[\\]|null)", 0..8), noise in any::<String>()) {
            let whole = format!("[{}]", values.join(" ,\n"));
            if parse(&whole).is_ok() {
                prop_assert_eq!(split(&whole).unwrap(), values);
            }
            prop_assert!(items(&noise).count() <= noise.len() + 1);
        }
    }
}
