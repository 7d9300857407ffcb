//! Pages, unpacked. No more is ever made of one than it declares, which is bounded before.

use super::{Result, damaged};
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::io::Read;

/// How pages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Snappy,
    Gzip,
    /// LZ4 in the frames of Hadoop.
    Lz4,
    Zstd,
    Lz4Raw,
}

impl Codec {
    /// By its number in Parquet.
    pub(super) fn of(number: i64) -> Result<Self> {
        Ok(match number {
            0 => Self::Plain,
            1 => Self::Snappy,
            2 => Self::Gzip,
            5 => Self::Lz4,
            6 => Self::Zstd,
            7 => Self::Lz4Raw,
            3 => return Err(damaged("its pages are packed with LZO, which is not read; write it with zstd")),
            4 => {
                return Err(damaged(
                    "its pages are packed with Brotli, which is not read; write it with zstd",
                ));
            }
            _ => return Err(damaged("its pages are packed in a way that is not known")),
        })
    }

    /// What `packed` holds, which is `size` bytes.
    pub(super) fn unpack(self, packed: Vec<u8>, size: usize) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::Plain => packed,
            Self::Snappy => snappy(&packed, size)?,
            Self::Gzip => read(MultiGzDecoder::new(packed.as_slice()), size)?,
            Self::Zstd if packed.is_empty() => Vec::new(),
            Self::Zstd => {
                let decoder = StreamingDecoder::new(packed.as_slice());
                read(decoder.map_err(|_| damaged("a page of it is no valid zstd"))?, size)?
            }
            Self::Lz4Raw => lz4(&packed, size)?,
            Self::Lz4 => match hadoop(&packed, size) {
                Some(bytes) => bytes,
                None => lz4(&packed, size)?,
            },
        };
        if bytes.len() != size {
            return Err(damaged("a page of it has another size than it declares"));
        }
        Ok(bytes)
    }
}

fn read(from: impl Read, size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(size as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|_| damaged("a page of it cannot be unpacked"))?;
    Ok(bytes)
}

/// Blocks, each after the bytes that it holds and the bytes that it takes.
fn hadoop(mut packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !packed.is_empty() {
        let (head, rest) = packed.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *head;
        let [holds, takes] = [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes);
        let [holds, takes] = [usize::try_from(holds).ok()?, usize::try_from(takes).ok()?];
        if out.len() + holds > size {
            return None;
        }
        let (block, rest) = rest.split_at_checked(takes)?;
        let block = lz4(block, holds).ok()?;
        if block.len() != holds {
            return None;
        }
        out.extend_from_slice(&block);
        packed = rest;
    }
    Some(out)
}

/// A stream of literals, and of copies of what came before.
struct Copies<'p> {
    rest: &'p [u8],
    out: Vec<u8>,
    size: usize,
}

impl<'p> Copies<'p> {
    fn new(rest: &'p [u8], size: usize) -> Self {
        Self { rest, out: Vec::with_capacity(size.min(rest.len().saturating_mul(4))), size }
    }

    fn bytes(&mut self, count: usize) -> Result<&'p [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, bytes: usize) -> Result<usize> {
        Ok(self.bytes(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn room(&self, count: usize) -> Result<()> {
        if self.size - self.out.len() < count {
            return Err(damaged("a page of it holds more than it declares"));
        }
        Ok(())
    }

    fn literal(&mut self, count: usize) -> Result<()> {
        self.room(count)?;
        let bytes = self.bytes(count)?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn copy(&mut self, back: usize, count: usize) -> Result<()> {
        self.room(count)?;
        let from = self.out.len().checked_sub(back).filter(|_| back > 0).ok_or_else(cut)?;
        let mut left = count;
        while left > 0 {
            // A copy may overlap what it makes.
            let some = left.min(self.out.len() - from);
            self.out.extend_from_within(from..from + some);
            left -= some;
        }
        Ok(())
    }
}

fn cut() -> std::io::Error {
    damaged("a page of it cannot be unpacked")
}

fn snappy(packed: &[u8], size: usize) -> Result<Vec<u8>> {
    let mut from = Copies::new(packed, size);
    let (mut declared, mut shift) = (0_u64, 0);
    loop {
        let byte = from.number(1)? as u64;
        declared |= (byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
        if shift > 28 {
            return Err(cut());
        }
    }
    if declared != size as u64 {
        return Err(damaged("a page of it has another size than it declares"));
    }
    while !from.rest.is_empty() {
        let tag = from.number(1)?;
        let high = tag >> 2;
        match tag & 3 {
            0 => {
                let count = if high < 60 { high } else { from.number(high - 59)? };
                from.literal(count.saturating_add(1))?;
            }
            1 => {
                let back = (tag >> 5) << 8 | from.number(1)?;
                from.copy(back, (high & 7) + 4)?;
            }
            kind => {
                let back = from.number(if kind == 2 { 2 } else { 4 })?;
                from.copy(back, high + 1)?;
            }
        }
    }
    Ok(from.out)
}

/// A block of LZ4.
fn lz4(packed: &[u8], size: usize) -> Result<Vec<u8>> {
    let mut from = Copies::new(packed, size);
    while !from.rest.is_empty() {
        let token = from.number(1)?;
        let count = length(&mut from, token >> 4)?;
        from.literal(count)?;
        if from.rest.is_empty() {
            break;
        }
        let back = from.number(2)?;
        let count = length(&mut from, token & 15)?.saturating_add(4);
        from.copy(back, count)?;
    }
    Ok(from.out)
}

fn length(from: &mut Copies<'_>, short: usize) -> Result<usize> {
    let mut length = short;
    if short == 15 {
        loop {
            let more = from.number(1)?;
            length = length.saturating_add(more);
            if more < 255 {
                break;
            }
        }
    }
    Ok(length)
}
