//! `data.clock`: what time it was by halod's clock when a record was sealed, where that clock was
//! behind the record before it. `ts` never goes back, so it alone would not say.

use super::time::LEN as TS_LEN;
use std::borrow::Cow;
use std::cmp::Ordering;

const DATA: &[u8] = br#""data":{"#;
const KEY: &[u8] = br#""clock""#;

/// Where `data.clock` belongs in a canonical line whose `data` begins at `data`, and the member with
/// its comma. `None` where the line has one, or no `data`.
pub(super) fn member(line: &[u8], data: usize, now: &[u8; TS_LEN]) -> Option<(usize, Vec<u8>)> {
    let member = [KEY, b":\"", now, b"\""].concat();
    let mut members = Members::of(line, data)?;
    for next in members.by_ref() {
        match next.key.cmp(KEY) {
            Ordering::Less => {}
            Ordering::Equal => return None,
            Ordering::Greater => return Some((next.at, [&member, &b","[..]].concat())),
        }
    }
    let first = members.at == members.start;
    Some((members.at, if first { member } else { [b",", &member[..]].concat() }))
}

/// The line without `data.clock`.
pub(super) fn without(line: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memmem::find(line, DATA) {
        Some(data) => without_members(line, data, |key| key == KEY),
        None => Cow::Borrowed(line),
    }
}

/// A line whose `data` begins at `data`, without those members of it that `goes` names by their keys,
/// which have their quotes. A line that can't be read stays as it is.
pub(super) fn without_members(line: &[u8], data: usize, goes: impl Fn(&[u8]) -> bool) -> Cow<'_, [u8]> {
    let cut = || {
        let mut members = Members::of(line, data)?;
        let start = members.start;
        let first = members.find(|member| goes(member.key))?;
        // Each member that stays is written with a comma behind it; what stands before the first one that goes
        // has its comma already.
        let mut out = line.get(..first.at)?.to_vec();
        for member in members.by_ref().filter(|member| !goes(member.key)) {
            out.extend_from_slice(line.get(member.at..member.end)?);
            out.push(b',');
        }
        if out.len() > start {
            out.pop();
        }
        out.extend_from_slice(line.get(members.at..).filter(|rest| rest.starts_with(b"}"))?);
        Some(out)
    };
    cut().map_or(Cow::Borrowed(line), Cow::Owned)
}

/// The members of `data`, as far as they can be read.
struct Members<'a> {
    line: &'a [u8],
    /// Where the first one is.
    start: usize,
    /// Where the last one that was read ends.
    at: usize,
}

struct Member<'a> {
    /// With its quotes.
    key: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Members<'a> {
    fn of(line: &'a [u8], data: usize) -> Option<Self> {
        line.get(data..)?.strip_prefix(DATA)?;
        let start = data + DATA.len();
        Some(Self { line, start, at: start })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let at = self.at + usize::from(self.line.get(self.at) == Some(&b','));
        let rest = self.line.get(at..)?;
        let key = rest.get(..string(rest)?)?;
        let end = at + key.len() + 1 + value(rest.get(key.len() + 1..)?)?;
        self.at = end;
        Some(Member { key, at, end })
    }
}

/// Bytes of the string that `text` begins with, with its quotes.
pub(super) fn string(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Bytes of the value that `text` begins with.
fn value(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => at += string(text.get(at..)?)?,
            b'[' | b'{' => {
                depth += 1;
                at += 1;
            }
            b']' | b'}' | b',' if depth == 0 => return Some(at),
            b']' | b'}' => {
                depth -= 1;
                at += 1;
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeMap;

    const NOW: [u8; TS_LEN] = *b"2026-11-29T12:00:00.000000Z";

    fn with(line: &[u8]) -> Option<Vec<u8>> {
        let data = memchr::memmem::find(line, DATA).unwrap();
        let (at, member) = member(line, data, &NOW)?;
        Some([&line[..at], &member, &line[at..]].concat())
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!("\"clock\":\"2026\\")),
            Just(json!({"clock": "2026-11-29T12:00:00.000000Z", "a": ["}", 1]})),
            prop::collection::vec(".{0,6}", 0..4).prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn it_comes_where_it_belongs_and_goes_without_a_trace(
            members in prop::collection::btree_map("[a-e_]{1,6}|cl[a-z]{0,4}", scalar(), 0..8)
        ) {
            let line = |members: &BTreeMap<String, Value>| {
                // In the order of the keys, however serde_json keeps its maps.
                let data: Map<String, Value> = members.clone().into_iter().collect();
                json!({"action": {"tool": "t"}, "data": data, "ts": "x"}).to_string()
            };
            let mut members = members;
            members.remove("clock");
            let text = line(&members);
            let marked = with(text.as_bytes()).unwrap();
            members.insert("clock".into(), std::str::from_utf8(&NOW).unwrap().into());
            prop_assert_eq!(String::from_utf8_lossy(&marked), line(&members));
            prop_assert_eq!(with(&marked), None, "once is enough");
            prop_assert_eq!(&*without(&marked), text.as_bytes());
        }
    }

    #[test]
    fn lines_that_are_damaged_are_left_alone() {
        for line in [&b"{}"[..], br#"{"data":{"a":"#, br#"{"data":{"clock":"20"#, b"", br#"{"data":5}"#] {
            assert_eq!(&*without(line), line);
        }
    }
}
