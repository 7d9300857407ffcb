//! What an import would seal, without sealing it: everything is done but the last step.

use crate::pipeline::batch::Receipt;
use crate::pipeline::intake::{Intake, Job};
use std::collections::{BTreeMap, HashSet};
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
    /// A writer that only counts, and the way to it.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn open(max_in_flight: usize) -> std::io::Result<(Self, Intake)> {
        let dry_run = Self::default();
        let (jobs, queue) = channel();
        let counting = dry_run.clone();
        std::thread::Builder::new().name("halod-dry_run".into()).spawn(move || counting.run(&queue))?;
        Ok((dry_run, Intake::new(jobs, max_in_flight, Arc::default())))
    }

    fn run(&self, queue: &Receiver<Job>) {
        let mut known = HashSet::new();
        while let Ok(Job { batch, reply, .. }) = queue.recv() {
            let mut receipt = Receipt::default();
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for draft in &batch.drafts {
                let key = draft.id().key();
                if known.contains(&key) {
                    receipt.duplicate += 1;
                    continue;
                }
                if known.len() < REMEMBERED {
                    known.insert(key);
                }
                receipt.sealed += 1;
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
