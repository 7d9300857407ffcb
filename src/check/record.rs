//! One record's proof.

use super::bounds::Witnessed;
use super::chain::Signed;
use super::{CheckError, Grade, Report, Request, name, signature, stamps, time};
use halod_evidence::note::SignedNote;
use halod_evidence::proof::{MAX_BYTES, RecordProof};
use halod_record::hash::hex_text;

pub(super) fn check(request: &Request, report: &mut Report) -> Result<(), CheckError> {
    let path = &request.path;
    if path.metadata().map_err(CheckError::read(path))?.len() > MAX_BYTES as u64 {
        return Err(CheckError::Nothing(path.clone()));
    }
    let bytes = std::fs::read(path).map_err(CheckError::read(path))?;
    let text = String::from_utf8(bytes).map_err(|_| CheckError::Nothing(path.clone()))?;
    let wrong = |source| CheckError::Proof { path: path.clone(), source };
    let proof = RecordProof::parse(&text).map_err(wrong)?;
    if request.trusted().is_empty() {
        let what = "a proof has no key with it: name the key of the log that you trust by --key, or a policy that lists it by --policy (the log's operator prints it by `halod log key`)";
        return Err(CheckError::Usage(what.into()));
    }
    let whose = name(&proof.tenant);
    if let Some(subject) = request.subject.as_ref().filter(|subject| **subject != proof.tenant) {
        let text = format!("The proof is of a record of {whose}, and you ask for {}", name(subject));
        report.say(Grade::Finding, None, text);
    }
    match proof.check() {
        Err(error) => report.say(Grade::Finding, None, format!("The proof shows nothing: {error}")),
        Ok((checkpoint, epoch, state)) => {
            let note = SignedNote::parse(&proof.note).map_err(|error| wrong(error.into()))?;
            signature::is_signed(request, &note, &[], report);
            signature::is_witnessed(request, std::slice::from_ref(&note), |_| true, report);
            if request.policy.is_none() {
                signature::is_fresh(request, Some(epoch.millis / 1000), report);
            }
            let text = format!(
                "The record with hash {} is number {} of the {} records that the chain of {whose} had at epoch {} of the log {}, by its \
                 clock at {}",
                hex_text(&proof.hash),
                proof.number,
                state.count,
                epoch.epoch,
                checkpoint.origin,
                time(epoch.millis)
            );
            report.say(Grade::Shown, None, text);
            let state = Signed::of(&state, &epoch, proof.slot.index);
            let witnessed = Witnessed::of(request.policy.as_ref(), [&note], |_| true);
            witnessed.tell_one(&whose, proof.number, &state, report);
            if let Some(stamp) = &proof.stamp {
                let text = proof.stamped(stamp, &checkpoint).map_err(|error| error.to_string());
                if let Some(stamp) = stamps::check_one(request, (stamp.size, &stamp.answer), text, report)? {
                    report.say(Grade::Shown, None, format!("The record existed {}", stamp.when()));
                }
            }
        }
    }
    let line = match &request.record {
        Some(path) => Some(std::fs::read_to_string(path).map_err(CheckError::read(path))?),
        None => proof.record.clone(),
    };
    match line.map(|line| proof.is_of(&line)) {
        Some(Ok(())) => report.say(Grade::Shown, None, "The record that is shown has that hash"),
        Some(Err(error)) => report.say(Grade::Finding, None, error.to_string()),
        None => report.say(
            Grade::Remark,
            None,
            "The record itself is not in the proof: compare its integrity.hash, or give it by --record",
        ),
    }
    Ok(())
}
