//! The identities of senders, kept as their file says.

use super::process::Reload;
use crate::auth::Authenticator;
use crate::config::secret_file::{self, Stamp};
use crate::config::{AuthSettings, identities};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Reads the file again whenever it changes.
pub(crate) struct Keeper {
    file: PathBuf,
    /// The state of the file that was read last.
    stamp: Option<Stamp>,
    identities: Arc<Authenticator>,
}

impl Keeper {
    /// Those of the settings, and what keeps them.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(settings: &AuthSettings) -> std::io::Result<(Arc<Authenticator>, Self)> {
        let key = crate::auth::random().map_err(std::io::Error::other)?;
        let identities = Arc::new(Authenticator::new(settings.table.clone(), key));
        let keeper =
            Self { file: settings.file.clone(), stamp: settings.stamp, identities: Arc::clone(&identities) };
        Ok((identities, keeper))
    }

    /// Runs until it is drained.
    pub(crate) async fn run(mut self, mut reload: Reload, mut draining: watch::Receiver<bool>) {
        loop {
            let is_asked = tokio::select! {
                _ = draining.wait_for(|&draining| draining) => return,
                Ok(()) = reload.changed() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            // The threads for blocking work may all be at requests, and a credential that was taken away has to go.
            self.look(is_asked);
        }
    }

    fn look(&mut self, is_asked: bool) {
        let file: &Path = &self.file;
        let stamp = secret_file::stamp(file);
        if stamp == self.stamp && !is_asked {
            return;
        }
        self.stamp = stamp;
        match identities::read(file) {
            Ok((table, warning)) => {
                let identities = table.len();
                self.identities.replace(table);
                tracing::info!(identities, file = %file.display(), "the identities of senders were read again");
                if let Some(warning) = warning {
                    tracing::warn!("auth.file: {warning}");
                }
            }
            Err(wrong) => {
                for what in &wrong {
                    tracing::error!("auth.file: {what}");
                }
                tracing::error!(
                    problems = wrong.len(),
                    "the identities of senders stay as they were: their file can't be used"
                );
            }
        }
    }
}
