//! Where the rows of a file begin and end, found in pieces of it as they are read.
//!
//! Nothing is parsed here: a row that is broken inside is still told from its neighbours, as far as
//! its brackets and quotes are whole.

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize};

/// How a file is divided into rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A row a line.
    Lines,
    /// JSON values one after the other, over any number of lines; an array at the top is its elements.
    Json,
    /// Comma-separated values with a line of names first.
    Csv,
    /// The same with semicolons, as spreadsheets write where a comma parts decimals.
    Semicolons,
    /// The same with tabs.
    Tabs,
    /// Messages, each after its length in four bytes (the Collector's file exporter).
    Framed,
    /// One message.
    Whole,
}

impl Shape {
    /// What parts the fields of a table.
    pub(super) fn separator(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Semicolons => Some(b';'),
            Self::Tabs => Some(b'\t'),
            Self::Lines | Self::Json | Self::Framed | Self::Whole => None,
        }
    }
}

/// Where in a record of a table a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// Only here a quote opens a field.
    Begin,
    Bare,
    Quoted,
    /// Behind a quote within a quoted field: a second one stands for a quote, anything else is its end.
    Closed,
    /// The record is damaged, and ends with its line.
    Damaged,
}

/// A piece of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'b> {
    pub(super) bytes: &'b [u8],
    /// Where in the file it begins.
    pub(super) base: u64,
}

/// A row's bytes, by their places in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Goes through a file once, in windows that need not begin where the row does.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    shape: Shape,
    /// What has been looked at.
    at: u64,
    /// Where the row that is being read began.
    start: Option<u64>,
    /// Open brackets of that row.
    depth: u64,
    /// Inside a string.
    quoted: bool,
    field: Field,
    /// Where the last quoted field of a table opened.
    opened: u64,
    /// Inside an array at the top.
    list: bool,
    /// Where a framed message ends.
    until: Option<u64>,
}

impl Window<'_> {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// What lies at and after `at`.
    fn from(&self, at: u64) -> &[u8] {
        let skip = usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.bytes.get(skip..).unwrap_or_default()
    }

    /// The bytes of a span that lies within.
    pub(super) fn slice(&self, span: Span) -> &[u8] {
        let length = usize::try_from(span.end.saturating_sub(span.start)).unwrap_or(usize::MAX);
        self.from(span.start).get(..length).unwrap_or_default()
    }
}

impl Scanner {
    /// Begins at `at`, between rows; `list` says whether inside an array at the top.
    pub(super) fn new(shape: Shape, at: u64, list: bool) -> Self {
        let (field, opened) = (Field::Begin, at);
        Self { shape, at, start: None, depth: 0, quoted: false, field, opened, list, until: None }
    }

    /// Whether what comes next is an element of an array at the top.
    pub(super) fn in_list(&self) -> bool {
        self.list
    }

    /// How far has been looked.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// What must be kept to read on: the begin of an unfinished row.
    pub(super) fn keep_from(&self) -> u64 {
        self.start.unwrap_or(self.at)
    }

    /// The next row that ends within the window; `None` when more must be read. `last`: nothing comes
    /// after the window.
    pub(super) fn next(&mut self, window: &Window<'_>, last: bool) -> Option<Span> {
        let found = match self.shape {
            Shape::Lines => self.line(window),
            Shape::Json => self.value(window),
            Shape::Csv | Shape::Semicolons | Shape::Tabs => self.record(window),
            Shape::Framed => self.frame(window),
            Shape::Whole => {
                self.start.get_or_insert(self.at);
                self.at = window.end();
                None
            }
        };
        if found.is_some() || !last {
            return found;
        }
        if self.field == Field::Quoted
            && let Some(span) = self.give_up(window)
        {
            return Some(span);
        }
        let start = self.start.take().filter(|&start| start < window.end())?;
        self.at = window.end();
        (self.depth, self.quoted, self.field, self.until) = (0, false, Field::Begin, None);
        Some(Span { start, end: window.end() })
    }

    fn line(&mut self, window: &Window<'_>) -> Option<Span> {
        self.start.get_or_insert(self.at);
        match memchr(b'\n', window.from(self.at)) {
            Some(length) => self.ends(self.at + length as u64, 1),
            None => {
                self.at = window.end();
                None
            }
        }
    }

    /// The row that began ends at `end`; `skip` bytes after it belong to none.
    fn ends(&mut self, end: u64, skip: u64) -> Option<Span> {
        self.at = end + skip;
        self.start.take().map(|start| Span { start, end })
    }

