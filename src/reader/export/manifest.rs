//! What ties a table to its chain.

use super::columns::COLUMNS;
use super::row::OWN;
use super::{Found, Request};
use crate::clock::unix_nanos;
use crate::reader::dumps::pretty;
use halod_record::json::{Json, Text};
use halod_record::time::rfc3339;
use std::path::Path;

/// What the format says of its times, of a chain that no witness was asked about, and of names with hidden characters.
const TS_SOURCE: &str = "declared: each record's ts is the recording host's clock, sealed into the chain as written; it is not attested by a third party. An attested time exists only where a witness checkpoint carries an RFC 3161 token (verify it with openssl ts -verify).";
const NOT_CHECKED: &str = "no witness was named; records removed and the chain re-sealed would not be visible here (export --witness / --witness-url)";
const INVISIBLE: &str = "these identifier fields contain invisible characters; the CSV keeps them as recorded, so cells that look alike can differ. Policy rules match such ids with the characters removed; the report marks each one as \u{27E8}U+XXXX\u{27E9}.";

pub(super) struct Places<'m> {
    pub(super) chain: &'m Path,
    pub(super) records: u64,
    pub(super) head: &'m str,
    pub(super) tools: &'m [String],
}

pub(super) struct Manifest<'m> {
    pub(super) request: &'m Request,
    pub(super) places: Places<'m>,
    pub(super) found: &'m Found,
}

type Entry = (Text<'static>, Json<'static>);

fn text(text: impl Into<String>) -> Json<'static> {
    Json::Str(Text::from(text.into()))
}

fn count(number: u64) -> Json<'static> {
    Json::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn entry(key: &'static str, value: Json<'static>) -> Entry {
    (Text::from(key), value)
}

impl Manifest<'_> {
    pub(super) fn text(&self) -> String {
        let Self { request, places, found } = self;
        let now = rfc3339(unix_nanos());
        let or_null = |value: Option<String>| value.map_or(Json::Null, text);
        let name =
            places.chain.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let tools = places.tools.iter().map(|tool| text(tool.as_str())).collect::<Vec<_>>();
        let mut subjects: Vec<_> = found.subjects.iter().flatten().map(|id| text(id.as_str())).collect();
        // The order is that of their JSON, in which what is not ASCII is escaped.
        subjects.sort_by_cached_key(pretty);
        let nobody = found.subjects.contains(&None).then_some(Json::Null);
        let chain = vec![
            entry("total_records", count(places.records)),
            entry("head_hash", text(places.head)),
            entry("verified", Json::Bool(true)),
            entry("verified_scope", text("integrity_relative_to_head")),
            entry("ts_source", text(TS_SOURCE)),
        ];
        let subject = vec![
            entry("ids", Json::Array(subjects.into_iter().chain(nobody).collect())),
            entry("expected", or_null(request.expected_subject.clone())),
        ];
        let completeness = vec![entry("status", text("NOT_CHECKED")), entry("note", text(NOT_CHECKED))];
        let mut all = vec![
            entry("generated_at", text(String::from_utf8_lossy(&now).replace('Z', "+00:00"))),
            entry("producer_version", text(concat!("halod ", env!("CARGO_PKG_VERSION")))),
            entry("source_log", text(name)),
            entry("source_log_sha256", text(found.source.as_str())),
            entry("columns", Json::Object(columns())),
            entry("window", Json::Object(self.window())),
            entry("tool_filter", if tools.is_empty() { Json::Null } else { Json::Array(tools) }),
            entry("window_records", count(found.rows)),
            entry("csv_sha256", text(found.csv.as_str())),
            entry("chain", Json::Object(chain)),
            entry("subject", Json::Object(subject)),
            entry("witness", Json::Null),
            entry("completeness", Json::Object(completeness)),
        ];
        if found.invisible > 0 {
            all.push(entry("invisible_identifiers", Json::Object(self.invisible())));
        }
        if request.all {
            let own = OWN.iter().map(|own| text(own.0)).collect();
            all.push(entry("halod", Json::Object(vec![entry("columns", Json::Array(own))])));
        }
        pretty(&Json::Object(all)) + "\n"
    }

    fn window(&self) -> Vec<Entry> {
        let bound = |moment: Option<crate::reader::window::Moment>| {
            moment.map_or(Json::Null, |at| text(at.to_string()))
        };
        let window = self.request.window;
        let mut all = vec![entry("from", bound(window.from)), entry("to", bound(window.to))];
        if let (Some(first), Some(last)) = (&self.found.first, &self.found.last) {
            all.push(entry("first_ts", text(first.0.as_str())));
            all.push(entry("last_ts", text(last.0.as_str())));
            all.push(entry("first_record_id", text(first.1.as_str())));
            all.push(entry("last_record_id", text(last.1.as_str())));
        }
        all
    }

    fn invisible(&self) -> Vec<Entry> {
        let fields = self.found.named.iter().map(|(record, field, shown)| {
            Json::Object(vec![
                entry("record_id", text(record.as_str())),
                entry("field", text(*field)),
                entry("shown", text(shown.as_str())),
            ])
        });
        vec![
            entry("note", text(INVISIBLE)),
            entry("count", count(self.found.invisible)),
            entry("fields", Json::Array(fields.collect())),
        ]
    }
}

fn columns() -> Vec<Entry> {
    let column = |(name, source, blank, note): &(&'static str, &str, &str, &str)| {
        let mut about = vec![entry("source", text(*source)), entry("blank", text(*blank))];
        if !note.is_empty() {
            about.push(entry("note", text(*note)));
        }
        entry(name, Json::Object(about))
    };
    COLUMNS.iter().map(column).collect()
}
