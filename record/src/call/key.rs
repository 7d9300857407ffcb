//! What calls are known by: digests of the ids that their senders gave them.

use super::agree::Reason;
use super::{Form, Kind};
use crate::event::{Action, Event, Fact, Origin};
use crate::hash::write_hex;
use crate::ids::{RecordId, kept_part};
use crate::tenant::Tenant;
use sha2::{Digest, Sha256};

/// What an id stands for, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// LiteLLM's id of a call.
    Call,
    /// A coding agent's id of a request to a model.
    Request,
    /// The provider's id of its answer.
    Response,
    /// A tool call's id, within its session and within its trace.
    ToolCallInSession,
    ToolCallInTrace,
}

impl KeyKind {
    const ALL: [Self; 5] =
        [Self::Call, Self::Request, Self::Response, Self::ToolCallInSession, Self::ToolCallInTrace];

    /// As `data.call_keys` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Request => "request",
            Self::Response => "response",
            Self::ToolCallInSession => "tool_call.session",
            Self::ToolCallInTrace => "tool_call.trace",
        }
    }

    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Call => Reason::Call,
            Self::Request => Reason::Request,
            Self::Response => Reason::Response,
            Self::ToolCallInSession | Self::ToolCallInTrace => Reason::ToolCall,
        }
    }
}

/// A digest of a raw id with its tenant and scope: stored ids may be masked, so that two may look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    pub kind: KeyKind,
    digest: [u8; 16],
}

impl CallKey {
    /// The first 128 bits of SHA-256 over the kind, the tenant, the scope and the id, length-prefixed. Scope and
    /// id are what [`kept_part`] makes of them.
    fn new(kind: KeyKind, tenant: &Tenant, scope: &str, id: &str) -> Self {
        // A subject is never empty, so the empty string stands for no subject alone.
        let tenant = tenant.subject().unwrap_or("").as_bytes();
        let parts = [kind.name().as_bytes(), tenant, scope.as_bytes(), id.as_bytes()];
        Self { kind, digest: digest(b"halod/call-key/1\0", &parts) }
    }

    #[must_use]
    pub(crate) fn digest(&self) -> &[u8; 16] {
        &self.digest
    }

    /// As a member of `data.call_keys`: the kind's name, a colon, 32 hexadecimal digits.
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.kind.name().as_bytes());
        line.push(b':');
        crate::hash::write_hex(&self.digest, line);
    }

    /// Reads what [`Self::write`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, digest) = text.split_once(':')?;
        let kind = KeyKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        Some(Self { kind, digest: crate::hash::parse_hex(digest.as_bytes())? })
    }

    /// What the index looks under: uniform, as the digest is.
    #[must_use]
    pub fn index_key(&self) -> u64 {
        let digest = u128::from_be_bytes(self.digest);
        digest.wrapping_shr(64) as u64 ^ digest as u64
    }
}

/// The key of the index under which accounts stand that are enclosed by a record.
pub(super) fn enclosed_by(parent: RecordId) -> u64 {
    // Another number than that of the record itself.
    parent.key().rotate_left(17) ^ 0x656e_636c_6f73_6564
}

/// The key of the index under which the corroborations of an action stand.
pub(super) fn told_of(action: RecordId) -> u64 {
    action.key().rotate_left(29) ^ 0x746f_6c64_206f_6620
}

/// Nanoseconds that the begin of two accounts of one call may differ by to be found.
pub(super) const ABOUT: u64 = 5_000_000_000;
/// Nanoseconds that one key of a session stands for.
const STRETCH: u64 = 16_000_000_000;

/// A tenant's session, by its name as a record shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session(String);

impl Session {
    /// `None` where there is no session, or its name is masked, so that nothing is known of it.
    pub(super) fn of(tenant: &Tenant, name: &str) -> Option<Self> {
        if matches!(name, "" | "unknown") || name.contains("****") {
            return None;
        }
        Some(Self([tenant.subject().unwrap_or(""), "\0", name].concat()))
    }

    /// The key of the index under which accounts of one kind and form stand that began in a stretch of a session.
    /// It is hashed only where it is looked for: a draft need not be.
    pub(super) fn place(&self, kind: Kind, form: Form, at: u64) -> u64 {
        let within = [kind as u8, form as u8];
        let digest =
            digest(b"halod/call-place/1\0", &[&within, &(at / STRETCH).to_be_bytes(), self.0.as_bytes()]);
        u128::from_be_bytes(digest) as u64
    }

    pub(super) fn weight(&self) -> usize {
        self.0.len()
    }
}

/// The first 128 bits of SHA-256 over a domain and length-prefixed parts.
fn digest(domain: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new_with_prefix(domain);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

/// What senders write for an id that they have not. Of two calls without an id nothing is known.
fn is_an_id(id: &str) -> bool {
    const NONE: [&str; 9] =
        ["none", "null", "nil", "undefined", "unknown", "n/a", "na", "nan", "<not specified>"];
    let id = id.trim();
    !id.is_empty()
        && !NONE.iter().any(|none| id.eq_ignore_ascii_case(none))
        && !id.chars().all(|c| matches!(c, '0' | '-'))
}

/// The fields whose ids make keys.
pub(crate) const KEPT: [&str; 4] = [SESSION, CALL_ID, REQUEST_ID, RESPONSE_ID];
const SESSION: &str = "session";
const CALL_ID: &str = "call_id";
const REQUEST_ID: &str = "request_id";
const RESPONSE_ID: &str = "response_id";

/// The keys of a call that an event tells of, strongest first. `kept` has those of its ids that are masked.
pub(super) fn of_event(
    event: &Event<'_>,
    kind: Kind,
    tenant: &Tenant,
    kept: &[(&'static str, String)],
) -> Vec<CallKey> {
    let fact = |name: &str| {
        event.facts.iter().find_map(|(key, fact)| match fact {
            Fact::Id(id) if *key == name => Some(id.as_ref()),
            _ => None,
        })
    };
    let raw = |field: &str, id: &'_ str| -> String {
        let known = kept.iter().find(|(known, _)| *known == field);
        known.map_or_else(|| kept_part(id).into_owned(), |(_, kept)| kept.clone())
    };
    let mut keys = Vec::new();
    let mut put = |kind, scope: &str, field: &str, id: Option<&str>| {
        let id = id.filter(|id| is_an_id(id));
        keys.extend(id.map(|id| CallKey::new(kind, tenant, scope, &raw(field, id))));
    };
    match kind {
        Kind::Generate | Kind::Embed => {
            put(KeyKind::Call, "", CALL_ID, fact(CALL_ID));
            put(KeyKind::Request, "", REQUEST_ID, fact(REQUEST_ID));
            put(KeyKind::Response, "", RESPONSE_ID, event.usage.response_id.as_deref());
        }
        Kind::Tool => {
            let Action::Tool { call_id: Some(call_id), .. } = &event.action else { return keys };
            let call_id = Some(call_id.as_ref());
            let trace = match &event.origin {
                Origin::Span { trace, .. } => Some(trace),
                Origin::Log { trace, .. } => trace.as_ref(),
                Origin::Keyed(_) => None,
            };
            if let Some(session) = &event.session {
                put(KeyKind::ToolCallInSession, &raw(SESSION, session), CALL_ID, call_id);
            }
            if let Some(trace) = trace {
                let mut hex = Vec::with_capacity(32);
                write_hex(trace, &mut hex);
                let trace = String::from_utf8_lossy(&hex);
                put(KeyKind::ToolCallInTrace, &trace, CALL_ID, call_id);
            }
        }
        Kind::Retrieve | Kind::Access => {}
    }
    keys
}
