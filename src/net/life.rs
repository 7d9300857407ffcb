//! A connection as others see it: whether a request is under way, since when none is, and whether its place is
//! needed.

use super::connections::Closed;
use super::roster::Origin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(super) struct Life {
    /// Where it comes from, if that is counted.
    pub(super) origin: Option<Origin>,
    state: Mutex<State>,
    /// Told when the last request has ended.
    rested: Notify,
    /// Told when its place is needed.
    evicted: Notify,
}

#[derive(Debug)]
struct State {
    /// It has a place among those that are served.
    served: bool,
    under_way: usize,
    /// Answers that have begun and not ended, such as who watches halod's health has.
    answers: usize,
    /// When the last request ended, or the connection came.
    since: Instant,
    evicted: Option<Closed>,
}

/// A request, as long as it is under way: until its answer begins.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Life>);

/// An answer, until it has ended. It keeps its connection from being idle, and nobody waiting.
#[derive(Debug)]
pub(super) struct Answering(Arc<Life>);

impl Life {
    pub(super) fn new(origin: Option<Origin>) -> Self {
        let state = State { served: false, under_way: 0, answers: 0, since: Instant::now(), evicted: None };
        Self { origin, state: Mutex::new(state), rested: Notify::new(), evicted: Notify::new() }
    }

    /// It has its place.
    pub(super) fn serve(&self) {
        self.lock().served = true;
    }

    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.lock().under_way += 1;
        UnderWay(Arc::clone(self))
    }

    /// Since when nothing is under way on it, if it has a place that may be taken.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        state.is_idle().then_some(state.since)
    }

    /// Since when not even an answer comes on it.
    fn silent_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.is_idle() && state.answers == 0).then_some(state.since)
    }

    /// Takes its place from it, unless a request has come meanwhile.
    pub(super) fn evict(&self, why: Closed) -> bool {
        let mut state = self.lock();
        let may = state.is_idle();
        if may {
            state.evicted = Some(why);
            self.evicted.notify_one();
        }
        may
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.lock().evicted.is_some()
    }

    /// Returns when its place was taken.
    pub(super) async fn eviction(&self) -> Closed {
        loop {
            if let Some(why) = self.lock().evicted {
                return why;
            }
            self.evicted.notified().await;
        }
    }

    /// Returns when nothing has been under way for so long. It is looked at from time to time, so that requests
    /// wake nobody.
    pub(super) async fn idle_for(&self, wait: Duration) {
        loop {
            let now = Instant::now();
            let at = self.silent_since().unwrap_or(now) + wait;
            if at <= now {
                return;
            }
            sleep_until(at).await;
        }
    }

    /// Returns when from now on nothing has been under way for so long.
    pub(super) async fn rest_for(&self, wait: Duration) {
        let now = Instant::now();
        loop {
            let resting = {
                let state = self.lock();
                (state.under_way == 0).then_some(state.since.max(now) + wait)
            };
            match resting {
                Some(at) if at <= Instant::now() => return,
                Some(at) => sleep_until(at).await,
                None => self.rested.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.served && self.under_way == 0 && self.evicted.is_none()
    }
}

impl UnderWay {
    /// Its answer begins.
    pub(super) fn answer(self) -> Answering {
        self.0.lock().answers += 1;
        Answering(Arc::clone(&self.0))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.answers -= 1;
        state.since = Instant::now();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.under_way -= 1;
        if state.under_way == 0 {
            state.since = Instant::now();
            self.0.rested.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_waited_for() {
        let (life, second) = (Arc::new(Life::new(None)), Duration::from_secs(1));
        let began = Instant::now();
        life.serve();
        let request = life.begin();
        assert!(life.idle_since().is_none() && !life.evict(Closed::Full));
        let ends = async {
            tokio::time::sleep(5 * second).await;
            drop(request);
        };
        tokio::join!(life.rest_for(second), life.idle_for(2 * second), ends);
        assert!((7..=8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        // An answer that goes on keeps it from being idle, and from nothing else.
        let answer = life.begin().answer();
        let waited = tokio::time::timeout(60 * second, life.idle_for(second)).await;
        assert!(waited.is_err() && life.idle_since().is_some());
        life.rest_for(second).await;
        drop(answer);
        let began = Instant::now();
        life.idle_for(second).await;
        assert!((1..=2).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        assert!(life.evict(Closed::Full) && !life.evict(Closed::Address), "once");
        assert_eq!(life.eviction().await, Closed::Full);
    }
}
