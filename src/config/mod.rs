//! What halod does, as settings: defaults, a YAML file, command-line overrides.
//!
//! The file looks like an OpenTelemetry Collector's for what halod shares with one, without
//! pipelines: every receiver feeds the one chain of its tenant. Reading it never stops at the first
//! mistake: [`parse`] reports every problem with its line and column. Nothing here opens a file
//! other than the configuration itself, resolves a name or binds a port.

#[cfg(test)]
mod access_tests;
pub mod bearer;
mod check;
#[cfg(test)]
mod checkpoint_tests;
pub mod descriptors;
pub mod env;
pub mod error;
pub mod identities;
pub mod key_file;
pub mod keys;
pub mod raw;
pub mod secret_file;
#[cfg(test)]
mod tests;
pub mod value;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::auth;
use crate::checkpointer::CheckpointSettings;
use crate::import::folder::Folders;
use crate::ingest::claim::TenantRule;
use crate::net::limits::Limits;
use crate::net::tls::TlsSettings;
use crate::net::web::WebPolicy;
use crate::pipeline::rates::PerTenant;
use crate::receivers::langfuse::Keys;
use crate::receivers::langsmith;
use crate::receivers::native::tokens::Tokens;
use crate::receivers::tail;
use crate::tee;
pub use error::{ConfigError, Place, Problem};
use halod_record::build::Builder;
use halod_record::hash_only::HashOnlyFor;
use halod_record::keyed::HashKey;
use halod_record::redact::custom::Custom;
pub use value::Endpoint;

/// Everything halod needs to know to run. Made of each part's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The OTLP/gRPC door, if it is open.
    pub grpc: Option<DoorSettings>,
    /// The OTLP/HTTP door, if it is open.
    pub http: Option<DoorSettings>,
    /// Which web pages may send, at every door and at the admin port.
    pub web: WebPolicy,
    /// How long content in logs may wait for its span.
    pub join_wait: Duration,
    /// Whether spans of what actions touched are recorded too.
    pub record_data: bool,
    /// How long a request of LiteLLM's may wait for room before it is refused.
    pub litellm_wait: Duration,
    /// How often what was refused is told in the chains.
    pub gap_interval: Duration,
    /// Folders whose files are imported.
    pub import: Option<Folders>,
    /// How long, and how much of, what is told in several messages may wait for the rest.
    pub hold: HoldSettings,
    /// Where requests are passed on to, by the door that takes them in.
    pub tees: Vec<(tee::Door, tee::Settings)>,
    pub langfuse: Keys,
    pub langsmith: langsmith::Keys,
    /// Who may send records of its own making.
    pub native: Tokens,
    /// The logs that are followed.
    pub file_logs: Vec<tail::Settings>,
    pub tenant: TenantRule,
    pub storage: StorageSettings,
    pub pipeline: PipelineSettings,
    /// How much of each tenant is sealed in a time.
    pub per_tenant: PerTenant,
    pub records: RecordSettings,
    /// What is signed of the chains, and how often.
    pub checkpoint: CheckpointSettings,
    /// The operator's own rules of redaction.
    pub redaction: Custom,
    /// Whose records carry hashes only.
    pub hash_only_for: Vec<HashOnlyFor>,
    /// What hashes of content are keyed with.
    pub hash_key: Option<HashKey>,
    /// The sections of the rules above, as a configuration of their own: for those who capture beside the daemon.
    pub rules: String,
    /// Where health and metrics are served.
    pub admin: Endpoint,
    /// Who may ask there for more than health.
    pub admin_access: Access,
    /// Who may send, where doors ask.
    pub auth: Option<AuthSettings>,
    /// What is better put right, and keeps nothing from running.
    pub warnings: Vec<String>,
    pub admin_tls: Option<TlsSettings>,
    /// How long requests that were accepted before a stop signal may take to finish.
    pub shutdown_timeout: Duration,
    pub log: LogSettings,
}

/// One listening address and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorSettings {
    pub endpoint: Endpoint,
    pub tls: Option<TlsSettings>,
    pub limits: Limits,
    pub access: Access,
}

