//! Archives of exports: their files are read one after the other, as those of a folder are.

use super::fixture::{self, Fixture, gzip, observation, observations};
use super::parquet::{self, told};
use super::stores::{case, import};
use crate::support::root;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn pack(folder: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    let mut python = Command::new("python3");
    let out = python.arg(root().join("tests/clients/archives.py")).args([folder, target]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A bucket, with a table in Parquet beside its lines.
fn bucket(fixture: &Fixture) -> PathBuf {
    let folder = fixture.dir.path().join("prj-1");
    copy(&case("bucket"), &folder);
    let lines = fixture.file("more.jsonl", observations(40));
    parquet::of_lines(fixture, &lines, "more.parquet", &json!({ "compression": "zstd" }));
    let from = fixture.dir.path().join("files/more.parquet");
    fs::rename(from, folder.join("observations_v2/2026-10-05T12-00-00.parquet")).unwrap();
    folder
}

#[test]
fn a_folder_and_every_archive_of_it_are_the_same() {
    let fixture = Fixture::new();
    let folder = bucket(&fixture);
    let archives = fixture.dir.path().join("archives");
    pack(&folder, &archives);
    let plain = fs::read(archives.join("gnu.tar")).unwrap();
    fs::write(archives.join("gnu.tar.zst"), compress_to_vec(&plain[..], CompressionLevel::Fastest)).unwrap();
    let said = fixture.import("auto", &[folder], &[]);
    assert_eq!((said.code, said.count("sealed")), (Some(0), 48), "{}", said.errors);
    let expected = told(&fixture);
    let mut archives: Vec<_> = fs::read_dir(&archives).unwrap().map(|it| it.unwrap().path()).collect();
    archives.sort();
    assert_eq!(archives.len(), 7);
    for archive in archives {
        for format in ["auto", "langfuse"] {
            let other = Fixture::new();
            let said = other.import(format, std::slice::from_ref(&archive), &[]);
            assert_eq!(said.code, Some(0), "{}: {}", archive.display(), said.errors);
            assert!(told(&other) == expected, "{}: {}", archive.display(), said.report);
        }
        let said = fixture.import("auto", std::slice::from_ref(&archive), &[]);
        assert_eq!(
            (said.code, said.count("sealed"), said.count("known")),
            (Some(0), 0, 48),
            "{}",
            said.errors
        );
    }
    // From standard input, and through the name of one file.
    let piped = fixture::said(
        &fixture
            .command("auto", &["-".into()], &[])
            .stdin(fs::File::open(fixture.dir.path().join("archives/pax.tar.gz")).unwrap())
            .output()
            .unwrap(),
    );
    assert_eq!((piped.code, piped.count("known")), (Some(0), 48), "{}", piped.errors);
    let came = import("auto", case("one.zip"));
    assert_eq!((came.said.code, came.counts()), (Some(0), [5, 0, 0]), "{}", came.said.errors);
}

/// A header, and the content behind it.
pub fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[156] = b'0';
    block[257..263].copy_from_slice(b"ustar\0");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

#[test]
fn what_is_wrong_with_one_file_is_told_with_its_name_and_costs_no_other() {
    let fixture = Fixture::new();
    let inner = [entry("x.jsonl", observations(3).as_bytes()), vec![0; 1024]].concat();
    let archive = [
        entry("a.jsonl", format!("{}nonsense\n", observations(2)).as_bytes()),
        entry("inner.tar", &inner),
        entry("inner.tar.gz", &gzip(&inner)),
        entry("b.zip", &fs::read(case("one.zip")).unwrap()),
        entry("strange.txt", b"hello\n"),
        entry("../../../escaped.jsonl", format!("{}\n", observation(7)).as_bytes()),
        vec![0; 1024],
    ];
    let file = fixture.file("mixed.tar", archive.concat());
    let said = fixture.import("auto", &[file], &[]);
    let counts = ["sealed", "rejected", "files", "unreadable"].map(|name| said.count(name));
    assert_eq!((said.code, counts), (Some(1), [3, 1, 2, 4]), "{}", said.errors);
    for told in [
        "mixed.tar: inner.tar: it is a tar archive within an archive",
        "mixed.tar: inner.tar.gz: it is a tar archive within an archive",
        "mixed.tar: b.zip: it is a zip archive within an archive",
        "mixed.tar: strange.txt: it is of no format",
    ] {
        assert!(said.errors.contains(told), "{told}: {}", said.errors);
    }
    assert_eq!(said.report["rejects"][0]["file"].as_str().unwrap().rsplit_once(": ").unwrap().1, "a.jsonl");
    let escaped = fixture.dir.path().join("escaped.jsonl");
    assert!(!escaped.exists() && !fixture.dir.path().parent().unwrap().join("escaped.jsonl").exists());
    // What is cut is told behind what is whole.
    let cut = fixture.file("cut.tar", &archive[0][..1200]);
    let said = Fixture::new().import("auto", &[cut], &[]);
    assert_ne!(said.code, Some(0));
    assert!(said.errors.contains("ends early"), "{}", said.errors);
    let zip = fs::read(case("one.zip")).unwrap();
    let mut damaged = zip.clone();
    damaged[400] ^= 0x20;
    for (name, content, why) in [
        ("damaged.zip", &damaged[..], "damaged.zip: "),
        ("cut.zip", &zip[..zip.len() - 30], "without its end"),
        ("o.xz", b"\xfd7zXZ\0\0", "xzcat"),
        ("o.7z", b"7z\xbc\xaf\x27\x1c", "7z archive"),
    ] {
        for format in ["langfuse", "auto"] {
            let said = Fixture::new().import(format, &[fixture.file(name, content)], &[]);
            assert_ne!(said.code, Some(0), "{name}: {}", said.report);
            assert_eq!(said.count("unreadable"), 1, "{name}: {}", said.errors);
            assert!(said.errors.contains(why), "{name}: {}", said.errors);
        }
    }
}

/// Two entries of the list that name the same bytes.
fn overlapping(zip: &[u8]) -> Vec<u8> {
    let list = zip.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let end = zip.windows(4).rposition(|four| four == b"PK\x05\x06").unwrap();
    let entry = &zip[list..end];
    let mut out = [&zip[..list], entry, entry, &zip[end..]].concat();
    let end = end + entry.len();
    let size = u32::try_from(2 * entry.len()).unwrap();
    out[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    out
}

/// A few hundred bytes that hold a gigabyte, and files that share their bytes.
#[test]
fn bombs_cost_no_memory() {
    let fixture = Fixture::new();
    let zeros = gzip(&vec![b' '; 64 << 20]);
    let bomb: Vec<u8> = [entry("a.jsonl.gz", &zeros.repeat(8)), vec![0; 1024]].concat();
    let file = fixture.file("bomb.tar.gz", gzip(&bomb));
    let mut child = fixture.start("langfuse", &[file]);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let now = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(now.unwrap_or(0_u64));
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = fixture::said(&child.wait_with_output().unwrap());
    assert_eq!(said.count("sealed"), 0);
    assert!(peak < 400 << 10, "{peak} KiB");
    let twice = fixture.file("twice.zip", overlapping(&fs::read(case("one.zip")).unwrap()));
    let said = fixture.import("auto", &[twice], &[]);
    assert!(said.errors.contains("share their bytes"), "{}", said.errors);
    assert_eq!(said.count("unreadable"), 1, "the first of both");
}
