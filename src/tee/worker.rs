//! The thread of one tee: takes requests in at once, and sends the oldest until it is dealt with.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use super::entry::Entry;
use super::queue::{Queue, Ticket};
use super::send::{Attempt, Sender};
use super::settings::Settings;
use super::stats::{Drop, Retry, TeeStats};
use super::{Door, GRACE, Request};
use crate::clock;

/// The first pause after a failure; each further one is twice as long, up to the longest, and each is
/// spread by a half, so that many halods do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Between two warnings of one kind.
const QUIET: Duration = Duration::from_secs(60);

/// After the queue's own disk failed.
const DISK_PAUSE: Duration = Duration::from_secs(5);

/// What the thread is told.
pub(super) enum Message {
    Forward(Request),
    Close,
}

/// Runs until it is closed, or until every handle is gone.
pub(super) async fn run(
    door: Door,
    settings: Settings,
    queue: Queue,
    mut sender: Sender,
    messages: UnboundedReceiver<Message>,
    stats: Arc<TeeStats>,
) {
    let said = Said::new(door, settings.endpoint.to_string());
    let mut intake = Intake { queue, messages, stats, said, closing: None };
    loop {
        let oldest = match intake.queue.oldest() {
            Ok(oldest) => oldest,
            Err(error) => {
                intake.said.disk(&error);
                intake.pause(None, DISK_PAUSE).await;
                if intake.closing.is_some() {
                    return;
                }
                continue;
            }
        };
        let Some((ticket, entry)) = oldest else {
            if !intake.wait().await {
                return;
            }
            continue;
        };
        if !deliver(&mut intake, &mut sender, &settings, ticket, &entry).await {
            return;
        }
    }
}

/// Sends one entry until it is dealt with or waits no more. False when it is time to end.
async fn deliver(
    intake: &mut Intake,
    sender: &mut Sender,
    settings: &Settings,
    ticket: Ticket,
    entry: &Entry,
) -> bool {
    let mut failures = 0u32;
    let mut failing = 0;
    while intake.queue.holds(ticket) {
        if clock::now().duration_since(entry.taken_in).is_ok_and(|age| age > settings.max_age) {
            intake.drop_entry(ticket, Drop::Expired, "it is older than max_age");
            return true;
        }
        let Some(attempt) = intake.during(ticket, sender.attempt(entry)).await else {
            return !intake.is_over();
        };
        let (why, wait) = match attempt {
            Attempt::Taken => {
                intake.taken(ticket);
                return true;
            }
            Attempt::Refused(status) => {
                intake.drop_entry(ticket, Drop::Refused, status.as_str());
                return true;
            }
            Attempt::Again { why, wait } => (why, wait),
        };
        intake.stats.retry(why);
        failing += u64::from(why.may_be_the_request());
        if failing >= settings.max_attempts {
            intake.drop_entry(ticket, Drop::Failed, "it was tried max_attempts times");
            return true;
        }
        intake.said.failure(why, intake.stats.entries.get());
        if intake.closing.is_some() {
            // Halod does not wait for a backend that is down.
            return false;
        }
        let pause = pause(failures).max(wait.unwrap_or_default());
        failures += 1;
        intake.pause(Some(ticket), pause).await;
    }
    true
}

/// Between half and one and a half of what the number of failures calls for.
fn pause(failures: u32) -> Duration {
    let even = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(0) % 1024;
    even / 2 + even.mul_f64(random as f64 / 1024.0)
}

/// The queue, and what comes into it.
struct Intake {
    queue: Queue,
    messages: UnboundedReceiver<Message>,
    stats: Arc<TeeStats>,
    said: Said,
    /// When halod stops: until when the thread may go on.
    closing: Option<Instant>,
}

impl Intake {
    /// Waits for an entry. False when none will come.
    async fn wait(&mut self) -> bool {
        if self.closing.is_some() {
            return false;
        }
        let message = self.messages.recv().await;
        self.take(message);
        true
    }

