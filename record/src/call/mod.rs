//! Which call a record tells of, and when two records tell of the same one.
//!
//! A model call, an embedding, a retrieval or a tool call is often told more than once: by an SDK's own span
//! inside that of an instrumentation, by a client and a server, by a span and a log record, at two doors. The
//! first account that is sealed is the call's action. Each further one is sealed as a corroboration, which
//! names it; so whoever counts the records that are no `agent_message` counts calls.
//!
//! [`agree`] is the one table of what makes two accounts one call; [`arrange`] applies it to the drafts of
//! one batch, and the chain to what is sealed already. In doubt there are two calls: a false join hides one.

pub mod agree;
pub mod arrange;
mod key;
mod line;
pub mod role;

pub use agree::Reason;
pub(crate) use key::KEPT;
pub use key::{CallKey, KeyKind};
pub(crate) use line::KEYS;
pub use line::SCOPE;
pub use line::SealedCall;

use self::key::Session;
use super::ids::RecordId;
use super::members;
use super::names::Names;
use super::tenant::Tenant;
use crate::event::{Action, Content, Event, Fact, Origin, Status};
use std::collections::{HashMap, HashSet};

/// What kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Generate,
    Embed,
    Tool,
    Retrieve,
    /// No call, but what one touched: it may be told twice as well, by an ORM and by its driver.
    Access,
}

/// In what kind of message an account is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Span,
    Log,
    Keyed,
}

/// One account of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    kind: Kind,
    /// The model, or the tool without its MCP server's name; `None` where the account names none.
    thing: Option<String>,
    /// Who tells: two accounts of one voice are two calls, unless one encloses the other.
    voice: u64,
    form: Form,
    /// Its tenant's session; `None` where it has none of its own or is masked.
    session: Option<Session>,
    id: RecordId,
    /// The record that what encloses this account has, as the sender states it.
    parent: Option<RecordId>,
    /// Unix nanoseconds of its begin and its end.
    lasted: Option<(u64, u64)>,
    keys: Vec<CallKey>,
    output_tokens: Option<i64>,
    failed: bool,
    fullness: u8,
    /// Which of two accounts that say as much comes first: a span's id.
    order: [u8; 8],
    /// In its batch: the account that is to be sealed as the action.
    first: Option<(RecordId, Reason)>,
    /// In its batch: further accounts of the same call, whose keys and places count when the chain is searched.
    others: Vec<Other>,
}

/// What is known of a further account of the same batch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Other {
    id: RecordId,
    parent: Option<RecordId>,
    keys: Vec<CallKey>,
    reason: Reason,
}

impl Call {
    /// The account that an event gives of a call; `None` where it tells of none, and at a gateway, whose
    /// line is always a record of its own.
    pub(super) fn of(
        event: &Event<'_>,
        names: &Names<'_>,
        tenant: &Tenant,
        (id, parent): (RecordId, Option<RecordId>),
        kept: &[(&'static str, String)],
    ) -> Option<Box<Self>> {
        let (kind, thing) = match &event.action {
            Action::Generate { .. } => (Kind::Generate, names.model.as_deref()),
            Action::Embed { .. } => (Kind::Embed, names.model.as_deref()),
            Action::Tool { .. } => (Kind::Tool, Some(names.tool.as_ref())),
            Action::Retrieve { .. } => (Kind::Retrieve, Some(names.tool.as_ref())),
            Action::Access { .. } => (Kind::Access, Some(names.tool.as_ref())),
            _ => return None,
        };
        let scope = event.facts.iter().find_map(|(key, fact)| match fact {
            Fact::Label(scope) if *key == line::SCOPE => Some(scope.as_ref()),
            _ => None,
        });
        let form = match event.origin {
            Origin::Span { .. } => Form::Span,
            Origin::Log { .. } => Form::Log,
            Origin::Keyed(_) => Form::Keyed,
        };
        let done = event.facts.iter().find_map(|(key, fact)| match fact {
            Fact::Label(done) if line::DONE.contains(key) => Some(done.as_ref()),
            _ => None,
        });
        let thing = thing.and_then(|thing| line::thing(kind, thing, done));
        Some(Box::new(Self {
            kind,
            voice: line::voice(event.source.adapter, event.source.dialect, scope, form),
            id,
            parent: parent.filter(|parent| *parent != id),
            lasted: lasted(event.started, event.ended),
            form,
            session: Session::of(tenant, &names.session),
            keys: key::of_event(event, kind, tenant, kept),
            output_tokens: event.usage.output_tokens.filter(|tokens| *tokens >= 0),
            failed: matches!(event.outcome.status, Status::Error | Status::Denied),
            fullness: fullness(event, thing.is_some()),
            thing,
            order: match event.origin {
                Origin::Span { span, .. } => span,
                _ => first_half(id),
            },
            first: None,
            others: Vec::new(),
        }))
    }

    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What the account's own line is found by, beside its id: its calls' ids, and what encloses it.
    pub fn index_keys(&self) -> impl Iterator<Item = u64> + '_ {
        let place = self.lasted.and_then(|(from, _)| self.place(self.form, from));
        self.keys.iter().map(CallKey::index_key).chain(self.parent.map(key::enclosed_by)).chain(place)
    }

    /// The keys of the index under which accounts stand that were told in another form and began about when this
    /// one did, in its session.
    #[must_use]
    pub fn about_then(&self) -> Vec<u64> {
        let Some((from, _)) = self.lasted else { return Vec::new() };
        let around = [from.saturating_sub(key::ABOUT), from.saturating_add(key::ABOUT)];
        let others = [Form::Span, Form::Log, Form::Keyed].into_iter().filter(|form| *form != self.form);
        let mut keys: Vec<u64> =
            others.flat_map(|form| around.into_iter().filter_map(move |at| self.place(form, at))).collect();
        keys.dedup();
        keys
    }

    fn place(&self, form: Form, at: u64) -> Option<u64> {
        Some(self.session.as_ref()?.place(self.kind, form, at))
    }

    /// The account of its batch that is sealed as the action, and why this is the same call.
    #[must_use]
    pub fn first(&self) -> Option<(RecordId, Reason)> {
        self.first
    }

    /// The keys under which the chain is searched for an account of the same call, strongest first, with the
    /// reason that each would give.
    #[must_use]
    pub fn searched(&self) -> Vec<(CallKey, Reason)> {
        let others = self.others.iter().flat_map(|other| &other.keys);
        let mut keys: Vec<CallKey> = self.keys.iter().chain(others).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(|key| (key, key.kind.reason())).collect()
    }

    /// The ids of this account and of those of its batch that tell of the same call.
    pub fn told_by(&self) -> impl Iterator<Item = RecordId> + '_ {
        std::iter::once(self.id).chain(self.others.iter().map(|other| other.id))
    }

