//! The spans that halod's figures are measured with, and the way that they take to their drafts.
//!
//! `requests.gz` holds what the load generator sends; the README beside it says how it was made.

use bytes::Bytes;
use flate2::read::GzDecoder;
use halod::pipeline::intake::Intake;
use halod::receivers::otlp::Reading;
use halod::receivers::otlp::file::Request;
use halod::receivers::otlp::join::Joins;
use halod::receivers::tenancy::{HeaderClaim, TenantRule};
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
    reading: Reading,
    intake: Intake,
}

impl Door {
    pub(super) fn new() -> Self {
        let (_, never) = watch::channel(false);
        let joins = Joins::new(Duration::ZERO, LIMIT, never);
        let reading = Reading::new(TenantRule::default(), Arc::new(Builder::new(false)), joins);
        Self { reading, intake: Intake::new(mpsc::channel().0, usize::MAX, Arc::default()) }
    }

    /// From a request's bytes to its drafts, as for a request that has arrived.
    pub(super) fn drafts(&self, body: Bytes) -> Request {
        self.reading.request(body, LIMIT, HeaderClaim::Absent, &self.intake).unwrap()
    }
}
