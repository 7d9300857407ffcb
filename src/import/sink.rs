//! Where chunks go: to the writer in this process, or to the daemon that owns the directory.

use super::chunk::{Chunk, Taken};
use super::importer::{Importer, Turn};
use super::remote::Client;
use crate::ingest::requests::Transport;
use crate::net::status::Fault;
use crate::pipeline::refusal::Refusal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a daemon that does not answer is waited for: a restart takes seconds.
const GONE: Duration = Duration::from_secs(30);

/// Where chunks go. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Sink {
    Here(Arc<Importer>),
    Daemon(Arc<Client>),
}

/// Why a chunk was not taken, and nothing further will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Asked to.
    Stopped,
    Failed(String),
}

/// Why a chunk was not taken at once.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The same may be taken later.
    Wait(Duration, String),
    /// Less of it may be taken.
    Smaller(String),
    /// Nobody answers.
    Gone(String),
    Failed(String),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match (&fault, fault.row().retry_after) {
            (Fault::Refused(Refusal::Poisoned | Refusal::Stopping), _) => Self::Failed(fault.to_string()),
            // What fails for a row's sake would fail for ever.
            (Fault::Crashed, _) => Self::Smaller("halod failed on this row, which is a bug".to_owned()),
            (_, Some(delay)) => Self::Wait(delay, fault.to_string()),
            (_, None) => Self::Smaller(fault.to_string()),
        }
    }
}

impl Sink {
    /// The daemon that listens at `socket`.
    #[must_use]
    pub fn daemon(socket: PathBuf) -> Self {
        Self::Daemon(Arc::new(Client::new(socket)))
    }

    /// Has a chunk sealed. Waits while there is no room; takes it in parts where it is too large.
    ///
    /// # Errors
    /// `stop` turned true meanwhile, or nothing can be sealed any more.
    pub async fn take(
        &self,
        chunk: Chunk,
        turn: Turn,
        mut stop: watch::Receiver<bool>,
        waits: &(dyn Fn(&str) + Sync),
    ) -> Result<Taken, Halt> {
        let mut all = Taken::default();
        // A chunk that has to be sent again gives its turn to the next chunk.
        let mut turn = Some(turn);
        let mut parts = vec![chunk];
        let mut gone: Option<Instant> = None;
        while let Some(part) = parts.pop() {
            let trouble = match self.once(part.clone(), turn.take().unwrap_or_default()).await {
                Ok(taken) => {
                    all.add(&taken);
                    let room = Taken::REASONS.saturating_sub(all.reasons.len());
                    all.reasons.extend(taken.reasons.into_iter().take(room));
                    gone = None;
                    continue;
                }
                Err(trouble) => trouble,
            };
            let delay = match trouble {
                Trouble::Failed(why) => return Err(Halt::Failed(why)),
                Trouble::Smaller(why) => {
                    match (part.halves(), part.rows.first()) {
                        (Some([first, second]), _) => parts.extend([second, first]),
                        (None, Some(row)) => all.reject(row.place, 1, why),
                        (None, None) => {}
                    }
                    continue;
                }
                Trouble::Gone(why) if gone.get_or_insert_with(Instant::now).elapsed() > GONE => {
                    return Err(Halt::Failed(why));
                }
                Trouble::Gone(why) => {
                    waits(&why);
                    Duration::from_millis(500)
                }
                Trouble::Wait(delay, why) => {
                    waits(&why);
                    delay
                }
            };
            parts.push(part);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = stop.wait_for(|stop| *stop) => return Err(Halt::Stopped),
            }
        }
        Ok(all)
    }

    async fn once(&self, chunk: Chunk, mut turn: Turn) -> Result<Taken, Trouble> {
        match self {
            Self::Here(importer) => {
                let mut entry = importer.begin(Transport::File);
                let taken = importer.take(chunk, None, turn).await.inspect_err(|fault| entry.refuse(fault));
                entry.answer();
                Ok(taken?)
            }
            Self::Daemon(client) => {
                turn.begin().await;
                client.take(&chunk).await
            }
        }
    }
}
