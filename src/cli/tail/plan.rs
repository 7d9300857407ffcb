//! How a log is to be read: as the command line says, or as the daemon's configuration does.

use crate::config;
use crate::receivers::tail::preview::{Followed, followed};
use crate::receivers::tail::settings::{FormatOf, Requests, Settings};
use halo_adapters::gateway::Format;
use halod_record::build::Builder;
use std::path::{Path, PathBuf};

pub(super) struct Plan {
    pub(super) settings: Settings,
    /// The settings are those of the daemon's receiver of that name.
    pub(super) configured: bool,
    /// What makes records of the lines.
    pub(super) builder: Builder,
    /// The path by which the log is known.
    pub(super) log: PathBuf,
    /// Whether it is gzip; `None` if its first bytes are to tell.
    pub(super) packed: Option<bool>,
}

impl Plan {
    pub(super) fn asked(file: &Path, format: Option<Format>, all: bool) -> Self {
        let settings = Settings {
            format: format.map_or(FormatOf::Auto, FormatOf::Known),
            requests: if all { Requests::All } else { Requests::Known },
            ..Settings::default()
        };
        Self { settings, configured: false, builder: Builder::new(false), log: file.to_owned(), packed: None }
    }

    /// As the receiver called `name` reads it, or the one that follows it.
    ///
    /// # Errors
    /// The configuration has mistakes, there is no such receiver, or not one alone follows the file.
    pub(super) fn configured(config: &Path, file: &Path, name: Option<&str>) -> Result<Self, String> {
        let shown = config.display();
        let loaded = config::load(Some(config)).map_err(|error| error.to_string())?;
        let builder = loaded.builder();
        let file_logs = loaded.file_logs;
        if file_logs.is_empty() {
            return Err(format!("{shown}: no receivers.file_log in it includes a file"));
        }
        let names = |logs: &[Settings]| {
            logs.iter().map(|settings| settings.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let all = names(&file_logs);
        let (settings, followed) = match name {
            Some(name) => {
                let named = file_logs.into_iter().find(|settings| settings.name == name);
                let settings =
                    named.ok_or_else(|| format!("{shown}: no receiver `{name}` in it; those are {all}"))?;
                let followed = followed(&settings, file);
                (settings, followed)
            }
            None => {
                let mut matching: Vec<(Settings, Followed)> = file_logs
                    .into_iter()
                    .filter_map(|settings| followed(&settings, file).map(|followed| (settings, followed)))
                    .collect();
                match (matching.pop(), matching.is_empty()) {
                    (Some((settings, followed)), true) => (settings, Some(followed)),
                    (None, _) => {
                        return Err(format!(
                            "{}: no receiver of {shown} follows it by its include and exclude; to read it as one \
                             of them all the same, choose it with --receiver: {all}",
                            file.display()
                        ));
                    }
                    (Some(last), false) => {
                        let mut several: Vec<Settings> =
                            matching.into_iter().map(|(settings, _)| settings).collect();
                        several.push(last.0);
                        return Err(format!(
                            "{}: several receivers of {shown} follow it, each for itself; choose one with \
                             --receiver: {}",
                            file.display(),
                            names(&several)
                        ));
                    }
                }
            }
        };
        let (log, packed) = match followed {
            Some(Followed { path, packed }) => (path, Some(packed)),
            None => (file.to_owned(), None),
        };
        Ok(Self { settings, configured: true, builder, log, packed })
    }
}
