//! What the system grants and tells this process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

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

/// Changes with each SIGHUP: whoever has files that can be read again does so.
pub type Reload = watch::Receiver<u64>;

/// What the system tells this process.
#[derive(Debug)]
pub struct Signals {
    /// SIGTERM and SIGINT, by name.
    pub ends: mpsc::Receiver<&'static str>,
    pub reload: Reload,
}

/// Takes SIGTERM, SIGINT and SIGHUP over from their default. SIGHUP, which comes when the terminal is closed too,
/// must not end what others rely on: it reloads.
///
/// # Errors
/// The system refuses to install a handler.
pub fn signals() -> io::Result<Signals> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, ends) = mpsc::channel(4);
    let (reloads, reload) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    tracing::info!(
                        "SIGHUP: certificates, keys and identities are read again, and so is the configuration"
                    );
                    reloads.send_modify(|count| *count += 1);
                    continue;
                }
            };
            if sender.send(name).await.is_err() {
                return;
            }
        }
    });
    Ok(Signals { ends, reload })
}
