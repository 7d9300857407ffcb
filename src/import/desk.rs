//! From a chunk's rows to sealed records, or to what they would be.
//!
//! The same for every way that a chunk may come: from the command itself, through the daemon's socket,
//! from a watched folder.

use super::MAX_ROW;
use super::chunk::{Chunk, Taken};
use super::format::Format;
use super::rows::{Item, Rows};
use crate::net::status::Fault;
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::{Intake, Permit};
use crate::pipeline::items::Divided;
use crate::receivers::bill::Bill;
use crate::receivers::contain;
use crate::receivers::lines::read::{Became, Reader};
use crate::receivers::otlp::Reading;
use crate::receivers::otlp::file::Request;
use crate::receivers::requests::{RequestEntry, Transport};
use crate::receivers::stats::Counters;
use crate::receivers::tenancy::{HeaderClaim, TenantError};
use halod_record::build::Builder;
use halod_record::draft::{Draft, Scratch};
use halod_record::tenant::Tenant;
use std::sync::Arc;
use tokio::sync::{Mutex, oneshot};

/// Rows larger than this are worked on one at a time: in memory they can be dozens of times larger.
const LARGE: usize = 8 << 20;

/// A chunk's place among those that are read side by side: records are handed to the writer in the order
/// of the file. Dropped, it lets the next one go.
#[derive(Debug, Default)]
pub struct Turn {
    after: Option<oneshot::Receiver<()>>,
    _before: Option<oneshot::Sender<()>>,
}

impl Turn {
    /// The next turn after this one, which `last` stands for.
    #[must_use]
    pub fn next(last: &mut Option<oneshot::Receiver<()>>) -> Self {
        let (before, next) = oneshot::channel();
        Self { after: last.replace(next), _before: Some(before) }
    }

    async fn come(&mut self) {
        if let Some(after) = self.after.take() {
            // Nothing is ever sent: it is over when the one before lets go.
            let _ = after.await;
        }
    }
}

/// Finds the tenant of each event: most of a file are of one, whose id is checked and copied once.
struct Tenants<'a> {
    claim: &'a HeaderClaim,
    last: Option<Tenant>,
}

impl Tenants<'_> {
    fn of(&mut self, event: Option<&str>) -> Result<Tenant, TenantError> {
        if *self.claim == HeaderClaim::Absent
            && let Some(last) = self.last.as_ref().filter(|last| event.is_some() && last.subject() == event)
        {
            return Ok(last.clone());
        }
        let tenant = self.claim.tenant(event)?;
        self.last = Some(tenant.clone());
        Ok(tenant)
    }
}

/// Where rows become records.
#[derive(Debug)]
pub struct Desk {
    intake: Intake,
    reading: Arc<Reading>,
    builder: Arc<Builder>,
    counters: Arc<Counters>,
    large: Arc<Mutex<()>>,
}

/// What a chunk's rows come to, before any of it is sealed.
#[derive(Debug)]
struct Drafted {
    taken: Taken,
    requests: Vec<Request>,
    drafts: Vec<Draft>,
    /// Covers the chunk's bytes.
    permit: Permit,
}

impl Desk {
    #[must_use]
    pub fn new(
        intake: Intake,
        reading: Arc<Reading>,
        builder: Arc<Builder>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { intake, reading, builder, counters, large: Arc::default() }
    }

    /// Counts a chunk that begins.
    #[must_use]
    pub fn begin(&self, transport: Transport) -> RequestEntry {
        self.counters.import.begin(transport)
    }

    /// Seals what a chunk tells of. Returns when it is on disk. `permit` covers the chunk, if there is
    /// one yet.
    ///
    /// # Errors
    /// A refusal that passes, and what of the chunk was sealed meanwhile is recognised when it comes
    /// again; or one that does not, as the chunk is too large or a fault of halod's own shows.
    pub async fn take(
        self: &Arc<Self>,
        chunk: Chunk,
        permit: Option<Permit>,
        turn: Turn,
    ) -> Result<Taken, Fault> {
        let drafted = self.draft(chunk, permit).await?;
        self.seal(drafted, turn).await
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
        drafted
    }

