//! Warnings and errors that say what was said within the last minute are left out, wherever they come from.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

const PAUSE: Duration = Duration::from_secs(60);

/// Lines that are remembered. Beyond them the oldest may come again early.
const LINES: usize = 1024;

/// When each line was said last.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    said: Mutex<HashMap<String, Instant>>,
}

impl Repeated {
    fn is_new(&self, line: String, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&line).is_some_and(|at| now.duration_since(*at) < PAUSE) {
            return false;
        }
        if said.len() >= LINES {
            said.retain(|_, at| now.duration_since(*at) < PAUSE);
        }
        if said.len() >= LINES {
            let oldest = said.iter().min_by_key(|(_, at)| **at).map(|(line, _)| line.clone());
            oldest.map(|line| said.remove(&line));
        }
        said.insert(line, now);
        true
    }
}

impl<S: Subscriber> Filter<S> for Repeated {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let about = event.metadata();
        if *about.level() > Level::WARN {
            return true;
        }
        let mut line = Line(format!("{}:{}", about.file().unwrap_or_default(), about.line().unwrap_or(0)));
        event.record(&mut line);
        self.is_new(line.0, Instant::now())
    }
}

/// What an event says, but for its numbers: a line does not become another one because something was counted
/// on meanwhile.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String does not fail.
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_f64(&mut self, _: &Field, _: f64) {}
    fn record_i64(&mut self, _: &Field, _: i64) {}
    fn record_u64(&mut self, _: &Field, _: u64) {}
    fn record_i128(&mut self, _: &Field, _: i128) {}
    fn record_u128(&mut self, _: &Field, _: u128) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed};

    use tracing_subscriber::layer::{Layer, SubscriberExt};

    use super::*;

    struct Counted(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Counted {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn what_is_said_again_is_left_out() {
        let seen = Arc::new(AtomicUsize::new(0));
        let layer = Counted(Arc::clone(&seen)).with_filter(Repeated::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for n in 0..10 {
                for file in ["a", "b"] {
                    tracing::warn!(n, file, "a file can't be read");
                }
                tracing::error!(low = n % 2 == 0, "the disk is full");
                tracing::info!("imported");
            }
        });
        assert_eq!(seen.load(Relaxed), 2 + 2 + 10);
    }

    #[test]
    fn it_is_said_again_after_a_minute_and_what_is_remembered_is_bounded() {
        let (repeated, now) = (Repeated::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let said: Vec<_> = (0..130).filter(|&second| repeated.is_new("a".into(), at(second))).collect();
        assert_eq!(said, [0, 60, 120]);
        (0..3 * LINES).for_each(|n| assert!(repeated.is_new(n.to_string(), at(200))));
        assert_eq!(repeated.said.lock().unwrap().len(), LINES);
    }
}
