#![allow(clippy::unwrap_used)]

use super::line::Line;
use super::log::read;
use super::table::Table;
use super::*;
use crate::pipeline::items::{Divided, ItemFamilies, ItemStats};
use halod_record::event::{Content, Source};
use halod_record::json::Json;
use proptest::prelude::*;

const SOURCE: Source = Source { adapter: "test", via: "test", dialect: "test", mapping: "1" };

fn table() -> Table {
    Table::new(
        Settings { directory: "/nowhere".into(), wait: Duration::from_secs(60), bytes: 1 << 20 },
        Arc::default(),
    )
}

fn fragment(id: &str) -> Fragment<'static> {
    Fragment::new("test", vec![id.to_owned().into()], SOURCE)
}

fn item(fragment: Fragment<'static>) -> Item {
    let message = Builder::new(false).reduce(fragment, &mut Scratch::default());
    Item { tenant: None, sender: None, message }
}

fn opens(id: &str) -> Item {
    let mut fragment = fragment(id);
    fragment.opens = true;
    fragment.name = Some("x".into());
    item(fragment)
}

fn closes(id: &str) -> Item {
    let mut fragment = fragment(id);
    fragment.closes = true;
    item(fragment)
}

/// A whole, and something within one.
fn trace(id: &str, tenant: Option<&'static str>) -> Item {
    let mut fragment = fragment(id);
    fragment.kind = Some(Kind::Trace);
    fragment.opens = true;
    fragment.tenant = tenant.map(Into::into);
    fragment.session = Some("s".into());
    item(fragment)
}

fn within(id: &str, trace: &'static str) -> Item {
    let mut fragment = fragment(id);
    (fragment.opens, fragment.closes) = (true, true);
    fragment.within = Some(vec![trace.into()]);
    fragment.input = Content::Value(Json::Int(1));
    item(fragment)
}

/// A table made of what another wrote.
fn reread(lines: &[u8]) -> Table {
    let mut table = table();
    let (good, damage) = read(lines, |line| table.replay(line)).unwrap();
    assert_eq!((good, damage), (lines.len() as u64, Damage::default()));
    table
}

fn settle(table: &mut Table, due: &[Due], lines: &mut Vec<u8>) {
    for due in due {
        table.remember(due.key, due.tenant.clone());
        table.settle(&(due.key, due.last), true, 0, lines);
    }
}

#[test]
fn what_is_whole_never_touches_the_disk() {
    let (mut table, mut lines) = (table(), Vec::new());
    let due = table.put(vec![closes("a"), opens("a")], 0, &mut lines);
    assert_eq!((due.len(), lines.len()), (1, 0));
    assert!(!due[0].unfinished);
    settle(&mut table, &due, &mut lines);
    assert_eq!((table.bytes(), lines.len()), (0, 0));
}

#[test]
fn what_is_not_whole_is_on_disk_and_comes_back() {
    let (mut first, mut lines) = (table(), Vec::new());
    assert!(first.put(vec![opens("a"), opens("b")], 0, &mut lines).is_empty());
    // Told again, it is there already.
    let length = lines.len();
    assert!(first.put(vec![opens("a")], 5, &mut lines).is_empty());
    assert_eq!(lines.len(), length);
    let mut second = reread(&lines);
    let due = second.put(vec![closes("a")], 10, &mut lines);
    assert_eq!(due[0].messages.len(), 2);
    settle(&mut second, &due, &mut lines);
    let mut third = reread(&lines);
    assert!(third.overdue(59_999, 1 << 20, &mut lines).is_empty());
    let due = third.overdue(60_000, 1 << 20, &mut lines);
    assert_eq!(due.iter().map(|due| due.messages.len()).collect::<Vec<_>>(), [1]);
    assert!(due[0].unfinished && third.overdue(60_000, 1 << 20, &mut lines).is_empty());
    let mut snapshot = Vec::new();
    second.snapshot(&mut snapshot);
    assert_eq!(reread(&snapshot).overdue(60_000, 1 << 20, &mut lines).len(), 1);
}

