//! The body of the fuzz target of a damaged journal; a test of the usual suite runs this body as well. The
//! bytes tell what stands in the two segments. Every whole entry of a segment's epoch is replayed, in the order of
//! writing, whatever lies between them; what does is told as damage, and a journal that was started again is
//! empty.

use halod_chain::disk::Disk;
use halod_chain::journal::Journal;
use halod_chain::setaside::SetAside;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SIZE: usize = 1 << 20;
const HEADER: usize = 512;
const MAGIC: &[u8; 4] = b"HWAL";

/// Nothing here has to outlive the process.
#[derive(Debug)]
struct Unsynced;

impl Disk for Unsynced {
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// What is replayed: an offset and the bytes that belong there.
type Replayed = Vec<(u64, Vec<u8>)>;

/// The segments are written to `directory`. How many sections are replayed.
pub(crate) fn journal(data: &[u8], directory: &Path) -> usize {
    let (first, second) = data.split_at(data.len() / 2);
    let segments = [Segment::read(first), Segment::read(second)];
    for (segment, name) in segments.iter().zip(["0.wal", "1.wal"]) {
        let path: PathBuf = directory.join(name);
        fs::write(&path, &segment.bytes).expect("there is room");
        let file = File::options().write(true).open(&path).expect("it was written");
        file.set_len(SIZE as u64).expect("there is room");
    }
    let [first, second] = &segments;
    let order = if first.epoch < second.epoch { [first, second] } else { [second, first] };
    let expected: Replayed = order.into_iter().flat_map(|segment| segment.sections.clone()).collect();
    let damage: usize = segments.iter().map(Segment::damage).sum();

    let (mut journal, replayed) = open(directory);
    assert_eq!(replayed, expected);
    assert_eq!(journal.damage().len(), damage, "{:?}", journal.damage());
    journal.start().expect("it can be written");
    drop(journal);
    let (journal, replayed) = open(directory);
    assert_eq!((replayed.len(), journal.damage()), (0, &[][..]));
    expected.len()
}

fn open(directory: &Path) -> (Journal, Replayed) {
    let set_aside = SetAside::open(directory).expect("there is room");
    let mut replayed = Vec::new();
    let journal = Journal::open(directory, directory, 0, Arc::new(Unsynced), set_aside, &mut |section| {
        assert_eq!(section.stem, "acme");
        replayed.push((section.offset, section.bytes.to_vec()));
        Ok(false)
    });
    (journal.expect("damage keeps no journal from opening"), replayed)
}

/// A segment as it is on disk, and what a reader is to find in it.
struct Segment {
    bytes: Vec<u8>,
    /// That of the header, or of the newest whole entry if the header is damaged.
    epoch: u64,
    sections: Replayed,
    headless: bool,
    /// Something that is no whole entry of the epoch stands before one.
    holes: bool,
}

impl Segment {
    /// The first byte is the epoch, the second says whether the header is damaged. Then each two bytes tell the
    /// kind and length of what follows.
    fn read(data: &[u8]) -> Self {
        let Some(([epoch, header], mut rest)) = data.split_first_chunk::<2>() else { return Self::unused() };
        let (stated, headless) = (u64::from(*epoch), header % 4 == 3);
        let mut bytes = head(stated, headless);
        // Each with its epoch and where it stands.
        let mut entries = Vec::new();
        while let Some(([kind, len], after)) = rest.split_first_chunk::<2>() {
            let (content, after) = after.split_at(usize::from(*len).min(after.len()));
            rest = after;
            let at = bytes.len();
            let epoch = if kind % 4 == 1 { stated.saturating_sub(1) } else { stated };
            match kind % 4 {
                2 => bytes.extend(content),
                damaged => {
                    let mut entry = entry(epoch, at as u64, content);
                    if damaged == 3 {
                        entry[4] ^= 1;
                    } else {
                        entries.push((epoch, at, entry.len(), content.to_vec()));
                    }
                    bytes.extend(entry);
                }
            }
        }
        let newest = entries.iter().map(|(epoch, ..)| *epoch).max().unwrap_or(0);
        let epoch = if headless { newest } else { stated };
        let (mut end, mut holes, mut sections) = (HEADER, false, Vec::new());
        for (_, at, len, content) in entries.into_iter().filter(|(of, ..)| *of == epoch && epoch > 0) {
            holes |= at > end;
            end = at + len;
            sections.push((at as u64, content));
        }
        Self { bytes, epoch, sections, headless, holes }
    }

    /// How many things are told of it.
    fn damage(&self) -> usize {
        usize::from(self.headless) + usize::from(self.holes)
    }

    fn unused() -> Self {
        Self { bytes: Vec::new(), epoch: 0, sections: Vec::new(), headless: false, holes: false }
    }
}

fn head(epoch: u64, damaged: bool) -> Vec<u8> {
    let mut head = vec![0; HEADER];
    head[..8].copy_from_slice(b"halodwal");
    head[8] = 1;
    head[16..24].copy_from_slice(&epoch.to_le_bytes());
    let sum = crc32fast::hash(&head[16..24]) ^ u32::from(damaged);
    head[12..16].copy_from_slice(&sum.to_le_bytes());
    head
}

/// An entry with one section.
fn entry(epoch: u64, offset: u64, content: &[u8]) -> Vec<u8> {
    let stem = b"acme";
    let mut section = (stem.len() as u16).to_le_bytes().to_vec();
    section.extend((content.len() as u32).to_le_bytes());
    section.extend(offset.to_le_bytes());
    section.extend(stem);
    section.extend(content);
    let mut rest = epoch.to_le_bytes().to_vec();
    rest.extend((section.len() as u64).to_le_bytes());
    rest.extend(section);
    [&MAGIC[..], &crc32fast::hash(&rest).to_le_bytes(), &rest].concat()
}