/// Who is let in at an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether everybody has to show an identity.
    pub asks: bool,
    /// Whether it may listen beyond this machine without asking.
    pub insecure: bool,
}

/// The identities of senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// Read again when it changes.
    pub file: PathBuf,
    /// The state of the file as it was read at first, and what it held.
    pub stamp: Option<secret_file::Stamp>,
    pub table: auth::Table,
}

/// How actions that are told in several messages are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldSettings {
    pub wait: Duration,
    /// Bytes of messages beyond which the oldest are sealed early.
    pub bytes: usize,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self { wait: Duration::from_secs(600), bytes: 64 << 20 }
    }
}

/// Where chains are kept, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// One `.jsonl` file per tenant, and `.halod/` for what is ours.
    pub directory: PathBuf,
    /// Bytes; with less free nothing is accepted.
    pub min_free_disk: u64,
    /// Chain files kept open; derived from the descriptor limit when absent.
    pub open_chains: Option<usize>,
    /// Chains that may exist; a claim of one more is refused.
    pub max_tenants: usize,
    /// Bytes of the commit journal.
    pub journal_size: u64,
}

impl StorageSettings {
    /// The directory, wherever the process goes.
    #[must_use]
    pub fn absolute(&self) -> PathBuf {
        std::path::absolute(&self.directory).unwrap_or_else(|_| self.directory.clone())
    }
}

/// What may wait between the doors and the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineSettings {
    /// Bytes of requests that are read but not yet durable, over all doors.
    pub max_in_flight: usize,
}

/// What records say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// Records have no text of contents: only hashes, the status, and what kinds of things were found.
    pub hash_only: bool,
    /// An account of a call whose action came in an earlier request is sealed as its corroboration.
    pub join_calls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc: Some(DoorSettings::grpc()),
            http: Some(DoorSettings::http()),
            web: WebPolicy::default(),
            join_wait: Duration::from_secs(1),
            record_data: false,
            litellm_wait: Duration::from_secs(5),
            gap_interval: Duration::from_secs(60),
            import: None,
            hold: HoldSettings::default(),
            tees: Vec::new(),
            langfuse: Keys::default(),
            langsmith: langsmith::Keys::default(),
            native: Tokens::default(),
            file_logs: Vec::new(),
            tenant: TenantRule::default(),
            storage: StorageSettings::default(),
            pipeline: PipelineSettings::default(),
            per_tenant: PerTenant::default(),
            records: RecordSettings { hash_only: false, join_calls: true },
            checkpoint: CheckpointSettings::default(),
            redaction: Custom::default(),
            hash_only_for: Vec::new(),
            rules: check::NO_RULES.into(),
            hash_key: None,
            admin: Endpoint::loopback(13133),
            admin_access: Access::default(),
            auth: None,
            warnings: Vec::new(),
            admin_tls: None,
            shutdown_timeout: Duration::from_secs(30),
            log: LogSettings { level: LogLevel::Info, format: LogFormat::Auto },
        }
    }
}

impl DoorSettings {
    fn at(port: u16) -> Self {
        let endpoint = Endpoint::loopback(port);
        Self { endpoint, tls: None, limits: Limits::default(), access: Access::default() }
    }

    /// The OTLP/gRPC door on its registered port.
    #[must_use]
    pub fn grpc() -> Self {
        Self::at(4317)
    }

    /// The OTLP/HTTP door on its registered port.
    #[must_use]
    pub fn http() -> Self {
        Self::at(4318)
    }
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            directory: "./records".into(),
            min_free_disk: 256 << 20,
            open_chains: None,
            max_tenants: 100_000,
            journal_size: 64 << 20,
        }
    }
}

impl Default for PipelineSettings {
    fn default() -> Self {
        Self { max_in_flight: 128 << 20 }
    }
}

/// What the command line says over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub directory: Option<PathBuf>,
    pub grpc: Option<Endpoint>,
    pub http: Option<Endpoint>,
    pub admin: Option<Endpoint>,
    /// Every address may be beyond this machine.
    pub insecure: bool,
}