    /// A record of a table by RFC 4180.
    fn record(&mut self, window: &Window<'_>) -> Option<Span> {
        let separator = self.shape.separator().unwrap_or(b',');
        self.start.get_or_insert(self.at);
        loop {
            let rest = window.from(self.at);
            let found = match self.field {
                Field::Begin | Field::Closed => (!rest.is_empty()).then_some(0),
                Field::Bare => memchr2(separator, b'\n', rest),
                Field::Quoted => memchr(b'"', rest),
                Field::Damaged => memchr(b'\n', rest),
            };
            let Some(length) = found else {
                self.at = window.end();
                return None;
            };
            let at = self.at + length as u64;
            let next = rest.get(length + 1).copied();
            let byte = rest.get(length).copied().unwrap_or_default();
            self.field = match (self.field, byte) {
                (Field::Begin, b'"') => {
                    self.opened = at;
                    Field::Quoted
                }
                (Field::Quoted, _) => Field::Closed,
                (Field::Closed, b'"') => Field::Quoted,
                (_, b'\n') => {
                    self.field = Field::Begin;
                    return self.ends(at, 1);
                }
                (Field::Begin | Field::Bare | Field::Closed, byte) if byte == separator => Field::Begin,
                (Field::Closed, b'\r') if next == Some(b'\n') => Field::Closed,
                // What decides it comes with the next window.
                (Field::Closed, b'\r') if next.is_none() => return None,
                (Field::Closed, _) => match self.give_up(window) {
                    Some(span) => return Some(span),
                    None => Field::Damaged,
                },
                _ => Field::Bare,
            };
            self.at = at + 1;
        }
    }

    /// Takes a record whose quoted field does not end for damaged: it ends with the line in which that field
    /// opened, so that the records behind it are not lost with it. `None` where that line goes on.
    pub(super) fn give_up(&mut self, window: &Window<'_>) -> Option<Span> {
        if !matches!(self.field, Field::Quoted | Field::Closed) || self.opened < window.base {
            return None;
        }
        let length = memchr(b'\n', window.from(self.opened))?;
        self.field = Field::Begin;
        self.ends(self.opened + length as u64, 1)
    }

    fn frame(&mut self, window: &Window<'_>) -> Option<Span> {
        let until = match self.until {
            Some(until) => until,
            None => {
                let rest = window.from(self.at);
                let Some(length) = rest.first_chunk::<4>() else {
                    // Less than a length is left: if nothing comes after it, it is a broken row.
                    self.start = (!rest.is_empty()).then_some(self.at);
                    return None;
                };
                let start = self.at + 4;
                self.start = Some(start);
                *self.until.insert(start + u64::from(u32::from_be_bytes(*length)))
            }
        };
        if window.end() < until {
            self.at = window.end();
            return None;
        }
        self.until = None;
        self.ends(until, 0)
    }

