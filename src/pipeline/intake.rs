//! Admission in bytes, and the door to the writer.

use super::arriving::{Arriving, Claim, Patience};
use super::batch::{Account, Batch, Receipt};
use super::refusal::Refusal;
use super::room::Room;
use super::stats::Stats;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// One request on its way to the writer, and where its answer goes.
#[derive(Debug)]
pub struct Job {
    pub batch: Batch,
    /// Whether the receipt is to tell of each draft.
    pub detailed: bool,
    pub reply: Reply,
}

/// Where the answer to a job goes, and who else is told of it.
#[derive(Debug)]
pub struct Reply {
    /// There until the answer is given.
    sender: Option<oneshot::Sender<Result<Receipt, Refusal>>>,
    accounts: Vec<Box<dyn Account>>,
}

impl Reply {
    /// Tells what became of the job. A sender that went away will send again; the index knows what it had.
    pub fn send(mut self, outcome: Result<Receipt, Refusal>) {
        self.settle(outcome.as_ref());
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(outcome);
        }
    }

    fn settle(&mut self, outcome: Result<&Receipt, &Refusal>) {
        std::mem::take(&mut self.accounts).into_iter().for_each(|account| account.settle(outcome));
    }
}

impl Drop for Reply {
    /// A writer that drops an answer has failed.
    fn drop(&mut self) {
        self.settle(Err(&Refusal::Poisoned));
    }
}

/// The receivers' side of the pipeline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    door: Arc<Door>,
}

#[derive(Debug)]
struct Door {
    writer: mpsc::Sender<Job>,
    room: Arc<Room>,
}

/// A batch that is in the writer's hands. It is sealed whether this is awaited or not.
///
/// Comes to a retryable refusal where not all of it is linked and on disk: what part was sealed meanwhile is
/// recognised as duplicate when it is sent again.
#[derive(Debug)]
#[must_use = "nothing may be acknowledged before this has come to a receipt"]
pub struct Pending {
    answer: oneshot::Receiver<Result<Receipt, Refusal>>,
    stats: Arc<Stats>,
}

impl Future for Pending {
    type Output = Result<Receipt, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        let receipt = answer.unwrap_or(Err(Refusal::Poisoned));
        Poll::Ready(receipt.inspect_err(|refusal| self.stats.count(refusal)))
    }
}

impl Pending {
    /// Waits on a thread that may: never on one that runs tasks.
    ///
    /// # Errors
    /// As the future's.
    pub fn wait(self) -> Result<Receipt, Refusal> {
        let Self { answer, stats } = self;
        let receipt = answer.blocking_recv().unwrap_or(Err(Refusal::Poisoned));
        receipt.inspect_err(|refusal| stats.count(refusal))
    }
}

/// Bytes reserved for one request, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    room: Arc<Room>,
    bytes: usize,
    /// There while somebody may still wait for more.
    claim: Option<Claim>,
}

/// The bodies that are still arriving. It hands nothing to the writer, and keeps it from no end.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Room>);

impl Bodies {
    /// Refuses those that are not complete: their senders are told to send again.
    pub fn refuse(&self) {
        self.0.cut_all();
    }
}

