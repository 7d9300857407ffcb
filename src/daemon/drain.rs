//! How a run ends: who may end it, and in which order the parts stop.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::reload::Change;
use crate::pipeline::intake::Bodies;
use crate::pipeline::stats::Stats;
use crate::pipeline::writer::WriterEnd;

/// How long a body may still arrive when halod stops. It comes again, to another halod or a later one.
const ARRIVAL: Duration = Duration::from_secs(2);

/// How long doors may take to tell waiting senders that the writer failed.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Asked to stop; everything acknowledged is on disk.
    Drained,
    /// The writer failed; a restart recovers.
    Failed,
    /// Asked twice: left at once. Every commit is consistent, so there is nothing to clean up.
    Interrupted,
}

/// What comes after a run.
#[derive(Debug)]
pub(super) enum Over {
    End(End),
    /// Drained, to run by another configuration.
    Next(Box<Change>),
}

/// What a run consists of once it is up.
#[derive(Debug)]
pub(super) struct Running {
    /// One task per door. Each holds its intake until its last connection is done.
    pub doors: JoinSet<()>,
    /// Tells the doors to stop accepting and to finish.
    pub drain: watch::Sender<bool>,
    /// How long finishing may take.
    pub timeout: Duration,
    /// What has not arrived by then is refused after a while.
    pub bodies: Bodies,
}

