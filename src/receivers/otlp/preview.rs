//! What requests would become, without sealing them.

use super::OtlpState;
use super::join::ContentJoin;
use super::read::Encoding;
use crate::ingest::claim::{HeaderClaim, TenantRule};
use crate::ingest::{Ingest, RequestBuilder};
use crate::pipeline::intake::Intake;
use crate::receivers::stats::Counters;
use bytes::Bytes;
use halo_adapters::otlp::Signal;
use halod_record::build::Builder;
use halod_record::draft::Draft;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Reads requests exactly as the doors do, one after the other.
#[derive(Debug)]
pub struct Preview {
    state: OtlpState,
    ingest: Arc<Ingest>,
}

impl Preview {
    #[must_use]
    pub fn new(tenant: TenantRule, builder: Builder, data: bool) -> Self {
        let (_, never) = tokio::sync::watch::channel(false);
        let joins = ContentJoin::new(Duration::ZERO, 0, never);
        // Nothing is sent, so the writer's end may go.
        let intake = Intake::new(mpsc::channel().0, usize::MAX, Arc::default());
        let counters = Counters::default();
        let ingest = Ingest::of_files(intake, Arc::new(builder), counters.otlp.signals.traces.clone());
        let state = OtlpState::new(tenant, joins, Arc::default(), counters.otlp).recording(data);
        Self { state, ingest: Arc::new(ingest) }
    }

    /// The drafts of one export request without compression, parents first.
    ///
    /// # Errors
    /// Why the request would be refused.
    pub fn drafts(&self, signal: Signal, json: bool, body: Bytes) -> Result<Vec<Draft>, String> {
        let permit = self.ingest.intake.admit(body.len()).map_err(|refusal| refusal.to_string())?;
        let encoding = if json { Encoding::Json } else { Encoding::Protobuf };
        let mut request =
            RequestBuilder::new(Arc::clone(&self.ingest), HeaderClaim::Absent, permit, body.len());
        let content =
            self.state.read(signal, encoding, &body, &mut request).map_err(|fault| fault.to_string())?;
        let alone = content.shares.into_iter().map(|share| share.draft);
        Ok(request.into_drafts().into_iter().chain(alone).collect())
    }
}
