//! What was signed of each tenant: its chain's file, and the states of its slot, epoch by epoch.
//!
//! `tenants` has a frame for each slot, as it is seen first: slot, file name, tenant. `epochs/YYYY-MM-DD` (UTC) has a block for each
//! epoch: the states that changed; the first block of a day has all of them. So the newest day tells the states of now, and
//! any day those of its epochs, as far as [`crate::thin`] left them. Blocks and frames end with a CRC-32; integers are in big endian.

use crate::TlogError;
use crate::thin::Spacing;
use halod_chain::disk::{Disk, open_append, sync_dir};
use halod_evidence::Hash;
use halod_evidence::state::{self, State};
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Bytes of a state in a block: slot, state, length of the chain's file.
const ROW: usize = 32 + state::LEN + 8;
/// Bytes before the rows of a block: magic, epoch, whether all slots are in it (1) and how far apart the epochs of its day are (0, 2
/// hours, 4 days), number of rows.
const HEAD: usize = 4 + 8 + 1 + 4;
const CRC: usize = 4;
const MAGIC: &[u8; 4] = b"HEPO";

/// What is on disk of an epoch, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub slot: Hash,
    pub state: State,
    /// Bytes of the chain's file that the state is of; [`RETIRED`] for a chain that ended.
    pub len: u64,
}

/// The length that the book has of a chain that was retired.
pub const RETIRED: u64 = u64::MAX;

/// A slot's name in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub slot: Hash,
    pub stem: Box<str>,
    pub tenant: Tenant,
}

/// The states of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub epoch: u64,
    /// All slots are in it, not only those that changed.
    pub all: bool,
    pub rows: Vec<Row>,
}

impl Block {
    pub(crate) fn bytes(&self, spacing: Spacing) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.rows.len() * ROW + 4);
        bytes.extend(MAGIC);
        bytes.extend(self.epoch.to_be_bytes());
        bytes.push(u8::from(self.all) | spacing.byte() << 1);
        bytes.extend(u32::try_from(self.rows.len()).unwrap_or(u32::MAX).to_be_bytes());
        for Row { slot, state, len } in &self.rows {
            bytes.extend(slot);
            bytes.extend(state.bytes());
            bytes.extend(len.to_be_bytes());
        }
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (&all, rest) = rest.split_first()?;
        let (rows, crc) = rest.get(4..)?.split_last_chunk()?;
        if crc32fast::hash(&bytes[..bytes.len() - CRC]) != u32::from_be_bytes(*crc) {
            return None;
        }
        let row = |row: &[u8]| {
            let (slot, row) = row.split_first_chunk()?;
            let (state, len) = row.split_first_chunk()?;
            Some(Row {
                slot: *slot,
                state: State::read(state),
                len: u64::from_be_bytes(len.try_into().ok()?),
            })
        };
        let rows = rows.chunks_exact(ROW).map(row).collect::<Option<_>>()?;
        Some(Self { epoch: u64::from_be_bytes(*epoch), all: all & 1 != 0, rows })
    }
}

/// The blocks of a day, one at a time.
pub(crate) struct Day {
    reader: BufReader<File>,
    path: PathBuf,
    length: u64,
    /// Where the last whole block ends.
    pub(crate) whole: u64,
    /// How far apart its epochs are, as its last block says.
    pub(crate) spacing: Spacing,
}

impl Day {
    pub(crate) fn open(path: &Path) -> Result<Self, TlogError> {
        let file = File::open(path).map_err(TlogError::io("open", path))?;
        let length = file.metadata().map_err(TlogError::io("read", path))?.len();
        Ok(Self {
            reader: BufReader::new(file),
            path: path.to_owned(),
            length,
            whole: 0,
            spacing: Spacing::All,
        })
    }

    /// The blocks behind a place where one ends.
    pub(crate) fn open_at(path: &Path, at: u64) -> Result<Self, TlogError> {
        let mut own = Self::open(path)?;
        own.reader.seek(SeekFrom::Start(at)).map_err(TlogError::io("read", path))?;
        Ok(Self { whole: at, ..own })
    }

