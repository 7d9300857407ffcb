//! Rows as the JSON that the same store writes as lines.

use super::column::{Column, Levels};
use super::meta::{Leaf, Meaning, Node, Physical, What};
use super::values::Value;
use super::{At, Result, damaged};
use halod_record::canon::write_str;
use std::io::Write;
use std::ops::Range;

/// One row, while it is written.
pub(super) struct Row<'r> {
    pub(super) from: &'r At,
    pub(super) leaves: &'r [Leaf],
    pub(super) columns: &'r mut [Column],
    /// Bytes that all columns may hold.
    pub(super) budget: usize,
    pub(super) out: Vec<u8>,
    /// Bytes that a row may have: what goes beyond is read, and not kept.
    pub(super) most: usize,
    /// The row was larger.
    pub(super) over: bool,
}

impl Row<'_> {
    /// Looks whether all columns are at the begin of a row.
    pub(super) fn begins(&mut self) -> Result<()> {
        for at in 0..self.leaves.len() {
            let repeats = self.leaves.get(at).is_some_and(|leaf| leaf.repeated > 0);
            if repeats && self.peek(at)?.repeated != 0 {
                return Err(damaged("the rows of its columns do not fit each other"));
            }
        }
        Ok(())
    }

    pub(super) fn members(&mut self, members: &[Node]) -> Result<()> {
        self.out.push(b'{');
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&member.key);
            self.node(member)?;
        }
        self.out.push(b'}');
        self.bound();
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        let Some(level) = node.repeated else {
            if node.optional && self.peek(node.leaves.start)?.defined < node.defined {
                return self.null(node.leaves.clone());
            }
            return self.what(node);
        };
        if self.peek(node.leaves.start)?.defined < node.defined {
            self.pass(node.leaves.clone())?;
            self.out.extend_from_slice(b"[]");
            return Ok(());
        }
        self.out.push(b'[');
        loop {
            self.what(node)?;
            if !self.goes_on(node.leaves.start, level)? {
                break;
            }
            self.out.push(b',');
        }
        self.out.push(b']');
        Ok(())
    }

    fn what(&mut self, node: &Node) -> Result<()> {
        match &node.what {
            What::Value => self.value(node.leaves.start),
            What::Members(members) => self.members(members),
            What::One(only) => self.node(only),
            What::Map(entries) => self.map(entries),
        }
    }

    fn map(&mut self, entries: &Node) -> Result<()> {
        let first = entries.leaves.start;
        let What::Members(members) = &entries.what else { return self.node(entries) };
        let [key, value @ ..] = members.as_slice() else { return self.node(entries) };
        if self.peek(first)?.defined < entries.defined {
            self.pass(entries.leaves.clone())?;
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.out.push(b'{');
        loop {
            let from = self.out.len();
            self.node(key)?;
            // Names of members are texts.
            if self.out.get(from) != Some(&b'"') {
                let name = String::from_utf8_lossy(self.out.get(from..).unwrap_or_default()).into_owned();
                self.out.truncate(from);
                write_str(&name, &mut self.out);
            }
            self.out.push(b':');
            match value.first() {
                Some(value) => self.node(value)?,
                None => self.out.extend_from_slice(b"null"),
            }
            if !self.goes_on(first, entries.repeated.unwrap_or_default())? {
                break;
            }
            self.out.push(b',');
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Whether another item comes of what is repeated at `level`.
    fn goes_on(&mut self, leaf: usize, level: u32) -> Result<bool> {
        self.bound();
        Ok(self.next(leaf)?.is_some_and(|next| next.repeated >= level))
    }

    /// Lets go of what a row has too much.
    fn bound(&mut self) {
        if self.out.len() > self.most {
            self.over = true;
        }
        if self.over {
            self.out.clear();
        }
    }

    fn null(&mut self, leaves: Range<usize>) -> Result<()> {
        self.pass(leaves)?;
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    /// Goes past columns in which nothing is there.
    fn pass(&mut self, leaves: Range<usize>) -> Result<()> {
        for leaf in leaves {
            self.peek(leaf)?;
            self.column(leaf)?.take()?;
        }
        Ok(())
    }

    fn column(&mut self, leaf: usize) -> Result<&mut Column> {
        self.columns.get_mut(leaf).ok_or_else(|| damaged("it has fewer columns than it names"))
    }

    fn next(&mut self, leaf: usize) -> Result<Option<Levels>> {
        let from = self.from;
        let others = self.columns.iter().enumerate().filter(|(at, _)| *at != leaf);
        // Only a new page takes memory.
        let budget = match self.columns.get(leaf).is_some_and(Column::is_spent) {
            true => self.budget.saturating_sub(others.map(|(_, column)| column.held()).sum()),
            false => self.budget,
        };
        self.column(leaf)?.peek(from, budget)
    }

    fn peek(&mut self, leaf: usize) -> Result<Levels> {
        self.next(leaf)?.ok_or_else(|| damaged("a column of it has fewer values than there are rows"))
    }

    fn value(&mut self, leaf: usize) -> Result<()> {
        self.peek(leaf)?;
        let value = self.column(leaf)?.take()?;
        match (value, self.leaves.get(leaf)) {
            (Some(Value::Bytes(bytes)), _) if bytes.len() > LONG && escaped(&bytes) > self.most => {
                self.over = true;
            }
            (Some(value), Some(leaf)) => json(&value, leaf, &mut self.out),
            _ => self.out.extend_from_slice(b"null"),
        }
        self.bound();
        Ok(())
    }
}

/// Texts that are longer are measured before they are written.
const LONG: usize = 1 << 20;

/// Bytes that a text takes as JSON, at most.
fn escaped(bytes: &[u8]) -> usize {
    let one = |byte: &u8| match byte {
        ..0x20 => 6,
        b'"' | b'\\' => 2,
        0x80.. => 3,
        _ => 1,
    };
    bytes.iter().map(one).sum()
}

/// A value as JSON.
fn json(value: &Value, leaf: &Leaf, out: &mut Vec<u8>) {
    match (value, leaf.meaning) {
        (Value::Bool(value), _) => print(out, format_args!("{value}")),
        (Value::Float(value), _) if value.is_finite() => print(out, format_args!("{value}")),
        (Value::Double(value), _) if value.is_finite() => print(out, format_args!("{value}")),
        (Value::Float(_) | Value::Double(_), _) => out.extend_from_slice(b"null"),
        (Value::Int(value), Meaning::Decimal(scale)) => decimal((*value).into(), scale, out),
        (Value::Int(days), Meaning::Date) => date(*days, out),
        (Value::Int(value), Meaning::Moment(parts)) => {
            let seconds = value.div_euclid(parts);
            let nanos = value.rem_euclid(parts) * (1_000_000_000 / parts);
            if !moment(seconds, nanos, out) {
                print(out, format_args!("{value}"));
            }
        }
        (Value::Int(value), Meaning::Unsigned) => match leaf.physical {
            Physical::Int32 => print(out, format_args!("{}", *value as u32)),
            _ => print(out, format_args!("{}", value.cast_unsigned())),
        },
        (Value::Int(value), _) => print(out, format_args!("{value}")),
        (Value::Bytes(bytes), meaning) => of_bytes(bytes, meaning, leaf.physical, out),
    }
}

fn print(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Nothing fails that is written to memory.
    let _ = out.write_fmt(what);
}

fn of_bytes(bytes: &[u8], meaning: Meaning, physical: Physical, out: &mut Vec<u8>) {
    match (meaning, bytes) {
        (_, [_, _, _, _, _, _, _, _, a, b, c, d]) if physical == Physical::Int96 => {
            // Nanoseconds of a day, and the day by Julius.
            let nanos = bytes.first_chunk::<8>().map_or(0, |nanos| i64::from_le_bytes(*nanos));
            let day = i64::from(u32::from_le_bytes([*a, *b, *c, *d])) - 2_440_588;
            let seconds = day * 86_400 + nanos.div_euclid(1_000_000_000);
            if !moment(seconds, nanos.rem_euclid(1_000_000_000), out) {
                out.extend_from_slice(b"null");
            }
        }
        (Meaning::Half, [low, high]) => match half(u16::from_le_bytes([*low, *high])) {
            value if value.is_finite() => print(out, format_args!("{value}")),
            _ => out.extend_from_slice(b"null"),
        },
        (Meaning::Decimal(scale), _) => {
            let negative = bytes.first().is_some_and(|first| *first > 0x7f);
            let fill = if negative { 0xff } else { 0 };
            let (sign, low) = bytes.split_at(bytes.len().saturating_sub(16));
            let fits = sign.iter().all(|byte| *byte == fill)
                && (sign.is_empty() || low.first().is_some_and(|first| (*first > 0x7f) == negative));
            let mut whole = [fill; 16];
            whole[16 - low.len()..].copy_from_slice(low);
            match fits {
                true => decimal(i128::from_be_bytes(whole), scale, out),
                false => out.extend_from_slice(b"null"),
            }
        }
        (Meaning::Uuid, [a @ .., _, _, _, _, _, _, _, _, _, _, _, _]) if bytes.len() == 16 => {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let part = |range: Range<usize>| hex(bytes.get(range).unwrap_or_default());
            let text = [hex(a), part(4..6), part(6..8), part(8..10), part(10..16)].join("-");
            print(out, format_args!("\"{text}\""));
        }
        _ => {
            write_str(&String::from_utf8_lossy(bytes), out);
        }
    }
}

/// A number of so many places behind the point, without zeros at its end.
fn decimal(value: i128, scale: u32, out: &mut Vec<u8>) {
    let scale = scale as usize;
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, places) = digits.split_at(digits.len() - scale);
    let places = places.trim_end_matches('0');
    let sign = if value < 0 { "-" } else { "" };
    let point = if places.is_empty() { "" } else { "." };
    print(out, format_args!("{sign}{whole}{point}{places}"));
}

fn date(days: i64, out: &mut Vec<u8>) {
    match days.checked_mul(86_400).and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
        Some(at) => print(out, format_args!("\"{}\"", at.strftime("%Y-%m-%d"))),
        None => print(out, format_args!("{days}")),
    }
}

/// Whether the moment has a name.
fn moment(seconds: i64, nanos: i64, out: &mut Vec<u8>) -> bool {
    let nanos = i32::try_from(nanos).unwrap_or(0);
    let Ok(at) = jiff::Timestamp::new(seconds, nanos) else { return false };
    print(out, format_args!("\"{at}\""));
    true
}

/// A number of sixteen bits.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff) / 1024.0);
    match exponent {
        0 => sign * fraction * 2_f32.powi(-14),
        31 => f32::NAN,
        _ => sign * (1.0 + fraction) * 2_f32.powi(exponent - 15),
    }
}
