//! `halod explain`: what becomes of a capture, span by span, and why.

use super::capture::{self, Request};
use super::explain_chain;
use super::output::{self, complain, line};
use crate::config;
use crate::receivers::otlp::preview::Preview;
use halo_adapters::otel::{self, Explanation, Reason, Resource, logs};
use halo_adapters::otlp::model::Span;
use halo_adapters::otlp::{Signal, json, protobuf};
use halod_record::call::arrange::arrange;
use halod_record::call::role::Role;
use halod_record::call::{Call, SealedCall};
use halod_record::draft::{Draft, GENESIS};
use halod_record::event::ACCESS;
use halod_record::fold::{Action, Actions};
use halod_record::hash::hex_text;
use halod_record::ids::RecordId;
use halod_record::redact::Redactor;
use halod_record::time;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tempfile::NamedTempFile;

/// Show what becomes of captured telemetry, and why
///
/// FILE holds OTLP export requests for traces or logs: protobuf, JSON, or JSON lines as the Collector's
/// file exporter writes them; gzip and zstd are undone. For each span: its dialect, what decided what
/// kind of action it is, the attribute that won for each field, and the record that would be sealed, or
/// why there is none. It uses the daemon's own reading, so what is shown is what is sealed; place in
/// the chain and time apart. Nothing is sealed.
///
/// Of a chain's file it shows the actions that several records tell of, what joined these, and how the
/// action ended by all of them. Exit code: 0, or 2 if FILE can't be read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captured export requests, or a chain; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tenants' names and what records say, as this configuration has it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let refuse = |what: String| {
            complain(what);
            ExitCode::from(output::USAGE)
        };
        let config = match config::load(config::named_file(self.config.clone()).as_deref()) {
            Ok(config) => config,
            Err(error) => return refuse(error.to_string()),
        };
        let kept = match output::spooled(&self.file) {
            Ok(kept) => kept,
            Err(error) => return refuse(format!("{}: can't be read: {error}", self.file.display())),
        };
        let file = kept.as_ref().map_or(self.file.as_path(), NamedTempFile::path);
        if explain_chain::is_one(file) {
            return output::finish(explain_chain::show(file).map(|()| output::OK));
        }
        let requests = match capture::read(file) {
            Ok(requests) => requests,
            Err(why) => return refuse(format!("{}: {why}", self.file.display())),
        };
        let mut shown = Shown {
            redactor: Redactor::with(config.redaction.clone()),
            preview: Preview::new(config.tenant.clone(), config.builder(), config.record_data),
            spans: 0,
            sealed: HashMap::new(),
            actions: Actions::default(),
        };
        for request in &requests {
            match shown.request(request) {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return refuse(format!("{}: {why}", self.file.display())),
                Err(error) => return output::finish(Err(error)),
            }
        }
        output::finish(Ok(output::OK))
    }
}

struct Shown {
    preview: Preview,
    redactor: Redactor,
    spans: usize,
    /// The lines of all drafts so far, as if they were sealed into one new chain.
    sealed: HashMap<RecordId, Vec<u8>>,
    actions: Actions,
}

/// Records by the trace and span id that they came from.
type Records = HashMap<(String, String), Vec<Value>>;

impl Shown {
    /// Prints what becomes of one request. The inner error is the request's fault.
    fn request(&mut self, request: &Request) -> io::Result<Result<(), String>> {
        let mut drafts = match self.preview.drafts(request.signal, request.json, request.body.clone()) {
            Ok(drafts) => drafts,
            Err(why) => return Ok(Err(why)),
        };
        arrange(&mut drafts);
        let mut records = Records::new();
        for draft in &drafts {
            let record = self.record(draft);
            let id = |key: &str| record["data"][key].as_str().unwrap_or_default().to_owned();
            records.entry((id("trace_id"), id("span_id"))).or_default().push(record);
        }
        match request.signal {
            Signal::Traces => self.traces(request, &mut records),
            Signal::Logs => self.logs(request, &drafts),
            Signal::Metrics => line("metrics: accepted and not kept").map(Ok),
        }
    }

    fn traces(&mut self, request: &Request, records: &mut Records) -> io::Result<Result<(), String>> {
        let read = if request.json { json::traces(&request.body) } else { protobuf::traces(&request.body) };
        let traces = match read {
            Ok(traces) => traces,
            Err(error) => return Ok(Err(error.to_string())),
        };
        for group in &traces.resource_spans {
            let resource = Resource::new(&group.resource);
            for scope in &group.scopes {
                for span in &scope.spans {
                    self.spans += 1;
                    let told = otel::explain(&resource, &scope.scope_name, span);
                    let key = (hex_text(&span.trace_id), hex_text(&span.span_id));
                    let name = self.redactor.label(&span.name);
                    line(format_args!(
                        "span {}  {name}  ({}, scope {})",
                        self.spans, key.1, scope.scope_name
                    ))?;
                    let sealed =
                        records.get_mut(&key).and_then(|list| (!list.is_empty()).then(|| list.remove(0)));
                    self.span(&told, span, sealed.as_ref())?;
                }
            }
        }
        if traces.rejected.items > 0 {
            let why = traces.rejected.first_reason.unwrap_or_default();
            line(format_args!("rejected: {}; the first: {why}", traces.rejected.items))?;
        }
        totals(&self.actions).map(Ok)
    }

