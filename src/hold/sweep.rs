//! Sealing what was held for long enough.

use super::{Hold, Ready};
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use crate::pipeline::refusal::Refusal;
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(500);

/// Bytes of messages that are sealed at once.
const AT_ONCE: usize = 1 << 20;

/// Seals what is overdue, until `draining` turns true: what is held then is on disk for the next start.
pub async fn sweep(hold: Hold, builder: Arc<Builder>, intake: Intake, mut draining: watch::Receiver<bool>) {
    let mut more = false;
    loop {
        let pause = if more { Duration::ZERO } else { EVERY };
        tokio::select! {
            // A daemon that is gone drains no more.
            _ = draining.wait_for(|draining| *draining) => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Ok(ready) = hold.overdue(AT_ONCE).await else { return };
        more = !ready.is_empty();
        if more && let Err(refusal) = seal(ready, &builder, &intake).await {
            tracing::debug!(%refusal, "what was held long enough can't be sealed now");
            more = false;
        }
    }
}

async fn seal(mut ready: Ready, builder: &Builder, intake: &Intake) -> Result<(), Refusal> {
    let mut permit = intake.admit(AT_ONCE.min(64 << 10))?;
    let drafts = ready.drafts(builder, &mut Scratch::default());
    permit.grow_to(drafts.iter().map(Draft::weight).sum())?;
    intake.send(Batch::new(drafts, permit).told_to(ready)).await.map(drop)
}
