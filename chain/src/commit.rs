//! The commit: drafts in, records linked and durable out.

use super::error::{ChainError, ChainUnusable};
use super::joins::{Joined, MOST};
use super::parents::Section;
use super::place::Group;
use super::placed::Placed;
use super::segment::Section as Cut;
use super::store::{Readiness, Store, journal_damaged, positions};
use super::tail::Locked;
use halod_record::call::role::Role;
use halod_record::call::{Call, Reason, SealedCall, told_of};
use halod_record::draft::{Comparison, Draft, HexHash};
use halod_record::ids::RecordId;
use halod_record::notice::{About, Notice};
use halod_record::redact::Severity;
use halod_record::tenant::Tenant;
use halod_record::time;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one request wants sealed, and what became of it.
#[derive(Debug, Default)]
pub struct Work {
    /// Taken by the commit; what is left after it waits, see [`Self::waits_for`].
    pub drafts: Vec<Draft>,
    /// What the drafts that are left wait for.
    pub waits_for: Option<WaitsFor>,
    /// Whether the rate at which chains may begin holds for it.
    pub limited: bool,
    /// Whether only what was sealed before is looked for. What was not is dropped, see [`Self::dropped`].
    pub nothing_new: bool,
    pub sealed: u32,
    /// Bytes of the drafts that were sealed.
    pub bytes: u64,
    pub duplicate: u32,
    /// How many of the sealed contradict an earlier record of the same origin.
    pub conflict: u32,
    /// How many of the duplicates are in another chain than they were asked for in.
    pub elsewhere: u32,
    /// Why some drafts could not be sealed and should be sent again.
    pub failed: Option<Arc<ChainUnusable>>,
    /// Whether some drafts are to be sent again because they are new.
    pub dropped: bool,
    /// Filled where it is there: most requests don't ask.
    pub detail: Option<Box<Detail>>,
}

/// Why a chain can't be had yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Another process has its lock.
    Lock,
    /// It is being read: see [`Store::read_on`].
    Reading,
}

/// What became of each draft of a request, and where that leaves the chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The drafts of one id in the order of the request.
    pub fates: Vec<Told>,
    /// Of every chain that the request touched, also where it found all of it there.
    pub heads: Vec<Head>,
    /// The records that the drafts came to, in the order in which they were sealed or found; filled where it is there.
    pub placed: Option<Vec<Placed>>,
    /// The same chains, until their heads are known.
    chains: Vec<usize>,
}

impl Detail {
    /// One that is to be filled, with the places of records or without.
    #[must_use]
    pub fn asking(places: bool) -> Self {
        Self { placed: places.then(Vec::new), ..Self::default() }
    }

    /// Another one that asks for the same.
    #[must_use]
    pub fn alike(&self) -> Self {
        Self::asking(self.placed.is_some())
    }

    /// Adds what became of further drafts of the request, later than all that is here.
    pub fn add(&mut self, later: Self) {
        self.fates.extend(later.fates);
        if let (Some(placed), Some(later)) = (&mut self.placed, later.placed) {
            placed.extend(later);
        }
        self.heads.retain(|head| later.heads.iter().all(|newer| newer.tenant != head.tenant));
        self.heads.extend(later.heads);
    }
}

/// What became of one draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The draft's id.
    pub asked: RecordId,
    /// The record that says it: another one than asked for where that one says something else.
    pub record: RecordId,
    pub fate: Fate,
}

/// Where a chain ends once a commit is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub tenant: Tenant,
    /// Of the last record: `integrity.hash`.
    pub hash: HexHash,
    pub records: u64,
}

/// What a commit did. Everything it names is durable.
#[derive(Debug, Default)]
pub struct Committed {
    /// How long the sync took; `None` when nothing had to be written.
    pub synced: Option<Duration>,
    /// The chains that grew: file stem, records in it now.
    pub heads: Vec<(Arc<str>, u64)>,
    /// Warnings for the operator about chains that were looked at.
    pub warnings: Vec<String>,
    /// The kinds of the notices of halod's own that were sealed.
    pub notices: Vec<&'static str>,
    /// Why drafts were sealed as corroborations.
    pub joined: Vec<Reason>,
}

/// How far a chain's last record may be ahead of the clock before that is disclosed, in nanoseconds:
/// clocks of machines that share a chain differ by less.
const CLOCK_TOLERANCE: u64 = 5_000_000_000;

