//! From lines to records on disk.

use super::format::{Formats, tells};
use super::lines::{Line as Cut, Lines};
use super::position::{Rejected, hex};
use super::settings::{Encoding, Settings, TenantOf};
use crate::net::status::Fault;
use crate::pipeline::intake::Permit;
use crate::pipeline::refusal::Refusal;
use crate::receivers::contain;
use crate::receivers::delivery::{Delivery, Sheet};
use crate::receivers::tenancy::TenantError;
use crate::record::draft::Draft;
use crate::record::ids::kept_part;
use crate::record::tenant::Tenant;
use halo_adapters::event::Fact;
use halo_adapters::gateway::{Format, Line, Place};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Lines that are drafted and handed over together.
const PART: usize = 2048;
/// How long a refused block waits until it is tried again.
const PATIENCE: Duration = Duration::from_millis(100);

/// One instance: what its lines are, and whose.
#[derive(Debug)]
pub(super) struct Instance {
    pub settings: Settings,
    pub formats: Formats,
}

impl Instance {
    /// Whose a log is by itself: by the configuration or by its path.
    ///
    /// # Errors
    /// The name is too long.
    pub(super) fn tenant(&self, log: &str) -> Result<Option<Tenant>, TenantError> {
        Ok(match &self.settings.tenant {
            TenantOf::Line => None,
            TenantOf::Fixed(id) => Some(Tenant::claimed(id)?),
            TenantOf::Path(rule) => Some(rule.find(log).map_or(Ok(Tenant::Local), Tenant::claimed)?),
        })
    }

    /// A line in UTF-8, as far as its encoding is known.
    fn text<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        match self.settings.encoding {
            Encoding::Utf8 => Cow::Borrowed(line),
            Encoding::Latin1 => latin1(line),
        }
    }
}

/// Lines of one content that were read together.
#[derive(Debug)]
pub(super) struct Block {
    pub follower: u64,
    pub serial: u64,
    pub instance: Arc<Instance>,
    pub log: Arc<str>,
    pub lines: Lines,
    pub told: Told,
    /// What halod has to say of the content.
    pub notices: Vec<Draft>,
    /// Covers the lines.
    pub permit: Option<Permit>,
    /// Fires when the block before it was handed to the writer, so that a log's records are in its order.
    pub after: Option<oneshot::Receiver<()>>,
    pub before: oneshot::Sender<()>,
}

/// What the lines of a content have told of its format, and from which line of a block on they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub format: Option<Format>,
    from: usize,
}

impl Told {
    /// What is known behind a block's lines, if this was known before.
    #[must_use]
    pub(super) fn by(format: Option<Format>, instance: &Instance, lines: &Lines) -> Self {
        if format.is_some() || !instance.formats.is_auto() {
            return Self { format, from: 0 };
        }
        let told = lines.range(0..lines.len()).enumerate().find_map(|(from, (_, line))| {
            tells(&instance.text(line)).map(|format| Self { format: Some(format), from })
        });
        told.unwrap_or_default()
    }

    fn at(&self, line: usize) -> Option<Format> {
        self.format.filter(|_| line >= self.from)
    }
}

/// What became of a block.
#[derive(Debug)]
pub(super) struct Report {
    pub follower: u64,
    pub serial: u64,
    /// Not so when halod stops.
    pub sealed: bool,
    pub rejected: Option<Rejected>,
}

/// The way from blocks to the chain. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    pub delivery: Delivery,
    pub reports: Sender<Report>,
    pub wake: SyncSender<()>,
    pub draining: watch::Receiver<bool>,
}

