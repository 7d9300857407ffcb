//! The loop that reads: what is due, in turn, a block of each at a time, as far as there is room.

use super::Instance;
use super::discover::Finder;
use super::follow::{BLOCK, Follower, Life, Turn};
use super::notice;
use super::position::Positions;
use super::probe::Probe;
use super::seal::{Block, Report, Shop};
use super::source::Inode;
use super::watch::Watch;
use crate::clock::unix_nanos;
use crate::receivers::lines::read::Told;
use crate::receivers::lines::split::Lines;
use halod_record::draft::Draft;
use halod_record::tenant::Tenant;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How far the clock of a file system may be off.
pub(super) const SLACK: u64 = 10_000_000_000;
/// Blocks of one file that may be on their way, so that one is drafted while the other is sealed.
const PER_FILE: usize = 4;
/// Blocks on their way altogether.
const ALTOGETHER: usize = 16;
/// Packed files that are unpacked side by side: each may take some 25 MiB.
const UNPACKED: usize = 4;
/// Bytes of all lines that wait until their format is known.
const WAITING: usize = 16 << 20;
/// How soon names are looked at again when the system tells of ever more changes, and a pipeline without
/// room is asked again.
const LOOK: Duration = Duration::from_millis(20);
/// How often positions are saved while they move.
const SAVE: Duration = Duration::from_millis(500);
/// How often lines that became no record are told of, for each log.
const TELL: Duration = Duration::from_secs(60);

/// One instance and when it was looked for its files.
#[derive(Debug)]
pub(super) struct Part {
    pub instance: Arc<Instance>,
    pub finder: Finder,
    pub looked: Option<Instant>,
}

/// A directory, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub changed: i128,
    /// Files that changed after this are new, if they are not known.
    pub since: u64,
}

/// A file that is followed, compared with a content that is looked for.
#[derive(Debug)]
pub(super) struct CopyCheck {
    pub sought: u64,
    pub in_file: u64,
    pub probe: Probe,
}

/// Everything that is followed, owned by one thread.
#[derive(Debug)]
pub(super) struct Engine {
    pub parts: Vec<Part>,
    pub files: BTreeMap<u64, Follower>,
    pub inodes: HashMap<(usize, Inode), u64>,
    pub next: u64,
    /// Files beside a log that are none of its content, by their size when that was found.
    pub unrelated: HashMap<(usize, Inode), u64>,
    pub copy_checks: Vec<CopyCheck>,
    pub watch: Watch,
    pub rescan: bool,
    /// When each directory was looked at for files that were rotated away, and when it had last changed.
    pub directories: HashMap<PathBuf, Seen>,
    /// What was rotated away after this, in nanoseconds since 1970, may not have been read.
    pub since: u64,
    /// Nothing was remembered: the first start.
    pub fresh: bool,
    /// Nothing is known of what was sealed of the files that are there at the start.
    pub blind: bool,
    pub shop: Shop,
    pub handle: Handle,
    pub wake: Receiver<()>,
    pub reports: Receiver<Report>,
    pub positions: Positions,
    pub unsaved: bool,
    pub saved: Instant,
    pub told: HashMap<Arc<str>, Instant>,
    pub max_open: usize,
    /// Bytes of one block, and of all that are on their way.
    pub block: usize,
    pub in_flight: usize,
    /// Bytes of lines that wait until their format is known.
    pub waiting: usize,
    /// The pipeline had no room in the last round.
    pub blocked: bool,
    pub buffer: Vec<u8>,
}

impl Engine {
    /// Takes up what the last run remembered. From here on a kill must not leave its clean end behind: what
    /// this run seals would then count as lost.
    pub(super) fn take_up(&mut self) {
        self.restore();
        if !self.fresh {
            self.save(false);
        }
    }