    fn rows(&self, chunk: &Chunk, permit: Permit) -> Result<Drafted, Fault> {
        let claim = match chunk.meta.tenant.as_deref().map(Tenant::claimed) {
            None => HeaderClaim::Absent,
            Some(Ok(tenant)) => HeaderClaim::Assigned(tenant),
            Some(Err(why)) => return Err(Fault::Undecodable(why.to_string())),
        };
        let mut drafted =
            Drafted { taken: Taken::default(), requests: Vec::new(), drafts: Vec::new(), permit };
        match chunk.meta.format {
            Format::Otlp => self.otlp(chunk, &claim, &mut drafted)?,
            Format::Gateway(_) => self.lines(chunk, &mut drafted)?,
            _ => self.events(chunk, &claim, &mut drafted)?,
        }
        Ok(drafted)
    }

    /// Each row tells events.
    fn events(&self, chunk: &Chunk, claim: &HeaderClaim, drafted: &mut Drafted) -> Result<(), Fault> {
        let Drafted { taken, drafts, permit, .. } = drafted;
        let mut bill = Bill::new(chunk.bytes.len());
        let mut scratch = Scratch::default();
        let mut tenants = Tenants { claim, last: None };
        let rows = Rows::new(chunk);
        for row in &chunk.rows {
            let mut each = |item: Item<'_>| -> Result<(), Fault> {
                let event = match item {
                    Ok(Some(event)) => event,
                    Ok(None) => {
                        taken.filtered += 1;
                        return Ok(());
                    }
                    Err(unusable) => {
                        taken.reject(row.place, 1, unusable);
                        return Ok(());
                    }
                };
                let tenant = match tenants.of(event.tenant.as_deref()) {
                    Ok(tenant) => tenant,
                    Err(error) => {
                        taken.reject(row.place, 1, error);
                        return Ok(());
                    }
                };
                let draft = self.builder.draft(&event, &tenant, &mut scratch);
                taken.accepted += 1;
                bill.add(size_of::<Draft>() + draft.len());
                drafts.push(draft);
                bill.pay(permit)
            };
            if let Err(why) = rows.row(row, &mut each)? {
                taken.reject(row.place, 1, why);
            }
        }
        Ok(())
    }

    /// Each row is a line of a log.
    fn lines(&self, chunk: &Chunk, drafted: &mut Drafted) -> Result<(), Fault> {
        let Drafted { taken, drafts, permit, .. } = drafted;
        let manner = chunk.meta.lines.clone();
        let manner = manner.ok_or_else(|| Fault::Undecodable("how its lines are read is not said".into()))?;
        let reader =
            Reader::new(manner).map_err(|(key, what)| Fault::Undecodable(format!("{key}: {what}")))?;
        let log = reader.log(&chunk.meta.log);
        let mut bill = Bill::new(chunk.bytes.len());
        let mut scratch = Scratch::default();
        for (at, row) in chunk.rows.iter().enumerate() {
            let line = row.line.ok_or_else(|| Fault::Undecodable("a line has no identity".into()))?;
            log.line(chunk.told.at(at), &line, chunk.row(row), |became| {
                match became {
                    Became::Action(event, tenant) => {
                        let draft = self.builder.draft(event, tenant, &mut scratch);
                        taken.accepted += 1;
                        bill.add(size_of::<Draft>() + draft.len());
                        drafts.push(draft);
                        return bill.pay(permit);
                    }
                    Became::Filtered | Became::Preamble => taken.filtered += 1,
                    Became::Rejected(why) => taken.reject(row.place, 1, why),
                }
                Ok(())
            })?;
        }
        Ok(())
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

    async fn seal(&self, drafted: Drafted, mut turn: Turn) -> Result<Taken, Fault> {
        let Drafted { mut taken, requests, drafts, permit } = drafted;
        let (usable, filtered, invalid) = (taken.accepted, taken.filtered, taken.rejected);
        let divided = Divided { usable, filtered, invalid, misplaced: 0 };
        let items = self.counters.import.items.receive(divided);
        let sealed = if drafts.is_empty() {
            // What waits for its span must not keep the span waiting.
            drop(turn);
            let sealed = self.reading.seal(requests, items, &self.intake).await;
            drop(permit);
            sealed
        } else {
            turn.come().await;
            let sealed = self.intake.send(Batch::new(drafts, permit).told_to(items));
            // It is in the writer's hands: the next may follow.
            drop(turn);
            sealed.await.map_err(Fault::from)
        };
        let receipt = sealed?;
        taken.sealed = receipt.sealed.into();
        taken.duplicate = receipt.duplicate.into();
        taken.conflict = receipt.conflict.into();
        Ok(taken)
    }
}
