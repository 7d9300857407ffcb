//! Input that is no event, and directories that are not the user's.

use super::{called, command, hook, known, spooled, start, strict};
use crate::support::halod::Halod;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

/// An event that has no record: told, in one line, with nothing of it; and the agent goes on.
fn refused(dir: &Path, event: &[u8], why: &str) {
    let out = strict(dir, event);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.starts_with("halod: ") && said.contains(why) && said.lines().count() == 1, "{why}: {said}");
    assert!(!said.contains("hunter2"), "{said}");
    let out = start(command(dir, &[]), event).wait_with_output().unwrap();
    assert_eq!((out.status.code(), out.stdout.len()), (Some(0), 0));
}

#[test]
fn garbage_is_told_and_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let deep = "[".repeat(200_000);
    for (event, why) in [
        (&b""[..], "not JSON"),
        (b"hunter2", "not JSON"),
        (b"{\"hook_event_name\":\"PostToolUse\",\"x\":\"hunter2", "not JSON"),
        (b"\xff\xfehunter2", "not UTF-8 at byte 0"),
        (b"[\"hunter2\"]", "not a JSON object"),
        (b"{\"password\":\"hunter2\"}", "hook_event_name"),
        (b"{\"hook_event_name\":[\"hunter2\"]}", "hook_event_name"),
        (deep.as_bytes(), "not JSON"),
    ] {
        refused(dir.path(), event, why);
    }
    let mut long = called("1").into_bytes();
    long.resize((64 << 20) + 1, b' ');
    refused(dir.path(), &long, "more than 67108864 bytes");
    // What is odd within an event is a record all the same.
    for event in [
        r#"{"hook_event_name":"PostToolUse"}"#,
        r#"{"hook_event_name":"PostToolUse","tool_name":"halod.gap","tool_use_id":{},"duration_ms":-1,"session_id":7}"#,
        r#"{"hook_event_name":"PostToolUse","tool_name":"x","tool_response":{"a":"\ud800"},"duration_ms":1e300}"#,
        r#"{"hook_event_name":"\u202ePostToolUse","hook_event_name":"Stop"}"#,
    ] {
        hook(dir.path(), event);
    }
    let large = called(&"x".repeat(8 << 20));
    hook(dir.path(), &large);
    assert!(halod.terminate().success());
    crate::support::halod::halod_verify(dir.path());
    crate::support::chains::assert_verified(dir.path());
    let claimed = crate::support::chains::of_tenant(dir.path(), None);
    assert!(claimed.iter().any(|record| record["action"]["tool"] == "claimed:halod.gap"));
}

/// To an agent, exit code 2 would forbid what it is about to do.
#[test]
fn wrong_usage_forbids_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["--no-such-flag"][..], &["--client", "nobody"], &["more"]] {
        let out = start(command(dir.path(), arguments), called("1").as_bytes()).wait_with_output().unwrap();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0), "{arguments:?}");
    }
    let out = start(command(dir.path(), &["--subject", "_local", "--strict"]), called("1").as_bytes());
    let out = out.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("the subject can't be a tenant's id"));
}

#[test]
fn links_and_what_others_may_change_are_not_used() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("records");
    known(&dir, &[]);
    let (ours, spool) = (dir.join(".halod"), dir.join(".halod/spool"));
    let file = spool.join("spool.jsonl");
    let elsewhere = place.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();

    symlink(&elsewhere, &file).unwrap();
    refused(&dir, called("1").as_bytes(), "is a symbolic link");
    fs::remove_file(&file).unwrap();
    fs::hard_link(&elsewhere, &file).unwrap();
    refused(&dir, called("1").as_bytes(), "has a second name");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(&dir, called("1").as_bytes(), "can't be used");
    fs::remove_dir(&file).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(pipe.success());
    refused(&dir, called("1").as_bytes(), "is no file");
    fs::remove_file(&file).unwrap();
    for path in [&ours, &spool] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        refused(&dir, called("1").as_bytes(), "can be changed by others");
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }
    let moved = place.path().join("moved");
    fs::rename(&ours, &moved).unwrap();
    symlink(&moved, &ours).unwrap();
    refused(&dir, called("1").as_bytes(), "is a link or no directory");
    fs::remove_file(&ours).unwrap();
    fs::rename(&moved, &ours).unwrap();
    hook(&dir, &called("1"));
    assert_eq!(spooled(&dir).lines().count(), 1);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
}

/// Another user's directory gets nothing, whoever listens there.
#[test]
fn another_users_directory_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "this needs root, to be two users");
        println!("NOT RUN: this needs root, to be two users");
        return;
    }
    const OTHER: u32 = 54_321;
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let dir = place.path().join("records");
    let halod = Halod::start(&dir);
    chown(dir.join(".halod"), Some(OTHER), None).unwrap();
    refused(&dir, called("1").as_bytes(), "belongs to another user (uid 54321, and this is uid 0)");
    chown(dir.join(".halod"), Some(0), None).unwrap();
    // As that user: the program is where only root may look, so it is another name of it.
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir.join(".halod"), Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("halod");
    fs::copy(crate::support::halod::BINARY, &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command.args(["hook", "--strict", "--dir"]).arg(&dir).uid(OTHER).gid(OTHER);
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let out = start(command, called("1").as_bytes()).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("belongs to another user (uid 0"), "{said}");
    assert_eq!(halod.items("captured", "sealed"), 0);
    assert!(halod.terminate().success());
}
