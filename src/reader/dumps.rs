//! JSON as the reference prints it: two blanks a level, and ASCII alone.

use halod_record::hash::dumps_float;
use halod_record::json::{Json, Text};

/// Writes `value` on lines of its own.
#[must_use]
pub fn pretty(value: &Json<'_>) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Json<'_>, level: usize, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Json::Int(int) => out.push_str(&int.to_string()),
        Json::BigInt(digits) => out.push_str(digits),
        Json::Float(float) => out.push_str(&python_float(*float)),
        Json::Str(text) => write_text(text, out),
        Json::Array(items) => within('[', ']', items, level, out, |item, out| write(item, level + 1, out)),
        Json::Object(entries) => within('{', '}', entries, level, out, |(key, value), out| {
            write_text(key, out);
            out.push_str(": ");
            write(value, level + 1, out);
        }),
    }
}

fn within<T>(
    open: char,
    close: char,
    items: &[T],
    level: usize,
    out: &mut String,
    mut each: impl FnMut(&T, &mut String),
) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(level + 1));
        each(item, out);
    }
    if !items.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(level));
    }
    out.push(close);
}

/// A text in quotes, with an escape for what is not ASCII.
fn write_text(text: &Text<'_>, out: &mut String) {
    out.push('"');
    for chunk in units(text.as_bytes()) {
        match chunk {
            0x22 => out.push_str("\\\""),
            0x5C => out.push_str("\\\\"),
            0x0A => out.push_str("\\n"),
            0x0D => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0C => out.push_str("\\f"),
            0x20..=0x7E => out.push(char::from(chunk as u8)),
            unit => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
}

/// The UTF-16 units of a text in WTF-8.
fn units(bytes: &[u8]) -> Vec<u16> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let more = match first {
            0..0x80 => 0,
            0x80..0xE0 => 1,
            0xE0..0xF0 => 2,
            _ => 3,
        };
        let (next, after) = tail.split_at(more.min(tail.len()));
        let lead = u32::from(first) & if more == 0 { 0x7F } else { 0x3F >> more };
        let code = next.iter().fold(lead, |code, byte| code << 6 | u32::from(byte & 0x3F));
        match code.checked_sub(0x10000) {
            None => out.push(code as u16),
            Some(above) => out.extend([0xD800 | (above >> 10) as u16, 0xDC00 | (above & 0x3FF) as u16]),
        }
        rest = after;
    }
    out
}

/// A number as Python prints it.
#[must_use]
pub fn python_float(float: f64) -> String {
    if float.is_infinite() {
        return if float > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let mut out = Vec::new();
    dumps_float(float, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    #[test]
    fn json_is_printed_as_python_prints_it() {
        let text =
            "{\"a\":[1,\"é😀\\u0000\\ud800\"],\"b\":{},\"c\":[],\"d\":1.5,\"e\":null,\"f\\\"\":\"\u{7f}\"}";
        let printed = pretty(&parse(text).unwrap());
        let wanted = "{\n  \"a\": [\n    1,\n    \"\\u00e9\\ud83d\\ude00\\u0000\\ud800\"\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": 1.5,\n  \"e\": null,\n  \"f\\\"\": \"\\u007f\"\n}";
        assert_eq!(printed, wanted);
    }
}