    pub(super) fn run(mut self) {
        let mut at = 0;
        while !*self.shop.draining.borrow() {
            self.answers();
            self.hear();
            if self.look_due() {
                self.look_around();
            }
            self.blocked = false;
            let busy = self.round(&mut at) | self.run_copy_checks();
            if self.unsaved && self.saved.elapsed() >= SAVE {
                self.save(false);
            }
            if !busy {
                let _ = self.wake.recv_timeout(self.patience());
            }
        }
        // What is on its way reports in any case.
        while self.in_flight > 0 {
            match self.reports.recv() {
                Ok(report) => self.answer(report),
                Err(_) => break,
            }
        }
        self.save(true);
    }

    fn patience(&self) -> Duration {
        let polls = self.parts.iter().map(|part| part.instance.settings.poll_interval);
        let poll = polls.min().unwrap_or(Duration::from_secs(1));
        match (self.blocked || self.rescan, self.unsaved) {
            (true, _) => poll.min(LOOK),
            (false, true) => poll.min(SAVE),
            (false, false) => poll,
        }
    }

    fn look_due(&self) -> bool {
        let least = self.parts.iter().filter_map(|part| part.looked).max();
        let due =
            |part: &Part| part.looked.is_none_or(|at| at.elapsed() >= part.instance.settings.poll_interval);
        self.rescan && least.is_none_or(|at| at.elapsed() >= LOOK) || self.parts.iter().any(due)
    }

    /// What the system told.
    fn hear(&mut self) {
        let told = self.watch.take();
        self.rescan |= told.rescan;
        if !told.touched.is_empty() {
            for file in self.files.values_mut() {
                file.due |= told.touched.contains(&file.real) || told.touched.contains(&file.path);
            }
        }
    }

