//! From a chunk's rows to sealed records, or to what they would be.
//!
//! The same for every way that a chunk may come: from the command itself, through the daemon's socket,
//! from a watched folder.

use super::MAX_ROW;
use super::chunk::{Chunk, Place, Taken};
use super::format::Format;
use super::rows::{Item, Rows};
use crate::ingest::claim::{HeaderClaim, Said};
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::{Counted, Ingest, RequestBuilder, contain};
use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use crate::receivers::lines::read::{Became, Reader};
use crate::receivers::otlp::OtlpState;
use crate::receivers::otlp::file::Content;
use halod_record::event::{Event, Origin};
use halod_record::redact::Redactor;
use halod_record::tenant::Tenant;
use halod_record::trace::trace_key;
use halod_record::{charge, fragment};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock, oneshot};

/// Rows larger than this are worked on one at a time: in memory they can be dozens of times larger.
const LARGE: usize = 8 << 20;

/// A chunk's place among those that are read side by side: records are handed to the writer in the order
/// of the file. Dropped, it lets the next one go.
#[derive(Debug, Default)]
pub struct Turn {
    after: Option<oneshot::Receiver<()>>,
    _before: Option<oneshot::Sender<()>>,
    /// Held by all chunks of the file before this one's until their rows are read.
    file: Option<Arc<RwLock<()>>>,
    /// Holds up the chunks of the next file.
    reading: Option<OwnedRwLockReadGuard<()>>,
}

/// The turns of an import's chunks. What the rows of a file say of traces must be known before those of the next
/// file are placed: scores lie in another file than what says whose they are.
#[derive(Debug, Default)]
pub struct Turns {
    last: Option<oneshot::Receiver<()>>,
    before: Option<Arc<RwLock<()>>>,
    file: Arc<RwLock<()>>,
    /// Whether a chunk of the file has its turn already.
    begun: bool,
}

impl Turns {
    /// What comes next is of another file.
    pub fn file(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.before = Some(std::mem::take(&mut self.file));
        }
    }

    /// The next turn.
    pub fn chunk(&mut self) -> Turn {
        self.begun = true;
        let (before, next) = oneshot::channel();
        Turn {
            after: self.last.replace(next),
            _before: Some(before),
            file: self.before.clone(),
            // Nobody waits for it before the next file has begun.
            reading: Arc::clone(&self.file).try_read_owned().ok(),
        }
    }
}

impl Turn {
    /// Waits until the rows of the file before are read.
    pub(super) async fn begin(&mut self) {
        if let Some(file) = self.file.take() {
            drop(file.write().await);
        }
    }

    /// The chunk's rows are read.
    fn read(&mut self) {
        self.reading = None;
    }

    async fn come(&mut self) {
        if let Some(after) = self.after.take() {
            // Nothing is ever sent: it is over when the one before lets go.
            let _ = after.await;
        }
    }
}

/// Where rows become records.
#[derive(Debug)]
pub struct Importer {
    ingest: Arc<Ingest>,
    otlp: Arc<OtlpState>,
    large: Arc<Mutex<()>>,
}

/// What a chunk's rows come to, before any of it is sealed.
#[derive(Debug)]
struct Drafted {
    taken: Taken,
    request: RequestBuilder,
    /// What export requests tell of the content of spans.
    content: Content,
}

/// The same while they are read.
struct Drafting<'r> {
    taken: Taken,
    request: &'r mut RequestBuilder,
    content: Content,
}

impl Importer {
    #[must_use]
    pub fn new(ingest: Arc<Ingest>, otlp: Arc<OtlpState>) -> Self {
        Self { ingest, otlp, large: Arc::default() }
    }

    /// Counts a chunk that begins.
    #[must_use]
    pub fn begin(&self, transport: Transport) -> RequestEntry {
        self.ingest.stats.begin(transport)
    }

