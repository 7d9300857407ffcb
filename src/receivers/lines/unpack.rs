//! The bytes of a log's content, undone from gzip, zstd or bzip2.

use super::zstd::Frames;
use bzip2::bufread::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use std::io::{BufRead, BufReader, Chain, Cursor, Error, ErrorKind, Read, Result};

/// Bytes that are read and unpacked at a time, always. What the decoder gives of a damaged file before it finds
/// the damage depends on that, and two readers of the file must get the same.
const STEP: usize = 32 << 10;

/// What a packed file begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// `BZh`, a level, and the mark of a block or of the end.
const BZIP2: &[u8] = b"BZh";
const BZIP2_MARKS: [[u8; 6]; 2] =
    [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// Bytes by which any of them is told.
const START: usize = 10;

/// Endings of the names of packed files.
pub const ENDINGS: [&str; 3] = ["gz", "zst", "bz2"];

/// How a content is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Bzip2,
}

impl Packing {
    fn told(start: &[u8]) -> Option<Self> {
        // A frame that is skipped may come first: pzstd begins so.
        let skipped = matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        let bzip2 =
            |mark: &[u8; 6]| start.strip_prefix(BZIP2).is_some_and(|rest| rest.get(1..7) == Some(mark));
        match start {
            _ if start.starts_with(GZIP) => Some(Self::Gzip),
            _ if start.starts_with(ZSTD) || skipped => Some(Self::Zstd),
            _ if BZIP2_MARKS.iter().any(bzip2) => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// The same of a file whose name says that it is packed: all that is there of it may be its beginning.
    fn begun(start: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| {
            start.len() < START && magic.starts_with(start.get(..magic.len()).unwrap_or(start))
        };
        match () {
            () if begins(GZIP) => Some(Self::Gzip),
            () if begins(ZSTD) => Some(Self::Zstd),
            () if begins(BZIP2) => Some(Self::Bzip2),
            () => None,
        }
    }
}

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
    Packed(Box<Unpacked<R>>),
}

/// With the bytes that were looked at put back.
type Begun<R> = Chain<Cursor<Vec<u8>>, R>;

enum Decoder<R: BufRead> {
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<Frames<R>>),
    Bzip2(MultiBzDecoder<R>),
}

impl<R: BufRead> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
            Self::Bzip2(_) => "Bzip2",
        })
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
        }
    }
}

#[derive(Debug)]
struct Unpacked<R: Read> {
    decoder: Decoder<BufReader<Begun<R>>>,
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
        from.by_ref().take(START as u64).read_to_end(&mut start)?;
        let packing = match packed {
            Packed::No => None,
            Packed::Named => Packing::told(&start).or_else(|| Packing::begun(&start)),
            Packed::Told => Packing::told(&start),
        };
        let whole = Cursor::new(start).chain(from);
        let Some(packing) = packing else { return Ok(Self(Kind::Plain(whole))) };
        let whole = BufReader::with_capacity(STEP, whole);
        let decoder = match packing {
            Packing::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(whole))),
            Packing::Zstd => Decoder::Zstd(Box::new(Frames::new(whole))),
            Packing::Bzip2 => Decoder::Bzip2(MultiBzDecoder::new(whole)),
        };
        Ok(Self(Kind::Packed(Box::new(Unpacked { decoder, buffer: Vec::new(), at: 0, damage: None }))))
    }

    /// Whether its bytes are packed.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Kind::Packed(_))
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match &mut self.0 {
            Kind::Plain(whole) => whole.read(buffer),
            Kind::Packed(unpacked) => unpacked.read(buffer),
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

    fn zstd(content: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn bzip2(content: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
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

    type Pack = fn(&[u8]) -> Vec<u8>;
    const PACKINGS: [Pack; 3] = [gzip, zstd, bzip2];

    #[test]
    fn what_a_file_is_told_by_its_bytes_where_its_name_may_be_wrong() {
        let plain = b"one\ntwo\n".to_vec();
        for packed in [Packed::Named, Packed::Told] {
            assert_eq!(read(&plain, packed, 3), (plain.clone(), None));
            for pack in PACKINGS {
                let once = pack(&plain);
                assert_eq!(read(&once, packed, 3), (plain.clone(), None));
                // Files may be put behind each other.
                let twice = [once, pack(b""), pack(&plain)].concat();
                assert_eq!(read(&twice, packed, 3), (plain.repeat(2), None));
                assert_eq!(read(&pack(b""), packed, 3), (Vec::new(), None));
            }
        }
        let skipped = [&b"\x51\x2a\x4d\x18\x03\0\0\0abc"[..], &zstd(&plain)].concat();
        assert_eq!(read(&skipped, Packed::Told, 3), (plain, None));
        assert_eq!(read(&gzip(b"x"), Packed::No, 3), (gzip(b"x"), None));
        assert_eq!(read(b"", Packed::Told, 3), (Vec::new(), None));
        // A program that packs it may have begun with it.
        for begun in [&b""[..], b"\x1f", b"\x28\xb5", b"BZh", b"BZh91AY"] {
            assert!(read(begun, Packed::Named, 3).1.is_some(), "{begun:?}");
        }
        assert_eq!(read(b"BZhello there", Packed::Named, 3).0, b"BZhello there");
    }

    #[test]
    fn a_zstd_window_is_bounded() {
        // A frame that declares a window of 1 GiB, with one raw block of one byte.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x09, 0, 0, b'x'];
        let (content, why) = read(&frame, Packed::Told, 3);
        assert!(content.is_empty() && why.unwrap().contains("8 MiB"));
    }

    #[test]
    fn damage_is_told_each_time_and_what_comes_before_it_does_not_depend_on_the_reader() {
        let content: Vec<u8> =
            (0..60_000_u32).flat_map(|n| format!("{}\n", n * n % 7919).into_bytes()).collect();
        for pack in PACKINGS {
            let whole = pack(&content);
            for at in (10..whole.len()).step_by(whole.len() / 23) {
                let mut flipped = whole.clone();
                flipped[at] ^= 0x10;
                for damaged in [&flipped[..], &whole[..at], &[&whole[..], b"\0\0"].concat()] {
                    let first = read(damaged, Packed::Told, 1 << 20);
                    assert!(first.1.is_some() || first.0 == content, "{at}");
                    for step in [700, 40_000, 256 << 10] {
                        assert!(read(damaged, Packed::Named, step) == first, "{at}, by {step}");
                    }
                }
            }
        }
    }
}
