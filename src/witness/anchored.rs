//! What a witness was sent of each chain: the most records, on disk.
//!
//! A file that grows by a frame for each anchor: slot, number of records, CRC-32. Before the frames stands whose it is: the SHA-256
//! of the witness' address. What a crash cut short was not sent, or is sent again.

use halod_chain::disk::{open_append, replace};
use halod_evidence::Hash;
use halod_record::hash::sha256;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of a frame.
const FRAME: usize = 32 + 8 + 4;

/// Frames beyond those that count, before the file is written anew.
const SLACK: usize = 10_000;

/// The memory of what one witness was sent.
#[derive(Debug)]
pub(super) struct Anchored {
    path: PathBuf,
    file: File,
    whose: Hash,
    frames: usize,
    of: HashMap<Hash, u64>,
}

impl Anchored {
    /// Opens what is known of the witness at an address; nothing is of another one.
    pub(super) fn open(path: &Path, address: &str) -> io::Result<Self> {
        let whose = sha256(address.as_bytes());
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let (of, frames, whole) = read(&bytes, &whose);
        let mut own = Self { path: path.to_owned(), file: open_append(path)?, whose, frames, of };
        if whole != bytes.len() || bytes.is_empty() {
            own.rewrite()?;
        }
        Ok(own)
    }

    /// The most records that were sent of a chain; 0 for none.
    pub(super) fn most(&self, slot: &Hash) -> u64 {
        self.of.get(slot).copied().unwrap_or(0)
    }

    /// The witness has so many records of a chain; on disk when this returns.
    pub(super) fn set(&mut self, slot: Hash, count: u64) -> io::Result<()> {
        // Whatever becomes of the file, this run remembers it.
        self.of.insert(slot, count);
        if self.frames > 2 * self.of.len() + SLACK {
            return self.rewrite();
        }
        let written = self.file.write_all(&frame(&slot, count)).and_then(|()| self.file.sync_data());
        // A part of it may be there: the file is written anew then.
        self.frames = if written.is_ok() { self.frames + 1 } else { usize::MAX };
        written
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = self.whose.to_vec();
        self.of.iter().for_each(|(slot, count)| bytes.extend(frame(slot, *count)));
        replace(&self.path, &bytes)?;
        self.file = open_append(&self.path)?;
        self.frames = self.of.len();
        Ok(())
    }
}

fn frame(slot: &Hash, count: u64) -> Vec<u8> {
    let frame = [&slot[..], &count.to_be_bytes()].concat();
    let crc = crc32fast::hash(&frame);
    [&frame[..], &crc.to_be_bytes()].concat()
}

/// The counts of a file of this witness', its frames, and how many of its bytes are whole.
fn read(bytes: &[u8], whose: &Hash) -> (HashMap<Hash, u64>, usize, usize) {
    let mut of = HashMap::new();
    let Some(rest) = bytes.strip_prefix(whose) else { return (of, 0, 0) };
    let mut frames = 0;
    for bytes in rest.chunks_exact(FRAME) {
        let parts = bytes.split_first_chunk::<32>().and_then(|(slot, rest)| {
            let (count, crc) = rest.split_first_chunk::<8>()?;
            Some((*slot, u64::from_be_bytes(*count), crc))
        });
        let Some((slot, count, crc)) = parts else { break };
        if *crc != crc32fast::hash(&bytes[..FRAME - 4]).to_be_bytes() {
            break;
        }
        let most = of.entry(slot).or_insert(0);
        *most = count.max(*most);
        frames += 1;
    }
    (of, frames, whose.len() + frames * FRAME)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_remembered_over_crashes_and_of_one_witness() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchored");
        let open = |address: &str| Anchored::open(&path, address).unwrap();
        let mut known = open("https://w.example");
        assert_eq!(known.most(&[1; 32]), 0);
        for count in 1..=100 {
            known.set([1; 32], count).unwrap();
        }
        known.set([2; 32], 7).unwrap();
        drop(known);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=FRAME {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut known = open("https://w.example");
            assert_eq!(
                (known.most(&[1; 32]), known.most(&[2; 32])),
                (100, if cut == 0 { 7 } else { 0 }),
                "{cut}"
            );
            known.set([3; 32], 1).unwrap();
            assert_eq!(open("https://w.example").most(&[3; 32]), 1, "{cut}");
        }
        assert_eq!(open("https://other.example").most(&[1; 32]), 0);
        assert_eq!(open("https://w.example").most(&[1; 32]), 0, "another witness' memory took its place");
    }

    #[test]
    fn the_file_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anchored");
        let mut known = Anchored::open(&path, "w").unwrap();
        known.frames = 2 * 2 + SLACK;
        known.set([1; 32], 5).unwrap();
        known.set([1; 32], 6).unwrap();
        known.set([1; 32], 7).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 4 * FRAME as u64 + 32);
        assert_eq!(Anchored::open(&path, "w").unwrap().most(&[1; 32]), 7);
    }
}
