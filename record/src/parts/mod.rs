//! Actions that are told in several messages: what is kept of a message until the others come, and the
//! record of them all.
//!
//! A record says in `data.told` which messages it was made of, each by a digest of all that it said. So
//! a message that comes again, alone or with others, is known to be in the record; one that is not
//! becomes a record of its own, `agent.update`, linked to the first. Neither needs memory.

mod reduce;
mod wire;

use super::build::{Builder, Masked};
use super::charge;
use super::draft::{Draft, Scratch};
use super::hash;
use super::hash_only::{LOCAL, Of};
use super::ids::RecordId;
use super::tenant::Tenant;
use super::vocabulary::Words;
use crate::event::{Action, Content, Fact, Status};
use crate::fragment::{Fragment, Kind, trace_of};
use std::borrow::Cow;

/// Tells one message from every other one of its action, as it stands in `data.told`: 16 letters, which
/// no rule of redaction can take for a number or a key.
pub type Mark = [u8; 16];

/// What is kept of one message: nothing that a record could not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    fragment: Fragment<'static>,
    mark: Mark,
}

impl Message {
    fn new(fragment: Fragment<'static>) -> Self {
        let mark = letters(&hash::sha256(&wire::said(&fragment)));
        Self { fragment, mark }
    }

    #[must_use]
    pub fn fragment(&self) -> &Fragment<'static> {
        &self.fragment
    }

    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + wire::weight(&self.fragment)
    }

    /// As JSON on one line, without a line feed.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        wire::write(&self.fragment)
    }

    /// Reads what [`Self::write`] writes; `None` for anything else.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        wire::read(line).map(Self::new)
    }
}

/// What the whole that an action is a part of says for it as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pub session: Option<Cow<'static, str>>,
    pub principal: Option<Cow<'static, str>>,
}

/// The messages of one action, and what is known of it beside them.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'m> {
    /// At least one; in any order.
    pub messages: &'m [Message],
    pub context: &'m Context,
    /// It did not close within its hold.
    pub unfinished: bool,
}

impl Builder {
    /// What is kept of a message: contents as what a record says of them, names masked.
    #[must_use]
    pub fn reduce(&self, fragment: Fragment<'_>, scratch: &mut Scratch) -> Message {
        let _passing = charge::passing();
        Message::new(reduce::fragment(self, fragment, scratch))
    }

    /// The draft of an action that was told in several messages. Where it is sealed already, it comes to
    /// the messages that its record does not know.
    #[must_use]
    pub fn whole(&self, whole: Whole<'_>, tenant: &Tenant, scratch: &mut Scratch) -> Option<Draft> {
        let mut order: Vec<&Message> = whole.messages.iter().collect();
        order.sort_by_key(|message| (!message.fragment.opens, message.fragment.said, message.mark));
        let mut parts = order.iter();
        let mut all = parts.next()?.fragment.clone();
        parts.for_each(|message| all.lay(message.fragment.clone()));
        let id = RecordId::of_key(tenant, all.space, &all.id);
        let mut found = std::mem::take(&mut all.found);
        let kept = std::mem::take(&mut all.kept);
        let covered = self.covers_of(&all, false, tenant);
        let trace = matches!(all.kind, Some(Kind::Trace));
        let open = all.is_open();
        let account = all.account.take();
        let mut event = all.event();
        found.retain(|(field, _)| is_datum(field, &event.action));
        let within = || whole.context.session.clone().or_else(|| trace_of(&event));
        event.session = event.session.clone().or_else(within);
        event.principal = event.principal.or_else(|| whole.context.principal.clone());
        let marks = order.iter().map(|message| text(&self.mark(message)).into()).collect();
        event.facts.push(("told", Fact::Labels(marks)));
        if whole.unfinished && !trace {
            event.facts.push(("unfinished", Fact::Flag(true)));
            if open {
                event.outcome.status = Status::Unfinished;
            }
        }
        let masked = Masked { found: &found, kept: &kept, covered: Some(covered) };
        let mut draft =
            scratch.of_account(account, |scratch| self.draft_with(&event, tenant, masked, scratch));
        let mut update = |message: &Message| self.update(message, (id, covered), tenant, scratch);
        let parts = order.iter().map(|message| (self.mark(message), update(message)));
        draft.made_of(parts.collect());
        Some(draft)
    }

