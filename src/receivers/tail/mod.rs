//! Log files, followed without losing or doubling a line.
//!
//! ```text
//! watch, look ─▶ place: which content has each file ─▶ engine: a block of each in turn ─▶ lines, each with its chain
//!        ─▶ seal: read, draft, submit ─▶ receipt ─▶ the position moves ─▶ positions.json
//! ```
//!
//! **Identity.** A line's record is identified by the path of its log (without what rotation adds to the
//! name) and by its *chain*: a hash over all content from the log's first byte to the end of the line
//! (`receivers::lines`). So a line is the same one in the renamed file, in a copy, in the packed copy, after a restart
//! and after the positions were lost; equal lines at different places of a file are different ones; and
//! equal lines of two logs are, too. A file that was truncated or replaced begins a new content.
//!
//! The limits of this: content that begins a file exactly as an earlier file of the same log began, to the
//! byte, counts as the same (a banner; lines without a time); and a log that is moved to another name or
//! directory *and* read without the positions becomes new records.
//!
//! **What is remembered** ([`position`]) saves work and shows losses; exactly once does not depend on it.
//! When a content is not in its file any more (truncated, rewritten, removed), it is looked for in the
//! log's other files, and read on where it was left; what is nowhere is disclosed in the chain ([`notice`]).

mod discover;
mod engine;
mod follow;
mod life;
mod lost;
mod notice;
pub(crate) mod odd_names;
mod place;
mod position;
pub mod preview;
mod probe;
mod seal;
pub mod settings;
mod source;
mod stats;
#[cfg(test)]
mod tests;
mod watch;

pub use super::lines::format::Formats;
pub use super::lines::names::{PathTenant, log_path};
pub use settings::Settings;
pub use stats::TailStats;

use crate::clock::unix_nanos;
use crate::ingest::Ingest;
use crate::receivers::lines::read::Reader;
use engine::{Engine, Part};
use seal::Shop;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch as signal};

/// The files that a pattern fits now.
#[must_use]
pub fn matches(pattern: &str, exclude: &[String], packed: bool) -> Vec<PathBuf> {
    let finder = discover::Finder::new(&[pattern.to_owned()], exclude, packed);
    finder.look().files.into_iter().map(|found| found.path).collect()
}

/// One receiver: which logs it follows, and how it reads them.
#[derive(Debug)]
struct Instance {
    settings: Settings,
    reader: Reader,
}

/// What all instances share.
#[derive(Debug)]
pub struct Tail {
    pub instances: Vec<(Settings, Reader)>,
    pub ingest: Arc<Ingest>,
    pub stats: Arc<TailStats>,
    /// Where positions are kept.
    pub directory: PathBuf,
    /// Files that may be open at once.
    pub max_open: usize,
    /// Bytes that the pipeline has room for.
    pub max_in_flight: usize,
    pub draining: signal::Receiver<bool>,
}

/// Follows logs until it is told to stop, then finishes what is on its way.
///
/// # Errors
/// The positions have no place, or no thread can be had.
pub fn start(tail: Tail) -> io::Result<impl Future<Output = ()> + use<>> {
    let Tail { instances, ingest, stats, directory, max_open, max_in_flight, mut draining } = tail;
    let positions = position::Positions::open(&directory)?;
    let (wake, woken) = mpsc::sync_channel(1);
    let (reports, reported) = mpsc::channel();
    let notify = instances.iter().any(|(settings, _)| settings.notify);
    let shop = Shop { ingest, stats, reports, wake: wake.clone(), draining: draining.clone() };
    let part = |(settings, reader): (Settings, Reader)| Part {
        finder: discover::Finder::new(&settings.include, &settings.exclude, settings.packed),
        instance: Arc::new(Instance { settings, reader }),
        looked: None,
    };
    let mut engine = Engine {
        parts: instances.into_iter().map(part).collect(),
        files: BTreeMap::new(),
        inodes: HashMap::new(),
        next: 1,
        unrelated: HashMap::new(),
        copy_checks: Vec::new(),
        watch: if notify { watch::Watch::new(wake.clone()) } else { watch::Watch::none() },
        rescan: true,
        directories: HashMap::new(),
        since: unix_nanos(),
        fresh: false,
        blind: false,
        shop,
        handle: Handle::current(),
        wake: woken,
        reports: reported,
        positions,
        unsaved: false,
        saved: Instant::now(),
        told: HashMap::new(),
        max_open: max_open.max(1),
        block: Engine::default_block(max_in_flight),
        in_flight: 0,
        waiting: 0,
        blocked: false,
        buffer: vec![0; follow::BLOCK],
    };
    engine.take_up();
    let (end, ended) = oneshot::channel::<()>();
    std::thread::Builder::new().name("halod-tail".into()).spawn(move || {
        engine.run();
        // The receiver is dropped when nobody waits for the end any more.
        let _ = end.send(());
    })?;
    Ok(async move {
        let _ = draining.wait_for(|draining| *draining).await;
        let _ = wake.try_send(());
        let _ = ended.await;
    })
}
