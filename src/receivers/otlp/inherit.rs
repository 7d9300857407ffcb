//! What the spans around a span say for it: tenant, session and user are often said once in a trace, on the span
//! that encloses all others.
//!
//! A span's own word counts first, then that of the nearest span around it in the same request, recorded or not.

use crate::ingest::claim;
use crate::net::status::Fault;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::model::Span;
use halod_record::charge;
use halod_record::event::{Event, Fact, INHERITED};
use halod_record::trace::Trace;
use std::borrow::Cow;
use std::rc::Rc;

/// What one span says of whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The tenant, by an attribute that the operator chose.
    stated: Option<String>,
    /// What the span's dialect calls a tenant.
    dialect: Option<String>,
    session: Option<String>,
    principal: Option<String>,
}

/// What each span of a request says, with what is said around it.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    said: Vec<Option<Rc<Said>>>,
    /// Bytes that are not charged yet.
    owed: usize,
}

/// What a span says itself.
type Own<'o> = [Option<&'o str>; 4];

impl Said {
    /// What is said of the tenant.
    pub(super) fn tenant(&self) -> claim::Said<'_> {
        claim::Said { stated: self.stated.as_deref(), dialect: self.dialect.as_deref() }
    }

    fn parts(&self) -> Own<'_> {
        [&self.stated, &self.dialect, &self.session, &self.principal].map(|part| part.as_deref())
    }

    /// What a span says itself, with what is said around it.
    fn of(own: Own<'_>, around: Option<&Self>) -> Self {
        let around = around.map(Self::parts).unwrap_or_default();
        let mut both = own.into_iter().zip(around).map(|(own, around)| own.or(around).map(str::to_owned));
        let mut next = || both.next().flatten();
        Self { stated: next(), dialect: next(), session: next(), principal: next() }
    }
}

impl Inheritance {
    /// For `spans` spans that may be around each other; none, where none is.
    pub(super) fn new(spans: usize) -> Result<Self, Fault> {
        charge::take(spans * size_of::<Option<Rc<Said>>>())?;
        Ok(Self { said: vec![None; spans], owed: 0 })
    }

    /// Lets an event say what the spans around its own do, and returns what is said of it. `place` is that of its
    /// span and of the span around it, `stated` its own claim of a tenant, `trace` what was said in earlier requests
    /// by the span that encloses all others.
    pub(super) fn of_event(
        &mut self,
        place: (usize, Option<usize>),
        event: &mut Event<'_>,
        stated: Option<&str>,
        trace: Option<&Trace>,
    ) -> Option<Rc<Said>> {
        let own = [stated, event.tenant.as_deref(), event.session.as_deref(), event.principal.as_deref()];
        let said = self.keep(place, own);
        let of_request = said.as_deref().map(|said| [said.session.as_deref(), said.principal.as_deref()]);
        let of_request = of_request.unwrap_or_default();
        let is_said = |own: &Option<Cow<'_, str>>, around: Option<&str>| own.is_some() || around.is_some();
        let is_whole = is_said(&event.session, of_request[0]) && is_said(&event.principal, of_request[1]);
        let [session, principal] = trace.filter(|_| !is_whole).map(Trace::around).unwrap_or_default();
        let mut inherited = Vec::new();
        let mut fill = |own: &mut Option<Cow<'_, str>>, around: Option<&str>, name: &'static str| {
            if own.is_none()
                && let Some(around) = around
            {
                *own = Some(Cow::Owned(around.to_owned()));
                inherited.push(Cow::Borrowed(name));
            }
        };
        fill(&mut event.principal, of_request[1].or(principal.as_deref()), "principal");
        fill(&mut event.session, of_request[0].or(session.as_deref()), "session");
        if !inherited.is_empty() {
            event.facts.push((INHERITED, Fact::Labels(inherited)));
        }
        said
    }

    /// Takes note of what a span says that tells of no action.
    pub(super) fn of_span(
        &mut self,
        place: (usize, Option<usize>),
        (resource, scope, span): (&Resource<'_>, &str, &Span<'_>),
        stated: Option<&str>,
    ) {
        if !self.said.is_empty() {
            let otel::Whose { session, principal, tenant } = otel::whose(resource, scope, span);
            self.keep(place, [stated, tenant.as_deref(), session.as_deref(), principal.as_deref()]);
        }
    }

    /// Charges what was kept since; what is charged while one span is read is given back with it.
    pub(super) fn charge(&mut self) -> Result<(), Fault> {
        Ok(charge::take(std::mem::take(&mut self.owed))?)
    }

    fn keep(&mut self, (at, parent): (usize, Option<usize>), own: Own<'_>) -> Option<Rc<Said>> {
        let around = parent.and_then(|parent| self.said.get(parent)?.clone());
        let kept = self.said.get_mut(at)?;
        let says_nothing_else = |around: &Said| {
            own.into_iter().zip(around.parts()).all(|(own, around)| own.is_none() || own == around)
        };
        let said = match around {
            Some(around) if says_nothing_else(&around) => around,
            None if own == Own::default() => return None,
            around => {
                let said = Said::of(own, around.as_deref());
                let bytes = said.parts().into_iter().flatten().map(str::len).sum::<usize>();
                self.owed += size_of::<Said>() + bytes;
                Rc::new(said)
            }
        };
        *kept = Some(Rc::clone(&said));
        Some(said)
    }
}
