//! From a chunk's rows to sealed records, or to what they would be.
//!
//! The same for every way that a chunk may come: from the command itself, through the daemon's socket,
//! from a watched folder.

use super::MAX_ROW;
use super::chunk::{Chunk, Taken};
use super::format::Format;
use crate::net::status::Fault;
use crate::pipeline::intake::{Intake, Permit};
use crate::receivers::contain;
use crate::receivers::otlp::Reading;
use crate::receivers::otlp::file::Request;
use crate::receivers::stats::{Counters, Pending};
use crate::receivers::tenancy::HeaderClaim;
use crate::record::tenant::Tenant;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Mutex;

/// Rows larger than this are worked on one at a time: in memory they can be dozens of times larger.
const LARGE: usize = 8 << 20;

/// Where rows become records.
#[derive(Debug)]
pub struct Desk {
    intake: Intake,
    reading: Arc<Reading>,
    counters: Arc<Counters>,
    large: Arc<Mutex<()>>,
}

/// What a chunk's rows come to, before any of it is sealed.
#[derive(Debug)]
struct Drafted {
    taken: Taken,
    requests: Vec<Request>,
    /// Covers the chunk's bytes.
    permit: Permit,
}

impl Desk {
    #[must_use]
    pub fn new(intake: Intake, reading: Arc<Reading>, counters: Arc<Counters>) -> Self {
        Self { intake, reading, counters, large: Arc::default() }
    }

    /// Seals what a chunk tells of. Returns when it is on disk. `permit` covers the chunk, if there is
    /// one yet.
    ///
    /// # Errors
    /// A refusal that passes, and what of the chunk was sealed meanwhile is recognised when it comes
    /// again; or one that does not, as the chunk is too large or a fault of halod's own shows.
    pub async fn take(self: &Arc<Self>, chunk: Chunk, permit: Option<Permit>) -> Result<Taken, Fault> {
        let drafted = self.draft(chunk, permit).await?;
        self.seal(drafted).await.inspect_err(|fault| self.counters.import.count(fault))
    }

    /// Reads a chunk's rows.
    async fn draft(self: &Arc<Self>, chunk: Chunk, permit: Option<Permit>) -> Result<Drafted, Fault> {
        let alone = match chunk.rows.iter().map(|row| row.end - row.start).max() {
            Some(largest) if largest > LARGE => Some(Arc::clone(&self.large).lock_owned().await),
            _ => None,
        };
        let permit = permit.map_or_else(|| self.intake.admit(chunk.bytes.len()).map_err(Fault::from), Ok);
        let desk = Arc::clone(self);
        let drafted = match permit {
            Ok(permit) => tokio::task::spawn_blocking(move || contain(|| desk.rows(&chunk, permit)))
                .await
                .unwrap_or(Err(Fault::Crashed)),
            Err(refused) => Err(refused),
        };
        drop(alone);
        drafted.inspect_err(|fault| self.counters.import.count(fault))
    }

    fn rows(&self, chunk: &Chunk, permit: Permit) -> Result<Drafted, Fault> {
        let claim = match chunk.sheet.tenant.as_deref().map(Tenant::claimed) {
            None => HeaderClaim::Absent,
            Some(Ok(tenant)) => HeaderClaim::Assigned(tenant),
            Some(Err(why)) => return Err(Fault::Undecodable(why.to_string())),
        };
        let mut drafted = Drafted { taken: Taken::default(), requests: Vec::new(), permit };
        match chunk.sheet.format {
            Format::Otlp => self.otlp(chunk, &claim, &mut drafted)?,
        }
        Ok(drafted)
    }

    /// Each row is a request of its own.
    fn otlp(&self, chunk: &Chunk, claim: &HeaderClaim, drafted: &mut Drafted) -> Result<(), Fault> {
        for row in &chunk.rows {
            let body = chunk.bytes.slice(row.start..row.end);
            let request = match self.reading.request(body, MAX_ROW, claim.clone(), &self.intake) {
                Ok(request) => request,
                Err(Fault::Undecodable(why)) => {
                    drafted.taken.reject(row.place, 1, why);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let (items, filtered, rejected) = request.counts();
            drafted.taken.accepted += items;
            drafted.taken.filtered += filtered;
            if rejected > 0 {
                let why = request.first_reason().unwrap_or("no reason is known");
                let all = items + filtered + rejected;
                let what = format!("{rejected} of its {all} items cannot be used; the first: {why}");
                drafted.taken.reject(row.place, rejected, what);
            }
            drafted.requests.push(request);
        }
        Ok(())
    }

    async fn seal(&self, drafted: Drafted) -> Result<Taken, Fault> {
        let Drafted { mut taken, requests, permit } = drafted;
        let stats = &self.counters.import;
        stats.received.fetch_add(taken.accepted + taken.filtered + taken.rejected, Relaxed);
        stats.filtered.fetch_add(taken.filtered, Relaxed);
        stats.rejected.fetch_add(taken.rejected, Relaxed);
        let pending = Pending::new([&stats.accepted, &stats.refused, &stats.abandoned], taken.accepted);
        let sealed = self.reading.seal(requests, &self.intake).await;
        drop(permit);
        pending.end(sealed.is_ok());
        let receipt = sealed?;
        stats.requests.fetch_add(1, Relaxed);
        taken.sealed = receipt.sealed.into();
        taken.duplicate = receipt.duplicate.into();
        taken.conflict = receipt.conflict.into();
        Ok(taken)
    }
}
