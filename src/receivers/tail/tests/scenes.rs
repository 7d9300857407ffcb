//! One thing that happens to a log at a time.

use super::fixture::{Fixture, Sealed, append, gzip, line, lines};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::time::Duration;

#[test]
fn a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let mut fixture = Fixture::new(&["a.log"]);
    let log = fixture.log("a.log");
    append(&log, lines(0..10));
    fixture.start();
    fixture.wait_for(10);
    fs::rename(&log, fixture.log("a.log.1")).unwrap();
    // nginx writes on until it is told; the end of a line may come late, too.
    append(&fixture.log("a.log.1"), &line(10)[..20]);
    append(&log, lines(12..15));
    fixture.wait_for(13);
    append(&fixture.log("a.log.1"), [&line(10)[20..], &line(11)].concat());
    fixture.wait_for(15);
    fixture.stop();
    fixture.assert_once(15);
    assert!(fixture.sealed().said.is_empty(), "{:?}", fixture.sealed().said);
}

#[test]
fn while_it_does_not_run_files_may_be_renamed_copied_and_packed() {
    let mut fixture = Fixture::new(&["a.log"]);
    let log = fixture.log("a.log");
    append(&log, lines(0..10));
    fixture.start();
    fixture.wait_for(10);
    fixture.stop();
    append(&log, lines(10..12));
    fs::rename(&log, fixture.log("a.log.1")).unwrap();
    append(&log, lines(12..14));
    fixture.start();
    fixture.wait_for(14);
    fixture.stop();
    append(&log, lines(14..16));
    fs::rename(fixture.log("a.log.1"), fixture.log("a.log.2")).unwrap();
    fs::copy(&log, fixture.log("a.log.1")).unwrap();
    fs::File::create(&log).unwrap();
    append(&log, lines(16..18));
    fixture.start();
    fixture.wait_for(18);
    fixture.stop();
    append(&log, lines(18..20));
    fs::rename(fixture.log("a.log.1"), fixture.log("a.log.3")).unwrap();
    fs::rename(&log, fixture.log("a.log.1")).unwrap();
    gzip(&fixture.log("a.log.1"));
    append(&log, lines(20..22));
    fixture.start();
    fixture.wait_for(22);
    std::thread::sleep(Duration::from_millis(400));
    fixture.stop();
    fixture.assert_once(22);
    assert!(fixture.sealed().said.is_empty(), "{:?}", fixture.sealed().said);
}

#[test]
fn what_was_rotated_twice_while_nobody_looked_is_read_although_it_has_another_name_by_now() {
    let mut fixture = Fixture::new(&["a.log"]);
    let log = fixture.log("a.log");
    append(&fixture.log("a.log.9"), lines(90..99));
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(fixture.log("a.log.9")).unwrap().set_modified(long_ago).unwrap();
    append(&log, lines(0..2));
    fixture.start();
    fixture.wait_for(2);
    fixture.stop();
    append(&log, lines(2..4));
    fs::rename(&log, fixture.log("a.log.2")).unwrap();
    append(&log, lines(4..6));
    fs::rename(&log, fixture.log("a.log.1")).unwrap();
    append(&log, lines(6..7));
    fixture.start();
    fixture.wait_for(7);
    fixture.stop();
    // By copying, too; and what was there before the first start stays alone.
    append(&log, lines(7..9));
    fs::copy(&log, fixture.log("a.log.4")).unwrap();
    fs::write(&log, lines(9..11)).unwrap();
    fs::copy(&log, fixture.log("a.log.3")).unwrap();
    fs::write(&log, lines(11..12)).unwrap();
    fixture.start();
    fixture.wait_for(12);
    fixture.stop();
    fixture.assert_once(12);
}

#[test]
fn a_copy_goes_on_where_the_truncated_file_was_left() {
    let mut fixture = Fixture::new(&["a.log*"]);
    let log = fixture.log("a.log");
    append(&log, lines(0..1000));
    fixture.start();
    fixture.wait_for(1000);
    let room = fixture.fill();
    append(&log, lines(1000..1100));
    fs::copy(&log, fixture.log("a.log.1")).unwrap();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    append(&log, lines(1100..1101));
    std::thread::sleep(Duration::from_millis(50));
    drop(room);
    fixture.wait_for(1101);
    std::thread::sleep(Duration::from_millis(400));
    fixture.stop();
    fixture.assert_once(1101);
    assert!(fixture.sealed().said.is_empty(), "{:?}", fixture.sealed().said);
}

