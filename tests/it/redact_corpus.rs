//! Real names stay readable; made-up keys of every format do not.

#[path = "redact_corpus/keys.rs"]
mod keys;
#[path = "redact_corpus/places.rs"]
mod places;

use crate::support::clients::python;
use crate::support::random::Random;
use halod_record::redact::{Findings, Redactor};
use std::collections::BTreeSet;

/// Public names of models, tools, agents, scopes, paths, libraries and ids, one a line.
const NAMES: &str = include_str!("redact_corpus/names.txt");

#[test]
fn names_from_known_fields_stay_readable() {
    let redactor = Redactor::new();
    let names: Vec<&str> = NAMES.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(names.len() >= 300, "{}", names.len());
    let masked: Vec<_> = names.iter().filter(|name| redactor.named(name) != **name).collect();
    assert!(masked.is_empty(), "{masked:?}");
}

/// The greatest share of keys that may stay readable: one in so many.
const MISSED: usize = 100;

#[test]
fn keys_of_every_format_are_masked_wherever_they_stand() {
    let redactor = Redactor::new();
    let mut random = Random::new("keys_of_every_format_are_masked");
    let keys = keys::all(&mut random);
    let formats: BTreeSet<&str> = keys.iter().map(|(format, ..)| *format).collect();
    assert!(formats.len() >= 300, "{}", formats.len());
    let mut leaked = Vec::new();
    for (format, text, secret) in &keys {
        for (place, before, after) in places::PLACES {
            let placed = format!("{before}{text}{after}");
            let (full, mut findings) = (redactor.text(&placed), Findings::default());
            redactor.scan_text(&placed, &mut findings);
            if full.contains(secret.as_str()) || findings.is_empty() {
                leaked.push(format!("{format}, {place}: {placed} -> {full} {findings:?}"));
            }
            if findings.iter().any(|finding| finding.sample.contains(secret.as_str())) {
                leaked.push(format!("{format}, {place}, in a sample: {findings:?}"));
            }
        }
        // In a name there is no entropy rule: the formats themselves must be known.
        if keys::known(format) && redactor.named(text).contains(secret.as_str()) {
            leaked.push(format!("{format}: as a name: {text}"));
        }
    }
    let tried = keys.len() * places::PLACES.len();
    println!("{} of {tried} can be read:\n{}", leaked.len(), leaked.join("\n"));
    assert!(leaked.len() * MISSED <= tried, "{} of {tried}", leaked.len());
}

/// What only halod masks; shown, not demanded, because another version of the reference may know more.
#[test]
fn formats_that_the_reference_misses() {
    let mut random = Random::seeded(7);
    let keys = keys::all(&mut random);
    let lines: Vec<String> =
        keys.iter().map(|(_, text, _)| serde_json::json!(["text", text]).to_string()).collect();
    assert!(python().command("python").arg("--version").status().unwrap().success());
    let answers = crate::support::reference::ask_python("redactions.py", &[], &(lines.join("\n") + "\n"));
    let mut missed: Vec<&str> = Vec::new();
    for ((format, _, secret), answer) in keys.iter().zip(answers.lines()) {
        let theirs: serde_json::Value = serde_json::from_str(answer).unwrap();
        if theirs["text"].as_str().unwrap().contains(secret.as_str()) {
            missed.push(format);
        }
    }
    missed.dedup();
    println!("the reference leaves readable: {missed:?}");
    assert!(!missed.is_empty());
}

/// Names that stand in free text: all of [`NAMES`], and what agents write besides.
#[test]
fn public_names_stay_readable_in_free_text() {
    let redactor = Redactor::new();
    let more = include_str!("redact_corpus/text.txt");
    let names: Vec<&str> = NAMES.lines().chain(more.lines()).filter(|line| !line.starts_with('#')).collect();
    assert!(names.len() >= 600, "{}", names.len());
    let places: [fn(&str) -> String; 5] = [
        str::to_owned,
        |name| format!("open {name} failed"),
        |name| format!("see `{name}`, then go on"),
        |name| format!("{{\"name\": \"{name}\"}}"),
        |name| format!("- {name}\n- next"),
    ];
    // Where ids as their issuers write them stand.
    let id_places: [fn(&str) -> String; 3] = [
        |id| format!("{{\"id\": \"{id}\"}}"),
        |id| format!("call_id={id}"),
        |id| format!("request id: {id}"),
    ];
    let issued = ["call_", "toolu_", "chatcmpl-", "resp_", "thread_", "msg_", "run_", "conv_"];
    let mut hidden = Vec::new();
    for name in &names {
        let id = issued.iter().any(|prefix| name.starts_with(prefix));
        let places = if id { &id_places[..] } else { &places[..] };
        let shown = places.iter().all(|place| redactor.text(&place(name)).contains(*name));
        if !shown {
            hidden.push(format!("{name} -> {}", redactor.text(&places[1](name))));
        }
    }
    println!("{} of {} can't be read:\n{}", hidden.len(), names.len(), hidden.join("\n"));
    assert!(hidden.len() * 50 <= names.len());
}
