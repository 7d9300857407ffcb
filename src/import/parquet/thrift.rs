//! Thrift's compact protocol, as far as Parquet's headers use it. Nothing is allocated here.

use super::{Result, damaged};

pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
const INTS: [u8; 3] = [4, 5, 6];
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LISTS: [u8; 2] = [9, 10];
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Structures in each other.
const DEPTH: usize = 32;

/// The bytes that are not read yet.
#[derive(Debug)]
pub(super) struct Thrift<'b> {
    rest: &'b [u8],
    /// The reading came to the end of the bytes: with more of them it may succeed.
    pub(super) short: bool,
}

/// What gets each field of a structure: its number, its kind, and the bytes that it begins. It says whether it has
/// read the field.
pub(super) type Field<'f, 'b> = dyn FnMut(i16, u8, &mut Thrift<'b>) -> Result<bool> + 'f;

impl<'b> Thrift<'b> {
    pub(super) fn new(rest: &'b [u8]) -> Self {
        Self { rest, short: false }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a structure. Fields that `field` does not read are passed over.
    pub(super) fn structure(&mut self, field: &mut Field<'_, 'b>) -> Result<()> {
        let mut id: i16 = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => self.small()?,
                delta => id.wrapping_add(i16::from(delta)),
            };
            let kind = head & 0x0f;
            if !field(id, kind, self)? {
                self.skip(kind, 0)?;
            }
        }
    }

    /// Reads a list whose items are structures, or whatever `item` reads; how many there are.
    pub(super) fn list(&mut self, item: &mut dyn FnMut(&mut Self, u8) -> Result<()>) -> Result<()> {
        let (count, kind) = self.list_head()?;
        (0..count).try_for_each(|_| item(self, kind))
    }

    fn list_head(&mut self) -> Result<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).unwrap_or(usize::MAX),
            count => count.into(),
        };
        self.counted(count)?;
        Ok((count, head & 0x0f))
    }

    /// No item takes less than a byte.
    fn counted(&mut self, count: usize) -> Result<()> {
        if count > self.rest.len() {
            self.short = true;
            return Err(damaged("a header of it ends early"));
        }
        Ok(())
    }

    pub(super) fn int(&mut self, kind: u8) -> Result<i64> {
        match kind {
            BYTE => Ok(i8::from_le_bytes([self.byte()?]).into()),
            _ if INTS.contains(&kind) => self.zigzag(),
            _ => Err(damaged("a header of it has a field of another kind")),
        }
    }

    /// The value of a field that is a truth: its kind says it.
    pub(super) fn truth(kind: u8) -> Result<bool> {
        match kind {
            TRUE => Ok(true),
            FALSE => Ok(false),
            _ => Err(damaged("a header of it has a field of another kind")),
        }
    }

    pub(super) fn binary(&mut self, kind: u8) -> Result<&'b [u8]> {
        if kind != BINARY {
            return Err(damaged("a header of it has a field of another kind"));
        }
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn zigzag(&mut self) -> Result<i64> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    fn small(&mut self) -> Result<i16> {
        i16::try_from(self.zigzag()?).map_err(|_| damaged("a header of it has a field of no number"))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a header of it has a number that does not end"))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            self.short = true;
            return Err(damaged("a header of it ends early"));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        if depth > DEPTH {
            return Err(damaged("a header of it is nested too deep"));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.take(1).map(drop),
            DOUBLE => self.take(8).map(drop),
            BINARY => self.binary(kind).map(drop),
            STRUCT => loop {
                let head = self.byte()?;
                if head == 0 {
                    return Ok(());
                }
                if head >> 4 == 0 {
                    self.small()?;
                }
                self.skip(head & 0x0f, depth + 1)?;
            },
            MAP => {
                let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                self.counted(count)?;
                for _ in 0..count {
                    self.item(kinds >> 4, depth)?;
                    self.item(kinds & 0x0f, depth)?;
                }
                Ok(())
            }
            _ if INTS.contains(&kind) => self.varint().map(drop),
            _ if LISTS.contains(&kind) => {
                let (count, kind) = self.list_head()?;
                (0..count).try_for_each(|_| self.item(kind, depth))
            }
            _ => Err(damaged("a header of it has a field of no known kind")),
        }
    }

    /// In lists a truth takes a byte.
    fn item(&mut self, kind: u8, depth: usize) -> Result<()> {
        match kind {
            TRUE | FALSE => self.take(1).map(drop),
            _ => self.skip(kind, depth + 1),
        }
    }
}