/// The block before them may be read again, or its file may be gone by then: no hole comes about.
#[test]
fn lines_are_not_sealed_behind_others_that_are_not() {
    let mut fixture = Fixture::new(&["a.log"]);
    fixture.start();
    assert!(!fixture.seal_behind(&lines(0..3), false));
    assert!(fixture.seal_behind(&lines(3..5), true));
    fixture.stop();
    assert!(fixture.sealed().numbers.into_keys().eq(3..5));
}

/// The pipeline is full: halod sees how much there is and can't read it before it is gone, while it runs or
/// after it was stopped.
#[test]
fn bytes_that_were_seen_and_are_gone_are_counted() {
    for (how, runs) in [
        ("truncated", true),
        ("written anew", true),
        ("truncated", false),
        ("written anew", false),
        ("removed", false),
    ] {
        let what = format!("{how}, {}", if runs { "up" } else { "stopped" });
        let mut fixture = Fixture::new(&["a.log"]);
        let log = fixture.log("a.log");
        append(&log, lines(0..10));
        fixture.start();
        fixture.wait_for(10);
        let mut room = Some(fixture.fill());
        append(&log, lines(10..17));
        std::thread::sleep(Duration::from_millis(150));
        if !runs {
            fixture.stop_full(room.take());
        }
        let after = lines(20..21 + if how == "written anew" { 40 } else { 0 });
        if how == "removed" {
            fs::remove_file(&log).unwrap();
        }
        fs::write(&log, &after).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        drop(room);
        if !runs {
            fixture.start();
        }
        fixture.wait(&what, |fixture| !fixture.said("gap").is_empty());
        fixture.wait_for(10 + after.lines().count() as u64);
        fixture.stop();
        let gaps = fixture.said("gap");
        assert_eq!(gaps.len(), 1, "{what}: {gaps:?}");
        assert_eq!(gaps[0]["bytes"], lines(10..17).len().to_string(), "{what}: {gaps:?}");
        assert_eq!(gaps[0]["from"], lines(0..10).len().to_string());
        assert!(gaps[0]["how"].contains(how), "{what}: {gaps:?}");
        assert_eq!(fixture.said("log_rewritten").len(), usize::from(how != "removed"), "{what}");
        assert!(fixture.sealed().numbers.values().all(|n| *n == 1));
    }
}

#[test]
fn a_file_written_anew_at_the_same_size_is_noticed() {
    for running in [true, false] {
        let mut fixture = Fixture::new(&["a.log"]);
        let log = fixture.log("a.log");
        append(&log, lines(10..20));
        fixture.start();
        fixture.wait_for(10);
        if !running {
            fixture.stop();
        }
        // In place, without a moment at which it is shorter.
        let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
        file.write_all_at(lines(20..30).as_bytes(), 0).unwrap();
        if !running {
            fixture.start();
        }
        fixture.wait_for(20);
        fixture.wait("it is told", |fixture| !fixture.said("log_rewritten").is_empty());
        fixture.stop();
        assert_eq!(fixture.said("log_rewritten")[0]["bytes"], lines(10..20).len().to_string());
        assert_eq!(fixture.said("gap").len(), 0);
        assert!(fixture.sealed().numbers.values().all(|n| *n == 1));
    }
}

#[test]
fn a_removed_file_is_read_to_its_end_while_it_is_open() {
    let mut fixture = Fixture::new(&["a.log"]);
    let log = fixture.log("a.log");
    append(&log, lines(0..10));
    fixture.start();
    fixture.wait_for(10);
    let writer = fs::OpenOptions::new().append(true).open(&log).unwrap();
    fs::remove_file(&log).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    (&writer).write_all(lines(10..12).as_bytes()).unwrap();
    (&writer).write_all(line(12).trim_end().as_bytes()).unwrap();
    append(&log, lines(13..14));
    fixture.wait_for(14);
    fixture.stop();
    fixture.assert_once(14);
    let last = fixture.sealed().lines.into_iter().find(|line| line.contains("\"bytes_out\":12,")).unwrap();
    assert!(last.contains("\"no_newline\":true"), "{last}");
}

