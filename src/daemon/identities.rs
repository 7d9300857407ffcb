//! The identities of senders, kept as their file says.

use super::process::Reload;
use crate::auth::Authenticator;
use crate::config::{AuthSettings, identities};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// What tells one state of a file from another: orchestrators put another file in its place.
type State = Option<(SystemTime, u64, u64)>;

/// Reads the file again whenever it changes.
pub(super) struct Keeper {
    file: PathBuf,
    state: State,
    identities: Arc<Authenticator>,
}

impl Keeper {
    /// Those of the settings, and what keeps them.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn new(settings: &AuthSettings) -> std::io::Result<(Arc<Authenticator>, Self)> {
        let key = crate::auth::random().map_err(std::io::Error::other)?;
        let identities = Arc::new(Authenticator::new(settings.table.clone(), key));
        // What changed since the configuration was read is read again.
        let keeper = Self { file: settings.file.clone(), state: None, identities: Arc::clone(&identities) };
        Ok((identities, keeper))
    }

    /// Runs until it is drained.
    pub(super) async fn run(mut self, mut reload: Reload, mut draining: watch::Receiver<bool>) {
        let (mut is_first, mut is_asked) = (true, false);
        loop {
            let state = identities::state(&self.file);
            if state != self.state || is_asked {
                self.state = state;
                // The first look is at what is known.
                self.reload(is_first);
            }
            is_first = false;
            is_asked = tokio::select! {
                _ = draining.wait_for(|&draining| draining) => return,
                Ok(()) = reload.changed() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
        }
    }

    fn reload(&self, is_first: bool) {
        let file: &Path = &self.file;
        match identities::read(file) {
            Ok((table, warning)) => {
                let identities = table.len();
                self.identities.replace(table);
                if !is_first {
                    tracing::info!(identities, file = %file.display(), "the identities of senders were read again");
                    if let Some(warning) = warning {
                        tracing::warn!("auth.file: {warning}");
                    }
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