impl Intake {
    /// The bodies that arrive by it.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        Bodies(Arc::clone(&self.door.room))
    }

    /// An intake that admits `limit` bytes at a time and hands its jobs to `writer`.
    #[must_use]
    pub fn new(writer: mpsc::Sender<Job>, limit: usize, stats: Arc<Stats>) -> Self {
        Self { door: Arc::new(Door { writer, room: Arc::new(Room::new(limit, stats)) }) }
    }

    /// The same with counters of its own.
    #[cfg(test)]
    #[must_use]
    pub fn with_writer(writer: mpsc::Sender<Job>, limit: usize) -> Self {
        Self::new(writer, limit, Arc::default())
    }

    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.door.room.stats
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.door.room.stats.in_flight.get()).unwrap_or(usize::MAX)
    }

    /// The most bytes that can be reserved at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.door.room.limit
    }

    /// Reserves `bytes` for something that is here already.
    ///
    /// # Errors
    /// `TooLarge` when they could never be in flight, `Full` when they cannot now; `Stopping`,
    /// `Poisoned` or `DiskLow` when nothing is accepted.
    pub fn admit(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.try_admit(bytes).map_err(|refusal| self.refused(refusal))
    }

    /// Lets a body begin, of `declared` bytes if that is known. Its room is taken as it arrives; a body for
    /// which there is not enough now is refused before it is read.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn arrive(&self, declared: Option<usize>) -> Result<Arriving, Refusal> {
        let arriving = self.open().and_then(|()| Arriving::new(&self.door.room, declared, None));
        arriving.map_err(|refusal| self.refused(refusal))
    }

    /// The same for a body whose sender does not send again: it waits for room, from the first byte to what it
    /// needs in the end. What it says it needs lets no two who wait block each other.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn arrive_by(&self, declared: Option<usize>, patience: Patience) -> Result<Arriving, Refusal> {
        let room = &self.door.room;
        let begin = || self.open().and_then(|()| Arriving::new(room, declared, Some(patience)));
        let arriving = room.patiently(patience.until, begin).await;
        arriving.map_err(|refusal| self.refused(refusal))
    }

    /// A permit for what halod itself has to say, which is little, and is said when there is no room.
    #[must_use]
    pub fn owed(&self) -> Permit {
        Permit::new(Arc::clone(&self.door.room), 0, None)
    }

    fn try_admit(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.open()?;
        let mut permit = self.owed();
        permit.try_grow(bytes)?;
        Ok(permit)
    }

    /// Whether anything is accepted.
    fn open(&self) -> Result<(), Refusal> {
        let stats = &self.door.room.stats;
        let closed = [
            (&stats.poisoned, Refusal::Poisoned),
            (&stats.stopping, Refusal::Stopping),
            (&stats.disk_low, Refusal::DiskLow),
        ];
        match closed.into_iter().find(|(flag, _)| flag.load(Relaxed)) {
            Some((_, refusal)) => Err(refusal),
            None => Ok(()),
        }
    }

    /// Hands the batch to the writer. Batches are sealed in the order of these calls.
    pub fn send(&self, mut batch: Batch) -> Pending {
        let (sender, answer) = oneshot::channel();
        let accounts = std::mem::take(&mut batch.accounts);
        let detailed = batch.detailed || accounts.iter().any(|account| account.wants_detail());
        let reply = Reply { sender: Some(sender), accounts };
        // A writer that is gone, or that drops the answer, has failed: it answers everything
        // before it stops in good order.
        if let Err(mpsc::SendError(job)) = self.door.writer.send(Job { batch, detailed, reply }) {
            job.reply.send(Err(Refusal::Poisoned));
        }
        Pending { answer, stats: Arc::clone(&self.door.room.stats) }
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        self.door.room.stats.count(&refusal);
        refusal
    }
}

impl Permit {
    pub(super) fn new(room: Arc<Room>, bytes: usize, claim: Option<Claim>) -> Self {
        Self { room, bytes, claim }
    }

    /// Raises the reservation to `total` bytes; does nothing when it is that large already.
    ///
    /// # Errors
    /// `Full` or `TooLarge`, and the permit keeps what it had.
    pub fn grow_to(&mut self, total: usize) -> Result<(), Refusal> {
        self.try_grow(total).inspect_err(|refusal| self.room.stats.count(refusal))
    }

    /// The same, but waits until `until` for room. Nobody waits after this: what was claimed is given up.
    ///
    /// # Errors
    /// As [`Self::grow_to`].
    pub async fn grow_by(&mut self, total: usize, until: Instant) -> Result<(), Refusal> {
        let room = Arc::clone(&self.room);
        let grown = room.patiently(until, || self.try_grow(total)).await;
        self.claim = None;
        grown.inspect_err(|refusal| room.stats.count(refusal))
    }