/// Waits for a signal, another configuration or the writer's end, then stops the parts: readiness first, then the
/// doors, which finish what they began, then the writer, which ends when no door can hand it
/// anything.
pub(super) async fn supervise(
    mut running: Running,
    writer: impl Future<Output = WriterEnd>,
    (signals, changes): (&mut mpsc::Receiver<&'static str>, &mut mpsc::Receiver<Change>),
    (stats, close): (&Stats, &dyn Fn()),
) -> Over {
    let mut writer = pin!(writer);
    let mut next = None;
    tokio::select! {
        Some(change) = changes.recv() => {
            let timeout = running.timeout;
            tracing::info!(changed = change.changed.join(", "), ?timeout, "another configuration: requests are finished first");
            next = Some(change);
        }
        Some(signal) = signals.recv() => {
            let timeout = running.timeout;
            tracing::info!(signal, ?timeout, "draining: no new requests are taken");
            close();
        }
        end = &mut writer => {
            close();
            return Over::End(failed(running, &end, stats).await);
        }
    }
    stats.stopping.store(true, Relaxed);
    let _ = running.drain.send(true);
    let stopping = async {
        let doors = async { while running.doors.join_next().await.is_some() {} };
        let bodies = async {
            tokio::time::sleep(ARRIVAL).await;
            running.bodies.refuse();
            std::future::pending().await
        };
        let mut writer_end = None;
        let finished = tokio::select! {
            finished = bodies => finished,
            finished = tokio::time::timeout(running.timeout, doors) => finished.is_ok(),
            // The doors hold intakes, so this can only be a failure.
            end = &mut writer => { writer_end = Some(end); true }
        };
        if !finished {
            tracing::warn!(
                "requests were still open when shutdown_timeout ended; their senders will send them again"
            );
        }
        running.doors.shutdown().await;
        match writer_end {
            Some(end) => end,
            None => writer.await,
        }
    };
    let mut stopping = pin!(stopping);
    loop {
        tokio::select! {
            end = &mut stopping => return match (end, next) {
                (WriterEnd::Clean, Some(next)) => Over::Next(Box::new(next)),
                (WriterEnd::Clean, None) => Over::End(End::Drained),
                (WriterEnd::Failed(error), _) => {
                    tracing::error!(error, "the writer failed while draining; a restart recovers");
                    Over::End(End::Failed)
                }
            },
            Some(signal) = signals.recv() => {
                if next.take().is_some() {
                    close();
                    tracing::info!(signal, "halod was asked to stop: the other configuration is left");
                    continue;
                }
                tracing::warn!(signal, "halod was asked to stop twice: it ends without draining");
                return Over::End(End::Interrupted);
            }
        }
    }
}

async fn failed(mut running: Running, end: &WriterEnd, stats: &Stats) -> End {
    let error = match end {
        WriterEnd::Failed(error) => error,
        WriterEnd::Clean => "it ended although requests could still come",
    };
    stats.poisoned.store(true, Relaxed);
    tracing::error!(error, "the writer failed: everything is refused, halod stops, a restart recovers");
    let _ = running.drain.send(true);
    let doors = async { while running.doors.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, doors).await;
    End::Failed
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::pipeline::intake::Intake;

    /// A door whose requests take `work` to finish after the drain began, and a writer that ends
    /// when the door has dropped its intake.
    fn parts(work: Duration) -> (Running, impl Future<Output = WriterEnd>) {
        let (drain, mut draining) = watch::channel(false);
        let (intake, handed_over) = oneshot::channel::<()>();
        let mut doors = JoinSet::new();
        doors.spawn(async move {
            draining.wait_for(|&draining| draining).await.unwrap();
            tokio::time::sleep(work).await;
            drop(intake);
        });
        let writer = async {
            let _ = handed_over.await;
            WriterEnd::Clean
        };
        let bodies = Intake::with_writer(std::sync::mpsc::channel().0, 1).bodies();
        (Running { doors, drain, timeout: Duration::from_millis(200), bodies }, writer)
    }

    /// The end of a run to which no other configuration comes.
    async fn ended(
        running: Running,
        writer: impl Future<Output = WriterEnd>,
        mut signals: mpsc::Receiver<&'static str>,
        stats: &Stats,
    ) -> End {
        let (_keep, mut changes) = mpsc::channel(1);
        match supervise(running, writer, (&mut signals, &mut changes), (stats, &|| {})).await {
            Over::End(end) => end,
            Over::Next(_) => panic!("nothing follows"),
        }
    }

    fn signals(at: &[u64]) -> mpsc::Receiver<&'static str> {
        let (sender, receiver) = mpsc::channel(4);
        let at = at.to_vec();
        tokio::spawn(async move {
            for millis in at {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                sender.send("SIGTERM").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        receiver
    }

    #[tokio::test]
    async fn what_was_begun_is_finished() {
        let stats = Arc::new(Stats::default());
        let (running, writer) = parts(Duration::from_millis(30));
        assert_eq!(ended(running, writer, signals(&[5]), &stats).await, End::Drained);
        assert!(stats.stopping.load(Relaxed) && !stats.poisoned.load(Relaxed));
    }

    #[tokio::test]
    async fn a_drain_has_an_end() {
        let (running, writer) = parts(Duration::from_secs(3600));
        let began = std::time::Instant::now();
        assert_eq!(ended(running, writer, signals(&[0]), &Stats::default()).await, End::Drained);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_second_signal_leaves_at_once() {
        let (mut running, writer) = parts(Duration::from_secs(3600));
        running.timeout = Duration::from_secs(3600);
        assert_eq!(ended(running, writer, signals(&[0, 10]), &Stats::default()).await, End::Interrupted);
    }

    #[tokio::test]
    async fn a_failed_writer_ends_the_run() {
        for end in [WriterEnd::Failed("sync: no space".into()), WriterEnd::Clean] {
            let stats = Stats::default();
            let (running, _) = parts(Duration::from_millis(10));
            assert_eq!(ended(running, async { end }, signals(&[]), &stats).await, End::Failed);
            assert!(stats.poisoned.load(Relaxed));
        }
    }

    #[tokio::test]
    async fn a_writer_may_fail_during_the_drain() {
        let (running, _) = parts(Duration::from_secs(3600));
        let writer = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            WriterEnd::Failed("disk".into())
        };
        assert_eq!(ended(running, writer, signals(&[0]), &Stats::default()).await, End::Failed);
    }
}
