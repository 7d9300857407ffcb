//! What is held, in memory. Knows no file and no clock.

use super::line::Line;
use super::place::around;
use super::shares::Shares;
use super::{Item, SenderDigest, Settings};
use crate::pipeline::items::Held;
use crate::recent::RecentMap;
use halod_chain::traces::TraceTenants;
use halod_record::fragment::{Fragment, Kind};
use halod_record::hash;
use halod_record::parts::{Context, Message, says_something};
use halod_record::tenant::Tenant;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How long an action that is whole waits for what it is within, in milliseconds: senders tell of a
/// trace first or shortly after, and some never do.
const WITHIN_WAIT: u64 = 10_000;

/// Messages of one action beyond which it is sealed as it is: honest senders tell it in two or three.
const MESSAGES: usize = 64;

/// Actions and wholes that are remembered beside what is held: of the last so many at least, and at most
/// twice as many. What is forgotten is still recognised where it is sealed.
const REMEMBERED: usize = 50_000;

/// Which action: of the tenant that it was put under, else of the identity by which it came, its space and its id. So
/// nobody's messages are laid to those of another sender's, whose tenants may be others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 16]);

impl Key {
    fn of(tenant: Option<&Tenant>, account: Option<&str>, space: &str, id: &[impl AsRef<str>]) -> Self {
        let mut bytes = Vec::new();
        let mut part = |text: &str| {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        part(match tenant {
            None => "?",
            Some(Tenant::Local) => "",
            Some(Tenant::Subject(_)) => "=",
        });
        let account = account.filter(|_| tenant.is_none());
        part(tenant.and_then(Tenant::subject).or(account).unwrap_or_default());
        part(space);
        id.iter().for_each(|text| part(text.as_ref()));
        let digest = hash::sha256(&bytes);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hash::hex_text(&self.0))
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        hash::parse_hex(text.as_bytes()).map(Self).ok_or(())
    }
}

/// An action that is to be sealed now.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    pub(super) key: Key,
    /// The last of its messages, by [`Kept::seq`].
    pub(super) last: u64,
    pub tenant: Tenant,
    /// Whose it is by its own words, where these count.
    pub claim: Option<Tenant>,
    pub messages: Vec<Message>,
    pub context: Context,
    pub unfinished: bool,
}

#[derive(Debug)]
struct Kept {
    message: Message,
    seq: u64,
    /// When it came, in Unix milliseconds.
    at: u64,
    logged: bool,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// Whose it is, where the sender's credentials tell.
    pub(super) tenant: Option<Tenant>,
    pub(super) sender: Option<SenderDigest>,
    messages: Vec<Kept>,
    pub(super) within: Option<Key>,
    due: u64,
    /// Whose share of the hold it takes.
    owner: Key,
    /// Its bytes while it is not due; none once it is.
    resting: usize,
}

/// What is known of something that others are within.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    context: Context,
    pub(super) claim: Option<String>,
    /// Whose its parts are, once the first was sealed: they stay together.
    pub(super) placed: Option<Tenant>,
    /// It was told, not only named.
    known: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    settings: Settings,
    /// What spans say of their traces.
    pub(super) traces: Arc<TraceTenants>,
    entries: HashMap<Key, Entry>,
    /// When each entry that is not being sealed is to be.
    due: BTreeSet<(u64, Key)>,
    /// The entries that are not due yet, by whose they are.
    shares: Shares,
    /// Entries that are whole but for what they are within, behind that. An entry is here at most once,
    /// and as long as it is held.
    waiting: BTreeSet<(Key, Key)>,
    pub(super) groups: RecentMap<Key, Group>,
    sealed: RecentMap<Key, Tenant>,
    bytes: usize,
    seq: u64,
    /// What became of the messages that were put since this was asked for.
    took: Held,
}

impl Table {
    pub(super) fn new(settings: Settings, traces: Arc<TraceTenants>) -> Self {
        Self {
            settings,
            traces,
            entries: HashMap::new(),
            due: BTreeSet::new(),
            shares: Shares::default(),
            waiting: BTreeSet::new(),
            groups: RecentMap::new(REMEMBERED),
            sealed: RecentMap::new(REMEMBERED),
            bytes: 0,
            seq: 0,
            took: Held::default(),
        }
    }

    /// What became of the messages that were put since the last call.
    pub(super) fn took(&mut self) -> Held {
        std::mem::take(&mut self.took)
    }

