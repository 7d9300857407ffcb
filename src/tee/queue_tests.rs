#![allow(clippy::unwrap_used)]

use super::*;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use std::collections::VecDeque;
use tempfile::TempDir;

const LIMIT: u64 = 300 << 10;

struct Fixture {
    dir: TempDir,
    queue: Option<Queue>,
    stats: Arc<TeeStats>,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { dir: tempfile::tempdir().unwrap(), queue: None, stats: Arc::default() };
        fixture.reopen();
        fixture
    }

    fn place(&self) -> PathBuf {
        self.dir.path().join("tee/otlp")
    }

    /// As after kill -9: nothing is kept in memory.
    fn reopen(&mut self) {
        self.queue = None;
        let limits = Limits { bytes: LIMIT, min_free_disk: 0 };
        self.queue = Some(Queue::open(&self.place(), limits, Arc::clone(&self.stats)).unwrap());
    }

    fn queue(&mut self) -> &mut Queue {
        self.queue.as_mut().unwrap()
    }

    fn append(&mut self, id: u64, size: usize) {
        let head = entry::head(&Method::POST, &format!("/{id}"), &HeaderMap::new());
        self.queue().append(&head, &vec![id as u8; size]).unwrap();
    }

    /// The oldest entry's id, when its body is what it was.
    fn oldest(&mut self) -> Option<(Ticket, u64)> {
        let (ticket, entry) = self.queue().oldest().unwrap()?;
        let id: u64 = entry.target.as_str()[1..].parse().unwrap();
        assert!(entry.body == vec![id as u8; entry.body.len()]);
        Some((ticket, id))
    }

    fn take(&mut self) -> Option<u64> {
        let (ticket, id) = self.oldest()?;
        assert!(self.queue().done(ticket).unwrap());
        assert!(!self.queue().done(ticket).unwrap(), "done once");
        Some(id)
    }

    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.place()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "tee")).collect();
        files.sort();
        files
    }

    fn dropped(&self, why: &str) -> u64 {
        self.stats.dropped().find(|(reason, _)| *reason == why).unwrap().1
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Take,
    Look,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..30_000).prop_map(Step::Append),
        1 => (0usize..400_000).prop_map(Step::Append),
        5 => Just(Step::Take),
        1 => Just(Step::Look),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What waits is what was taken in, less what was delivered and the oldest that had to go; always in
    /// order, never twice, within the limit, whenever the process ends.
    #[test]
    fn the_queue_is_a_queue(steps in prop::collection::vec(step(), 1..120)) {
        let mut fixture = Fixture::new();
        let mut waiting = VecDeque::new();
        for (id, step) in steps.into_iter().enumerate() {
            let id = id as u64;
            match step {
                Step::Append(size) => {
                    let (full, too_large) = (fixture.dropped("full"), fixture.dropped("too_large"));
                    let before = fixture.stats.bytes.get();
                    fixture.append(id, size);
                    let dropped = fixture.dropped("full") - full;
                    prop_assert!(dropped == 0 || before + size as u64 > LIMIT - 1000, "only when it is full");
                    waiting.drain(..usize::try_from(dropped).unwrap());
                    if fixture.dropped("too_large") == too_large {
                        waiting.push_back(id);
                    } else {
                        prop_assert!(size as u64 > LIMIT - 1000);
                    }
                }
                Step::Take => prop_assert_eq!(fixture.take(), waiting.pop_front()),
                Step::Look => prop_assert_eq!(fixture.oldest().map(|(_, id)| id), waiting.front().copied()),
                Step::Reopen => fixture.reopen(),
            }
            prop_assert_eq!(fixture.stats.entries.get(), waiting.len() as u64);
            let sizes: u64 = fixture.segments().iter().map(|path| path.metadata().unwrap().len()).sum();
            prop_assert_eq!(sizes, fixture.stats.bytes.get());
            prop_assert!(sizes <= LIMIT);
            if waiting.is_empty() {
                prop_assert!(fixture.segments().is_empty(), "nothing of what is delivered is kept");
            }
        }
        while let Some(id) = waiting.pop_front() {
            prop_assert_eq!(fixture.take(), Some(id));
        }
        prop_assert_eq!(fixture.take(), None);
        prop_assert_eq!(fixture.dropped("damaged"), 0);
    }

    /// Whatever is done to the files, what comes out is whole, in order and of what went in; what is
    /// missing was counted.
    #[test]
    fn damage_costs_entries_and_nothing_else(
        sizes in prop::collection::vec(0usize..9_000, 1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..4), 1..6),
        taken in 0usize..5,
    ) {
        let mut fixture = Fixture::new();
        for (id, size) in sizes.iter().enumerate() {
            fixture.append(id as u64, *size);
        }
        for _ in 0..taken {
            fixture.take();
        }
        let mut files = fixture.segments();
        files.push(fixture.place().join("position"));
        let mut cut = false;
        for (file, at, how) in damage {
            let path = &files[file.index(files.len())];
            let Ok(mut bytes) = fs::read(path) else { continue };
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] ^= 1 << (at % 8),
                1 => {
                    cut = true;
                    bytes.truncate(at);
                }
                2 => bytes.splice(at..at, [0xff; 7]).for_each(drop),
                _ => bytes[at..].fill(0),
            }
            fs::write(path, bytes).unwrap();
        }
        fixture.reopen();
        let mut last = None;
        let mut seen = 0;
        while let Some(id) = fixture.take() {
            prop_assert!(last < Some(id) && id < sizes.len() as u64);
            last = Some(id);
            seen += 1;
        }
        prop_assert!(seen <= sizes.len());
        prop_assert_eq!(fixture.stats.entries.get(), 0);
        prop_assert!(fixture.segments().is_empty());
        // A position that is lost repeats, and never loses. A file that is cut just behind an entry shows
        // nothing.
        if !cut && seen + taken.min(sizes.len()) < sizes.len() {
            prop_assert!(fixture.dropped("damaged") > 0);
        }
        fixture.append(1000, 10);
        prop_assert_eq!(fixture.take(), Some(1000));
    }
}

