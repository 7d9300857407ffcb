//! Records as they are sealed: what is appended to chains, again and again.

use super::look::Looker;
use super::write::Writer;
use super::{Query, is_chosen};
use crate::reader::subjects::{Chain, files};
use halod_record::lines::{MAX_LINE, Reader};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long until files are looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// Bytes of a file that are read at a time, before the others have their turn.
const STRETCH: u64 = 4 << 20;

/// Shows records as they are sealed, until `out` fails, as many as are wanted were shown, or `goes_on` says no. What a chain
/// has when it begins is shown only where the question is about a span of time. `tell` is told what a reader has to know.
///
/// # Errors
/// `out` fails.
pub fn follow(
    query: &Query,
    out: &mut (dyn Write + Send),
    tell: &mut dyn FnMut(&str),
    goes_on: &dyn Fn() -> bool,
) -> io::Result<()> {
    let looker = Looker::new(&query.filter, &query.shape, None);
    let mut writer = Writer::new(&query.shape, None, query.limit);
    let mut followed: BTreeMap<PathBuf, Followed> = BTreeMap::new();
    let mut is_first = query.filter.happened.is_none() && query.filter.sealed.is_none();
    while goes_on() && query.limit.is_none_or(|limit| writer.shown() < limit) {
        for path in query.paths.iter().flat_map(|path| files(path).unwrap_or_default()) {
            followed.entry(path.clone()).or_insert_with(|| Followed::new(&path, is_first));
        }
        is_first = false;
        let mut is_behind = false;
        for chain in followed.values_mut() {
            is_behind |= chain.read(query, &looker, &mut writer, (out, tell))?;
        }
        writer.flush(out)?;
        if !is_behind {
            std::thread::sleep(AGAIN);
        }
    }
    Ok(())
}

/// Where records go, and what a reader has to know.
type To<'t> = (&'t mut (dyn Write + Send), &'t mut dyn FnMut(&str));

/// Whole lines of a chain.
struct Appended {
    bytes: Vec<u8>,
    /// What is behind them can't be read yet.
    is_all: bool,
}

/// A chain, and how far it was read.
struct Followed {
    chain: Chain,
    file: Option<(u64, u64)>,
    /// Where the next line begins.
    at: u64,
    /// Its number, from 1; unknown until all before it was counted.
    line: u64,
    told: bool,
}

impl Followed {
    /// A chain that is read from its start, or from the end of its last whole line.
    fn new(path: &Path, from_end: bool) -> Self {
        let mut followed = Self { chain: Chain::of(path), file: None, at: 0, line: 1, told: false };
        if from_end && let Ok(mut file) = File::open(path) {
            followed.file = file.metadata().ok().as_ref().map(identity);
            // A file that can't be counted is read from its start.
            if let Ok((at, lines)) = whole_lines(&mut file) {
                (followed.at, followed.line) = (at, lines + 1);
            }
        }
        followed
    }

    /// Reads what was appended. Says whether there is more to read already.
    fn read(
        &mut self,
        query: &Query,
        looker: &Looker<'_>,
        writer: &mut Writer<'_>,
        (out, tell): To<'_>,
    ) -> io::Result<bool> {
        let appended = match self.appended(tell) {
            Ok(Some(appended)) if is_chosen(query, &self.chain) => appended,
            Ok(_) => return Ok(false),
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    tell(&format!("{} can't be read: {error}", self.chain.path.display()));
                }
                return Ok(false);
            }
        };
        let Appended { bytes, is_all } = appended;
        let mut reader = Reader::at_line(bytes.as_slice(), self.line);
        while let Ok(Some(chunk)) = reader.next_chunk(Vec::new()) {
            let looked = looker.look(&self.chain, &chunk);
            if looked.torn > 0 {
                let name = &self.chain.stem;
                tell(&format!(
                    "{name}: {} lines from line {} on are no complete records",
                    looked.torn, chunk.first_line
                ));
            }
            for (tool, count) in &looked.losses {
                tell(&format!("{}: {count} notices of a loss ({tool})", self.chain.stem));
            }
            self.line += chunk.lines;
            writer.take(looked.hits, out)?;
        }
        self.at += bytes.len() as u64;
        Ok(!is_all)
    }

    /// The whole lines that were appended, as far as they are read at once. Tells if the file is another one.
    fn appended(&mut self, tell: &mut dyn FnMut(&str)) -> io::Result<Option<Appended>> {
        let path = &self.chain.path;
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        self.told = false;
        if self.file.is_some_and(|file| file != identity(&meta)) || meta.len() < self.at {
            tell(&format!(
                "{} is another file than before, or shorter: it is read from its start, and `halod verify` tells whether it \
                 is whole",
                path.display()
            ));
            (self.at, self.line) = (0, 1);
            self.chain = Chain::of(path);
        }
        self.file = Some(identity(&meta));
        let left = meta.len() - self.at;
        if left == 0 {
            return Ok(None);
        }
        if self.chain.tenant.is_none() {
            self.chain = Chain::of(&self.chain.path);
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        (&file).take(left.min(STRETCH)).read_to_end(&mut bytes)?;
        // A line that has no end yet is read again when it has.
        let whole = match memchr::memrchr(b'\n', &bytes) {
            Some(at) => at + 1,
            None if left <= STRETCH => return Ok(None),
            None => match end_of_line(&file, &mut bytes)? {
                Some(end) => end,
                None => return Ok(None),
            },
        };
        bytes.truncate(whole);
        Ok(Some(Appended { bytes, is_all: left <= STRETCH }))
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// Where the last whole line of a file ends, and how many there are.
fn whole_lines(file: &mut File) -> io::Result<(u64, u64)> {
    let (mut at, mut end, mut lines) = (0, 0, 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((end, lines));
        }
        if let Some(last) = memchr::memrchr(b'\n', bytes) {
            end = at + last as u64 + 1;
        }
        lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        at += read as u64;
    }
}

/// Reads a long line on to its end; `None` where it has none yet, or is longer than any record's.
fn end_of_line(file: &File, bytes: &mut Vec<u8>) -> io::Result<Option<usize>> {
    while bytes.len() <= MAX_LINE {
        let from = bytes.len();
        if file.take(STRETCH).read_to_end(bytes)? == 0 {
            return Ok(None);
        }
        let found = memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default());
        if let Some(at) = found {
            return Ok(Some(from + at + 1));
        }
    }
    Ok(None)
}