/// When records are sealed.
pub(super) struct Moment {
    /// The time in the records: never earlier than that of the record before them.
    ts: [u8; time::LEN],
    /// The clock's own time, where the clock is behind the chain by more than is tolerated.
    clock: Option<[u8; time::LEN]>,
}

/// A chain's share of the entry being filled.
struct Part {
    chain: usize,
    range: std::ops::Range<usize>,
    records: u64,
    /// What became of the drafts of each work, once the part is written.
    tallies: Vec<(usize, Tally)>,
    /// Until it is written, nobody else extends the chain.
    _lock: Locked,
}

/// How many drafts came off how.
#[derive(Clone, Copy, Default)]
struct Tally {
    sealed: u32,
    duplicate: u32,
    conflict: u32,
    elsewhere: u32,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, fate: Fate, bytes: usize, moved: bool) {
        self.elsewhere += u32::from(moved && fate == Fate::Duplicate);
        self.bytes += if fate == Fate::Duplicate { 0 } else { bytes as u64 };
        self.sealed += u32::from(fate != Fate::Duplicate);
        self.duplicate += u32::from(fate == Fate::Duplicate);
        self.conflict += u32::from(fate == Fate::Conflict);
    }
}

impl Store {
    /// Seals every draft that is not sealed yet. When it returns, what it counts as sealed or
    /// duplicate is linked and durable.
    ///
    /// # Errors
    /// Final: the caller must stop, and a restart recovers.
    pub fn commit(&mut self, works: &mut [Work], now_nanos: u64) -> Result<Committed, ChainError> {
        works.iter_mut().for_each(|work| work.waits_for = None);
        let mut held: Vec<Vec<usize>> = vec![Vec::new(); works.len()];
        let groups = self.group(works, &mut held);
        let mut committed = Committed::default();
        let mut parts = Vec::new();
        let mut wrote = false;
        let mut grown = Vec::new();
        self.entry.clear();
        for group in &groups {
            let mut next = 0;
            while next < group.items.len() {
                if parts.len() >= self.settings.open_chains || self.entry_is_full(0) {
                    wrote |= self.write(&mut parts, works)?;
                }
                match self.ready(group.chain) {
                    Ok(Readiness::Ready(lock)) => {
                        let sealed = self.seal(group, next, works, now_nanos, lock);
                        let Some((part, done)) = self.or_set_aside(group, sealed)? else {
                            let failed = group.items[next..].iter().map(|&(work, _)| work);
                            self.fail(group.chain, works, failed);
                            break;
                        };
                        next = done;
                        if part.records > 0 && grown.last() != Some(&group.chain) {
                            grown.push(group.chain);
                        }
                        parts.push(part);
                        if next < group.items.len() {
                            wrote |= self.write(&mut parts, works)?;
                        }
                    }
                    Ok(Readiness::Waits(waits_for)) => {
                        for &(work, draft) in &group.items[next..] {
                            held[work].push(draft);
                            works[work].waits_for = Some(waits_for);
                        }
                        self.hurry(group.chain);
                        break;
                    }
                    Err(unusable) => {
                        for &(work, _) in &group.items[next..] {
                            works[work].failed = Some(Arc::clone(&unusable));
                        }
                        break;
                    }
                }
            }
        }
        wrote |= self.write(&mut parts, works)?;
        self.settings.traces.flush(std::mem::take(&mut self.placed_by_claim))?;
        if wrote {
            let start = Instant::now();
            self.journal.sync()?;
            committed.synced = Some(start.elapsed());
        }
        self.set_faults_aside()?;
        self.tell_heads(works);
        committed.warnings = std::mem::take(&mut self.warnings);
        committed.notices = std::mem::take(&mut self.notices);
        committed.joined = std::mem::take(&mut self.joined);
        for chain in grown {
            let chain = &self.chains[chain];
            committed.heads.push((Arc::clone(&chain.stem), chain.records));
        }
        self.flush_index()?;
        for (work, mut held) in works.iter_mut().zip(held) {
            held.sort_unstable();
            let mut held = held.into_iter().peekable();
            let mut at = 0;
            work.drafts.retain(|_| {
                at += 1;
                held.next_if_eq(&(at - 1)).is_some()
            });
        }
        Ok(committed)
    }

