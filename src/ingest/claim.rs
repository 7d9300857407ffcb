//! Which tenant an event belongs to.

use crate::auth::Identity;
use crate::net::peer::Peer;
use halod_chain::traces::TraceTenants;
use halod_record::event::Fact;
use halod_record::hash;
use halod_record::tenant::{BadTenantId, Tenant};
use halod_record::trace::{InTrace, Rank, Trace};
use http::{Extensions, HeaderMap};
use std::borrow::Cow;
use std::sync::Arc;
use thiserror::Error;

/// The fact of a record that tells of a claim which did not count.
const CLAIMED: &str = "claimed_tenant";

/// Where a tenant claim is looked for: resource attributes first, then the span's own, then
/// request headers; the first non-empty one wins, and without any the tenant is `_local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRule {
    /// Names looked up among resource attributes, then among span attributes.
    pub attributes: Vec<String>,
    /// Names of request headers, lower case.
    pub headers: Vec<String>,
    /// What becomes of a claim of a tenant that is none of the sender's identity's.
    pub outside: OutsideClaims,
}

/// What becomes of what claims a tenant that is none of the sender's identity's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutsideClaims {
    #[default]
    Refuse,
    /// It is sealed as if nothing were claimed, and its record tells the claim.
    Record,
}

/// What is known of a request's tenant before its body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderClaim {
    Absent,
    Tenant(String),
    /// Everything is of this tenant: who imports it says so.
    Assigned(Tenant),
    /// Everything is of this tenant, by the key that the sender showed. A record tells if its own claim
    /// is another.
    Keyed(Tenant),
    /// A value that is not UTF-8: no span that depends on it can be placed.
    Unreadable,
}

/// Who sends a request, and what is known of its tenant before its body is read.
#[derive(Clone, Debug)]
pub struct Claimant {
    pub claim: HeaderClaim,
    identity: Option<Arc<Identity>>,
    outside: OutsideClaims,
    /// What the headers claim that does not count.
    overruled: Option<String>,
    /// What tells senders apart that show no identity.
    peer: String,
}

impl TenantRule {
    /// Who sends a request. Its tenant is the one that a receiver's own key stands for, if it is `known`; else the sole one of
    /// the sender's identity, else what the headers claim.
    #[must_use]
    pub fn claimant(&self, known: Option<Tenant>, headers: &HeaderMap, extensions: &Extensions) -> Claimant {
        let identity = extensions.get::<Arc<Identity>>().cloned();
        let sole = identity.as_ref().and_then(|identity| identity.tenants.sole().cloned());
        let header = self.header_claim(headers);
        let overruled = match (&header, &identity) {
            (HeaderClaim::Tenant(id), Some(identity)) if !identity.tenants.includes(id) => Some(id.clone()),
            _ => None,
        };
        let claim = match known.or(sole) {
            Some(tenant) => HeaderClaim::Keyed(tenant),
            None if overruled.is_some() => HeaderClaim::Absent,
            None => header,
        };
        let peer = Peer::name_in(extensions);
        Claimant { claim, identity, outside: self.outside, overruled, peer }
    }

    /// Whether the headers claim what the identity of their sender may claim.
    ///
    /// # Errors
    /// They don't, and such claims are refused.
    pub fn check(&self, headers: &HeaderMap, identity: &Identity) -> Result<(), TenantError> {
        match self.header_claim(headers) {
            HeaderClaim::Tenant(id)
                if self.outside == OutsideClaims::Refuse && !identity.tenants.includes(&id) =>
            {
                Err(TenantError::Outside)
            }
            _ => Ok(()),
        }
    }

    /// The first non-empty value among the configured headers.
    #[must_use]
    pub fn header_claim(&self, headers: &HeaderMap) -> HeaderClaim {
        let value = self.headers.iter().filter_map(|name| headers.get(name)).find(|v| !v.is_empty());
        match value.map(|value| std::str::from_utf8(value.as_bytes())) {
            None => HeaderClaim::Absent,
            Some(Ok(tenant)) => HeaderClaim::Tenant(tenant.to_owned()),
            Some(Err(_)) => HeaderClaim::Unreadable,
        }
    }
}

impl From<HeaderClaim> for Claimant {
    /// Of what nobody sent, like a file of the operator's.
    fn from(claim: HeaderClaim) -> Self {
        let (identity, overruled, peer) = (None, None, String::new());
        Self { claim, identity, outside: OutsideClaims::default(), overruled, peer }
    }
}

