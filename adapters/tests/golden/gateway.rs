//! `golden/gateway/*.log` are lines of access logs, captured or written by the programs' documentation, and
//! the file beside each says what becomes of every line.

use super::event::event_value;
use super::files::{as_recorded, directory, inputs};
use halo_adapters::gateway::{Format, Line, Place, Reader, Rules, Spec, detect};
use halod_record::event::{Event, Fact};
use halod_record::unusable::Unusable;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    inputs(&directory("gateway"), ".events.json")
}

/// A file's name begins with its format's.
fn format(path: &Path) -> Format {
    let name = path.file_stem().unwrap().to_str().unwrap();
    name.split('-').next().unwrap().parse().unwrap()
}

fn each_line(path: &Path, rules: Rules, mut each: impl FnMut(&[u8], Result<Line<'_>, Unusable>)) {
    let content = fs::read(path).unwrap();
    let reader = Reader::new(Spec::from(format(path)), rules);
    let mut offset = 0;
    for line in content.split_inclusive(|b| *b == b'\n') {
        let place = Place { file: "access.log", identity: &["id"], offset };
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        each(text, reader.line(text, &place));
        offset += line.len() as u64;
    }
}

#[test]
fn lines_are_as_recorded() {
    as_recorded(cases().into_iter().map(|path| {
        let mut lines: Vec<Value> = Vec::new();
        each_line(&path, Rules::default(), |_, line| {
            lines.push(match line {
                Ok(Line::Event(event)) => event_value(&event),
                Ok(Line::Filtered) => "filtered".into(),
                Ok(Line::Preamble) => "preamble".into(),
                Err(why) => json!({ "rejected": why.to_string() }),
            });
        });
        (path.with_extension("events.json"), lines.into())
    }));
}

#[test]
fn every_format_is_known_by_its_lines() {
    for path in cases() {
        let content = fs::read(&path).unwrap();
        let lines: Vec<&[u8]> = content.split(|b| *b == b'\n').collect();
        let found = detect(&lines);
        let name = path.file_stem().unwrap().to_str().unwrap();
        match name {
            // Text does not say who wrote it.
            "nginx-upstream" | "apache-vhosts" => assert_eq!(found, Some(Format::Combined), "{name}"),
            // A log that only has what a program says of itself is none of requests.
            "caddy-messages" => assert_eq!(found, Some(Format::Caddy)),
            "apache-json-odd" => assert_eq!(found, Some(Format::Json)),
            _ => assert_eq!(found, Some(format(&path)), "{name}"),
        }
    }
    assert_eq!(detect(&[]), None);
    assert_eq!(detect(&[b"banner", b"", b"{\"level\":\"info\"}"]), None);
}

fn status(event: &Event<'_>) -> u64 {
    let found = event.facts.iter().find(|(key, _)| *key == "http_status");
    match found {
        Some((_, Fact::Number(status))) => *status,
        _ => panic!("no status in {event:?}"),
    }
}

/// Status codes of the captures, counted with `awk` and `grep` beside.
#[test]
fn the_captures_come_to_what_was_counted_in_them() {
    let table: [(&str, &[(u64, usize)]); 8] = [
        (
            "combined-nginx",
            &[(200, 6), (400, 2), (401, 1), (404, 4), (413, 1), (429, 1), (499, 1), (500, 1), (504, 1)],
        ),
        ("combined-common", &[(200, 5), (404, 1), (429, 1), (500, 1), (501, 1), (503, 1)]),
        (
            "nginx-upstream",
            &[
                (200, 6),
                (400, 2),
                (401, 1),
                (404, 4),
                (413, 1),
                (429, 1),
                (499, 1),
                (500, 1),
                (502, 1),
                (504, 1),
            ],
        ),
        (
            "nginx-json",
            &[
                (200, 6),
                (400, 2),
                (401, 1),
                (404, 4),
                (413, 1),
                (429, 1),
                (499, 1),
                (500, 1),
                (502, 1),
                (504, 1),
            ],
        ),
        ("apache-json", &[(200, 8), (400, 1), (404, 2), (429, 1), (500, 1), (501, 1), (502, 1), (503, 1)]),
        ("apache-vhosts", &[(200, 8), (400, 1), (404, 2), (429, 1), (500, 1), (501, 1), (502, 1), (503, 1)]),
        ("caddy", &[(0, 1), (200, 7), (400, 1), (404, 5), (429, 1), (500, 1), (501, 1), (502, 2), (504, 1)]),
        ("litellm", &[(200, 5), (429, 1), (500, 1)]),
    ];
    for (name, expected) in table {
        let path = directory("gateway").join(format!("{name}.log"));
        let mut counts = BTreeMap::<u64, usize>::new();
        each_line(&path, Rules::all(), |text, line| match line {
            Ok(Line::Event(event)) => *counts.entry(status(&event)).or_default() += 1,
            Ok(Line::Preamble) => {}
            other => panic!("{name}: {} is {other:?}", String::from_utf8_lossy(text)),
        });
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "{name}");
    }
}
