//! Whose chain a draft is for: what its id was derived from, so that it can be told which id it has in another chain.

use super::{Draft, Marks};
use crate::canon::write_str;
use crate::event::Keyed;
use crate::ids::{Origin, RecordId, kept_part};
use crate::tenant::Tenant;
use crate::trace::InTrace;

/// What tells an origin from all others, as far as its id in another chain can be told from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OriginKey {
    Span([u8; 16], [u8; 8]),
    /// The hash of what tells a log record from every other one.
    Log([u8; 32]),
    /// The space and the parts of an id that the sender gave.
    Keyed(&'static str, Box<[String]>),
    #[default]
    Other,
}

impl OriginKey {
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Keyed(_, id) => id.iter().map(|part| size_of::<String>() + part.len()).sum(),
            _ => 0,
        }
    }

    /// The id of the origin's record in the chain of `tenant`.
    #[must_use]
    pub fn id_of(&self, tenant: &Tenant) -> Option<RecordId> {
        match self {
            Self::Span(trace, span) => Some(RecordId::of_span(tenant, trace, span)),
            Self::Log(digest) => Some(RecordId::derive(Origin::Log, tenant, &[digest])),
            Self::Keyed(space, id) => Some(RecordId::of_key(tenant, space, id)),
            Self::Other => None,
        }
    }
}

impl Draft {
    /// Tells what its id was derived from.
    #[must_use]
    pub(crate) fn of_origin(self, origin: OriginKey) -> Self {
        Self { origin, ..self }
    }

    /// Tells that its span said nothing of its own, so that another chain may have it.
    pub fn place_in(&mut self, trace: InTrace) {
        if self.origin != OriginKey::Other {
            self.in_trace = Some(Box::new(trace));
        }
    }

    /// The same for what has an id of its sender's.
    pub fn place_keyed_in(&mut self, trace: InTrace, key: &Keyed<'_>) {
        let id = key.id.iter().map(|part| kept_part(part).into_owned());
        self.origin = OriginKey::Keyed(key.space, id.collect());
        self.place_in(trace);
    }

    /// The trace that may have placed it elsewhere.
    #[must_use]
    pub fn in_trace(&self) -> Option<&InTrace> {
        self.in_trace.as_deref()
    }

    /// The id that it was asked for under.
    #[must_use]
    pub fn asked(&self) -> RecordId {
        self.in_trace.as_ref().and_then(|in_trace| in_trace.asked).unwrap_or(self.id)
    }

    /// The span that it tells of, or stands in.
    #[must_use]
    pub fn span(&self) -> Option<[u8; 8]> {
        match self.origin {
            OriginKey::Span(_, span) => Some(span),
            _ => None,
        }
    }

    /// The other chains that may have it, and under which ids.
    #[must_use]
    pub fn elsewhere(&self) -> Vec<(Tenant, RecordId)> {
        let trace = self.in_trace.as_ref().map(|in_trace| &in_trace.trace);
        trace.map(|trace| trace.elsewhere(&self.tenant, &self.origin)).unwrap_or_default()
    }

    /// The same draft for the chain of another tenant, under `id`. It names no parent: that has another id there.
    #[must_use]
    pub fn in_chain_of(&self, tenant: &Tenant, id: RecordId) -> Option<Self> {
        let (marks, line) = self.without_parent();
        let ts = br#","ts":""#.len();
        let subject = |tenant: &Tenant| {
            let mut member = Vec::new();
            if let Some(subject) = tenant.subject() {
                member.extend_from_slice(br#","subject":{"id":"#);
                write_str(subject, &mut member);
                member.push(b'}');
            }
            member
        };
        // The subject is the last member before the time.
        let end = marks.ts.checked_sub(ts)?;
        let start = end.checked_sub(subject(&self.tenant).len())?;
        let own = subject(tenant);
        let mut moved = line.get(..start)?.to_vec();
        moved.extend_from_slice(&own);
        moved.extend_from_slice(line.get(end..)?);
        moved.get_mut(marks.id..marks.id + 36)?.copy_from_slice(&id.text());
        let marks = Marks { ts: start + own.len() + ts, ..marks };
        let mut in_trace = self.in_trace.clone();
        if let Some(in_trace) = &mut in_trace {
            in_trace.asked = Some(self.asked());
        }
        let apart =
            self.apart.iter().filter_map(|draft| draft.in_chain_of(tenant, draft.origin.id_of(tenant)?));
        // What is hashed beforehand stands before the subject and the id.
        Some(Self {
            tenant: tenant.clone(),
            id,
            line: moved.into(),
            marks,
            apart: apart.collect(),
            content_of: None,
            call: None,
            in_trace,
            ..self.clone()
        })
    }
}
