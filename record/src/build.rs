//! The single funnel from an event to a draft.
//!
//! Written straight in canonical key order (RFC 8785: keys by UTF-16 code unit), because a tree
//! would cost more than everything else done here. Content is hashed and summarised in masked form,
//! never stored; names and ids of the sender's are masked and bounded.

use super::call::Call;
use super::canon::write_str;
use super::charge;
use super::content::{self, OutcomeContent};
use super::data::{Spans, data};
use super::draft::{Draft, DraftWriter, OriginKey, Scratch};
use super::hash::{self, hex_text};
use super::hash_only::{self, HashOnlyFor, Of};
use super::ids::{Origin as IdOrigin, RecordId};
use super::keyed::{HashKey, Hasher};
use super::members::text;
use super::names::Names;
use super::native::Capture;
use super::redact::custom::Custom;
use super::redact::{Findings, Redactor, Severity};
use super::tenant::Tenant;
use super::vocabulary::{Class, Words};
use crate::event::{Content, Decision, Event, FILE, Found, Keyed, Origin, Outcome, Source, Status, Told};
use std::borrow::Cow;

/// Builds drafts: the rules that are the same for all of them. One for the process, shared by its
/// threads.
#[derive(Debug)]
pub struct Builder {
    pub(super) redactor: Redactor,
    /// Records carry hashes only: no summaries, no samples (the reference's `summaries=False`).
    pub(super) hash_only: bool,
    /// Whose records do so all the same.
    pub(super) hash_only_for: Vec<HashOnlyFor>,
    /// What hashes of content are keyed with.
    key: Option<HashKey>,
}

/// What is known of names that were masked before, by the field's name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Masked<'m> {
    /// What was found in them.
    pub(super) found: &'m [(&'static str, Found)],
    /// Those that a call is known by, as [`super::ids::kept_part`] keeps them.
    pub(super) kept: &'m [(&'static str, String)],
    /// Whether it is one of those whose content is kept as hashes alone, where that is decided.
    pub(super) covered: Option<bool>,
}

impl Builder {
    #[must_use]
    pub fn new(hash_only: bool) -> Self {
        Self::with(hash_only, Custom::default())
    }

    /// One that keeps to the operator's rules of redaction as well.
    #[must_use]
    pub fn with(hash_only: bool, rules: Custom) -> Self {
        Self { redactor: Redactor::with(rules), hash_only, hash_only_for: Vec::new(), key: None }
    }

    /// The same, whose records carry hashes only where one of `these` covers them.
    #[must_use]
    pub fn hash_only_for(self, these: Vec<HashOnlyFor>) -> Self {
        Self { hash_only_for: these, ..self }
    }

