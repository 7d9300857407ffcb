//! The footer of a file: its columns, and where their pages are.

use super::codec::Codec;
use super::thrift::Thrift;
use super::{Result, damaged};

/// Columns, and structures around them.
const NODES: usize = 4_000;

/// Structures in each other.
const DEPTH: usize = 48;

/// Columns of all groups of rows.
const CHUNKS: usize = 500_000;

/// What stands in a file.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) root: Vec<Node>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) groups: Vec<Group>,
}

/// A member of a row.
#[derive(Debug)]
pub(super) struct Node {
    /// As JSON, with its colon.
    pub(super) key: Vec<u8>,
    /// Nothing of it is there where a definition is less.
    pub(super) defined: u32,
    pub(super) optional: bool,
    /// Where it is repeated, the level by which its items are told apart.
    pub(super) repeated: Option<u32>,
    pub(super) what: What,
    /// The columns of it.
    pub(super) leaves: std::ops::Range<usize>,
}

#[derive(Debug)]
pub(super) enum What {
    Value,
    Members(Vec<Node>),
    /// It stands for its only member.
    One(Box<Node>),
    /// Its only member is repeated, and has a key and a value, or a key alone.
    Map(Box<Node>),
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) physical: Physical,
    pub(super) meaning: Meaning,
    pub(super) defined: u32,
    pub(super) repeated: u32,
}

/// How values lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    Bool,
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    Bytes,
    Fixed(usize),
}

/// What values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Unsigned,
    Decimal(u32),
    Date,
    /// Since 1970, in so many parts of a second.
    Moment(i64),
    Uuid,
    Half,
}

/// A group of rows.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) rows: u64,
    pub(super) chunks: Vec<ChunkOf>,
}

/// The pages of a column in a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkOf {
    pub(super) codec: Codec,
    pub(super) values: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// An element of the schema, as it is written: parents first.
#[derive(Debug, Default)]
struct Element<'b> {
    physical: Option<i64>,
    length: i64,
    repetition: i64,
    name: &'b [u8],
    children: i64,
    converted: Option<i64>,
    scale: i64,
    logical: Option<Logical>,
}

#[derive(Clone, Copy, Debug)]
enum Logical {
    Map,
    List,
    Decimal(i64),
    Moment(i64),
    Unsigned,
    Date,
    Uuid,
    Half,
    Other,
}

impl Footer {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let (mut elements, mut groups) = (Vec::new(), Vec::new());
        let mut chunks = 0;
        Thrift::new(bytes).structure(&mut |id, kind, from| {
            match id {
                2 => from.list(&mut |from, _| {
                    if elements.len() == NODES {
                        return Err(damaged("it has more columns than are read"));
                    }
                    elements.push(element(from)?);
                    Ok(())
                })?,
                4 => from.list(&mut |from, _| {
                    let group = group(from, &mut chunks)?;
                    groups.push(group);
                    Ok(())
                })?,
                8 => return Err(damaged("it is encrypted")),
                _ => return Ok(false),
            }
            let _ = kind;
            Ok(true)
        })?;
        let mut elements = elements.iter();
        let root = elements.next().ok_or_else(|| damaged("it names no columns"))?;
        let mut tree = Tree { elements, leaves: Vec::new() };
        let root = tree.members(root.children, Level::default(), 0)?;
        let leaves = tree.leaves;
        if groups.iter().any(|group: &Group| group.chunks.len() != leaves.len()) {
            return Err(damaged("a group of its rows has other columns than it names"));
        }
        Ok(Self { root, leaves, groups })
    }
}

