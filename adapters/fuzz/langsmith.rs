//! The body of the fuzz target of LangSmith; a test of the usual suite runs this body as well.

use halo_adapters::langsmith;
use halod_record::json::{Json, parse};
use std::hint::black_box;

/// The first line is the boundary. Parts lie in the body, in its order, and what they hold can be read.
pub(crate) fn langsmith(data: &[u8]) {
    if let Some(row) = std::str::from_utf8(data).ok().and_then(|text| parse(text).ok()) {
        langsmith_row(&row);
    }
    let Some(boundary) = data.split(|byte| *byte == b'\r').next().and_then(|line| line.strip_prefix(b"--"))
    else {
        return;
    };
    let content_type = [b"multipart/form-data; boundary=\"", boundary, b"\""].concat();
    let Some(boundary) = langsmith::multipart::boundary(&content_type) else { return };
    let Ok(parts) = langsmith::multipart::parts(data, &boundary) else { return };
    let held: usize = parts.iter().map(|part| part.content.len() + boundary.len()).sum();
    assert!(held <= data.len());
    for told in langsmith::form::told(&parts) {
        let read = |bytes| parse(langsmith::form::text(bytes)?).map_err(|error| error.to_string());
        match told {
            langsmith::form::Told::Run(run) => {
                if let Ok(whole) = run.assemble(read) {
                    langsmith_row(&whole);
                }
            }
            langsmith::form::Told::Feedback(content) => drop(black_box(read(content))),
            langsmith::form::Told::Unknown(place) => assert!(place < parts.len()),
        }
    }
}

fn langsmith_row(row: &Json<'_>) {
    let _ = black_box(langsmith::feedback(row));
    let _ = black_box(langsmith::run(row));
    for op in [langsmith::Op::Post, langsmith::Op::Patch] {
        if let Ok(fragment) = langsmith::fragment(op, row) {
            assert_eq!(fragment.space, langsmith::SPACE);
            drop(black_box(fragment.event()));
        }
    }
}
