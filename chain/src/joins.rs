//! Which action of a chain a draft is a further account of: what is sealed already decides, and the index says
//! where to look.

use super::error::ChainError;
use super::parents::Section;
use super::store::Store;
use halod_record::call::agree::{are_siblings, one_during_the_other, same_call};
use halod_record::call::role::Role;
use halod_record::call::{Call, Reason, SealedCall, enclosed_by};
use halod_record::draft::Draft;
use halod_record::ids::RecordId;

/// Lines that are read for one key; where an id stands for more, nothing is joined by it.
const MOST: usize = 32;
/// Records on the way up from an account to the call that encloses it.
const MOST_ABOVE: usize = 8;

/// What a draft is sealed as, where its call has an action.
pub(super) struct Joined {
    pub(super) role: Role,
    pub(super) reason: Reason,
}

impl Joined {
    fn to(sealed: &SealedCall, reason: Reason) -> Self {
        Self { role: Role::beside(sealed, reason), reason }
    }
}

impl Store {
    /// The action that a draft is a further account of. What its own batch has told is a fact; else the chain
    /// is searched, where the settings allow it.
    pub(super) fn joined(&self, section: &Section<'_>, draft: &Draft) -> Result<Option<Joined>, ChainError> {
        let Some(call) = draft.call() else { return Ok(None) };
        if let Some((first, reason)) = call.first() {
            let first = self.sealed_call(section, draft, first)?;
            return Ok(first.map(|first| Joined::to(&first, reason)));
        }
        if !self.settings.join_calls {
            return Ok(None);
        }
        for (key, reason) in call.searched() {
            let known =
                self.calls_under(section, draft, key.index_key(), |sealed| sealed.call.has_key(key))?;
            if let Some(found) = pick(call, &known, reason) {
                return Ok(Some(Joined::to(found, reason)));
            }
        }
        if let Some(above) = self.enclosing(section, draft, call)? {
            return Ok(Some(Joined::to(&above, Reason::Encloses)));
        }
        for id in call.told_by() {
            let below =
                self.calls_under(section, draft, enclosed_by(id), |sealed| sealed.call.parent() == Some(id))?;
            let alike = |sealed: &&SealedCall| same_call(call, &sealed.call, Reason::Encloses, true);
            if let Some(found) = below.iter().find(alike) {
                return Ok(Some(Joined::to(found, Reason::Encloses)));
            }
        }
        self.during(section, draft, call)
    }

    /// The one action that was told of in another form and lasted while this account did.
    fn during(
        &self,
        section: &Section<'_>,
        draft: &Draft,
        call: &Call,
    ) -> Result<Option<Joined>, ChainError> {
        let mut known = Vec::new();
        for key in call.about_then() {
            known.extend(self.calls_under(section, draft, key, |_| true)?);
        }
        let is_told = |action: RecordId| {
            known.iter().any(|other| other.action == action && other.call.has_voice_of(call))
        };
        let mut fit = known
            .iter()
            .filter(|other| one_during_the_other(call, &other.call) && !is_told(other.action))
            .peekable();
        let found = fit.peek().copied();
        // Where several fit, nobody can tell which.
        Ok(found
            .filter(|found| fit.all(|other| other.action == found.action))
            .map(|found| Joined::to(found, Reason::During)))
    }

    /// The nearest call above a draft, if it is the same one and this is its first account there.
    fn enclosing(
        &self,
        section: &Section<'_>,
        draft: &Draft,
        call: &Call,
    ) -> Result<Option<SealedCall>, ChainError> {
        let mut above = draft.parent().filter(|parent| !section.has_sealed(*parent));
        for _ in 0..MOST_ABOVE {
            let Some(id) = above else { return Ok(None) };
            let Some(line) = self.sealed_as(section.at, section.start, id)? else { return Ok(None) };
            let Some(sealed) = SealedCall::read(&line, draft.tenant()) else {
                above = Draft::reopen(draft.tenant().clone(), &line).and_then(|above| above.parent());
                continue;
            };
            if !same_call(call, &sealed.call, Reason::Encloses, true) {
                return Ok(None);
            }
            let beside = match call.parent() {
                Some(parent) => self.calls_under(section, draft, enclosed_by(parent), |other| {
                    are_siblings(call, &other.call) && same_call(call, &other.call, Reason::Encloses, true)
                })?,
                None => Vec::new(),
            };
            return Ok(beside.is_empty().then_some(sealed));
        }
        Ok(None)
    }

    fn sealed_call(
        &self,
        section: &Section<'_>,
        draft: &Draft,
        id: RecordId,
    ) -> Result<Option<SealedCall>, ChainError> {
        let line = self.sealed_as(section.at, section.start, id)?;
        Ok(line.and_then(|line| SealedCall::read(&line, draft.tenant())))
    }

    /// The accounts that stand under a key of the index and are wanted; none where there are too many.
    fn calls_under(
        &self,
        section: &Section<'_>,
        draft: &Draft,
        key: u64,
        wanted: impl Fn(&SealedCall) -> bool,
    ) -> Result<Vec<SealedCall>, ChainError> {
        let mut offsets = Vec::new();
        self.index.candidates(key, &mut offsets)?;
        offsets.sort_unstable();
        offsets.dedup();
        if offsets.len() > MOST {
            return Ok(Vec::new());
        }
        let mut calls = Vec::new();
        for offset in offsets {
            let line = self.line_from(section.at, section.start, offset)?;
            let call = line.and_then(|line| SealedCall::read(&line, draft.tenant()));
            calls.extend(call.filter(|call| call.call.id() != draft.id() && wanted(call)));
        }
        Ok(calls)
    }
}

/// The first of the accounts with one key that tells of the same call, unless another one of them shows that this
/// is a call of its own.
fn pick<'c>(call: &Call, known: &'c [SealedCall], reason: Reason) -> Option<&'c SealedCall> {
    let lineage = |other: &Call| {
        call.told_by().any(|id| other.parent() == Some(id)) || call.parent() == Some(other.id())
    };
    let found = known.iter().find(|other| same_call(call, &other.call, reason, lineage(&other.call)))?;
    let of_it = known.iter().filter(|other| other.action == found.action);
    let apart = |other: &SealedCall| call.is_told_apart_from(&other.call, reason, lineage(&other.call));
    (!of_it.clone().any(apart)).then_some(found)
}
