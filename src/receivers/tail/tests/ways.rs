//! One log in one store, in any of the ways that it may come in, one after the other: only the first way seals
//! anything, and each line comes to the record that the check shows.

use super::fixture::Fixture;
use crate::receivers::lines::split::{Line, Lines, Mark, Splitter};
use crate::receivers::tail::preview::{Became, Preview};
use crate::receivers::tail::settings::{Encoding, Requests};
use proptest::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How the log lies there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// Under the log's own name.
    Live,
    Rotated,
    Packed,
    /// Packed, in so many members of about the same size.
    Members(usize),
    Zstd,
    Bzip2,
    /// Called .gz, and plain.
    NamedPacked,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Follow(Form),
    Import(Form),
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        3 => Just(Form::Live),
        2 => Just(Form::Rotated),
        2 => Just(Form::Packed),
        1 => (2usize..5).prop_map(Form::Members),
        1 => Just(Form::Zstd),
        1 => Just(Form::Bzip2),
        1 => Just(Form::NamedPacked),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![form().prop_map(Way::Follow), form().prop_map(Way::Import)]
}

const COMBINED: &str =
    "10.0.0.7 - alice [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages HTTP/1.1\" 200 NN \"-\" \"Zo\u{eb}\"";
const NGINX: &str = r#"{"remote_addr":"10.0.0.7","time_iso8601":"2026-11-22T08:29:52+00:00","request":"POST /v1/chat/completions HTTP/1.1","status":200,"body_bytes_sent":NN}"#;
const CADDY: &str = r#"{"level":"info","ts":1795336218.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.7","method":"POST","host":"h","uri":"/v1/messages"},"status":500,"size":NN,"duration":0.25}"#;

/// A line with one number in it, so that lines may be equal.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let one = |line: &'static str| (0u32..3).prop_map(|n| line.replace("NN", &n.to_string()).into_bytes());
    prop_oneof![
        6 => one(COMBINED),
        3 => one(NGINX),
        2 => one(CADDY),
        1 => one("10.0.0.7 - - [22/Nov/2026:08:29:52 +0000] \"GET /healthz HTTP/1.1\" 200 NN"),
        1 => one(r#"{"method":"POST","path":"/v1/messages","status":20NN}"#),
        1 => one("what is this NN"),
        1 => one("2026-11-29T10:00:00.5Z stdout P 10.0.0.7 - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/mess"),
        1 => one("2026-11-29T10:00:00.6Z stdout F ages HTTP/1.1\" 200 NN"),
        1 => one("2026-11-29T10:00:00.6Z stderr F 10.0.0.7 - - [22/Nov/2026:08:29:52 +0000] \"POST /v1/messages HTTP/1.1\" 200 NN"),
        1 => Just(Vec::new()),
        1 => Just(b"  \t".to_vec()),
        1 => proptest::collection::vec(any::<u8>().prop_filter("no line break", |byte| *byte != b'\n'), 0..60),
    ]
}

/// What is done to a line.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let before = prop_oneof![
        6 => Just(Vec::new()),
        1 => (1usize..6000).prop_map(|nuls| vec![0; nuls]),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => Just(b"\0\xff\xfe".to_vec()),
    ];
    let after = prop_oneof![
        8 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\0\n".to_vec()),
        // Bytes of Latin-1, and a line beyond any limit.
        1 => Just(b" Zo\xeb\n".to_vec()),
        1 => (200usize..3000).prop_map(|more| [b" \"".to_vec(), vec![b'x'; more], b"\"\n".to_vec()].concat()),
    ];
    (before, text(), after).prop_map(|(before, text, after)| [before, text, after].concat())
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    let mark = prop_oneof![5 => Just(&b""[..]), 1 => Just(&b"\xef\xbb\xbf"[..])];
    let end = prop_oneof![3 => Just(&b""[..]), 1 => Just(&b"\0\0"[..]), 1 => Just(COMBINED.as_bytes())];
    (mark, proptest::collection::vec(line(), 1..25), end)
        .prop_map(|(mark, lines, end)| [mark, &lines.concat(), end].concat())
}

fn packed(content: &[u8], members: usize) -> Vec<u8> {
    let size = (content.len() / members).max(1);
    let member = |part: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    content.chunks(size).flat_map(member).collect()
}

/// Puts the log there, and nothing else, as if it had been there for a while.
fn put(fixture: &Fixture, content: &[u8], form: Form) -> PathBuf {
    for entry in fs::read_dir(fixture.log("")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (name, bytes) = match form {
        Form::Live => ("a.log", content.to_vec()),
        Form::Rotated => ("a.log.1", content.to_vec()),
        Form::Packed => ("a.log.2.gz", packed(content, 1)),
        Form::Members(members) => ("a.log.3.gz", packed(content, members)),
        Form::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ("a.log.5.zst", ruzstd::encoding::compress_to_vec(content, level))
        }
        Form::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(content).unwrap();
            ("a.log.6.bz2", encoder.finish().unwrap())
        }
        // Too little to be told from the beginning of a packed file.
        Form::NamedPacked if content.len() < 2 => ("a.log.1", content.to_vec()),
        Form::NamedPacked => ("a.log.4.gz", content.to_vec()),
    };
    let path = fixture.log(name);
    fs::write(&path, bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(10)).unwrap();
    path
}

/// Starts without following anything.
fn start_alone(fixture: &mut Fixture) {
    let include = std::mem::take(&mut fixture.settings.include);
    fixture.start();
    fixture.settings.include = include;
}

