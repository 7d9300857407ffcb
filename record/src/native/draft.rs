//! The draft of a sender's own record, written straight in canonical key order.

use super::super::build::{Builder, identity};
use super::super::canon::write_str;
use super::super::content::{self, OutcomeContent};
use super::super::draft::{Draft, DraftWriter, Scratch};
use super::super::hash;
use super::super::hash_only::{LOCAL, Of};
use super::super::ids::RecordId;
use super::super::keyed::{HASH_KEY, Hasher};
use super::super::members::{integer, key, text};
use super::super::names::bounded;
use super::super::redact::{Findings, Redactor};
use super::super::sameness::ACCOUNT;
use super::super::tenant::Tenant;
use super::{Capture, Content, Parent, Record, SPACE, data};
use crate::json::{Json, Text};
use std::borrow::Cow;

/// Version of what halod makes of a record: raised when one comes out differently, so that what was
/// sealed before is not contradicted by its own resend.
const MAPPING: &str = "1";

impl Builder {
    /// Builds the draft of a sender's own record. `scratch` is reused between calls.
    #[must_use]
    pub fn native(
        &self,
        record: &Record<'_>,
        tenant: &Tenant,
        capture: Capture,
        scratch: &mut Scratch,
    ) -> Draft {
        let of_key = |key: &str| RecordId::of_key(tenant, SPACE, &[key]);
        let id = of_key(&record.key);
        let mut findings = std::mem::take(&mut scratch.findings);
        let hash_only = self.hash_only || self.covers(&whose(record, tenant));
        let input = record.action.input.as_ref();
        let input = input.and_then(|value| self.input_summary(value, hash_only, &mut findings));
        let said = record.outcome.as_ref().and_then(|outcome| said(&outcome.content));
        let outcome = said.and_then(|content| self.outcome_summary(content, hash_only, &mut findings));
        let mut members = data::members(record, &self.redactor, &mut findings);
        let hasher = self.hasher(tenant);
        if (said.is_some() || record.action.input.is_some())
            && let Some(key) = hasher.key()
        {
            members.push((HASH_KEY, Json::Str(Text::from(key))));
        }
        let names = Names { redactor: &self.redactor, hash_only: self.hash_only };

        let mut w = DraftWriter::new(scratch);
        action(&mut w.line, record, &names, (input.as_deref(), &hasher), &mut scratch.content);
        agent(&mut w.line, record, &names);
        section(&mut w.line, "authority", record.authority.as_ref(), &names, Mask::Authority);
        w.data();
        write_members(&mut w.line, members, &findings, &names);
        w.line.extend_from_slice(br#","findings":"#);
        findings.write(!hash_only, &mut w.line);
        w.line.extend_from_slice(br#","integrity":{"#);
        w.integrity();
        w.line.push(b'}');
        if let Some(how) = &record.outcome {
            let said = (said, &hasher);
            content::outcome(&mut w.line, how.status, said, outcome.as_deref(), &mut scratch.content);
        }
        let parent = record.parent.as_ref().map(|parent| match parent {
            Parent::Key(key) => of_key(key),
            Parent::Id(id) => *id,
        });
        if let Some(parent) = parent.filter(|parent| *parent != id) {
            w.parent(parent);
        }
        principal(&mut w.line, record, scratch.account.as_deref(), &names);
        let session = record.session.as_deref().map_or(Cow::Borrowed("local"), |session| names.id(session));
        identity(&mut w, id, &session, findings.severity());
        source(&mut w.line, capture);
        subject(&mut w.line, record, tenant, &names);
        ending(&mut w, record, &names);
        findings.clear();
        scratch.findings = findings;
        w.finish(tenant.clone(), id, None, scratch)
    }
}

/// Whose record it is.
fn whose<'r>(record: &'r Record<'_>, tenant: &'r Tenant) -> Of<'r> {
    let agent = |name| record.agent.as_ref().and_then(|agent| agent.get(name)?.as_str());
    Of {
        tools: [record.action.tool.as_deref(), None],
        tool_unsaid: false,
        agents: [agent("name"), agent("id")],
        agent_unsaid: false,
        tenant: tenant.subject().unwrap_or(LOCAL),
    }
}

