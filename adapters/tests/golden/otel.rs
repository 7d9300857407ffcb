//! Golden files: `golden/otel/<case>.{pb,json}` is a traces request, `<case>.events.json` is what
//! the adapter makes of it.
//!
//! The `.pb` files, `vercel-json`, `claude-code` and `gemini-cli` are what real clients sent, without
//! the prompts and definitions that frameworks repeat on every span. The other requests are written
//! from the sources of the projects that they are named after.

use super::event::event_value;
use super::files::{as_recorded, directory, inputs};
use halo_adapters::otel;
use halo_adapters::otlp::model::Traces;
use halo_adapters::otlp::{json, protobuf};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

pub(crate) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Traces<'a> {
    let decoded = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pb") => protobuf::traces(bytes),
        _ => json::traces(bytes),
    };
    decoded.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn events_are_as_recorded() {
    as_recorded(inputs(&directory("otel"), ".events.json").into_iter().map(|path| {
        let bytes = fs::read(&path).unwrap();
        (path.with_extension("events.json"), report(&decode(&path, &bytes)))
    }));
}

fn report(traces: &Traces<'_>) -> Value {
    let (mut events, mut filtered) = (Vec::new(), Vec::new());
    for resource in &traces.resource_spans {
        let context = otel::Resource::new(&resource.resource);
        let scopes =
            resource.scopes.iter().flat_map(|scope| scope.spans.iter().map(move |span| (scope, span)));
        for (scope, span) in scopes {
            let event = otel::event(&context, &scope.scope_name, span);
            let explained = otel::explain(&context, &scope.scope_name, span).event;
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
