//! Which action of a chain a draft is a further account of: what is sealed already decides, and the index says
//! where to look.

use super::error::ChainError;
use super::parents::Section;
use super::store::Store;
use halod_record::call::agree::{is_apart, one_during_the_other, same_call};
use halod_record::call::role::Role;
use halod_record::call::{Call, Reason, SealedCall, enclosed_by, told_of};
use halod_record::draft::Draft;
use halod_record::ids::RecordId;

/// Lines that are read for one key. Where an id stands for more, nothing is joined by it, and no more of them are
/// remembered: a sender who repeats one id costs no more than others.
pub(super) const MOST: usize = 16;
/// Records on the way up from an account to the call that encloses it.
const MOST_ABOVE: usize = 8;

/// What a draft is sealed as, where its call has an action.
pub(super) struct Joined {
    pub(super) action: RecordId,
    pub(super) role: Role,
    pub(super) reason: Reason,
}

/// A draft that is looked for.
struct Search<'s> {
    section: &'s Section<'s>,
    draft: &'s Draft,
    call: &'s Call,
}

impl Joined {
    fn to(sealed: &SealedCall, reason: Reason) -> Self {
        Self { action: sealed.action, role: Role::beside(sealed, reason), reason }
    }
}

impl Store {
    /// The action that a draft is a further account of. What its own batch has told is a fact; else the chain
    /// is searched, where the settings allow it.
    pub(super) fn joined(&self, section: &Section<'_>, draft: &Draft) -> Result<Option<Joined>, ChainError> {
        let Some(call) = draft.call() else { return Ok(None) };
        let search = Search { section, draft, call };
        if let Some((first, reason)) = call.first()
            && let Some(first) = self.sealed_call(&search, first)?
        {
            // Where it has joined an earlier action, or came before, there may be accounts that the batch has not.
            let is_new = first.action == first.call.id() && section.has_sealed(first.action);
            let fits = is_new || self.has_place_for(&search, &first, reason)?;
            if fits {
                return Ok(Some(Joined::to(&first, reason)));
            }
        }
        // An account that came again with its batch may be sealed already.
        for (other, reason) in call.others() {
            if let Some(sealed) = self.sealed_call(&search, other)?
                && self.has_place_for(&search, &sealed, reason)?
            {
                return Ok(Some(Joined::to(&sealed, reason)));
            }
        }
        if !self.settings.join_calls {
            return Ok(None);
        }
        for (key, reason) in call.searched() {
            let known = self.calls_under(&search, key.index_key(), |sealed| sealed.call.has_key(key))?;
            if let Some(joined) = self.first_that_fits(&search, &known, reason)? {
                return Ok(Some(joined));
            }
        }
        if let Some(above) = self.enclosing(&search)?
            && self.has_place_for(&search, &above, Reason::Encloses)?
        {
            return Ok(Some(Joined::to(&above, Reason::Encloses)));
        }
        for id in call.told_by() {
            let below =
                self.calls_under(&search, enclosed_by(id), |sealed| sealed.call.parent() == Some(id))?;
            if let Some(joined) = self.first_that_fits(&search, &below, Reason::Encloses)? {
                return Ok(Some(joined));
            }
        }
        self.during(&search)
    }

    /// The first of some accounts that tells of the same call.
    fn first_that_fits(
        &self,
        search: &Search<'_>,
        known: &[SealedCall],
        reason: Reason,
    ) -> Result<Option<Joined>, ChainError> {
        for other in known {
            let lineage = reason == Reason::Encloses || search.is_related_to(&other.call);
            if same_call(search.call, &other.call, reason, lineage)
                && self.has_place_for(search, other, reason)?
            {
                return Ok(Some(Joined::to(other, reason)));
            }
        }
        Ok(None)
    }

