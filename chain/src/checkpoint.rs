//! Chain files brought to stable storage, so that a segment of the journal may be used again.

use super::disk::{Disk, sync_dir};
use super::error::{ChainError, ChainUnusable};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A chain file that could not be synced. What only the journal had of it is set aside.
#[derive(Debug)]
pub struct Fault {
    pub stem: Arc<str>,
    pub why: ChainUnusable,
}

/// The thread that syncs the chain files of a segment that went out of use.
#[derive(Debug)]
pub(super) struct Checkpoints {
    jobs: Sender<Vec<Arc<str>>>,
    done: Receiver<Result<Vec<Fault>, ChainError>>,
    running: bool,
    /// The writer waits: sync side by side. Otherwise one after the other, which leaves the device
    /// to the commits.
    hurry: Arc<AtomicBool>,
}

impl Checkpoints {
    pub(super) fn start(chains: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, ChainError> {
        let (jobs, todo) = channel::<Vec<Arc<str>>>();
        let (report, done) = channel();
        let hurry = Arc::new(AtomicBool::new(false));
        let (path, hurried) = (chains.clone(), Arc::clone(&hurry));
        std::thread::Builder::new()
            .name("halod-checkpoint".into())
            .spawn(move || {
                for stems in todo {
                    if report.send(sync_chains(&chains, &stems, &*disk, &hurried)).is_err() {
                        break;
                    }
                }
            })
            .map_err(ChainError::io("start the thread that syncs", &path))?;
        Ok(Self { jobs, done, running: false, hurry })
    }

    pub(super) fn begin(&mut self, stems: Vec<Arc<str>>) -> Result<(), ChainError> {
        self.running = true;
        self.hurry.store(false, Relaxed);
        self.jobs.send(stems).map_err(|_| ChainError::CheckpointThread)
    }

    /// The chain files that could not be synced.
    pub(super) fn wait(&mut self) -> Result<Vec<Fault>, ChainError> {
        if !std::mem::take(&mut self.running) {
            return Ok(Vec::new());
        }
        self.hurry.store(true, Relaxed);
        self.done.recv().map_err(|_| ChainError::CheckpointThread)?
    }
}

/// Syncs at a time when somebody waits: one sync waits for the device, not for the processor.
const SIDE_BY_SIDE: usize = 4;

/// Makes chain files and their names durable. Returns those that could not be synced.
///
/// # Errors
/// The volume fails.
pub(super) fn sync_chains(
    dir: &Path,
    stems: &[Arc<str>],
    disk: &dyn Disk,
    hurry: &AtomicBool,
) -> Result<Vec<Fault>, ChainError> {
    if stems.is_empty() {
        return Ok(Vec::new());
    }
    let sync_one = |stem: &Arc<str>| {
        let path = dir.join(format!("{stem}.jsonl"));
        let synced = File::open(&path)
            .map_err(ChainUnusable::io("open", &path))
            .and_then(|file| disk.sync(&file).map_err(ChainUnusable::io("sync", &path)));
        match synced {
            Ok(()) => Ok(None),
            Err(why) if why.is_of_the_volume() => Err(ChainError::from(why)),
            Err(why) => Ok(Some(Fault { stem: Arc::clone(stem), why })),
        }
    };
    let mut faults = Vec::new();
    let mut rest = stems;
    while let Some((stem, after)) = rest.split_first().filter(|_| !hurry.load(Relaxed)) {
        faults.extend(sync_one(stem)?);
        rest = after;
    }
    let side_by_side = std::thread::scope(|scope| {
        let parts = rest.chunks(rest.len().div_ceil(SIDE_BY_SIDE).max(1));
        let all = |part: &[Arc<str>]| part.iter().filter_map(|stem| sync_one(stem).transpose()).collect();
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || all(part))).collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, Result<Vec<Fault>, ChainError>>| {
            part.join().unwrap_or(Err(ChainError::CheckpointThread))
        };
        parts.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    faults.extend(side_by_side.into_iter().flatten());
    sync_dir(dir).map_err(ChainError::io("sync", dir))?;
    Ok(faults)
}
