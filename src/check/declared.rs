//! What the operator declared in the log, as a reader is told it.

use super::{Grade, Report};
use halod_evidence::Hash;
use halod_evidence::entry::Declared;
use halod_record::hash::hex_text;
use std::collections::HashMap;

/// Tells of all that was declared, by entry numbers; `chain` names the one whose slot it is. Returns how often chains ended, by slot.
pub(super) fn tell<'n>(
    declared: &[(u64, Declared)],
    chain: impl Fn(&Hash) -> Option<&'n str>,
    report: &mut Report,
) -> HashMap<Hash, u32> {
    let mut ends: HashMap<Hash, u32> = HashMap::new();
    for (index, one) in declared {
        let (about, text) = match one {
            Declared::Rotated { old, new } => (None, format!("the key {new} took the place of {old}")),
            Declared::Continued { .. } => {
                (None, "this log continues another one, whose last checkpoint is in the entry".into())
            }
            Declared::Broken { slot, reason, .. } => {
                *ends.entry(*slot).or_default() += 1;
                let text = format!(
                    "the chain is not what was signed before, and goes on anew; SHA-256 of the reason: {}",
                    hex_text(reason)
                );
                (chain(slot), text)
            }
            Declared::Retired { slot, .. } => {
                *ends.entry(*slot).or_default() += 1;
                (chain(slot), "the chain ends, and its file may be deleted".into())
            }
        };
        let text = format!("The operator declared, in entry {index} of the log: {text}");
        report.say(Grade::Remark, about, text);
    }
    ends
}

/// Tells of a generation that nothing declared began.
pub(super) fn is_declared(chain: &str, generation: u32, ends: u32, report: &mut Report) {
    if generation > ends {
        let text = format!(
            "The chain is in generation {}, and the log does not say why it began anew",
            generation + 1
        );
        report.say(Grade::Finding, Some(chain), text);
    }
}