#[test]
fn what_could_not_be_sealed_is_tried_again() {
    let (mut table, mut lines) = (table(), Vec::new());
    let due = table.put(vec![opens("a"), closes("a")], 0, &mut lines);
    table.settle(&(due[0].key, due[0].last), false, 7, &mut lines);
    let again = table.overdue(7, 1 << 20, &mut lines);
    assert_eq!(again, due);
    settle(&mut table, &again, &mut lines);
    assert_eq!(table.bytes(), 0);
}

#[test]
fn what_is_told_while_the_rest_is_being_sealed_is_told_apart() {
    let (mut table, mut lines) = (table(), Vec::new());
    table.put(vec![opens("a")], 0, &mut lines);
    let first = table.overdue(60_000, 1 << 20, &mut lines);
    let second = table.put(vec![closes("a")], 60_001, &mut lines);
    assert_eq!((first[0].messages.len(), second[0].messages.len()), (1, 2));
    settle(&mut table, &first, &mut lines);
    // The second one failed, and is late by now.
    table.settle(&(second[0].key, second[0].last), false, 60_002, &mut lines);
    let late = table.overdue(60_002, 1 << 20, &mut lines);
    assert_eq!(late[0].messages.len(), 1);
    settle(&mut table, &late, &mut lines);
    assert_eq!(table.bytes(), 0);
    // Remembered, later messages need not wait.
    assert_eq!(table.put(vec![opens("a")], 60_003, &mut lines).len(), 1);
    assert_eq!(reread(&lines).bytes(), 0);
}

#[test]
fn parts_wait_shortly_for_their_whole_and_stay_where_the_first_went() {
    let acme = Tenant::Subject("acme".into());
    let (mut early, mut lines) = (table(), Vec::new());
    assert!(early.put(vec![within("a", "t")], 0, &mut lines).is_empty());
    let due = early.put(vec![trace("t", Some("acme"))], 5, &mut lines);
    assert_eq!((due.len(), &due[0].tenant, due[0].context.session.as_deref()), (1, &acme, Some("s")));
    // Its whole is not told in time; then it says whose it is too late for the others.
    let (mut late, mut lines) = (table(), Vec::new());
    late.put(vec![within("a", "t")], 0, &mut lines);
    assert!(late.overdue(9_999, 1 << 20, &mut lines).is_empty());
    let due = late.overdue(10_000, 1 << 20, &mut lines);
    assert_eq!((due.len(), &due[0].tenant), (1, &Tenant::Local));
    settle(&mut late, &due, &mut lines);
    assert!(late.put(vec![trace("t", Some("acme"))], 10_001, &mut lines).is_empty());
    let mut later = reread(&lines);
    for table in [&mut late, &mut later] {
        let due = table.put(vec![within("b", "t")], 10_002, &mut Vec::new());
        assert_eq!((due.len(), &due[0].tenant), (1, &Tenant::Local));
    }
    // The whole itself is sealed when nothing more was said of it.
    assert!(late.overdue(70_000, 1 << 20, &mut lines).is_empty());
    let due = late.overdue(70_001, 1 << 20, &mut lines);
    assert_eq!((due.len(), &due[0].tenant), (1, &Tenant::Local));
    // The chain of the tenant that it claims says where it is.
    assert_eq!(due[0].claim.as_ref(), Some(&acme));
    let record = RecordId::of_key(&Tenant::Local, "test", &["t"]);
    let told = due[0].elsewhere(record).unwrap();
    assert_eq!((told.tenant(), told.notice()), (&acme, Some("trace_elsewhere")));
}

#[test]
fn the_oldest_give_way() {
    let (mut table, mut lines) = (table(), Vec::new());
    let mut n = 0;
    while table.bytes() < 1 << 20 {
        table.put(vec![opens(&n.to_string())], n, &mut lines);
        n += 1;
    }
    table.put(vec![opens("one more")], n, &mut lines);
    let due = table.overdue(n, 1 << 20, &mut lines);
    assert!((1..4).contains(&due.len()) && !table.is_full_for(&[opens("x")]), "{}", due.len());
    assert_eq!(due[0].messages, [opens("0").message]);
    // A single action does not grow without end either.
    let (mut one, mut ready) = (self::table(), 0);
    for n in 0..100 {
        let mut fragment = fragment("a");
        fragment.name = Some(format!("n{n}").into());
        ready += one.put(vec![item(fragment)], n, &mut lines).len();
    }
    assert!(ready > 0);
}

