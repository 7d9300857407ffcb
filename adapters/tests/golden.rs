//! Golden files: `golden/otel/<case>.{pb,json}` is a traces request, `<case>.events.json` is what
//! the adapter makes of it; `UPDATE_EXPECT=1 cargo test -p halo-adapters` rewrites the latter.
//!
//! The `.pb` files, `vercel-json`, `claude-code` and `gemini-cli` are what real clients sent, without
//! the prompts and definitions that frameworks repeat on every span. The other requests are written
//! from the sources of the projects that they are named after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use halo_adapters::otel;
use halo_adapters::otlp::model::Traces;
use halo_adapters::otlp::{json, protobuf};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use support::event_value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/otel")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> =
        entries.filter(|path| !path.to_string_lossy().ends_with(".events.json")).collect();
    cases.sort();
    cases
}

fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Traces<'a> {
    let decoded = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pb") => protobuf::traces(bytes),
        _ => json::traces(bytes),
    };
    decoded.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn events_are_as_recorded() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut stale = Vec::new();
    for path in cases() {
        let bytes = fs::read(&path).unwrap();
        let mut text = serde_json::to_string_pretty(&report(&decode(&path, &bytes))).unwrap();
        text.push('\n');
        let expected = path.with_extension("events.json");
        if fs::read_to_string(&expected).unwrap_or_default() != text {
            if update {
                fs::write(&expected, text).unwrap();
            } else {
                stale.push(expected.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert!(stale.is_empty(), "these differ; UPDATE_EXPECT=1 rewrites them, git diff shows how: {stale:?}");
}

fn report(traces: &Traces<'_>) -> Value {
    let (mut events, mut filtered) = (Vec::new(), Vec::new());
    for resource in &traces.resource_spans {
        let context = otel::Resource::new(&resource.resource);
        for span in resource.scopes.iter().flat_map(|scope| &scope.spans) {
            let event = otel::event(&context, span);
            let explained = otel::explain(&context, span).event;
            assert_eq!(explained.as_ref().map(event_value), event.as_ref().map(event_value), "{}", span.name);
            match event {
                Some(event) => events.push(event_value(&event)),
                None => filtered.push(Value::from(span.name.as_ref())),
            }
        }
    }
    let mut report = Map::new();
    if traces.rejected.items > 0 {
        let first = traces.rejected.first_reason.as_deref();
        report.insert("rejected".into(), json!({ "spans": traces.rejected.items, "first_reason": first }));
    }
    report.insert("filtered".into(), filtered.into());
    report.insert("events".into(), events.into());
    report.into()
}
