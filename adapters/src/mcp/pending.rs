//! Calls that wait for their answers, within bounds.

use super::call::{Call, Id, Side};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls of one session that may wait.
const MOST_CALLS: usize = 4096;

/// What a call takes beside its request.
const BESIDE: usize = 512;

/// Bytes that the requests of all calls that wait may take; shared by the observers of a process.
#[derive(Clone, Debug)]
pub struct Budget {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Budget {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    fn take(&self, bytes: usize) -> bool {
        let add = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn give(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Default for Budget {
    /// 64 MiB.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

/// The calls of one session, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Pending {
    calls: VecDeque<(Call, usize)>,
    budget: Budget,
    /// Whether messages answer each other only within their scope.
    scoped: bool,
}

impl Pending {
    pub(super) fn new(budget: Budget, scoped: bool) -> Self {
        Self { calls: VecDeque::new(), budget, scoped }
    }

    /// Has a call wait. Returns the one that has to go for it, if there are too many.
    pub(super) fn add(&mut self, mut call: Call) -> Option<Call> {
        let pushed_out = if self.calls.len() >= MOST_CALLS { self.take_at(0) } else { None };
        let scope = self.scope(call.scope);
        call.id_reused = self.calls.iter().any(|(other, _)| other.is(call.by, scope, &call.id));
        let mut weight = BESIDE + call.request.weight();
        if !self.budget.take(weight) {
            call.request = call.request.dropped();
            weight = 0;
        }
        self.calls.push_back((call, weight));
        pushed_out
    }

    /// The oldest call of `by` with an id, which its answer is for.
    pub(super) fn answered(&mut self, by: Side, scope: u64, id: &Id) -> Option<Call> {
        let scope = self.scope(scope);
        // What became a task is answered by the task.
        self.take_first(|call| call.task.is_none() && call.is(by, scope, id))
    }

    fn scope(&self, scope: u64) -> Option<u64> {
        self.scoped.then_some(scope)
    }

    pub(super) fn of_task(&mut self, by: Side, task: &str) -> Option<Call> {
        self.take_first(|call| call.by == by && call.task.as_ref().is_some_and(|of| of.id == task))
    }

    pub(super) fn find_mut(&mut self, is: impl Fn(&Call) -> bool) -> Option<&mut Call> {
        self.calls.iter_mut().map(|(call, _)| call).find(|call| is(call))
    }

    /// Takes out the first call that `is` so.
    pub(super) fn take_first(&mut self, is: impl Fn(&Call) -> bool) -> Option<Call> {
        let at = self.calls.iter().position(|(call, _)| is(call))?;
        self.take_at(at)
    }

    /// Has a call wait on that was taken out.
    pub(super) fn put_back(&mut self, call: Call) {
        let reused = call.id_reused;
        self.add(call);
        if let Some((call, _)) = self.calls.back_mut() {
            call.id_reused = reused;
        }
    }

    fn take_at(&mut self, at: usize) -> Option<Call> {
        let (call, weight) = self.calls.remove(at)?;
        self.budget.give(weight);
        Some(call)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.calls.iter().for_each(|(_, weight)| self.budget.give(*weight));
    }
}

impl Call {
    /// Whether it was asked for by `by` under an id, in a scope where that counts.
    fn is(&self, by: Side, scope: Option<u64>, id: &Id) -> bool {
        self.by == by && scope.is_none_or(|scope| self.scope == scope) && self.id == *id
    }
}