    /// The one action that was told of in another form and lasted while this account did.
    fn during(&self, search: &Search<'_>) -> Result<Option<Joined>, ChainError> {
        let mut fit: Option<SealedCall> = None;
        for key in search.call.about_then() {
            for other in
                self.calls_under(search, key, |other| one_during_the_other(search.call, &other.call))?
            {
                let known = fit.as_ref().is_some_and(|fit| fit.action == other.action);
                if known || !self.has_place_for(search, &other, Reason::During)? {
                    continue;
                }
                // Where several fit, nobody can tell which.
                if fit.replace(other).is_some() {
                    return Ok(None);
                }
            }
        }
        Ok(fit.map(|fit| Joined::to(&fit, Reason::During)))
    }

    /// The nearest call above a draft, if it is the same one.
    fn enclosing(&self, search: &Search<'_>) -> Result<Option<SealedCall>, ChainError> {
        let Search { section, draft, call } = search;
        let mut above = draft.parent().filter(|parent| !section.has_sealed(*parent));
        for _ in 0..MOST_ABOVE {
            let Some(id) = above else { return Ok(None) };
            let Some(line) = self.sealed_as(section.at, section.start, id)? else { return Ok(None) };
            if let Some(sealed) = SealedCall::read(&line, draft.tenant()) {
                return Ok(same_call(call, &sealed.call, Reason::Encloses, true).then_some(sealed));
            }
            above = Draft::reopen(draft.tenant().clone(), &line).and_then(|above| above.parent());
        }
        Ok(None)
    }

    /// Whether no account of an action shows that the draft is of another call.
    fn has_place_for(
        &self,
        search: &Search<'_>,
        sealed: &SealedCall,
        reason: Reason,
    ) -> Result<bool, ChainError> {
        let action = sealed.action;
        let Some(mut accounts) = self.all_under(search, told_of(action), |other| other.action == action)?
        else {
            // Only what is no call by itself, as chunks are not, may have so many.
            return Ok(!search.call.is_named());
        };
        accounts.extend(self.sealed_call(search, action)?);
        let calls: Vec<&Call> = accounts.iter().map(|account| &account.call).collect();
        let lineage = search.call.lineage(&calls);
        let apart = |other: &&Call| is_apart(search.call, other, reason, lineage.contains(&other.id()));
        Ok(!calls.iter().any(apart))
    }

    fn sealed_call(&self, search: &Search<'_>, id: RecordId) -> Result<Option<SealedCall>, ChainError> {
        let line = self.sealed_as(search.section.at, search.section.start, id)?;
        Ok(line.and_then(|line| SealedCall::read(&line, search.draft.tenant())))
    }

    /// The accounts that stand under a key of the index and are wanted; none where there are too many.
    fn calls_under(
        &self,
        search: &Search<'_>,
        key: u64,
        wanted: impl Fn(&SealedCall) -> bool,
    ) -> Result<Vec<SealedCall>, ChainError> {
        Ok(self.all_under(search, key, wanted)?.unwrap_or_default())
    }

    /// The accounts that stand under a key of the index and are wanted; `None` where there are too many.
    fn all_under(
        &self,
        search: &Search<'_>,
        key: u64,
        wanted: impl Fn(&SealedCall) -> bool,
    ) -> Result<Option<Vec<SealedCall>>, ChainError> {
        let Search { section, draft, .. } = search;
        let mut offsets = Vec::new();
        self.index.candidates(key, &mut offsets)?;
        offsets.sort_unstable();
        offsets.dedup();
        if offsets.len() > MOST {
            return Ok(None);
        }
        let mut calls = Vec::new();
        for offset in offsets {
            let line = self.line_from(section.at, section.start, offset)?;
            let call = line.and_then(|line| SealedCall::read(&line, draft.tenant()));
            calls.extend(call.filter(|call| call.call.id() != draft.id() && wanted(call)));
        }
        Ok(Some(calls))
    }
}

impl Search<'_> {
    /// Whether one account is known to enclose the other.
    fn is_related_to(&self, other: &Call) -> bool {
        self.call.lineage(&[other]).contains(&other.id())
    }
}
