//! What halod has to say of a log by itself, as records of the log's tenant.
//!
//! | record | says |
//! |---|---|
//! | `halod.gap` | content that was there, or may have been, was never read: where it begins, how many bytes are known of it, and how it was lost |
//! | `halod.log_rewritten` | content that was read stands in no file any more: other bytes took its place |
//! | `halod.lines_rejected` | lines became no record: how many, from where to where, and why the first one |
//! | `halod.lines_known` | lines without a time are those of an earlier content, byte by byte, and were taken for them |

use super::follow::Why;
use super::position::{Known, Rejected};
use crate::receivers::lines::read::hex;
use crate::receivers::lines::split::Mark;
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;

/// Bytes of a log are missing from `from` on; `known` of them are known to have been there.
pub(super) fn gap(tenant: &Tenant, log: &str, from: u64, known: u64, after: &Mark, how: &str) -> Draft {
    let about = [
        ("after", About::Text(&hex(&after.chain))),
        ("bytes", About::Number(known)),
        ("file", About::Text(log)),
        ("from", About::Number(from)),
        ("how", About::Text(how)),
    ];
    let known = if known > 0 {
        format!("{known} bytes are known to be missing")
    } else {
        "how much is not known".into()
    };
    let summary = format!("A log was not read from byte {from} on, because {how}; {known}.");
    Notice::of_loss("gap", &summary, &about).draft(tenant)
}

/// How the rest of a packed file is lost.
pub(super) const CUT: &str = "the packed file is damaged, or ends before its content does";

/// The words for how a content was lost.
pub(super) fn how(why: Why) -> &'static str {
    match why {
        Why::Truncated => "the file was truncated before it was read to its end",
        Why::Rewritten => "the file was written anew before it was read to its end",
        Why::Gone => "the file was removed before it was read to its end",
        Why::GoneWhileDown => "the file was removed while halod did not run; how far it went is not known",
    }
}

pub(super) fn rewritten(tenant: &Tenant, log: &str, read: u64, at: &Mark) -> Draft {
    let about =
        [("after", About::Text(&hex(&at.chain))), ("bytes", About::Number(read)), ("file", About::Text(log))];
    let summary = "What was read of a log stands in no file any more: other bytes took its place.";
    Notice::of_loss("log_rewritten", summary, &about).draft(tenant)
}

pub(super) fn rejected(tenant: &Tenant, log: &str, rejected: &Rejected, at: &Mark) -> Draft {
    let about = [
        ("before", About::Text(&hex(&at.chain))),
        ("file", About::Text(log)),
        ("first", About::Number(rejected.first)),
        ("last", About::Number(rejected.last)),
        ("lines", About::Number(rejected.lines)),
        ("reason", About::Text(&rejected.reason)),
    ];
    let lines = rejected.lines;
    let what = if lines == 1 {
        "1 line of a log became no record".into()
    } else {
        format!("{lines} lines of a log became no records")
    };
    let summary = format!("{what}: {}", rejected.reason);
    Notice::of_loss("lines_rejected", &summary, &about).draft(tenant)
}

pub(super) fn known(tenant: &Tenant, log: &str, known: &Known, at: &Mark) -> Draft {
    let about = [
        ("before", About::Text(&hex(&at.chain))),
        ("file", About::Text(log)),
        ("first", About::Number(known.first)),
        ("last", About::Number(known.last)),
        ("lines", About::Number(known.lines)),
    ];
    let lines = known.lines;
    let summary = format!(
        "{lines} lines of a log have no time, and are the same from their file's first byte on as lines sealed before: they \
         were taken for those."
    );
    Notice::of_loss("lines_known", &summary, &about).draft(tenant)
}
