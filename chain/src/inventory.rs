//! Which chains a directory has, read from their files alone.

use halod_record::parse::{Subject, scan_line};
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of a line that are kept; what is longer is no record.
const LONGEST: usize = 64 << 20;

/// One file of a directory that is called as chains are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFile {
    pub path: PathBuf,
    /// Its name without `.jsonl`.
    pub stem: String,
    pub bytes: u64,
    pub modified: SystemTime,
}

/// What a chain's file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub records: u64,
    /// Lines that are no records.
    pub torn: u64,
    /// Whose the first record is.
    pub tenant: Option<Tenant>,
    /// When the first record and the last say that they were sealed.
    pub first: Option<String>,
    pub last: Option<String>,
    /// The hash of the last record.
    pub head: Option<String>,
}

/// The files of a directory that are called as chains are, by their names.
///
/// # Errors
/// The directory can't be read.
pub fn files(directory: &Path) -> io::Result<Vec<ChainFile>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".jsonl").filter(|stem| !stem.starts_with('.')) else { continue };
        // One that goes away meanwhile is none.
        let Ok(found) = fs::symlink_metadata(entry.path()) else { continue };
        if found.is_file() {
            files.push(ChainFile {
                path: entry.path(),
                stem: stem.to_owned(),
                bytes: found.len(),
                modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
    }
    files.sort_unstable_by(|a, b| a.stem.cmp(&b.stem));
    Ok(files)
}

/// Whose the first record of a file is.
///
/// # Errors
/// The file can't be read.
pub fn tenant(path: &Path) -> io::Result<Option<Tenant>> {
    let mut lines = Lines::new(File::open(path)?);
    while let Some(line) = lines.next()? {
        if let Some(facts) = scan_line(line) {
            return Ok(facts.subject.tenant());
        }
    }
    Ok(None)
}

/// Counts the lines from an offset on, as far as they are whole.
///
/// # Errors
/// The file can't be read.
pub fn lines_from(path: &Path, offset: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
    let (mut count, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(read) => {
                let read = buffer.get(..read).unwrap_or_default();
                count += read.iter().filter(|&&byte| byte == b'\n').count() as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads a chain whole. Hashes and links are not checked.
///
/// # Errors
/// The file can't be read.
pub fn read(path: &Path) -> io::Result<Contents> {
    let mut lines = Lines::new(File::open(path)?);
    let mut contents = Contents::default();
    while let Some(line) = lines.next()? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Some(facts) = scan_line(line) else {
            contents.torn += 1;
            continue;
        };
        contents.records += 1;
        if contents.records == 1 && !matches!(facts.subject, Subject::Other) {
            contents.tenant = facts.subject.tenant();
        }
        let at = facts.ts.map(|at| String::from_utf8_lossy(&rfc3339(at.unix_nanos())).into_owned());
        if contents.records == 1 {
            contents.first.clone_from(&at);
        }
        contents.last = at;
        contents.head = Some(facts.hash.into_owned());
    }
    Ok(contents)
}

/// Lines one after the other, each in memory.
struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    fn new(file: File) -> Self {
        Self { reader: BufReader::with_capacity(256 << 10, file), line: Vec::new() }
    }

    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = self.reader.by_ref().take(LONGEST as u64).read_until(b'\n', &mut self.line)?;
        Ok((read > 0).then_some(self.line.as_slice()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_records_are_counted_apart() {
        let dir = tempfile::tempdir().unwrap();
        let line = |n: u32| {
            format!(
                r#"{{"integrity":{{"hash":"{n:064x}"}},"subject":{{"id":"acme"}},"ts":"2026-01-0{n}T00:00:00Z"}}"#
            )
        };
        let text = format!("{}\n{{\"torn\n\n{}\n", line(1), line(2));
        std::fs::write(dir.path().join("acme.jsonl"), &text).unwrap();
        std::fs::write(dir.path().join(".x.jsonl"), "").unwrap();
        std::fs::create_dir(dir.path().join("d.jsonl")).unwrap();
        let files = files(dir.path()).unwrap();
        assert_eq!(files.len(), 1, "{files:?}");
        let file = &files[0];
        assert_eq!((&*file.stem, file.bytes), ("acme", text.len() as u64));
        let found = read(&file.path).unwrap();
        assert_eq!((found.records, found.torn), (2, 1));
        assert_eq!(found.tenant, Some(Tenant::stored("acme")));
        assert_eq!(found.head, Some(format!("{:064x}", 2)));
        assert!(
            found.first.unwrap().starts_with("2026-01-01") && found.last.unwrap().starts_with("2026-01-02")
        );
        assert_eq!(tenant(&file.path).unwrap(), Some(Tenant::stored("acme")));
        assert_eq!(lines_from(&file.path, line(1).len() as u64 + 1).unwrap(), 3);
    }
}
