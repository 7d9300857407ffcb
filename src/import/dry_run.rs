//! What an import would seal, without sealing it: everything is done but the last step.

use crate::pipeline::batch::Receipt;
use crate::pipeline::intake::{Intake, Job};
use halod_record::ids::RecordId;
use halod_record::parse::scan_line;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Pairs of tenant and action that are counted by name; further ones are counted together.
const NAMED: usize = 10_000;

/// Records that are told from those before them, by a part of their id; later ones count as new.
const REMEMBERED: usize = 8 << 20;

/// Records that would be sealed, by tenant and action.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    counts: Arc<Mutex<Counts>>,
}

/// By tenant, `None` for the local chain, and by what the action is called.
pub type Counts = BTreeMap<(Option<String>, String), u64>;

impl DryRun {
    /// A writer that only counts what the chains of `directory` don't have, and the way to it.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn open(max_in_flight: usize, directory: &Path) -> std::io::Result<(Self, Intake)> {
        let dry_run = Self::default();
        let (jobs, queue) = channel();
        let (counting, directory) = (dry_run.clone(), directory.to_owned());
        let run = move || counting.run(sealed(&directory), &queue);
        std::thread::Builder::new().name("halod-dry_run".into()).spawn(run)?;
        Ok((dry_run, Intake::new(jobs, max_in_flight, Arc::default())))
    }

    fn run(&self, mut known: HashSet<u64>, queue: &Receiver<Job>) {
        while let Ok(Job { batch, reply, .. }) = queue.recv() {
            let mut receipt = Receipt::default();
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for draft in &batch.drafts {
                let key = draft.id().key();
                if known.contains(&key) {
                    receipt.duplicate += 1;
                    continue;
                }
                if draft.elsewhere().iter().any(|(_, id)| known.contains(&id.key())) {
                    receipt.duplicate += 1;
                    receipt.elsewhere += 1;
                    continue;
                }
                if known.len() < REMEMBERED {
                    known.insert(key);
                }
                receipt.sealed += 1;
                receipt.seal_for(draft.tenant(), 1);
                let mut name = (draft.tenant().subject().map(str::to_owned), draft.tool().to_owned());
                if counts.len() >= NAMED && !counts.contains_key(&name) {
                    name = (None, "(others)".to_owned());
                }
                *counts.entry(name).or_insert(0) += 1;
            }
            drop(counts);
            // The import that asked may have stopped meanwhile.
            reply.send(Ok(receipt));
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Of each record in the chains of a directory, a part of its id. A halod that runs there may add some meanwhile.
fn sealed(directory: &Path) -> HashSet<u64> {
    let mut known = HashSet::new();
    let Ok(files) = directory.read_dir() else { return known };
    for path in files
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
    {
        let Ok(file) = File::open(&path) else { continue };
        let mut lines = BufReader::with_capacity(1 << 20, file);
        let mut line = Vec::new();
        while known.len() < REMEMBERED && lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let facts = scan_line(&line);
            let id = facts.and_then(|facts| RecordId::parse(facts.record_id.as_deref()?));
            known.extend(id.map(|id| id.key()));
            line.clear();
        }
    }
    known
}