    fn try_grow(&mut self, total: usize) -> Result<(), Refusal> {
        let Some(more) = total.checked_sub(self.bytes).filter(|&more| more > 0) else {
            return Ok(());
        };
        match &self.claim {
            Some(claim) => self.room.take_claimed(claim.key, more, total, None)?,
            None => self.room.take(more, total, None)?,
        }
        self.bytes = total;
        Ok(())
    }

    /// Another permit, which has `bytes` of this one.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self::new(Arc::clone(&self.room), bytes, None)
    }

    /// Gives back what exceeds `total` bytes.
    pub fn shrink_to(&mut self, total: usize) {
        if let Some(less) = self.bytes.checked_sub(total) {
            self.bytes = total;
            self.room.give(less);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pipeline::refusal::Large;
    use std::time::Duration;

    #[test]
    fn bytes_are_given_back_and_never_exceeded() {
        let (writer, _jobs) = mpsc::channel();
        let intake = Intake::with_writer(writer, 100);
        let mut one = intake.admit(60).unwrap();
        assert!(matches!(intake.admit(50), Err(Refusal::Full { .. })));
        assert_eq!(intake.admit(101).unwrap_err(), Refusal::TooLarge { what: Large::Held, limit: 100 });
        assert!(one.grow_to(100).is_ok());
        assert!(matches!(one.grow_to(101), Err(Refusal::TooLarge { .. })));
        one.shrink_to(10);
        assert_eq!(intake.in_flight(), 10);
        drop(one);
        assert_eq!(intake.in_flight(), 0);
        assert_eq!(intake.stats().refused[0].get(), 1);
    }

    #[test]
    fn nothing_is_admitted_while_a_flag_stands() {
        let (writer, _jobs) = mpsc::channel();
        let intake = Intake::with_writer(writer, 100);
        intake.stats().disk_low.store(true, Relaxed);
        assert_eq!(intake.admit(1).unwrap_err(), Refusal::DiskLow);
        intake.stats().disk_low.store(false, Relaxed);
        assert!(intake.admit(1).is_ok());
        intake.stats().stopping.store(true, Relaxed);
        assert_eq!(intake.admit(1).unwrap_err(), Refusal::Stopping);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_room_that_is_given_back() {
        let (writer, _jobs) = mpsc::channel();
        let intake = Intake::with_writer(writer, 100);
        let held = intake.admit(80).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let waiter = tokio::spawn({
            let intake = intake.clone();
            async move {
                let mut permit = intake.owed();
                permit.grow_by(50, until).await.map(|()| permit)
            }
        });
        tokio::task::yield_now().await;
        drop(held);
        let mut permit = waiter.await.unwrap().unwrap();
        assert_eq!(intake.in_flight(), 50);
        assert!(Instant::now() < until);
        assert_eq!(intake.stats().refused[0].get(), 0, "who is served was not refused");
        assert!(permit.grow_by(100, until).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end_and_is_not_for_what_time_cannot_cure() {
        let (writer, _jobs) = mpsc::channel();
        let intake = Intake::with_writer(writer, 100);
        let mut held = intake.admit(80).unwrap();
        let start = Instant::now();
        let until = start + Duration::from_secs(5);
        let mut more = intake.owed();
        assert!(matches!(more.grow_by(101, until).await, Err(Refusal::TooLarge { .. })));
        assert_eq!(Instant::now(), start);
        assert!(matches!(more.grow_by(50, until).await, Err(Refusal::Full { .. })));
        assert_eq!(Instant::now(), until);
        assert!(matches!(held.grow_by(101, until).await, Err(Refusal::TooLarge { .. })));
        assert_eq!(intake.stats().refused[0].get(), 1);
        intake.stats().stopping.store(true, Relaxed);
        let patience = Patience { need: 1, until: until + Duration::from_secs(60) };
        let waits = intake.arrive_by(None, patience).await;
        assert_eq!((waits.unwrap_err(), Instant::now()), (Refusal::Stopping, until));
    }
}
