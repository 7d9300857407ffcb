//! The body of the fuzz target of `halod query`; a test of the usual suite runs this body as well. What comes first is a question, a
//! line an option, and behind a blank line the lines of a chain. What is found is what is found without the sieve: by asking of
//! every record.

use halod::reader::query::{By, Column, Field, Filter, Form, Query, Shape, Window, run};
use halod_record::json::{Limits, parse_with};
use std::path::Path;

const FIELDS: [(&str, Field); 11] = [
    ("tenant", Field::Tenant),
    ("session", Field::Session),
    ("agent", Field::Agent),
    ("principal", Field::Principal),
    ("tool", Field::Tool),
    ("model", Field::Model),
    ("status", Field::Status),
    ("severity", Field::Severity),
    ("finding", Field::Finding),
    ("trace", Field::Trace),
    ("text", Field::Text),
];

/// Returns how many records were found.
pub(crate) fn query(data: &[u8], file: &Path) -> usize {
    let Some(at) = data.windows(2).position(|pair| pair == b"\n\n") else {
        let _ = std::str::from_utf8(data).map(Window::parse);
        return 0;
    };
    let (question, chain) = (String::from_utf8_lossy(&data[..at]), &data[at + 2..]);
    let (mut filter, mut by) = (Filter::default(), Vec::new());
    for (option, value) in question.lines().filter_map(|line| line.split_once('=')) {
        let field = FIELDS.iter().find(|(name, _)| *name == option);
        let _ = match (option, field) {
            ("happened", _) => filter.happened(value),
            ("sealed", _) => filter.sealed(value),
            (_, Some((_, field))) if *field != Field::Tenant => filter.field(*field, vec![value.to_owned()]),
            _ => {
                by = By::parse(value).unwrap_or_default();
                let _ = Column::parse(value);
                Ok(())
            }
        };
    }
    std::fs::write(file, chain).expect("written");
    let holds = |line: &&[u8]| {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").filter(|_| chain.starts_with(line)).unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else { return false };
        let limits = Limits { depth: 990, int_digits: 4000, ..Limits::PYTHON };
        text.trim_ascii().starts_with('{')
            && parse_with(text, &limits).is_ok_and(|parsed| filter.holds(&parsed.value))
    };
    let expected = chain.split(|byte| *byte == b'\n').filter(holds).count();
    let ask = |shape: Shape, verify: bool| {
        let (filter, paths) = (filter.clone(), vec![file.to_owned()]);
        let mut out = Vec::new();
        let outcome =
            run(&Query { paths, filter, shape, limit: None, verify }, &mut out).expect("memory takes all");
        assert_eq!(outcome.matched, expected as u64, "{question}");
        assert!(outcome.unreadable.is_empty(), "{:?}", outcome.unreadable);
        out
    };
    let columns = || Column::all(&["tool", "happened", "findings", "data.x"]).expect("columns");
    let lines = ask(Shape::Json, true);
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), expected);
    let table =
        String::from_utf8(ask(Shape::Table { columns: columns(), room: Some(80) }, false)).expect("UTF-8");
    assert!(!table.contains(|c: char| c.is_control() && c != '\n'), "{table:?}");
    assert_eq!(table.lines().count(), if expected > 0 { expected + 1 } else { 0 });
    ask(Shape::Csv { columns: columns() }, false);
    ask(Shape::Count { by, form: Form::Json, room: None }, false);
    expected
}
