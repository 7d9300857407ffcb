//! Folders that are watched: a file that is dropped there is imported once, whole.
//!
//! A plain look every second. A file that still grows is left until it has been quiet; better it is
//! renamed into place. Nothing in the folder is renamed, changed or removed: what was imported is
//! written down in `.halod/import/done`, a line a file. A file that changes is another one, and its
//! records are recognised.

use super::chunk::{FileMeta, Hole, Reason, Taken};
use super::exports::{Compared, Exports, manifest_of};
use super::format::Format;
use super::importer::Importer;
use super::position::{Mark, Positions};
use super::run::{self, Import, Observer};
use super::sink::Sink;
use super::source::{Input, Manner, SourceError};
use super::traces::Traces;
use crate::pipeline::batch::Batch;
use crate::pipeline::intake::Intake;
use crate::receivers::tail;
use crate::receivers::tail::odd_names;
use crate::receivers::tail::preview::Following;
use halod_chain::disk::{open_append, sync_dir};
use halod_record::draft::Draft;
use halod_record::notice::{About, Notice};
use halod_record::tenant::Tenant;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the folders are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a file must not have changed.
const QUIET: Duration = Duration::from_secs(3);

/// Files that are looked at in one go: more are a mistake, or somebody's attempt to fill memory.
const FILES: usize = 100_000;

const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    // What is written under such a name is to be renamed when it is whole.
    require_literal_leading_dot: true,
};

/// Bad rows of a file that are logged one by one; the others are counted.
const LOGGED: usize = 100;

/// Which files are imported, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// Patterns of paths.
    pub include: Vec<String>,
    /// Formats of files by patterns of their names, the first that fits; of the others it is told by
    /// their first row.
    pub formats: Vec<(String, Format)>,
    /// Whose records they are, whatever their rows claim.
    pub tenant: Option<String>,
    /// The receivers that follow logs: a file of such a log is read as they read it.
    pub logs: Vec<tail::Settings>,
}

impl Folders {
    /// The format that is set for a file of this name.
    fn format(&self, name: &str) -> Option<Format> {
        let fits = |pattern: &str| glob::Pattern::new(pattern).is_ok_and(|p| p.matches_with(name, MATCHING));
        self.formats.iter().find(|(pattern, _)| fits(pattern)).map(|(_, format)| *format)
    }
}

/// What the system says of a file: as long as it is the same, so is the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Stat {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: i64,
    mtime_ns: i64,
}

/// A line of the record of files that were imported.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Done {
    file: String,
    #[serde(flatten)]
    stat: Stat,
    accepted: u64,
    filtered: u64,
    rejected: u64,
    /// Why it could not be read, or not to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How many rows were read of it, if manifests may count them and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Of a manifest, whether what it counts was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compared: Option<bool>,
}

/// Imports what is dropped into folders, until told to stop.
#[derive(Debug)]
pub struct Watch {
    folders: Folders,
    importer: Arc<Importer>,
    intake: Intake,
    positions: Positions,
    record: PathBuf,
    done: HashSet<Stat>,
    exports: Exports,
    /// Manifests as they were when they were read, until they are compared.
    manifests: HashMap<PathBuf, Stat>,
    /// When files that are not done were first seen as they are.
    seen: HashMap<PathBuf, (Stat, Instant)>,
}