    fn answers(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.answer(report);
        }
    }

    fn answer(&mut self, report: Report) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(file) = self.files.get_mut(&report.follower) else { return };
        if report.sealed {
            self.unsaved |= file.answered(report.serial);
            file.untold = std::mem::take(&mut file.untold).join(report.untold);
        }
    }

    /// A turn for everything that is due, beginning behind where the last round ended.
    fn round(&mut self, at: &mut u64) -> bool {
        let due: Vec<u64> = self.files.iter().filter(|(_, file)| file.due).map(|(id, _)| *id).collect();
        let split = due.partition_point(|id| id <= at);
        let mut busy = false;
        let mut open = self.files.values().filter(|file| file.is_open()).count();
        let mut unpacked = self.files.values().filter(|file| file.unpacks()).count();
        for id in due[split..].iter().chain(&due[..split]) {
            if self.in_flight >= ALTOGETHER {
                break;
            }
            *at = *id;
            let unpacks = self.files.get(id).is_some_and(Follower::unpacks);
            if !unpacks && unpacked >= UNPACKED && self.files.get(id).is_some_and(|file| file.packed) {
                continue;
            }
            let before = self.files.get(id).is_some_and(Follower::is_open);
            busy |= self.turn(*id);
            unpacked -= usize::from(unpacks);
            let Some(file) = self.files.get_mut(id) else { continue };
            unpacked += usize::from(file.unpacks());
            open = open + usize::from(file.is_open()) - usize::from(before);
            if open > self.max_open && file.is_open() && !file.deleted && !file.packed {
                file.close();
                open -= 1;
            }
        }
        busy
    }

    /// One file's turn; whether it brought something.
    fn turn(&mut self, id: u64) -> bool {
        let Some(file) = self.files.get_mut(&id) else { return false };
        let full = file.in_flight() >= PER_FILE;
        match &mut file.life {
            Life::Probing(probe) => match probe.go_on(&mut self.buffer) {
                Ok(None) => true,
                Ok(Some((met, head))) => {
                    self.probed(id, met, head);
                    true
                }
                Err(error) => self.trouble(id, &error),
            },
            Life::Followed if full => false,
            Life::Followed => match self.read(id) {
                Ok(busy) => busy,
                Err(error) => self.trouble(id, &error),
            },
            Life::Sought { .. } | Life::Finished(_) => {
                file.due = false;
                false
            }
        }
    }

    fn read(&mut self, id: u64) -> io::Result<bool> {
        let Some(file) = self.files.get_mut(&id) else { return Ok(false) };
        if file.unproven {
            if let Err(why) = file.resume()? {
                self.replaced(id, why);
                return Ok(true);
            }
            file.unproven = false;
        }
        let news = match file.look()? {
            Ok(news) => news.min(self.block),
            Err(turn) => return Ok(self.after(id, turn)),
        };
        // Without room in the pipeline nothing is read; the rest of the files are asked next time.
        let Ok(permit) = self.shop.ingest.intake.admit(news) else {
            self.blocked = true;
            file.measure()?;
            return Ok(false);
        };
        let mut lines = Lines::default();
        let mark = file.splitter.mark();
        let turn = file.read(&mut self.buffer[..news], &mut lines)?;
        file.trouble = None;
        if (file.splitter.mark() != mark || !lines.is_empty())
            && let Some(lines) = self.unless_they_wait(id, lines)
        {
            self.hand_over(id, lines, Vec::new(), Some(permit));
        }
        Ok(self.after(id, turn))
    }

    /// Keeps lines of a content whose format is not known yet; what they take is bounded over all contents.
    fn unless_they_wait(&mut self, id: u64, lines: Lines) -> Option<Lines> {
        let file = self.files.get_mut(&id)?;
        let reader = &self.parts[file.instance].instance.reader;
        let position = file.splitter.position();
        let held = file.waiting.held();
        let told = Told::by(file.format, reader, &lines);
        if file.passes {
            return Some(lines);
        }
        let text = lines.range(0..lines.len()).all(|(line, text)| line.wide.is_some() || is_text(text));
        if !text || !told.waits(reader, position) || self.waiting + lines.held() > WAITING {
            return Some(lines);
        }
        file.waiting.append(lines);
        file.waits.get_or_insert_with(Instant::now);
        self.waiting += file.waiting.held() - held;
        None
    }

    fn after(&mut self, id: u64, turn: Turn) -> bool {
        match turn {
            Turn::Read => true,
            Turn::Idle => {
                if let Some(file) = self.files.get_mut(&id) {
                    file.due = false;
                    file.trouble = None;
                }
                false
            }
            Turn::Replaced(why) => {
                self.replaced(id, why);
                true
            }
            Turn::End => {
                self.settle(id);
                true
            }
        }
    }

    /// A file that can't be read now: told once, and tried again at the next look.
    fn trouble(&mut self, id: u64, error: &io::Error) -> bool {
        let Some(file) = self.files.get_mut(&id) else { return false };
        file.due = false;
        if let Life::Probing(_) = file.life {
            // What it is can't be told; it is read, and what was sealed is recognised.
            self.probed(id, None, Vec::new());
            return true;
        }
        let before = file.trouble.replace(error.kind());
        if before == Some(error.kind()) {
            return false;
        }
        let path = file.path.display();
        match error.kind() {
            io::ErrorKind::NotFound => self.rescan = true,
            _ => tracing::warn!(%path, %error, "a log can't be read now; it is tried again"),
        }
        false
    }

    /// Hands lines and what there is to say to the pipeline. Without either the position just moves.
    pub(super) fn hand_over(
        &mut self,
        id: u64,
        lines: Lines,
        notices: Vec<Draft>,
        permit: Option<crate::pipeline::intake::Permit>,
    ) {
        let Some(file) = self.files.get_mut(&id) else { return };
        // What waited comes first: the position moves behind it.
        let mut waited = std::mem::take(&mut file.waiting);
        self.waiting = self.waiting.saturating_sub(waited.held());
        file.waits = None;
        waited.append(lines);
        let lines = waited;
        let serial = file.hand_over();
        if lines.is_empty() && notices.is_empty() {
            self.unsaved |= file.answered(serial);
            return;
        }
        let permit = permit.map(|mut permit| {
            // They are in memory by now, with room or without.
            let _ = permit.grow_to(lines.held());
            permit
        });
        let (before, next) = oneshot::channel();
        let told = Told::by(file.format, &self.parts[file.instance].instance.reader, &lines);
        file.format = told.format;
        let block = Block {
            follower: id,
            serial,
            instance: Arc::clone(&self.parts[file.instance].instance),
            log: Arc::clone(&file.log),
            lines,
            told,
            again: file.again,
            notices,
            permit,
            after: file.turn.replace(next),
            before,
        };
        self.in_flight += 1;
        self.handle.spawn(self.shop.clone().seal(block));
    }

    /// The tenant whose chain gets halod's own notices about a log.
    pub(super) fn tenant(&self, file: &Follower) -> Tenant {
        let known = self.parts[file.instance].instance.reader.tenant(&file.log);
        known.ok().flatten().unwrap_or(Tenant::Local)
    }

    /// Tells of lines that became no record, or were taken for known ones, now and then.
    pub(super) fn tell_lines(&mut self) {
        let mut due = Vec::new();
        for (id, file) in &self.files {
            let told = self.told.get(&file.log).is_some_and(|at| at.elapsed() < TELL);
            if !file.untold.is_empty() && (!told || matches!(file.life, Life::Finished(_))) {
                due.push(*id);
            }
        }
        for id in due {
            let Some(file) = self.files.get_mut(&id) else { continue };
            let Some(untold) = file.tell() else { continue };
            let (log, mark) = (Arc::clone(&file.log), file.sealed());
            let tenant = self.files.get(&id).map_or(Tenant::Local, |file| self.tenant(file));
            self.told.insert(Arc::clone(&log), Instant::now());
            let rejected = untold.rejected.map(|rejected| notice::rejected(&tenant, &log, &rejected, &mark));
            let known = untold.known.map(|known| notice::known(&tenant, &log, &known, &mark));
            self.hand_over(id, Lines::default(), rejected.into_iter().chain(known).collect(), None);
        }
        self.told.retain(|_, at| at.elapsed() < TELL);
    }

    fn restore(&mut self) {
        let entries = match self.positions.load() {
            Ok(Some((entries, saved))) => {
                self.since = saved.saturating_sub(SLACK);
                entries
            }
            Ok(None) => {
                (self.fresh, self.blind) = (true, true);
                return;
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "the positions of followed logs can't be read; the logs are read again from their beginning, \
                     and what was sealed is recognised"
                );
                self.blind = true;
                return;
            }
        };
        for entry in entries {
            let of = |part: &Part| part.instance.settings.name == entry.receiver;
            let Some(instance) = self.parts.iter().position(of) else { continue };
            let file = Follower::restored(&entry, instance, self.bounds(instance));
            self.adopt_entry(file, entry.fate, entry.why);
        }
    }

    pub(super) fn bounds(&self, instance: usize) -> (usize, usize) {
        let settings = &self.parts[instance].instance.settings;
        (settings.fingerprint, settings.max_line)
    }

    pub(super) fn save(&mut self, clean: bool) {
        let entry = |file: &Follower| {
            let receiver = &self.parts[file.instance].instance.settings.name;
            file.entry(receiver, clean)
        };
        let entries = self.files.values().map(entry).collect();
        match self.positions.save(entries, unix_nanos()) {
            Ok(()) => self.unsaved = false,
            Err(error) => {
                tracing::error!(%error, "the positions of followed logs can't be saved; a restart reads more again");
            }
        }
        self.saved = Instant::now();
        let lag = self
            .files
            .values()
            .filter(|file| !file.packed)
            .map(|file| file.size.saturating_sub(file.sealed().offset));
        let stats = &self.shop.stats;
        stats.lag_bytes.set(lag.sum());
        let followed =
            self.files.values().filter(|file| matches!(file.life, Life::Followed | Life::Probing(_)));
        stats.files.set(followed.count() as u64);
    }

    pub(super) fn default_block(max_in_flight: usize) -> usize {
        (max_in_flight / (8 * ALTOGETHER)).clamp(4096, BLOCK)
    }
}

/// Whether a line may be one that a program prints before its log begins.
fn is_text(line: &[u8]) -> bool {
    let printed = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\t' | b'\r' | 0x1b);
    std::str::from_utf8(line).is_ok() && line.iter().all(printed)
}