/// What masks the texts of a section.
#[derive(Clone, Copy)]
enum Mask {
    Agent,
    Person,
    /// The patterns of secrets alone: these are hashes and references.
    Authority,
    /// What others said of the action: threats, verification.
    Claim,
    /// They are masked already.
    Done,
}

/// How the names of a record are masked. Those of the reference's identifiers become pseudonyms where
/// only hashes are kept.
struct Names<'b> {
    redactor: &'b Redactor,
    hash_only: bool,
}

impl Names<'_> {
    fn masked<'t>(&self, mask: Mask, key: &str, text: &'t str) -> Cow<'t, str> {
        match (mask, key) {
            (Mask::Person, _) => self.person(text),
            (Mask::Agent, "id") | (Mask::Claim, "ref" | "policy_ref") => self.id(text),
            (Mask::Agent, _) | (Mask::Claim, "type") => self.identifier(self.redactor.named(text)),
            (Mask::Claim, "verifier") => self.label(text),
            (Mask::Authority, _) => bounded(self.redactor.named(text)),
            // A schema's word, or a time.
            (Mask::Claim | Mask::Done, _) => Cow::Borrowed(text),
        }
    }

    fn id<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.identifier(self.redactor.id(text))
    }

    fn identifier<'t>(&self, masked: Cow<'t, str>) -> Cow<'t, str> {
        bounded(if self.hash_only { self.redactor.pseudonym(masked) } else { masked })
    }

    fn label<'t>(&self, text: &'t str) -> Cow<'t, str> {
        bounded(self.redactor.label(text))
    }

    fn person<'t>(&self, text: &'t str) -> Cow<'t, str> {
        bounded(self.redactor.person(text))
    }
}

fn said<'r>(content: &'r Content<'_>) -> Option<OutcomeContent<'r>> {
    match content {
        Content::None => None,
        Content::Value(value) => Some(OutcomeContent::Result(value)),
        Content::Error(error) => Some(OutcomeContent::Error(error)),
    }
}