    /// The next block; `None` at the end, and where one was cut short.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, TlogError> {
        let mut bytes = vec![0; HEAD];
        let left = self.length.saturating_sub(self.whole);
        if left < HEAD as u64 {
            return Ok(None);
        }
        let read = TlogError::io("read", &self.path);
        let rest = self.reader.read_exact(&mut bytes).and_then(|()| {
            let rows = bytes.last_chunk().map_or(0, |rows| u32::from_be_bytes(*rows));
            let block = HEAD as u64 + u64::from(rows) * ROW as u64 + CRC as u64;
            if block > left {
                return Ok(false);
            }
            bytes.resize(usize::try_from(block).unwrap_or(HEAD), 0);
            self.reader.read_exact(&mut bytes[HEAD..]).map(|()| true)
        });
        if !rest.map_err(read)? {
            return Ok(None);
        }
        let block = Block::read(&bytes);
        self.spacing = match bytes[HEAD - 5] >> 1 {
            0 => Spacing::All,
            1 => Spacing::Hours,
            _ => Spacing::Days,
        };
        self.whole += if block.is_some() { bytes.len() as u64 } else { 0 };
        Ok(block)
    }
}

impl Day {
    /// Whether nothing is behind what was read.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole == self.length
    }
}

/// The days of which there are blocks, in order.
pub(crate) fn days(log: &Path) -> Result<Vec<PathBuf>, TlogError> {
    let dir = log.join("epochs");
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(TlogError::io("read", &dir))?,
    };
    let mut days = Vec::new();
    for entry in entries {
        let path = entry.map_err(TlogError::io("read", &dir))?.path();
        // What is written anew has another ending until it is whole.
        days.extend(path.extension().is_none().then_some(path));
    }
    days.sort();
    Ok(days)
}

/// Every epoch's states, in order, as far as they are kept.
///
/// # Errors
/// A day can't be read.
pub fn each_epoch(log: &Path, mut each: impl FnMut(Block)) -> Result<(), TlogError> {
    for day in days(log)? {
        let mut day = Day::open(&day)?;
        while let Some(block) = day.next()? {
            each(block);
        }
    }
    Ok(())
}

/// The states of all slots at an epoch; `None` where they are not kept.
///
/// # Errors
/// A day can't be read.
pub fn at_epoch(log: &Path, epoch: u64) -> Result<Option<HashMap<Hash, Row>>, TlogError> {
    for day in days(log)?.iter().rev() {
        let mut day = Day::open(day)?;
        let mut rows = HashMap::new();
        let (mut is_whole, mut last) = (false, 0);
        while let Some(block) = day.next()?.filter(|block| block.epoch <= epoch) {
            is_whole |= block.all;
            last = block.epoch;
            rows.extend(block.rows.into_iter().map(|row| (row.slot, row)));
        }
        if is_whole {
            // Of an epoch between two that are kept nobody knows the states.
            return Ok((last == epoch).then_some(rows));
        }
    }
    Ok(None)
}