/// One tenant floods: what it holds gives way, and what another holds stays.
#[test]
fn who_fills_the_hold_makes_room() {
    let mut lines = Vec::new();
    let mut table = Table::new(
        Settings { directory: "/nowhere".into(), wait: Duration::from_secs(60), bytes: 64 << 10 },
        Arc::default(),
    );
    let of = |tenant: &str, id: String| Item { tenant: Some(Tenant::stored(tenant)), ..opens(&id) };
    table.put(vec![of("quiet", "first".into())], 0, &mut lines);
    let mut sealed = 0;
    for n in 1..1_000 {
        let items = vec![of("flood", n.to_string())];
        if !table.is_full_for(&items) {
            table.put(items, n, &mut lines);
        }
        if n % 16 == 0 {
            // Sealing is slower than the flood.
            let due = table.overdue(n, 4 << 10, &mut lines);
            assert!(due.iter().all(|due| due.tenant == Tenant::stored("flood")));
            sealed += due.len();
            settle(&mut table, &due, &mut lines);
        }
    }
    assert!(sealed > 100 && table.is_full_for(&[of("flood", "x".into())]), "{sealed}");
    assert!(!table.is_full_for(&[of("quiet", "x".into())]), "who holds little is not refused");
    let quiet = Item { tenant: Some(Tenant::stored("quiet")), ..closes("first") };
    let whole = table.put(vec![quiet], 1_000, &mut lines);
    assert_eq!((whole.len(), whole[0].unfinished, whole[0].messages.len()), (1, false, 2));
}

/// A trace that is never told is forgotten with the last of what happened within it.
#[test]
fn what_waits_for_a_trace_is_bounded_and_counted() {
    let (mut table, mut lines) = (table(), Vec::new());
    let mut counted = 0;
    for n in 0..100 {
        assert!(
            table
                .put(vec![within(&format!("a{n}"), "t"), within(&format!("b{n}"), "t")], n, &mut lines)
                .is_empty()
        );
        assert_eq!(table.waiting(), 2 * (n as usize + 1));
        // Told again, it waits no more than once.
        table.put(vec![within(&format!("a{n}"), "t"), within(&format!("b{n}"), "t")], n, &mut lines);
        assert_eq!(table.waiting(), 2 * (n as usize + 1));
        counted = table.bytes();
    }
    assert!(counted > 200 * 100, "who waits is counted as well: {counted}");
    let due = table.overdue(u64::MAX, usize::MAX, &mut lines);
    assert_eq!(due.len(), 200);
    settle(&mut table, &due, &mut lines);
    assert_eq!((table.waiting(), table.bytes()), (0, 0));
    // A trace that is told sets all of its entries free, and no other's.
    table.put(vec![within("c", "t"), within("d", "u")], 0, &mut lines);
    let due = table.put(vec![trace("t", None)], 0, &mut lines);
    assert_eq!((due.len(), table.waiting()), (1, 1));
}

#[test]
fn another_tenants_messages_are_of_another_action() {
    let (mut table, mut lines) = (table(), Vec::new());
    let of = |tenant: &str, item: Item| Item { tenant: Some(Tenant::claimed(tenant).unwrap()), ..item };
    assert!(
        table.put(vec![of("a", opens("x")), of("b", closes("x")), closes("x")], 0, &mut lines).is_empty()
    );
    assert!(table.put(vec![of("", closes("x"))], 0, &mut lines).is_empty());
    assert_eq!(table.put(vec![of("a", closes("x"))], 0, &mut lines)[0].tenant.subject(), Some("a"));
}

