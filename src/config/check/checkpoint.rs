//! `checkpoint`: what is signed of the chains.

use super::{Problem, Reader};
use crate::checkpointer::CheckpointSettings;
use std::time::Duration;

const ORIGIN: &str = "checkpoint.origin";
const INTERVAL: &str = "checkpoint.interval";
const KEY_FILE: &str = "checkpoint.key_file";
const RECEIPTS: &str = "checkpoint.receipts";

/// What no log is called: see [`halod_evidence::receipt::FIRST_LINE`].
const RESERVED: &str = "halod-receipt/";

/// Bytes of a log's name; each checkpoint and each signature repeats it.
const MAX_ORIGIN: usize = 200;

impl Reader<'_> {
    pub(super) fn checkpoint(&mut self, checkpoint: &mut CheckpointSettings) {
        self.duration(INTERVAL, (Duration::from_secs(86_400), "24h"), &mut checkpoint.interval);
        if !checkpoint.interval.is_zero() && checkpoint.interval < Duration::from_secs(1) {
            let what = "must be at least 1s, or 0s to sign nothing".to_owned();
            let place = self.node(INTERVAL).map(|node| node.place);
            self.problems.push(Problem { place, key: INTERVAL.into(), what });
        }
        if let Some(written) = self.value(ORIGIN) {
            // It is the name of a key, too (C2SP signed-note, "Format").
            let fits = |c: char| c.is_ascii_graphic() && c != '+';
            if written.text.starts_with(RESERVED) {
                let what = format!("must not begin with {RESERVED}: halod's receipts begin with that");
                self.report(written.place, ORIGIN, what);
            } else if written.text.is_empty()
                || written.text.len() > MAX_ORIGIN
                || !written.text.chars().all(fits)
            {
                let what = format!(
                    "must be a name like logs.example.com/agents: at most {MAX_ORIGIN} ASCII characters without blanks and `+`"
                );
                self.report(written.place, ORIGIN, what);
            }
            checkpoint.key.origin = Some(written.text);
        }
        self.choice(RECEIPTS, &[("true", true), ("false", false)], &mut checkpoint.receipts);
        if checkpoint.receipts && checkpoint.interval.is_zero() {
            let what =
                "needs an interval: a receipt shows what is missing from what was signed later".to_owned();
            let place = self.node(RECEIPTS).map(|node| node.place);
            self.problems.push(Problem { place, key: RECEIPTS.into(), what });
        }
        if let Some(written) = self.value(KEY_FILE) {
            if written.text.is_empty() {
                self.report(written.place, KEY_FILE, "must be the path of a file".to_owned());
            }
            checkpoint.key.key_file = Some(written.text.into());
        }
    }
}
