//! A column of a group of rows: its pages, one after the other, and the levels and values in them.

use super::codec::Codec;
use super::levels::{Hybrid, take};
use super::meta::{ChunkOf, Leaf};
use super::thrift::Thrift;
use super::values::{Dictionary, Value, Values};
use super::{At, LARGEST, Result, damaged};
use bytes::{Buf, Bytes};

/// Bytes that the header of a page is looked for in: at first, and at most. It may hold a value.
const HEADER: usize = 4 << 10;
const LONGEST: usize = 16 << 20;

/// A column that is read.
#[derive(Debug)]
pub(super) struct Column {
    leaf: Leaf,
    codec: Codec,
    at: u64,
    end: u64,
    /// Values that no page has brought yet.
    coming: u64,
    dictionary: Dictionary,
    page: Page,
    /// The levels of what comes next.
    next: Option<Levels>,
}

/// How often a value is repeated, and how much of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) repeated: u32,
    pub(super) defined: u32,
}

#[derive(Debug)]
struct Page {
    left: u64,
    repeated: Hybrid,
    defined: Hybrid,
    values: Values,
    size: usize,
}

/// What is written before a page.
#[derive(Debug, Default)]
struct Header {
    kind: i64,
    size: usize,
    packed: usize,
    values: u64,
    encoding: i64,
    /// Of levels.
    encodings: [i64; 2],
    /// Of the second version: bytes of levels, which are not packed, and whether the values are.
    repeated: usize,
    defined: usize,
    plain: bool,
}

const DATA: i64 = 0;
const INDEX: i64 = 1;
const DICTIONARY: i64 = 2;
const DATA_2: i64 = 3;
const RLE: i64 = 3;

