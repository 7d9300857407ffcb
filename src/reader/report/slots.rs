//! A tenant's place in the epochs that a reviewer is shown.

use halod_evidence::entry::Epoch;
use halod_record::tenant::Tenant;
use halod_tlog::TlogError;
use halod_tlog::reader::LogReader;

/// Before this time, of each day only the first epoch is shown.
const ALL_OF: u64 = 24 * 60 * 60 * 1000;

/// Epochs that are shown at most beside the first and the last, the newest of them.
const MOST: usize = 500;

/// The proofs of the epochs of the last day in which the chain changed, of the first of each day before, of the first of all in
/// which it is, and of the last. Nothing where no epoch has the tenant.
pub(super) fn shown(log: &LogReader, tenant: &Tenant) -> Result<Vec<String>, TlogError> {
    let numbers = log.epochs_by_number()?;
    let Some((_, last)) = log.last_epoch()? else { return Ok(Vec::new()) };
    let slot = log.slot(tenant);
    let mut chosen = Vec::new();
    let mut is_there = false;
    log.epochs(|block, rows| {
        let Some(index) = numbers.get(&block.epoch) else { return Ok::<(), TlogError>(()) };
        let Some(epoch) = Epoch::read(&log.entries().entry(*index)?) else { return Ok(()) };
        let changed = block.rows.iter().any(|row| row.slot == slot);
        let is_recent = last.millis.saturating_sub(epoch.millis) <= ALL_OF;
        let is_first = chosen.is_empty() && changed;
        if is_first || block.epoch == last.epoch || changed && (is_recent || block.all) {
            is_there |= rows.contains_key(&slot);
            chosen.push(log.slot_proof(tenant, *index, rows)?.text());
            if chosen.len() > MOST + 2 {
                chosen.remove(1);
            }
        }
        Ok(())
    })?;
    Ok(if is_there { chosen } else { Vec::new() })
}