    fn value(&mut self, window: &Window<'_>) -> Option<Span> {
        loop {
            let rest = window.from(self.at);
            if self.quoted {
                let Some(length) = memchr2(b'"', b'\\', rest) else {
                    self.at = window.end();
                    return None;
                };
                if rest.get(length) == Some(&b'\\') {
                    if rest.len() < length + 2 {
                        // The escaped byte comes with the next window.
                        self.at += length as u64;
                        return None;
                    }
                    self.at += length as u64 + 2;
                } else {
                    self.at += length as u64 + 1;
                    self.quoted = false;
                }
                continue;
            }
            // What matters of the bytes outside strings.
            let skip = if self.depth > 0 {
                rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))
            } else {
                rest.iter().position(|byte| self.start.is_some() || !byte.is_ascii_whitespace())
            };
            let Some(skip) = skip else {
                self.at = window.end();
                return None;
            };
            self.at += skip as u64;
            let byte = rest.get(skip).copied().unwrap_or_default();
            if let Some(span) = self.byte(byte) {
                return Some(span);
            }
        }
    }

    /// One byte outside strings.
    fn byte(&mut self, byte: u8) -> Option<Span> {
        let at = self.at;
        self.at += 1;
        match byte {
            b',' | b'\n' | b']' if self.depth == 0 => {
                if byte == b']' {
                    if !self.list {
                        self.start.get_or_insert(at);
                        return None;
                    }
                    self.list = false;
                }
                return self.start.take().map(|start| Span { start, end: at });
            }
            b'[' if self.depth == 0 && !self.list && self.start.is_none() => self.list = true,
            b'{' | b'[' => {
                self.start.get_or_insert(at);
                self.depth += 1;
            }
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return self.ends(at + 1, 0);
                }
            }
            b'"' => {
                self.start.get_or_insert(at);
                self.quoted = true;
            }
            _ => {
                self.start.get_or_insert(at);
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(dead_code)]
#[path = "../../tests/fuzz/rows.rs"]
mod fuzz;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rows of `bytes` read in windows of `size`.
    fn rows(shape: Shape, bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut scanner = Scanner::new(shape, 0, false);
        let (mut base, mut end, mut found) = (0, 0, Vec::new());
        loop {
            end = (end + size).min(bytes.len());
            let window = Window { bytes: &bytes[base..end], base: base as u64 };
            while let Some(span) = scanner.next(&window, end == bytes.len()) {
                found.push(window.slice(span).to_vec());
            }
            if end == bytes.len() {
                return found;
            }
            base = usize::try_from(scanner.keep_from()).unwrap();
        }
    }

    fn texts(shape: Shape, text: &str) -> Vec<String> {
        let whole = rows(shape, text.as_bytes(), usize::MAX / 4);
        for size in [1, 2, 3, 7] {
            assert_eq!(rows(shape, text.as_bytes(), size), whole, "windows of {size}");
        }
        whole.into_iter().map(|row| String::from_utf8(row).unwrap()).collect()
    }

    #[test]
    fn lines() {
        assert_eq!(texts(Shape::Lines, "a\nb\r\n\nc"), ["a", "b\r", "", "c"]);
        assert_eq!(texts(Shape::Lines, ""), [""; 0]);
    }

    #[test]
    fn values_and_elements() {
        let rows = texts(Shape::Json, r#" [{"a":"]}\"{"}, [1,2] ,3,"x,y"] {"b":[{}]} [ ] {"c":1}{"d":2}"#);
        assert_eq!(
            rows,
            [r#"{"a":"]}\"{"}"#, "[1,2]", "3", r#""x,y""#, r#"{"b":[{}]}"#, r#"{"c":1}"#, r#"{"d":2}"#]
        );
        assert_eq!(
            texts(Shape::Json, "[\n {\"a\": 1\n },\n {\"b\": 2}\n]\n"),
            ["{\"a\": 1\n }", "{\"b\": 2}"]
        );
        // What is broken inside is one row; what lacks its end is the rest.
        assert_eq!(texts(Shape::Json, r#"[{"a": tru},oops,{"b"#), [r#"{"a": tru}"#, "oops", r#"{"b"#]);
    }

    #[test]
    fn records_with_quotes_and_lines_in_them() {
        let text = "\"id\",\"in\"\n\"1\",\"two\nlines, \"\"quoted\"\"\"\r\n2,x\n";
        assert_eq!(
            texts(Shape::Csv, text),
            ["\"id\",\"in\"", "\"1\",\"two\nlines, \"\"quoted\"\"\"\r", "2,x"]
        );
    }

    #[test]
    fn a_quote_opens_a_field_only_at_its_begin() {
        // One that stands elsewhere is a part of the text.
        assert_eq!(texts(Shape::Csv, "1,5\" disk\n2,x\"\n"), ["1,5\" disk", "2,x\""]);
        assert_eq!(texts(Shape::Semicolons, "\"1\";\"a,\n\"\r\n2;\"\"\n"), ["\"1\";\"a,\n\"\r", "2;\"\""]);
        assert_eq!(texts(Shape::Tabs, "1\t\"a\tb\"\n2"), ["1\t\"a\tb\"", "2"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_its_own_line() {
        for rest in ["\"2\",\"b\"\n\"3\",\"c\"", "2,b\n3,c", "2,\"\"\n\"3\",\"c\""] {
            let rows = texts(Shape::Csv, &format!("\"1\",\"never closed\n{rest}"));
            let expected: Vec<&str> = ["\"1\",\"never closed"].into_iter().chain(rest.lines()).collect();
            assert_eq!(rows, expected, "{rest}");
        }
        assert_eq!(texts(Shape::Csv, "\"{\"a\":1}\",x\ny,z"), ["\"{\"a\":1}\",x", "y,z"]);
        assert_eq!(texts(Shape::Csv, "\"open"), ["\"open"]);
    }

    #[test]
    fn frames() {
        let framed = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x05de";
        for size in [1, 3, 100] {
            assert_eq!(rows(Shape::Framed, framed, size), [&b"abc"[..], b"", b"de"], "windows of {size}");
        }
        assert_eq!(rows(Shape::Framed, b"\0\0", 1), [b"\0\0"]);
    }

    proptest! {
        /// What the fuzzer demands, of files with many short rows.
        #[test]
        fn windows_make_no_difference(
            text in r#"[\[\]{},"\\a \n\x00]{0,200}"#,
            size in 1usize..20,
        ) {
            fuzz::rows(text.as_bytes(), size);
        }

        #[test]
        fn elements_of_an_array_come_out_as_they_are(values in prop::collection::vec(any::<(String, i64)>(), 0..20)) {
            let json = serde_json::to_string_pretty(&values).unwrap();
            let found = rows(Shape::Json, json.as_bytes(), 5);
            let parsed: Vec<(String, i64)> = found.iter().map(|row| serde_json::from_slice(row).unwrap()).collect();
            prop_assert_eq!(parsed, values);
        }
    }
}
