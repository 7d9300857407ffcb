//! The book as it is followed beside who writes it: what became of each slot since the last look.
//!
//! A look costs what changed: of the newest day what is new in it, and all slots once a day. Of what is not signed yet nothing
//! is told.

use crate::TlogError;
use crate::book::{Day, Named, Row, days, read_names};
use crate::entries::EntriesReader;
use crate::log::place;
use crate::notes;
use halod_evidence::entry::Epoch;
use halod_evidence::note::Checkpoint;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where the last look ended.
#[derive(Debug)]
pub struct Follower {
    own: PathBuf,
    /// Bytes of `tenants` that were read.
    names: u64,
    /// The day whose blocks were read last, and up to where.
    at: Option<(PathBuf, u64)>,
}

/// The epoch that was signed last, from the log's entries; `None` where nothing was. All entries are read for it.
///
/// # Errors
/// They can't be read, or are damaged.
pub fn signed_epoch(directory: &Path) -> Result<Option<u64>, TlogError> {
    let own = place(directory);
    let Some(note) = notes::newest(&own)? else { return Ok(None) };
    let checkpoint = Checkpoint::parse(&note.text)
        .map_err(|error| TlogError::damaged(&own.join("checkpoint"), error.to_string()))?;
    let entries = EntriesReader::open(&own, checkpoint.size)?;
    for index in (0..entries.len()).rev() {
        if let Some(epoch) = Epoch::read(&entries.entry(index)?) {
            return Ok(Some(epoch.epoch));
        }
    }
    Ok(None)
}

impl Follower {
    /// Of the log of a directory, from its beginning.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { own: place(directory), names: 0, at: None }
    }

    /// Tells the slots that are new since the last look, and then the states that slots had at the epochs since then, up to
    /// `epoch`, which is signed: later ones of a slot after earlier ones. The first look tells what is kept of the newest day.
    ///
    /// # Errors
    /// The book can't be read. What was told by then may be told again.
    pub fn look(
        &mut self,
        epoch: u64,
        mut named: impl FnMut(Named),
        mut row: impl FnMut(Row),
    ) -> Result<(), TlogError> {
        self.names(&mut named)?;
        let mut days = days(&self.own)?;
        match &self.at {
            Some((last, _)) => days.retain(|day| day >= last),
            None => days = from_newest(days, epoch)?,
        }
        for path in days {
            let begin = self.at.as_ref().filter(|(last, _)| *last == path).map_or(0, |(_, at)| *at);
            let mut day = Day::open_at(&path, begin)?;
            let mut end = begin;
            // An epoch that was not signed may be taken back.
            while let Some(block) = day.next()?.filter(|block| block.epoch <= epoch) {
                end = day.whole;
                block.rows.into_iter().for_each(&mut row);
            }
            if end > begin {
                self.at = Some((path, end));
            }
        }
        Ok(())
    }

    fn names(&mut self, named: &mut impl FnMut(Named)) -> Result<(), TlogError> {
        let path = self.own.join("tenants");
        let mut bytes = Vec::new();
        let mut read = || -> io::Result<()> {
            let mut file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                file => file?,
            };
            file.seek(SeekFrom::Start(self.names))?;
            file.read_to_end(&mut bytes).map(drop)
        };
        read().map_err(TlogError::io("read", &path))?;
        let (names, whole) = read_names(&bytes);
        names.into_iter().for_each(named);
        self.names += whole as u64;
        Ok(())
    }
}

/// The newest day that has a signed epoch, and those after it. A day begins with all slots.
fn from_newest(days: Vec<PathBuf>, epoch: u64) -> Result<Vec<PathBuf>, TlogError> {
    for (at, path) in days.iter().enumerate().rev() {
        if Day::open_at(path, 0)?.next()?.is_some_and(|block| block.epoch <= epoch) {
            return Ok(days[at..].to_vec());
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::book::{Block, Book};
    use halod_chain::disk::OsDisk;
    use halod_evidence::state::State;
    use halod_record::tenant::Tenant;

    const DAY: u64 = 86_400_000;

    fn row(slot: u8, count: u64) -> Row {
        let state =
            State { generation: 0, before: [0; 32], count, head: [slot; 32], first: [9; 32], root: [8; 32] };
        Row { slot: [slot; 32], state, len: count * 100 }
    }

    fn look(follower: &mut Follower, epoch: u64) -> (Vec<String>, Vec<(u8, u64)>) {
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        follower
            .look(
                epoch,
                |named| names.push(named.stem.into()),
                |row| rows.push((row.slot[0], row.state.count)),
            )
            .unwrap();
        (names, rows)
    }

    #[test]
    fn what_is_signed_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = place(dir.path());
        std::fs::create_dir_all(&log).unwrap();
        let (mut book, _) = Book::open(&log, 0).unwrap();
        let mut follower = Follower::new(dir.path());
        assert_eq!(look(&mut follower, 0), (vec![], vec![]));
        let name = |slot: u8| {
            let stem: Box<str> = format!("t{slot}").into();
            Named { slot: [slot; 32], tenant: Tenant::stored(&stem), stem }
        };
        book.add_names(&[name(1), name(2)], &OsDisk).unwrap();
        let add = |book: &mut Book, millis, epoch, all, rows: &[(u8, u64)]| {
            let rows = rows.iter().map(|(slot, count)| row(*slot, *count)).collect();
            book.add(millis, &Block { epoch, all, rows }, &OsDisk).unwrap();
        };
        add(&mut book, 1, 1, true, &[(1, 3), (2, 5)]);
        // It is on disk, and not signed yet.
        let names = vec!["t1".to_owned(), "t2".to_owned()];
        assert_eq!(look(&mut follower, 0), (names, vec![]));
        assert_eq!(look(&mut follower, 1), (vec![], vec![(1, 3), (2, 5)]));
        add(&mut book, 2, 2, false, &[(1, 4)]);
        book.add_names(&[name(3)], &OsDisk).unwrap();
        add(&mut book, DAY, 3, true, &[(1, 4), (2, 5), (3, 1)]);
        assert_eq!(look(&mut follower, 2), (vec!["t3".to_owned()], vec![(1, 4)]));
        // The third epoch was never signed: it is taken back, and comes again.
        let (mut book, _) = Book::open(&log, 2).unwrap();
        assert_eq!(look(&mut follower, 2), (vec![], vec![]));
        add(&mut book, DAY, 3, true, &[(1, 6), (2, 5), (3, 2)]);
        assert_eq!(look(&mut follower, 3), (vec![], vec![(1, 6), (2, 5), (3, 2)]));
        add(&mut book, DAY + 1, 4, false, &[(2, 7)]);
        assert_eq!(look(&mut follower, 4), (vec![], vec![(2, 7)]));
        assert_eq!(look(&mut follower, 4), (vec![], vec![]));
        // Who comes anew learns of the newest day only.
        let (names, rows) = look(&mut Follower::new(dir.path()), 4);
        assert_eq!((names.len(), rows), (3, vec![(1, 6), (2, 5), (3, 2), (2, 7)]));
        let (_, rows) = look(&mut Follower::new(dir.path()), 2);
        assert_eq!(rows, [(1, 3), (2, 5), (1, 4)]);
    }
}
