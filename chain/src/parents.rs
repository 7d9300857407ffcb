//! Which drafts keep their parent: `parent_id` only ever names an earlier record of the same chain.
//!
//! A draft states the id that its parent's record has, or would have. Most parents came with the same
//! request and were sealed just before, or are not there yet. Either is known from the index and from what
//! was sealed at the place that it names; only where that place is on disk is a line read and compared.

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
    /// What was sealed in this section: where its line begins in the chain, in order, and its id.
    lines: Vec<(u64, RecordId)>,
    /// The same records.
    sealed: HashSet<RecordId>,
    /// Records that were found in the chain.
    found: HashSet<RecordId>,
}

impl<'m> Section<'m> {
    pub(super) fn new(at: usize, start: usize, moment: &'m Moment) -> Self {
        Self { at, start, moment, lines: Vec::new(), sealed: HashSet::new(), found: HashSet::new() }
    }

    /// Notes that a record is in the chain.
    pub(super) fn found(&mut self, id: RecordId) {
        self.found.insert(id);
    }

    /// Notes that a record was sealed at this offset of the chain.
    pub(super) fn sealed(&mut self, offset: u64, id: RecordId) {
        self.lines.push((offset, id));
        self.sealed.insert(id);
    }

    /// Whether a record was sealed in this section.
    pub(super) fn has_sealed(&self, id: RecordId) -> bool {
        self.sealed.contains(&id)
    }

    /// How many records were sealed in this section.
    pub(super) fn sealed_count(&self) -> usize {
        self.lines.len()
    }

    /// Those from the given one on: where each line begins in the chain, and its id.
    pub(super) fn sealed_from(&self, from: usize) -> &[(u64, RecordId)] {
        self.lines.get(from..).unwrap_or_default()
    }

    fn has(&self, offset: u64, id: RecordId) -> bool {
        let place = self.lines.binary_search_by_key(&offset, |(offset, _)| *offset);
        place.is_ok_and(|place| self.lines.get(place).is_some_and(|(_, sealed)| *sealed == id))
    }
}

impl Store {
    /// Whether the parent that a draft states is a record of this chain already. A draft without a parent
    /// has nothing to lose.
    pub(super) fn has_parent_of(&self, draft: &Draft, section: &mut Section<'_>) -> Result<bool, ChainError> {
        let Some(parent) = draft.parent() else { return Ok(true) };
        if section.found.contains(&parent) {
            return Ok(true);
        }
        let mut offsets = Vec::new();
        self.index.candidates(parent.key(), &mut offsets)?;
        if offsets.is_empty() {
            return Ok(false);
        }
        if offsets.iter().any(|offset| section.has(*offset, parent)) {
            return Ok(true);
        }
        let found = self.sealed_as(section.at, section.start, parent)?.is_some();
        if found {
            section.found(parent);
        }
        Ok(found)
    }
}