    /// A message's mark in records, where hashes of content may be keyed.
    fn mark(&self, message: &Message) -> Mark {
        if self.is_keyed() { letters(&self.secret(hash::sha256(&message.mark))) } else { message.mark }
    }

    /// Whether the content of an action of which this is known is kept as hashes alone. One whose name nobody said yet may be any:
    /// its record may be sealed under it. So may the agent of what is told of one `apart` from its record.
    fn covers_of(&self, fragment: &Fragment<'_>, apart: bool, tenant: &Tenant) -> bool {
        let action = fragment.action();
        let words = Words::of(&action);
        let agents = [fragment.agent.name.as_deref(), fragment.agent.id.as_deref()];
        let of_kind =
            matches!(fragment.kind, Some(Kind::Generate | Kind::Embed | Kind::Boundary(_) | Kind::Trace));
        self.covers(&Of {
            tools: [Some(&words.tool), fragment.name.as_deref()],
            tool_unsaid: fragment.name.is_none() && !of_kind,
            agents,
            agent_unsaid: apart && agents == [None, None],
            tenant: tenant.subject().unwrap_or(LOCAL),
        })
    }

    /// One message as a record of its own: what it says of an action whose record is sealed, and of which only
    /// hashes may be kept.
    fn update(
        &self,
        message: &Message,
        (of, covered): (RecordId, bool),
        tenant: &Tenant,
        scratch: &mut Scratch,
    ) -> Draft {
        let covered = covered || self.covers_of(&message.fragment, true, tenant);
        let mut fragment = message.fragment.clone();
        let mut found = std::mem::take(&mut fragment.found);
        fragment.parent = Some(fragment.id.clone());
        fragment.id.push("update".into());
        fragment.id.push(text(&self.mark(message)).into());
        let model = fragment.model.clone();
        let name = fragment.name.take();
        let closes = fragment.closes;
        let account = fragment.account.take();
        let mut event = fragment.event();
        event.action = Action::Boundary { verb: "update" };
        found.retain(|(field, _)| is_datum(field, &event.action));
        event.session = event.session.clone().or_else(|| trace_of(&event));
        event.facts.push(("amends", Fact::Id(of.to_string().into())));
        event.facts.extend(name.map(|name| ("name", Fact::Label(name))));
        event.facts.extend(model.map(|model| ("model", Fact::Id(model))));
        if closes {
            event.facts.push(("closes", Fact::Flag(true)));
        }
        let masked = Masked { found: &found, kept: &[], covered: Some(covered) };
        scratch.of_account(account, |scratch| self.draft_with(&event, tenant, masked, scratch))
    }
}

/// Whether a field goes into `data` of a record of such an action: only there it is looked into.
fn is_datum(field: &str, action: &Action<'_>) -> bool {
    match field {
        "name" => matches!(action, Action::Boundary { .. }),
        "call_id" => matches!(action, Action::Tool { .. }),
        _ => true,
    }
}

/// The first 64 bits of a digest, in letters.
fn letters(digest: &[u8; 32]) -> Mark {
    let mut mark = [b'a'; 16];
    for (at, byte) in digest.iter().take(8).enumerate() {
        mark[2 * at] = b'a' + (byte >> 4);
        mark[2 * at + 1] = b'a' + (byte & 15);
    }
    mark
}

fn text(mark: &Mark) -> String {
    String::from_utf8_lossy(mark).into_owned()
}

/// Whether a fragment says anything at all beside whose it is.
#[must_use]
pub fn says_something(fragment: &Fragment<'_>) -> bool {
    let contents = [&fragment.input, &fragment.result, &fragment.error];
    let texts = [
        &fragment.agent.name,
        &fragment.name,
        &fragment.session,
        &fragment.principal,
        &fragment.tenant,
        &fragment.model,
    ];
    contents.iter().any(|content| **content != Content::Undisclosed)
        || texts.iter().any(|text| text.is_some())
        || fragment.closes
        || fragment.ended.is_some()
        || fragment.status.is_some()
        || fragment.facts.iter().any(|(key, _)| *key != "trace_id")
}

#[cfg(test)]
mod tests;
