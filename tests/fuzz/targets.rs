//! What each fuzz target does with its bytes. The stable tests of `adapters` run the same functions
//! over the seeds and their mutations.

use halo_adapters::otlp::model::{Logs, Traces};
use halo_adapters::otlp::{Signal, json, protobuf};
use halo_adapters::{langfuse, langsmith, litellm, openai_agents, otel};
use halod_record::event::{Event, Keyed, Origin};
use halod_record::json as value;
use halod_record::unusable::Unusable;
use std::hint::black_box;

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

fn spans(traces: &Traces<'_>) -> usize {
    traces.resource_spans.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.spans.len()).sum()
}

fn records(logs: &Logs<'_>) -> usize {
    logs.resource_logs.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.records.len()).sum()
}

/// What decodes also passes the check of its shape, and has as many items there.
pub(crate) fn otlp_protobuf(data: &[u8]) {
    if let Ok(traces) = protobuf::traces(data) {
        let all = spans(&traces) + traces.rejected.items as usize;
        assert_eq!(protobuf::skeleton(data, Signal::Traces), Ok(all));
    }
    if let Ok(logs) = protobuf::logs(data) {
        let all = records(&logs) + logs.rejected.items as usize;
        assert_eq!(protobuf::skeleton(data, Signal::Logs), Ok(all));
    }
    for signal in SIGNALS {
        let _ = black_box(protobuf::skeleton(data, signal));
    }
}

pub(crate) fn otlp_json(data: &[u8]) {
    if let Ok(traces) = json::traces(data)
        && traces.rejected.items == 0
    {
        assert_eq!(json::skeleton(data, Signal::Traces), Ok(spans(&traces)));
    }
    if let Ok(logs) = json::logs(data)
        && logs.rejected.items == 0
    {
        assert_eq!(json::skeleton(data, Signal::Logs), Ok(records(&logs)));
    }
    for signal in SIGNALS {
        let _ = black_box(json::skeleton(data, signal));
    }
}

/// Whatever decodes can be mapped.
pub(crate) fn otel_event(data: &[u8]) {
    let names = ["tenant.id".to_owned(), "halo.subject.id".to_owned()];
    for traces in [protobuf::traces(data), json::traces(data)].into_iter().flatten() {
        for resource in &traces.resource_spans {
            let context = otel::Resource::new(&resource.resource);
            let _ = black_box(otel::tenant_claim(&names, &resource.resource));
            for span in resource.scopes.iter().flat_map(|scope| &scope.spans) {
                let _ = black_box(otel::tenant_claim(&names, &span.attributes));
                if let Some(event) = otel::event(&context, span) {
                    assert_eq!(event.source.adapter, "otel");
                }
            }
        }
    }
}

/// Whatever decodes can be mapped, and put together where it belongs together.
pub(crate) fn otel_log(data: &[u8]) {
    for logs in [protobuf::logs(data), json::logs(data)].into_iter().flatten() {
        let mut parts = Vec::new();
        for group in &logs.resource_logs {
            let resource = otel::logs::Resource::new(&group.resource);
            for scope in &group.scopes {
                for record in &scope.records {
                    match otel::logs::item(&resource, &scope.scope_name, record) {
                        Some(otel::logs::Item::Event(event)) => assert_eq!(event.source.adapter, "otel"),
                        Some(otel::logs::Item::Part(part)) => parts.push(*part),
                        None => {}
                    }
                }
            }
        }
        drop(black_box(otel::logs::assemble(parts)));
    }
}

/// Whatever is read as an event or a row can be laid over another one, and becomes an action.
pub(crate) fn langfuse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = value::parse(text) else { return };
    let lists = ["batch", "data", "observations"];
    let inner = lists.iter().filter_map(|key| match parsed.get(key) {
        Some(value::Json::Array(items)) => Some(items.iter()),
        _ => None,
    });
    let mut all: Option<halod_record::fragment::Fragment<'_>> = None;
    for item in inner.flatten().chain([&parsed]) {
        if let Ok(Some(fragment)) = langfuse::fragment(item) {
            assert_eq!(fragment.space, "langfuse");
            match &mut all {
                Some(all) => all.lay(fragment),
                None => all = Some(fragment),
            }
        }
        for event in
            [langfuse::observation(item, Some(&parsed)), langfuse::trace(item), langfuse::score(item)]
        {
            if let Ok(Some(event)) = event {
                assert_eq!(event.source.adapter, "langfuse");
            }
        }
    }
    drop(black_box(all.map(|all| all.event(false))));
}

pub(crate) fn json_value(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match value::parse(text) {
        Ok(parsed) => drop(black_box(parsed.clone())),
        Err(error) => assert!(error.offset <= text.len() && error.line >= 1 && error.column >= 1),
    }
}

/// However a text lists its items, those that are JSON are mapped or refused, the same each time.
fn items(data: &[u8], adapter: &str, reads: for<'a> fn(&value::Json<'a>) -> Read<'a>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let most = value::Most { items: 1000, values: 100_000 };
    let mut texts = value::split(text, &most).map(|(_, items)| items).unwrap_or_default();
    // What the SDK of OpenAI wraps its items in.
    texts.extend(
        text.find('[')
            .and_then(|at| text.get(at..))
            .and_then(|rest| value::split(rest, &most).ok())
            .map_or(vec![], |(_, items)| items),
    );
    for item in texts {
        let Ok(item) = value::parse(item) else { continue };
        match reads(&item) {
            Ok(Some(event)) => {
                assert_eq!(event.source.adapter, adapter);
                assert!(
                    matches!(&event.origin, Origin::Keyed(Keyed { id, .. }) if !id.iter().any(|part| part.is_empty()))
                );
            }
            Ok(None) => {}
            Err(unusable) => assert!(unusable.to_string().len() < 200),
        }
    }
}

/// The first line is the boundary. Parts lie in the body, in its order, and what they hold can be read.
pub(crate) fn langsmith(data: &[u8]) {
    if let Some(row) = std::str::from_utf8(data).ok().and_then(|text| value::parse(text).ok()) {
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
        let parse = |bytes| value::parse(langsmith::form::text(bytes)?).map_err(|error| error.to_string());
        match told {
            langsmith::form::Told::Run(run) => {
                if let Ok(whole) = run.assemble(parse) {
                    langsmith_row(&whole);
                }
            }
            langsmith::form::Told::Feedback(content) => drop(black_box(parse(content))),
            langsmith::form::Told::Unknown(place) => assert!(place < parts.len()),
        }
    }
}

type Read<'a> = Result<Option<Event<'a>>, Unusable>;

pub(crate) fn litellm(data: &[u8]) {
    items(data, "litellm", litellm::event);
    items(data, "litellm", litellm::spend_row);
}

pub(crate) fn openai_agents(data: &[u8]) {
    items(data, "openai_agents_traces", openai_agents::item);
}

fn langsmith_row(row: &value::Json<'_>) {
    let _ = black_box(langsmith::feedback(row));
    let _ = black_box(langsmith::run(row));
    for op in [langsmith::Op::Post, langsmith::Op::Patch] {
        if let Ok(fragment) = langsmith::fragment(op, row) {
            assert_eq!(fragment.space, langsmith::SPACE);
            drop(black_box(fragment.event(false)));
        }
    }
}
