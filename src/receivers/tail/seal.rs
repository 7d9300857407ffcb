//! From lines to records on disk.

use super::Instance;
use super::TailStats;
use super::position::{Known, Rejected, Untold};
use crate::ingest::claim::HeaderClaim;
use crate::ingest::requests::Transport;
use crate::ingest::{Ingest, RequestBuilder, contain};
use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::Refusal;
use crate::receivers::lines::read::{Became, Told};
use crate::receivers::lines::split::Lines;
use halod_record::draft::Draft;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Lines that are drafted and handed over together.
const PART: usize = 2048;
/// How long a refused block waits until it is tried again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Lines of one content that were read together.
#[derive(Debug)]
pub(super) struct Block {
    pub follower: u64,
    pub serial: u64,
    pub instance: Arc<Instance>,
    pub log: Arc<str>,
    pub lines: Lines,
    pub told: Told,
    /// Up to where lines may come that were sealed before.
    pub again: u64,
    /// What halod has to say of the content.
    pub notices: Vec<Draft>,
    /// Covers the lines.
    pub permit: Option<Permit>,
    /// Fires when the block before it was handed to the writer, so that a log's records are in its order.
    pub after: Option<oneshot::Receiver<()>>,
    pub before: oneshot::Sender<()>,
}

/// What became of a block.
#[derive(Debug)]
pub(super) struct Report {
    pub follower: u64,
    pub serial: u64,
    /// Not so when halod stops.
    pub sealed: bool,
    pub untold: Untold,
}

/// The way from blocks to the chain. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    pub ingest: Arc<Ingest>,
    pub stats: Arc<TailStats>,
    pub reports: Sender<Report>,
    pub wake: SyncSender<()>,
    pub draining: watch::Receiver<bool>,
}

impl Shop {
    /// Seals a block, however long it takes, and reports.
    pub(super) async fn seal(self, block: Block) {
        let Block { follower, serial, instance, log, lines, told, again, notices, permit, after, before } =
            block;
        let work = Arc::new(Work { instance, log, lines, told, again });
        let (sealed, untold) = match self.parts(&work, notices, after, before).await {
            Ok(untold) => (true, untold),
            Err(Stopped) => (false, Untold::default()),
        };
        drop(permit);
        let _ = self.reports.send(Report { follower, serial, sealed, untold });
        let _ = self.wake.try_send(());
    }