impl Shop {
    /// Seals a block, however long it takes, and reports.
    pub(super) async fn seal(self, block: Block) {
        let Block { follower, serial, instance, log, lines, told, mut notices, permit, after, before } =
            block;
        let (work, mut before) = (Arc::new(Work { instance, log, lines, told }), Some(before));
        let (mut rejected, mut at, mut most) = (None, 0, PART);
        let mut ahead = match after {
            Some(after) => self.ahead(&work, &notices, after).await,
            None => None,
        };
        let sealed = loop {
            let end = work.lines.len().min(at + most);
            let last = end == work.lines.len();
            let drafted = match ahead.take() {
                Some(drafted) => Ok(drafted),
                None => self.draft(&work, at..end, &notices).await,
            };
            let part = match drafted {
                Ok(drafted) => self.submit(drafted, last, &mut before).await,
                Err(fault) => Err(fault),
            };
            match part {
                Ok(part) => {
                    rejected = Rejected::join(rejected, part);
                    notices.clear();
                    at = end;
                    if last {
                        break true;
                    }
                }
                // So few bytes may be in flight; a smaller part may do.
                Err(Fault::Refused(Refusal::TooLarge { .. })) if most > 1 => most /= 2,
                Err(fault) => {
                    self.delivery.stats().count(&fault);
                    if *self.draining.borrow()
                        || matches!(fault, Fault::Refused(Refusal::Stopping | Refusal::Poisoned))
                    {
                        break false;
                    }
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        };
        drop(permit);
        let _ = self.reports.send(Report { follower, serial, sealed, rejected });
        let _ = self.wake.try_send(());
    }

    /// The first part, drafted while the block before it is still on its way; returns when that was handed
    /// over. What is drafted must not keep the room that the other needs, so it is given up after a while.
    async fn ahead(
        &self,
        work: &Arc<Work>,
        notices: &[Draft],
        mut after: oneshot::Receiver<()>,
    ) -> Option<(Sheet, Option<Rejected>)> {
        let drafted = self.draft(work, 0..work.lines.len().min(PART), notices).await.ok();
        // A block before it that is gone was never handed over: halod stops.
        if tokio::time::timeout(PATIENCE, &mut after).await.is_ok() {
            return drafted;
        }
        drop(drafted);
        let _ = after.await;
        None
    }

    async fn draft(
        &self,
        work: &Arc<Work>,
        range: Range<usize>,
        notices: &[Draft],
    ) -> Result<(Sheet, Option<Rejected>), Fault> {
        let permit = self.delivery.intake.admit(0)?;
        let mut sheet = Sheet::new(Arc::clone(&self.delivery.builder), permit, 0);
        for notice in notices {
            sheet.draft(notice.clone())?;
        }
        let work = Arc::clone(work);
        let drafting = move || {
            contain(|| {
                let rejected = draft(&work, range, &mut sheet)?;
                Ok((sheet, rejected))
            })
        };
        tokio::task::spawn_blocking(drafting).await.unwrap_or(Err(Fault::Crashed))
    }

    async fn submit(
        &self,
        (sheet, rejected): (Sheet, Option<Rejected>),
        last: bool,
        before: &mut Option<oneshot::Sender<()>>,
    ) -> Result<Option<Rejected>, Fault> {
        let mut submitted = std::pin::pin!(self.delivery.submit(sheet));
        tokio::select! {
            biased;
            receipt = &mut submitted => return receipt.map(|_| rejected),
            () = std::future::ready(()) => {}
        }
        // The end is in the writer's hands: what comes after it may follow.
        if last && let Some(before) = before.take() {
            let _ = before.send(());
        }
        submitted.await.map(|_| rejected)
    }
}

/// What a block's parts share.
#[derive(Debug)]
struct Work {
    instance: Arc<Instance>,
    log: Arc<str>,
    lines: Lines,
    told: Told,
}

/// Drafts the lines of a part. Returns what had to be left out, and why.
fn draft(work: &Work, range: Range<usize>, sheet: &mut Sheet) -> Result<Option<Rejected>, Fault> {
    let Work { instance, log, lines, told } = work;
    let of_log = instance.tenant(log);
    // The same for every line, so it is hashed once.
    let kept = kept_part(log);
    let mut rejected: Option<Rejected> = None;
    for (at, (cut, bytes)) in range.clone().zip(lines.range(range)) {
        let text = instance.text(bytes);
        let chain = hex(&cut.chain);
        let identity = [&*kept, &*chain];
        let place = Place { file: log, identity: &identity, offset: cut.offset };
        let reason = match (instance.formats.line(told.at(at), &text, &place), &of_log) {
            (Ok(Line::Filtered | Line::Preamble), _) => {
                sheet.filtered += 1;
                continue;
            }
            (Ok(Line::Event(mut event)), Ok(of_log)) => {
                disclose(cut, &mut event.facts);
                let tenant = match of_log {
                    Some(tenant) => Ok(tenant.clone()),
                    None => event.tenant.as_deref().map_or(Ok(Tenant::Local), Tenant::claimed),
                };
                match tenant {
                    Ok(tenant) => {
                        sheet.event(&event, &tenant)?;
                        continue;
                    }
                    Err(error) => error.to_string(),
                }
            }
            (Ok(Line::Event(_)), Err(error)) => error.to_string(),
            (Err(unusable), _) => unusable.to_string(),
        };
        sheet.reject(reason.as_str());
        let this = Rejected { lines: 1, first: cut.offset, last: cut.offset, reason };
        rejected = Rejected::join(rejected, Some(this));
    }
    Ok(rejected)
}

/// What was done to a line before it was read.
fn disclose<'a>(cut: &Cut, facts: &mut Vec<(&'static str, Fact<'a>)>) {
    if cut.cut > 0 {
        facts.push(("cut_bytes", Fact::Number(cut.cut)));
    }
    if cut.nuls > 0 {
        facts.push(("nul_bytes", Fact::Number(cut.nuls)));
    }
    if cut.open {
        facts.push(("no_newline", Fact::Flag(true)));
    }
}

fn latin1(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
}
