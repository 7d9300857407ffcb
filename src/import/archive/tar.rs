//! Tar archives, of POSIX's and GNU's making, read from begin to end.

use super::{FILES, Member, damaged, is_wanted, shown};
use crate::import::open::Tell;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const BLOCK: usize = 512;

/// Bytes of a header that says more of the next file than its own has room for.
const MORE: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Tar {
    stream: Arc<Mutex<Stream>>,
    files: u64,
    ended: bool,
}

/// The archive's bytes, up to the end of the file that is read.
#[derive(Debug)]
struct Stream {
    from: Box<dyn Tell>,
    /// The file that is read, and what is left of it.
    number: u64,
    left: u64,
    padding: u64,
}

/// One file's bytes. They end when the next file is asked for.
#[derive(Debug)]
struct Part {
    stream: Arc<Mutex<Stream>>,
    number: u64,
}

/// What a header says.
#[derive(Debug)]
struct Header {
    kind: u8,
    size: u64,
    name: String,
}

/// Whether a content begins with the header of a file in such an archive.
pub(super) fn begins(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|block| block[0] != 0 && is_header(block))
}

/// Its checksum is the sum of its bytes, with blanks for the checksum's own.
fn is_header(block: &[u8; BLOCK]) -> bool {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        })
        .sum();
    number(&block[148..156]) == Some(sum)
}

/// A number in octal digits, or in bytes where those have no room.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let (head, low) = field.split_at(field.len().checked_sub(8)?);
        let fits = head.iter().enumerate().all(|(at, byte)| *byte == if at == 0 { 0x80 } else { 0 });
        return low.try_into().ok().map(u64::from_be_bytes).filter(|_| fits);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    u64::from_str_radix(text, 8).ok()
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

impl Header {
    fn of(block: &[u8; BLOCK]) -> io::Result<Self> {
        let size = number(&block[124..136]).filter(|_| is_header(block));
        let size =
            size.ok_or_else(|| damaged("the archive is damaged: a header of it does not fit its checksum"))?;
        let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
        let posix = block.get(257..263) == Some(b"ustar\0");
        let name = if posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name };
        Ok(Self { kind: block[156], size, name })
    }
}

impl Tar {
    pub(super) fn new(from: Box<dyn Tell>) -> Self {
        let stream = Stream { from, number: 0, left: 0, padding: 0 };
        Self { stream: Arc::new(Mutex::new(stream)), files: 0, ended: false }
    }

    /// The next file.
    ///
    /// # Errors
    /// The archive is damaged, and ends here.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        if self.ended {
            return Ok(None);
        }
        let member = self.find();
        self.ended = !matches!(member, Ok(Some(_)));
        member
    }

    fn find(&mut self) -> io::Result<Option<Member>> {
        let (mut name, mut size) = (None, None);
        loop {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.pass()?;
            let Some(block) = stream.block()? else { return Ok(None) };
            let header = Header::of(&block)?;
            stream.left = header.size;
            match header.kind {
                // The next file's name, and what else POSIX's headers say of it.
                b'L' => name = Some(text(&stream.more()?)),
                b'x' => {
                    let more = stream.more()?;
                    name = record(&more, "path").or(name);
                    size = record(&more, "size").and_then(|size| size.parse().ok()).or(size);
                }
                b'S' => {
                    return Err(damaged(
                        "the archive has a file with holes, which is not read; make it without --sparse",
                    ));
                }
                b'0' | b'\0' | b'7' => {
                    let name = name.take().unwrap_or(header.name);
                    stream.left = size.take().unwrap_or(header.size);
                    stream.padding = stream.left.wrapping_neg() % BLOCK as u64;
                    if name.ends_with('/') || !is_wanted(&name) {
                        continue;
                    }
                    self.files += 1;
                    if self.files > FILES as u64 {
                        return Err(damaged(format!("the archive has more than {FILES} files")));
                    }
                    stream.number = self.files;
                    let part = Part { stream: Arc::clone(&self.stream), number: self.files };
                    return Ok(Some(Member {
                        number: self.files,
                        name: shown(&name),
                        reader: Ok(Box::new(part)),
                    }));
                }
                // Folders, links and devices, and headers for all files.
                _ => {
                    (name, size) = (None, None);
                    stream.padding = stream.left.wrapping_neg() % BLOCK as u64;
                }
            }
        }
    }
}

impl Stream {
    /// Goes past what is left of a file.
    fn pass(&mut self) -> io::Result<()> {
        let left = self.left.saturating_add(self.padding);
        (self.left, self.padding) = (0, 0);
        let passed = io::copy(&mut self.from.by_ref().take(left), &mut io::sink())?;
        if passed < left { Err(ends_early()) } else { Ok(()) }
    }

