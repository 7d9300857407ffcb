//! Admission in bytes, and the door to the writer.

use super::batch::{Account, Batch, Receipt};
use super::refusal::Refusal;
use super::stats::Stats;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// How often one who waits for room looks whether something else has changed: the disk, a drain.
const LOOK: Duration = Duration::from_millis(250);

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
    limit: usize,
    stats: Arc<Stats>,
    /// Told whenever bytes are given back.
    freed: Notify,
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

/// Bytes reserved for one request, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    door: Arc<Door>,
    bytes: usize,
}

impl Intake {
    /// An intake that admits `limit` bytes at a time and hands its jobs to `writer`.
    #[must_use]
    pub fn new(writer: mpsc::Sender<Job>, limit: usize, stats: Arc<Stats>) -> Self {
        Self { door: Arc::new(Door { writer, limit, stats, freed: Notify::new() }) }
    }

    /// The same with counters of its own.
    #[cfg(test)]
    #[must_use]
    pub fn with_writer(writer: mpsc::Sender<Job>, limit: usize) -> Self {
        Self::new(writer, limit, Arc::default())
    }

    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.door.stats
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.door.stats.in_flight.get()).unwrap_or(usize::MAX)
    }

    /// The most bytes that can be reserved at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.door.limit
    }

    /// Reserves `bytes` before any of them is read.
    ///
    /// # Errors
    /// `TooLarge` when they could never be in flight, `Full` when they cannot now; `Stopping`,
    /// `Poisoned` or `DiskLow` when nothing is accepted.
    pub fn admit(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.try_admit(bytes).map_err(|refusal| self.refused(refusal))
    }

    /// The same, but waits until `until` for room. Who waits holds nothing that another waits for, so
    /// everything that a request will need is to be asked for at once.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn admit_by(&self, bytes: usize, until: Instant) -> Result<Permit, Refusal> {
        let admitted = self.door.patiently(until, || self.try_admit(bytes)).await;
        admitted.map_err(|refusal| self.refused(refusal))
    }

    /// A permit for what halod itself has to say, which is little, and is said when there is no room.
    #[must_use]
    pub fn owed(&self) -> Permit {
        Permit { door: Arc::clone(&self.door), bytes: 0 }
    }

    fn try_admit(&self, bytes: usize) -> Result<Permit, Refusal> {
        let stats = &self.door.stats;
        let closed = [
            (&stats.poisoned, Refusal::Poisoned),
            (&stats.stopping, Refusal::Stopping),
            (&stats.disk_low, Refusal::DiskLow),
        ];
        if let Some((_, refusal)) = closed.into_iter().find(|(flag, _)| flag.load(Relaxed)) {
            return Err(refusal);
        }
        let mut permit = self.owed();
        permit.try_grow(bytes)?;
        Ok(permit)
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
        Pending { answer, stats: Arc::clone(&self.door.stats) }
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        self.door.stats.count(&refusal);
        refusal
    }
}

impl Door {
    /// Tries until it works, is refused for another reason than want of room, or `until` has come.
    async fn patiently<T>(
        &self,
        until: Instant,
        mut attempt: impl FnMut() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on nothing that is given back is missed.
            freed.as_mut().enable();
            match attempt() {
                Err(Refusal::Full { .. } | Refusal::DiskLow) if Instant::now() < until => {
                    let _ = timeout_at(until.min(Instant::now() + LOOK), freed).await;
                }
                done => return done,
            }
        }
    }
}

impl Permit {
    /// Raises the reservation to `total` bytes; does nothing when it is that large already.
    ///
    /// # Errors
    /// `Full` or `TooLarge`, and the permit keeps what it had.
    pub fn grow_to(&mut self, total: usize) -> Result<(), Refusal> {
        self.try_grow(total).inspect_err(|refusal| self.door.stats.count(refusal))
    }

    /// The same, but waits until `until` for room.
    ///
    /// # Errors
    /// As [`Self::grow_to`].
    pub async fn grow_by(&mut self, total: usize, until: Instant) -> Result<(), Refusal> {
        let door = Arc::clone(&self.door);
        let grown = door.patiently(until, || self.try_grow(total)).await;
        grown.inspect_err(|refusal| door.stats.count(refusal))
    }

    fn try_grow(&mut self, total: usize) -> Result<(), Refusal> {
        let Some(more) = total.checked_sub(self.bytes).filter(|&more| more > 0) else {
            return Ok(());
        };
        let Door { limit, stats, .. } = &*self.door;
        let grown = if total > *limit {
            Err(Refusal::TooLarge { limit: *limit })
        } else {
            stats
                .in_flight
                .inner()
                .fetch_update(Relaxed, Relaxed, |used| {
                    used.checked_add(more as u64).filter(|&sum| sum <= *limit as u64)
                })
                .map_err(|_| Refusal::Full { limit: *limit, retry_after: Duration::from_secs(1) })
        };
        grown?;
        self.bytes = total;
        Ok(())
    }

    /// Gives back what exceeds `total` bytes.
    pub fn shrink_to(&mut self, total: usize) {
        if let Some(less) = self.bytes.checked_sub(total) {
            self.door.stats.in_flight.dec_by(less as u64);
            self.bytes = total;
            if less > 0 {
                self.door.freed.notify_waiters();
            }
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

    #[test]
    fn bytes_are_given_back_and_never_exceeded() {
        let (writer, _jobs) = mpsc::channel();
        let intake = Intake::with_writer(writer, 100);
        let mut one = intake.admit(60).unwrap();
        assert!(matches!(intake.admit(50), Err(Refusal::Full { .. })));
        assert_eq!(intake.admit(101).unwrap_err(), Refusal::TooLarge { limit: 100 });
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
            async move { intake.admit_by(50, until).await }
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
        assert!(matches!(intake.admit_by(101, until).await, Err(Refusal::TooLarge { .. })));
        assert_eq!(Instant::now(), start);
        assert!(matches!(intake.admit_by(50, until).await, Err(Refusal::Full { .. })));
        assert_eq!(Instant::now(), until);
        assert!(matches!(held.grow_by(101, until).await, Err(Refusal::TooLarge { .. })));
        assert_eq!(intake.stats().refused[0].get(), 1);
        intake.stats().stopping.store(true, Relaxed);
        let waits = intake.admit_by(1, until + Duration::from_secs(60)).await;
        assert_eq!((waits.unwrap_err(), Instant::now()), (Refusal::Stopping, until));
    }
}