impl Claimant {
    /// The tenant, as far as it can be known without the request's body.
    #[must_use]
    pub fn known(&self) -> Option<Tenant> {
        self.claim.known()
    }

    /// The name of the sender's identity.
    #[must_use]
    pub fn account(&self) -> Option<&Arc<str>> {
        self.identity.as_ref().map(|identity| &identity.name)
    }

    /// Whether a tenant is one of the sender's identity's.
    fn includes(&self, tenant: &Tenant) -> bool {
        let id = tenant.subject().unwrap_or_default();
        self.identity.as_ref().is_none_or(|identity| identity.tenants.includes(id))
    }

    /// What telemetry says of a tenant, as far as it counts; and what it claims beside that.
    fn screen<'s>(&self, said: Said<'s>) -> Result<(Said<'s>, Option<&'s str>), TenantError> {
        let Some(identity) = &self.identity else { return Ok((said, None)) };
        let mut outside = None;
        let mut one = |said: Option<&'s str>| {
            let counts = said.filter(|id| identity.tenants.includes(id));
            outside = outside.or(said.filter(|_| counts.is_none()));
            counts
        };
        let counts = Said { stated: one(said.stated), dialect: one(said.dialect) };
        match outside {
            Some(_) if self.outside == OutsideClaims::Refuse => Err(TenantError::Outside),
            outside => Ok((counts, outside)),
        }
    }
}

impl HeaderClaim {
    /// The tenant, as far as it can be known without the request's body.
    #[must_use]
    pub fn known(&self) -> Option<Tenant> {
        match self {
            Self::Absent | Self::Unreadable => None,
            Self::Tenant(id) => Tenant::claimed(id).ok(),
            Self::Assigned(tenant) | Self::Keyed(tenant) => Some(tenant.clone()),
        }
    }
}

/// Finds the tenant of each event of a request: most requests come from one tenant, whose id is checked and
/// copied once.
#[derive(Clone, Debug)]
pub struct TenantResolver {
    claimant: Claimant,
    last: Option<Tenant>,
    traces: Option<SenderTraces>,
}

/// What is known of the traces of one sender. Nobody moves another's spans.
#[derive(Clone, Debug)]
pub struct SenderTraces {
    known: Arc<TraceTenants>,
    sender: [u8; 8],
    /// Whether records are looked for wherever anybody said that a trace is.
    everywhere: bool,
    last: Option<Arc<Trace>>,
}

/// What is said of a span's tenant: by an attribute that the operator chose, and in the words of its dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said<'a> {
    pub stated: Option<&'a str>,
    pub dialect: Option<&'a str>,
}

/// Where a span's record goes.
#[derive(Debug)]
pub struct Placed {
    pub tenant: Tenant,
    /// The claim that the sender's key overruled, if that is another.
    pub overruled: Option<String>,
    /// There where the span says nothing itself, so that another chain may have it.
    pub in_trace: Option<InTrace>,
}

impl SenderTraces {
    /// Senders are told apart by their identity; those that show none by where they are, together with what their headers
    /// claim.
    #[must_use]
    pub fn new(known: Arc<TraceTenants>, claimant: &Claimant) -> Self {
        let header = match &claimant.claim {
            HeaderClaim::Tenant(id) => id.as_str(),
            _ => "",
        };
        let of = match claimant.account() {
            // No address has a line feed.
            Some(account) => format!("identity\n{account}\n{header}"),
            None => format!("{}\n{header}", claimant.peer),
        };
        let digest = hash::sha256(of.as_bytes());
        let sender = digest.first_chunk().copied().unwrap_or_default();
        Self { known, sender, everywhere: false, last: None }
    }

    /// The traces of files that the operator imports. What came live is known by them, whoever sent it; nothing is
    /// placed by that.
    #[must_use]
    pub fn of_files(known: Arc<TraceTenants>, claim: &HeaderClaim) -> Self {
        let claimant = Claimant { peer: "file".into(), ..claim.clone().into() };
        Self { everywhere: true, ..Self::new(known, &claimant) }
    }

    fn of(&mut self, id: &[u8; 16]) -> Arc<Trace> {
        match &self.last {
            Some(trace) if trace.id() == *id => Arc::clone(trace),
            _ => {
                let trace = self.known.trace(self.sender, *id);
                if self.everywhere {
                    self.known.tenants_of(*id).iter().for_each(|tenant| trace.could_be_of(tenant));
                }
                Arc::clone(self.last.insert(trace))
            }
        }
    }
}