impl Config {
    /// What listens beyond this machine without asking who sends.
    ///
    /// # Errors
    /// Something does, and nobody said that it may.
    pub fn check_exposure(&self) -> Result<(), ConfigError> {
        let doors = [(check::GRPC, &self.grpc), (check::HTTP, &self.http)];
        let doors = doors.into_iter().filter_map(|(key, door)| {
            let DoorSettings { endpoint, tls, access, .. } = door.as_ref()?;
            Some((key, endpoint, tls, access))
        });
        let admin = ("admin", &self.admin, &self.admin_tls, &self.admin_access);
        let is_open = |(_, endpoint, tls, access): &(_, &Endpoint, &Option<TlsSettings>, &Access)| {
            let asks = access.asks || tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
            !endpoint.is_of_this_machine() && !asks && !access.insecure
        };
        let problem = |(key, endpoint, ..): (&str, &Endpoint, _, _)| Problem {
            place: None,
            key: format!("{key}.endpoint"),
            what: format!(
                "{endpoint} can be reached from other machines, and nobody is asked there who sends: name a file of \
                 identities in auth.file{}, ask for certificates by tls.client_ca_file, or say that you know by {key}.insecure: true (or --insecure)",
                if key == "admin" { " and set admin.auth: true" } else { "" }
            ),
        };
        let problems: Vec<_> = doors.chain([admin]).filter(is_open).map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }

    /// What makes records, by these settings.
    #[must_use]
    pub fn builder(&self) -> Builder {
        let builder = Builder::with(self.records.hash_only, self.redaction.clone());
        builder.hash_only_for(self.hash_only_for.clone()).keyed(self.hash_key.clone())
    }

    /// Puts the command line over the file. An address given there opens its door even when the
    /// file leaves it out.
    #[must_use]
    pub fn with(mut self, overrides: Overrides) -> Self {
        if let Some(directory) = overrides.directory {
            self.storage.directory = directory;
        }
        if let Some(endpoint) = overrides.grpc {
            self.grpc.get_or_insert_with(DoorSettings::grpc).endpoint = endpoint;
        }
        if let Some(endpoint) = overrides.http {
            self.http.get_or_insert_with(DoorSettings::http).endpoint = endpoint;
        }
        if let Some(endpoint) = overrides.admin {
            self.admin = endpoint;
        }
        if overrides.insecure {
            let doors = [&mut self.grpc, &mut self.http].into_iter().flatten();
            doors
                .map(|door| &mut door.access)
                .chain([&mut self.admin_access])
                .for_each(|access| access.insecure = true);
        }
        self
    }
}

/// Reads a configuration file, with `${env:NAME}` from this process's environment. Without a file
/// the defaults hold.
///
/// # Errors
/// Every problem of the file, or that it can't be read.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let Some(file) = file else { return Ok(Config::default()) };
    let unreadable = |what: String| {
        ConfigError::new(vec![Problem { place: None, key: String::new(), what }]).in_file(file)
    };
    secret_file::check_is_not_anybodys(file).map_err(unreadable)?;
    let size = std::fs::metadata(file).map_err(|error| unreadable(format!("can't be read: {error}")))?.len();
    if size > raw::MAX_BYTES as u64 {
        return Err(unreadable(format!(
            "larger than {} bytes; this is not a halod configuration",
            raw::MAX_BYTES
        )));
    }
    let text =
        std::fs::read_to_string(file).map_err(|error| unreadable(format!("can't be read: {error}")))?;
    parse(&text, &|name| std::env::var_os(name)).map_err(|error| error.in_file(file))
}

/// Reads a configuration from YAML text.
///
/// # Errors
/// Every problem, in the order of the text.
pub fn parse(text: &str, env: env::Lookup<'_>) -> Result<Config, ConfigError> {
    let root = raw::parse(text).map_err(|problem| ConfigError::new(vec![problem]))?;
    check::config(&root, env)
}
