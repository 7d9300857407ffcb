//! An import from its first file to its last: chunks side by side, settled in the order of the files.

use super::chunk::{Chunk, FileMeta, Hole, Reason, Taken};
use super::importer::{Turn, Turns};
use super::manifest::holes;
use super::position::{Mark, Position, Positions};
use super::sink::{Halt, Sink};
use super::source::{Input, Manner, Opened, Piece, Source, SourceError};
use super::traces::Traces;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Bytes of chunks that are under way, about; a large row may go beyond.
const UNDER_WAY: usize = 12 << 20;

/// Chunks under way at most.
const CHUNKS: usize = 12;

/// Steps that are read ahead.
const AHEAD: usize = 2;

/// How often the place to go on from is written, and progress is told.
const KEEP: Duration = Duration::from_secs(1);
const TELL: Duration = Duration::from_millis(200);

/// What is to be imported, and where it goes.
#[derive(Debug)]
pub struct Import {
    pub inputs: Vec<(Input, Manner)>,
    pub sink: Sink,
    /// Where interrupted imports go on; `None` for one that seals nothing.
    pub positions: Option<Positions>,
    /// What is known of traces, for rows that leave it to another file.
    pub traces: Option<Arc<Traces>>,
}

/// Gets told what happens during an import.
pub trait Observer: Send {
    /// A file is open; `resumed` says where an earlier import stopped.
    fn opened(&mut self, input: &Input, meta: &FileMeta, resumed: Option<Mark>);
    /// What an earlier import that was interrupted did of the file that is open.
    fn before(&mut self, _: &Taken) {}
    /// Bytes read of all files as they lie there, and what is settled so far.
    fn progress(&mut self, read: u64, taken: &Taken);
    /// Something of a row cannot be used.
    fn rejected(&mut self, input: &Input, reason: &Reason);
    /// A file cannot be read, or not to its end.
    fn unreadable(&mut self, input: &Input, error: &SourceError);
    /// A file is through; how many rows were read of it, if that is known.
    fn ended(&mut self, _: &Input, _rows: Option<u64>) {}
    /// A file has fewer rows than its manifest says.
    fn hole(&mut self, _: &Hole) {}
    /// Nothing can be taken for the moment.
    fn waiting(&mut self, why: &str);
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs that are through: files, and archives of any number of them.
    pub inputs: u64,
    /// Files that were read to their end, also those of archives.
    pub files: u64,
    pub unreadable: u64,
    /// Files that have fewer rows than their manifests say.
    pub holes: u64,
    /// Also what an interrupted import before this one did of these files.
    pub taken: Taken,
    /// It was asked to stop before the end.
    pub stopped: bool,
    /// Why it could not go on.
    pub failed: Option<String>,
}

/// What the reading thread says.
enum Step {
    Opened(Input, Arc<FileMeta>, Option<Position>),
    Read {
        chunk: Option<Chunk>,
        oversized: Vec<Reason>,
        filtered: u64,
        mark: Mark,
    },
    Ended(Input, Option<SourceError>),
    /// An input that was named is through: of an archive all files.
    Through,
}

/// A step whose outcome may be awaited.
enum Settled {
    Opened(Input, Arc<FileMeta>, Option<Position>),
    Read(u64, Taken, Vec<Reason>, Mark),
    Ended(Input, Option<SourceError>),
    Through,
}

