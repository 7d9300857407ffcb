//! `.halo_leads.jsonl`: who saw which chain, and in which state it was then.

use super::AccessError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub const NAME: &str = ".halo_leads.jsonl";

/// Bytes of a line; ours have a few hundred.
const LINE: u64 = 64 << 10;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub email: String,
    pub chain: String,
    #[serde(default)]
    pub subject: String,
    pub ts: String,
    /// What was shown; the reference knows no such key.
    #[serde(default, rename = "halod", skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// Whatever else is there.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The state that somebody saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How the address was shown to be theirs: `code`, `proxy` or `unverified`.
    pub by: String,
    /// Records of the chain, and the hash of the last one.
    pub count: u64,
    pub head: Option<String>,
    /// Entries and root of the signed log's newest checkpoint, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// All that could be read, and the number of the first line that could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    pub seen: u64,
    pub first_bad: Option<u64>,
    pub bad: u64,
}

/// Notes that somebody saw a chain.
///
/// # Errors
/// The file can't be written.
pub fn append(directory: &Path, view: &View) -> Result<(), AccessError> {
    let path = directory.join(NAME);
    let write = || -> io::Result<()> {
        let mut file = File::options().create(true).append(true).read(true).mode(0o600).open(&path)?;
        let mut line = serde_json::to_string(view).unwrap_or_default();
        line.push('\n');
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            line.insert(0, '\n');
        }
        // One write, so that no other line comes in between.
        file.write_all(line.as_bytes())
    };
    write().map_err(AccessError::io("write", &path))
}

/// Reads who saw what, in the order of the file.
///
/// # Errors
/// The file can't be read, or `each` fails.
pub fn read(directory: &Path, mut each: impl FnMut(&View) -> io::Result<()>) -> Result<Views, AccessError> {
    let path = directory.join(NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Views::default()),
        Err(error) => return Err(AccessError::io("read", &path)(error)),
    };
    let (mut reader, mut line, mut views, mut number) =
        (BufReader::new(file), Vec::new(), Views::default(), 0);
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE).read_until(b'\n', &mut line);
        if read.map_err(AccessError::io("read", &path))? == 0 {
            return Ok(views);
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<View>(&line) {
            Ok(view) => {
                views.seen += 1;
                each(&view).map_err(AccessError::io("tell what is in", &path))?;
            }
            Err(_) => {
                views.bad += 1;
                views.first_bad.get_or_insert(number);
                if !line.ends_with(b"\n") {
                    reader.skip_until(b'\n').map_err(AccessError::io("read", &path))?;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn view(email: &str) -> View {
        let shown = Shown { by: "code".into(), count: 3, head: None, size: None, root: None };
        View {
            email: email.into(),
            chain: "acme".into(),
            subject: "acme".into(),
            ts: "2026-12-01T00:00:00Z".into(),
            shown: Some(shown),
            more: Map::new(),
        }
    }

    #[test]
    fn lines_come_back_and_bad_ones_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        assert_eq!(read(dir, |_| Ok(())).unwrap(), Views::default());
        append(dir, &view("a@x.com")).unwrap();
        let mut file = File::options().append(true).open(dir.join(NAME)).unwrap();
        file.write_all(&[b"{\"email\":\"".to_vec(), vec![b'x'; 200_000], b"\"}\n{torn".to_vec()].concat())
            .unwrap();
        append(dir, &view("b@x.com")).unwrap();
        let mut seen = Vec::new();
        let views = read(dir, |view| {
            seen.push(view.clone());
            Ok(())
        });
        assert_eq!(views.unwrap(), Views { seen: 2, first_bad: Some(2), bad: 2 });
        assert_eq!(seen, [view("a@x.com"), view("b@x.com")]);
    }
}