impl Column {
    pub(super) fn new(leaf: &Leaf, chunk: &ChunkOf) -> Self {
        Self {
            leaf: leaf.clone(),
            codec: chunk.codec,
            at: chunk.start,
            end: chunk.end,
            coming: chunk.values,
            dictionary: Dictionary::default(),
            page: Page {
                left: 0,
                repeated: Hybrid::always(0),
                defined: Hybrid::always(0),
                values: Values::Plain(Bytes::new()),
                size: 0,
            },
            next: None,
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.page.size + self.dictionary.size()
    }

    /// Whether what comes next is in another page.
    pub(super) fn is_spent(&self) -> bool {
        self.next.is_none() && self.page.left == 0
    }

    /// The levels of what comes next; `None` at the end. `budget`: bytes that it may hold.
    pub(super) fn peek(&mut self, from: &At, budget: usize) -> Result<Option<Levels>> {
        if self.next.is_some() {
            return Ok(self.next);
        }
        while self.page.left == 0 {
            if self.coming == 0 {
                return Ok(None);
            }
            self.turn(from, budget)?;
        }
        self.page.left -= 1;
        let (repeated, defined) = (self.page.repeated.next()?, self.page.defined.next()?);
        if repeated > self.leaf.repeated || defined > self.leaf.defined {
            return Err(damaged("a page of it has levels that its columns do not have"));
        }
        self.next = Some(Levels { repeated, defined });
        Ok(self.next)
    }

    /// Goes past what comes next; its value, if there is one.
    pub(super) fn take(&mut self) -> Result<Option<Value>> {
        match self.next.take() {
            Some(levels) if levels.defined == self.leaf.defined => {
                self.page.values.next(self.leaf.physical, &self.dictionary).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Reads the next page.
    fn turn(&mut self, from: &At, budget: usize) -> Result<()> {
        let header = self.header(from)?;
        if header.size > LARGEST || header.packed > LARGEST {
            return Err(damaged("a page of it is larger than 64 MiB; write it with smaller pages"));
        }
        if ![DATA, INDEX, DICTIONARY, DATA_2].contains(&header.kind) {
            return Err(damaged("a page of it is of no known kind"));
        }
        if self.at + header.packed as u64 > self.end {
            return Err(damaged("a page of it goes beyond its column"));
        }
        if header.kind == INDEX {
            self.at += header.packed as u64;
            return Ok(());
        }
        // What was read before is let go of first.
        (self.page.values, self.page.size) = (Values::Plain(Bytes::new()), 0);
        if header.kind == DICTIONARY {
            self.dictionary = Dictionary::default();
        }
        if self.held() + header.size + header.packed > budget {
            return Err(damaged(
                "its pages take more memory than there is for them; write it with smaller pages",
            ));
        }
        let packed = from.read(self.at, header.packed)?;
        self.at += header.packed as u64;
        if header.kind == DATA_2 {
            return self.second(header, packed);
        }
        let mut bytes = Bytes::from(self.codec.unpack(packed, header.size)?);
        if header.kind == DICTIONARY {
            let count = usize::try_from(header.values).unwrap_or(usize::MAX);
            if ![0, 2].contains(&header.encoding) {
                return Err(damaged("a dictionary of it is written in a way that is not known"));
            }
            self.dictionary = Dictionary::new(self.leaf.physical, bytes, count)?;
            return Ok(());
        }
        let [defined, repeated] = header.encodings;
        let mut levels = |most: u32, encoding: i64| {
            if most == 0 {
                return Ok(Hybrid::always(0));
            }
            if encoding != RLE {
                return Err(damaged("a page of it has levels in a way that is no longer written"));
            }
            let size = usize::try_from(take(&mut bytes, 4)?.get_u32_le()).unwrap_or(usize::MAX);
            Hybrid::new(take(&mut bytes, size)?, width(most))
        };
        let repeated = levels(self.leaf.repeated, repeated)?;
        let defined = levels(self.leaf.defined, defined)?;
        self.page(&header, repeated, defined, bytes)
    }

    /// A page of the second version.
    fn second(&mut self, header: Header, packed: Vec<u8>) -> Result<()> {
        let mut bytes = Bytes::from(packed);
        let mut levels = |most: u32, size: usize| {
            let taken = take(&mut bytes, size)?;
            if most == 0 { Ok(Hybrid::always(0)) } else { Hybrid::new(taken, width(most)) }
        };
        let repeated = levels(self.leaf.repeated, header.repeated)?;
        let defined = levels(self.leaf.defined, header.defined)?;
        let size = header.size.checked_sub(header.repeated.saturating_add(header.defined));
        let size = size.ok_or_else(|| damaged("a page of it is smaller than its levels"))?;
        let bytes = match header.plain {
            true => bytes,
            false => self.codec.unpack(bytes.into(), size)?.into(),
        };
        self.page(&header, repeated, defined, bytes)
    }

    fn page(&mut self, header: &Header, repeated: Hybrid, defined: Hybrid, bytes: Bytes) -> Result<()> {
        self.coming = self
            .coming
            .checked_sub(header.values)
            .ok_or_else(|| damaged("a column of it has more values than it counts"))?;
        let count = usize::try_from(header.values).unwrap_or(usize::MAX);
        let size = bytes.len();
        let values = Values::new(header.encoding, self.leaf.physical, bytes, count)?;
        self.page = Page { left: header.values, repeated, defined, values, size };
        Ok(())
    }

    fn header(&mut self, from: &At) -> Result<Header> {
        let mut window = HEADER;
        loop {
            let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let bytes = from.read(self.at, window.min(left))?;
            let mut thrift = Thrift::new(&bytes);
            match header(&mut thrift) {
                Ok(header) => {
                    self.at += (bytes.len() - thrift.left()) as u64;
                    return Ok(header);
                }
                Err(_) if thrift.short && window < left && window < LONGEST => window *= 8,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Bits of the largest level.
fn width(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

fn header(from: &mut Thrift<'_>) -> Result<Header> {
    let mut header = Header { kind: -1, ..Header::default() };
    let size = |number: i64| usize::try_from(number).map_err(|_| damaged("a page of it has no valid size"));
    from.structure(&mut |id, kind, from| {
        match id {
            1 => header.kind = from.int(kind)?,
            2 => header.size = size(from.int(kind)?)?,
            3 => header.packed = size(from.int(kind)?)?,
            5 | 7 => from.structure(&mut |id, kind, from| {
                match id {
                    1 => header.values = size(from.int(kind)?)? as u64,
                    2 => header.encoding = from.int(kind)?,
                    3 if kind > 2 => header.encodings[0] = from.int(kind)?,
                    4 => header.encodings[1] = from.int(kind)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            8 => from.structure(&mut |id, kind, from| {
                match id {
                    1 => header.values = size(from.int(kind)?)? as u64,
                    4 => header.encoding = from.int(kind)?,
                    5 => header.defined = size(from.int(kind)?)?,
                    6 => header.repeated = size(from.int(kind)?)?,
                    7 => header.plain = !Thrift::truth(kind)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(header)
}
