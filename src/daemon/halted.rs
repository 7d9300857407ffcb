//! What the local chain says when a witness has ended the signing of the log.

use crate::checkpointer::{CheckpointStats, Halt};
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked whether the log may still be signed.
const PAUSE: Duration = Duration::from_secs(1);

/// Seals one notice, if a witness ends the signing before halod stops.
pub(super) async fn tell(stats: Arc<CheckpointStats>, intake: Intake, mut draining: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            // A daemon that is gone drains no more.
            _ = draining.wait_for(|draining| *draining) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        let Some(halt) = stats.newest().halt else { continue };
        if intake.send(Batch::new(vec![notice(&halt)], intake.owed())).await.is_ok() {
            return;
        }
    }
}

/// The notice is the same after a restart that finds the same, so it is sealed once.
fn notice(halt: &Halt) -> Draft {
    let (about, summary) = match halt {
        Halt::RolledBack { witness, theirs, ours } => (
            vec![
                ("ours", About::Number(*ours)),
                ("theirs", About::Number(*theirs)),
                ("witness", About::Text(witness)),
            ],
            format!(
                "A witness knows {theirs} entries of the signed log, and {ours} are here: nothing is signed until an operator decided."
            ),
        ),
        Halt::Forked { witness } => (
            vec![("witness", About::Text(witness))],
            "A witness saw another history of the signed log: nothing is signed until an operator decided."
                .to_owned(),
        ),
    };
    Notice::of_loss("rollback", &summary, &about).draft(&Tenant::Local)
}
