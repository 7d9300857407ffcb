//! `halod run`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{FAILED, INTERRUPTED, OK, USAGE, complain};
use super::validate;
use crate::config::{self, Config, ConfigError, Endpoint, Overrides, Problem};
use crate::daemon::{self, End, Source, StartError};
use crate::telemetry::log;

/// Run the daemon (the default).
///
/// Without a configuration it listens for OTLP on 127.0.0.1:4317 (gRPC) and 127.0.0.1:4318 (HTTP),
/// serves health and metrics on 127.0.0.1:13133, and keeps its chains in ./records. A sender gets OK
/// only when its records are linked and on disk. SIGTERM and SIGINT finish what was accepted; a
/// second one leaves at once, and the chains are consistent all the same; closing the terminal does not
/// end it.
///
/// What changed in the configuration takes effect with SIGHUP or `halod reload`. Lines of the log are JSON unless standard
/// error is a terminal (`log.format`).
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Configuration file (YAML), `-` for standard input; without it the file that the environment variable HALOD_CONFIG
    /// names. config/halod.yaml shows every key with its default
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where chains are kept: one .jsonl file per tenant
    #[arg(long, short, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Listen for OTLP/gRPC here; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT|unix:PATH")]
    grpc: Option<Endpoint>,
    /// Listen for OTLP/HTTP here
    #[arg(long, value_name = "HOST:PORT|unix:PATH")]
    http: Option<Endpoint>,
    /// Serve /healthz, /readyz, /metrics and /status here
    #[arg(long, value_name = "HOST:PORT|unix:PATH")]
    admin: Option<Endpoint>,
    /// Let these addresses be reached from other machines without asking who sends
    #[arg(long)]
    insecure: bool,
}

impl Args {
    /// What the file and these arguments come to together.
    pub(super) fn settings(self) -> Result<Config, ConfigError> {
        let text = self.file().as_deref().map(config::read).transpose()?;
        self.settings_of(&text.unwrap_or_default())
    }

    /// The same of a file that was read.
    pub(super) fn settings_of(&self, text: &str) -> Result<Config, ConfigError> {
        let file = self.file();
        let config = config::parse(text, &|name| std::env::var_os(name));
        let config = config.map_err(|error| file.iter().fold(error, |error, file| error.in_file(file)))?;
        let config = config.with(self.overrides());
        let exposed = config.check_exposure();
        exposed.map_err(|error| file.iter().fold(error, |error, file| error.in_file(file)))?;
        Ok(config)
    }

    /// The same once more, while halod runs.
    fn settings_again(self) -> Result<Config, ConfigError> {
        if self.file().is_some_and(|file| file.as_os_str() == "-") {
            let what =
                "the configuration was on standard input and can't be read again; restart halod".into();
            return Err(ConfigError::new(vec![Problem { place: None, key: String::new(), what }]));
        }
        self.settings()
    }

    /// The configuration file, if there is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        config::named_file(self.config.clone())
    }

    /// Where the chains are, as the file and these arguments say.
    pub(super) fn directory(&self) -> Result<PathBuf, ConfigError> {
        match &self.dir {
            Some(directory) => Ok(directory.clone()),
            None => config::load(self.file().as_deref()).map(|config| config.storage.directory),
        }
    }

    /// What the command line says over the file.
    pub(super) fn overrides(&self) -> Overrides {
        let Self { dir, grpc, http, admin, insecure, .. } = self.clone();
        Overrides { directory: dir, grpc, http, admin, insecure }
    }

    pub(super) fn run(self) -> ExitCode {
        let again = self.clone();
        // Standard input is gone by the time that it would be asked again.
        let file = self.file().filter(|file| file.as_os_str() != "-");
        let config = match self.settings() {
            Ok(config) => config,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        let verbosity = match log::init(config.log, log::directives().as_deref()) {
            Ok(verbosity) => verbosity,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        let source = Source { read: Box::new(move || again.clone().settings_again()), verbosity };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the runtime can't be started");
                return FAILED.into();
            }
        };
        let named = config.clone();
        let end = runtime.block_on(daemon::run(config, source));
        // Whatever still runs was told to stop and had its time, or is not waited for.
        runtime.shutdown_background();
        match end {
            Ok(End::Drained) => OK,
            Ok(End::Failed) => FAILED,
            Ok(End::Interrupted) => INTERRUPTED,
            Err(error) => {
                tracing::error!(%error, "halod can't start");
                if matches!(error, StartError::Tls(_) | StartError::Tee(_)) {
                    let text = file.as_deref().and_then(|file| config::read(file).ok());
                    for problem in validate::file_problems(&named, text.as_deref(), file.as_deref()) {
                        tracing::error!("configuration: {problem}");
                    }
                }
                exit_code(&error)
            }
        }
        .into()
    }
}

/// Threads for requests that take milliseconds to decode. Each may hold one decoded request, so their
/// number bounds memory; the queue before them is bounded by what may be in flight.
const BLOCKING_THREADS: usize = 4;

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()
}

/// What the operator has to put right is usage, whichever way it was said.
fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Directory(_)
        | StartError::Descriptors(_)
        | StartError::Bind(_)
        | StartError::Tls(_)
        | StartError::Tee(_) => USAGE,
        StartError::Store(_)
        | StartError::StorePanicked(_)
        | StartError::Twins(_)
        | StartError::Checkpointer(_)
        | StartError::Signals(_)
        | StartError::Random(_)
        | StartError::Logs(_) => FAILED,
    }
}