    /// What is told is on disk: this comes after the sync.
    fn tell_heads(&self, works: &mut [Work]) {
        for detail in works.iter_mut().filter_map(|work| work.detail.as_deref_mut()) {
            for at in std::mem::take(&mut detail.chains) {
                let chain = &self.chains[at];
                let head = Head { tenant: chain.tenant.clone(), hash: chain.head, records: chain.records };
                // A request that waited for another chain's lock may come to this one twice.
                detail.heads.retain(|known| known.tenant != head.tenant);
                detail.heads.push(head);
            }
        }
    }

    pub(super) fn flush_index(&mut self) -> Result<(), ChainError> {
        let chains = &self.chains;
        Ok(self.index.maybe_flush(&mut || positions(chains))?)
    }

    fn entry_is_full(&self, more: usize) -> bool {
        self.entry.bytes.len() + more > self.journal.entry_limit()
    }

    /// Sets a chain aside that could not be sealed to, unless the store itself fails.
    fn or_set_aside<T>(
        &mut self,
        group: &Group,
        sealed: Result<T, ChainError>,
    ) -> Result<Option<T>, ChainError> {
        match sealed {
            Err(ChainError::Chain(why)) if !why.is_of_the_volume() => {
                self.set_chain_aside(group.chain, &why)?;
                Ok(None)
            }
            sealed => sealed.map(Some),
        }
    }

    /// Tells works that some of their drafts are to be sent again, because their chain is set aside.
    fn fail(&self, chain: usize, works: &mut [Work], failed: impl Iterator<Item = usize>) {
        let refused = self.chains[chain].refused.as_ref().map(|refused| Arc::clone(&refused.why));
        for work in failed {
            works[work].failed.clone_from(&refused);
        }
    }

    /// Seals drafts of one locked chain into the entry until it is full. Returns the chain's part
    /// and the index of the first item that had no room.
    ///
    /// # Errors
    /// [`ChainError::Chain`] where the chain can't be read: nothing of it is in the entry then.
    fn seal(
        &mut self,
        group: &Group,
        from: usize,
        works: &mut [Work],
        now_nanos: u64,
        lock: Locked,
    ) -> Result<(Part, usize), ChainError> {
        let at = group.chain;
        let stem = Arc::clone(&self.chains[at].stem);
        self.entry.begin_section(&stem, self.chains[at].len);
        let before = self.chains[at].records;
        // Whole microseconds, as `ts` shows them, so that the next record is compared with what it sees.
        let sealed_at = now_nanos.max(self.chains[at].last_ts).div_ceil(1000).saturating_mul(1000);
        let clock = self.clock_if_behind(at, now_nanos);
        let moment = Moment { ts: time::rfc3339(sealed_at), clock };
        let notices = self.due_notices(at);
        let sealed = self.seal_items(group, from, works, &moment, &notices);
        let (tallies, next) = sealed.inspect_err(|_| {
            self.entry.abandon_section();
            self.chains[at].notices = notices;
        })?;
        let range = self.entry.end_section(&stem);
        let records = self.chains[at].records - before;
        if records > 0 {
            self.chains[at].last_ts = sealed_at;
        }
        Ok((Part { chain: at, range, records, tallies, _lock: lock }, next))
    }

    fn seal_items(
        &mut self,
        group: &Group,
        from: usize,
        works: &mut [Work],
        moment: &Moment,
        notices: &[Draft],
    ) -> Result<(Vec<(usize, Tally)>, usize), ChainError> {
        let at = group.chain;
        let mut section = Section::new(at, self.entry.bytes.len(), moment);
        for notice in notices {
            self.seal_one(&mut section, notice, false)?;
        }
        let mut tallies: Vec<(usize, Tally)> = Vec::new();
        let mut next = from;
        while let Some(&(w, d)) = group.items.get(next) {
            let Work { nothing_new, dropped, ref drafts, .. } = works[w];
            if dropped {
                next += 1;
                continue;
            }
            let draft = &drafts[d];
            if next > from && self.entry_is_full(draft.len()) {
                break;
            }
            let (asked, bytes) = (draft.asked(), draft.len());
            let moved = asked != draft.id();
            let before = section.sealed_count();
            let Some((fate, record)) = self.seal_one(&mut section, draft, nothing_new)? else {
                works[w].dropped = true;
                continue;
            };
            if let Some(detail) = works[w].detail.as_deref_mut() {
                detail.fates.push(Told { asked, record, fate });
                if let Some(placed) = &mut detail.placed {
                    self.add_placed(&section, before, record, placed)?;
                }
                if detail.chains.last() != Some(&at) {
                    detail.chains.push(at);
                }
            }
            match tallies.last_mut() {
                Some((work, tally)) if *work == w => tally.add(fate, bytes, moved),
                _ => {
                    let mut tally = Tally::default();
                    tally.add(fate, bytes, moved);
                    tallies.push((w, tally));
                }
            }
            next += 1;
        }
        Ok((tallies, next))
    }

