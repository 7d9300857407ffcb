//! The bytes of a log's content, undone from gzip.

use flate2::read::MultiGzDecoder;
use std::io::{BufReader, Chain, Cursor, ErrorKind, Read, Result};

/// Bytes that are read and unpacked at a time, always. What the decoder gives of a damaged file before it finds
/// the damage depends on that, and two readers of the file must get the same.
const STEP: usize = 32 << 10;

/// The two bytes that gzip begins with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is known of a file before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Its bytes are the content, whatever they look like.
    No,
    /// Its name says so. Its bytes may say otherwise; a file that is too short for that is a damaged one.
    Named,
    /// Its bytes tell.
    Told,
}

/// A content, from its first byte on.
#[derive(Debug)]
pub struct Content<R: Read>(Kind<R>);

#[derive(Debug)]
enum Kind<R: Read> {
    Plain(Begun<R>),
    Gzip(Box<Unpacked<R>>),
}

/// With the bytes that were looked at put back.
type Begun<R> = Chain<Cursor<Vec<u8>>, R>;

#[derive(Debug)]
struct Unpacked<R: Read> {
    decoder: MultiGzDecoder<BufReader<Begun<R>>>,
    buffer: Vec<u8>,
    at: usize,
}

impl<R: Read> Content<R> {
    /// # Errors
    /// The system's, when the first bytes are read.
    pub fn open(mut from: R, packed: Packed) -> Result<Self> {
        let mut start = Vec::new();
        from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
        let gzip = match packed {
            Packed::No => false,
            Packed::Named => start.len() < MAGIC.len() || start == MAGIC,
            Packed::Told => start == MAGIC,
        };
        let whole = Cursor::new(start).chain(from);
        Ok(Self(if gzip {
            let decoder = MultiGzDecoder::new(BufReader::with_capacity(STEP, whole));
            Kind::Gzip(Box::new(Unpacked { decoder, buffer: Vec::new(), at: 0 }))
        } else {
            Kind::Plain(whole)
        }))
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match &mut self.0 {
            Kind::Plain(whole) => whole.read(buffer),
            Kind::Gzip(unpacked) => unpacked.read(buffer),
        }
    }
}

impl<R: Read> Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.at == self.buffer.len() {
            self.at = 0;
            self.buffer.resize(STEP, 0);
            let read = loop {
                match self.decoder.read(&mut self.buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        self.at += read;
        Ok(read)
    }
}
