//! `halod import`: records of what lies in files.

use super::import_view::View;
use super::output::{self, complain};
use crate::config::{self, Config, LogFormat, LogLevel, LogSettings};
use crate::daemon::{self, StartError, process};
use crate::import::dry_run::DryRun;
use crate::import::format::{Format, UnknownFormat};
use crate::import::importer::Importer;
use crate::import::position::Positions;
use crate::import::run::{Import, Summary, run};
use crate::import::sink::Sink;
use crate::import::source::{Input, Manner};
use crate::import::traces::Traces;
use crate::import::{SOCKET, STATE};
use crate::ingest::Ingest;
use crate::ingest::elsewhere::disclose;
use crate::pipeline::intake::Intake;
use crate::pipeline::writer::{WriterEnd, WriterHandle};
use crate::receivers::otlp::OtlpState;
use crate::receivers::otlp::join::ContentJoin;
use crate::receivers::stats::Counters;
use crate::receivers::tail::preview::Following;
use crate::telemetry::log;
use halo_adapters::transcript::Client;
use halod_chain::directory::{DirectoryError, Lock};
use halod_chain::traces::TraceTenants;
use halod_record::tenant::Tenant;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use tokio::sync::watch;

/// Seal records of what lies in files: exports of tracing stores, transcripts, captured telemetry, logs
///
/// Files may be JSON, JSON lines, CSV or Parquet, as the store writes them, packed with gzip, zstd or bzip2, and
/// in zip or tar archives. If a daemon runs on the directory, rows go to it; otherwise this command is the writer. What is sealed already is
/// recognised, so a file can be imported again, and an import that was interrupted goes on where it
/// stopped. A row that can't be used is reported with its place and does not stop the rest.
///
/// Exit code: 0 all rows are sealed or were, 1 some can't be used or the import failed, 2 wrong usage or a
/// file that can't be read, 3 nothing to import, 130 interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose files they are; `auto` tells it by each file's first row
    #[arg(value_name = "FORMAT", value_parser = Told::from_str)]
    format: Told,
    /// Files, directories of them, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Configuration file of the daemon: its directory, names of tenants, what records say
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where chains are kept
    #[arg(long, short, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Whose records they are, whatever the rows claim
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Say what would be sealed, and seal nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// A format, or that it is to be told by the file.
#[derive(Clone, Copy, Debug)]
struct Told(Option<Format>);

impl FromStr for Told {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        if name == "auto" { Ok(Self(None)) } else { name.parse().map(|format| Self(Some(format))) }
    }
}

/// The way rows take, and what has to be kept until it is gone.
struct Way {
    sink: Sink,
    positions: Option<Positions>,
    dry_run: Option<DryRun>,
    own: Option<OwnWriter>,
}

/// The writer of this process, while no daemon runs.
struct OwnWriter {
    lock: Arc<Lock>,
    writer: WriterHandle,
    intake: Intake,
    traces: Arc<TraceTenants>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let refuse = |what: String| {
            complain(what);
            ExitCode::from(output::USAGE)
        };
        let mut config = match config::load(config::named_file(self.config.clone()).as_deref()) {
            Ok(config) => config,
            Err(error) => return refuse(error.to_string()),
        };
        if let Some(directory) = &self.dir {
            config.storage.directory.clone_from(directory);
        }
        if let Some(Err(why)) = self.tenant.as_deref().map(Tenant::claimed) {
            return refuse(why.to_string());
        }
        let quiet = LogSettings { level: LogLevel::Warn, format: LogFormat::Text };
        if let Err(error) = log::init(quiet, log::directives().as_deref()) {
            return refuse(error.to_string());
        }
        let inputs = match self.inputs() {
            Ok(inputs) => inputs,
            Err(error) => return refuse(error),
        };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return refuse(format!("the runtime can't be started: {error}")),
        };
        let end = runtime.block_on(self.import(config, inputs));
        // A thread may still wait for standard input.
        runtime.shutdown_background();
        match end {
            Ok(code) => output::finish(code),
            Err(error) => {
                complain(error);
                output::USAGE.into()
            }
        }
    }

    async fn import(&self, config: Config, inputs: Vec<Input>) -> Result<io::Result<u8>, StartError> {
        let signals = process::signals().map_err(StartError::Signals)?;
        let following = Following::new(config.file_logs.clone());
        let way = self.way(config).await?;
        let mut view = View::new(&inputs, self.json);
        let (stop, stopping) = watch::channel(false);
        let manner = Manner { format: self.format.0, tenant: self.tenant.clone(), ..Manner::default() };
        let manner_of = |input: &Input| match input {
            Input::File(path) => Manner { found: !self.paths.contains(path), ..manner.of(path, &following) },
            Input::Stdin | Input::Member { .. } => manner.clone(),
        };
        let with_manner = |input: Input| {
            let manner = manner_of(&input);
            (input, manner)
        };
        let inputs: Vec<_> = inputs.into_iter().map(with_manner).collect();
        let (inputs, traces) = known_traces(inputs).await;
        let import = Import { inputs, sink: way.sink, positions: way.positions, traces };
        tokio::spawn(stop_on(signals.ends, stop));
        let mut summary = run(import, &mut view, stopping).await;
        if let Some(OwnWriter { lock, writer, intake, traces }) = way.own {
            // What can't be said now is said by the next halod of the directory.
            disclose(&traces, &intake).await;
            // Nobody holds an intake any more, so the writer ends.
            drop(intake);
            if let WriterEnd::Failed(why) = writer.finished().await {
                summary.failed = Some(why);
            }
            drop(lock);
        }
        Ok(view.end(&summary, way.dry_run.as_ref()).map(|()| code(&summary)))
    }

    /// This process as the writer, or the daemon that is.
    async fn way(&self, mut config: Config) -> Result<Way, StartError> {
        let directory = config.storage.directory.clone();
        if self.dry_run {
            let (dry_run, intake) =
                DryRun::open(config.pipeline.max_in_flight, &directory).map_err(StartError::Signals)?;
            let traces = Arc::<TraceTenants>::default();
            if let Err(error) = traces.peek(&directory) {
                complain(format_args!("what was said of traces can't be read: {error}"));
            }
            let sink = here(&config, intake, &traces);
            return Ok(Way { sink, positions: None, dry_run: Some(dry_run), own: None });
        }
        // Opening the chains takes as long as recovery does.
        let traces = Arc::<TraceTenants>::default();
        let shared = Arc::clone(&traces);
        let opened = tokio::task::spawn_blocking(move || {
            daemon::writer_of(&mut config, &shared).map(|way| (way, config))
        });
        let (sink, own) = match opened.await.map_err(StartError::StorePanicked)? {
            Ok(((lock, intake, writer), config)) => {
                let sink = here(&config, intake.clone(), &traces);
                (sink, Some(OwnWriter { lock, writer, intake, traces }))
            }
            Err(StartError::Directory(DirectoryError::Owned { .. })) => {
                (Sink::daemon(directory.join(SOCKET)), None)
            }
            Err(error) => return Err(error),
        };
        let positions = Positions::open(&directory.join(STATE));
        let positions = positions.inspect_err(|error| {
            complain(format_args!("an interrupted import can't be gone on with: {error}"));
        });
        Ok(Way { sink, positions: positions.ok(), dry_run: None, own })
    }

    /// The files that are named, those of directories in order.
    fn inputs(&self) -> Result<Vec<Input>, String> {
        let mut inputs = Vec::new();
        for path in &self.paths {
            if path == Path::new("-") {
                inputs.push(Input::Stdin);
            } else if path.is_dir() {
                let unreadable = |error| format!("{}: can't be read: {error}", path.display());
                let first = inputs.len();
                below(path, 0, &mut inputs).map_err(unreadable)?;
                let beside = inputs.split_off(first);
                let kept = beside.into_iter().filter(|input| !is_beside_transcripts(input, self.format.0));
                inputs.extend(kept);
            } else {
                inputs.push(Input::File(path.clone()));
            }
        }
        Ok(inputs)
    }
}

