//! Up to which record the log has signed a chain: nothing of that is checked here.

use crate::reader::subjects::Chain;
use halod_record::hash::hex_text;
use halod_record::time::rfc3339;
use halod_tlog::book::Row;
use halod_tlog::reader::LogReader;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The logs of the directories that chains lie in.
#[derive(Default)]
pub(super) struct Logs {
    open: HashMap<PathBuf, Option<Log>>,
}

struct Log {
    reader: LogReader,
    states: HashMap<[u8; 32], Row>,
    epoch: u64,
    millis: u64,
}

impl Logs {
    /// What the newest epoch says of a chain, in a sentence.
    pub(super) fn told(&mut self, chain: &Chain, lines: u64) -> String {
        let directory = chain.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let log = self.open.entry(directory.to_owned()).or_insert_with(|| Log::open(directory));
        let Some(log) = log else { return "no log signed it".to_owned() };
        let state = chain
            .tenant
            .as_ref()
            .filter(|tenant| log.reader.stem(tenant) == Some(&*chain.stem))
            .and_then(|tenant| log.states.get(&log.reader.slot(tenant)));
        let Some(Row { state, .. }) = state else {
            return "no epoch of the log covers it yet".to_owned();
        };
        let at = String::from_utf8_lossy(&rfc3339(log.millis.saturating_mul(1_000_000))).into_owned();
        let newer = lines.saturating_sub(state.count);
        let newer = if newer > 0 { format!("; {newer} are newer") } else { String::new() };
        format!(
            "epoch {} of the log, at {at}, signed its first {} records, up to head {}{newer}",
            log.epoch,
            state.count,
            hex_text(&state.head)
        )
    }
}

impl Log {
    /// `None` where there is no log that can be read: a question about records does not fail for that.
    fn open(directory: &Path) -> Option<Self> {
        let reader = LogReader::open(directory).ok()??;
        let (_, epoch) = reader.last_epoch().ok()??;
        let states = reader.states(epoch.epoch).ok()?;
        Some(Self { reader, states, epoch: epoch.epoch, millis: epoch.millis })
    }
}
