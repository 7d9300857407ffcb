//! A record of a CSV file as the JSON object that it was written from.
//!
//! Langfuse writes every value as JSON and then quotes it: a text is `"""it"""`, an object
//! `"{""a"":1}"`, what is absent `""`. Other versions leave texts bare.

use super::literal::literal;
use super::scan::Shape;
use halod_record::charge::{self, Exhausted};
use halod_record::json::{Json, Text, parse};
use std::borrow::Cow;

/// Why a record can't be read that takes more memory than there is.
const NO_MEMORY: &str = "reading this takes more memory than there is for it";

/// The fields of one record of a table, without its line end.
///
/// # Errors
/// Why it is none.
pub(super) fn fields(record: &str, shape: Shape) -> Result<Vec<Cow<'_, str>>, &'static str> {
    let separator = shape.separator().map_or(',', char::from);
    let mut rest = record.strip_suffix('\r').unwrap_or(record);
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => closed(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (Cow::Borrowed(field), after)
            }
        };
        charge::push(&mut fields, field).map_err(|Exhausted| NO_MEMORY)?;
        match after.strip_prefix(separator) {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => return Err("text after a quoted field"),
        }
    }
}

/// How the fields of a table are parted, by the line that names its columns: by what first parts two of them.
pub(super) fn shape(names: &str) -> Shape {
    let mut quoted = false;
    let shape = names.bytes().find_map(|byte| {
        quoted ^= byte == b'"';
        let parts = |shape: &Shape| !quoted && shape.separator() == Some(byte);
        [Shape::Csv, Shape::Semicolons, Shape::Tabs].into_iter().find(parts)
    });
    shape.unwrap_or(Shape::Csv)
}

/// A quoted field, after its opening quote, and what comes after the closing one.
fn closed(quoted: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let mut from = 0;
    let mut doubled = false;
    loop {
        let rest = quoted.get(from..).unwrap_or_default();
        let at = from + rest.find('"').ok_or("a quoted field without its closing quote")?;
        let after = quoted.get(at + 1..).unwrap_or_default();
        if !after.starts_with('"') {
            let field = quoted.get(..at).unwrap_or_default();
            if doubled {
                charge::take(field.len()).map_err(|Exhausted| NO_MEMORY)?;
            }
            let field = if doubled { field.replace("\"\"", "\"").into() } else { field.into() };
            return Ok((field, after));
        }
        doubled = true;
        from = at + 2;
    }
}

/// The object that a record stands for.
///
/// # Errors
/// The record has more or fewer fields than there are columns.
pub(super) fn object<'a>(
    columns: &'a [String],
    fields: &'a [Cow<'a, str>],
    shape: Shape,
) -> Result<Json<'a>, String> {
    if columns.len() != fields.len() {
        return Err(format!("{} fields, but the first line names {}", fields.len(), columns.len()));
    }
    // A field that is empty still says which table the record is of.
    let entries = columns.iter().zip(fields);
    // The list grows, and an index may be made of it.
    charge::take(4 * columns.len() * size_of::<(Text<'_>, Json<'_>)>()).map_err(|error| error.to_string())?;
    Ok(Json::object(
        entries.map(|(name, field)| (Text::from(name.as_str()), value(name, field, shape))).collect(),
    ))
}

/// Ends of the names of columns that hold texts: a bare number there was a text.
const TEXTS: &[&str] = &["id", "name", "version", "release", "model", "environment", "message"];

/// Columns of content.
const CONTENT: &[&str] = &["input", "output"];

/// Parts of the names of columns whose numbers have decimals.
const DECIMALS: [&str; 6] = ["cost", "spend", "price", "latency", "value", "score"];

/// The number of a field that a spreadsheet wrote where a comma parts decimals, and points thousands.
fn with_comma(field: &str) -> Option<f64> {
    let (whole, decimals) = field.split_once(',')?;
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = digits.split('.');
    let first = groups.next().filter(|first| are_digits(first))?;
    let grouped = groups.clone().count() > 0;
    let fits = groups.all(|group| group.len() == 3 && are_digits(group)) && (!grouped || first.len() <= 3);
    if !fits || !are_digits(decimals) {
        return None;
    }
    format!("{}.{decimals}", whole.replace('.', "")).parse().ok()
}