    /// The same, whose records carry keyed hashes.
    #[must_use]
    pub fn keyed(self, key: Option<HashKey>) -> Self {
        Self { key, ..self }
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// How the content of a tenant's records is hashed.
    pub(super) fn hasher(&self, tenant: &Tenant) -> Hasher {
        self.key.as_ref().map_or(Hasher::Plain, |key| Hasher::Keyed(key.of_tenant(tenant)))
    }

    /// What stands for a digest of content in ids and marks.
    pub(super) fn secret(&self, digest: [u8; 32]) -> [u8; 32] {
        self.key.as_ref().map_or(digest, |key| key.of_directory(&digest))
    }

    /// Whether a record is one of those whose content is kept as hashes alone.
    pub(super) fn covers(&self, of: &Of<'_>) -> bool {
        hash_only::covered(&self.hash_only_for, of)
    }

    /// What masks the texts of its records.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Builds the draft of one event for `tenant`. `scratch` is reused between calls.
    #[must_use]
    pub fn draft(&self, event: &Event<'_>, tenant: &Tenant, scratch: &mut Scratch) -> Draft {
        self.draft_with(event, tenant, Masked::default(), scratch)
    }

    /// As [`Self::draft`], of an event of which some names were masked before.
    pub(super) fn draft_with(
        &self,
        event: &Event<'_>,
        tenant: &Tenant,
        masked: Masked<'_>,
        scratch: &mut Scratch,
    ) -> Draft {
        // A draft keeps little of what it is made from.
        let _passing = charge::passing();
        let Ids { id, parent, spans, origin } = Ids::of(&event.origin, tenant, self, scratch);
        let words = Words::of(&event.action);
        let mut findings = std::mem::take(&mut scratch.findings);
        let of = || Of::event(&event.action, &words, &event.agent, tenant);
        let covered = masked.covered.unwrap_or_else(|| self.covers(&of()));
        let hash_only = self.hash_only || covered;
        let said = Said::of(event, self, hash_only, &mut findings);
        let names = Names::of(event, &words, spans.trace, self, covered, &mut findings);
        masked.found.iter().for_each(|(_, found)| {
            self.redactor.add_known(&mut findings, &found.kind, found.sample.clone());
        });
        let call = Call::of(event, &names, tenant, (id, parent), masked.kept);
        let mut w = DraftWriter::new(scratch);
        let buffer = &mut scratch.content;
        let hasher = self.hasher(tenant);
        action(&mut w.line, words.class, &names, event, (said.input.as_deref(), &hasher), buffer);
        agent(&mut w.line, &names);
        w.data();
        let how = outcome_content(&event.outcome);
        let hashed = how.is_some() || event.input != Content::Undisclosed;
        let key = if hashed { hasher.key() } else { None };
        data(&mut w.line, event, &names, spans, (call.as_deref(), key.as_deref()), &findings);
        w.line.extend_from_slice(br#"},"findings":"#);
        findings.write(!hash_only, &mut w.line);
        w.line.extend_from_slice(br#","integrity":{"#);
        w.integrity();
        w.line.push(b'}');
        content::outcome(&mut w.line, event.outcome.status, (how, &hasher), said.outcome.as_deref(), buffer);
        // What is said to be its own parent has none.
        if let Some(parent) = parent.filter(|parent| *parent != id) {
            w.parent(parent);
        }
        principal(&mut w.line, names.principal.as_deref(), scratch.account.as_deref());
        identity(&mut w, id, &names.session, findings.severity());
        source(&mut w.line, event.source, scratch.capture);
        ending(&mut w, tenant);
        findings.clear();
        scratch.findings = findings;
        w.finish(tenant.clone(), id, call, scratch).of_origin(origin)
    }
}

/// What a record says of the content.
struct Said {
    input: Option<String>,
    outcome: Option<String>,
}

impl Said {
    /// Findings of the input come first, as in the reference.
    fn of(event: &Event<'_>, builder: &Builder, hash_only: bool, findings: &mut Findings) -> Self {
        let input = match &event.input {
            Content::Value(value) => builder.input_summary(value, hash_only, findings),
            Content::Digest(digest) => {
                let summary = builder.digested(digest, hash_only, findings);
                if hash_only { None } else { Some(summary.unwrap_or_default()) }
            }
            Content::Undisclosed => None,
        };
        let outcome = outcome_content(&event.outcome)
            .and_then(|said| builder.outcome_summary(said, hash_only, findings));
        Self { input, outcome }
    }
}

/// The ids that an origin gives to its record.
struct Ids<'a> {
    id: RecordId,
    parent: Option<RecordId>,
    spans: Spans<'a>,
    origin: OriginKey,
}

impl<'a> Ids<'a> {
    fn of(origin: &'a Origin<'_>, tenant: &Tenant, builder: &Builder, scratch: &mut Scratch) -> Self {
        let of_span = |trace: &[u8; 16], span: &[u8; 8]| RecordId::of_span(tenant, trace, span);
        match origin {
            Origin::Span { trace, span, parent, .. } => Self {
                id: of_span(trace, span),
                parent: parent.map(|parent| of_span(trace, &parent)),
                spans: Spans { trace: Some(trace), span: Some(span), parent: parent.as_ref() },
                origin: OriginKey::Span(*trace, *span),
            },
            Origin::Keyed(Keyed { space: FILE, id, .. }) if builder.is_keyed() => {
                let secret = |part: &Cow<'_, str>| hex_text(&builder.secret(hash::sha256(part.as_bytes())));
                let id: Vec<String> = id.iter().map(secret).collect();
                Self {
                    id: RecordId::of_key(tenant, FILE, &id),
                    parent: None,
                    spans: Spans { trace: None, span: None, parent: None },
                    origin: OriginKey::Other,
                }
            }
            Origin::Keyed(Keyed { space, id, parent }) => Self {
                id: RecordId::of_key(tenant, space, id),
                parent: parent.as_ref().map(|parent| RecordId::of_key(tenant, space, parent)),
                spans: Spans { trace: None, span: None, parent: None },
                origin: OriginKey::Other,
            },
            Origin::Log { trace, span, identity, .. } => {
                let digest = builder.secret(hash::input_hash_with(identity, &mut scratch.content).0);
                Self {
                    id: RecordId::derive(IdOrigin::Log, tenant, &[&digest]),
                    parent: trace.as_ref().zip(span.as_ref()).map(|(trace, span)| of_span(trace, span)),
                    spans: Spans { trace: trace.as_ref(), span: span.as_ref(), parent: None },
                    origin: OriginKey::Log(digest),
                }
            }
        }
    }
}

fn action(
    line: &mut Vec<u8>,
    Class { kind, category }: Class,
    names: &Names<'_>,
    event: &Event<'_>,
    (summary, hasher): (Option<&str>, &Hasher),
    scratch: &mut Vec<u8>,
) {
    line.extend_from_slice(br#"{"action":{"#);
    authorization(line, names, event.authorization.as_ref().map(|by| by.decision));
    line.extend_from_slice(br#""category":""#);
    line.extend_from_slice(category.as_bytes());
    line.extend_from_slice(br#"","#);
    match &event.input {
        Content::Value(value) => {
            content::input(line, hasher, &hash::input_hash_with(value, scratch).0, summary);
        }
        Content::Digest(digest) => content::input(line, hasher, &digest.hash, summary),
        Content::Undisclosed => {}
    }
    line.extend_from_slice(br#""tool":"#);
    write_str(&names.tool, line);
    line.extend_from_slice(br#","type":""#);
    line.extend_from_slice(kind.as_bytes());
    line.extend_from_slice(br#""},"#);
}

fn authorization(line: &mut Vec<u8>, names: &Names<'_>, decided: Option<Decision>) {
    if names.scope.is_none() && decided.is_none() {
        return;
    }
    line.extend_from_slice(br#""authorization":{"#);
    text(line, "approver", names.approver.as_deref());
    text(line, "decision", decided.map(decision));
    text(line, "scope", names.scope.as_deref());
    line.pop();
    line.extend_from_slice(b"},");
}

/// The schema's words (`action.authorization.decision`).
fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
        Decision::HumanApproved => "human_approved",
    }
}

fn agent(line: &mut Vec<u8>, names: &Names<'_>) {
    line.extend_from_slice(br#""agent":{"#);
    text(line, "id", Some(&names.agent_id));
    text(line, "model", names.model.as_deref());
    text(line, "name", Some(&names.agent));
    text(line, "version", names.version.as_deref());
    line.pop();
    line.extend_from_slice(b"},");
}

fn outcome_content<'e>(outcome: &'e Outcome<'_>) -> Option<OutcomeContent<'e>> {
    match (outcome.status, &outcome.result) {
        (Status::Ok | Status::Unknown | Status::Unfinished, result) => match result {
            Content::Value(result) => Some(OutcomeContent::Result(result)),
            Content::Digest(digest) => Some(OutcomeContent::Digest(digest)),
            Content::Undisclosed => None,
        },
        (_, Content::Digest(digest)) if matches!(digest.of, Told::Error | Told::ErrorType) => {
            Some(OutcomeContent::Digest(digest))
        }
        _ => outcome.error_text.as_deref().or(outcome.error_type.as_deref()).map(OutcomeContent::Error),
    }
}

/// For whom the agent acted, and by which identity the record came.
fn principal(line: &mut Vec<u8>, human: Option<&str>, account: Option<&str>) {
    if human.is_none() && account.is_none() {
        return;
    }
    line.extend_from_slice(br#","principal":{"#);
    text(line, "human_id", human);
    text(line, "service_account", account);
    line.pop();
    line.push(b'}');
}

pub(super) fn identity(w: &mut DraftWriter, id: RecordId, session: &str, severity: Severity) {
    w.line.extend_from_slice(br#","record_id":""#);
    w.id(id);
    w.line.extend_from_slice(br#"","schema_version":"0.1","session_id":"#);
    write_str(session, &mut w.line);
    w.line.extend_from_slice(br#","severity":""#);
    w.line.extend_from_slice(severity.name().as_bytes());
    w.line.push(b'"');
}

fn source(line: &mut Vec<u8>, source: Source, capture: Capture) {
    line.extend_from_slice(br#","source":{"adapter":"#);
    write_str(source.adapter, line);
    line.extend_from_slice(br#","capture":""#);
    line.extend_from_slice(capture.word().as_bytes());
    line.extend_from_slice(br#"","dialect":"#);
    write_str(source.dialect, line);
    line.extend_from_slice(br#","mapping":"#);
    write_str(source.mapping, line);
    line.extend_from_slice(br#","via":"#);
    write_str(source.via, line);
    line.push(b'}');
}

pub(super) fn ending(w: &mut DraftWriter, tenant: &Tenant) {
    if let Some(subject) = tenant.subject() {
        w.line.extend_from_slice(br#","subject":{"id":"#);
        write_str(subject, &mut w.line);
        w.line.push(b'}');
    }
    w.line.extend_from_slice(br#","ts":""#);
    w.ts();
    w.line.extend_from_slice(br#""}"#);
}