fn element<'b>(from: &mut Thrift<'b>) -> Result<Element<'b>> {
    let mut element = Element::default();
    from.structure(&mut |id, kind, from| {
        match id {
            1 => element.physical = Some(from.int(kind)?),
            2 => element.length = from.int(kind)?,
            3 => element.repetition = from.int(kind)?,
            4 => element.name = from.binary(kind)?,
            5 => element.children = from.int(kind)?,
            6 => element.converted = Some(from.int(kind)?),
            7 => element.scale = from.int(kind)?,
            10 => from.structure(&mut |id, _, from| {
                element.logical = Some(logical(id, from)?);
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(element)
}

/// A member of the union of logical types, which are structures.
fn logical(id: i16, from: &mut Thrift<'_>) -> Result<Logical> {
    let (mut scale, mut signed, mut unit) = (0, true, 0);
    from.structure(&mut |field, kind, from| {
        match (id, field) {
            (5, 1) => scale = from.int(kind)?,
            (10, 2) => signed = Thrift::truth(kind)?,
            (8, 2) => from.structure(&mut |id, _, from| {
                unit = id;
                from.structure(&mut |_, _, _| Ok(false))?;
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(match id {
        2 => Logical::Map,
        3 => Logical::List,
        5 => Logical::Decimal(scale),
        6 => Logical::Date,
        8 => Logical::Moment(match unit {
            1 => 1_000,
            2 => 1_000_000,
            _ => 1_000_000_000,
        }),
        10 if !signed => Logical::Unsigned,
        14 => Logical::Uuid,
        15 => Logical::Half,
        _ => Logical::Other,
    })
}

fn group(from: &mut Thrift<'_>, chunks: &mut usize) -> Result<Group> {
    let mut group = Group { rows: 0, chunks: Vec::new() };
    from.structure(&mut |id, kind, from| {
        match id {
            1 => from.list(&mut |from, _| {
                *chunks += 1;
                if *chunks > CHUNKS || group.chunks.len() == NODES {
                    return Err(damaged("it has more groups of rows than are read"));
                }
                group.chunks.push(chunk(from)?);
                Ok(())
            })?,
            3 => group.rows = count(from.int(kind)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    // Groups without columns take no room in the file.
    *chunks += 1;
    if *chunks > CHUNKS {
        return Err(damaged("it has more groups of rows than are read"));
    }
    Ok(group)
}

fn count(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| damaged("its footer has a number that is negative"))
}

fn chunk(from: &mut Thrift<'_>) -> Result<ChunkOf> {
    let (mut codec, mut values, mut size) = (0, 0, 0);
    let (mut data, mut dictionary) = (None, None);
    from.structure(&mut |id, kind, from| {
        match id {
            1 => {
                from.binary(kind)?;
                return Err(damaged("its columns are in other files"));
            }
            3 => from.structure(&mut |id, kind, from| {
                match id {
                    4 => codec = from.int(kind)?,
                    5 => values = count(from.int(kind)?)?,
                    7 => size = count(from.int(kind)?)?,
                    9 => data = Some(count(from.int(kind)?)?),
                    11 => dictionary = Some(count(from.int(kind)?)?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            8 => return Err(damaged("it is encrypted")),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let data = data.ok_or_else(|| damaged("its footer does not say where a column is"))?;
    // Some writers say that the dictionary is at 0.
    let start = dictionary.filter(|at| *at > 0 && *at < data).unwrap_or(data);
    Ok(ChunkOf { codec: Codec::of(codec)?, values, start, end: start.saturating_add(size) })
}

/// The levels that a node inherits.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    defined: u32,
    repeated: u32,
}

struct Tree<'e, 'b> {
    elements: std::slice::Iter<'e, Element<'b>>,
    leaves: Vec<Leaf>,
}

impl Tree<'_, '_> {
    fn members(&mut self, count: i64, level: Level, depth: usize) -> Result<Vec<Node>> {
        if depth > DEPTH {
            return Err(damaged("its columns are nested too deep"));
        }
        if count < 1 {
            return Err(damaged("it names a structure without members"));
        }
        (0..count).map(|_| self.node(level, depth)).collect()
    }

    fn node(&mut self, level: Level, depth: usize) -> Result<Node> {
        let element = self.elements.next().ok_or_else(|| damaged("it names fewer columns than it counts"))?;
        let (optional, is_repeated) = (element.repetition == 1, element.repetition == 2);
        let level = Level {
            defined: level.defined + u32::from(optional || is_repeated),
            repeated: level.repeated + u32::from(is_repeated),
        };
        let first = self.leaves.len();
        let what = match element.physical.filter(|_| element.children == 0) {
            Some(physical) => {
                let physical = physical_of(physical, element.length)?;
                let meaning = meaning(element);
                let Level { defined, repeated } = level;
                self.leaves.push(Leaf { physical, meaning, defined, repeated });
                What::Value
            }
            None => group_of(element, self.members(element.children, level, depth + 1)?),
        };
        let mut key = Vec::new();
        halod_record::canon::write_str(&String::from_utf8_lossy(element.name), &mut key);
        key.push(b':');
        Ok(Node {
            key,
            defined: level.defined,
            optional,
            repeated: is_repeated.then_some(level.repeated),
            what,
            leaves: first..self.leaves.len(),
        })
    }
}

/// Lists and maps are structures around what is repeated in them.
fn group_of(element: &Element<'_>, mut members: Vec<Node>) -> What {
    let is = |logical: fn(&Logical) -> bool, converted: &[i64]| {
        element.logical.as_ref().is_some_and(logical)
            || element.converted.is_some_and(|it| converted.contains(&it))
    };
    let is_map = is(|it| matches!(it, Logical::Map), &[1, 2]);
    let is_list = is(|it| matches!(it, Logical::List), &[3]);
    let [only] = members.as_slice() else { return What::Members(members) };
    if only.repeated.is_none() || !(is_map || is_list) {
        return What::Members(members);
    }
    let within = match &only.what {
        What::Members(within) => within.len(),
        _ => 0,
    };
    let Some(mut only) = members.pop() else { return What::Members(members) };
    if is_map && (1..=2).contains(&within) {
        return What::Map(Box::new(only));
    }
    // A repeated structure of one member stands for that member, unless an old writer named it otherwise.
    let is_old = only.key == b"\"array\":" || only.key.ends_with(b"_tuple\":");
    if within == 1
        && !is_old
        && let What::Members(within) = &mut only.what
        && let Some(item) = within.pop()
    {
        only.what = What::One(Box::new(item));
    }
    What::One(Box::new(only))
}

fn physical_of(number: i64, length: i64) -> Result<Physical> {
    Ok(match number {
        0 => Physical::Bool,
        1 => Physical::Int32,
        2 => Physical::Int64,
        3 => Physical::Int96,
        4 => Physical::Float,
        5 => Physical::Double,
        6 => Physical::Bytes,
        7 => match usize::try_from(length) {
            Ok(length @ 1..=0xffff) => Physical::Fixed(length),
            _ => return Err(damaged("a column of it has values of no size")),
        },
        _ => return Err(damaged("a column of it is of no known type")),
    })
}

fn meaning(element: &Element<'_>) -> Meaning {
    let scale = |scale: i64| Meaning::Decimal(u32::try_from(scale).unwrap_or(0).min(100));
    match (element.logical, element.converted) {
        (Some(Logical::Decimal(of)), _) => scale(of),
        (Some(Logical::Moment(parts)), _) => Meaning::Moment(parts),
        (Some(Logical::Unsigned), _) | (_, Some(11..=14)) => Meaning::Unsigned,
        (Some(Logical::Date), _) | (_, Some(6)) => Meaning::Date,
        (Some(Logical::Uuid), _) => Meaning::Uuid,
        (Some(Logical::Half), _) => Meaning::Half,
        (_, Some(5)) => scale(element.scale),
        (_, Some(9)) => Meaning::Moment(1_000),
        (_, Some(10)) => Meaning::Moment(1_000_000),
        _ => Meaning::Plain,
    }
}