    /// A header; `None` at the end, which is a block of zeros, or the end of the file.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = Vec::with_capacity(BLOCK);
        self.from.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        match <[u8; BLOCK]>::try_from(block) {
            Ok(block) if block.iter().all(|byte| *byte == 0) => Ok(None),
            Ok(block) => Ok(Some(block)),
            Err(short) if short.is_empty() => Ok(None),
            Err(_) => Err(ends_early()),
        }
    }

    /// The content of a header that goes on.
    fn more(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MORE {
            return Err(damaged("the archive has a header of more than 1 MiB"));
        }
        let mut more = Vec::new();
        self.from.by_ref().take(self.left).read_to_end(&mut more)?;
        if (more.len() as u64) < self.left {
            return Err(ends_early());
        }
        self.padding = self.left.wrapping_neg() % BLOCK as u64;
        self.left = 0;
        Ok(more)
    }
}

/// A record of POSIX's headers: `LENGTH KEY=VALUE`, and a line's end.
fn record(mut more: &[u8], key: &str) -> Option<String> {
    loop {
        let blank = more.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(more.get(..blank)?).ok()?.parse().ok()?;
        let record = more.get(blank + 1..length.checked_sub(1)?)?;
        if let Some(value) = record.strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
            return Some(String::from_utf8_lossy(value).into_owned());
        }
        more = more.get(length..)?;
    }
}

fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends early")
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if stream.number != self.number || stream.left == 0 {
            return Ok(0);
        }
        let most = buffer.len().min(usize::try_from(stream.left).unwrap_or(usize::MAX));
        let read = stream.from.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 && most > 0 {
            return Err(ends_early());
        }
        stream.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// A header with its checksum, and the content behind it.
    fn entry(name: &str, kind: u8, size: &[u8; 12], content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(size);
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.extend_from_slice(content);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    fn octal(size: usize) -> [u8; 12] {
        format!("{size:011o}\0").into_bytes().try_into().unwrap()
    }

    fn file(name: &str, content: &str) -> Vec<u8> {
        entry(name, b'0', &octal(content.len()), content.as_bytes())
    }

    fn read(archive: Vec<u8>, some: usize) -> (Vec<(String, String)>, Option<String>) {
        let mut tar = Tar::new(Box::new(Cursor::new(archive)));
        let mut files = Vec::new();
        loop {
            match tar.next() {
                Ok(None) => return (files, None),
                Err(error) => return (files, Some(error.to_string())),
                Ok(Some(member)) => {
                    let mut text = String::new();
                    let read = member.reader.unwrap().take(some as u64).read_to_string(&mut text);
                    if let Err(error) = read {
                        return (files, Some(error.to_string()));
                    }
                    files.push((member.name.display().to_string(), text));
                }
            }
        }
    }

    fn of(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    #[test]
    fn files_come_one_after_the_other_whatever_is_read_of_each() {
        let long = "x".repeat(300);
        let pax = format!("{} path={long}\n", 9 + long.len());
        let parts = [
            entry("dir/", b'5', &octal(0), b""),
            file("dir/a", "one"),
            file("._b", "hidden"),
            entry("l", b'2', &octal(0), b""),
            entry("x", b'x', &octal(pax.len()), pax.as_bytes()),
            file("short", "two"),
            entry("././@LongLink", b'L', &octal(9), b"../../etc"),
            entry("b", b'0', b"\x80\0\0\0\0\0\0\0\0\0\0\x05", b"three"),
            file("c\u{1b}[2J", ""),
            vec![0; 2 * BLOCK],
        ];
        let names = ["dir/a", &long[..256], "../../etc", "c?[2J"];
        for (some, texts) in [(99, ["one", "two", "three", ""]), (1, ["o", "t", "t", ""])] {
            let expected: Vec<_> = names.iter().copied().zip(texts).collect();
            assert_eq!(read(parts.concat(), some), (of(&expected), None));
        }
    }

    #[test]
    fn what_is_damaged_ends_with_an_error_behind_what_is_whole() {
        let whole = [file("a", "one"), file("b", "two")].concat();
        for cut in [BLOCK + 1, 2 * BLOCK + 7, 3 * BLOCK + 2] {
            let (files, failed) = read(whole[..cut].to_vec(), 99);
            assert!(failed.unwrap().contains("ends early"));
            assert!(files.len() < 2);
        }
        let mut damaged = whole;
        damaged[2 * BLOCK + 130] ^= 1;
        let (files, failed) = read(damaged, 99);
        assert_eq!(files, of(&[("a", "one")]));
        assert!(failed.unwrap().contains("checksum"));
        let (_, failed) = read(entry("s", b'S', &octal(0), b""), 99);
        assert!(failed.unwrap().contains("holes"));
        let (_, failed) = read(entry("x", b'x', b"77777777777\0", b""), 99);
        assert!(failed.unwrap().contains("1 MiB"));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(changes in prop::collection::vec((0..3072_usize, any::<u8>()), 0..5), sum in any::<bool>()) {
            let mut archive = [file("a", "one"), entry("x", b'x', &octal(11), b"11 path=ab\n"), file("b", "two")].concat();
            for (at, byte) in changes {
                let at = at % archive.len();
                archive[at] = byte;
            }
            if sum && let Some(block) = archive.first_chunk::<BLOCK>() {
                let sum: u64 = block.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u64::from(*b) }).sum();
                archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            read(archive, 99);
        }
    }
}