    /// The clock's own time, while it is behind the chain's last record. The first time that is
    /// disclosed by a notice, which a restart repeats to no effect: it names that record's time.
    fn clock_if_behind(&mut self, at: usize, now_nanos: u64) -> Option<[u8; time::LEN]> {
        let chain = &mut self.chains[at];
        let tolerated = if chain.clock_behind { 0 } else { CLOCK_TOLERANCE };
        let behind = chain.last_ts.saturating_sub(now_nanos) > tolerated;
        let begins = behind && !std::mem::replace(&mut chain.clock_behind, behind);
        if begins {
            let last = time::rfc3339(chain.last_ts);
            let last = std::str::from_utf8(&last).unwrap_or_default();
            let summary = format!(
                "The clock is behind the chain's last record: records say {last} until it has caught up, and the clock in data.clock."
            );
            let about = [("last_ts", About::Text(last))];
            let notice = Notice { kind: "clock", severity: Severity::Low, summary: &summary, about: &about };
            chain.notices.push(notice.draft(&chain.tenant));
            self.warnings.push(format!(
                "the clock is behind the last record of {}, which says {last}: was the clock set?",
                chain.path.display()
            ));
        }
        behind.then(|| time::rfc3339(now_nanos))
    }

    /// What is to be disclosed in this chain before anything else is sealed to it.
    fn due_notices(&mut self, at: usize) -> Vec<Draft> {
        let chain = &mut self.chains[at];
        let mut due = std::mem::take(&mut chain.notices);
        if let Some((offset, bytes)) = chain.torn.take() {
            let about = [("bytes", About::Number(bytes)), ("offset", About::Number(offset))];
            let summary = format!(
                "The last line was cut short, {bytes} bytes at {offset}: a record that was never acknowledged, or damage."
            );
            due.push(Notice::of_loss("torn_tail", &summary, &about).draft(&chain.tenant));
            due.extend(self.journal_damaged.map(|found_at| journal_damaged(&chain.tenant, &found_at)));
        }
        due
    }

    /// `None` where it would be sealed, and nothing new may be.
    fn seal_one(
        &mut self,
        section: &mut Section<'_>,
        draft: &Draft,
        nothing_new: bool,
    ) -> Result<Option<(Fate, RecordId)>, ChainError> {
        let id = draft.id();
        let Some(line) = self.sealed_as(section.at, section.start, id)? else {
            if let Some(action) = draft.content_of()
                && let Some(line) = self.sealed_as(section.at, section.start, action)?
            {
                section.found(action);
                if draft.is_told_in(&line) {
                    return Ok(Some((Fate::Duplicate, action)));
                }
            }
            if nothing_new {
                return Ok(None);
            }
            match self.joined(section, draft)? {
                Some(Joined { role, reason, action }) => {
                    let offset = self.append(section, &draft.in_role(&role))?;
                    self.index.insert_few(told_of(action), offset, MOST);
                    self.joined.push(reason);
                }
                None => {
                    self.append(section, draft)?;
                }
            }
            return Ok(Some((Fate::Sealed, id)));
        };
        section.found(id);
        match draft.compare_with(&line) {
            Comparison::Same => return Ok(Some((Fate::Duplicate, id))),
            Comparison::Apart(content) => {
                let mut fate = Fate::Duplicate;
                for draft in content {
                    match self.seal_one(section, draft, nothing_new)? {
                        None => return Ok(None),
                        Some((Fate::Duplicate, _)) => {}
                        Some(_) => fate = Fate::Sealed,
                    }
                }
                return Ok(Some((fate, id)));
            }
            Comparison::More => {
                let update = draft.amending(id);
                return self.seal_one(section, &update, nothing_new);
            }
            Comparison::Conflict => {}
        }
        let sealed = SealedCall::read(&line, draft.tenant());
        if let Some(other) = sealed.as_ref().and_then(|sealed| draft.of_another_call(&sealed.call)) {
            return self.seal_one(section, &other, nothing_new);
        }
        let draft = draft.conflicting_with(id);
        let role = sealed.as_ref().map(Role::of_same_origin);
        let draft = match role.filter(|_| draft.call().is_some()) {
            Some(role) => draft.in_role(&role),
            None => draft,
        };
        let known = self.sealed_as(section.at, section.start, draft.id())?.is_some();
        if known {
            return Ok(Some((Fate::Duplicate, draft.id())));
        }
        if nothing_new {
            return Ok(None);
        }
        self.append(section, &draft)?;
        Ok(Some((Fate::Conflict, draft.id())))
    }

