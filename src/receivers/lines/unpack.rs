//! The bytes of a log's content, undone from gzip.

use flate2::read::MultiGzDecoder;
use std::io::{BufReader, Chain, Cursor, Error, ErrorKind, Read, Result};

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
    /// The damage that was met. The decoder tells of a checksum that does not fit once, and then of an end.
    damage: Option<(ErrorKind, String)>,
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
            Kind::Gzip(Box::new(Unpacked { decoder, buffer: Vec::new(), at: 0, damage: None }))
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
            if let Some((kind, what)) = &self.damage {
                return Err(Error::new(*kind, what.as_str()));
            }
            self.at = 0;
            self.buffer.resize(STEP, 0);
            let read = loop {
                match self.decoder.read(&mut self.buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            if let Err(error) = read {
                self.damage = Some((error.kind(), error.to_string()));
                return Err(error);
            }
        }
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes before the damage, read by so many bytes at a time, and how it is told, twice.
    fn read(bytes: &[u8], packed: Packed, step: usize) -> (Vec<u8>, Option<String>) {
        let mut content = Content::open(bytes, packed).unwrap();
        let (mut all, mut buffer) = (Vec::new(), vec![0; step]);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(read) => all.extend_from_slice(&buffer[..read]),
                Err(error) => {
                    let again = content.read(&mut buffer).map_err(|error| error.to_string());
                    assert_eq!(again, Err(error.to_string()));
                    return (all, Some(error.to_string()));
                }
            }
        }
    }

    #[test]
    fn what_a_file_is_told_by_its_bytes_where_its_name_may_be_wrong() {
        let (plain, gzip) = (b"one\ntwo\n".to_vec(), gzip(b"one\ntwo\n"));
        for packed in [Packed::Named, Packed::Told] {
            assert_eq!(read(&plain, packed, 3), (plain.clone(), None));
            assert_eq!(read(&gzip, packed, 3), (plain.clone(), None));
        }
        assert_eq!(read(&gzip, Packed::No, 3), (gzip, None));
        assert_eq!(read(b"", Packed::Told, 3), (Vec::new(), None));
        // A program that packs it may have begun with it.
        assert!(read(b"", Packed::Named, 3).1.is_some());
        assert!(read(b"\x1f", Packed::Named, 3).1.is_some());
    }

    #[test]
    fn damage_is_told_each_time_and_what_comes_before_it_does_not_depend_on_the_reader() {
        let content: Vec<u8> =
            (0..60_000_u32).flat_map(|n| format!("{}\n", n * n % 7919).into_bytes()).collect();
        let whole = gzip(&content);
        for at in (10..whole.len()).step_by(whole.len() / 23) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for damaged in [&flipped[..], &whole[..at], &[&whole[..], b"\0\0"].concat()] {
                let first = read(damaged, Packed::Told, 1 << 20);
                assert!(first.1.is_some(), "{at}");
                for step in [700, 40_000, 256 << 10] {
                    assert!(read(damaged, Packed::Named, step) == first, "{at}, by {step}");
                }
            }
        }
    }
}
