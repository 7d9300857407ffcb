//! A part of a file as the body of an answer: read piece by piece as the reader takes it, so that a chain of any length and a
//! slow reader take the memory of one piece.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body, Frame, SizeHint};
use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_blocking};

const PIECE: u64 = 64 << 10;

/// Who takes less than this in a second, after a while, is cut off: it holds a connection that others wait for.
const SLOWEST: u64 = 1 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

type Step = io::Result<(Bytes, Option<Packer>)>;
type Packer = Box<GzEncoder<Vec<u8>>>;

/// The bytes of a file from one place to another.
pub(super) struct FileBody {
    file: Arc<File>,
    range: Range<u64>,
    state: State,
    /// The answer is compressed, so its length is not known.
    is_packed: bool,
    begun: Instant,
    given: u64,
}

enum State {
    Ready(Option<Packer>),
    Reading(JoinHandle<Step>),
    End,
}

impl FileBody {
    pub(super) fn new(file: Arc<File>, range: Range<u64>, is_packed: bool) -> Self {
        let packer = is_packed.then(|| Box::new(GzEncoder::new(Vec::new(), Compression::fast())));
        let state = if range.is_empty() && !is_packed { State::End } else { State::Ready(packer) };
        Self { file, range, state, is_packed, begun: Instant::now(), given: 0 }
    }

    fn is_too_slow(&self) -> bool {
        let lasted = self.begun.elapsed();
        lasted > PATIENCE && self.given < lasted.as_secs().saturating_mul(SLOWEST)
    }
}

/// Reads the next piece and, where that is asked, packs it. A file that is shorter by now ends the answer with an error, which
/// breaks the connection off: nobody takes a part of a chain for the whole.
fn step(file: &File, range: Range<u64>, packer: Option<Packer>) -> Step {
    let is_last = range.end - range.start <= PIECE;
    let length = usize::try_from((range.end - range.start).min(PIECE)).unwrap_or(0);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    let Some(mut packer) = packer else { return Ok((bytes.into(), None)) };
    packer.write_all(&bytes)?;
    if is_last {
        return Ok((packer.finish()?.into(), None));
    }
    let packed = std::mem::take(packer.get_mut());
    Ok((packed.into(), Some(packer)))
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.state, State::End) {
                State::End => return Poll::Ready(None),
                State::Ready(_) if this.is_too_slow() => {
                    return Poll::Ready(Some(Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the reader is too slow",
                    ))));
                }
                State::Ready(packer) => {
                    let (file, range) = (Arc::clone(&this.file), this.range.clone());
                    this.state = State::Reading(spawn_blocking(move || step(&file, range, packer)));
                }
                State::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
                        this.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    let (bytes, packer) = match read.unwrap_or_else(|failed| Err(io::Error::other(failed))) {
                        Ok(read) => read,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    this.range.start = this.range.end.min(this.range.start.saturating_add(PIECE));
                    if !this.range.is_empty() {
                        this.state = State::Ready(packer);
                    }
                    // The packer gives nothing out before it has enough.
                    if !bytes.is_empty() {
                        this.given += bytes.len() as u64;
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_packed {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.range.end - self.range.start)
        }
    }
}

/// Where lines end: reads on from the beginning of a record until so many more have passed, or so many bytes.
///
/// # Errors
/// The file can't be read.
pub(super) fn after_records(
    file: &File,
    from: u64,
    end: u64,
    records: u64,
    most: u64,
) -> io::Result<(u64, u64)> {
    let (mut at, mut passed, mut line_begun) = (from, 0, false);
    // Where the last whole record ended.
    let mut whole = from;
    let mut piece = vec![0; usize::try_from(PIECE).unwrap_or(0)];
    while passed < records && at < end && (passed == 0 || at - from < most) {
        let length = usize::try_from((end - at).min(PIECE)).unwrap_or(0);
        let piece = piece.get_mut(..length).unwrap_or_default();
        file.read_exact_at(piece, at)?;
        for (offset, byte) in piece.iter().enumerate() {
            match byte {
                b'\n' if line_begun => {
                    (passed, line_begun) = (passed + 1, false);
                    whole = at + offset as u64 + 1;
                    if passed == records || whole - from >= most {
                        return Ok((whole, passed));
                    }
                }
                byte if byte.is_ascii_whitespace() => {}
                _ => line_begun = true,
            }
        }
        at += length as u64;
    }
    Ok((whole, passed))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use std::io::Read;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n * n % 251).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_part_of_a_file_comes_as_it_is_and_packed() {
        for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
            let whole = bytes(length);
            let length = length as u64;
            let body = FileBody::new(file(&whole), 0..length, false);
            assert_eq!(body.size_hint().exact(), Some(length));
            assert_eq!(body.collect().await.unwrap().to_bytes(), whole);
            let packed = FileBody::new(file(&whole), 0..length, true).collect().await.unwrap().to_bytes();
            let mut plain = Vec::new();
            GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, whole, "{length}");
        }
        let part = FileBody::new(file(&bytes(100)), 10..20, false).collect().await.unwrap().to_bytes();
        assert_eq!(part, bytes(100)[10..20]);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_off() {
        let shorter = file(&bytes(100_000));
        let body = FileBody::new(Arc::clone(&shorter), 0..200_000, false);
        assert!(body.collect().await.is_err());
    }

    #[test]
    fn records_are_passed_over_without_blank_lines() {
        let text = b"{a}\n\n  \n{b}\r\n{c}\n{d";
        let end = text.len() as u64;
        let pass = |from, records, most| after_records(&file(text), from, end, records, most).unwrap();
        assert_eq!(pass(0, 1, 1 << 20), (4, 1));
        assert_eq!(pass(0, 2, 1 << 20), (13, 2));
        assert_eq!(pass(0, 9, 1 << 20), (17, 3), "the last line is not whole");
        assert_eq!(pass(0, 9, 1), (4, 1), "one comes whatever its length");
        assert_eq!(pass(4, 1, 1 << 20), (13, 1));
    }
}
