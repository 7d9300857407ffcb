//! What metrics tell of chains that nothing was sealed into since the start.

use crate::pipeline::stats::{HeadAge, REPORTED_HEADS, Stats};
use halod_chain::inventory::{self, ChainFile};
use halod_record::tenant::Tenant;
use halod_tlog::reader::LogReader;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

/// Bytes of a chain of which nothing was signed that are read for their number of records: in all some seconds' worth.
const READ: u64 = 64 << 20;

/// Looks at the chains that grew last, on a thread of its own that nothing waits for.
pub(super) fn look(directory: PathBuf, stats: Arc<Stats>) -> io::Result<()> {
    std::thread::Builder::new()
        .name("halod-heads".into())
        .spawn(move || {
            if let Err(error) = tell(&directory, &stats) {
                tracing::warn!(%error, "metrics tell nothing of a chain before something is sealed into it");
            }
        })
        .map(drop)
}

fn tell(directory: &Path, stats: &Stats) -> io::Result<()> {
    let mut files = inventory::files(directory)?;
    files.sort_by_key(|file| file.modified);
    let newest = files.split_off(files.len().saturating_sub(REPORTED_HEADS));
    let signed = signed(directory);
    for file in newest.into_iter().rev() {
        let Some(records) = records(&file, &signed) else { continue };
        let mut heads = stats.heads.lock().unwrap_or_else(PoisonError::into_inner);
        // What was sealed meanwhile is known better.
        if heads.len() < REPORTED_HEADS && heads.iter().all(|head| head.chain != file.stem) {
            heads.insert(0, HeadAge { chain: file.stem, records, sealed_at: file.modified });
        }
    }
    Ok(())
}

/// Of each tenant, how many records were signed last, and how long its file was then.
fn signed(directory: &Path) -> HashMap<Tenant, (u64, u64)> {
    let Ok(Some(log)) = LogReader::open(directory) else { return HashMap::new() };
    let Ok(Some((_, epoch))) = log.last_epoch() else { return HashMap::new() };
    let Ok(rows) = log.states(epoch.epoch) else { return HashMap::new() };
    let of = |tenant: &Tenant| rows.get(&log.slot(tenant)).map(|row| (row.state.count, row.len));
    log.names.iter().filter_map(|named| Some((named.tenant.clone(), of(&named.tenant)?))).collect()
}

/// The records of a chain: those that were signed, and the lines after them.
fn records(file: &ChainFile, signed: &HashMap<Tenant, (u64, u64)>) -> Option<u64> {
    let tenant = inventory::tenant(&file.path).ok()??;
    let (count, len) = signed.get(&tenant).copied().filter(|(_, len)| *len <= file.bytes).unwrap_or((0, 0));
    if file.bytes - len > READ {
        return None;
    }
    Some(count + inventory::lines_from(&file.path, len).ok()?)
}
