//! The spans that halod's figures are measured with, and the way that they take to their drafts.
//!
//! `requests.gz` holds what the load generator sends; the README beside it says how it was made.

use bytes::Bytes;
use flate2::read::GzDecoder;
use halod::ingest::claim::{HeaderClaim, TenantRule};
use halod::ingest::{Ingest, RequestBuilder};
use halod::pipeline::intake::Intake;
use halod::receivers::otlp::OtlpState;
use halod::receivers::otlp::file::Content;
use halod::receivers::otlp::join::ContentJoin;
use halod::receivers::stats::Counters;
use halod_record::build::Builder;
use std::io::Read;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::watch;

const REQUESTS: &[u8] = include_bytes!("requests.gz");

/// More than any of the requests has.
const LIMIT: usize = 16 << 20;

/// The bodies of the export requests. In the file, each stands behind its length.
pub(super) fn requests() -> Vec<Bytes> {
    let mut all = Vec::new();
    GzDecoder::new(REQUESTS).read_to_end(&mut all).unwrap();
    let mut rest = Bytes::from(all);
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let length = rest.split_to(4);
        let length = u32::from_be_bytes(length[..].try_into().unwrap());
        requests.push(rest.split_to(length as usize));
    }
    requests
}

/// The parts with which a daemon reads requests.
pub(super) struct Door {
    state: OtlpState,
    ingest: Arc<Ingest>,
}

impl Door {
    pub(super) fn new() -> Self {
        let (_, never) = watch::channel(false);
        let joins = ContentJoin::new(Duration::ZERO, LIMIT, never);
        let counters = Counters::default();
        let state = OtlpState::new(TenantRule::default(), joins, Arc::default(), counters.otlp);
        let intake = Intake::new(mpsc::channel().0, usize::MAX, Arc::default());
        let ingest = Ingest::of_files(intake, Arc::new(Builder::new(false)), counters.import);
        Self { state, ingest: Arc::new(ingest) }
    }

    /// From a request's bytes to its drafts, as for a request that has arrived.
    pub(super) fn drafts(&self, body: Bytes) -> RequestBuilder {
        let permit = self.ingest.intake.admit(body.len()).unwrap();
        let mut request =
            RequestBuilder::new(Arc::clone(&self.ingest), HeaderClaim::Absent, permit, body.len());
        self.state.read_row(body, LIMIT, &mut request, &mut Content::default()).unwrap();
        request.release_body();
        request
    }
}
