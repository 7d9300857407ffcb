//! `golden/otel_data/<case>.{pb,json}` is a traces request, `<case>.events.json` what it tells of data.
//!
//! `python.pb` is what OpenTelemetry's instrumentations for Python wrote of `tests/clients/live_data.py`, with names of before
//! the current conventions; `conventions.json` is written from the conventions.

use super::event::event_value;
use super::files::{as_recorded, directory, inputs};
use super::otel::decode;
use halo_adapters::otel;
use serde_json::{Value, json};
use std::fs;

#[test]
fn what_is_told_of_data_is_as_recorded() {
    as_recorded(inputs(&directory("otel_data"), ".events.json").into_iter().map(|path| {
        let bytes = fs::read(&path).unwrap();
        let traces = decode(&path, &bytes);
        let (mut events, mut others) = (Vec::new(), Vec::new());
        for resource in &traces.resource_spans {
            let context = otel::Resource::new(&resource.resource);
            let scopes = resource.scopes.iter();
            for (scope, span) in scopes.flat_map(|scope| scope.spans.iter().map(move |span| (scope, span))) {
                match otel::access(&context, &scope.scope_name, span) {
                    // Spans that tell of an action are never asked for an access.
                    Some(event) if otel::event(&context, &scope.scope_name, span).is_none() => {
                        events.push(event_value(&event));
                    }
                    _ => others.push(Value::from(span.name.as_ref())),
                }
            }
        }
        (path.with_extension("events.json"), json!({ "others": others, "events": events }))
    }));
}