    fn take(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Forward(request)) => self.append(&request),
            Some(Message::Close) | None => {
                self.closing = Some(Instant::now() + GRACE);
                self.messages.close();
                while let Ok(message) = self.messages.try_recv() {
                    if let Message::Forward(request) = message {
                        self.append(&request);
                    }
                }
            }
        }
    }

    fn append(&mut self, request: &Request) {
        let dropped = self.stats.dropped_full();
        if let Err(error) = self.queue.append(&request.head, &request.body) {
            self.said.disk(&error);
        }
        self.stats.in_memory.dec();
        self.said.full(self.stats.dropped_full() - dropped);
    }

    /// Takes requests in for as long as the pause is, or until there is nothing to pause for: the entry
    /// was dropped for newer ones, or halod stops.
    async fn pause(&mut self, ticket: Option<Ticket>, pause: Duration) {
        let mut pause = pin!(sleep(pause));
        let waits = |queue: &Queue| ticket.is_none_or(|ticket| queue.holds(ticket));
        while self.closing.is_none() && waits(&self.queue) {
            tokio::select! {
                () = &mut pause => return,
                message = self.messages.recv() => self.take(message),
            }
        }
    }

    /// Lets `work` come to its end while requests are taken in. `None` when the entry it is for was
    /// dropped for newer ones, or when the time after halod was told to stop is up.
    async fn during<T>(&mut self, ticket: Ticket, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            let closing = self.closing;
            tokio::select! {
                done = &mut work => return Some(done),
                message = self.messages.recv(), if closing.is_none() => {
                    self.take(message);
                    if !self.queue.holds(ticket) {
                        return None;
                    }
                }
                () = sleep_until(closing.unwrap_or_else(Instant::now)), if closing.is_some() => return None,
            }
        }
    }

    fn is_over(&self) -> bool {
        self.closing.is_some_and(|until| Instant::now() >= until)
    }

    fn taken(&mut self, ticket: Ticket) {
        self.said.success(self.stats.entries.get());
        if self.done(ticket) {
            self.stats.forwarded.inc();
        }
    }

    fn drop_entry(&mut self, ticket: Ticket, why: Drop, reason: &str) {
        if self.done(ticket) {
            self.stats.drop_one(why);
            self.said.dropped(reason);
        }
    }

    /// False when it was dropped meanwhile, and counted so.
    fn done(&mut self, ticket: Ticket) -> bool {
        self.queue.done(ticket).unwrap_or_else(|error| {
            self.said.disk(&error);
            true
        })
    }
}

/// What was logged last, so that a long outage is not a long log.
struct Said {
    door: &'static str,
    endpoint: String,
    down: Option<Instant>,
    dropped: Option<Instant>,
    full: Option<Instant>,
    disk: Option<Instant>,
}

impl Said {
    fn new(door: Door, endpoint: String) -> Self {
        Self { door: door.name(), endpoint, down: None, dropped: None, full: None, disk: None }
    }

    fn failure(&mut self, why: Retry, waiting: u64) {
        let (receiver, endpoint, why) = (self.door, &self.endpoint, why.name());
        if due(&mut self.down) {
            tracing::warn!(receiver, %endpoint, why, waiting, "the tee's backend does not take requests; they wait");
        }
    }

    fn success(&mut self, waiting: u64) {
        if self.down.take().is_some() {
            let (receiver, endpoint) = (self.door, &self.endpoint);
            tracing::info!(receiver, %endpoint, waiting, "the tee's backend takes requests again");
        }
    }

    fn dropped(&mut self, reason: &str) {
        let (receiver, endpoint) = (self.door, &self.endpoint);
        if due(&mut self.dropped) {
            tracing::warn!(receiver, %endpoint, reason, "a request is not passed on; see halod_tee_dropped_total");
        }
    }

    fn full(&mut self, entries: u64) {
        let receiver = self.door;
        if entries > 0 && due(&mut self.full) {
            tracing::warn!(
                receiver,
                entries,
                "the tee's queue is full; the oldest requests are not passed on"
            );
        }
    }

    fn disk(&mut self, error: &io::Error) {
        let receiver = self.door;
        if due(&mut self.disk) {
            tracing::warn!(receiver, %error, "the tee's queue can't be written or read; records are not affected");
        }
    }
}

/// Whether it is time for another warning.
fn due(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|at| now.duration_since(at) >= QUIET);
    if due {
        *last = Some(now);
    }
    due
}