fn action(
    line: &mut Vec<u8>,
    record: &Record<'_>,
    names: &Names<'_>,
    (summary, hasher): (Option<&str>, &Hasher),
    scratch: &mut Vec<u8>,
) {
    let action = &record.action;
    line.extend_from_slice(br#"{"action":{"#);
    if action.decision.is_some() || action.scope.is_some() || action.approver.is_some() {
        line.extend_from_slice(br#""authorization":{"#);
        text(line, "approver", action.approver.as_deref().map(|by| names.person(by)).as_deref());
        text(line, "decision", action.decision.as_deref());
        text(line, "scope", action.scope.as_deref().map(|scope| names.label(scope)).as_deref());
        line.pop();
        line.extend_from_slice(b"},");
    }
    text(line, "category", Some(action.category));
    if let Some(input) = &action.input {
        content::input(line, hasher, &hash::input_hash_with(input, scratch).0, summary);
    }
    text(line, "tool", action.tool.as_deref().map(|tool| names.label(tool)).as_deref());
    text(line, "type", Some(action.kind));
    line.pop();
    line.extend_from_slice(b"},");
}

fn agent(line: &mut Vec<u8>, record: &Record<'_>, names: &Names<'_>) {
    match &record.agent {
        None => line.extend_from_slice(br#""agent":{"id":"unknown","name":"unknown"},"#),
        agent => section(line, "agent", agent.as_ref(), names, Mask::Agent),
    }
}

/// What `data` holds besides, in order, with its closing brace.
fn write_members(
    line: &mut Vec<u8>,
    mut members: Vec<(&str, Json<'_>)>,
    findings: &Findings,
    names: &Names<'_>,
) {
    let found: Vec<_> = findings.pii_types().map(Json::str).collect();
    if !found.is_empty() {
        members.push(("pii_types", Json::Array(found)));
    }
    members.sort_by_key(|(name, _)| *name);
    for (name, value) in &members {
        key(line, name);
        write(line, name, value, names, Mask::Done);
        line.push(b',');
    }
    line.pop();
    line.push(b'}');
}

/// What comes between the parent and the record's id, after a comma: what the record says, and the identity by which it
/// came.
fn principal(line: &mut Vec<u8>, record: &Record<'_>, account: Option<&str>, names: &Names<'_>) {
    if record.principal.is_none() && account.is_none() {
        return;
    }
    line.push(b',');
    match &record.principal {
        Some(principal) => section(line, "principal", Some(principal), names, Mask::Person),
        None => line.extend_from_slice(br#""principal":{},"#),
    }
    if let Some(account) = account {
        // In front of the brace and the comma. Every other member of the section sorts before it.
        line.truncate(line.len() - 2);
        if line.last() != Some(&b'{') {
            line.push(b',');
        }
        text(line, ACCOUNT, Some(account));
        line.pop();
        line.extend_from_slice(b"},");
    }
    line.pop();
}

fn source(line: &mut Vec<u8>, capture: Capture) {
    line.extend_from_slice(br#","source":{"adapter":"native","capture":""#);
    line.extend_from_slice(capture.word().as_bytes());
    line.extend_from_slice(br#"","mapping":""#);
    line.extend_from_slice(MAPPING.as_bytes());
    line.extend_from_slice(br#"","via":"halod native records"}"#);
}

fn subject(line: &mut Vec<u8>, record: &Record<'_>, tenant: &Tenant, names: &Names<'_>) {
    let name = record.subject.name.as_deref().map(|name| names.person(name));
    if tenant.subject().is_none() && name.is_none() {
        return;
    }
    line.extend_from_slice(br#","subject":{"#);
    text(line, "id", tenant.subject());
    text(line, "name", name.as_deref());
    line.pop();
    line.push(b'}');
}

fn ending(w: &mut DraftWriter, record: &Record<'_>, names: &Names<'_>) {
    if record.threats.is_some() {
        w.line.push(b',');
        section(&mut w.line, "threats", record.threats.as_ref(), names, Mask::Claim);
        w.line.pop();
    }
    w.line.extend_from_slice(br#","ts":""#);
    w.ts();
    w.line.push(b'"');
    if record.verification.is_some() {
        w.line.push(b',');
        section(&mut w.line, "verification", record.verification.as_ref(), names, Mask::Claim);
        w.line.pop();
    }
    w.line.push(b'}');
}

/// A member that is there, and a comma.
fn section(line: &mut Vec<u8>, name: &str, value: Option<&Json<'_>>, names: &Names<'_>, mask: Mask) {
    if let Some(value) = value {
        key(line, name);
        write(line, name, value, names, mask);
        line.push(b',');
    }
}

/// The canonical form of a value whose keys are ASCII and whose numbers are safe, masked.
fn write(line: &mut Vec<u8>, name: &str, value: &Json<'_>, names: &Names<'_>, mask: Mask) {
    match value {
        Json::Bool(true) => line.extend_from_slice(b"true"),
        Json::Bool(false) => line.extend_from_slice(b"false"),
        Json::Int(number) => {
            if *number < 0 {
                line.push(b'-');
            }
            integer(line, number.unsigned_abs());
        }
        Json::Str(Text::Utf8(text)) => {
            write_str(&names.masked(mask, name, text), line);
        }
        Json::Array(items) => {
            line.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    line.push(b',');
                }
                write(line, name, item, names, mask);
            }
            line.push(b']');
        }
        Json::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp_utf16(b));
            line.push(b'{');
            for (at, (name, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    line.push(b',');
                }
                let name = name.to_lossy();
                key(line, &name);
                write(line, &name, value, names, mask);
            }
            line.push(b'}');
        }
        // Reading leaves none of these.
        Json::Null | Json::BigInt(_) | Json::Float(_) | Json::Str(Text::Wtf8(_)) => {
            line.extend_from_slice(b"null");
        }
    }
}