    /// `data.call_keys`, with a comma behind it.
    pub(super) fn write_keys(&self, line: &mut Vec<u8>) {
        if self.keys.is_empty() {
            return;
        }
        members::key(line, KEYS);
        for (at, key) in self.keys.iter().enumerate() {
            line.extend_from_slice(if at == 0 { b"[\"" } else { b",\"" });
            key.write(line);
            line.push(b'"');
        }
        line.extend_from_slice(b"],");
    }

    /// The id by which this call is known not to be the one that a sealed account tells of, although both have one
    /// origin.
    pub(super) fn is_another_than(&self, sealed: &Self) -> Option<CallKey> {
        let of_call = |call: &Self| call.keys.iter().copied().find(|key| key.kind == KeyKind::Call);
        let (ours, theirs) = (of_call(self)?, of_call(sealed)?);
        (ours != theirs).then_some(ours)
    }

    pub(super) fn rename(&mut self, id: RecordId) {
        self.id = id;
    }

    /// The other accounts of its batch that tell of the same call, and why they do.
    pub fn others(&self) -> impl Iterator<Item = (RecordId, Reason)> + '_ {
        self.others.iter().map(|other| (other.id, other.reason))
    }

    /// Whether it names a model or a tool.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.thing.is_some()
    }

    /// What encloses this account, as the sender states it.
    #[must_use]
    pub fn parent(&self) -> Option<RecordId> {
        self.parent
    }

    /// Whether `key` is one of this account's.
    #[must_use]
    pub fn has_key(&self, key: CallKey) -> bool {
        self.keys.contains(&key)
    }

    /// Bytes of memory beside the struct.
    #[must_use]
    pub fn weight(&self) -> usize {
        let keys = self.keys.len() + self.others.iter().map(|other| other.keys.len()).sum::<usize>();
        size_of::<Self>()
            + self.thing.as_ref().map_or(0, String::len)
            + self.session.as_ref().map_or(0, Session::weight)
            + keys * size_of::<CallKey>()
            + self.others.len() * size_of::<Other>()
    }
}

impl Call {
    /// Of some accounts of one call those that enclose this one, or that this one encloses.
    #[must_use]
    pub fn lineage(&self, accounts: &[&Self]) -> HashSet<RecordId> {
        let of_others = self.others.iter().map(|other| (other.id, other.parent));
        let places: HashMap<RecordId, Option<RecordId>> =
            accounts.iter().map(|account| (account.id, account.parent)).chain(of_others).collect();
        let up = |id: &RecordId| places.get(id).copied().flatten();
        // As many steps as there are places, in case they go in a circle.
        let ancestors = std::iter::successors(self.parent, up).take(places.len() + 1);
        let mut lineage: HashSet<RecordId> = ancestors.collect();
        let is_below = |id: RecordId| {
            std::iter::successors(up(&id), up).take(places.len()).any(|above| above == self.id)
        };
        lineage.extend(places.keys().copied().filter(|id| is_below(*id)));
        lineage
    }
}

/// The key of the index under which the corroborations of an action stand.
#[must_use]
pub fn told_of(action: RecordId) -> u64 {
    key::told_of(action)
}

/// The key of the index under which accounts stand that are enclosed by the record `parent`.
#[must_use]
pub fn enclosed_by(parent: RecordId) -> u64 {
    key::enclosed_by(parent)
}

fn first_half(id: RecordId) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&id.bytes()[..8]);
    half
}

fn lasted(started: Option<u64>, ended: Option<u64>) -> Option<(u64, u64)> {
    match (started, ended) {
        (Some(from), Some(to)) => Some((from.min(to), to.max(from))),
        (Some(at), None) | (None, Some(at)) => Some((at, at)),
        (None, None) => None,
    }
}

/// How much an account says, in the order of what counts: content, its own name of tool or model, usage, the
/// text of an error.
fn fullness(event: &Event<'_>, is_named: bool) -> u8 {
    let has = |content: &Content<'_>| *content != Content::Undisclosed;
    let usage = &event.usage;
    let counts = [usage.input_tokens, usage.output_tokens, usage.total_tokens];
    u8::from(has(&event.input) || has(&event.outcome.result)) << 3
        | u8::from(is_named) << 2
        | u8::from(counts.iter().any(Option::is_some)) << 1
        | u8::from(event.outcome.error_text.is_some())
}

#[cfg(test)]
mod tests;
