//! `halod run`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{FAILED, INTERRUPTED, OK, USAGE, complain};
use crate::config::{self, Config, ConfigError, Endpoint, Overrides};
use crate::daemon::{self, End, StartError};
use crate::telemetry::log;

/// Run the daemon (the default).
///
/// Without a configuration it listens for OTLP on 127.0.0.1:4317 (gRPC) and 127.0.0.1:4318 (HTTP),
/// serves health and metrics on 127.0.0.1:13133, and keeps its chains in ./records. A sender gets OK
/// only when its records are linked and on disk. SIGTERM and SIGINT finish what was accepted; a
/// second one leaves at once, and the chains are consistent all the same. SIGHUP reads certificates
/// and the file of identities again; closing the terminal does not end it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Configuration file (YAML); config/halod.yaml shows every key with its default
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
        let Self { config: file, dir: directory, grpc, http, admin, insecure } = self;
        let config = config::load(file.as_deref())?;
        let config = config.with(Overrides { directory, grpc, http, admin, insecure });
        let exposed = config.check_exposure();
        exposed.map_err(|error| file.iter().fold(error, |error, file| error.in_file(file)))?;
        Ok(config)
    }

    pub(super) fn run(self) -> ExitCode {
        let config = match self.settings() {
            Ok(config) => config,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        if let Err(error) = log::init(config.log, log::directives().as_deref()) {
            complain(error);
            return USAGE.into();
        }
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the runtime can't be started");
                return FAILED.into();
            }
        };
        let end = runtime.block_on(daemon::run(config));
        // Whatever still runs was told to stop and had its time, or is not waited for.
        runtime.shutdown_background();
        match end {
            Ok(End::Drained) => OK,
            Ok(End::Failed) => FAILED,
            Ok(End::Interrupted) => INTERRUPTED,
            Err(error) => {
                tracing::error!(%error, "halod can't start");
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
