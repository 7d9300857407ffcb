//! A traces request's spans as drafts.

use super::OtlpState;
use super::inherit::{self, Inheritance};
use super::parents::{self, Parents, SpanIds};
use super::read::Content;
use super::turns::SpanTurn;
use crate::ingest::RequestBuilder;
use crate::ingest::claim::{CLAIMED, Placed, Said};
use crate::net::status::Fault;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::model::{ResourceSpans, ScopeSpans, Span, Traces};
use halod_record::event::{Event, Fact};
use halod_record::{call, charge};
use std::borrow::Cow;

/// The resource that spans stand under.
struct Group<'a> {
    resource: Resource<'a>,
    claim: Option<Cow<'a, str>>,
}

impl<'a> Group<'a> {
    fn new<S>(spans: &'a ResourceSpans<'_, S>, state: &OtlpState) -> Self {
        let claim = otel::tenant_claim(&state.tenant.attributes, &spans.resource);
        Self { resource: Resource::new(&spans.resource), claim }
    }
}

impl Content {
    /// Makes the drafts of all spans, parents first.
    pub(super) fn spans<'a, S: SpanTurn<'a>>(
        &mut self,
        traces: &Traces<'a, S>,
        state: &OtlpState,
        request: &mut RequestBuilder,
    ) -> Result<(), Fault> {
        let rejected = &traces.rejected;
        request.reject_all(rejected.items, || rejected.first_reason.clone().unwrap_or_default());
        request.allow_slices();
        let _order = charge::passing();
        // A resource without spans costs nothing further.
        let full = |spans: &&ResourceSpans<'a, S>| spans.scopes.iter().any(|scope| !scope.spans.is_empty());
        let resources = || traces.resource_spans.iter().filter(full);
        let mut groups: Vec<Group<'_>> = charge::list(resources().count())?;
        groups.extend(resources().map(|spans| Group::new(spans, state)));
        let mut scopes: Vec<(&Group<'_>, &ScopeSpans<'a, S>, u64)> =
            charge::list(resources().map(|spans| spans.scopes.len()).sum())?;
        for (group, spans) in groups.iter().zip(resources()) {
            scopes.extend(spans.scopes.iter().map(|scope| (group, scope, 0)));
        }
        let count = scopes.iter().map(|(_, scope, _)| scope.spans.len()).sum::<usize>();
        charge::take(count * (size_of::<SpanIds>() + size_of::<(usize, usize)>() + parents::BYTES))?;
        request.keep_room_for_a_slice()?;
        let (mut ids, mut places) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (at, (group, scope, _)) in scopes.iter().enumerate() {
            for (number, span) in scope.spans.iter().enumerate() {
                let span = span.ids();
                // What a resource states holds for the spans of other resources that come before, too.
                request.tenants.note(Said { stated: group.claim.as_deref(), dialect: None }, &span.key.0);
                ids.push(span);
                places.push((at, number));
            }
        }
        let mut parents = Parents::new(ids);
        let mut inheritance = Inheritance::new(if parents.are_there() { count } else { 0 })?;
        for at in parents.order() {
            inheritance.charge()?;
            let _item = charge::passing();
            let (place, number) = places[at];
            let (group, scope, filtered) = &mut scopes[place];
            let before = request.counted().filtered;
            let turn = &scope.spans[number];
            request.make_room(turn.weight())?;
            let span = turn.span()?;
            let around = Around { inheritance: &mut inheritance, place: parents.place(at) };
            let placed = placed((&scope.scope_name, &span), group, state, around, request);
            *filtered += request.counted().filtered - before;
            parents.tell(at, placed.is_some());
            let Some((event, Placed { tenant, in_trace, .. })) = placed else { continue };
            let mut draft = self.joined.draft(&state.joins, event, &tenant, request);
            if let Some(in_trace) = in_trace {
                draft.place_in(in_trace);
            }
            parents.move_under(&mut draft, at);
            request.push_draft(draft)?;
        }
        for (_, scope, filtered) in scopes {
            self.filtered_by.add(&scope.scope_name, filtered);
        }
        Ok(())
    }
}

/// What is said around a span.
struct Around<'i> {
    inheritance: &'i mut Inheritance,
    place: (usize, Option<usize>),
}

/// What a span tells and whose it is; otherwise it is counted as filtered or misplaced.
fn placed<'a>(
    (scope, span): (&'a str, &'a Span<'a>),
    under: &Group<'a>,
    state: &OtlpState,
    around: Around<'_>,
    request: &mut RequestBuilder,
) -> Option<(Event<'a>, Placed)> {
    let own = match &under.claim {
        Some(_) => None,
        None => otel::tenant_claim(&state.tenant.attributes, &span.attributes),
    };
    let stated = under.claim.as_deref().or(own.as_deref());
    let Around { inheritance, place } = around;
    let Some(mut event) = otel::event(&under.resource, scope, span) else {
        request.filter(1);
        inheritance.of_span(place, (&under.resource, scope, span), stated);
        request.tenants.note(Said { stated, dialect: None }, &span.trace_id);
        return None;
    };
    if span.parent_span_id.is_none() {
        request.tenants.enclose(&span.trace_id, [event.session.as_deref(), event.principal.as_deref()]);
    }
    let trace = request.tenants.trace(&span.trace_id);
    let said = inheritance.of_event(place, &mut event, stated, trace.as_deref());
    let around = said.as_deref().map(inherit::Said::tenant).unwrap_or_default();
    let own = Said { stated, dialect: event.tenant.as_deref() };
    match request.tenants.place_in_trace(own, around, Some(&span.trace_id)) {
        Ok(mut placed) => {
            let overruled = placed.overruled.take();
            event.facts.extend(overruled.map(|claim| (CLAIMED, Fact::Label(claim.into()))));
            if !scope.is_empty() {
                event.facts.push((call::SCOPE, Fact::Label(scope.into())));
            }
            Some((event, placed))
        }
        Err(reason) => {
            request.misplace(reason.to_string());
            None
        }
    }
}
