//! A traces request's spans as drafts.

use super::OtlpState;
use super::data::Below;
use super::inherit::{self, Inheritance};
use super::parents::{self, Above, Parents, SpanIds};
use super::read::Content;
use super::turns::SpanTurn;
use crate::ingest::RequestBuilder;
use crate::ingest::claim::{Placed, Said, overruled};
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
        let parents = Parents::new(ids);
        let inheritance = Inheritance::new(if parents.are_there() { count } else { 0 })?;
        let order = parents.order();
        let mut walk = Walk { scopes, places, parents, inheritance, undecided: Vec::new() };
        for at in order {
            walk.step(at, true, (self, state, request))?;
        }
        for at in std::mem::take(&mut walk.undecided) {
            walk.step(at, false, (self, state, request))?;
        }
        for (_, scope, filtered) in walk.scopes {
            self.filtered_by.add(&scope.scope_name, filtered);
        }
        Ok(())
    }
}

/// The spans of a request while they are drafted one by one.
struct Walk<'w, 'a, S> {
    /// Each with how many of its spans were filtered.
    scopes: Vec<(&'w Group<'w>, &'w ScopeSpans<'a, S>, u64)>,
    /// For each span its scope's place, and its own in there.
    places: Vec<(usize, usize)>,
    parents: Parents,
    inheritance: Inheritance,
    /// Spans of data of which it is not known whether they stand below an action.
    undecided: Vec<usize>,
}

impl<'a, S: SpanTurn<'a>> Walk<'_, 'a, S> {
    /// Drafts the span at a place. One that is `first` looked at may be put off.
    fn step(
        &mut self,
        at: usize,
        first: bool,
        (content, state, request): (&mut Content, &OtlpState, &mut RequestBuilder),
    ) -> Result<(), Fault> {
        self.inheritance.charge()?;
        let _item = charge::passing();
        let (place, number) = self.places[at];
        let (group, scope, filtered) = &mut self.scopes[place];
        let turn = &scope.spans[number];
        request.make_room(turn.weight())?;
        let span = turn.span()?;
        let told = ClaimedSpan::new(group, &scope.scope_name, &span, state, self.parents.place(at));
        let event = match told.event(state, || self.parents.above(at)) {
            Ok(event) => event,
            Err(below) => {
                told.note(&mut self.inheritance, request);
                self.parents.tell(at, false);
                if first && below == Below::Unknown {
                    self.undecided.push(at);
                } else {
                    request.filter(1);
                    *filtered += 1;
                }
                return Ok(());
            }
        };
        let placed = told.place(event, &mut self.inheritance, request);
        self.parents.tell(at, placed.is_some());
        let Some((event, Placed { tenant, in_trace, .. })) = placed else { return Ok(()) };
        if let Some(data) = &state.data {
            data.remember(&span.trace_id);
        }
        let mut draft = content.joined.draft(&state.joins, event, &tenant, request);
        if let Some(in_trace) = in_trace {
            draft.place_in(in_trace);
        }
        self.parents.move_under(&mut draft, at);
        request.push_draft(draft)
    }
}

/// A span, with what is said of whose it is.
struct ClaimedSpan<'t> {
    group: &'t Group<'t>,
    scope: &'t str,
    span: &'t Span<'t>,
    /// The tenant that its resource or the span itself states.
    stated: Option<Cow<'t, str>>,
    /// Its place, and that of the span around it.
    place: (usize, Option<usize>),
}

impl<'t> ClaimedSpan<'t> {
    fn new(
        group: &'t Group<'t>,
        scope: &'t str,
        span: &'t Span<'t>,
        state: &OtlpState,
        place: (usize, Option<usize>),
    ) -> Self {
        let stated = match &group.claim {
            Some(claim) => Some(Cow::Borrowed(claim.as_ref())),
            None => otel::tenant_claim(&state.tenant.attributes, &span.attributes),
        };
        Self { group, scope, span, stated, place }
    }

    /// What the span tells; else whether it could be recorded by what is `above` it.
    fn event(&self, state: &OtlpState, above: impl FnOnce() -> Option<Above>) -> Result<Event<'t>, Below> {
        let Self { group: Group { resource, .. }, scope, span, .. } = self;
        if let Some(event) = otel::event(resource, scope, span) {
            return Ok(event);
        }
        let data = state.data.as_ref().ok_or(Below::No)?;
        let access = otel::access(resource, scope, span).ok_or(Below::No)?;
        match data.below(above(), &span.trace_id) {
            Below::Yes => Ok(access),
            below => Err(below),
        }
    }

    /// Takes note of what a span says that has no record.
    fn note(&self, inheritance: &mut Inheritance, request: &mut RequestBuilder) {
        let stated = self.stated.as_deref();
        inheritance.of_span(self.place, (&self.group.resource, self.scope, self.span), stated);
        request.tenants.note(Said { stated, dialect: None }, &self.span.trace_id);
    }

    /// Whose the event is; otherwise it is counted as misplaced.
    fn place(
        &self,
        mut event: Event<'t>,
        inheritance: &mut Inheritance,
        request: &mut RequestBuilder,
    ) -> Option<(Event<'t>, Placed)> {
        let Self { scope, span, .. } = self;
        if span.parent_span_id.is_none() {
            request.tenants.enclose(&span.trace_id, [event.session.as_deref(), event.principal.as_deref()]);
        }
        let trace = request.tenants.trace(&span.trace_id);
        let stated = self.stated.as_deref();
        let said = inheritance.of_event(self.place, &mut event, stated, trace.as_deref());
        let around = said.as_deref().map(inherit::Said::tenant).unwrap_or_default();
        let own = Said { stated, dialect: event.tenant.as_deref() };
        match request.tenants.place_in_trace(own, around, Some(&span.trace_id)) {
            Ok(mut placed) => {
                event.facts.extend(overruled(placed.overruled.take()));
                if !scope.is_empty() {
                    event.facts.push((call::SCOPE, Fact::Label((*scope).into())));
                }
                Some((event, placed))
            }
            Err(reason) => {
                request.misplace(reason.to_string());
                None
            }
        }
    }
}
