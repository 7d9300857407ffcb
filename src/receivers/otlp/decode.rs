//! From a request's bytes to drafts: gunzip, decode, adapter, tenant, draft.
//!
//! Synchronous and without I/O, so that it can run on a worker or on a blocking thread.

use super::Reading;
use super::join::{Joined, Share};
use super::scopes::ScopeCounts;
use crate::net::coding::Coding;
use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::items::Divided;
use crate::receivers::tenancy::{HeaderClaim, TenantError, TenantRule};
use bytes::Bytes;
use halo_adapters::otel;
use halo_adapters::otlp::model::{KeyValue, Logs, Traces};
use halo_adapters::otlp::{DecodeError, Signal, json, protobuf};
use halod_record::draft::Draft;
use halod_record::ids::RecordId;
use halod_record::tenant::Tenant;

/// How the message itself is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

/// A request that has arrived whole.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) signal: Signal,
    pub(super) encoding: Encoding,
    pub(super) coding: Coding,
    pub(super) body: Bytes,
    /// Covers `body`.
    pub(super) permit: Permit,
    pub(super) claim: HeaderClaim,
}

/// What a request comes to.
#[derive(Debug)]
pub(super) struct Decoded {
    /// Items in the request; each is filtered, rejected or one of `items`.
    pub(super) received: u64,
    pub(super) filtered: u64,
    /// Of these, the ones whose scope was read.
    pub(super) filtered_by: ScopeCounts,
    /// Items that cannot be used, by themselves.
    pub(super) invalid: u64,
    /// Items whose tenant cannot be used.
    pub(super) misplaced: u64,
    /// Why the first of the rejected ones was.
    pub(super) first_reason: Option<String>,
    pub(super) drafts: Vec<Draft>,
    /// Items that came to a draft or are part of a share.
    pub(super) items: u64,
    /// Content of spans, in log records.
    pub(super) shares: Vec<Share>,
    /// Spans, with the content that waited for them.
    pub(super) joined: Joined,
    /// Covers the drafts and the shares.
    pub(super) permit: Permit,
}

impl Arrival {
    /// Whether what is left to do takes so long that it is not for a worker.
    pub(super) fn is_heavy(&self) -> bool {
        self.coding.is_heavy(self.body.len())
    }

    /// The same without compression; `limit` bounds it, in bytes.
    ///
    /// # Errors
    /// As [`Coding::decode`].
    pub(super) fn inflate(mut self, limit: usize) -> Result<Self, Fault> {
        self.body = self.coding.decode(self.body, limit, &mut self.permit)?;
        self.coding = Coding::Identity;
        Ok(self)
    }

    /// Decodes the request.
    ///
    /// # Errors
    /// `Undecodable` and `TooLarge` for good; a refusal when the drafts do not fit in flight.
    pub(super) fn decode(self, reading: &Reading, limit: usize) -> Result<Decoded, Fault> {
        let this = self.inflate(limit)?;
        let Self { signal, encoding, body, .. } = this;
        let mut placer = Placer { rule: &reading.tenant, header: &this.claim, last: None };
        let mut decoded = Decoded::new(this.permit);
        let held = match signal {
            Signal::Traces => {
                let traces = traces(encoding, &body).map_err(undecodable)?;
                decoded.spans(&traces, &mut placer, reading, body.len())?
            }
            Signal::Logs => {
                let logs = logs(encoding, &body).map_err(undecodable)?;
                decoded.logs(&logs, &mut placer, reading, body.len())?
            }
            Signal::Metrics => {
                decoded.received = skeleton(encoding, signal, &body).map_err(undecodable)? as u64;
                decoded.filtered = decoded.received;
                0
            }
        };
        drop(body);
        decoded.permit.shrink_to(held);
        Ok(decoded)
    }
}

impl Decoded {
    /// Its items, for their ledger.
    pub(super) fn divided(&self) -> Divided {
        let Self { items: usable, filtered, invalid, misplaced, .. } = *self;
        Divided { usable, filtered, invalid, misplaced }
    }

    /// How many items each draft tells of, where that is not one each: a share tells of several log records.
    pub(super) fn weights(&self) -> Vec<(RecordId, u64)> {
        if self.shares.is_empty() { Vec::new() } else { self.weights_of_all() }
    }

