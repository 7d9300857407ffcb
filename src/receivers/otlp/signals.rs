//! One of a thing for each signal.

use halo_adapters::otlp::Signal;

/// One `T` for traces, one for logs, one for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals<T> {
    pub traces: T,
    pub logs: T,
    pub metrics: T,
}

impl<T> Signals<T> {
    /// Makes each by the signal's name in labels.
    pub fn each(mut make: impl FnMut(&'static str) -> T) -> Self {
        Self { traces: make("traces"), logs: make("logs"), metrics: make("metrics") }
    }

    /// Makes another of each.
    pub fn map<U>(&self, mut make: impl FnMut(&T) -> U) -> Signals<U> {
        Signals { traces: make(&self.traces), logs: make(&self.logs), metrics: make(&self.metrics) }
    }

    #[must_use]
    pub fn of(&self, signal: Signal) -> &T {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
        }
    }
}
