//! Structures in the fields of a table that are no JSON: as ClickHouse writes its maps and lists into CSV
//! (`{'input':120}`), and as Python writes a dictionary (`{'input': None}`).

use halod_record::charge;
use halod_record::json::{Json, Text};

/// Levels of structures in each other.
const DEPTH: usize = 64;

/// What a byte of text may take as a value.
const WEIGHT: usize = 16;

/// The structure that a text writes, unless any of the text is something else.
pub(super) fn literal(text: &str) -> Option<Json<'static>> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    charge::take(text.len().saturating_mul(WEIGHT)).ok()?;
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Json<'static>> {
        if depth > DEPTH {
            return None;
        }
        let value = match self.rest.chars().next()? {
            '{' => self.map(depth)?,
            '[' => Json::Array(self.items(']', depth)?),
            '(' => Json::Array(self.items(')', depth)?),
            '\'' | '"' => Json::Str(Text::from(self.string()?)),
            _ => self.word()?,
        };
        self.rest = self.rest.trim_start();
        Some(value)
    }

    /// What stands between `open`, which is next, and `close`.
    fn items(&mut self, close: char, depth: usize) -> Option<Vec<Json<'static>>> {
        self.skip(1);
        let mut items = Vec::new();
        while !self.takes(close) {
            items.push(self.value(depth + 1)?);
            if !self.takes(',') && !self.rest.starts_with(close) {
                return None;
            }
        }
        Some(items)
    }

    fn map(&mut self, depth: usize) -> Option<Json<'static>> {
        self.skip(1);
        let mut entries = Vec::new();
        while !self.takes('}') {
            let key = match self.value(depth + 1)? {
                Json::Str(text) => text,
                Json::Int(int) => Text::from(int.to_string()),
                _ => return None,
            };
            if !self.takes(':') {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
            if !self.takes(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
        Some(Json::object(entries))
    }

    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.chars();
        let quote = chars.next()?;
        let mut out = String::new();
        loop {
            match chars.next()? {
                '\\' => out.push(escaped(&mut chars)?),
                end if end == quote => break,
                other => out.push(other),
            }
        }
        self.rest = chars.as_str();
        Some(out)
    }

    /// A number, or one of the words for true, false and nothing. A map of ClickHouse's may have other words.
    fn word(&mut self) -> Option<Json<'static>> {
        let end =
            self.rest.find([',', '}', ']', ')', ':', '{', '[', '(', '\'', '"']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let word = word.trim();
        Some(match word {
            "" => return None,
            "None" | "NULL" | "null" | "nan" | "NaN" => Json::Null,
            "True" | "true" => Json::Bool(true),
            "False" | "false" => Json::Bool(false),
            _ => match (word.parse::<i64>(), word.parse::<f64>()) {
                (Ok(int), _) => Json::Int(int),
                (_, Ok(float)) if float.is_finite() => Json::Float(float),
                _ => Json::Str(Text::from(word.to_owned())),
            },
        })
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default().trim_start();
    }

    fn takes(&mut self, what: char) -> bool {
        let found = self.rest.starts_with(what);
        if found {
            self.skip(what.len_utf8());
        }
        found
    }
}

/// What stands behind a backslash.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match chars.next()? {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        'b' => return Some('\u{8}'),
        'f' => return Some('\u{c}'),
        '0' => return Some('\0'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => return Some(other),
    };
    let rest = chars.as_str();
    let number = u32::from_str_radix(rest.get(..digits)?, 16).ok()?;
    *chars = rest.get(digits..)?.chars();
    char::from_u32(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;
    use proptest::prelude::*;

    #[test]
    fn structures_of_python_and_clickhouse() {
        for (text, json) in [
            ("{'input':120,'output':30}", r#"{"input":120,"output":30}"#),
            ("{'tenant':alpenhof}", r#"{"tenant":"alpenhof"}"#),
            ("{'a': None, 'b': True, 'c': [1.5, 'x\\'y'], }", r#"{"a":null,"b":true,"c":[1.5,"x'y"]}"#),
            ("['beta', \"it's\"]", r#"["beta","it's"]"#),
            ("{'a': ('x', 1), 'b': {}}", r#"{"a":["x",1],"b":{}}"#),
            ("['\\n\\x41\\u00fc']", r#"["\nAü"]"#),
            ("[]", "[]"),
        ] {
            assert_eq!(literal(text), Some(parse(json).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_left_as_it_is() {
        for text in
            ["", "x", "{'a'}", "{'a':1", "['a' 'b']", "{'a':1} x", "[datetime(2026, 1)]", "{,}", "['\\u12']"]
        {
            assert_eq!(literal(text), None, "{text}");
        }
        assert_eq!(literal(&"[".repeat(10_000)), None);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in r#"[\[{(][\[\]{}()'":,\\xu0aé ]{0,60}"#) {
            let _ = literal(&text);
        }
    }
}