/// What is said of traces, for what is in them and lies elsewhere. The files are read for it once more.
async fn known_traces(inputs: Vec<(Input, Manner)>) -> (Vec<(Input, Manner)>, Option<Arc<Traces>>) {
    let files = inputs.clone();
    let traces = tokio::task::spawn_blocking(move || Traces::gather(&files)).await.unwrap_or_default();
    if traces.full {
        complain(
            "too many traces to remember: sessions, users and tenants of some observations stay unknown",
        );
    }
    (inputs, (!traces.is_empty()).then(|| Arc::new(traces)))
}

/// Levels of directories that are gone down.
const LEVELS: usize = 32;

/// All files below a directory but those whose names begin with a dot.
fn below(directory: &Path, level: usize, inputs: &mut Vec<Input>) -> io::Result<()> {
    let mut entries = directory.read_dir()?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if !path.is_dir() {
            inputs.push(Input::File(path));
        } else if level < LEVELS {
            below(&path, level + 1, inputs)?;
        }
    }
    Ok(())
}

/// Whether a file that was found lies among Claude Code's transcripts and is none: what a tool printed, what an agent
/// remembers, what a sub-agent is.
fn is_beside_transcripts(input: &Input, format: Option<Format>) -> bool {
    let Input::File(path) = input else { return false };
    let among = match format {
        Some(format) => format == Format::Transcript(Client::ClaudeCode),
        None => {
            let names: Vec<_> = path.components().map(std::path::Component::as_os_str).collect();
            names.windows(2).any(|pair| pair[0] == ".claude" && pair[1] == "projects")
        }
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    among && !name.contains(".jsonl")
}

/// The importer of this process, which reads as a daemon's does.
fn here(config: &Config, intake: Intake, traces: &Arc<TraceTenants>) -> Sink {
    let (_, never) = watch::channel(false);
    let joins = ContentJoin::new(config.join_wait, config.pipeline.max_in_flight / 4, never);
    let builder = Arc::new(config.builder());
    let counters = Counters::default();
    let otlp = OtlpState::new(config.tenant.clone(), joins, Arc::clone(traces), counters.otlp)
        .recording(config.record_data);
    let ingest = Ingest::of_files(intake, builder, counters.import);
    Sink::Here(Arc::new(Importer::new(Arc::new(ingest), Arc::new(otlp))))
}

/// The first signal stops the import, the second the process: the chains are consistent all the same.
async fn stop_on(mut signals: tokio::sync::mpsc::Receiver<&'static str>, stop: watch::Sender<bool>) {
    if signals.recv().await.is_some() {
        let _ = stop.send(true);
    }
    if signals.recv().await.is_some() {
        std::process::exit(output::INTERRUPTED.into());
    }
}

fn code(summary: &Summary) -> u8 {
    match summary {
        Summary { failed: Some(_), .. } => output::FAILED,
        Summary { stopped: true, .. } => output::INTERRUPTED,
        Summary { taken, .. } if taken.rejected > 0 => output::FAILED,
        Summary { unreadable: 1.., .. } => output::USAGE,
        Summary { taken, .. } if taken.accepted == 0 => output::EMPTY,
        _ => output::OK,
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(threads)
        .enable_all()
        .build()
}
