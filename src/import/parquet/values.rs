//! The values of a page, in each of the encodings that there are. They are read one after the other, so that none of
//! them takes more memory than the page.

use super::levels::{Deltas, Hybrid, ends_early, take};
use super::meta::Physical;
use super::{LARGEST, Result, damaged};
use bytes::{Buf, Bytes};

/// One value, as it lies in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Float(f32),
    Double(f64),
    Bytes(Bytes),
}

/// The values of a page that are to come.
#[derive(Debug)]
pub(super) enum Values {
    Plain(Bytes),
    /// Truths by bits, and the next of them.
    Bits(Bytes, usize),
    Truths(Hybrid),
    /// Places in the dictionary.
    Places(Hybrid),
    Deltas(Deltas),
    /// Lengths, and the texts behind them.
    Lengths(Deltas, Bytes),
    /// What a text shares with the one before, and the texts' ends.
    Prefixes(Deltas, Deltas, Bytes, Bytes),
    /// The first bytes of all values, then the second, and the next of them.
    Split(Bytes, usize, usize),
}

/// The values that a column's pages name by their places.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    bytes: Bytes,
    /// Where values of no fixed size begin.
    starts: Vec<u32>,
}

impl Physical {
    /// Bytes of a value, if all have as many.
    fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Bytes => None,
            Self::Int32 | Self::Float => Some(4),
            Self::Int64 | Self::Double => Some(8),
            Self::Int96 => Some(12),
            Self::Fixed(size) => Some(size),
        }
    }

    /// The value that these bytes are.
    fn value(self, bytes: Bytes) -> Result<Value> {
        fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
            bytes.try_into().map_err(|_| ends_early())
        }
        Ok(match self {
            Self::Int32 => Value::Int(i32::from_le_bytes(array(&bytes)?).into()),
            Self::Int64 => Value::Int(i64::from_le_bytes(array(&bytes)?)),
            Self::Float => Value::Float(f32::from_le_bytes(array(&bytes)?)),
            Self::Double => Value::Double(f64::from_le_bytes(array(&bytes)?)),
            Self::Bool | Self::Int96 | Self::Bytes | Self::Fixed(_) => Value::Bytes(bytes),
        })
    }

    /// Takes a value that is written plainly.
    fn plain(self, from: &mut Bytes) -> Result<Value> {
        let size = match self.size() {
            Some(size) => size,
            None => length(from)?,
        };
        self.value(take(from, size)?)
    }
}

fn length(from: &mut Bytes) -> Result<usize> {
    Ok(usize::try_from(take(from, 4)?.get_u32_le()).unwrap_or(usize::MAX))
}

impl Dictionary {
    /// What the page of a dictionary holds.
    pub(super) fn new(physical: Physical, bytes: Bytes, count: usize) -> Result<Self> {
        let mut starts = Vec::new();
        if physical == Physical::Bytes {
            let mut rest = bytes.clone();
            // Each takes its length at least.
            for _ in 0..count.min(bytes.len() / 4) {
                starts.push(u32::try_from(bytes.len() - rest.len()).unwrap_or(u32::MAX));
                physical.plain(&mut rest)?;
            }
        }
        Ok(Self { bytes, starts })
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + 4 * self.starts.len()
    }

    fn get(&self, physical: Physical, place: usize) -> Result<Value> {
        let start = match physical.size() {
            Some(size) => place.checked_mul(size),
            None => self.starts.get(place).and_then(|start| usize::try_from(*start).ok()),
        };
        let start = start.filter(|start| *start < self.bytes.len());
        let start = start.ok_or_else(|| damaged("a page of it names a value that is in no dictionary"))?;
        physical.plain(&mut self.bytes.slice(start..))
    }
}

impl Values {
    /// The values of a page in this encoding.
    pub(super) fn new(encoding: i64, physical: Physical, mut bytes: Bytes, count: usize) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::Plain(bytes));
        }
        Ok(match (encoding, physical) {
            (0, Physical::Bool) => Self::Bits(bytes, 0),
            (0, _) => Self::Plain(bytes),
            (2 | 8, _) => {
                let width = bytes.get_u8().into();
                Self::Places(Hybrid::new(bytes, width)?)
            }
            (3, Physical::Bool) => {
                let size = length(&mut bytes)?;
                Self::Truths(Hybrid::new(take(&mut bytes, size)?, 1)?)
            }
            (5, Physical::Int32 | Physical::Int64) => Self::Deltas(Deltas::new(bytes)?),
            (6, Physical::Bytes) => {
                let lengths = Deltas::new(bytes)?;
                let texts = lengths.behind()?;
                Self::Lengths(lengths, texts)
            }
            (7, Physical::Bytes | Physical::Fixed(_)) => {
                let prefixes = Deltas::new(bytes)?;
                let lengths = Deltas::new(prefixes.behind()?)?;
                let texts = lengths.behind()?;
                Self::Prefixes(prefixes, lengths, texts, Bytes::new())
            }
            (9, _) if physical.size().is_some() => {
                let size = physical.size().unwrap_or(1);
                if !bytes.len().is_multiple_of(size) || bytes.len() / size > count {
                    return Err(ends_early());
                }
                let count = bytes.len() / size;
                Self::Split(bytes, count, 0)
            }
            _ => return Err(damaged("a page of it is written in a way that is not known")),
        })
    }

    pub(super) fn next(&mut self, physical: Physical, dictionary: &Dictionary) -> Result<Value> {
        match self {
            Self::Plain(bytes) => physical.plain(bytes),
            Self::Bits(bytes, next) => {
                let byte = bytes.get(*next / 8).ok_or_else(ends_early)?;
                let value = byte >> (*next % 8) & 1 == 1;
                *next += 1;
                Ok(Value::Bool(value))
            }
            Self::Truths(truths) => Ok(Value::Bool(truths.next()? == 1)),
            Self::Places(places) => {
                dictionary.get(physical, usize::try_from(places.next()?).unwrap_or(usize::MAX))
            }
            Self::Deltas(deltas) => {
                let value = deltas.next()?;
                // Differences of small numbers are those of 32 bits.
                Ok(Value::Int(if physical == Physical::Int32 { (value as i32).into() } else { value }))
            }
            Self::Lengths(lengths, texts) => {
                let length = usize::try_from(lengths.next()?).map_err(|_| ends_early())?;
                Ok(Value::Bytes(take(texts, length)?))
            }
            Self::Prefixes(prefixes, lengths, texts, before) => {
                let shared = usize::try_from(prefixes.next()?).map_err(|_| ends_early())?;
                let length = usize::try_from(lengths.next()?).map_err(|_| ends_early())?;
                if shared == 0 {
                    *before = take(texts, length)?;
                } else {
                    let shared = before.get(..shared).ok_or_else(ends_early)?;
                    let own = take(texts, length)?;
                    if shared.len() + own.len() > LARGEST {
                        return Err(damaged("a value of it is larger than a page may be"));
                    }
                    *before = [shared, own.as_ref()].concat().into();
                }
                physical.value(before.clone())
            }
            Self::Split(bytes, count, next) => {
                if *next >= *count {
                    return Err(ends_early());
                }
                let value: Vec<u8> = bytes.iter().skip(*next).step_by(*count).copied().collect();
                *next += 1;
                physical.value(value.into())
            }
        }
    }
}
