//! Which drafts keep their parent: `parent_id` only ever names an earlier record of the same chain.
//!
//! A draft states the id that its parent's record has, or would have. Most parents came with the same
//! request and were sealed just before, or are not there yet, which the index says without reading anything.
//! Only where the index knows a place is the line there read and compared.

use super::commit::Moment;
use super::error::ChainError;
use super::store::Store;
use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use std::collections::HashSet;

/// The section of the entry that one chain's records are being sealed into.
pub(super) struct Section<'m> {
    /// Which chain.
    pub(super) at: usize,
    /// Where the section's lines begin in the entry.
    pub(super) start: usize,
    pub(super) moment: &'m Moment,
    /// Records that are known to be in this chain: sealed in this section, or found.
    known: HashSet<RecordId>,
}

impl<'m> Section<'m> {
    pub(super) fn new(at: usize, start: usize, moment: &'m Moment) -> Self {
        Self { at, start, moment, known: HashSet::new() }
    }

    /// Notes that a record with this id is in the chain.
    pub(super) fn knows(&mut self, id: RecordId) {
        self.known.insert(id);
    }
}

impl Store {
    /// Whether the parent that a draft states is a record of this chain already. A draft without a parent
    /// has nothing to lose.
    pub(super) fn has_parent_of(&self, draft: &Draft, section: &mut Section<'_>) -> Result<bool, ChainError> {
        let Some(parent) = draft.parent() else { return Ok(true) };
        if section.known.contains(&parent) {
            return Ok(true);
        }
        let found = self.sealed_as(section.at, section.start, parent)?.is_some();
        if found {
            section.knows(parent);
        }
        Ok(found)
    }
}
