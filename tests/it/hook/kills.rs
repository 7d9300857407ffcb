//! Hooks side by side, and a daemon that is killed under them: nothing is lost, nothing is doubled.

use super::{called, command, drained, hook, known, spooled, start};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::{Halod, halod_verify};
use crate::support::random::Random;
use crate::support::small::Small;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often each call stands in the chain.
fn counted(dir: &Path) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for record in of_tenant(dir, None) {
        if let Some(id) = record["data"]["call_id"].as_str() {
            *counted.entry(id.to_owned()).or_default() += 1;
        }
    }
    counted
}

#[test]
fn nothing_is_lost_or_doubled_while_hooks_and_daemons_are_killed() {
    const HOOKS: usize = 30;
    let dir = tempfile::tempdir().unwrap();
    known(dir.path(), &[]);
    let over = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        let hooks: Vec<_> = (0..3)
            .map(|worker: usize| {
                let dir = dir.path();
                scope.spawn(move || {
                    let mut random = Random::new("hooks");
                    let mut run = |number| {
                        let id = format!("{worker}x{number}");
                        let mut child = start(command(dir, &["--strict"]), called(&id).as_bytes());
                        if random.between(0, 5) == 0 {
                            thread::sleep(Duration::from_millis(random.between(0, 30)));
                            let _ = child.kill();
                        }
                        let recorded = child.wait().unwrap().success();
                        (format!("toolu_{id}"), recorded)
                    };
                    (0..HOOKS).map(&mut run).collect::<Vec<_>>()
                })
            })
            .collect();
        let daemons = scope.spawn(|| {
            let mut random = Random::new("daemons");
            while !over.load(Ordering::Relaxed) {
                let halod = Halod::start(dir.path());
                thread::sleep(Duration::from_millis(random.between(0, 300)));
                halod.kill9();
                thread::sleep(Duration::from_millis(random.between(0, 200)));
            }
        });
        let told: Vec<_> = hooks.into_iter().flat_map(|hook| hook.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        daemons.join().unwrap();
        told
    });
    drained(dir.path(), &[]);
    let counted = counted(dir.path());
    assert!(told.iter().filter(|(_, recorded)| *recorded).count() > HOOKS, "most are not killed");
    for (id, recorded) in &told {
        let times = counted.get(id).copied().unwrap_or(0);
        assert!(times <= 1, "{id} stands in the chain {times} times");
        assert!(!recorded || times == 1, "{id} is lost");
    }
    halod_verify(dir.path());
    assert_verified(dir.path());
}

/// The disk is full: it is told, no half line stays, and with room again everything goes on.
#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let Some(disk) = Small::mount(96) else { return };
    let dir = disk.path().join("records");
    let (_settings, file) = crate::support::halod::configured(1, 16);
    known(&dir, &["--config", &file]);
    hook(&dir, &called("1"));
    let before = spooled(&dir);
    disk.fill_up_to(0);
    // What is left of a block may take a line.
    let (mut failed, mut kept) = (0, 0);
    while failed == 0 {
        let out = start(command(&dir, &["--strict"]), called(&format!("f{kept}")).as_bytes());
        let out = out.wait_with_output().unwrap();
        if out.status.success() {
            kept += 1;
            continue;
        }
        failed += 1;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("No space left on device"), "{said}");
    }
    assert!(spooled(&dir).starts_with(&before) && spooled(&dir).ends_with('\n'));
    disk.make_room();
    hook(&dir, &called("2"));
    drained(&dir, &["--config", &file]);
    let records: Vec<Value> = of_tenant(&dir, None);
    assert_eq!(records.len(), 2 + kept, "{records:?}");
}

/// A daemon that is stopped answers nobody: the event waits in the spool, and is sealed once when it goes on.
#[test]
fn a_daemon_that_does_not_answer_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    halod.signal(rustix::process::Signal::STOP);
    hook(dir.path(), &called("1"));
    hook(dir.path(), &called("2"));
    assert_eq!(spooled(dir.path()).lines().count(), 2);
    halod.signal(rustix::process::Signal::CONT);
    crate::support::wait_until("the spool is empty", Duration::from_secs(60), || {
        spooled(dir.path()).is_empty()
    });
    assert!(halod.terminate().success());
    assert_eq!(counted(dir.path()).into_values().collect::<Vec<_>>(), [1, 1]);
}
