//! A logs request's records as drafts, and as shares of spans' content.

use super::OtlpState;
use super::join::{Key, Share};
use super::read::Content as Told;
use super::turns::RecordTurn;
use crate::ingest::RequestBuilder;
use crate::ingest::claim::{Said, overruled};
use crate::net::status::Fault;
use halo_adapters::otel;
use halo_adapters::otel::logs::{Item, Part, Piece, Resource, assemble, item};
use halo_adapters::otlp::model::Logs;
use halod_record::charge;
use halod_record::event::{Action, Content, Event, Origin, Outcome, Status, Usage};
use halod_record::ids::RecordId;
use halod_record::json::{Json, Text};
use std::collections::HashMap;

/// The parts of each span in a request, in the order they came.
#[derive(Default)]
struct Shares {
    places: HashMap<Key, usize>,
    parts: Vec<(Key, Vec<Part<'static>>)>,
}

impl Shares {
    fn add(&mut self, key: Key, part: Part<'static>) {
        let place = *self.places.entry(key.clone()).or_insert_with(|| {
            self.parts.push((key, Vec::new()));
            self.parts.len() - 1
        });
        if let Some((_, parts)) = self.parts.get_mut(place) {
            parts.push(part);
        }
    }
}

impl Told {
    /// Makes the drafts of all records, and shares of those that tell a span's content.
    pub(super) fn logs<'a, R: RecordTurn<'a>>(
        &mut self,
        logs: &Logs<'a, R>,
        state: &OtlpState,
        request: &mut RequestBuilder,
    ) -> Result<(), Fault> {
        let rejected = &logs.rejected;
        request.reject_all(rejected.items, || rejected.first_reason.clone().unwrap_or_default());
        request.allow_slices();
        request.keep_room_for_a_slice()?;
        let mut shares = Shares::default();
        for group in &logs.resource_logs {
            let resource = Resource::new(&group.resource);
            let claim = otel::tenant_claim(&state.tenant.attributes, &group.resource);
            for scope in &group.scopes {
                let before = request.counted().filtered;
                for record in &scope.records {
                    let _item = charge::passing();
                    request.make_room(record.weight())?;
                    let record = record.record()?;
                    let Some(item) = item(&resource, &scope.scope_name, &record) else {
                        request.filter(1);
                        continue;
                    };
                    let own = match &claim {
                        Some(_) => None,
                        None => otel::tenant_claim(&state.tenant.attributes, &record.attributes),
                    };
                    let stated = claim.as_deref().or(own.as_deref());
                    let own = Said { stated, dialect: None };
                    let trace = record.trace_id.as_ref();
                    let placed = match request.tenants.place_in_trace(own, Said::default(), trace) {
                        Ok(placed) => placed,
                        Err(reason) => {
                            request.misplace(reason.to_string());
                            continue;
                        }
                    };
                    match item {
                        Item::Event(mut event) => {
                            event.facts.extend(overruled(placed.overruled));
                            let mut draft = request.draft(&event, &placed.tenant);
                            if let Some(in_trace) = placed.in_trace {
                                draft.place_in(in_trace);
                            }
                            request.push_draft(draft)?;
                        }
                        Item::Part(part) => {
                            let key = Key { tenant: placed.tenant, span: (part.trace, part.span) };
                            request.charge(weight(&part))?;
                            shares.add(key, owned(*part));
                        }
                    }
                }
                self.filtered_by.add(&scope.scope_name, request.counted().filtered - before);
            }
        }
        for (key, parts) in shares.parts {
            let _share = charge::passing();
            let count = parts.len() as u64;
            let Some(share) = share(key, parts, request) else {
                request.filter(count);
                continue;
            };
            request.charge(size_of::<Share>() + share.draft.len())?;
            request.keep_items(count);
            self.shares.push(share);
        }
        Ok(())
    }
}

/// A share, with the record that tells it by itself; `None` when all of it is withheld.
pub(super) fn share(key: Key, mut parts: Vec<Part<'static>>, request: &mut RequestBuilder) -> Option<Share> {
    parts.sort_by_key(|part| part.time);
    let (input, outcome) = assemble(parts.clone());
    if input == Content::Undisclosed && outcome == Content::Undisclosed {
        return None;
    }
    let last = parts.last()?;
    let (trace, span) = key.span;
    let said = |content: &Content<'static>| match content {
        Content::Value(value) => value.clone(),
        Content::Undisclosed | Content::Digest(_) => Json::Null,
    };
    let span_record = RecordId::of_span(&key.tenant, &trace, &span);
    let event = Event {
        action: Action::Boundary { verb: "content" },
        agent: last.agent.clone(),
        session: last.session.clone(),
        principal: last.principal.clone(),
        tenant: None,
        origin: Origin::Log {
            trace: Some(trace),
            span: Some(span),
            name: "content".into(),
            identity: Json::Array(vec![
                Json::str("content"),
                Json::Str(Text::from(span_record.to_string())),
                Json::Str(Text::from(last.time.to_string())),
                said(&input),
                said(&outcome),
            ]),
        },
        input,
        outcome: Outcome { status: Status::Ok, result: outcome, error_type: None, error_text: None },
        authorization: None,
        started: None,
        ended: Some(last.time).filter(|time| *time != 0),
        usage: Usage::default(),
        source: last.source,
        dropped: 0,
        trace_flags: None,
        facts: Vec::new(),
    };
    let mut draft = request.draft(&event, &key.tenant);
    draft.tells_content_of(span_record);
    let bytes = parts.iter().map(weight).sum::<usize>() + draft.len();
    Some(Share { key, parts, draft, bytes })
}

/// The same part, free of the request's bytes.
fn owned(part: Part<'_>) -> Part<'static> {
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.map(|text| text.into_owned().into());
    let content = |content: Content<'_>| match content {
        Content::Value(value) => Content::Value(value.into_owned()),
        Content::Undisclosed => Content::Undisclosed,
        Content::Digest(digest) => Content::Digest(digest),
    };
    Part {
        trace: part.trace,
        span: part.span,
        time: part.time,
        piece: match part.piece {
            Piece::Message(message) => Piece::Message(content(message)),
            Piece::Choice(choice) => Piece::Choice(content(choice)),
            Piece::Whole { input, outcome } => {
                Piece::Whole { input: content(input), outcome: content(outcome) }
            }
        },
        agent: halod_record::event::Agent {
            id: text(part.agent.id),
            name: text(part.agent.name),
            version: text(part.agent.version),
        },
        session: text(part.session),
        principal: text(part.principal),
        source: part.source,
    }
}

/// About how many bytes of memory a part takes.
fn weight(part: &Part<'_>) -> usize {
    let content = |content: &Content<'_>| match content {
        Content::Value(value) => value.weight(),
        Content::Undisclosed | Content::Digest(_) => 0,
    };
    let texts = [&part.agent.id, &part.agent.name, &part.agent.version, &part.session, &part.principal];
    size_of::<Part<'_>>()
        + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
        + match &part.piece {
            Piece::Message(one) | Piece::Choice(one) => content(one),
            Piece::Whole { input, outcome } => content(input) + content(outcome),
        }
}
