//! What a request would be sealed as, for who wants to see it without sealing it.

use super::Reading;
use super::decode::{Arrival, Encoding};
use super::join::Joins;
use crate::net::coding::Coding;
use crate::pipeline::intake::Intake;
use crate::receivers::tenancy::{HeaderClaim, TenantRule};
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use halod_record::build::Builder;
use halod_record::draft::Draft;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Reads requests exactly as the doors do, one after the other.
#[derive(Debug)]
pub struct Preview {
    reading: Reading,
    intake: Intake,
}

impl Preview {
    #[must_use]
    pub fn new(tenant: TenantRule, builder: Builder) -> Self {
        let (_, never) = tokio::sync::watch::channel(false);
        let joins = Joins::new(Duration::ZERO, 0, never);
        // Nothing is submitted, so the writer's end may go.
        let intake = Intake::new(mpsc::channel().0, usize::MAX, Arc::default());
        Self { reading: Reading::new(tenant, Arc::new(builder), joins), intake }
    }

    /// The drafts of one export request without compression, parents first.
    ///
    /// # Errors
    /// Why the request would be refused.
    pub fn drafts(&self, signal: Signal, json: bool, body: Bytes) -> Result<Vec<Draft>, String> {
        let arrival = Arrival {
            signal,
            encoding: if json { Encoding::Json } else { Encoding::Protobuf },
            coding: Coding::Identity,
            permit: self.intake.admit(body.len()).map_err(|refusal| refusal.to_string())?,
            body,
            claim: HeaderClaim::Absent,
        };
        let decoded = arrival.decode(&self.reading, usize::MAX).map_err(|fault| fault.to_string())?;
        let alone = decoded.shares.into_iter().map(|share| share.draft);
        Ok(decoded.drafts.into_iter().chain(alone).collect())
    }
}
