//! One content and the file it is in: how far it is read, how far it is sealed, and whether what was read
//! is still there.

pub(super) use super::life::{Before, Life, Turn, Why};
use super::position::{Entry, Fate, Fingerprint, Untold};
use super::source::{Facts, Inode, Source};
use crate::receivers::lines::read::hex;
use crate::receivers::lines::split::{Lines, Mark, Splitter};
use crate::receivers::lines::wide::Wide;
use halo_adapters::gateway::Format;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Bytes that are read at a time.
pub(super) const BLOCK: usize = 256 << 10;
/// Bytes before the reading position that are compared at each turn.
const TAIL: usize = 128;

/// What was handed over and is not answered yet.
#[derive(Debug)]
struct Pending {
    serial: u64,
    mark: Mark,
    tail: Fingerprint,
    done: bool,
}

/// One content.
#[derive(Debug)]
pub(super) struct Follower {
    /// Index of the instance that it belongs to.
    pub instance: usize,
    /// The log's path: the first part of its lines' identities.
    pub log: Arc<str>,
    pub path: PathBuf,
    pub inode: Inode,
    pub packed: bool,
    pub life: Life,
    pub splitter: Splitter,
    source: Option<Source>,
    /// The first bytes of what was read, and the last.
    head: Vec<u8>,
    tail: Vec<u8>,
    fingerprint: usize,
    /// The fingerprint of the beginning, where the beginning itself is not in memory.
    known: Fingerprint,
    /// When a packed file was last changed; 0 for a plain one.
    pub modified: i64,
    /// The configuration asks for it; otherwise only the rest of a lost content is taken from it.
    pub wanted: bool,
    /// The files that a content which is looked for has been compared with.
    pub checked: Vec<u64>,
    /// It had the name of a rotated file when it was first seen.
    pub found: bool,
    /// What an earlier run read must be compared first.
    pub unproven: bool,
    /// What lies before is passed over.
    pass_to: u64,
    /// Some of it was: no line behind that waits for another, as the position must not stay before it.
    pub passes: bool,
    /// Where the file really is, behind all links; its siblings are looked for there.
    pub real: PathBuf,
    /// No directory has it any more, and it is open.
    pub deleted: bool,
    /// The next block may be handed over when this fires.
    pub turn: Option<tokio::sync::oneshot::Receiver<()>>,
    /// The largest size of the plain content that was seen.
    pub size: u64,
    /// When the file last changed, as far as it was compared.
    compared: Option<(u64, i128, i128)>,
    pending: VecDeque<Pending>,
    serial: u64,
    sealed: (Mark, Fingerprint),
    /// The file is not the log's live one: its name is another, or it has none.
    pub rotated: bool,
    pub grew: Instant,
    /// Read to its end, rotated, and without news for long.
    pub quiet: bool,
    /// There may be something to read.
    pub due: bool,
    /// What is to be said of its lines, and no notice tells yet.
    pub untold: Untold,
    /// What of that notices on their way tell, and the number under which they were handed over.
    telling: Option<(u64, Untold)>,
    /// Lines that wait until the format is known, and since when.
    pub waiting: Lines,
    pub waits: Option<Instant>,
    /// Up to where lines may come that were sealed before: after a kill, without positions, in a copy.
    pub again: u64,
    /// The format that the content's lines have shown.
    pub format: Option<Format>,
    /// How far a content that was taken over had been seen.
    pub expected: u64,
    /// The last trouble with the file, so that it is told once.
    pub trouble: Option<io::ErrorKind>,
}