    /// How many messages are held, by their space.
    pub(super) fn messages(&self) -> HashMap<&'static str, u64> {
        let mut messages = HashMap::new();
        for kept in self.entries.values().flat_map(|entry| &entry.messages) {
            *messages.entry(kept.message.fragment().space).or_default() += 1;
        }
        messages
    }

    /// Entries that wait for what they are within.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of messages, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is no room left for these although the oldest are being sealed. Who holds less than an even
    /// share is refused last.
    pub(super) fn is_full_for(&self, items: &[Item]) -> bool {
        let limit = self.settings.bytes;
        let over = |item: &Item| {
            let fragment = item.message.fragment();
            let within = fragment.within.as_deref();
            let within = within
                .map(|id| Key::of(item.tenant.as_ref(), fragment.account.as_deref(), fragment.space, id));
            self.shares.is_over(self.owner(item.tenant.as_ref(), &item.message, within), limit)
        };
        self.bytes > limit.saturating_mul(3) || self.bytes > limit.saturating_mul(2) && items.iter().any(over)
    }

    /// Whose share of the hold a message takes: its tenant's, or that of whom it or its whole claims.
    fn owner(&self, tenant: Option<&Tenant>, message: &Message, within: Option<Key>) -> Key {
        let of_whole = || self.groups.get(&within?)?.claim.as_deref();
        let claim = message.fragment().tenant.as_deref().or_else(of_whole);
        Key::of(tenant, None, "", &[claim.filter(|_| tenant.is_none()).unwrap_or_default()])
    }

    /// An action that is not due at `now` counts as its owner's, to be sealed early if that one fills the hold.
    fn rest(&mut self, key: Key, now: u64) {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.due > now) else { return };
        entry.resting = entry.bytes();
        self.shares.rest(entry.owner, (entry.due, key), entry.resting);
    }

    fn wake(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.resting > 0) {
            self.shares.wake(entry.owner, (entry.due, key), std::mem::take(&mut entry.resting));
        }
    }

    /// Takes the messages of one request at `now`. Returns what is whole, and writes what has to be on
    /// disk before the request is answered to `lines`.
    pub(super) fn put(&mut self, items: Vec<Item>, now: u64, lines: &mut Vec<u8>) -> Vec<Due> {
        let mut touched = Vec::new();
        for item in items {
            self.add(item, now, &mut touched);
        }
        touched.sort_unstable();
        touched.dedup();
        let mut ready = Vec::new();
        for key in touched {
            if self.is_ready(key) {
                ready.extend(self.take(key, lines));
            } else {
                self.log(key, lines);
                self.schedule(key, now);
            }
        }
        self.make_room(now);
        ready
    }

    fn add(&mut self, item: Item, now: u64, touched: &mut Vec<Key>) {
        let Item { tenant, sender, message } = item;
        let fragment = message.fragment();
        let key_of = |id: &[_]| Key::of(tenant.as_ref(), fragment.account.as_deref(), fragment.space, id);
        let key = key_of(&fragment.id);
        if is_of_whole(fragment) {
            self.tell_group(key, fragment, touched);
        }
        if !says_something(fragment) && !fragment.opens || is_bare_trace(fragment) {
            self.took.empty += 1;
            return;
        }
        let within = fragment.within.as_deref().map(key_of);
        match self.keep(key, (tenant, sender), within, message, now, false) {
            true => self.took.kept += 1,
            false => self.took.again += 1,
        }
        touched.push(key);
    }

    /// What a whole says for its parts.
    fn tell_group(&mut self, key: Key, fragment: &Fragment<'static>, touched: &mut Vec<Key>) {
        let group = self.groups.entry(key);
        // The end of a run may come before its begin, which says more.
        group.known |= fragment.opens || fragment.kind == Some(Kind::Trace);
        let over = |earlier: &mut Option<_>, later: &Option<_>| {
            if later.is_some() {
                earlier.clone_from(later);
            }
        };
        over(&mut group.context.session, &fragment.session);
        over(&mut group.context.principal, &fragment.principal);
        if let Some(claim) = &fragment.tenant {
            group.claim = Some(claim.clone().into_owned());
        }
        if !group.known {
            return;
        }
        let all = (key, Key([0; 16]))..=(key, Key([0xff; 16]));
        let told: Vec<_> = self.waiting.range(all).copied().collect();
        for waiting in told {
            self.waiting.remove(&waiting);
            touched.push(waiting.1);
        }
    }

    /// Whether the message is another than those that are held.
    fn keep(
        &mut self,
        key: Key,
        (tenant, sender): (Option<Tenant>, Option<SenderDigest>),
        within: Option<Key>,
        message: Message,
        at: u64,
        logged: bool,
    ) -> bool {
        let owner = self.owner(tenant.as_ref(), &message, within);
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            tenant,
            sender: None,
            messages: Vec::new(),
            within: None,
            due: 0,
            owner,
            resting: 0,
        });
        entry.within = entry.within.or(within);
        entry.sender = entry.sender.or(sender);
        if entry.messages.iter().any(|kept| kept.message.mark() == message.mark()) {
            return false;
        }
        // The first message of an entry pays for the entry, and for what finds it.
        let found_by = size_of::<(Key, Entry)>() + 2 * size_of::<(u64, Key)>() + size_of::<(Key, Key)>();
        let first = if entry.messages.is_empty() { found_by } else { 0 };
        let bytes = message.weight() + size_of::<Kept>() + first;
        self.bytes += bytes;
        self.shares.hold(entry.owner, bytes);
        self.seq += 1;
        entry.messages.push(Kept { message, seq: self.seq, at, logged, bytes });
        true
    }

    /// Whether an action can be sealed.
    fn is_ready(&self, key: Key) -> bool {
        let Some(entry) = self.entries.get(&key).filter(|entry| !entry.messages.is_empty()) else {
            return false;
        };
        self.sealed.get(&key).is_some()
            || entry.messages.len() > MESSAGES
            || entry.is_whole() && self.knows_what_it_is_within(entry) && !self.waits_for_spans(entry)
    }

    fn knows_what_it_is_within(&self, entry: &Entry) -> bool {
        entry.within.is_none_or(|group| self.groups.get(&group).is_some_and(|group| group.known))
    }

    /// Takes an action out for sealing; it stays here until it is.
    fn take(&mut self, key: Key, lines: &mut Vec<u8>) -> Option<Due> {
        self.wake(key);
        let entry = self.entries.get(&key)?;
        self.due.remove(&(entry.due, key));
        let last = entry.messages.last()?.seq;
        let messages: Vec<Message> = entry.messages.iter().map(|kept| kept.message.clone()).collect();
        let group = entry.within.or(entry.is_trace().then_some(key));
        let context = entry.within.and_then(|group| self.groups.get(&group));
        let of_spans = entry.trace_of_spans().and_then(|trace| self.said_by_spans(entry, trace));
        let context =
            context.map(|group| group.context.clone()).unwrap_or_else(|| around(of_spans.as_deref()));
        let unfinished = !entry.messages.iter().any(|kept| kept.message.fragment().closes);
        // What a whole claims it claims for its parts: it goes where they went.
        let claim = |message: &Message| message.fragment().tenant.clone();
        let claim = messages.iter().rev().find_map(claim);
        let own = claim.clone().filter(|_| group != Some(key));
        let claim = claim.filter(|_| entry.tenant.is_none()).and_then(|claim| Tenant::claimed(&claim).ok());
        let tenant = match (&entry.tenant, self.sealed.get(&key)) {
            (Some(tenant), _) | (None, Some(tenant)) => tenant.clone(),
            (None, None) => self.place(group, own.as_deref(), of_spans.as_deref(), lines),
        };
        Some(Due { key, last, tenant, claim, messages, context, unfinished })
    }

    /// Writes what is not on disk of an action.
    fn log(&mut self, key: Key, lines: &mut Vec<u8>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        for kept in entry.messages.iter_mut().filter(|kept| !kept.logged) {
            kept.logged = true;
            let (tenant, message) = (entry.tenant.clone(), Box::new(kept.message.clone()));
            Line::Message { at: kept.at, tenant, sender: entry.sender, message }.write(lines);
        }
    }

    fn schedule(&mut self, key: Key, now: u64) {
        self.wake(key);
        let wait = u64::try_from(self.settings.wait.as_millis()).unwrap_or(u64::MAX);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some((first, last)) = entry.messages.first().zip(entry.messages.last()) else { return };
        let since = if entry.is_trace() { last.at } else { first.at };
        // A clock that was set back must not hold anything for longer.
        let mut due = since.min(now).saturating_add(wait);
        if entry.is_whole() {
            due = due.min(now.saturating_add(WITHIN_WAIT));
            if let Some(group) = entry.within {
                self.waiting.insert((group, key));
            }
        }
        self.due.remove(&(entry.due, key));
        entry.due = due;
        self.due.insert((due, key));
        self.rest(key, now);
    }

    /// Makes the oldest of whoever fills the hold due, while too much rests in it.
    fn make_room(&mut self, now: u64) {
        while self.shares.resting() > self.settings.bytes
            && let Some((due, key)) = self.shares.oldest_of_largest()
        {
            self.wake(key);
            self.due.remove(&(due, key));
            let due = due.min(now);
            self.due.insert((due, key));
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.due = due;
            }
        }
    }

    /// What is due at `now`, about `bytes` of it.
    pub(super) fn overdue(&mut self, now: u64, bytes: usize, lines: &mut Vec<u8>) -> Vec<Due> {
        let mut due = Vec::new();
        let mut taken = 0;
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now && taken < bytes) {
            self.due.remove(&(at, key));
            taken += self.entries.get(&key).map_or(0, Entry::bytes);
            due.extend(self.take(key, lines));
        }
        due
    }

    /// The messages of an action up to `last` are sealed, or are to be held on. Returns how many are not held any
    /// more, and of which space.
    pub(super) fn settle(
        &mut self,
        due: &(Key, u64),
        sealed: bool,
        now: u64,
        lines: &mut Vec<u8>,
    ) -> Option<(&'static str, u64)> {
        let (key, last) = *due;
        self.wake(key);
        let entry = self.entries.get_mut(&key)?;
        let (space, held) = (entry.messages.first()?.message.fragment().space, entry.messages.len());
        if sealed {
            let done = entry.messages.iter().filter(|kept| kept.seq <= last);
            let (logged, bytes) = done
                .fold((0, 0), |(logged, bytes), kept| (logged + u64::from(kept.logged), bytes + kept.bytes));
            entry.messages.retain(|kept| kept.seq > last);
            self.bytes -= bytes;
            self.shares.release(entry.owner, bytes);
            if logged > 0 {
                Line::Done { key, messages: logged }.write(lines);
            }
        }
        let left = (held - entry.messages.len()) as u64;
        let at = (entry.due, key);
        if entry.messages.is_empty() {
            let within = entry.within;
            self.entries.remove(&key);
            self.due.remove(&at);
            within.map(|group| self.waiting.remove(&(group, key)));
        } else {
            // Refused, or told meanwhile.
            self.due.remove(&at);
            entry.due = now;
            self.due.insert((now, key));
        }
        Some((space, left))
    }

    /// The action's record is in this tenant's chain: what more is said of it is said late.
    pub(super) fn remember(&mut self, key: Key, tenant: Tenant) {
        self.sealed.insert(key, tenant);
    }

    /// Takes a line of the log as it was written.
    pub(super) fn replay(&mut self, line: Line) {
        match line {
            Line::Message { at, tenant, sender, message } => {
                let fragment = message.fragment();
                let key_of =
                    |id: &[_]| Key::of(tenant.as_ref(), fragment.account.as_deref(), fragment.space, id);
                let (key, within) = (key_of(&fragment.id), fragment.within.as_deref().map(key_of));
                if is_of_whole(fragment) {
                    self.tell_group(key, fragment, &mut Vec::new());
                }
                let _ = self.keep(key, (tenant, sender), within, *message, at, true);
                self.schedule(key, at);
            }
            Line::Done { key, messages } => {
                let Some(entry) = self.entries.get(&key) else { return };
                let count = usize::try_from(messages).unwrap_or(usize::MAX).min(entry.messages.len());
                if let Some(last) = count.checked_sub(1).and_then(|at| entry.messages.get(at)) {
                    self.settle(&(key, last.seq), true, entry.due, &mut Vec::new());
                }
            }
            Line::Placed { key, tenant } => self.groups.entry(key).placed = Some(tenant),
            Line::Inner { .. } => {}
            Line::Context { key, context, claim } => {
                let group = self.groups.entry(key);
                (group.context, group.claim, group.known) = (context, claim, true);
            }
        }
    }

    /// Everything that must survive, as a new log.
    pub(super) fn snapshot(&self, lines: &mut Vec<u8>) {
        for (key, group) in self.groups.iter() {
            if group.known {
                let (context, claim) = (group.context.clone(), group.claim.clone());
                Line::Context { key: *key, context, claim }.write(lines);
            }
            if let Some(tenant) = &group.placed {
                Line::Placed { key: *key, tenant: tenant.clone() }.write(lines);
            }
        }
        for entry in self.entries.values() {
            for kept in entry.messages.iter().filter(|kept| kept.logged) {
                let (tenant, message) = (entry.tenant.clone(), Box::new(kept.message.clone()));
                Line::Message { at: kept.at, tenant, sender: entry.sender, message }.write(lines);
            }
        }
    }
}

impl Entry {
    pub(super) fn fragments(&self) -> impl DoubleEndedIterator<Item = &Fragment<'static>> {
        self.messages.iter().map(|kept| kept.message.fragment())
    }

    fn is_whole(&self) -> bool {
        let any = |says: fn(&Fragment<'static>) -> bool| {
            self.messages.iter().any(|kept| says(kept.message.fragment()))
        };
        !self.is_trace() && any(|fragment| fragment.opens) && any(|fragment| fragment.closes)
    }

    fn is_trace(&self) -> bool {
        self.messages.iter().any(|kept| kept.message.fragment().kind == Some(Kind::Trace))
    }

    fn bytes(&self) -> usize {
        self.messages.iter().map(|kept| kept.bytes).sum()
    }
}

/// Whether it tells of a whole: of something that others are within.
fn is_of_whole(fragment: &Fragment<'_>) -> bool {
    fragment.kind == Some(Kind::Trace) || fragment.within.as_ref() == Some(&fragment.id)
}

/// A sender tells of its trace again and again, only to say that it is there.
fn is_bare_trace(fragment: &Fragment<'_>) -> bool {
    fragment.kind == Some(Kind::Trace) && !says_something(fragment)
}