fn value<'a>(name: &str, field: &'a str, shape: Shape) -> Json<'a> {
    // Databases write `\N` for nothing.
    if matches!(field, "" | "\\N") {
        return Json::Null;
    }
    let name = name.to_ascii_lowercase();
    let text = TEXTS.iter().any(|end| name.ends_with(end));
    // Where a comma parts the fields, it parts no decimals.
    if shape != Shape::Csv
        && DECIMALS.iter().any(|part| name.contains(part))
        && let Some(number) = with_comma(field)
    {
        return Json::Float(number);
    }
    match parse(field) {
        Ok(value) if !text || matches!(value, Json::Str(_) | Json::Null) => value,
        // What an agent was told or said may look like a structure, and is what it was.
        Err(_) if !text && !CONTENT.contains(&name.as_str()) => {
            literal(field).unwrap_or_else(|| Json::str(field))
        }
        _ => Json::str(field),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::scan::{Scanner, Window};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records() {
        let read = |record| {
            fields(record, Shape::Csv).map(|fields| fields.iter().map(ToString::to_string).collect())
        };
        let texts = |fields: &[&str]| Ok(fields.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("a,b"), texts(&["a", "b"]));
        assert_eq!(read(r#""a","","x""y","#), texts(&["a", "", "x\"y", ""]));
        assert_eq!(read("\"a,\nb\",c\r"), texts(&["a,\nb", "c"]));
        assert_eq!(read(""), texts(&[""]));
        assert_eq!(read(r#"5" disk,b"#), texts(&["5\" disk", "b"]));
        for bad in [r#""a"#, r#""a"b,c"#, r#""a"""#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_what_was_written() {
        let columns = ["id", "name", "input", "latency", "endTime", "tags", "output"].map(str::to_owned);
        let record = r#""123","""Zoë ""","{""a"":1}","1.5","null","","plain""#;
        let fields = fields(record, Shape::Csv).unwrap();
        let object = object(&columns, &fields, Shape::Csv).unwrap();
        assert_eq!(object.get("id"), Some(&Json::str("123")));
        assert_eq!(object.get("name"), Some(&Json::str("Zoë ")));
        assert_eq!(object.get("input").and_then(|input| input.get("a")), Some(&Json::Int(1)));
        assert_eq!(object.get("latency"), Some(&Json::Float(1.5)));
        assert_eq!(object.get("endTime"), Some(&Json::Null));
        assert_eq!(object.get("tags"), Some(&Json::Null));
        assert_eq!(object.get("output"), Some(&Json::str("plain")));
    }

    #[test]
    fn what_databases_and_python_write_is_what_they_mean() {
        let columns = ["usage_details", "prompt_name", "metadata", "input", "tags"].map(str::to_owned);
        let record = r#""{'input':120}",\N,"{'tenant': 'acme', 'n': None}",['said'],['beta']"#;
        let fields = fields(record, Shape::Csv).unwrap();
        let object = object(&columns, &fields, Shape::Csv).unwrap();
        let told = |key: &str| object.get(key).cloned();
        assert_eq!(told("usage_details"), parse(r#"{"input":120}"#).ok());
        assert_eq!(told("prompt_name"), Some(Json::Null));
        assert_eq!(told("metadata"), parse(r#"{"tenant":"acme","n":null}"#).ok());
        assert_eq!(told("input"), Some(Json::str("['said']")));
        assert_eq!(told("tags"), parse(r#"["beta"]"#).ok());
    }

    #[test]
    fn decimals_have_a_comma_where_it_parts_no_fields() {
        let columns = ["total_cost", "input", "value"].map(str::to_owned);
        let fields = ["0,0123", "1,5", "-1.234.567,25"].map(Cow::from);
        let told = |shape| object(&columns, &fields, shape).unwrap();
        for shape in [Shape::Semicolons, Shape::Tabs] {
            assert_eq!(told(shape).get("total_cost"), Some(&Json::Float(0.0123)));
            assert_eq!(told(shape).get("input"), Some(&Json::str("1,5")));
            assert_eq!(told(shape).get("value"), Some(&Json::Float(-1_234_567.25)));
        }
        assert_eq!(told(Shape::Csv).get("total_cost"), Some(&Json::str("0,0123")));
        for other in ["", ",5", "5,", "1,2,3", "12.34,5", "1234.567,8", "a,5", "1.23", "-,5", "--1,5"] {
            assert_eq!(with_comma(other), None, "{other}");
        }
    }

    #[test]
    fn the_names_of_columns_tell_what_parts_them() {
        for (names, told) in [
            ("a,b,c", Shape::Csv),
            ("a;b;\"c,d,e,f\"", Shape::Semicolons),
            ("a\tb\r", Shape::Tabs),
            ("a", Shape::Csv),
        ] {
            assert_eq!(shape(names), told, "{names}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_out(values in prop::collection::vec(any::<String>(), 1..6)) {
            let quoted: Vec<String> = values.iter().map(|v| format!("\"{}\"", v.replace('"', "\"\""))).collect();
            let record = quoted.join(",");
            prop_assert_eq!(fields(&record, Shape::Csv).unwrap(), values);
        }

        /// By the scanner and the reader of records together, whatever parts the fields.
        #[test]
        fn a_table_comes_out_as_it_was_written(
            rows in prop::collection::vec(prop::collection::vec("[ab\",;\t\n\r ]{0,6}", 2..4), 1..8),
            shape in prop::sample::select(vec![Shape::Csv, Shape::Semicolons, Shape::Tabs]),
        ) {
            let separator = char::from(shape.separator().unwrap());
            let written = |cell: &String| match cell.contains(['"', '\n', '\r', separator]) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.clone(),
            };
            let line = |row: &Vec<String>| row.iter().map(written).collect::<Vec<_>>().join(&separator.to_string());
            let text = rows.iter().map(line).collect::<Vec<_>>().join("\r\n");
            let window = Window { bytes: text.as_bytes(), base: 0 };
            let mut scanner = Scanner::new(shape, 0, false);
            let found = std::iter::from_fn(|| scanner.next(&window, true));
            let found: Vec<_> = found.map(|span| std::str::from_utf8(window.slice(span)).unwrap()).collect();
            let read = |record: &&str| fields(record, shape).unwrap().into_iter().map(Cow::into_owned).collect();
            prop_assert_eq!(found.iter().map(read).collect::<Vec<Vec<String>>>(), rows);
        }

        #[test]
        fn nothing_breaks_it(record in any::<String>()) {
            let _ = fields(&record, Shape::Csv);
        }
    }
}