impl Follower {
    #[must_use]
    pub(super) fn new(
        instance: usize,
        log: Arc<str>,
        path: &Path,
        inode: Inode,
        packed: bool,
        bounds: (usize, usize),
    ) -> Self {
        let (fingerprint, max) = bounds;
        Self {
            instance,
            log,
            path: path.to_owned(),
            inode,
            packed,
            life: Life::Followed,
            splitter: Splitter::new(Mark::default(), max),
            source: None,
            head: Vec::new(),
            tail: Vec::new(),
            fingerprint,
            known: Fingerprint::default(),
            modified: 0,
            wanted: true,
            checked: Vec::new(),
            found: false,
            unproven: false,
            pass_to: 0,
            passes: false,
            real: path.to_owned(),
            deleted: false,
            turn: None,
            size: 0,
            compared: None,
            pending: VecDeque::new(),
            serial: 0,
            sealed: (Mark::default(), Fingerprint::default()),
            rotated: false,
            grew: Instant::now(),
            quiet: false,
            due: true,
            untold: Untold::default(),
            telling: None,
            waiting: Lines::default(),
            waits: None,
            again: 0,
            format: None,
            expected: 0,
            trouble: None,
        }
    }

    /// What an earlier run remembered.
    #[must_use]
    pub(super) fn restored(entry: &Entry, instance: usize, bounds: (usize, usize)) -> Self {
        let mut own =
            Self::new(instance, entry.log.as_str().into(), &entry.path, entry.file(), entry.packed, bounds);
        own.splitter = Splitter::new(entry.mark(), bounds.1).of_width(entry.wide);
        own.sealed = (entry.mark(), entry.tail);
        own.size = entry.size.max(entry.offset);
        own.known = entry.head;
        own.format = entry.format.as_deref().and_then(|name| name.parse().ok());
        own.modified = entry.modified;
        own.unproven = true;
        own.quiet = entry.quiet;
        own.untold = Untold { rejected: entry.rejected.clone(), known: entry.known };
        own.again = u64::MAX;
        own
    }

    /// As it is remembered. More than what is sealed is claimed to have been there only if `clean`, when
    /// nothing is on its way any more: what is sealed after this and before a kill must not count as lost.
    #[must_use]
    pub(super) fn entry(&self, receiver: &str, clean: bool) -> Entry {
        let (mark, tail) = self.sealed;
        let telling = self.telling.as_ref().map(|(_, told)| told.clone()).unwrap_or_default();
        let untold = telling.join(self.untold.clone());
        let over = self.pending.is_empty();
        let (fate, why) = match self.life {
            Life::Finished(_) if over => (Fate::Finished, None),
            Life::Sought { why, .. } | Life::Finished(Before::Sought(why)) => (Fate::Sought, Some(why)),
            Life::Probing(_) | Life::Followed | Life::Finished(Before::Followed) => (Fate::Followed, None),
        };
        Entry {
            receiver: receiver.to_owned(),
            log: self.log.to_string(),
            path: self.path.clone(),
            device: self.inode.device,
            inode: self.inode.number,
            born: self.inode.born,
            packed: self.packed,
            modified: self.modified,
            fate,
            why,
            offset: mark.offset,
            chain: hex(&mark.chain),
            size: match fate {
                _ if clean => self.size,
                Fate::Sought if over => self.size,
                // What was read of it and is on its way may be sealed yet.
                Fate::Sought => mark.offset + self.size.saturating_sub(self.splitter.position()),
                Fate::Followed | Fate::Finished => mark.offset,
            },
            head: self.head(),
            tail,
            quiet: self.quiet && over,
            wide: self.splitter.wide(),
            format: self.format.map(|format| format.name().to_owned()),
            rejected: untold.rejected,
            known: untold.known,
        }
    }

    /// The fingerprint of the beginning, as far as it is sealed.
    #[must_use]
    pub(super) fn head(&self) -> Fingerprint {
        if self.head.is_empty() {
            return self.known;
        }
        let sealed = usize::try_from(self.sealed.0.offset).unwrap_or(usize::MAX);
        Fingerprint::of(&self.head[..self.head.len().min(sealed)])
    }

