//! Files that lie and files that are damaged. That what is whole is read as it was written is shown with the library
//! that stores write it with, in `tests/it/import/parquet.rs`.

#![allow(clippy::unwrap_used)]

use super::*;
use halod_record::json::parse;
use proptest::prelude::*;

/// Rows of every type: in plain pages, in pages of the second version with differences, and in small ones.
const SAMPLES: [&[u8]; 3] = [
    include_bytes!("../../../tests/cases/exports/parquet/lz4-1.0.parquet"),
    include_bytes!("../../../tests/cases/exports/parquet/delta-small.parquet"),
    include_bytes!("../../../tests/cases/exports/parquet/small.parquet"),
];
const LINES: &str = include_str!("../../../tests/cases/exports/parquet/rows.jsonl");

/// The rows of a file, and why there are no more. No more than so many bytes of them are made.
fn read(bytes: &[u8], most: usize) -> (String, Option<String>) {
    let mut out = Vec::new();
    let rows = Rows::open(Bytes::copy_from_slice(bytes).into(), 1 << 20);
    let end = rows.and_then(|rows| rows.take(most as u64).read_to_end(&mut out));
    (String::from_utf8(out).unwrap(), end.err().map(|error| error.to_string()))
}

#[test]
fn rows_come_out_as_they_were_written() {
    for sample in SAMPLES {
        let (rows, failed) = read(sample, usize::MAX);
        assert_eq!((failed, rows.lines().count()), (None, LINES.lines().count()));
        for (ours, theirs) in rows.lines().zip(LINES.lines()) {
            assert_eq!(parse(ours).unwrap(), parse(theirs).unwrap());
        }
    }
}

/// Fields of a structure, by their numbers in order.
fn fields(fields: &[(u8, Field)]) -> Vec<u8> {
    let (mut out, mut before) = (Vec::new(), 0);
    for (id, field) in fields {
        let kind = match field {
            Field::Int(_) => 5,
            Field::Text(_) => 8,
            Field::List(_) => 9,
            Field::Of(_) => 12,
        };
        out.push((id - before) << 4 | kind);
        before = *id;
        match field {
            Field::Int(number) => varint((*number << 1).cast_unsigned(), &mut out),
            Field::Text(text) => {
                varint(text.len() as u64, &mut out);
                out.extend_from_slice(text.as_bytes());
            }
            Field::List(items) => {
                out.push(0xfc);
                varint(items.len() as u64, &mut out);
                items.iter().for_each(|item| out.extend_from_slice(item));
            }
            Field::Of(structure) => out.extend_from_slice(structure),
        }
    }
    out.push(0);
    out
}

enum Field {
    Int(i64),
    Text(&'static str),
    List(Vec<Vec<u8>>),
    Of(Vec<u8>),
}
use Field::{Int, List, Of, Text};

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A file of one column of numbers, with one page.
fn file(rows: i64, values: i64, size: i64, packed: i64, codec: i64, data: &[u8]) -> Vec<u8> {
    let about = Of(fields(&[(1, Int(values)), (2, Int(0)), (3, Int(3)), (4, Int(3))]));
    let page = [fields(&[(1, Int(0)), (2, Int(size)), (3, Int(packed)), (5, about)]), data.to_vec()].concat();
    let schema = vec![
        fields(&[(4, Text("schema")), (5, Int(1))]),
        fields(&[(1, Int(1)), (3, Int(0)), (4, Text("n"))]),
    ];
    let column = fields(&[(4, Int(codec)), (5, Int(values)), (7, Int(page.len() as i64)), (9, Int(4))]);
    let group = fields(&[(1, List(vec![fields(&[(3, Of(column))])])), (3, Int(rows))]);
    let footer = fields(&[(2, List(schema)), (3, Int(rows)), (4, List(vec![group]))]);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [MAGIC, page.as_slice(), &footer, &length, MAGIC].concat()
}

#[test]
fn what_a_file_declares_is_bounded_before_it_is_believed() {
    let two = [1, 0, 0, 0, 2, 0, 0, 0];
    assert_eq!(read(&file(2, 2, 8, 8, 0, &two), 99), ("{\"n\":1}\n{\"n\":2}\n".into(), None));
    for (file, rows, why) in [
        (file(2, 2, 1 << 30, 8, 6, &two), "", "64 MiB"),
        (file(2, 2, 8, 1 << 30, 0, &two), "", "64 MiB"),
        (file(2, 2, 8, 800, 0, &two), "", "beyond its column"),
        (file(2, 2, 9, 8, 0, &two), "", "another size"),
        (file(2, 2, 8, 8, 1, &two), "", "another size"),
        (file(2, 2, 8, 8, 3, &two), "", "LZO"),
        (file(2, 2, 8, 8, 4, &two), "", "Brotli"),
        (file(1 << 40, 2, 8, 8, 0, &two), "", "more rows than its size allows"),
        (file(3, 2, 8, 8, 0, &two), "{\"n\":1}\n{\"n\":2}\n", "fewer values than there are rows"),
        (file(3, 3, 8, 8, 0, &two), "{\"n\":1}\n{\"n\":2}\n", "ends early"),
    ] {
        let (came, failed) = read(&file, 1 << 20);
        assert_eq!(came, rows, "{why}");
        assert!(failed.as_ref().is_some_and(|failed| failed.contains(why)), "{why}: {failed:?}");
    }
}

/// Copies of what is copied: a page of many times its packed size, and of one that is not whole.
#[test]
fn what_is_packed_is_unpacked_to_what_it_declares_and_no_further() {
    let zeros =
        |tail: &[u8]| [&[0x80, 0x80, 0x04, 0x00, 0x00][..], &[0xfe, 0x01, 0x00].repeat(1024), tail].concat();
    let unpack = |packed: Vec<u8>, size| codec::Codec::Snappy.unpack(packed, size);
    // 65,536 are declared; a literal of one and 1,024 copies of 64 are one too many.
    assert!(unpack(zeros(&[]), 65_536).is_err());
    let mut whole = zeros(&[]);
    *whole.iter_mut().rev().nth(2).unwrap() = 0xfa;
    assert_eq!(unpack(whole, 65_536).unwrap().len(), 65_536);
    assert!(unpack(vec![4, 0x01, 0x05], 4).is_err(), "a copy of what is before the begin");
    assert!(codec::Codec::Lz4Raw.unpack(vec![0x1f, 0, 1, 0, 255, 255], 100).is_err());
}

proptest! {
    /// Whatever is changed, the reading ends, without more memory than a page's.
    #[test]
    fn nothing_breaks_it(
        sample in 0..SAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = SAMPLES[sample].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            // The footer stays where it is looked for.
            let at = cut.index(bytes.len() - 8);
            bytes.remove(at);
        }
        read(&bytes, 1 << 20);
    }
}