impl TenantResolver {
    #[must_use]
    pub fn new(claimant: Claimant) -> Self {
        Self { claimant, last: None, traces: None }
    }

    /// The name of the sender's identity.
    #[must_use]
    pub fn account(&self) -> Option<&Arc<str>> {
        self.claimant.account()
    }

    /// Has what was said for a trace place its spans.
    pub fn know_traces(&mut self, traces: SenderTraces) {
        self.traces = Some(traces);
    }

    /// What tells the sender from others.
    #[must_use]
    pub fn sender(&self) -> Option<[u8; 8]> {
        self.traces.as_ref().map(|traces| traces.sender)
    }

    /// What is known of a trace.
    pub fn trace(&mut self, id: &[u8; 16]) -> Option<Arc<Trace>> {
        Some(self.traces.as_mut()?.of(id))
    }

    /// Notes session and user of a trace, as the span says that encloses all others.
    pub fn enclose(&mut self, id: &[u8; 16], said: [Option<&str>; 2]) {
        if let Some(traces) = self.traces.as_mut().filter(|_| said != [None, None]) {
            let trace = traces.of(id);
            traces.known.enclose(&trace, said);
        }
    }

    /// Notes what is said for a trace by one of its spans, which may have no record.
    pub fn note(&mut self, own: Said<'_>, trace: &[u8; 16]) {
        let Ok((own, _)) = self.claimant.screen(own) else { return };
        let Some((id, rank)) = self.says(own, false).filter(|_| !self.is_decided()) else { return };
        if let Some(traces) = &mut self.traces
            && let Ok(tenant) = told(&mut self.last, id)
        {
            let trace = traces.of(trace);
            traces.known.claim(&trace, &tenant, rank);
        }
    }