    /// The directory that it really is in.
    #[must_use]
    pub(super) fn directory(&self) -> &Path {
        self.real.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the content that was read begins with what `head` was made of.
    #[must_use]
    pub(super) fn head_begins_with(&self, head: &Fingerprint) -> bool {
        if self.head.is_empty() { self.known == *head } else { head.begins(&self.head) }
    }

    /// Whether a file in this state was compared with what was read.
    #[must_use]
    pub(super) fn is_compared(&self, facts: &Facts) -> bool {
        self.compared == Some((facts.size, facts.modified, facts.changed))
    }

    /// A packed file that can't be unpacked further: it is cut, or it is none.
    #[must_use]
    pub(super) fn is_damaged(&self) -> bool {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        self.packed && matches!(self.trouble, Some(UnexpectedEof | InvalidData | InvalidInput))
    }

    /// Up to where everything is on disk.
    #[must_use]
    pub(super) fn sealed(&self) -> Mark {
        self.sealed.0
    }

    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.source.is_some()
    }

    /// Whether a packed file is being unpacked.
    #[must_use]
    pub(super) fn unpacks(&self) -> bool {
        let open = match &self.life {
            Life::Probing(probe) => probe.is_open(),
            _ => self.is_open(),
        };
        self.packed && open
    }

    /// Lets the file go; it is opened again when there is something to read.
    pub(super) fn close(&mut self) {
        self.source = None;
    }

    /// Handed over and not answered.
    #[must_use]
    pub(super) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Opens the file if need be; what is at the path must be the inode that is followed.
    ///
    /// # Errors
    /// What the system says; `NotFound` when another file is there.
    pub(super) fn open(&mut self) -> io::Result<Facts> {
        if let Some(source) = &self.source {
            return source.facts();
        }
        let (source, facts) = Source::open(&self.path, self.packed)?;
        if facts.inode != self.inode {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name now"));
        }
        self.source = Some(source);
        Ok(facts)
    }

