//! Which chain each draft goes to.
//!
//! A span that says nothing may have its record elsewhere already: what was said for its trace may have come before it or
//! behind it, so it is looked for in every chain where it could be. It is sealed once over all of them.

use super::commit::{WaitsFor, Work};
use super::store::{Readiness, Store};
use super::tail::is_sealed_as;
use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::sync::Arc;

/// The drafts of one chain in this commit, as (work, draft) in order of arrival.
pub(super) struct Group {
    pub(super) chain: usize,
    pub(super) items: Vec<(usize, usize)>,
}

/// Where the drafts of one commit go that could be in several chains: by one of their ids, whose chain.
#[derive(Debug, Default)]
struct Places(HashMap<RecordId, Tenant>);

impl Store {
    /// Sorts drafts by chain, keeping their order within each. Those that wait for another chain are `held`.
    pub(super) fn group(&mut self, works: &mut [Work], held: &mut [Vec<usize>]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut group_of = HashMap::new();
        let mut places = Places::default();
        for (w, work) in works.iter_mut().enumerate() {
            for (d, draft) in work.drafts.iter_mut().enumerate() {
                if let Err(waits_for) = self.place(draft, &mut places) {
                    work.waits_for = Some(waits_for);
                    held[w].push(d);
                }
            }
            // Drafts of one request usually share a tenant; look up only where it changes.
            let mut last: Option<(&Tenant, usize)> = None;
            for (d, draft) in work.drafts.iter().enumerate() {
                if held[w].binary_search(&d).is_ok() {
                    continue;
                }
                let group = match last {
                    Some((tenant, group)) if draft.tenant() == tenant => group,
                    _ => match self.chain_of(draft.tenant(), work.limited) {
                        Ok(chain) => *group_of.entry(chain).or_insert_with(|| {
                            groups.push(Group { chain, items: Vec::new() });
                            groups.len() - 1
                        }),
                        Err(unusable) => {
                            work.failed = Some(Arc::new(unusable));
                            continue;
                        }
                    },
                };
                groups[group].items.push((w, d));
                last = Some((draft.tenant(), group));
            }
        }
        groups
    }

    /// Moves a draft to the chain that has its record, or gets it in this commit.
    ///
    /// # Errors
    /// Such a chain can't be looked at yet.
    fn place(&mut self, draft: &mut Draft, places: &mut Places) -> Result<(), WaitsFor> {
        let others = draft.elsewhere();
        if others.is_empty() {
            return Ok(());
        }
        let (tenant, id) = (draft.tenant().clone(), draft.id());
        if self.is_sealed(&tenant, id)? {
            return Ok(());
        }
        for (other, id) in &others {
            let goes_there = places.0.get(id) == Some(other);
            if (goes_there || self.is_sealed(other, *id)?)
                && let Some(moved) = draft.in_chain_of(other, *id)
            {
                *draft = moved;
                return Ok(());
            }
        }
        places.0.insert(id, tenant);
        Ok(())
    }

    /// Whether a chain has a record. A chain that can't be had has none: its tenant's faults are not another's.
    fn is_sealed(&mut self, tenant: &Tenant, id: RecordId) -> Result<bool, WaitsFor> {
        let at = match self.by_tenant.get(tenant) {
            Some(&at) => at,
            None if self.names(tenant).iter().any(|name| self.is_of(&name.stem, tenant)) => {
                // It is there, so nothing begins by it.
                let Ok(at) = self.chain_of(tenant, false) else { return Ok(false) };
                at
            }
            None => return Ok(false),
        };
        let chain = &self.chains[at];
        if chain.file_id.is_none() && chain.path.symlink_metadata().is_err() {
            return Ok(false);
        }
        if chain.file_id.is_none() || chain.doubtful || chain.handles.is_none() {
            match self.ready(at) {
                Ok(Readiness::Ready(lock)) => drop(lock),
                Ok(Readiness::Waits(waits_for)) => return Err(waits_for),
                Err(_) => return Ok(false),
            }
        }
        let mut offsets = Vec::new();
        if self.index.candidates(id.key(), &mut offsets).is_err() {
            // The index fails for good where the draft is sealed.
            return Ok(false);
        }
        let line = |offset| self.chains[at].line_at(offset).ok().flatten();
        Ok(offsets.into_iter().filter_map(line).any(|line| is_sealed_as(&line, id)))
    }
}
