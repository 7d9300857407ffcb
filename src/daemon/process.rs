//! What the system grants and tells this process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Descriptors beyond this are not used even where the system sets no limit.
const DESCRIPTORS: u64 = 1 << 20;

/// How many files this process could have open.
#[must_use]
pub fn descriptors() -> usize {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    usize::try_from(hard).unwrap_or(usize::MAX)
}

/// Raises the soft limit as far as may be: it is low by default for the sake of `select(2)`, which
/// nothing here uses. Returns how many files this process may have open now.
pub fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    let now = limit.current.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    if now >= wanted {
        return usize::try_from(now).unwrap_or(usize::MAX);
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    usize::try_from(if raised.is_ok() { wanted } else { now }).unwrap_or(usize::MAX)
}

/// Takes SIGTERM, SIGINT and SIGHUP over from their default. The first two arrive here by name. SIGHUP, which
/// comes when the terminal is closed too, must not end what others rely on, and there is nothing that it
/// could reload yet: it is only logged.
///
/// # Errors
/// The system refuses to install a handler.
pub fn signals() -> io::Result<mpsc::Receiver<&'static str>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    tracing::info!(
                        "SIGHUP is ignored: halod can't reload its configuration; restart halod for another one"
                    );
                    continue;
                }
            };
            if sender.send(name).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
