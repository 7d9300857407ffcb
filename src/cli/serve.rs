//! `halod serve`: customers' reports behind a gate.

use super::output::{self, complain};
use crate::config::{Endpoint, LogFormat, LogLevel, LogSettings};
use crate::net::tls::{MinVersion, TlsSettings};
use crate::reader::access::secret::Secret;
use crate::reader::serve::{self, Gate, Mailer, PORT, Settings};
use crate::telemetry::log;
use http::HeaderName;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How often the files of the certificate are looked at.
const RELOAD: Duration = Duration::from_secs(60);

/// Threads that read files, at most.
const READERS: usize = 32;

/// Serve customers' reports, each behind its own link
///
/// Whom a chain is shared with says `halod grant`; who saw it, `halod viewers`. Both go on with the files of `halo serve`, links
/// too. Readers show that an address is theirs by a code that is sent there (HALO_SMTP_HOST, _PORT, _USER, _PASS, _FROM), or by a
/// proxy in front (--proxy-auth). It changes no chain, and runs beside the daemon or without it. SIGTERM and SIGINT end it.
/// docs/serve.md tells more. Exit code: 0, 2 if it can't start.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the chains
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Listen here; beyond this machine only with TLS, its own or that of a proxy
    #[arg(long, value_name = "HOST:PORT", default_value_t = Endpoint::loopback(PORT))]
    listen: Endpoint,
    /// Speak TLS with this certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy at this address ends TLS in front, and requests come by it alone; may be given several times
    #[arg(long, value_name = "ADDRESS", conflicts_with = "tls_cert")]
    behind_proxy: Vec<IpAddr>,
    /// Believe the address in this header, which the proxy sets once it knows who asks
    #[arg(long, value_name = "HEADER", conflicts_with_all = ["unverified", "open"])]
    proxy_auth: Option<HeaderName>,
    /// Let in by the link and an address of the list, which nobody verifies
    #[arg(long, conflicts_with = "open")]
    unverified: bool,
    /// Let in everybody who has the link, on this machine
    #[arg(long)]
    open: bool,
    /// A file of the reference's witness, whose lines go with the reports
    #[arg(long, short, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// Let anybody read what was signed of a chain whose subject they know, at /v1/checkpoints
    #[arg(long)]
    publish_checkpoints: bool,
    /// Make all links and the operator's key anew, which ends every session, and end
    #[arg(long)]
    rotate_links: bool,
    /// Print the operator's key, for `Authorization: Bearer`, and end
    #[arg(long, conflicts_with = "rotate_links")]
    admin_key: bool,
}

fn usage(error: impl Display) -> ExitCode {
    complain(error);
    output::USAGE.into()
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        if self.rotate_links {
            return match Secret::rotate(&self.directory) {
                Ok(()) => output::finish(output::line("all links are new").map(|()| output::OK)),
                Err(error) => usage(error),
            };
        }
        if self.admin_key {
            return match Secret::open(&self.directory) {
                Ok(secret) => output::finish(output::line(secret.admin()).map(|()| output::OK)),
                Err(error) => usage(error),
            };
        }
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(error) => return usage(error),
        };
        if let Err(error) = settings.check() {
            return usage(error);
        }
        let logs = LogSettings { level: LogLevel::Info, format: LogFormat::Auto };
        if let Err(error) = log::init(logs, log::directives().as_deref()) {
            return usage(error);
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = match builder.enable_all().max_blocking_threads(READERS).build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the runtime can't be started");
                return output::FAILED.into();
            }
        };
        let end = runtime.block_on(serve::run(settings));
        runtime.shutdown_background();
        match end {
            Ok(()) => output::OK.into(),
            Err(error) => {
                tracing::error!(%error, "the server can't start");
                output::USAGE.into()
            }
        }
    }

    fn settings(self) -> Result<Settings, String> {
        let gate = match self.proxy_auth {
            Some(header) => Gate::Proxy(header),
            None if self.open => Gate::Open,
            None if self.unverified => Gate::Unverified,
            None => Gate::Code(Mailer::from_environment()?.ok_or(
                "nothing shows that an address is the reader's own; choose one:\n  HALO_SMTP_HOST and HALO_SMTP_FROM in the \
                 environment: a code by mail\n  --proxy-auth HEADER --behind-proxy ADDRESS: a proxy that knows who asks\n  \
                 --unverified: the link and an address of the list\n  --open: the link alone, on this machine",
            )?),
        };
        let tls = self.tls_cert.zip(self.tls_key).map(|(cert_file, key_file)| TlsSettings {
            cert_file,
            key_file,
            client_ca_file: None,
            min_version: MinVersion::Tls12,
            reload_interval: RELOAD,
        });
        Ok(Settings {
            directory: self.directory,
            endpoint: self.listen,
            gate,
            tls,
            proxies: self.behind_proxy.into_iter().map(|address| address.to_canonical()).collect(),
            publish_checkpoints: self.publish_checkpoints,
            witness: self.witness,
        })
    }
}