#[test]
fn only_halods_user_may_read_it() {
    let mut fixture = Fixture::new();
    fixture.append(1, 10);
    fixture.append(2, 10);
    fixture.take();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&fixture.place()), mode(fixture.place().parent().unwrap())), (0o700, 0o700));
    let files: Vec<_> = fs::read_dir(fixture.place()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|path| mode(path) == 0o600));
    assert!(holds_anything(&fixture.place()));
    fixture.take();
    assert!(!holds_anything(&fixture.place()));
}

#[test]
fn what_is_being_sent_may_be_dropped_for_newer() {
    let mut fixture = Fixture::new();
    fixture.append(0, 200_000);
    let (ticket, _) = fixture.oldest().unwrap();
    fixture.append(1, 200_000);
    assert!(!fixture.queue().holds(ticket));
    assert!(!fixture.queue().done(ticket).unwrap());
    assert_eq!((fixture.dropped("full"), fixture.take()), (1, Some(1)));
}

#[test]
fn a_nearly_full_disk_is_left_to_records() {
    let mut fixture = Fixture::new();
    fixture.append(0, 10);
    fixture.queue().limits.min_free_disk = u64::MAX;
    let head = entry::head(&Method::POST, "/1", &HeaderMap::new());
    let error = fixture.queue().append(&head, b"").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!((fixture.dropped("disk"), fixture.take(), fixture.take()), (1, Some(0), None));
}

#[test]
fn a_file_that_is_taken_away_is_counted() {
    let mut fixture = Fixture::new();
    for id in 0..3 {
        fixture.append(id, 10);
    }
    fs::remove_file(&fixture.segments()[0]).unwrap();
    assert_eq!(fixture.take(), None);
    assert_eq!(fixture.dropped("damaged"), 3);
    fixture.append(3, 10);
    assert_eq!(fixture.take(), Some(3));
}