    /// What a span says itself that counts, where the spans around it state a tenant or not.
    fn says<'s>(&self, own: Said<'s>, around: bool) -> Option<(&'s str, Rank)> {
        match own {
            Said { stated: Some(id), .. } => Some((id, Rank::Stated)),
            Said { dialect: Some(id), .. } if self.claimant.claim == HeaderClaim::Absent && !around => {
                Some((id, Rank::Dialect))
            }
            _ => None,
        }
    }

    /// Places a span or log record by what it says itself, what is said `around` it, and what was said for its trace.
    ///
    /// # Errors
    /// The claim that decides cannot be used.
    pub fn place_in_trace(
        &mut self,
        own: Said<'_>,
        around: Said<'_>,
        trace: Option<&[u8; 16]>,
    ) -> Result<Placed, TenantError> {
        let ((own, outside), (around, beside)) = (self.claimant.screen(own)?, self.claimant.screen(around)?);
        let outside = outside.or(beside).map(str::to_owned).or_else(|| self.claimant.overruled.clone());
        let stated = own.stated.or(around.stated);
        let dialect = own.dialect.or(around.dialect);
        let decided = self.is_decided();
        let traces = self.traces.as_mut().filter(|_| !decided).zip(trace);
        let known = traces.map(|(traces, id)| (traces.of(id), Arc::clone(&traces.known)));
        let Some((trace, known)) = known else {
            let (tenant, overruled) = self.place_and_tell(stated, dialect)?;
            return Ok(Placed { tenant, overruled: outside.or(overruled), in_trace: None });
        };
        let no_header = self.claimant.claim == HeaderClaim::Absent;
        let rank = self.says(own, around.stated.is_some()).map(|(_, rank)| rank);
        let said = stated.is_some() || rank.is_some();
        let claimed = match trace.claimed(Rank::Stated) {
            None if no_header && dialect.is_none() => trace.claimed(Rank::Dialect),
            stated => stated,
        };
        // The identity may have lost a tenant since.
        let claimed = claimed.filter(|tenant| !said && self.claimant.includes(tenant));
        let by_claim = claimed.is_some();
        let otherwise = self.place(stated, dialect);
        let tenant = match claimed {
            Some(tenant) => {
                if let Ok(otherwise) = otherwise {
                    trace.could_be_of(&otherwise);
                }
                tenant
            }
            None => otherwise?,
        };
        if let Some(rank) = rank {
            known.claim(&trace, &tenant, rank);
        }
        let in_trace = rank.is_none().then(|| InTrace::new(trace, by_claim));
        Ok(Placed { tenant, overruled: outside, in_trace })
    }

    /// Whether a tenant is one of the sender's identity's.
    #[must_use]
    pub fn includes(&self, tenant: &Tenant) -> bool {
        self.claimant.includes(tenant)
    }

    /// What is known of the tenant without the events.
    #[must_use]
    pub fn claim(&self) -> &HeaderClaim {
        &self.claimant.claim
    }

    /// The tenant, as far as it can be known without the events.
    #[must_use]
    pub fn known(&self) -> Option<Tenant> {
        self.claimant.known()
    }

    /// Whether nothing that telemetry says counts.
    fn is_decided(&self) -> bool {
        matches!(self.claimant.claim, HeaderClaim::Assigned(_) | HeaderClaim::Keyed(_))
    }

    /// The tenant of an event that states one or none, and the claim that does not count, if that is another.
    ///
    /// # Errors
    /// The claim that decides cannot be used.
    pub fn of(&mut self, event: Option<&str>) -> Result<(Tenant, Option<String>), TenantError> {
        let (said, outside) = self.claimant.screen(Said { stated: None, dialect: event })?;
        let outside = outside.map(str::to_owned).or_else(|| self.claimant.overruled.clone());
        let tenant = self.place(None, said.dialect)?;
        let other = || event.filter(|id| self.is_keyed() && tenant.subject() != Some(id)).map(str::to_owned);
        let overruled = outside.or_else(other);
        Ok((tenant, overruled))
    }

    fn is_keyed(&self) -> bool {
        matches!(self.claimant.claim, HeaderClaim::Keyed(_))
    }

    /// The tenant that is known, else the one that the sender states for the event, else the headers', else what
    /// the sender's dialect calls a tenant.
    fn place(&mut self, stated: Option<&str>, dialect: Option<&str>) -> Result<Tenant, TenantError> {
        let last = &mut self.last;
        match (&self.claimant.claim, stated) {
            (HeaderClaim::Assigned(tenant) | HeaderClaim::Keyed(tenant), _) => Ok(tenant.clone()),
            (_, Some(id)) => told(last, id),
            (HeaderClaim::Absent, None) => dialect.map_or(Ok(Tenant::Local), |id| told(last, id)),
            (HeaderClaim::Tenant(id), None) => checked(last, id),
            (HeaderClaim::Unreadable, None) => Err(TenantError::NotText),
        }
    }

    /// The same, and the claim that the sender's key overruled, if that is another.
    fn place_and_tell(
        &mut self,
        stated: Option<&str>,
        dialect: Option<&str>,
    ) -> Result<(Tenant, Option<String>), TenantError> {
        let HeaderClaim::Keyed(known) = &self.claimant.claim else {
            return Ok((self.place(stated, dialect)?, None));
        };
        // A claim that can't be used is no reason to refuse what is known to be whose.
        let claim = stated.and_then(|id| checked(&mut self.last, id).ok());
        let claim = claim.or_else(|| dialect.and_then(|id| checked(&mut self.last, id).ok()));
        let other = claim.filter(|claim| claim != known);
        Ok((known.clone(), other.and_then(|other| other.subject().map(str::to_owned))))
    }
}

/// A claim that does not count, as a fact for its record.
#[must_use]
pub fn overruled<'a>(claim: Option<String>) -> Option<(&'static str, Fact<'a>)> {
    Some((CLAIMED, Fact::Label(Cow::Owned(claim?))))
}

/// The tenant that telemetry names. Where a character of the name was damaged, other names would become the same.
fn told(last: &mut Option<Tenant>, id: &str) -> Result<Tenant, TenantError> {
    if id.contains(char::REPLACEMENT_CHARACTER) { Err(TenantError::Damaged) } else { checked(last, id) }
}

/// The tenant with this id, which is `last` if that has it.
fn checked(last: &mut Option<Tenant>, id: &str) -> Result<Tenant, TenantError> {
    match last {
        Some(tenant) if tenant.subject() == Some(id) => Ok(tenant.clone()),
        _ => Ok(last.insert(Tenant::claimed(id)?).clone()),
    }
}

/// Why a tenant id cannot be used. The spans that it is claimed for are rejected for good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TenantError {
    #[error(transparent)]
    BadId(#[from] BadTenantId),
    #[error("the tenant id in the request's headers is not UTF-8")]
    NotText,
    #[error("the tenant is none of those that the sender's identity may write for")]
    Outside,
    #[error("the tenant id holds a damaged character (U+FFFD), so it can't be told from others")]
    Damaged,
}

impl Default for TenantRule {
    fn default() -> Self {
        Self {
            attributes: vec!["tenant.id".into(), "halo.subject.id".into()],
            headers: vec!["x-tenant-id".into()],
            outside: OutsideClaims::default(),
        }
    }
}
