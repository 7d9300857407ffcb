//! Reading a chain file from some line on: its head, its ids, what is damaged.

use halod_record::draft::HexHash;
use halod_record::parse::{LineFacts, is_foreign, scan_line};
use halod_record::tenant::Tenant;
use halod_record::time::Instant;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of one line; a longer one is passed over as damaged. Ours have a few thousand.
pub const MAX_LINE: usize = 16 << 20;

/// What a scan found out. Counts are of the scanned part only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Where the file ended.
    pub len: u64,
    pub records: u64,
    /// The stored hash of the last whole record; trusted, as the reference trusts it.
    pub head: Option<HexHash>,
    /// The latest `ts`, in nanoseconds since 1970.
    pub last_ts: Option<u64>,
    /// The last line has no newline yet.
    pub unterminated: bool,
    /// The last line is not a whole record: where it begins, how many bytes it has.
    pub torn: Option<(u64, u64)>,
    /// A line was seen that is JSON and no record of the subject: the file is not its chain, or not its
    /// alone.
    pub foreign: bool,
}

/// What the reference skips at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The line that begins at `offset` of a file, without what the reference skips.
#[must_use]
pub fn unmarked(line: &[u8], offset: u64) -> &[u8] {
    if offset == 0 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line }
}

/// Reads `file` from `from`, which must be the start of a line, to the end of the line that reaches `until`.
/// `each` is given the offset and the facts of every record of `subject`.
///
/// # Errors
/// When the file cannot be read.
pub fn scan(
    file: &File,
    (from, until): (u64, u64),
    subject: Option<&str>,
    each: &mut dyn FnMut(u64, &LineFacts<'_>),
) -> io::Result<Scan> {
    let mut file = file;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut found = Scan { len: from, ..Scan::default() };
    let mut line = Vec::new();
    while found.len < until
        && let Some(bytes) = next_line(&mut reader, &mut line)?
    {
        let offset = found.len;
        found.len += bytes;
        found.unterminated = line.last() != Some(&b'\n');
        found.torn = None;
        let whole = unmarked(&line, offset);
        match scan_line(whole) {
            Some(facts) if !facts.subject.is(subject) => found.foreign = true,
            Some(facts) if facts.hash.len() == 64 => {
                let mut head = [0; 64];
                head.copy_from_slice(facts.hash.as_bytes());
                found.head = Some(head);
                found.records += 1;
                found.last_ts = found.last_ts.max(facts.ts.map(Instant::unix_nanos));
                each(offset, &facts);
            }
            // Of a line that is too long only its end is here.
            None if line.len() as u64 == bytes && is_foreign(whole, subject) => found.foreign = true,
            _ if found.unterminated => found.torn = Some((offset, bytes)),
            _ => {}
        }
    }
    Ok(found)
}

/// The whole line that ends at `end` of a file, without its line feed; `None` where none does, or one that is too long.
///
/// # Errors
/// When the file cannot be read.
pub fn line_before(file: &File, end: u64) -> io::Result<Option<Vec<u8>>> {
    let mut window = 64 << 10;
    loop {
        let start = end.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(&mut bytes, start)?;
        let Some((b'\n', body)) = bytes.split_last() else { return Ok(None) };
        match memchr::memrchr(b'\n', body) {
            Some(newline) => return Ok(Some(body[newline + 1..].to_vec())),
            None if start == 0 => return Ok(Some(unmarked(body, 0).to_vec())),
            None if window > MAX_LINE as u64 => return Ok(None),
            None => window *= 4,
        }
    }
}

/// Whether the first record of a file is `subject`'s. A file that can't be read has none.
pub(super) fn first_is_of(path: &Path, subject: Option<&str>) -> bool {
    of_first(path, |facts| facts.subject.is(subject)).unwrap_or(false)
}

/// Whose the first record of a file is.
#[must_use]
pub fn first_tenant(path: &Path) -> Option<Tenant> {
    of_first(path, |facts| facts.subject.tenant()).flatten()
}

fn of_first<T>(path: &Path, tell: impl FnOnce(&LineFacts<'_>) -> T) -> Option<T> {
    let mut reader = BufReader::new(File::open(path).ok()?.take(2 * MAX_LINE as u64));
    let (mut line, mut offset) = (Vec::new(), 0);
    while let Ok(Some(bytes)) = next_line(&mut reader, &mut line) {
        if let Some(facts) = scan_line(unmarked(&line, offset)) {
            return Some(tell(&facts));
        }
        offset += bytes;
    }
    None
}

/// Reads the records of a file in order, until `each` is told enough and says `false`. What is no whole record is passed over.
///
/// # Errors
/// When the file cannot be read.
pub fn each_record(path: &Path, each: &mut dyn FnMut(&LineFacts<'_>) -> bool) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let (mut line, mut offset) = (Vec::new(), 0);
    while let Some(bytes) = next_line(&mut reader, &mut line)? {
        if scan_line(unmarked(&line, offset)).is_some_and(|facts| !each(&facts)) {
            return Ok(());
        }
        offset += bytes;
    }
    Ok(())
}

/// Reads one line with its newline, if it has one; of a line that is too long only the length
/// counts. `None` at the end.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<u64>> {
    line.clear();
    let mut bytes = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok((bytes > 0).then_some(bytes));
        }
        let end = memchr::memchr(b'\n', buffer).map(|at| at + 1);
        let taken = end.unwrap_or(buffer.len());
        if line.len() + taken <= MAX_LINE {
            line.extend_from_slice(&buffer[..taken]);
        } else {
            // Not a record any more, but it must still be seen to end in a newline.
            line.clear();
            line.extend_from_slice(&buffer[taken - 1..taken]);
        }
        bytes += taken as u64;
        reader.consume(taken);
        if end.is_some() {
            return Ok(Some(bytes));
        }
    }
}
