//! What halod says by itself, sealed into a chain: damage it found, records it had to link again, what
//! it knows to be missing.

use super::build::{ending, identity};
use super::canon::write_str;
use super::content::{self, OutcomeContent};
use super::draft::{Draft, DraftWriter, Scratch};
use super::ids::{Origin, RecordId};
use super::keyed::Hasher;
use super::members::{integer, key};
use super::redact::Severity;
use super::tenant::Tenant;
use crate::event::Status;

/// The agent of every notice.
pub const AGENT: &str = "halod";

/// The kinds of notices, which is what follows `halod.` in their tools' names.
pub const KINDS: [&str; 12] = [
    "gap",
    "torn_tail",
    "chain_changed",
    "clock",
    "log_rewritten",
    "lines_rejected",
    "lines_known",
    "hold_damaged",
    "journal_damaged",
    "spool_damaged",
    "rollback",
    "trace_elsewhere",
];

/// Characters of a summary, as in every record.
const SUMMARY: usize = 200;

/// A member of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    Number(u64),
    /// Written as it is: halod's own words and names of files that the operator chose.
    Text(&'a str),
}

/// A record of halod's own. It is no evidence of what an agent did, so its `source.capture` is
/// `ingested`.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// How bad it is what the notice tells: above low, `outcome.status` is an error.
    pub severity: Severity,
    /// One sentence for the reader of the chain, of which 200 characters are kept.
    pub summary: &'a str,
    /// Its keys are in order. Together with `kind` they make the notice one of a kind, so that it is
    /// said once.
    pub about: &'a [(&'a str, About<'a>)],
}

impl<'a> Notice<'a> {
    /// A notice that something is missing, or may be.
    #[must_use]
    pub fn of_loss(kind: &'static str, summary: &'a str, about: &'a [(&'a str, About<'a>)]) -> Self {
        Self { kind, severity: Severity::Medium, summary, about }
    }

    /// The notice for the chain of `tenant`.
    #[must_use]
    pub fn draft(&self, tenant: &Tenant) -> Draft {
        debug_assert!(KINDS.contains(&self.kind), "{} is not in KINDS", self.kind);
        let mut scratch = Scratch::default();
        let mut w = DraftWriter::new(&mut scratch);
        w.line.extend_from_slice(br#"{"action":{"category":"reliability","tool":"#);
        write_str(&format!("halod.{}", self.kind), &mut w.line);
        w.line.extend_from_slice(br#","type":"agent_message"},"agent":{"id":"#);
        write_str(AGENT, &mut w.line);
        w.line.extend_from_slice(br#","name":"#);
        write_str(AGENT, &mut w.line);
        w.line.extend_from_slice(b"},");
        w.data();
        for (i, (name_of, fact)) in self.about.iter().enumerate() {
            if i > 0 {
                w.line.push(b',');
            }
            key(&mut w.line, name_of);
            match fact {
                About::Number(number) => integer(&mut w.line, *number),
                About::Text(text) => {
                    write_str(text, &mut w.line);
                }
            }
        }
        w.line.extend_from_slice(br#"},"findings":[],"integrity":{"#);
        w.integrity();
        w.line.push(b'}');
        let failed = self.severity > Severity::Low;
        let status = if failed { Status::Error } else { Status::Ok };
        let end = self.summary.char_indices().nth(SUMMARY).map_or(self.summary.len(), |(at, _)| at);
        let summary = self.summary.get(..end).unwrap_or_default();
        let said = failed.then_some(OutcomeContent::Error(summary));
        content::outcome(&mut w.line, status, (said, &Hasher::Plain), Some(summary), &mut Vec::new());
        let id = self.id(tenant);
        identity(&mut w, id, AGENT, self.severity);
        w.line.extend_from_slice(br#","source":{"adapter":"halod","capture":"ingested","via":"halod"}"#);
        ending(&mut w, tenant);
        w.finish(tenant.clone(), id, None, &mut scratch).said_by_halod(self.kind)
    }

    fn id(&self, tenant: &Tenant) -> RecordId {
        let mut parts = vec![self.kind.as_bytes().to_vec()];
        parts.extend(self.about.iter().map(|(_, fact)| match fact {
            About::Number(number) => number.to_be_bytes().to_vec(),
            About::Text(text) => text.as_bytes().to_vec(),
        }));
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        RecordId::derive(Origin::Notice, tenant, &parts)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::draft::{Comparison, GENESIS};
    use crate::time;
    use serde_json::Value;

    fn sealed(draft: &Draft) -> Vec<u8> {
        let mut line = Vec::new();
        draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
        line
    }

    #[test]
    fn a_loss_reads_as_one() {
        let about = [("bytes", About::Number(187)), ("file", About::Text("a.log"))];
        let notice = Notice::of_loss("gap", "187 bytes of a.log are lost", &about);
        let record: Value = serde_json::from_slice(&sealed(&notice.draft(&Tenant::stored("acme")))).unwrap();
        assert_eq!(record["action"]["tool"], "halod.gap");
        assert_eq!(
            record["source"],
            serde_json::json!({"adapter": "halod", "capture": "ingested", "via": "halod"})
        );
        assert_eq!((&record["severity"], &record["outcome"]["status"]), (&"MEDIUM".into(), &"error".into()));
        assert_eq!(record["outcome"]["summary"], "187 bytes of a.log are lost");
        assert_eq!((&record["data"]["bytes"], &record["data"]["file"]), (&187.into(), &"a.log".into()));
        assert_eq!(record["subject"]["id"], "acme");
    }

    #[test]
    fn what_is_no_loss_is_no_error_and_long_sentences_are_cut() {
        let summary = "é".repeat(300);
        let notice = Notice { kind: "clock", severity: Severity::Low, summary: &summary, about: &[] };
        let record: Value = serde_json::from_slice(&sealed(&notice.draft(&Tenant::Local))).unwrap();
        assert_eq!((&record["severity"], &record["outcome"]["status"]), (&"LOW".into(), &"ok".into()));
        assert_eq!(record["outcome"]["summary"], "é".repeat(200));
    }

    /// Its id is made of all that it tells, so another wording is no other notice.
    #[test]
    fn the_same_notice_in_other_words_is_the_same() {
        let about = [("bytes", About::Number(5))];
        let [ours, theirs] = ["5 bytes are lost", "there are 5 bytes missing"]
            .map(|summary| Notice::of_loss("gap", summary, &about).draft(&Tenant::Local));
        assert_eq!(ours.id(), theirs.id());
        assert!(matches!(ours.compare_with(&sealed(&theirs)), Comparison::Same));
    }
}
