//! What the spans around a span say for it: tenant, session and user are often said once in a trace, on the span
//! that encloses all others.
//!
//! A span's own word counts first, then that of the nearest span around it in the same request, recorded or not.

use crate::net::status::Fault;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::model::Span;
use halod_record::charge;
use halod_record::event::{Event, Fact};
use std::borrow::Cow;
use std::rc::Rc;

/// The fact that lists what a record has from the spans around its own.
const INHERITED: &str = "inherited";

/// What one span says of whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The tenant, by an attribute that the operator chose.
    pub(super) stated: Option<String>,
    /// What the span's dialect calls a tenant.
    pub(super) dialect: Option<String>,
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
    /// span and of the span around it, `stated` its own claim of a tenant.
    pub(super) fn of_event(
        &mut self,
        place: (usize, Option<usize>),
        event: &mut Event<'_>,
        stated: Option<&str>,
    ) -> Option<Rc<Said>> {
        let own = [stated, event.tenant.as_deref(), event.session.as_deref(), event.principal.as_deref()];
        let said = self.keep(place, own)?;
        let mut inherited = Vec::new();
        let mut fill = |own: &mut Option<Cow<'_, str>>, around: &Option<String>, name: &'static str| {
            if own.is_none() && around.is_some() {
                *own = around.clone().map(Cow::Owned);
                inherited.push(Cow::Borrowed(name));
            }
        };
        fill(&mut event.principal, &said.principal, "principal");
        fill(&mut event.session, &said.session, "session");
        if !inherited.is_empty() {
            event.facts.push((INHERITED, Fact::Labels(inherited)));
        }
        Some(said)
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