/// The slots of a log, by the names of their chains' files.
///
/// # Errors
/// They can't be read.
pub fn names(log: &Path) -> Result<Vec<Named>, TlogError> {
    let path = log.join("tenants");
    match std::fs::read(&path) {
        Ok(bytes) => Ok(read_names(&bytes).0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(TlogError::io("read", &path)(error)),
    }
}

/// The names in a text, and how many bytes of it are whole frames.
pub(crate) fn read_names(bytes: &[u8]) -> (Vec<Named>, usize) {
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some((named, length)) = read_name(&bytes[at..]) {
        names.push(named);
        at += length;
    }
    (names, at)
}

fn read_name(bytes: &[u8]) -> Option<(Named, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (frame, rest) = rest.split_at_checked(length)?;
    let (crc, _) = rest.split_first_chunk()?;
    if crc32fast::hash(frame) != u32::from_be_bytes(*crc) {
        return None;
    }
    let (slot, rest) = frame.split_first_chunk()?;
    let (&stem, rest) = rest.split_first()?;
    let (stem, id) = rest.split_at_checked(stem.into())?;
    let stem = std::str::from_utf8(stem).ok()?.into();
    let tenant = Tenant::stored(std::str::from_utf8(id).ok()?);
    Some((Named { slot: *slot, stem, tenant }, 2 + length + 4))
}

fn name_bytes(named: &Named) -> Option<Vec<u8>> {
    let stem = [u8::try_from(named.stem.len()).ok()?];
    let id = named.tenant.subject().unwrap_or_default();
    let frame = [&named.slot[..], &stem, named.stem.as_bytes(), id.as_bytes()].concat();
    let length = u16::try_from(frame.len()).ok()?;
    Some([&length.to_be_bytes()[..], &frame, &crc32fast::hash(&frame).to_be_bytes()].concat())
}

/// The book of a log that is written.
#[derive(Debug)]
pub struct Book {
    log: PathBuf,
    /// The day whose file is extended, if its file is there.
    day: Option<Box<str>>,
}

/// What a book says.
#[derive(Debug, Default)]
pub struct Opened {
    pub names: Vec<Named>,
    pub rows: HashMap<Hash, Row>,
}

impl Book {
    /// Opens the book as of an epoch, from 1: what was written of the next one was never signed, and goes.
    ///
    /// # Errors
    /// A file can't be read or shortened, or the book knows epochs that the log does not.
    pub fn open(log: &Path, epoch: u64) -> Result<(Self, Opened), TlogError> {
        let mut opened = Opened::default();
        let path = log.join("tenants");
        if let Ok(bytes) = std::fs::read(&path) {
            let (names, whole) = read_names(&bytes);
            opened.names = names;
            shorten(&path, bytes.len() as u64, whole as u64)?;
        }
        let mut own = Self { log: log.to_owned(), day: None };
        for path in days(log)?.into_iter().rev() {
            let mut day = Day::open(&path)?;
            let mut kept = 0;
            while let Some(block) = day.next()? {
                let ahead = block.epoch.saturating_sub(epoch);
                if ahead > 1 {
                    let what = format!(
                        "it knows epoch {}, and the entries of the log end with epoch {}: they were put back to an older copy",
                        block.epoch, epoch
                    );
                    return Err(TlogError::damaged(&path, what));
                }
                if ahead == 0 {
                    kept = day.whole;
                    opened.rows.extend(block.rows.into_iter().map(|row| (row.slot, row)));
                }
            }
            shorten(&path, day.length, kept)?;
            if kept > 0 {
                own.day = path.file_name().map(|name| name.to_string_lossy().into());
                break;
            }
        }
        Ok((own, opened))
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Writes new slots down; they are on disk when this returns.
    ///
    /// # Errors
    /// They are not.
    pub fn add_names(&self, names: &[Named], disk: &dyn Disk) -> Result<(), TlogError> {
        let bytes: Vec<u8> = names.iter().filter_map(name_bytes).flatten().collect();
        if bytes.is_empty() { Ok(()) } else { self.extend(&self.log.join("tenants"), &bytes, disk) }
    }

    /// Whether the next epoch, at this time, has to have all slots.
    #[must_use]
    pub fn begins_day(&self, millis: u64) -> bool {
        self.day.as_deref() != Some(&*self.day_of(millis))
    }

    /// The day, in UTC, of an epoch at this time: never before that of the epoch before.
    fn day_of(&self, millis: u64) -> Box<str> {
        let text = rfc3339(millis.saturating_mul(1_000_000));
        let day: Box<str> = std::str::from_utf8(&text[..10]).unwrap_or_default().into();
        self.day.clone().map_or(day.clone(), |last| last.max(day))
    }

    /// Writes an epoch down; it is on disk when this returns.
    ///
    /// # Errors
    /// It is not.
    pub fn add(&mut self, millis: u64, block: &Block, disk: &dyn Disk) -> Result<(), TlogError> {
        let dir = self.log.join("epochs");
        let day = self.day_of(millis);
        if self.begins_day(millis) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .map_err(TlogError::io("make", &dir))?;
        }
        self.extend(&dir.join(&*day), &block.bytes(Spacing::All), disk)?;
        self.day = Some(day);
        Ok(())
    }

    fn extend(&self, path: &Path, bytes: &[u8], disk: &dyn Disk) -> Result<(), TlogError> {
        let is_new = !path.exists();
        let file = open_append(path).map_err(TlogError::io("open", path))?;
        disk.append(&file, bytes).map_err(TlogError::io("write to", path))?;
        disk.sync(&file).map_err(TlogError::io("sync", path))?;
        if is_new {
            let dir = path.parent().unwrap_or(&self.log);
            sync_dir(dir).and_then(|()| sync_dir(&self.log)).map_err(TlogError::io("sync", dir))?;
        }
        Ok(())
    }
}

fn shorten(path: &Path, length: u64, whole: u64) -> Result<(), TlogError> {
    if length == whole {
        return Ok(());
    }
    let shorten = || -> io::Result<()> { File::options().write(true).open(path)?.set_len(whole) };
    shorten().map_err(TlogError::io("shorten", path))
}
