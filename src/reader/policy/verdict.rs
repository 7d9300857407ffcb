//! What a chain is beside a policy.

use super::rule::{Policy, Rule};
use crate::reader::dumps::pretty;
use crate::reader::print::visible;
use crate::reader::records::{Records, is_blank, text};
use crate::reader::window::{Moment, Window};
use halod_record::json::{Json, Text};
use halod_record::parse::Stored;
use halod_record::verify::{Issue, Observer, Verdict as Intact, verify};
use std::collections::BTreeSet;
use std::path::Path;

/// Records that violate a rule and are named; all are counted.
const NAMED: usize = 1000;

/// The verdict.
#[derive(Debug)]
pub struct Verdict<'p> {
    policy: &'p Policy,
    tallies: Vec<Tally>,
    checked: u64,
    violating: u64,
    /// False: the verdict attests nothing.
    pub verified: bool,
    readable: bool,
    window: Window,
    expected_subject: Option<String>,
}

#[derive(Debug, Default)]
struct Tally {
    matched: u64,
    violated: u64,
    named: Vec<Json<'static>>,
}

struct Quiet;

impl Observer for Quiet {
    fn issue(&mut self, _: &Issue) {}
}

/// Judges the records of a chain. The whole chain is verified, whatever the window is.
///
/// # Errors
/// The chain has records of somebody else than the expected subject.
pub fn judge<'p>(
    chain: &Path,
    policy: &'p Policy,
    window: Window,
    expected_subject: Option<String>,
) -> Result<Verdict<'p>, String> {
    let report = verify(chain, &mut Quiet);
    let verified = report.as_ref().is_ok_and(|report| report.verdict() != Intact::Broken);
    let tallies = policy.rules.iter().map(|_| Tally::default()).collect();
    let mut own = Verdict {
        policy,
        tallies,
        checked: 0,
        violating: 0,
        verified,
        readable: true,
        window,
        expected_subject,
    };
    let limit = report.map_or(u64::MAX, |report| report.records);
    let mut subjects = BTreeSet::new();
    own.readable = own.read(chain, limit, &mut subjects).is_some();
    if let Some(expected) = own.expected_subject.as_ref().filter(|_| own.readable) {
        let only = BTreeSet::from([Some(expected.as_bytes().to_vec())]);
        if subjects != only {
            return Err(format!("{} has records of others than {expected:?}, or none", chain.display()));
        }
    }
    Ok(own)
}