#[test]
fn a_file_that_vanished_while_it_did_not_run_is_told() {
    let mut fixture = Fixture::new(&["a.log"]);
    append(&fixture.log("a.log"), lines(0..3));
    fixture.start();
    fixture.wait_for(3);
    fixture.stop();
    fs::remove_file(fixture.log("a.log")).unwrap();
    fixture.start();
    fixture.wait("it is told", |fixture| !fixture.said("gap").is_empty());
    fixture.stop();
    fixture.start();
    std::thread::sleep(Duration::from_millis(400));
    fixture.stop();
    let gaps = fixture.said("gap");
    assert_eq!((gaps.len(), &*gaps[0]["bytes"]), (1, "0"));
    assert!(gaps[0]["how"].contains("not known"));
}

#[test]
fn an_inode_used_again_is_another_file() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.max_open = 0;
    append(&fixture.log("a.log"), lines(0..3));
    fixture.start();
    fixture.wait_for(3);
    fixture.stop();
    // The same inode, certainly: the same file with another name and another content.
    fs::rename(fixture.log("a.log"), fixture.log("b.log")).unwrap();
    fs::write(fixture.log("b.log"), lines(3..9)).unwrap();
    fixture.start();
    fixture.wait_for(9);
    fixture.stop();
    fixture.assert_once(9);
}

#[test]
fn two_logs_with_the_same_lines_are_two_logs() {
    let mut fixture = Fixture::new(&["*/access.log"]);
    for vhost in ["x", "y"] {
        fs::create_dir(fixture.log(vhost)).unwrap();
        append(&fixture.log(vhost).join("access.log"), lines(0..50));
    }
    fixture.start();
    fixture.wait("both", |fixture| {
        fixture.sealed().numbers.values().all(|n| *n == 2) && fixture.sealed().numbers.len() == 50
    });
    fixture.stop();
    // And equal lines of one log are two lines.
    append(&fixture.log("x").join("access.log"), [line(99), line(99), line(99)].concat());
    fixture.start();
    fixture.wait("three equal lines", |fixture| fixture.sealed().numbers.get(&99) == Some(&3));
}

#[test]
fn a_link_that_points_elsewhere_after_a_rotation_is_followed() {
    let mut fixture = Fixture::new(&["containers/*.log"]);
    for directory in ["containers", "pods", "pods/x"] {
        fs::create_dir(fixture.log(directory)).unwrap();
    }
    append(&fixture.log("pods/x/0.log"), lines(0..3));
    symlink(fixture.log("pods/x/0.log"), fixture.log("pods/link.log")).unwrap();
    symlink(fixture.log("pods/link.log"), fixture.log("containers/x.log")).unwrap();
    fixture.start();
    fixture.wait_for(3);
    // The kubelet: the file gets a date, a new one its name.
    fs::rename(fixture.log("pods/x/0.log"), fixture.log("pods/x/0.log.20261125-101500")).unwrap();
    append(&fixture.log("pods/x/0.log.20261125-101500"), lines(3..4));
    append(&fixture.log("pods/x/0.log"), lines(4..6));
    fixture.wait_for(6);
    // A new container: the link points to another file.
    append(&fixture.log("pods/x/1.log"), lines(7..9));
    fs::remove_file(fixture.log("pods/link.log")).unwrap();
    symlink(fixture.log("pods/x/1.log"), fixture.log("pods/link.log")).unwrap();
    append(&fixture.log("pods/x/0.log"), lines(6..7));
    fixture.wait_for(9);
    fixture.stop();
    append(&fixture.log("pods/x/1.log"), lines(9..10));
    fixture.start();
    fixture.wait_for(10);
    fixture.stop();
    fixture.assert_once(10);
    assert!(fixture.sealed().said.is_empty(), "{:?}", fixture.sealed().said);
}

#[test]
fn packed_files_are_read_once_and_damaged_ones_as_far_as_they_go() {
    let mut fixture = Fixture::new(&["*"]);
    append(&fixture.log("a.log.2"), lines(0..500));
    gzip(&fixture.log("a.log.2"));
    append(&fixture.log("a.log.1"), lines(500..600));
    append(&fixture.log("b.log.1"), lines(600..3000));
    let packed = gzip(&fixture.log("b.log.1"));
    let whole = fs::read(&packed).unwrap();
    let modified = fs::metadata(&packed).unwrap().modified().unwrap();
    fs::write(&packed, &whole[..whole.len() / 2]).unwrap();
    fs::File::open(&packed).unwrap().set_modified(modified).unwrap();
    fixture.start();
    fixture.wait_for(600);
    fixture.wait("it is told", |fixture| !fixture.said("gap").is_empty());
    let there = fixture.sealed().numbers.len();
    assert!(there > 600 && there < 3000, "{there}");
    fixture.stop();
    // It is whole after all.
    fs::write(&packed, &whole).unwrap();
    fs::File::open(&packed).unwrap().set_modified(modified + Duration::from_secs(3)).unwrap();
    fixture.start();
    fixture.wait_for(3000);
    fixture.stop();
    fixture.start();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(fixture.received(), 0, "nothing is read twice");
    fixture.stop();
    fixture.assert_once(3000);
}

