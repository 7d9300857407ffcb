//! Where halod is, and whether anything is wrong with it: what those who send have to know.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Nobody waits longer for an answer in calm weather.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where halod listens.
#[derive(Clone, Copy)]
pub struct Doors {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    /// Which start of it this is.
    pub start: usize,
}

/// Where everything takes place.
#[derive(Default)]
pub struct Stage {
    pub doors: Mutex<Option<Doors>>,
    /// Which spell of calm it is: halod was ready and nothing failed since its beginning. `None` otherwise.
    calm: Mutex<Option<u64>>,
    spells: AtomicU64,
    /// No more new batches: stop when everything is acknowledged.
    pub closing: AtomicBool,
    pub refused: AtomicU64,
    pub broken: AtomicU64,
    /// Who waited longest in calm weather, and otherwise.
    longest: Mutex<[(Duration, String); 2]>,
}

impl Stage {
    fn calm(&self) -> Option<u64> {
        *self.calm.lock().unwrap()
    }

    pub fn calms_down(&self) {
        let mut calm = self.calm.lock().unwrap();
        if calm.is_none() {
            *calm = Some(self.spells.fetch_add(1, SeqCst));
        }
    }

    pub fn storms(&self) {
        *self.calm.lock().unwrap() = None;
    }

    /// Asks, and demands that the answer does not take long: unless halod was not ready, its disk full or a file
    /// failing at the beginning of the wait, at its end or in between.
    pub fn timed<T>(&self, what: &str, ask: impl FnOnce() -> T) -> T {
        let (before, begun) = (self.calm(), Instant::now());
        let answer = ask();
        let (took, after) = (begun.elapsed(), self.calm());
        let calm = before.is_some() && before == after;
        assert!(!calm || took <= PATIENCE, "{what}: {took:?} in calm weather");
        let mut longest = self.longest.lock().unwrap();
        let of = &mut longest[usize::from(!calm)];
        if took > of.0 {
            *of = (took, what.to_owned());
        }
        answer
    }

    pub fn report(&self) {
        let [calm, storm] = &*self.longest.lock().unwrap();
        let (refused, broken) = (self.refused.load(SeqCst), self.broken.load(SeqCst));
        println!(
            "soak: {refused} refusals, {broken} broken connections; the longest waits were {calm:?} in calm weather and {storm:?} otherwise"
        );
    }

    /// Whether a sender is left alone with what will never be answered.
    pub fn abandoned(&self) -> bool {
        self.closing.load(SeqCst) && self.doors.lock().unwrap().is_none()
    }
}