    /// What masks the texts of its records.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        self.ingest.builder.redactor()
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
        mut turn: Turn,
    ) -> Result<Taken, Fault> {
        let ordered = chunk.meta.format != Format::Otlp;
        turn.begin().await;
        let drafted = self.draft(chunk, permit).await?;
        turn.read();
        self.seal(drafted, turn, ordered).await
    }

    /// Reads a chunk's rows.
    async fn draft(self: &Arc<Self>, chunk: Chunk, permit: Option<Permit>) -> Result<Drafted, Fault> {
        let alone = match chunk.rows.iter().map(|row| row.end - row.start).max() {
            Some(largest) if largest > LARGE => Some(Arc::clone(&self.large).lock_owned().await),
            _ => None,
        };
        let intake = &self.ingest.intake;
        let permit = permit.map_or_else(|| intake.admit(chunk.bytes.len()).map_err(Fault::from), Ok);
        let importer = Arc::clone(self);
        let drafted = match permit {
            Ok(permit) => tokio::task::spawn_blocking(move || contain(|| importer.rows(&chunk, permit)))
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
        // Files are one sender: whoever may write one may write another.
        let traces = self.otlp.traces_of_files(&claim);
        let mut request = RequestBuilder::new(Arc::clone(&self.ingest), claim, permit, chunk.bytes.len());
        request.tenants.know_traces(traces);
        let (mut taken, content) = request.reading_file(|request| {
            if let Some(hole) = &chunk.hole {
                request.push_notice(hole.draft(chunk.meta.tenant.as_deref(), self.redactor()))?;
            }
            let mut drafting = Drafting { taken: Taken::default(), request, content: Content::default() };
            match chunk.meta.format {
                Format::Otlp => self.otlp(chunk, &mut drafting)?,
                Format::Gateway(_) => lines(chunk, &mut drafting)?,
                _ => events(chunk, &mut drafting)?,
            }
            Ok((drafting.taken, drafting.content))
        })?;
        let Counted { usable, filtered, .. } = request.counted();
        (taken.accepted, taken.filtered) = (usable, filtered);
        Ok(Drafted { taken, request, content })
    }

    /// Each row is a request of its own.
    fn otlp(&self, chunk: &Chunk, drafted: &mut Drafting<'_>) -> Result<(), Fault> {
        for row in &chunk.rows {
            let _row = charge::passing();
            let body = chunk.bytes.slice(row.start..row.end);
            let before = drafted.request.counted();
            match self.otlp.read_row(body, MAX_ROW, drafted.request, &mut drafted.content) {
                Ok(()) => {}
                Err(Fault::Undecodable(why)) => {
                    drafted.reject(row.place, why);
                    continue;
                }
                Err(fault) => return Err(fault),
            }
            let after = drafted.request.counted();
            let rejected = after.rejected - before.rejected;
            if rejected > 0 {
                let all = after.received() - before.received();
                let why = drafted.request.take_reason();
                let what = format!("{rejected} of its {all} items cannot be used; the first: {why}");
                drafted.taken.reject(row.place, rejected, what);
            }
        }
        Ok(())
    }

    /// `ordered` rows are handed to the writer in their turn.
    async fn seal(&self, drafted: Drafted, mut turn: Turn, ordered: bool) -> Result<Taken, Fault> {
        let Drafted { mut taken, request, content } = drafted;
        let request = request.finish_anyhow();
        let receipt = if ordered {
            turn.come().await;
            let sent = request.send();
            // It is in the writer's hands: the next may follow.
            drop(turn);
            sent.sealed().await?
        } else {
            // What waits for its span must not keep the span waiting.
            drop(turn);
            self.otlp.seal(request, content).await?
        };
        taken.sealed = receipt.sealed.into();
        taken.duplicate = receipt.duplicate.into();
        taken.conflict = receipt.conflict.into();
        taken.elsewhere = receipt.elsewhere.into();
        for (tenant, sealed) in &receipt.sealed_for {
            taken.seal_for(tenant.subject().unwrap_or_default(), (*sealed).into());
        }
        Ok(taken)
    }
}

impl Drafting<'_> {
    /// Counts a row that cannot become a record.
    fn reject(&mut self, place: Place, why: impl ToString) {
        let why = why.to_string();
        self.request.reject(why.as_str());
        self.taken.reject(place, 1, why);
    }
}

/// Each row tells events.
fn events(chunk: &Chunk, drafted: &mut Drafting<'_>) -> Result<(), Fault> {
    let rows = Rows::new(chunk);
    for row in &chunk.rows {
        let _row = charge::passing();
        let mut each = |item: Item<'_>| -> Result<(), Fault> {
            let event = match item {
                Ok(Some(event)) => event,
                Ok(None) => {
                    drafted.request.filter(1);
                    return Ok(());
                }
                Err(unusable) => {
                    drafted.reject(row.place, unusable);
                    return Ok(());
                }
            };
            drafted.taken.unread(&event);
            let own = Said { stated: None, dialect: event.tenant.as_deref() };
            let trace = trace_of(&event);
            match drafted.request.tenants.place_in_trace(own, Said::default(), trace.as_ref()) {
                Ok(placed) => {
                    let mut draft = drafted.request.draft(&event, &placed.tenant);
                    match (placed.in_trace, &event.origin) {
                        (Some(in_trace), Origin::Keyed(key)) => draft.place_keyed_in(in_trace, key),
                        (Some(in_trace), _) => draft.place_in(in_trace),
                        (None, _) => {}
                    }
                    drafted.request.push_draft(draft)
                }
                Err(error) => {
                    drafted.reject(row.place, error);
                    Ok(())
                }
            }
        };
        if let Err(why) = rows.row(row, &mut each)? {
            drafted.reject(row.place, why);
        }
    }
    Ok(())
}

/// The trace that an event stands in.
fn trace_of(event: &Event<'_>) -> Option<[u8; 16]> {
    match &event.origin {
        Origin::Span { trace, .. } => Some(*trace),
        _ => fragment::trace_of(event).map(|id| trace_key(&id)),
    }
}

/// Each row is a line of a log.
fn lines(chunk: &Chunk, drafted: &mut Drafting<'_>) -> Result<(), Fault> {
    let manner = chunk.meta.lines.clone();
    let manner = manner.ok_or_else(|| Fault::Undecodable("how its lines are read is not said".into()))?;
    let reader = Reader::new(manner).map_err(|(key, what)| Fault::Undecodable(format!("{key}: {what}")))?;
    let log = reader.log(&chunk.meta.log);
    for (at, row) in chunk.rows.iter().enumerate() {
        let line = row.line.ok_or_else(|| Fault::Undecodable("a line has no identity".into()))?;
        log.line(chunk.told.at(at), &line, chunk.row(row), |became| {
            match became {
                Became::Action(event, tenant) => return drafted.request.push(event, tenant),
                Became::Filtered | Became::Preamble => drafted.request.filter(1),
                Became::Rejected(why) => drafted.reject(row.place, why),
            }
            Ok(())
        })?;
    }
    Ok(())
}