    /// What an earlier run read must still be there, or how it was lost is said; takes the beginning into
    /// memory.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn resume(&mut self) -> io::Result<Result<(), Why>> {
        let facts = self.open()?;
        let (head, tail, offset) = (self.known, self.sealed.1, self.sealed.0.offset);
        if self.packed {
            // It is compared as it is read: the chain has to be met again.
            return Ok(Ok(()));
        }
        if facts.size < offset {
            return Ok(Err(Why::Truncated));
        }
        let mut beginning = vec![0; head.length as usize];
        let mut ending = vec![0; tail.length as usize];
        let Some(source) = &mut self.source else { return Ok(Err(Why::Gone)) };
        let read = source.read(0, &mut beginning)?;
        let same = read == beginning.len() && (beginning.is_empty() || Fingerprint::of(&beginning) == head);
        let read = source.read(offset - u64::from(tail.length).min(offset), &mut ending)?;
        let same = same && read == ending.len() && (ending.is_empty() || Fingerprint::of(&ending) == tail);
        if !same {
            return Ok(Err(Why::Rewritten));
        }
        self.head = beginning;
        self.tail = ending;
        self.size = self.size.max(facts.size);
        self.again = facts.size;
        Ok(Ok(()))
    }

    /// Goes on behind what another content's reader had: everything before is sealed.
    pub(super) fn go_on(
        &mut self,
        mark: Mark,
        told: (Option<Format>, Option<Wide>),
        head: Vec<u8>,
        max: usize,
    ) {
        self.format = told.0;
        self.splitter = Splitter::new(mark, max).of_width(told.1);
        self.sealed = (mark, Fingerprint::default());
        self.size = self.size.max(mark.offset);
        self.head = head;
        self.tail.clear();
        self.again = u64::MAX;
        self.life = Life::Followed;
    }

    /// How many bytes could be read now; `None` when the file has none that are new.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn look(&mut self) -> io::Result<Result<usize, Turn>> {
        let facts = self.open()?;
        if self.packed {
            return Ok(Ok(BLOCK));
        }
        let position = self.splitter.position();
        let state = (facts.size, facts.modified, facts.changed);
        if facts.size < position {
            return Ok(Err(Turn::Replaced(Why::Truncated)));
        }
        if facts.size == position {
            if self.compared == Some(state) {
                return Ok(Err(Turn::Idle));
            }
            let same = self.is_there()?;
            self.compared = same.then_some(state);
            return Ok(Err(if same { Turn::Idle } else { Turn::Replaced(Why::Rewritten) }));
        }
        let news = usize::try_from(facts.size - position).unwrap_or(usize::MAX);
        Ok(Ok(news.min(BLOCK)))
    }

    /// Notes how large the content is, although it can't be read now: should it be lost, that is known.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn measure(&mut self) -> io::Result<()> {
        if self.packed || !self.is_there()? {
            return Ok(());
        }
        let facts = self.open()?;
        self.size = self.size.max(facts.size);
        Ok(())
    }

    /// Reads at most `buffer`'s length of what is new into `out`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn read(&mut self, buffer: &mut [u8], out: &mut Lines) -> io::Result<Turn> {
        let position = self.splitter.position();
        let Some(source) = &mut self.source else { return Ok(Turn::Idle) };
        let read = source.read(position, buffer)?;
        if self.packed {
            self.size = self.size.max(position + read as u64);
        } else {
            let facts = source.facts()?;
            if facts.size < position + read as u64 {
                return Ok(Turn::Replaced(Why::Truncated));
            }
            if !self.is_there()? {
                return Ok(Turn::Replaced(Why::Rewritten));
            }
            // Nothing can show that a content is still the same before some of it was read.
            self.size = if position == 0 { facts.size } else { self.size.max(facts.size) };
        }
        if read == 0 {
            return Ok(if self.packed { Turn::End } else { Turn::Idle });
        }
        self.take(&buffer[..read], out);
        self.grew = Instant::now();
        self.quiet = false;
        Ok(Turn::Read)
    }

    fn take(&mut self, block: &[u8], out: &mut Lines) {
        let room = self.fingerprint.saturating_sub(self.head.len());
        if self.splitter.position() == self.head.len() as u64 {
            self.head.extend_from_slice(&block[..block.len().min(room)]);
        }
        let passed = self.pass_over(block);
        self.splitter.push(&block[passed..], out);
        if block.len() >= TAIL {
            self.tail.clear();
        } else {
            let excess = (self.tail.len() + block.len()).saturating_sub(TAIL);
            self.tail.drain(..excess.min(self.tail.len()));
        }
        self.tail.extend_from_slice(&block[block.len().saturating_sub(TAIL)..]);
    }

    fn pass_over(&mut self, block: &[u8]) -> usize {
        if self.pass_to == 0 {
            return 0;
        }
        let mut passed = self.splitter.skip_to(block, self.pass_to);
        if self.splitter.position() < self.pass_to {
            return passed;
        }
        if self.splitter.within_line() {
            passed += self.splitter.skip_line(&block[passed..]);
        }
        if !self.splitter.within_line() {
            self.pass_to = 0;
        }
        passed
    }

    /// Whether the file still has the bytes that were read: the first ones and the last ones.
    fn is_there(&mut self) -> io::Result<bool> {
        let position = self.splitter.position();
        let Some(source) = &mut self.source else { return Ok(false) };
        let mut there = vec![0; self.head.len().max(self.tail.len())];
        let ending = position - (self.tail.len() as u64).min(position);
        for (own, offset) in [(&self.head, 0), (&self.tail, ending)] {
            let there = &mut there[..own.len()];
            if source.read(offset, there)? < own.len() || *there != own[..] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is in the file by now is passed over, with the line that it ends in.
    pub(super) fn pass(&mut self, to: u64) {
        self.pass_to = to;
        self.passes = true;
    }

    /// Notes that what was read so far is handed over; returns its number.
    pub(super) fn hand_over(&mut self) -> u64 {
        self.serial += 1;
        let mark = self.splitter.mark();
        // `tail` also has the bytes of a line that is not whole; the fingerprint covers only what lies before it.
        let beyond = usize::try_from(self.splitter.position() - mark.offset).unwrap_or(usize::MAX);
        let tail = Fingerprint::of(&self.tail[..self.tail.len().saturating_sub(beyond)]);
        self.pending.push_back(Pending { serial: self.serial, mark, tail, done: false });
        self.serial
    }

    /// What is not told yet of its lines, to be told by what is handed over next.
    pub(super) fn tell(&mut self) -> Option<Untold> {
        if self.telling.is_some() || self.untold.is_empty() {
            return None;
        }
        let untold = std::mem::take(&mut self.untold);
        self.telling = Some((self.serial + 1, untold.clone()));
        Some(untold)
    }

    /// Notes an answer; whether the sealed part grew.
    pub(super) fn answered(&mut self, serial: u64) -> bool {
        if let Some(own) = self.pending.iter_mut().find(|own| own.serial == serial) {
            own.done = true;
        }
        let mut grew = false;
        while let Some(first) = self.pending.pop_front_if(|first| first.done) {
            self.sealed = (first.mark, first.tail);
            self.telling.take_if(|(by, _)| *by == first.serial);
            grew = true;
        }
        grew
    }

    /// Nothing is kept but what a content is recognised by.
    pub(super) fn finish(&mut self) {
        let before = match self.life {
            Life::Sought { why, .. } => Before::Sought(why),
            Life::Finished(before) => before,
            Life::Probing(_) | Life::Followed => Before::Followed,
        };
        self.source = None;
        self.known = self.head();
        (self.head, self.tail) = (Vec::new(), Vec::new());
        self.splitter = Splitter::new(self.splitter.mark(), 0).of_width(self.splitter.wide());
        self.life = Life::Finished(before);
        self.due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::position::{Known, Rejected};
    use super::*;

    #[test]
    fn what_is_told_and_not_sealed_is_told_again() {
        let inode = Inode { device: 1, number: 2, born: 3 };
        let mut file = Follower::new(0, "/a.log".into(), Path::new("/a.log"), inode, false, (1024, 1024));
        let of = |lines| Untold {
            rejected: Some(Rejected { lines, first: 0, last: 9, reason: "x".into() }),
            known: Some(Known { lines: 2 * lines, first: 0, last: 9 }),
        };
        let entry = |file: &Follower| {
            let Entry { rejected, known, .. } = file.entry("file_log", false);
            Untold { rejected, known }
        };
        file.untold = of(2);
        assert_eq!(file.tell(), Some(of(2)));
        let serial = file.hand_over();
        file.untold = of(1);
        assert_eq!(file.tell(), None, "one after the other");
        assert_eq!(entry(&file), of(3));
        assert!(file.answered(serial));
        assert_eq!(entry(&file), of(1));
        assert_eq!(file.tell(), Some(of(1)));
    }

    #[test]
    fn what_is_read_and_not_sealed_is_not_over() {
        let sought = Life::Sought { why: Why::Truncated, since: Instant::now(), looks: 3 };
        for (life, before) in
            [(Life::Followed, (Fate::Followed, None)), (sought, (Fate::Sought, Some(Why::Truncated)))]
        {
            let inode = Inode { device: 1, number: 2, born: 3 };
            let mut file =
                Follower::new(0, "/a.log".into(), Path::new("/a.log.1.gz"), inode, true, (1024, 1024));
            file.life = life;
            file.quiet = true;
            let serial = file.hand_over();
            file.finish();
            let entry = file.entry("file_log", true);
            assert_eq!(((entry.fate, entry.why), entry.quiet), (before, false));
            assert!(file.answered(serial));
            let entry = file.entry("file_log", true);
            assert_eq!(((entry.fate, entry.why), entry.quiet), ((Fate::Finished, None), true));
        }
    }
}