impl Watch {
    /// Reads what was imported before from below `state`.
    ///
    /// # Errors
    /// The directory or the record in it can't be read or made.
    pub fn new(folders: Folders, importer: Arc<Importer>, intake: Intake, state: &Path) -> io::Result<Self> {
        let positions = Positions::open(state)?;
        let record = state.join("done");
        let (mut done, mut exports) = (HashSet::new(), Exports::new(Instant::now()));
        let mut manifests = HashMap::new();
        match std::fs::File::open(&record) {
            Ok(file) => {
                // A line that a crash cut off is a file that comes again.
                let lines = BufReader::new(file).lines().map_while(Result::ok);
                for line in lines.filter_map(|line| serde_json::from_str::<Done>(&line).ok()) {
                    done.insert(line.stat);
                    if line.rows.is_some() || line.error.is_some() {
                        exports.read(Path::new(&line.file), line.rows, Instant::now());
                    }
                    let path = PathBuf::from(line.file);
                    match line.compared {
                        Some(false) => drop(manifests.insert(path, line.stat)),
                        Some(true) | None => drop(manifests.remove(&path)),
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let seen = HashMap::new();
        let mut watch = Self { folders, importer, intake, positions, record, done, exports, manifests, seen };
        for path in watch.manifests.keys().cloned().collect::<Vec<_>>() {
            if let Some(manifest) = manifest_of(&path, &watch.manner(&path)) {
                watch.exports.manifest(&path, manifest, Instant::now());
            }
        }
        Ok(watch)
    }

    fn manner(&self, path: &Path) -> Manner {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let manner = Manner {
            format: self.folders.format(&name),
            tenant: self.folders.tenant.clone(),
            found: true,
            ..Manner::default()
        };
        manner.of(path, &Following::new(self.folders.logs.clone()))
    }

    /// Looks and imports until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            for (path, stat) in self.ready() {
                if *stop.borrow() {
                    return;
                }
                self.import(path, stat, &stop).await;
            }
            // What comes next may be what is missing.
            if self.seen.is_empty() {
                self.compare().await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Files that are new and quiet.
    fn ready(&mut self) -> Vec<(PathBuf, Stat)> {
        let mut ready = Vec::new();
        let mut seen = HashMap::new();
        for path in self.folders.include.iter().flat_map(|pattern| files(pattern)).take(FILES) {
            let Some(stat) = stat(&path) else { continue };
            if self.done.contains(&stat) || seen.contains_key(&path) {
                continue;
            }
            let before = self.seen.get(&path).filter(|(before, _)| *before == stat);
            let since = before.map_or_else(Instant::now, |(_, since)| *since);
            if since.elapsed() >= QUIET {
                ready.push((path.clone(), stat));
            }
            seen.insert(path, (stat, since));
        }
        self.seen = seen;
        ready
    }

    async fn import(&mut self, path: PathBuf, stat: Stat, stop: &watch::Receiver<bool>) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let inputs = vec![(Input::File(path.clone()), self.manner(&path))];
        let files = inputs.clone();
        let gathered = tokio::task::spawn_blocking(move || {
            let manifest = files.first().and_then(|(input, manner)| manifest_of(input.path()?, manner));
            (Traces::gather(&files), manifest)
        });
        let (traces, manifest) = gathered.await.unwrap_or_default();
        let import = Import {
            inputs,
            sink: Sink::Here(Arc::clone(&self.importer)),
            positions: Some(self.positions.clone()),
            traces: (!traces.is_empty()).then(|| Arc::new(traces)),
        };
        let file = path.display().to_string();
        let mut log = Log { file, ..Log::default() };
        let summary = run::run(import, &mut log, stop.clone()).await;
        if summary.stopped || summary.failed.is_some() {
            // It goes on at the next start.
            return;
        }
        let Log { file, first, error, rows, .. } = log;
        for (field, times) in &summary.taken.unread_times {
            tracing::warn!(file, field, times, "times can't be read; their records lack them and say so");
        }
        let Taken { accepted, filtered, rejected, .. } = summary.taken;
        tracing::info!(file, accepted, filtered, rejected, error, "imported");
        if (rejected > 0 || error.is_some()) && !self.disclose(&name, rejected, first.as_ref(), stat).await {
            return;
        }
        let rows = if error.is_none() { rows } else { None };
        let compared = manifest.is_some().then_some(false);
        let done = Done { file, stat, accepted, filtered, rejected, error, rows, compared };
        match self.write(&done) {
            Ok(()) => drop(self.done.insert(stat)),
            Err(error) => return tracing::error!(%error, "it can't be written down that a file was imported"),
        }
        let now = Instant::now();
        if done.rows.is_some() || done.error.is_some() {
            self.exports.read(&path, rows, now);
        }
        let Some(manifest) = manifest else { return };
        if self.exports.manifest(&path, manifest, now) {
            self.manifests.insert(path, stat);
        } else {
            tracing::warn!(
                file = done.file,
                "too many manifests to remember: this one is not compared with its files"
            );
        }
    }

    /// Compares what manifests count with what was read, and has the chain told what is missing.
    async fn compare(&mut self) {
        for Compared { manifest, holes } in self.exports.compare(Instant::now()) {
            let file = manifest.display().to_string();
            for hole in &holes {
                tracing::warn!(file, %hole, "an export has fewer rows than its manifest counts");
                let draft = hole.draft(self.folders.tenant.as_deref(), self.importer.redactor());
                if !self.seal(draft).await {
                    return self.exports.again();
                }
            }
            self.exports.settle(&manifest);
            let Some(stat) = self.manifests.remove(&manifest) else { continue };
            let mut done = Done { file, stat, ..Done::default() };
            done.compared = Some(true);
            if let Err(error) = self.write(&done) {
                tracing::error!(%error, "it can't be written down that a manifest was compared with its files");
            }
        }
    }

    /// Seals a notice; false when that is to be tried again.
    async fn seal(&self, draft: Draft) -> bool {
        let sealed = match self.intake.admit(draft.len()) {
            Ok(permit) => self.intake.send(Batch::new(vec![draft], permit)).await.map(drop),
            Err(refusal) => Err(refusal),
        };
        sealed.is_ok()
    }

    /// Seals into the chain of the files' tenant that some of a file is missing; false when that is to be
    /// tried again.
    async fn disclose(&self, name: &str, rejected: u64, first: Option<&Reason>, stat: Stat) -> bool {
        let tenant = self.folders.tenant.as_deref().map_or(Ok(Tenant::Local), Tenant::claimed);
        let name = self.importer.redactor().label(name);
        let mut about = vec![("file", About::Text(&name)), ("file_bytes", About::Number(stat.size))];
        if let Some(first) = first {
            about.push(("first_offset", About::Number(first.place.offset)));
        }
        about.push(("reason", About::Text("rows of an imported file cannot be used")));
        about.push(("rows", About::Number(rejected)));
        let rows = if rejected == 1 { "1 row".into() } else { format!("{rejected} rows") };
        let summary = format!("{rows} of an imported file cannot be used and are in no record.");
        self.seal(Notice::of_loss("gap", &summary, &about).draft(&tenant.unwrap_or(Tenant::Local))).await
    }

    fn write(&self, done: &Done) -> io::Result<()> {
        let mut file = open_append(&self.record)?;
        // After a line that a crash cut off, a new one begins.
        let torn = file.metadata()?.len() > 0 && !ends_with_newline(&file)?;
        let mut line = if torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, done)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_data()?;
        sync_dir(self.record.parent().unwrap_or(Path::new(".")))
    }
}

fn ends_with_newline(file: &std::fs::File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    file.read_exact_at(&mut last, file.metadata()?.len() - 1)?;
    Ok(last == *b"\n")
}

/// The files that a pattern names now. Folders that can't be read hold none.
fn files(pattern: &str) -> impl Iterator<Item = PathBuf> {
    let found = glob::glob_with(pattern, MATCHING).ok();
    let odd = std::path::absolute(pattern).ok();
    let odd = odd.and_then(|pattern| Some(odd_names::find(pattern.to_str()?, MATCHING)));
    found.into_iter().flatten().filter_map(Result::ok).chain(odd.into_iter().flatten())
}

/// `None` for what is no file.
fn stat(path: &Path) -> Option<Stat> {
    let about = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(Stat {
        dev: about.dev(),
        ino: about.ino(),
        size: about.size(),
        mtime: about.mtime(),
        mtime_ns: about.mtime_nsec(),
    })
}

/// An import's news, in the daemon's log.
#[derive(Default)]
struct Log {
    file: String,
    rejected: usize,
    first: Option<Reason>,
    error: Option<String>,
    /// Whether its rows may be counted by a manifest.
    counted: bool,
    /// Of a file that is no archive.
    rows: Option<u64>,
}

impl Observer for Log {
    fn opened(&mut self, _: &Input, meta: &FileMeta, resumed: Option<Mark>) {
        self.counted = meta.format == Format::Langfuse;
        let from = resumed.map(|mark| mark.offset);
        tracing::info!(file = self.file, format = %meta.format, from, "importing");
    }

    fn progress(&mut self, _: u64, _: &Taken) {}

    fn rejected(&mut self, input: &Input, reason: &Reason) {
        self.rejected += 1;
        if self.rejected <= LOGGED {
            tracing::warn!(file = input.name(), at = %reason.place, reason = reason.what, "a row can't be used");
        }
        self.first.get_or_insert_with(|| reason.clone());
    }

    fn unreadable(&mut self, input: &Input, error: &SourceError) {
        tracing::error!(file = input.name(), %error, "a file can't be imported, or not to its end");
        // Of an archive the first file that is not.
        self.error.get_or_insert_with(|| match input {
            Input::Member { name, .. } => format!("{}: {error}", name.display()),
            Input::File(_) | Input::Stdin => error.to_string(),
        });
    }

    fn ended(&mut self, input: &Input, rows: Option<u64>) {
        if matches!(input, Input::File(_)) && self.counted {
            self.rows = rows;
        }
    }

    fn hole(&mut self, hole: &Hole) {
        tracing::warn!(file = self.file, %hole, "an export has fewer rows than its manifest counts");
    }

    fn waiting(&mut self, why: &str) {
        tracing::debug!(why, "an import waits");
    }
}