/// What the check shows: how many lines there are, and where those stand that become records.
fn checked(fixture: &Fixture, content: &[u8], followed: bool) -> (u64, Vec<u64>) {
    let settings = if followed { fixture.settings.clone() } else { super::super::Settings::default() };
    let mut preview = Preview::new(settings.manner(), &fixture.log("a.log")).unwrap();
    let (mut lines, mut records) = (0, Vec::new());
    let mut see = |seen: crate::receivers::tail::preview::Seen<'_>| {
        lines += 1;
        if matches!(seen.became, Became::Action(..)) {
            records.push(seen.offset);
        }
    };
    content.chunks(700).for_each(|block| preview.push(block, &mut see));
    preview.finish(&mut see);
    // A line whose parts stand around others is the last of them.
    records.sort_unstable();
    (lines, records)
}

/// The offsets of the sealed lines, and how many records there are of lines.
fn sealed(fixture: &Fixture) -> Vec<u64> {
    let offset = |line: &String| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        (record["source"]["adapter"] == "gateway").then(|| record["data"]["offset"].as_u64().unwrap())
    };
    let mut sealed: Vec<u64> = fixture.sealed().lines.iter().filter_map(offset).collect();
    sealed.sort_unstable();
    sealed
}

/// Whether the last line is there with its end, and so are all parts of those before it.
fn is_whole(content: &[u8]) -> bool {
    let mut splitter = Splitter::new(Mark::default(), 1024);
    splitter.push(content, &mut Lines::default());
    splitter.mark().offset == content.len() as u64
}

fn once(content: &[u8], ways: &[Way], configured: bool) {
    let mut fixture = Fixture::new(&["a.log*"]);
    fixture.settings.requests = Requests::Known;
    if configured {
        fixture.settings.max_line = 256;
        fixture.settings.encoding = Encoding::Latin1;
        fixture.settings.requests = Requests::All;
    }
    let (lines, records) = checked(&fixture, content, configured);
    for (nth, way) in ways.iter().enumerate() {
        // What follows from the log alone must come to the same, not what is remembered of it.
        let _ = fs::remove_file(fixture.positions());
        match *way {
            Way::Import(form) => {
                let file = put(&fixture, content, form);
                start_alone(&mut fixture);
                let summary = fixture.import(&file, configured);
                if summary.unreadable == 0 {
                    let taken = &summary.taken;
                    assert_eq!(taken.accepted, records.len() as u64, "{taken:?}");
                    assert_eq!(taken.accepted + taken.filtered + taken.rejected, lines, "{taken:?}");
                    let new = if nth == 0 { records.len() as u64 } else { 0 };
                    assert_eq!(
                        (taken.sealed, taken.conflict),
                        (new, 0),
                        "{way:?} is number {nth}: {taken:?}"
                    );
                } else {
                    assert!(records.is_empty(), "{way:?}");
                }
            }
            Way::Follow(form) => {
                // What is written to a live file may not be all of its last line.
                let whole = is_whole(content) || form != Form::Live;
                put(&fixture, content, if whole { form } else { Form::Rotated });
                fixture.start();
                fixture.wait("the log is read", |fixture| fixture.received() >= lines);
            }
        }
        fixture.stop();
        assert_eq!(sealed(&fixture), records, "{way:?} is number {nth}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn in_whatever_way_a_log_comes_it_is_sealed_once(
        content in log(),
        ways in proptest::collection::vec(way(), 2..4),
        configured in any::<bool>(),
    ) {
        once(&content, &ways, configured);
    }
}

/// Each oddity by itself, imported and then followed, and the reverse.
#[test]
fn each_oddity_of_a_log_is_sealed_once() {
    let first = [COMBINED, "\n"].concat().into_bytes();
    let wide = [COMBINED, " \"", &"x".repeat(1_200_000), "\"\n"].concat().into_bytes();
    let odd: [&[u8]; 9] = [
        &[0; 5000],
        &wide,
        b"\xef\xbb\xbf",
        b"\r\r\n",
        b"\n\n",
        b"what is this\n",
        CADDY.as_bytes(),
        b"\xff\xfe",
        b"",
    ];
    for odd in odd {
        for content in
            [[odd, &first, &first].concat(), [&first, odd, &first].concat(), [&first, &first, odd].concat()]
        {
            let (follow, import) = (Way::Follow(Form::Rotated), Way::Import(Form::Packed));
            once(&content, &[follow, import], false);
            once(&content, &[import, follow], false);
        }
    }
}

/// A packed file that is cut or damaged is read up to the same line, and what there is of a line is none.
#[test]
fn damaged_files_come_to_the_same_lines() {
    let content: Vec<u8> = (0u32..4000)
        .flat_map(|n| [&COMBINED.replace("NN", &n.to_string()), "\n"].concat().into_bytes())
        .collect();
    let gzip = packed(&content, 1);
    for cut in [gzip.len() / 3, gzip.len() - 1] {
        let mut flipped = gzip.clone();
        flipped[cut] ^= 0x5a;
        for bytes in [gzip[..cut].to_vec(), flipped, [&gzip, &b"\0\0garbage"[..]].concat()] {
            let mut fixture = Fixture::new(&["a.log*"]);
            let file = put(&fixture, &bytes, Form::NamedPacked);
            fixture.start();
            fixture.wait("the damage is told", |fixture| fixture.said("gap").len() == 1);
            fixture.stop();
            let before = sealed(&fixture);
            assert!(before.len() > 1000, "{cut}");
            let _ = fs::remove_file(fixture.positions());
            start_alone(&mut fixture);
            let summary = fixture.import(&file, true);
            let taken = &summary.taken;
            assert_eq!((summary.unreadable, taken.sealed, taken.conflict), (1, 0, 0), "{cut}: {taken:?}");
            assert_eq!(taken.accepted, before.len() as u64, "{cut}");
            fixture.stop();
        }
    }
}

/// A line keeps small what a chunk of an import holds of it.
#[test]
fn lines_are_small() {
    assert_eq!(size_of::<Line>(), 56);
}
