//! The signed checkpoints: the newest in `checkpoint`, all before it in `notes`, each with the cosignatures that came for it.
//!
//! In `notes` one stands behind another, with an empty line at its end. Nothing depends on that file, so it is not synced.

use crate::{TlogError, put};
use halod_chain::disk::{Disk, open_append};
use halod_evidence::note::{Checkpoint, MAX_BYTES, Signature, SignedNote};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of `notes` that are read, from its end: the notes of some two months at one a minute.
const READ: u64 = 64 << 20;

/// The notes of a log: written by who signs, and by those who have its checkpoints cosigned.
#[derive(Debug)]
pub struct Notes {
    own: PathBuf,
    disk: Arc<dyn Disk>,
    turn: Mutex<()>,
}

/// The newest note of a log's directory, if something was signed.
///
/// # Errors
/// It can't be read, or is none.
pub fn newest(log: &Path) -> Result<Option<SignedNote>, TlogError> {
    let path = log.join("checkpoint");
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(TlogError::io("read", &path))?,
    };
    let note = SignedNote::parse(&text).and_then(|note| Checkpoint::parse(&note.text).map(|_| note));
    note.map(Some).map_err(|error| TlogError::damaged(&path, error.to_string()))
}

/// The notes of a log's directory, the newest first; those that are damaged are left out.
///
/// # Errors
/// They can't be read.
pub fn newest_first(log: &Path) -> Result<Vec<SignedNote>, TlogError> {
    let path = log.join("notes");
    let mut notes: Vec<SignedNote> = newest(log)?.into_iter().collect();
    let mut bytes = Vec::new();
    let read = || -> io::Result<()> {
        let mut file = File::open(&path)?;
        let begin = file.metadata()?.len().saturating_sub(READ);
        file.seek(SeekFrom::Start(begin))?;
        file.take(READ).read_to_end(&mut bytes).map(drop)
    };
    let mut read = read;
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(notes),
        read => read.map_err(TlogError::io("read", &path))?,
    }
    let text = String::from_utf8_lossy(&bytes);
    // A text and its signatures have an empty line behind them each. What a crash cut short has none.
    let text = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let mut later = None;
    for part in text.rsplit("\n\n") {
        if part.trim_start_matches('\n').starts_with('\u{2014}') {
            later = Some(part);
        } else if let Some(signatures) = later.take() {
            let note = format!("{}\n\n{signatures}\n", part.trim_start_matches('\n'));
            notes.extend(SignedNote::parse(&note).ok());
        }
    }
    Ok(notes)
}

/// The notes in their order, those of one text in one: a cosignature that came late stands in a note of its own.
#[must_use]
pub fn merged(notes: Vec<SignedNote>) -> Vec<SignedNote> {
    let (mut merged, mut places): (Vec<SignedNote>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for note in notes {
        match places.get(&note.text).and_then(|place| merged.get_mut(*place)) {
            Some(first) => {
                let new = note.signatures.into_iter().filter(|line| !first.signatures.contains(line));
                let new: Vec<Signature> = new.collect();
                first.signatures.extend(new);
            }
            None => {
                places.insert(note.text.clone(), merged.len());
                merged.push(note);
            }
        }
    }
    merged
}

impl Notes {
    #[must_use]
    pub fn new(log: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { own: log.to_owned(), disk, turn: Mutex::default() }
    }

    /// Takes a note that was signed just now. One of the same text stays, with its cosignatures.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn sign(&self, note: &SignedNote) -> Result<(), TlogError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A damaged one is signed anew.
        match newest(&self.own).ok().flatten() {
            Some(old) if old.text == note.text && old.signatures.first() == note.signatures.first() => {
                return Ok(());
            }
            Some(old) => self.keep(&old)?,
            None => {}
        }
        put(&self.own.join("checkpoint"), note.to_string().as_bytes(), &*self.disk)
    }

    /// Takes a cosignature of a note. Of each witness the first and the last one stay.
    ///
    /// # Errors
    /// It can't be written.
    pub fn cosign(&self, note: &SignedNote, line: &Signature) -> Result<(), TlogError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = |one: &Signature| one.name == line.name && one.key_id == line.key_id;
        let newest = newest(&self.own)?.filter(|newest| newest.text == note.text);
        let is_newest = newest.is_some();
        let mut note = newest.unwrap_or_else(|| note.clone());
        let mut before = 0;
        note.signatures.retain(|one| {
            before += usize::from(is_ours(one));
            !is_ours(one) || before == 1
        });
        note.signatures.push(line.clone());
        if is_newest {
            put(&self.own.join("checkpoint"), note.to_string().as_bytes(), &*self.disk)
        } else {
            self.keep(&note)
        }
    }

    fn keep(&self, note: &SignedNote) -> Result<(), TlogError> {
        let path = self.own.join("notes");
        let keep = || -> io::Result<()> {
            let mut file = open_append(&path)?;
            let length = file.metadata()?.len();
            let mut end = Vec::new();
            file.seek(SeekFrom::Start(length.saturating_sub(MAX_BYTES as u64)))?;
            Read::by_ref(&mut file).take(MAX_BYTES as u64).read_to_end(&mut end)?;
            // What a crash cut short goes.
            let whole = end.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
            if whole < end.len() {
                file.set_len(length - (end.len() - whole) as u64)?;
            }
            self.disk.append(&file, format!("{note}\n").as_bytes())
        };
        keep().map_err(TlogError::io("write to", &path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_chain::disk::OsDisk;
    use halod_evidence::note::Signer;
    use ring::signature::Ed25519KeyPair;

    #[test]
    fn notes_are_kept_with_what_came_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let log = Signer::new("log.example/1", pkcs8.as_ref()).unwrap();
        let note = |size: u64| {
            let checkpoint = Checkpoint { origin: "log.example/1".into(), size, root: [7; 32] };
            SignedNote::parse(&log.sign(&checkpoint.text()).unwrap()).unwrap()
        };
        let line = |time: u8| Signature { name: "w".into(), key_id: [1; 4], bytes: vec![time; 72] };
        let notes = Notes::new(dir.path(), Arc::new(OsDisk));
        assert!(newest_first(dir.path()).unwrap().is_empty());
        notes.sign(&note(1)).unwrap();
        for time in 1..4 {
            notes.cosign(&note(1), &line(time)).unwrap();
        }
        notes.sign(&note(1)).unwrap();
        let first = newest(dir.path()).unwrap().unwrap();
        assert_eq!(first.signatures[1..], [line(1), line(3)]);
        notes.sign(&note(2)).unwrap();
        notes.sign(&note(3)).unwrap();
        // A cosignature that came late.
        notes.cosign(&note(2), &line(9)).unwrap();
        let all = newest_first(dir.path()).unwrap();
        let late = all[1].clone();
        assert_eq!((late.text.clone(), &late.signatures[1..]), (note(2).text, &[line(9)][..]));
        assert_eq!(all[0], note(3));
        assert_eq!((&all[2], &all[3]), (&note(2), &first));
        let one = merged(all);
        assert_eq!(one.iter().map(|note| note.signatures.len()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((&one[1].text, &one[1].signatures[1]), (&note(2).text, &line(9)));
        // What a crash cut short is left out.
        let path = dir.path().join("notes");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 30]).unwrap();
        assert_eq!(newest_first(dir.path()).unwrap()[1..], [note(2), first.clone()]);
        notes.sign(&note(4)).unwrap();
        assert_eq!(newest_first(dir.path()).unwrap(), [note(4), note(3), note(2), first]);
    }
}
