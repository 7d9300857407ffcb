//! Logs: structured events on standard error. What goes wrong again and again is said once a minute.

mod repeated;

use std::io::IsTerminal;

use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::repeated::Repeated;
use crate::config::{LogFormat, LogLevel, LogSettings};

/// Goes above `log.level`: directives such as `debug` or `info,halod::net=trace`.
pub const VARIABLE: &str = "HALOD_LOG";

/// Logs can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{VARIABLE} is not understood: {0}; write a level or directives like info,halod::net=debug")]
    Directives(#[from] tracing_subscriber::filter::ParseError),
    #[error("logging is set up already")]
    Twice,
}

/// The value of [`VARIABLE`] in this process, if it is set.
#[must_use]
pub fn directives() -> Option<String> {
    std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned())
}

/// Whether [`init`] would understand the directives.
///
/// # Errors
/// What [`init`] would say.
pub fn check(directives: Option<&str>) -> Result<(), LogError> {
    filter(LogLevel::Info, directives).map(drop)
}

/// Sends this process's events to standard error. `directives` is the value of [`VARIABLE`].
///
/// # Errors
/// `directives` are not understood, or logging is set up already.
pub fn init(settings: LogSettings, directives: Option<&str>) -> Result<Verbosity, LogError> {
    let filter = filter(settings.level, directives)?;
    let (filter, handle) = reload::Layer::new(filter);
    let terminal = std::io::stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A closed standard error must not become a panic in whoever logs.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .log_internal_errors(false);
    let once = Repeated::default();
    let registry = tracing_subscriber::registry().with(filter);
    let set = if json {
        registry.with(layer.json().flatten_event(true).with_filter(once)).try_init()
    } else {
        registry.with(layer.with_filter(once)).try_init()
    };
    set.map_err(|_| LogError::Twice)?;
    if settings.format == LogFormat::Auto && !terminal {
        tracing::info!(
            "lines of the log are JSON, as standard error is no terminal; log.format: text changes that"
        );
    }
    Ok(Verbosity { handle, fixed: directives.is_some_and(|text| !text.trim().is_empty()) })
}

/// How much is logged, as long as the process runs.
#[derive(Clone, Debug)]
pub struct Verbosity {
    handle: reload::Handle<EnvFilter, Registry>,
    /// [`VARIABLE`] says it.
    fixed: bool,
}

impl Verbosity {
    /// Logs at another level from now on, unless [`VARIABLE`] is set.
    pub fn set(&self, level: LogLevel) {
        if self.fixed {
            return;
        }
        if let Ok(filter) = filter(level, None) {
            // The subscriber lives as long as the process.
            let _ = self.handle.reload(filter);
        }
    }
}

/// The level is halod's; libraries speak up from `warn` on.
fn filter(level: LogLevel, directives: Option<&str>) -> Result<EnvFilter, LogError> {
    let directives = directives.filter(|text| !text.trim().is_empty());
    let level = match level {
        LogLevel::Error => "error,halod=error",
        LogLevel::Warn => "warn,halod=warn",
        LogLevel::Info => "warn,halod=info",
        LogLevel::Debug => "warn,halod=debug",
        LogLevel::Trace => "warn,halod=trace",
    };
    Ok(EnvFilter::builder().parse(directives.unwrap_or(level))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_goes_above_the_level() {
        assert_eq!(filter(LogLevel::Info, None).unwrap().to_string(), "halod=info,warn");
        assert_eq!(filter(LogLevel::Info, Some(" ")).unwrap().to_string(), "halod=info,warn");
        assert_eq!(filter(LogLevel::Info, Some("debug")).unwrap().to_string(), "debug");
        let error = filter(LogLevel::Info, Some("halod=loud")).unwrap_err().to_string();
        assert!(error.starts_with("HALOD_LOG is not understood: "), "{error}");
    }
}
