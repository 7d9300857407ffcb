//! `halod witness`: being a witness of others' checkpoints.

use super::output::{self, complain};
use crate::config::{AuthSettings, Endpoint, LogFormat, LogLevel, LogSettings, identities, secret_file};
use crate::net::tls::{MinVersion, TlsSettings};
use crate::telemetry::log;
use crate::witness::Keys;
use crate::witness::server::{self, PORT, Settings};
use clap::Subcommand;
use halod_evidence::note::VerifierKey;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Bytes that a file of logs may have.
const LOGS: usize = 1 << 20;

/// How often the files of the certificate are looked at.
const RELOAD: Duration = Duration::from_secs(60);

/// Witness others' checkpoints: for a buyer or a partner
///
/// Cosigns the checkpoints of the logs that --log names, as long as each goes on from the one before (C2SP tlog-witness), and
/// keeps what vendors anchor of their chains, as `halo witness-serve` does; anchors that contradict each other are refused
/// and kept. Its keys are made at the first start. Without --auth it takes anchors from this machine only. SIGTERM and SIGINT end it,
/// and SIGHUP reads the certificate and the identities again. docs/witness.md tells more.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the verifier key, for those who are to believe this witness. The keys are made if there are none
    Key {
        #[command(flatten)]
        place: Place,
        /// That of the receipts of anchors, in place of that of cosignatures
        #[arg(long)]
        receipts: bool,
    },
}

/// Where a witness is, and what it is called.
#[derive(Debug, clap::Args)]
struct Place {
    /// Where its keys are, and what it has witnessed
    #[arg(long, short, value_name = "DIR", default_value = "witness")]
    dir: PathBuf,
    /// What it is called in its signatures, for ever, like witness.example.com/w1: a URL without its scheme. Without it a
    /// name that nobody else has
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    place: Place,
    /// Listen here
    #[arg(long, value_name = "HOST:PORT|unix:PATH", default_value_t = Endpoint::loopback(PORT))]
    listen: Endpoint,
    /// The verifier key of a log to watch; may be given several times, also for one log that changes its key
    #[arg(long, value_name = "VKEY")]
    log: Vec<VerifierKey>,
    /// A file with verifier keys of logs, one a line; lines that begin with # say nothing
    #[arg(long, value_name = "FILE")]
    logs: Option<PathBuf>,
    /// Who may anchor and read anchors, a file as docs/auth.md describes it: `halod token new NAME --tenants acme --receivers
    /// witness --file FILE` adds a line
    #[arg(long, value_name = "FILE")]
    auth: Option<PathBuf>,
    /// Let anybody read the anchors of a subject that they know
    #[arg(long)]
    public_reads: bool,
    /// Speak TLS with this certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        match self.what {
            Some(What::Key { place, receipts }) => place.key(receipts),
            None => self.serve.run(),
        }
    }
}

fn usage(error: impl Display) -> ExitCode {
    complain(error);
    output::USAGE.into()
}

impl Place {
    fn key(&self, receipts: bool) -> ExitCode {
        if let Err(error) = server::directory(&self.dir) {
            return usage(error);
        }
        match Keys::open(&self.dir, self.name.as_deref()) {
            Ok(keys) => {
                let signer = if receipts { keys.receipts } else { keys.cosigns };
                output::finish(output::line(signer.key()).map(|()| output::OK))
            }
            Err(error) => usage(error),
        }
    }
}

impl Serve {
    fn run(self) -> ExitCode {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(error) => return usage(error),
        };
        let logs = LogSettings { level: LogLevel::Info, format: LogFormat::Auto };
        if let Err(error) = log::init(logs, log::directives().as_deref()) {
            return usage(error);
        }
        let runtime =
            match tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(8).build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    tracing::error!(%error, "the runtime can't be started");
                    return output::FAILED.into();
                }
            };
        let end = runtime.block_on(server::run(settings));
        runtime.shutdown_background();
        match end {
            Ok(()) => output::OK.into(),
            Err(error) => {
                tracing::error!(%error, "the witness can't start");
                output::USAGE.into()
            }
        }
    }

    fn settings(self) -> Result<Settings, String> {
        let Self { place: Place { dir, name }, listen, mut log, logs, auth, public_reads, tls_cert, tls_key } =
            self;
        if let Some(file) = logs {
            log.extend(keys_of(&file)?);
        }
        let auth = auth.map(identities_of).transpose()?;
        let tls = tls_cert.zip(tls_key).map(|(cert_file, key_file)| TlsSettings {
            cert_file,
            key_file,
            client_ca_file: None,
            min_version: MinVersion::Tls12,
            reload_interval: RELOAD,
        });
        Ok(Settings { directory: dir, endpoint: listen, logs: log, name, auth, public_reads, tls })
    }
}

fn identities_of(file: PathBuf) -> Result<AuthSettings, String> {
    // Taken first: what changes meanwhile is seen at the next look.
    let stamp = secret_file::stamp(&file);
    let (table, warning) = identities::read(&file).map_err(|wrong| wrong.join("\n"))?;
    if let Some(warning) = warning {
        complain(warning);
    }
    Ok(AuthSettings { file, stamp, table })
}

/// The keys of a file, which says whom the witness watches: nobody else may change it.
fn keys_of(file: &Path) -> Result<Vec<VerifierKey>, String> {
    let secret_file::Contents { text, .. } = secret_file::read(file, LOGS)?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    keys.map(|(at, line)| line.parse().map_err(|error| format!("{}: line {at}: {error}", file.display())))
        .collect()
}
