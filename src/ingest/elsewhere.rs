//! Records that are in another chain than the rest of their trace: they came before anybody said whose the trace is. The
//! chain of its tenant says so, once a trace and interval.

use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use halod_chain::traces::TraceTenants;

/// Seals what is due. Whether all of it is sealed.
pub async fn disclose(traces: &TraceTenants, intake: &Intake) -> bool {
    let mut all = true;
    for trace in traces.take_due() {
        let Some(told) = trace.tell() else { continue };
        let drafts = vec![told.notice(&trace.id())];
        match intake.send(Batch::new(drafts, intake.owed())).await {
            Ok(_) => traces.tell(&trace, None),
            Err(refusal) => {
                all = false;
                tracing::error!(%refusal, "a trace in two chains can't be disclosed now; it is tried again");
                traces.tell(&trace, Some(&told));
            }
        }
    }
    all
}