#[test]
fn lines_are_read_as_they_were_written() {
    let (mut table, mut lines) = (table(), Vec::new());
    table.put(vec![within("a", "t"), opens("b"), trace("t", Some("acme"))], 0, &mut lines);
    table.overdue(u64::MAX, 1 << 20, &mut lines);
    table.snapshot(&mut lines);
    let mut seen = [0; 5];
    for bytes in lines.split(|byte| *byte == b'\n').filter(|bytes| !bytes.is_empty()) {
        let line = Line::read(bytes).unwrap();
        let mut again = Vec::new();
        line.write(&mut again);
        assert_eq!(again.strip_suffix(b"\n"), Some(bytes));
        seen[match line {
            Line::Message { .. } => 0,
            Line::Done { .. } => 1,
            Line::Placed { .. } => 2,
            Line::Inner { .. } => 3,
            Line::Context { .. } => 4,
        }] += 1;
    }
    assert!(seen[0] > 0 && seen[2] > 0 && seen[4] > 0, "{seen:?}");
}

proptest! {
    /// Whatever the disk did to a log, its good lines are read, and what is lost before them is said.
    #[test]
    fn a_damaged_log_is_read_as_far_as_it_is_good(at in 0_usize..2000, with: u8, cut in 0_usize..2000) {
        let (mut table, mut lines) = (table(), Vec::new());
        table.put(vec![opens("a"), opens("b"), opens("c")], 0, &mut lines);
        let whole = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        let at = at % lines.len();
        lines[at] = with;
        lines.truncate(lines.len() - cut % lines.len());
        let mut seen = 0;
        let (good, damage) = read(lines.as_slice(), |_| seen += 1).unwrap();
        prop_assert!(good <= lines.len() as u64);
        prop_assert!(seen + damage.lines <= whole + 1);
        prop_assert!(damage.lines == 0 || damage.offset < good);
    }
}

/// What is counted of the messages of [`fragment`]s.
fn account() -> Arc<ItemStats> {
    ItemFamilies::default().of(&vec![("receiver", "test")], true)
}

fn items(account: &Arc<ItemStats>, messages: u64) -> Items {
    account.receive(Divided { usable: messages, ..Divided::default() })
}

fn counts(account: &ItemStats) -> [u64; 6] {
    ["received", "sealed", "duplicate", "filtered", "refused", "in_flight"].map(|name| account.counts()[name])
}

#[tokio::test]
async fn a_hold_survives_its_thread() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        || Settings { directory: directory.path().into(), wait: Duration::from_secs(60), bytes: 1 << 20 };
    let first = account();
    let start = |account: &Arc<ItemStats>| {
        let opened =
            Opened::read(settings(), Arc::default(), [("test", Arc::clone(account))].into()).unwrap();
        let ((hold, queue), damage) = (Hold::new(Arc::default()), opened.damage);
        (hold, opened.start(queue).unwrap(), damage)
    };
    let (hold, handle, _) = start(&first);
    let put = vec![opens("a"), opens("a"), item(fragment("says nothing"))];
    assert!(hold.put(put, items(&first, 3)).await.unwrap().is_empty());
    assert_eq!(counts(&first), [3, 0, 1, 1, 0, 1]);
    drop(hold);
    assert_eq!(handle.finished().await, None);
    let second = account();
    let (hold, handle, damage) = start(&second);
    assert_eq!((damage, counts(&second)), (Damage::default(), [1, 0, 0, 0, 0, 1]));
    // Given up by its request, it is sealed by whoever comes next.
    drop(hold.put(vec![closes("a")], items(&second, 1)).await.unwrap());
    let mut ready = hold.overdue(1 << 20).await.unwrap();
    let drafts = ready.drafts(&Builder::new(false), &mut Scratch::default());
    assert_eq!((drafts.len(), ready.len()), (1, 1));
    assert_eq!(counts(&second), [2, 0, 0, 0, 0, 2]);
    Box::new(ready).settle(Err(&Refusal::Stopping));
    let mut ready = hold.overdue(1 << 20).await.unwrap();
    assert_eq!(ready.drafts(&Builder::new(false), &mut Scratch::default()).len(), 1);
    Box::new(ready).settle(Ok(&Receipt::default()));
    assert!(hold.overdue(1 << 20).await.unwrap().is_empty());
    assert_eq!(counts(&second), [2, 2, 0, 0, 0, 0]);
    drop(hold);
    assert_eq!(handle.finished().await, None);
}