    /// The same, draft by draft in any case.
    pub(super) fn weights_of_all(&self) -> Vec<(RecordId, u64)> {
        let alone = self.drafts.iter().map(|draft| (draft.id(), 1));
        alone.chain(self.shares.iter().map(|share| (share.draft.id(), share.parts.len() as u64))).collect()
    }

    fn new(permit: Permit) -> Self {
        Self {
            received: 0,
            filtered: 0,
            filtered_by: ScopeCounts::default(),
            invalid: 0,
            misplaced: 0,
            first_reason: None,
            drafts: Vec::new(),
            items: 0,
            shares: Vec::new(),
            joined: Joined::default(),
            permit,
        }
    }
}

/// Finds the tenant of each span or log record.
pub(super) struct Placer<'a> {
    pub(super) rule: &'a TenantRule,
    header: &'a HeaderClaim,
    /// Most requests come from one tenant: its id is checked and copied once.
    last: Option<Tenant>,
}

impl Placer<'_> {
    /// As [`Self::place`], and the claim that the sender's key overruled, if that is another.
    pub(super) fn place_and_tell(
        &mut self,
        resource: Option<&str>,
        span: &[KeyValue<'_>],
        dialect: Option<&str>,
    ) -> Result<(Tenant, Option<String>), TenantError> {
        let HeaderClaim::Keyed(known) = self.header else {
            return Ok((self.place(resource, span, dialect)?, None));
        };
        // A claim that can't be used is no reason to refuse what is known to be whose.
        let claim = self.explicit(resource, span).and_then(Result::ok);
        let claim = claim.or_else(|| dialect.and_then(|id| self.tenant(id).ok()));
        let other = claim.filter(|claim| claim != known);
        Ok((known.clone(), other.and_then(|other| other.subject().map(str::to_owned))))
    }

    /// The tenant that is known, else the one that the resource claims, else the span or record, else the
    /// headers, else what the sender's dialect calls a tenant.
    pub(super) fn place(
        &mut self,
        resource: Option<&str>,
        span: &[KeyValue<'_>],
        dialect: Option<&str>,
    ) -> Result<Tenant, TenantError> {
        if let HeaderClaim::Assigned(tenant) | HeaderClaim::Keyed(tenant) = self.header {
            return Ok(tenant.clone());
        }
        if let Some(claimed) = self.explicit(resource, span) {
            return claimed;
        }
        match self.header {
            HeaderClaim::Absent => dialect.map_or(Ok(Tenant::Local), |id| self.tenant(id)),
            HeaderClaim::Tenant(id) => self.tenant(id),
            other => other.tenant(None),
        }
    }

    /// The tenant that the resource claims, else the span or record.
    fn explicit(
        &mut self,
        resource: Option<&str>,
        span: &[KeyValue<'_>],
    ) -> Option<Result<Tenant, TenantError>> {
        if let Some(id) = resource {
            return Some(self.tenant(id));
        }
        otel::tenant_claim(&self.rule.attributes, span).map(|id| self.tenant(&id))
    }

    fn tenant(&mut self, id: &str) -> Result<Tenant, TenantError> {
        if let Some(last) = self.last.as_ref().filter(|last| last.subject() == Some(id)) {
            return Ok(last.clone());
        }
        let tenant = Tenant::claimed(id)?;
        self.last = Some(tenant.clone());
        Ok(tenant)
    }
}

fn traces(encoding: Encoding, body: &[u8]) -> Result<Traces<'_>, DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf::traces(body),
        Encoding::Json => json::traces(body),
    }
}

fn logs(encoding: Encoding, body: &[u8]) -> Result<Logs<'_>, DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf::logs(body),
        Encoding::Json => json::logs(body),
    }
}

/// Checks a request of which nothing is kept, and counts its items.
fn skeleton(encoding: Encoding, signal: Signal, body: &[u8]) -> Result<usize, DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf::skeleton(body, signal),
        Encoding::Json => json::skeleton(body, signal),
    }
}

fn undecodable(error: DecodeError) -> Fault {
    Fault::Undecodable(error.to_string())
}
