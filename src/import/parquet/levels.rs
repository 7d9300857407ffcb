//! Small numbers, packed by bits or in runs: levels, places in dictionaries, differences.

use super::{Result, damaged};
use bytes::{Buf, Bytes};

/// Runs of a number, and groups of eight that are packed by bits.
#[derive(Debug)]
pub(super) struct Hybrid {
    rest: Bytes,
    width: u32,
    run: Run,
}

#[derive(Debug)]
enum Run {
    Same { value: u32, left: u64 },
    Packed { bytes: Bytes, next: usize, left: u64 },
}

impl Hybrid {
    /// Numbers of `width` bits.
    pub(super) fn new(rest: Bytes, width: u32) -> Result<Self> {
        if width > 32 {
            return Err(damaged("a page of it has numbers of too many bits"));
        }
        Ok(Self { rest, width, run: Run::Same { value: 0, left: 0 } })
    }

    /// The same number for ever.
    pub(super) fn always(value: u32) -> Self {
        Self { rest: Bytes::new(), width: 0, run: Run::Same { value, left: u64::MAX } }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<u32> {
        loop {
            match &mut self.run {
                Run::Same { value, left } if *left > 0 => {
                    *left -= 1;
                    return Ok(*value);
                }
                Run::Packed { bytes, next, left } if *left > 0 => {
                    *left -= 1;
                    let value = bits(bytes, *next, self.width);
                    *next += self.width as usize;
                    return u32::try_from(value).map_err(|_| damaged("a page of it is damaged"));
                }
                _ => self.run()?,
            }
        }
    }

    fn run(&mut self) -> Result<()> {
        let head = varint(&mut self.rest)?;
        let count = head >> 1;
        self.run = if head & 1 == 0 {
            let bytes = take(&mut self.rest, self.width.div_ceil(8) as usize)?;
            let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
            Run::Same { value, left: count }
        } else {
            let groups = usize::try_from(count).unwrap_or(usize::MAX);
            let size = groups.saturating_mul(self.width as usize);
            // The last group may be cut where nothing is in it.
            let bytes = self.rest.split_to(size.min(self.rest.len()));
            let held = match self.width {
                0 => u64::MAX,
                width => bytes.len() as u64 * 8 / u64::from(width),
            };
            Run::Packed { bytes, next: 0, left: count.saturating_mul(8).min(held) }
        };
        if count == 0 && self.rest.is_empty() {
            return Err(ends_early());
        }
        Ok(())
    }
}

/// Differences of numbers, in blocks of packed parts.
#[derive(Clone, Debug)]
pub(super) struct Deltas {
    rest: Bytes,
    /// Numbers that are to come.
    pub(super) left: u64,
    next: i64,
    per_part: u64,
    parts: usize,
    block: Block,
    begun: bool,
}

/// The part of a block that is being read.
#[derive(Clone, Debug, Default)]
struct Block {
    smallest: i64,
    widths: Bytes,
    bytes: Bytes,
    width: u32,
    at: usize,
    left: u64,
}

impl Deltas {
    pub(super) fn new(mut rest: Bytes) -> Result<Self> {
        let size = varint(&mut rest)?;
        let parts = varint(&mut rest)?;
        let left = varint(&mut rest)?;
        let next = unzigzag(varint(&mut rest)?);
        let per_part = size.checked_div(parts).unwrap_or(0);
        if parts > 1 << 16
            || per_part == 0
            || per_part > 1 << 24
            || !size.is_multiple_of(128)
            || per_part % 32 != 0
        {
            return Err(damaged("a page of it has blocks of no valid size"));
        }
        let parts = usize::try_from(parts).unwrap_or(0);
        Ok(Self { rest, left, next, per_part, parts, block: Block::default(), begun: false })
    }

    pub(super) fn next(&mut self) -> Result<i64> {
        self.left = self.left.checked_sub(1).ok_or_else(ends_early)?;
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(self.next);
        }
        if self.block.left == 0 {
            self.part()?;
        }
        let block = &mut self.block;
        let difference = bits(&block.bytes, block.at, block.width).cast_signed();
        block.at += block.width as usize;
        block.left -= 1;
        self.next = self.next.wrapping_add(block.smallest).wrapping_add(difference);
        Ok(self.next)
    }

    fn part(&mut self) -> Result<()> {
        if self.block.widths.is_empty() {
            self.block.smallest = unzigzag(varint(&mut self.rest)?);
            self.block.widths = take(&mut self.rest, self.parts)?;
        }
        let width = u32::from(self.block.widths.get_u8());
        if width > 64 {
            return Err(damaged("a page of it has numbers of too many bits"));
        }
        let size = usize::try_from(self.per_part * u64::from(width) / 8).unwrap_or(usize::MAX);
        // Only what is needed of the last part must be there.
        let needed = ((self.left + 1).min(self.per_part) * u64::from(width)).div_ceil(8);
        let needed = usize::try_from(needed);
        if self.rest.len() < needed.unwrap_or(usize::MAX) {
            return Err(ends_early());
        }
        self.block.bytes = self.rest.split_to(size.min(self.rest.len()));
        (self.block.width, self.block.at, self.block.left) = (width, 0, self.per_part);
        Ok(())
    }

    /// What stands behind the numbers.
    pub(super) fn behind(&self) -> Result<Bytes> {
        let mut all = self.clone();
        if all.left > self.rest.len() as u64 * 1024 + 1 {
            return Err(damaged("a page of it counts more than it can hold"));
        }
        while all.left > 0 {
            all.next()?;
        }
        Ok(all.rest)
    }
}

/// The number of `width` bits that begins with bit `at`. What is not there is 0.
#[inline]
fn bits(bytes: &[u8], at: usize, width: u32) -> u64 {
    let (from, shift) = (at / 8, at % 8);
    let rest = bytes.get(from..).unwrap_or_default();
    let mut window = [0; 16];
    match rest.first_chunk::<9>() {
        Some(chunk) => window[..9].copy_from_slice(chunk),
        None => window[..rest.len()].copy_from_slice(rest),
    }
    let value = u128::from_le_bytes(window) >> shift;
    let mask = (1_u128 << width) - 1;
    (value & mask) as u64
}

pub(super) fn varint(from: &mut Bytes) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        if from.is_empty() {
            return Err(ends_early());
        }
        let byte = from.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged("a page of it has a number that does not end"))
}

pub(super) fn take(from: &mut Bytes, count: usize) -> Result<Bytes> {
    if from.len() < count {
        return Err(ends_early());
    }
    Ok(from.split_to(count))
}

fn unzigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed())
}

pub(super) fn ends_early() -> std::io::Error {
    damaged("a page of it ends early")
}