    /// Returns the offset of its line in the chain.
    fn append(&mut self, section: &mut Section<'_>, draft: &Draft) -> Result<u64, ChainError> {
        let has_parent = self.has_parent_of(draft, section)?;
        let chain = &mut self.chains[section.at];
        if std::mem::take(&mut chain.unterminated) {
            self.entry.bytes.push(b'\n');
        }
        let offset = chain.len + (self.entry.bytes.len() - section.start) as u64;
        let Moment { ts, clock } = section.moment;
        let draft = match clock {
            None => Cow::Borrowed(draft),
            Some(now) => Cow::Owned(draft.with_clock(now)),
        };
        chain.head = if has_parent {
            draft.seal(&chain.head, ts, &mut self.entry.bytes)
        } else {
            draft.seal_without_parent(&chain.head, ts, &mut self.entry.bytes)
        };
        chain.records += 1;
        self.notices.extend(draft.notice());
        if let Some(in_trace) = draft.in_trace() {
            self.placed_by_claim |= in_trace.by_claim;
            self.settings.traces.sealed(&in_trace.trace, draft.tenant(), draft.span());
        }
        self.index.insert(draft.id().key(), offset);
        for key in draft.call().into_iter().flat_map(Call::index_keys) {
            self.index.insert_few(key, offset, MOST);
        }
        section.sealed(offset, draft.id());
        Ok(offset)
    }

    /// Writes the entry to the journal, then each part to its chain, and lets go of the locks.
    /// `false` when there was nothing to write.
    fn write(&mut self, parts: &mut Vec<Part>, works: &mut [Work]) -> Result<bool, ChainError> {
        let any = parts.iter().any(|part| part.records > 0);
        if any {
            self.journal.write(&mut self.entry)?;
        }
        for part in parts.drain(..) {
            match self.append_part(&part) {
                Ok(()) => {
                    for (work, tally) in &part.tallies {
                        let work = &mut works[*work];
                        work.sealed += tally.sealed;
                        work.duplicate += tally.duplicate;
                        work.conflict += tally.conflict;
                        work.elsewhere += tally.elsewhere;
                        work.bytes += tally.bytes;
                    }
                }
                Err(why) if why.is_of_the_volume() => return Err(why.into()),
                Err(why) => {
                    self.set_chain_aside(part.chain, &why)?;
                    self.fail(part.chain, works, part.tallies.iter().map(|(work, _)| *work));
                }
            }
        }
        self.entry.clear();
        Ok(any)
    }

    fn append_part(&mut self, part: &Part) -> Result<(), ChainUnusable> {
        if part.range.is_empty() {
            return Ok(());
        }
        // What is written in part must be synced, too, or set aside.
        self.mark_dirty(part.chain);
        let bytes = &self.entry.bytes[part.range.clone()];
        let chain = &mut self.chains[part.chain];
        let Some(handles) = &chain.handles else {
            let lost = io::Error::other("its descriptor was closed during a commit");
            return Err(ChainUnusable::io("write to", &chain.path)(lost));
        };
        self.disk.append(&handles.file, bytes).map_err(|source| {
            if let Ok(meta) = handles.file.metadata() {
                let section = Cut { stem: &chain.stem, offset: chain.len, bytes };
                self.journal.cut_short(&section, meta.len());
            }
            ChainUnusable::io("write to", &chain.path)(source)
        })?;
        chain.len += bytes.len() as u64;
        Ok(())
    }
}

/// How a draft came off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Sealed,
    /// Sealed before.
    Duplicate,
    /// Sealed beside an earlier record of the same origin that says something else.
    Conflict,
}