    /// Seals a block's lines, part by part. Returns what has to be told of them.
    async fn parts(
        &self,
        work: &Arc<Work>,
        mut notices: Vec<Draft>,
        after: Option<oneshot::Receiver<()>>,
        before: oneshot::Sender<()>,
    ) -> Result<Untold, Stopped> {
        let (mut untold, mut at, mut most) = (Untold::default(), 0, PART);
        // Some of the part may have been sealed before it was refused.
        let mut again = false;
        // Why the line at `at` can't be read.
        let mut unreadable: Option<String> = None;
        let mut before = Some(before);
        let mut ahead = match after {
            Some(after) => self.ahead(work, &notices, after).await?,
            None => None,
        };
        loop {
            let end = work.lines.len().min(at + most);
            let last = end == work.lines.len();
            let mut entry = self.ingest.stats.begin(Transport::File);
            let drafted = match ahead.take() {
                Some(drafted) => Ok(drafted),
                None => self.draft(work, (at..end, unreadable.clone()), &notices).await,
            };
            let part = match drafted {
                Ok(drafted) => self.submit(drafted, last, &mut before).await,
                Err(fault) => Err(fault),
            };
            match part {
                Ok(part) => {
                    entry.answer();
                    untold = untold.join(Untold { known: part.known.filter(|_| !again), ..part });
                    notices.clear();
                    (unreadable, again) = (None, false);
                    at = end;
                    if last {
                        return Ok(untold);
                    }
                }
                // So few bytes may be in flight; a smaller part may do.
                Err(fault @ Fault::Refused(Refusal::TooLarge { .. })) if most > 1 => {
                    entry.refuse(&fault);
                    most /= 2;
                }
                Err(fault @ Fault::Refused(Refusal::TooLarge { .. })) if unreadable.is_none() => {
                    entry.refuse(&fault);
                    unreadable = Some(fault.to_string());
                }
                Err(fault) => {
                    entry.refuse(&fault);
                    again = true;
                    drop(entry);
                    if *self.draining.borrow()
                        || matches!(fault, Fault::Refused(Refusal::Stopping | Refusal::Poisoned))
                    {
                        return Err(Stopped);
                    }
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    /// The first part, drafted while the block before it is still on its way; returns when that was handed
    /// over. What is drafted must not keep the room that the other needs, so it is given up after a while.
    ///
    /// # Errors
    /// The block before it was never handed over, and is read again at the next start. So is this one: were it
    /// sealed now, and the file gone by then, the log would have a hole that nothing tells of.
    async fn ahead(
        &self,
        work: &Arc<Work>,
        notices: &[Draft],
        mut after: oneshot::Receiver<()>,
    ) -> Result<Option<Drafted>, Stopped> {
        let drafted = self.draft(work, (0..work.lines.len().min(PART), None), notices).await.ok();
        if let Ok(handed_over) = tokio::time::timeout(PATIENCE, &mut after).await {
            return handed_over.map(|()| drafted).map_err(|_| Stopped);
        }
        drop(drafted);
        after.await.map(|()| None).map_err(|_| Stopped)
    }

    async fn draft(
        &self,
        work: &Arc<Work>,
        (range, unreadable): (Range<usize>, Option<String>),
        notices: &[Draft],
    ) -> Result<Drafted, Fault> {
        let permit = self.ingest.intake.admit(0)?;
        let mut request = RequestBuilder::new(Arc::clone(&self.ingest), HeaderClaim::Absent, permit, 0);
        for notice in notices {
            request.push_notice(notice.clone())?;
        }
        let work = Arc::clone(work);
        let drafting = move || {
            contain(|| {
                let untold = match unreadable {
                    Some(why) => {
                        Untold { rejected: reject(&work, range, why, &mut request), ..Untold::default() }
                    }
                    None => request.reading_file(|request| draft(&work, range, request))?,
                };
                Ok((request, untold))
            })
        };
        tokio::task::spawn_blocking(drafting).await.unwrap_or(Err(Fault::Crashed))
    }

    async fn submit(
        &self,
        (request, untold): Drafted,
        last: bool,
        before: &mut Option<oneshot::Sender<()>>,
    ) -> Result<Untold, Fault> {
        let sent = request.finish_anyhow().send();
        // The end is in the writer's hands: what comes after it may follow.
        if last && let Some(before) = before.take() {
            let _ = before.send(());
        }
        let known = u64::from(sent.sealed().await?.duplicate);
        let of = |timeless: Known| Known { lines: timeless.lines.min(known), ..timeless };
        Ok(Untold { known: untold.known.map(of).filter(|known| known.lines > 0), ..untold })
    }
}

/// A part's drafts, what of it became none, and which lines have no time: if they are sealed already, they may be
/// those of another content.
type Drafted = (RequestBuilder, Untold);

/// halod stops before a block is sealed.
struct Stopped;

/// What a block's parts share.
#[derive(Debug)]
struct Work {
    instance: Arc<Instance>,
    log: Arc<str>,
    lines: Lines,
    told: Told,
    again: u64,
}

/// Leaves out the lines of a part, which is one that can't be read.
fn reject(work: &Work, range: Range<usize>, why: String, request: &mut RequestBuilder) -> Option<Rejected> {
    let lines = work.lines.range(range).map(|(cut, _)| {
        request.reject(why.as_str());
        Rejected { lines: 1, first: cut.offset, last: cut.offset, reason: why.clone() }
    });
    lines.map(Some).fold(None, Rejected::join)
}

/// Drafts the lines of a part.
fn draft(work: &Work, range: Range<usize>, request: &mut RequestBuilder) -> Result<Untold, Fault> {
    let log = work.instance.reader.log(&work.log);
    let mut untold = Untold::default();
    for (at, (cut, bytes)) in range.clone().zip(work.lines.range(range)) {
        log.line(work.told.at(at), cut, bytes, |became| {
            match became {
                Became::Action(event, tenant) => {
                    let timeless = event.started.is_none() && event.ended.is_none();
                    if timeless && cut.offset >= work.again {
                        let this = Known { lines: 1, first: cut.offset, last: cut.offset };
                        untold =
                            std::mem::take(&mut untold).join(Untold { known: Some(this), rejected: None });
                    }
                    request.push(event, tenant)?;
                }
                Became::Filtered | Became::Preamble => request.filter(1),
                Became::Rejected(reason) => {
                    request.reject(reason.as_str());
                    let this = Rejected { lines: 1, first: cut.offset, last: cut.offset, reason };
                    untold.rejected = Rejected::join(untold.rejected.take(), Some(this));
                }
            }
            Ok::<(), Fault>(())
        })?;
    }
    Ok(untold)
}