    fn span(&self, told: &Explanation<'_>, span: &Span<'_>, sealed: Option<&Value>) -> io::Result<()> {
        match sealed.and_then(|record| record["data"][ACCESS].as_str()).filter(|_| told.event.is_none()) {
            Some(access) => line(format_args!("  kind     {access}, because it is below an agent's action"))?,
            None => line(format_args!("  kind     {}, because {}", told.kind, self.why(&told.reason)))?,
        }
        if told.event.is_some() {
            line(format_args!("  dialect  {}", told.dialect))?;
        }
        for (at, source) in told.fields.iter().enumerate() {
            let label = if at == 0 { "fields" } else { "" };
            let beaten = if source.beaten.is_empty() {
                String::new()
            } else {
                format!("  (over {})", source.beaten.join(", "))
            };
            line(format_args!("  {label:<8} {:<20} {}{beaten}", source.field, source.key))?;
        }
        if !told.unread.is_empty() {
            line(format_args!("  unread   {}", told.unread.join(", ")))?;
        }
        match sealed {
            Some(record) => {
                line("  record")?;
                pretty(record)
            }
            None if told.event.is_some() => line("  rejected: its tenant can't be used"),
            None => line(format_args!("  filtered: span kind {}, no agent's action", span.kind)),
        }
    }

    fn why(&self, reason: &Reason<'_>) -> String {
        match reason {
            Reason::Marker { key, value } => format!("{key} is {:?}", self.redactor.label(value)),
            Reason::UnlistedMarker { key, value } => {
                format!("{key} is {:?}, which its dialect does not list", self.redactor.label(value))
            }
            Reason::SpanName { pattern } => format!("of the span's name ({pattern})"),
            Reason::ToolName { key } => format!("{key} names a tool"),
            Reason::ToolCall { key } => format!("{key} is of a tool call"),
            Reason::Model { key } => {
                format!("{key} names a model that was asked, or whose provider is named")
            }
            Reason::Known => {
                "it is told in a dialect that is read, as none of the kinds that it lists".to_owned()
            }
            Reason::Looks { key } => format!("{key} looks like a model or a tool; no dialect has it"),
            Reason::Silent => "no attribute speaks for an agent's action".to_owned(),
        }
    }

    fn logs(&mut self, request: &Request, drafts: &[Draft]) -> io::Result<Result<(), String>> {
        let read = if request.json { json::logs(&request.body) } else { protobuf::logs(&request.body) };
        let read = match read {
            Ok(logs) => logs,
            Err(error) => return Ok(Err(error.to_string())),
        };
        for group in &read.resource_logs {
            let resource = logs::Resource::new(&group.resource);
            for scope in &group.scopes {
                for record in &scope.records {
                    self.spans += 1;
                    let what = match logs::item(&resource, &scope.scope_name, record) {
                        Some(logs::Item::Event(event)) => {
                            format!("an action, dialect {}", event.source.dialect)
                        }
                        Some(logs::Item::Part(part)) => {
                            format!(
                                "content of span {}, dialect {}",
                                hex_text(&part.span),
                                part.source.dialect
                            )
                        }
                        None => "filtered: no agent's action".to_owned(),
                    };
                    let name = self.redactor.label(&record.event_name);
                    line(format_args!(
                        "log record {}  {name}  (scope {}): {what}",
                        self.spans, scope.scope_name
                    ))?;
                }
            }
        }
        for draft in drafts {
            line("record")?;
            pretty(&self.record(draft))?;
        }
        Ok(Ok(()))
    }

    /// The record of a draft, without what only its place in a chain gives it. A parent is named where it
    /// was shown before, as only earlier records are; and so is the action that it corroborates.
    fn record(&mut self, draft: &Draft) -> Value {
        let mut line = Vec::new();
        let ts = time::rfc3339(0);
        let first = draft.call().and_then(Call::first).and_then(|(first, reason)| {
            let action = SealedCall::read(self.sealed.get(&first)?, draft.tenant())?;
            Some(draft.in_role(&Role::beside(&action, reason)))
        });
        let draft = first.as_ref().unwrap_or(draft);
        if draft.parent().is_none_or(|parent| self.sealed.contains_key(&parent)) {
            draft.seal(&GENESIS, &ts, &mut line);
        } else {
            draft.seal_without_parent(&GENESIS, &ts, &mut line);
        }
        self.actions.push(&line);
        let mut record: Value = serde_json::from_slice(&line).unwrap_or_default();
        self.sealed.insert(draft.id(), line);
        if let Some(fields) = record.as_object_mut() {
            fields.remove("integrity");
            fields.remove("ts");
        }
        record
    }
}

fn pretty(record: &Value) -> io::Result<()> {
    let text = serde_json::to_string_pretty(record)?;
    text.lines().try_for_each(|text| line(format_args!("    {text}")))
}

/// How many calls are told of, each counted once.
pub(super) fn totals(actions: &Actions) -> io::Result<()> {
    let calls = || actions.actions().iter().filter(|action| action.is_call);
    let told: Vec<String> = [
        ("model.generate", "model calls"),
        ("model.embed", "embeddings"),
        ("", "tool calls"),
        ("retrieve:", "retrievals"),
    ]
    .into_iter()
    .map(|(tool, name)| {
        let others =
            |action: &Action| !["model.", "retrieve:"].iter().any(|other| action.tool.starts_with(other));
        let of_it: Vec<_> = calls()
            .filter(|action| action.tool.starts_with(tool) && (!tool.is_empty() || others(action)))
            .collect();
        let failed = of_it.iter().filter(|action| action.end.failed()).count();
        format!("{} {name} ({failed} failed)", of_it.len())
    })
    .collect();
    let touched = actions.actions().iter().filter(|action| action.is_access).count();
    let touched = if touched > 0 { format!("; {touched} accesses of data") } else { String::new() };
    let again: usize = calls().map(|action| action.accounts.len()).sum();
    line(format_args!(
        "in all: {}{touched}; {again} records tell of a call that another one tells of",
        told.join(", ")
    ))
}
