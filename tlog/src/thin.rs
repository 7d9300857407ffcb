//! What is kept of old epochs' states: of each hour one after a week, of each day one after 90 days. Entries and notes stay, so what
//! was signed stays provable; states of the epochs between are gone.
//!
//! A day's file is written anew beside the old one and renamed, so a crash leaves one of the two. The changes of an hour become
//! those of its last epoch: the states of that are what they were. The newest day is never touched, and neither is a damaged
//! one.

use crate::TlogError;
use crate::book::{Block, Day, Row, days};
use halod_chain::disk::{Disk, sync_dir};
use halod_evidence::Hash;
use halod_record::time::rfc3339;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;

/// How far apart the epochs of a day are of which the states are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spacing {
    All,
    Hours,
    Days,
}

impl Spacing {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Hours => 1,
            Self::Days => 2,
        }
    }

    /// What a day's file is to have at a time.
    fn wanted(day: &str, now: u64) -> Self {
        let is_older = |days: u64| {
            let text = rfc3339(now.saturating_sub(days * DAY).saturating_mul(1_000_000));
            std::str::from_utf8(&text[..10]).is_ok_and(|since| day < since)
        };
        match (is_older(90), is_older(7)) {
            (true, _) => Self::Days,
            (false, true) => Self::Hours,
            (false, false) => Self::All,
        }
    }
}

/// Thins the oldest day that has more than it is to have. Tells whether there was one: others may be left. `millis` tells when epochs
/// from one to another were.
///
/// # Errors
/// A day can't be read or written; it is what it was, or what it is to be.
pub(crate) fn thin(
    log: &Path,
    now: u64,
    millis: impl Fn(u64, u64) -> Result<BTreeMap<u64, u64>, TlogError>,
    disk: &dyn Disk,
) -> Result<bool, TlogError> {
    let mut days = days(log)?;
    // The newest one is still written.
    days.pop();
    for path in days {
        let wanted = Spacing::wanted(&path.file_name().unwrap_or_default().to_string_lossy(), now);
        if wanted == Spacing::All {
            continue;
        }
        let mut day = Day::open(&path)?;
        let Some(first) = day.next()? else { continue };
        if day.spacing >= wanted {
            continue;
        }
        let last = whole(&path)?;
        let Some(last) = last else { continue };
        let times = millis(first.epoch, last)?;
        rewrite(&path, (day, first), wanted, &times, disk)?;
        return Ok(true);
    }
    Ok(false)
}

/// The last epoch of a day; `None` of a damaged one.
fn whole(path: &Path) -> Result<Option<u64>, TlogError> {
    let (mut day, mut last) = (Day::open(path)?, None);
    while let Some(block) = day.next()? {
        last = Some(block.epoch);
    }
    Ok(last.filter(|_| day.is_whole()))
}

fn rewrite(
    path: &Path,
    (mut day, first): (Day, Block),
    spacing: Spacing,
    times: &BTreeMap<u64, u64>,
    disk: &dyn Disk,
) -> Result<(), TlogError> {
    let new = path.with_extension("new");
    let failed = || TlogError::io("write", &new);
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new);
    let file = open.map_err(failed())?;
    let write = |block: &Block| disk.append(&file, &block.bytes(spacing)).map_err(failed());
    write(&first)?;
    let hour = |epoch: &u64| times.get(epoch).map(|millis| millis / HOUR);
    let mut hours: Option<(u64, BTreeMap<Hash, Row>)> = None;
    while let Some(block) = day.next()?.filter(|_| spacing == Spacing::Hours) {
        if let Some((epoch, rows)) = hours.take_if(|(epoch, _)| hour(epoch) != hour(&block.epoch)) {
            write(&merged(epoch, rows))?;
        }
        let (epoch, rows) = hours.get_or_insert_default();
        *epoch = block.epoch;
        rows.extend(block.rows.into_iter().map(|row| (row.slot, row)));
    }
    if let Some((epoch, rows)) = hours {
        write(&merged(epoch, rows))?;
    }
    disk.sync(&file).map_err(failed())?;
    put_in_place(&new, path, &file).map_err(TlogError::io("replace", path))
}

fn merged(epoch: u64, rows: BTreeMap<Hash, Row>) -> Block {
    Block { epoch, all: false, rows: rows.into_values().collect() }
}

fn put_in_place(new: &Path, path: &Path, file: &File) -> std::io::Result<()> {
    // The size as well, before the name.
    file.sync_all()?;
    std::fs::rename(new, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}