/// Runs an import. When `stop` turns true, what is under way is finished and nothing more begun.
pub async fn run(import: Import, observer: &mut dyn Observer, stop: watch::Receiver<bool>) -> Summary {
    let Import { inputs, sink, positions, traces } = import;
    let read = Arc::new(AtomicU64::new(0));
    let (to, mut steps) = mpsc::channel(AHEAD);
    let (waits, mut waiting) = mpsc::channel::<String>(1);
    // All inputs are of one, if any.
    let tenant = inputs.first().and_then(|(_, manner)| manner.tenant.clone());
    let reader = Reading { inputs, positions: positions.clone(), read: Arc::clone(&read), to };
    let spawned = std::thread::Builder::new().name("halod-import".into()).spawn(move || reader.run());
    let manifests = traces.as_ref().map_or(&[][..], |traces| &traces.manifests);
    let mut ledger = Ledger::new(positions, !manifests.is_empty());
    if let Err(error) = spawned {
        ledger.summary.failed = Some(format!("no thread can be had: {error}"));
        return ledger.summary;
    }
    let mut under_way = JoinSet::new();
    let mut turns = Turns::default();
    let (mut bytes, mut reading, mut seq) = (0, true, 0_u64);
    let mut stopping = stop.clone();
    let mut tick = tokio::time::interval(TELL);
    while reading || !under_way.is_empty() {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop), if reading => {
                reading = false;
                ledger.summary.stopped = true;
                steps.close();
            }
            Some(done) = under_way.join_next(), if !under_way.is_empty() => {
                let Ok((seq, size, taken)) = done else { continue };
                bytes -= size;
                if !ledger.taken(seq, taken, observer) {
                    reading = false;
                    steps.close();
                }
            }
            step = steps.recv(), if reading && bytes < UNDER_WAY && under_way.len() < CHUNKS => {
                match step {
                    None => reading = false,
                    Some(Step::Opened(input, meta, position)) => {
                        turns.file();
                        ledger.settle(seq, Settled::Opened(input, meta, position), observer);
                        seq += 1;
                    }
                    Some(Step::Ended(input, error)) => {
                        ledger.settle(seq, Settled::Ended(input, error), observer);
                        seq += 1;
                    }
                    Some(Step::Through) => {
                        ledger.settle(seq, Settled::Through, observer);
                        seq += 1;
                    }
                    Some(Step::Read { chunk: None, oversized, filtered, mark }) => {
                        ledger.begun.insert(seq, Begun { rows: 0, oversized, filtered, mark });
                        ledger.taken(seq, Ok(Taken::default()), observer);
                        seq += 1;
                    }
                    Some(Step::Read { chunk: Some(mut chunk), oversized, filtered, mark }) => {
                        chunk.traces.clone_from(&traces);
                        let (rows, size) = (chunk.rows.len() as u64, chunk.bytes.len());
                        ledger.begun.insert(seq, Begun { rows, oversized, filtered, mark });
                        bytes += size;
                        let (sink, stop, waits) = (sink.clone(), stop.clone(), waits.clone());
                        let turn = turns.chunk();
                        under_way.spawn(async move {
                            // A full channel means that the observer has a notice of waiting already.
                            let waits = move |why: &str| drop(waits.try_send(why.to_owned()));
                            (seq, size, sink.take(chunk, turn, stop, &waits).await)
                        });
                        seq += 1;
                    }
                }
            }
            Some(why) = waiting.recv() => observer.waiting(&why),
            _ = tick.tick() => {
                observer.progress(read.load(Relaxed), &ledger.summary.taken);
                ledger.keep(false);
            }
        }
    }
    ledger.keep(true);
    if !ledger.summary.stopped && ledger.summary.failed.is_none() {
        for hole in holes(manifests, &ledger.files) {
            observer.hole(&hole);
            ledger.hole(&sink, hole, tenant.clone(), &stop).await;
        }
    }
    observer.progress(read.load(Relaxed), &ledger.summary.taken);
    ledger.summary
}

/// What the reading thread works on.
struct Reading {
    inputs: Vec<(Input, Manner)>,
    positions: Option<Positions>,
    read: Arc<AtomicU64>,
    to: mpsc::Sender<Step>,
}

impl Reading {
    fn run(self) {
        // Nobody waits any more where it fails.
        let _ = self.inputs.iter().try_for_each(|(input, manner)| self.input(input, manner));
    }

    fn input(&self, input: &Input, manner: &Manner) -> Result<(), Gone> {
        match Opened::open(input, manner, &self.read) {
            Ok(Opened::File(source)) => self.file(input, Ok(*source))?,
            Ok(Opened::Archive(mut members)) => {
                members.try_for_each(|(member, source)| self.file(&member, source))?;
            }
            Err(error) => self.file(input, Err(error))?,
        }
        self.send(Step::Through)
    }

    fn send(&self, step: Step) -> Result<(), Gone> {
        self.to.blocking_send(step).map_err(|_| Gone)
    }

    fn file(&self, input: &Input, source: Result<Source, SourceError>) -> Result<(), Gone> {
        let error = match source {
            Ok(source) => self.rows(input, source)?,
            Err(error) => Some(error),
        };
        self.send(Step::Ended(input.clone(), error))
    }

    /// Reads one file; why not to its end.
    fn rows(&self, input: &Input, mut source: Source) -> Result<Option<SourceError>, Gone> {
        let position = self.positions.as_ref().and_then(|positions| positions.find(&source.meta));
        self.send(Step::Opened(input.clone(), Arc::clone(&source.meta), position.clone()))?;
        if let Some(position) = position
            && let Err(error) = source.resume(position.mark)
        {
            return Ok(Some(error));
        }
        loop {
            match source.piece() {
                Ok(Some(piece)) => {
                    let Piece { chunk, oversized, filtered, mark } = piece;
                    self.send(Step::Read { chunk, oversized, filtered, mark })?;
                }
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            }
        }
    }
}

/// Nobody waits for what is read any more.
struct Gone;

/// What is known of a step while its chunk is under way.
#[derive(Default)]
struct Begun {
    rows: u64,
    oversized: Vec<Reason>,
    filtered: u64,
    mark: Mark,
}