#[test]
fn what_is_there_at_the_first_start_may_be_passed_over() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.settings.start_at_end = true;
    append(&fixture.log("a.log"), [lines(100..200), line(200)[..9].to_owned()].concat());
    fixture.start();
    std::thread::sleep(Duration::from_millis(100));
    append(&fixture.log("a.log"), [&line(200)[9..], &lines(0..2)].concat());
    append(&fixture.log("new.log"), lines(2..4));
    fixture.wait_for(4);
    fixture.stop();
    append(&fixture.log("later.log"), lines(4..6));
    fixture.start();
    fixture.wait_for(6);
    fixture.stop();
    fixture.assert_once(6);
}

#[test]
fn a_thousand_files_with_few_descriptors_and_a_backlog_in_one_of_them() {
    let mut fixture = Fixture::new(&["*.log"]);
    fixture.max_open = 16;
    fixture.settings.poll_interval = Duration::from_millis(200);
    append(&fixture.log("backlog.log"), lines(10_000..20_000));
    for n in 0..1000 {
        append(&fixture.log(&format!("{n}.log")), line(n));
    }
    fixture.start();
    fixture.wait("everything", |fixture| fixture.received() >= 11_000);
    for n in 0..1000 {
        append(&fixture.log(&format!("{n}.log")), line(1000 + n));
    }
    fixture.wait("everything again", |fixture| fixture.received() >= 12_000);
    fixture.wait("nothing is left", |fixture| fixture.lag() == 0);
    fixture.stop();
    let Sealed { numbers, lines, .. } = fixture.sealed();
    assert!((0..2000).chain(10_000..20_000).all(|n| numbers.get(&n) == Some(&1)));
    // Nobody waited for the end of the backlog.
    let backlog = fixture.log("backlog.log").to_str().unwrap().to_owned();
    let last = lines.iter().rposition(|line| line.contains(&backlog)).unwrap();
    let others = lines[..last].iter().filter(|line| !line.contains(&backlog)).count();
    assert!(others >= 1000, "{others}");
}

#[test]
fn a_tenant_comes_from_the_path() {
    let mut fixture = Fixture::new(&["*/access.log"]);
    let pattern =
        format!("{}/{{tenant}}/access.log", fixture.log("").to_str().unwrap().trim_end_matches('/'));
    let rule = crate::receivers::tail::PathTenant::parse(&pattern).unwrap();
    fixture.settings.tenant = crate::receivers::tail::settings::TenantOf::Path(rule);
    for tenant in ["acme", "initech"] {
        fs::create_dir(fixture.log(tenant)).unwrap();
        append(&fixture.log(tenant).join("access.log"), lines(0..3));
    }
    fixture.start();
    fixture
        .wait("both", |fixture| ["acme", "initech"].iter().all(|t| fixture.sealed_in(t).numbers.len() == 3));
    fixture.stop();
    assert!(fixture.sealed().lines.is_empty());
}

/// A log whose lines may wait for its format is passed over all the same, also by the run after the first.
#[test]
fn what_was_passed_over_stays_so_after_a_restart() {
    let mut fixture = Fixture::new(&["a.log"]);
    fixture.settings.start_at_end = true;
    fixture.settings.linger = Duration::from_secs(30);
    let log = fixture.log("a.log");
    append(&log, lines(0..5));
    fixture.start();
    fixture.wait("it is passed over", |fixture| {
        let positions = fs::read_to_string(fixture.positions()).unwrap_or_default();
        positions.contains(&format!("\"offset\":{}", lines(0..5).len()))
    });
    fixture.stop();
    fixture.start();
    append(&log, lines(5..6));
    fixture.wait_for(1);
    fixture.stop();
    assert!(fixture.sealed().numbers.into_keys().eq(5..6));
}