impl Verdict<'_> {
    /// `None` where a line is no record, so that the records can't be judged.
    fn read(&mut self, chain: &Path, limit: u64, subjects: &mut BTreeSet<Option<Vec<u8>>>) -> Option<()> {
        let mut lines = Records::open(chain).ok()?;
        let mut seen = 0;
        while seen < limit {
            let first = lines.number == 0;
            let Some(bytes) = lines.next_line().ok()? else { break };
            let line = text(bytes, first)?;
            if is_blank(line) {
                continue;
            }
            seen += 1;
            let stored = Stored::parse(line).ok()?;
            let record = stored.value();
            if !matches!(record, Json::Object(_)) {
                return None;
            }
            if self.expected_subject.is_some() && subjects.len() < 2 {
                let id = match record.get("subject").and_then(|subject| subject.get("id")) {
                    Some(Json::Str(id)) => Some(id.as_bytes().to_vec()),
                    _ => None,
                };
                subjects.insert(id);
            }
            if self.window.has(record.get("ts").and_then(Json::as_str)) {
                self.take(record);
            }
        }
        Some(())
    }

    fn take(&mut self, record: &Json<'_>) {
        self.checked += 1;
        let mut violates = false;
        for (rule, tally) in self.policy.rules.iter().zip(&mut self.tallies) {
            if !rule.selects(record) {
                continue;
            }
            tally.matched += 1;
            if rule.is_violated_by(record) {
                violates = true;
                tally.violated += 1;
                if tally.named.len() < NAMED {
                    tally
                        .named
                        .push(record.get("record_id").map_or(Json::str("?"), |id| id.clone().into_owned()));
                }
            }
        }
        self.violating += u64::from(violates);
    }

    fn count(&self, status: &str) -> u64 {
        self.rules().filter(|(rule, tally)| tally.status(rule) == status).count() as u64
    }

    fn rules(&self) -> impl Iterator<Item = (&Rule, &Tally)> {
        self.policy.rules.iter().zip(&self.tallies)
    }

    /// The reference's exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        if !self.verified || !self.readable {
            return 2;
        }
        match (self.checked, self.count("violated"), self.count("no_match")) {
            (0, ..) => 3,
            (_, 1.., _) => 1,
            (.., unexercised) if unexercised == self.policy.rules.len() as u64 => 3,
            _ => 0,
        }
    }

    /// The reference's JSON. Where more records than are named violate a rule, `violators_not_named` counts them.
    #[must_use]
    pub fn json(&self) -> String {
        let verified = self.verified && self.readable;
        let mut all = vec![("compliant", Json::Bool(verified && self.count("violated") == 0))];
        let (violations, gaps) =
            (("violations", self.count("violated")), ("gaps", self.count("no_evidence")));
        let violating = ("violating_records", self.violating);
        let counts =
            [("checked", self.checked), violations, violating, gaps, ("unexercised", self.count("no_match"))];
        if self.readable {
            all.extend(counts.map(|(key, number)| (key, count(number))));
            all.push(("rules", Json::Array(self.rules().map(|(rule, tally)| tally.json(rule)).collect())));
        } else {
            let keys = ["checked", "violations", "gaps", "violating_records", "unexercised"];
            all.extend(keys.map(|key| (key, Json::Int(0))));
            all.push(("rules", Json::Array(Vec::new())));
        }
        let string = |text: &str| Json::Str(Text::from(text.to_owned()));
        all.push(("policy_sha256", string(&self.policy.file_digest)));
        all.push(("rules_sha256", self.policy.rules_digest.as_deref().map_or(Json::Null, string)));
        all.push(("chain_verified", Json::Bool(verified)));
        if !self.window.is_open() {
            let bound = |at: Option<Moment>| at.map_or(Json::Null, |at| string(&at.to_string()));
            all.push((
                "window",
                object(vec![("from", bound(self.window.from)), ("to", bound(self.window.to))]),
            ));
        }
        if let Some(expected) = &self.expected_subject {
            all.push(("expected_subject", string(expected)));
        }
        pretty(&object(all))
    }

    /// A line of verdict, then one for each rule, violated ones first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let (violated, gaps, unmatched) =
            (self.count("violated"), self.count("no_evidence"), self.count("no_match"));
        let verdict = match self.code() {
            2 => "NOT ATTESTABLE: the chain does not verify; `halod verify` tells more",
            3 if self.checked == 0 => "NOTHING IN SCOPE: no record is in the window",
            3 => "NOTHING IN SCOPE: no rule selects a record",
            1 => "VIOLATED",
            _ => "NOT VIOLATED",
        };
        let mut lines = vec![
            verdict.to_owned(),
            format!(
                "{} records, {} rules: {violated} violated by {} records, {gaps} without evidence, {unmatched} select nothing; policy sha256 {}",
                self.checked,
                self.policy.rules.len(),
                self.violating,
                self.policy.file_digest
            ),
        ];
        for status in ["violated", "no_evidence", "no_match", "pass"] {
            for (rule, tally) in
                self.rules().filter(|(rule, tally)| self.readable && tally.status(rule) == status)
            {
                lines.push(tally.line(rule));
            }
        }
        lines
    }
}

impl Tally {
    fn status(&self, rule: &Rule) -> &'static str {
        match (self.violated, self.matched, rule.expects_evidence) {
            (1.., ..) => "violated",
            (0, 0, true) => "no_evidence",
            (0, 0, false) => "no_match",
            _ => "pass",
        }
    }

    fn json(&self, rule: &Rule) -> Json<'static> {
        let mut all = vec![
            ("id", rule.id.clone()),
            ("description", rule.description.clone()),
            ("severity", rule.severity.clone()),
            ("source", rule.source.clone()),
            ("status", Json::str(self.status(rule))),
            ("matched", count(self.matched)),
            ("violators", Json::Array(self.named.clone())),
        ];
        let more = self.violated.saturating_sub(self.named.len() as u64);
        if more > 0 {
            all.push(("violators_not_named", count(more)));
        }
        object(all)
    }

    fn line(&self, rule: &Rule) -> String {
        let text = |value: &Json<'_>| visible(value.as_str().unwrap_or_default()).into_owned();
        let names = self.named.iter().take(5).map(text).collect::<Vec<_>>().join(", ");
        let said = match self.status(rule) {
            "violated" => format!("violated by {} of {} records: {names}", self.violated, self.matched),
            "no_evidence" => "no record shows it".to_owned(),
            "no_match" => "selects no record".to_owned(),
            _ => format!("{} records, none violates it", self.matched),
        };
        format!("{:<8} {}: {said}. {}", text(&rule.severity), text(&rule.id), text(&rule.description))
    }
}

fn count(number: u64) -> Json<'static> {
    Json::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn object(entries: Vec<(&'static str, Json<'static>)>) -> Json<'static> {
    Json::Object(entries.into_iter().map(|(key, value)| (Text::from(key), value)).collect())
}
