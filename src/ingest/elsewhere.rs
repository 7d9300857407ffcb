//! Records that are in another chain than the rest of their trace: they came before anybody said whose the trace is. The
//! chain of its tenant says so, once a trace and interval.

use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use halod_chain::traces::TraceTenants;
use halod_record::draft::Draft;
use halod_record::hash::write_hex;
use halod_record::notice::{About, Notice};
use halod_record::trace::Elsewhere;

/// Seals what is due. Whether all of it is sealed.
pub async fn disclose(traces: &TraceTenants, intake: &Intake) -> bool {
    let mut all = true;
    for trace in traces.take_due() {
        let Some(told) = trace.tell() else { continue };
        let drafts = vec![notice(&trace.id(), &told)];
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

fn notice(trace: &[u8; 16], told: &Elsewhere) -> Draft {
    let hex = |bytes: &[u8]| {
        let mut digits = Vec::new();
        write_hex(bytes, &mut digits);
        String::from_utf8(digits).unwrap_or_default()
    };
    let trace = hex(trace);
    let spans = told.spans.iter().map(|span| hex(span)).collect::<Vec<_>>().join(" ");
    let chain = if told.all_local { "local" } else { "other" };
    let (records, are, they) = match told.records {
        Some(1) => ("1 record".to_owned(), "is", "it"),
        Some(records) => (format!("{records} records"), "are", "they"),
        None => ("Records".to_owned(), "are", "they"),
    };
    let place = if told.all_local { "the local chain" } else { "another chain" };
    let summary = format!(
        "{records} of this trace {are} in {place}: {they} came before anybody said whose the trace is."
    );
    let mut about = vec![("chain", About::Text(chain))];
    about.extend(told.records.map(|records| ("records", About::Number(records))));
    if !spans.is_empty() {
        about.push(("span_ids", About::Text(&spans)));
    }
    about.push(("trace_id", About::Text(&trace)));
    Notice::of_loss("trace_elsewhere", &summary, &about).draft(&told.tenant)
}
