//! Admission in bytes, and the door to the writer.

use super::batch::{Batch, Receipt};
use super::refusal::Refusal;
use super::stats::Stats;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// One request on its way to the writer, and where its answer goes.
#[derive(Debug)]
pub struct Job {
    pub batch: Batch,
    /// Whether the receipt is to tell of each draft.
    pub detailed: bool,
    pub reply: oneshot::Sender<Result<Receipt, Refusal>>,
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
        Self { door: Arc::new(Door { writer, limit, stats }) }
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
        usize::try_from(self.door.stats.in_flight.load(Relaxed)).unwrap_or(usize::MAX)
    }

    /// Reserves `bytes` before any of them is read.
    ///
    /// # Errors
    /// `TooLarge` when they could never be in flight, `Full` when they cannot now; `Stopping`,
    /// `Poisoned` or `DiskLow` when nothing is accepted.
    pub fn admit(&self, bytes: usize) -> Result<Permit, Refusal> {
        let stats = &self.door.stats;
        let closed = [
            (&stats.poisoned, Refusal::Poisoned),
            (&stats.stopping, Refusal::Stopping),
            (&stats.disk_low, Refusal::DiskLow),
        ];
        if let Some((_, refusal)) = closed.into_iter().find(|(flag, _)| flag.load(Relaxed)) {
            return Err(self.refused(refusal));
        }
        let mut permit = Permit { door: Arc::clone(&self.door), bytes: 0 };
        permit.grow_to(bytes)?;
        Ok(permit)
    }

    /// Hands the batch to the writer and waits until it is linked and on disk.
    ///
    /// # Errors
    /// A retryable refusal; what part of the batch was sealed meanwhile is recognised as duplicate
    /// when it is sent again.
    pub async fn submit(&self, batch: Batch) -> Result<Receipt, Refusal> {
        self.hand_over(batch, false).await
    }

    /// The same, for a receipt that tells of each draft and of the chains' heads.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_for_detail(&self, batch: Batch) -> Result<Receipt, Refusal> {
        self.hand_over(batch, true).await
    }

    async fn hand_over(&self, batch: Batch, detailed: bool) -> Result<Receipt, Refusal> {
        let (reply, answer) = oneshot::channel();
        // A writer that is gone, or that drops the answer, has failed: it answers everything
        // before it stops in good order.
        let sent = self.door.writer.send(Job { batch, detailed, reply });
        let answered = match sent {
            Ok(()) => answer.await.unwrap_or(Err(Refusal::Poisoned)),
            Err(_) => Err(Refusal::Poisoned),
        };
        answered.map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        self.door.stats.count(&refusal);
        refusal
    }
}

impl Permit {
    /// Raises the reservation to `total` bytes; does nothing when it is that large already.
    ///
    /// # Errors
    /// `Full` or `TooLarge`, and the permit keeps what it had.
    pub fn grow_to(&mut self, total: usize) -> Result<(), Refusal> {
        let Some(more) = total.checked_sub(self.bytes).filter(|&more| more > 0) else {
            return Ok(());
        };
        let Door { limit, stats, .. } = &*self.door;
        let grown = if total > *limit {
            Err(Refusal::TooLarge { limit: *limit })
        } else {
            stats
                .in_flight
                .fetch_update(Relaxed, Relaxed, |used| {
                    used.checked_add(more as u64).filter(|&sum| sum <= *limit as u64)
                })
                .map_err(|_| Refusal::Full { limit: *limit, retry_after: Duration::from_secs(1) })
        };
        match grown {
            Ok(_) => {
                self.bytes = total;
                Ok(())
            }
            Err(refusal) => {
                stats.count(&refusal);
                Err(refusal)
            }
        }
    }

    /// Gives back what exceeds `total` bytes.
    pub fn shrink_to(&mut self, total: usize) {
        if let Some(less) = self.bytes.checked_sub(total) {
            self.door.stats.in_flight.fetch_sub(less as u64, Relaxed);
            self.bytes = total;
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
        assert_eq!(intake.stats().refused[0].load(Relaxed), 1);
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
}
