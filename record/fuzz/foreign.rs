//! The body of the fuzz target of other programs' lines; a test of the usual suite runs this body as well.
//! A file that holds one of them is left alone for good, so that damage must never make a line of ours one.

use halod_record::json::{Json, Limits, parse_with};
use halod_record::parse::{is_foreign, scan_line};

const SUBJECTS: [Option<&str>; 3] = [None, Some("acme"), Some("")];

/// How many lines are another program's, whatever the chain's subject is.
pub(crate) fn foreign(data: &[u8]) -> usize {
    data.split(|byte| *byte == b'\n').filter(|line| one(line)).count()
}

fn one(line: &[u8]) -> bool {
    let facts = scan_line(line);
    for subject in SUBJECTS {
        let foreign = is_foreign(line, subject);
        if let Some(facts) = &facts {
            assert_eq!(foreign, !facts.subject.is(subject), "a record's subject decides");
        }
        // A line break, and blanks around the line, are no part of it.
        for spaced in [[line, b"\r\n"].concat(), [b" ", line, b"\t"].concat()] {
            assert_eq!(is_foreign(&spaced, subject), foreign);
        }
    }
    let foreign = SUBJECTS.iter().all(|subject| is_foreign(line, *subject));
    // Well within what the reader of lines takes.
    let limits = Limits { depth: 100, int_digits: 100, ..Limits::PYTHON };
    let text = std::str::from_utf8(line).ok();
    match text.and_then(|text| parse_with(text, &limits).ok()).map(|parsed| parsed.value) {
        Some(Json::Object(_)) => damaged(line),
        Some(_) => assert!(foreign),
        None => {}
    }
    foreign
}

/// A line that a crash cut short, or that another was written behind, is damage and not another program's.
fn damaged(line: &[u8]) {
    let line = line.trim_ascii();
    for part in 1..8 {
        let torn = &line[..line.len() * part / 8];
        for damaged in [torn, &[torn, line].concat(), &[line, torn].concat()] {
            assert!(!is_foreign(damaged, Some("acme")) || damaged == line);
        }
    }
}