/// What is known of the steps, put in order.
struct Ledger {
    /// The file that is being settled.
    input: Option<Input>,
    meta: Option<Arc<FileMeta>>,
    /// The place in the file that is being settled.
    position: Position,
    positions: Option<Positions>,
    kept: Instant,
    /// Whether there is anything to keep.
    moved: bool,
    begun: BTreeMap<u64, Begun>,
    waiting: BTreeMap<u64, Settled>,
    next: u64,
    /// Files that were read, and their rows, where manifests count them.
    files: Vec<(PathBuf, Option<u64>)>,
    counting: bool,
    summary: Summary,
}

impl Ledger {
    fn new(positions: Option<Positions>, counting: bool) -> Self {
        Self {
            input: None,
            meta: None,
            position: Position::default(),
            positions,
            kept: Instant::now(),
            moved: false,
            begun: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
            files: Vec::new(),
            counting,
            summary: Summary::default(),
        }
    }

    /// A chunk's outcome is known; false when there is nothing more to be done.
    fn taken(&mut self, seq: u64, taken: Result<Taken, Halt>, observer: &mut dyn Observer) -> bool {
        let Begun { rows, oversized: mut reasons, filtered, mark } =
            self.begun.remove(&seq).unwrap_or_default();
        let rows = rows + reasons.len() as u64;
        match taken {
            Ok(mut taken) => {
                taken.rejected += reasons.len() as u64;
                taken.filtered += filtered;
                reasons.append(&mut taken.reasons);
                self.settle(seq, Settled::Read(rows, taken, reasons, mark), observer);
                true
            }
            // The steps after it stay unsettled: their rows come again.
            Err(Halt::Stopped) => {
                self.summary.stopped = true;
                false
            }
            Err(Halt::Failed(why)) => {
                self.summary.failed.get_or_insert(why);
                false
            }
        }
    }

    fn settle(&mut self, seq: u64, step: Settled, observer: &mut dyn Observer) {
        self.waiting.insert(seq, step);
        while let Some(step) = self.waiting.remove(&self.next) {
            self.next += 1;
            match step {
                Settled::Opened(input, meta, position) => {
                    observer.opened(&input, &meta, position.as_ref().map(|position| position.mark));
                    if let Some(position) = &position {
                        observer.before(&position.taken);
                    }
                    self.position = position.unwrap_or(Position { rows: Some(0), ..Position::default() });
                    self.position.file = input.name();
                    self.summary.taken.add(&self.position.taken);
                    (self.input, self.meta) = (Some(input), Some(meta));
                }
                Settled::Read(rows, taken, mut reasons, mark) => {
                    reasons.sort_by_key(|reason| reason.place);
                    if let Some(input) = &self.input {
                        reasons.iter().for_each(|reason| observer.rejected(input, reason));
                    }
                    self.position.taken.add(&taken);
                    self.position.rows = self.position.rows.map(|before| before + rows);
                    self.summary.taken.add(&taken);
                    self.position.mark = mark;
                    self.moved = true;
                }
                Settled::Ended(input, error) => self.end(&input, error, observer),
                Settled::Through => self.summary.inputs += 1,
            }
        }
    }

    fn end(&mut self, input: &Input, error: Option<SourceError>, observer: &mut dyn Observer) {
        match &error {
            None => self.summary.files += 1,
            Some(error) => {
                self.summary.unreadable += 1;
                observer.unreadable(input, error);
            }
        }
        if let (Some(meta), Some(positions)) = (self.meta.take(), &self.positions)
            && let Err(error) = positions.forget(&meta)
        {
            tracing::warn!(%error, "the place to go on from can't be removed");
        }
        observer.ended(input, self.position.rows);
        if let (true, Some(path)) = (self.counting, input.path()) {
            self.files.push((path.to_owned(), self.position.rows));
        }
        self.moved = false;
        self.position = Position::default();
        self.input = None;
    }

    /// Has a hole told in the chain.
    async fn hole(&mut self, sink: &Sink, hole: Hole, tenant: Option<String>, stop: &watch::Receiver<bool>) {
        self.summary.holes += 1;
        match sink.take(Chunk::of_hole(hole, tenant), Turn::default(), stop.clone(), &|_| {}).await {
            Ok(taken) => self.summary.taken.add(&taken),
            Err(Halt::Stopped) => self.summary.stopped = true,
            Err(Halt::Failed(why)) => self.summary.failed = Some(why),
        }
    }

    /// Writes down where to go on from, now and then or `now`.
    fn keep(&mut self, now: bool) {
        if !self.moved || (!now && self.kept.elapsed() < KEEP) {
            return;
        }
        self.moved = false;
        self.kept = Instant::now();
        if let (Some(meta), Some(positions)) = (&self.meta, &self.positions)
            && let Err(error) = positions.keep(meta, &self.position)
        {
            tracing::warn!(%error, "the place to go on from can't be written; an interrupted import begins anew");
            self.positions = None;
        }
    }
}
