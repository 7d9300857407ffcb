//! The committed figure: what it says, and how another one compares with it.

use super::callgrind::Counts;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How far a figure may go away from the committed one, in hundredths.
pub const ROOM: u64 = 5;

/// Functions that take less than one of so many instructions are neither committed nor compared.
const SMALL: u64 = 500;

/// Rows to show of a figure that is another.
const NAMED: usize = 12;

pub const RENEW: &str = "UPDATE_EXPECT=1 cargo test --test it guard";

/// Instructions a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// What it was counted with.
    pub with: Vec<String>,
    /// Draft building without the compression function of SHA-256.
    pub drafts: u64,
    /// That function, as valgrind runs it: without the processor's instructions for it.
    pub hashing: u64,
    pub stages: Counts,
    pub functions: Counts,
}

impl Figure {
    pub fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            let counted = || -> Option<(u64, &str)> {
                let (count, name) = rest.split_once(' ').unwrap_or((rest, ""));
                Some((count.parse().ok()?, name))
            };
            match (what, counted()) {
                ("with", _) => this.with.push(rest.to_owned()),
                ("drafts", Some((count, _))) => this.drafts = count,
                ("hashing", Some((count, _))) => this.hashing = count,
                ("stage", Some((count, name))) => drop(this.stages.insert(name.to_owned(), count)),
                ("function", Some((count, name))) => drop(this.functions.insert(name.to_owned(), count)),
                _ => {}
            }
        }
        this
    }

    pub fn write(&self) -> String {
        let mut text = format!(
            "# Instructions that the draft of a span takes (benches/spans), counted by tests/it/guard.\n\
             # Written by {RENEW}\n"
        );
        self.with.iter().for_each(|with| writeln!(text, "with {with}").unwrap());
        writeln!(text, "drafts {}\nhashing {}", self.drafts, self.hashing).unwrap();
        largest(&self.stages).for_each(|(name, count)| writeln!(text, "stage {count} {name}").unwrap());
        largest(&self.functions)
            .filter(|(_, count)| **count > self.small())
            .for_each(|(name, count)| writeln!(text, "function {count} {name}").unwrap());
        text
    }

    fn small(&self) -> u64 {
        self.drafts / SMALL
    }

    /// What there is to say against `now`, where this is the committed figure.
    pub fn against(&self, now: &Self) -> Option<String> {
        let parts = [("draft building", self.drafts, now.drafts), ("hashing", self.hashing, now.hashing)];
        let mut said = String::new();
        for (what, before, now) in parts {
            if now.abs_diff(before) * 100 <= ROOM * before {
                continue;
            }
            let percent = now.abs_diff(before) as f64 * 100.0 / before as f64;
            let (more, so) = match now > before {
                true => ("more", "At most 5 % more is let through."),
                false => ("fewer", "A gain has to be committed, or else what is lost later hides in it."),
            };
            writeln!(
                said,
                "{what} takes {now} instructions a span, {percent:.1} % {more} than the {before} committed in \
                 benches/instructions.txt. {so}"
            )
            .unwrap();
        }
        if said.is_empty() {
            return None;
        }
        if self.with != now.with {
            let (before, now) = (self.with.join(", "), now.with.join(", "));
            writeln!(said, "The committed figure was counted with {before}; this one with {now}.").unwrap();
        }
        said.push_str("\ncommitted        now     change  stage\n");
        rows(&self.stages, &now.stages, 0, &mut said);
        said.push_str("\ncommitted        now     change  function, without what it calls\n");
        rows(&self.functions, &now.functions, self.small(), &mut said);
        writeln!(said, "\nWhen the change is meant, this renews the figure: {RENEW}").unwrap();
        Some(said)
    }
}

fn largest(counts: &Counts) -> impl Iterator<Item = (&String, &u64)> {
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    rows.into_iter()
}

/// The rows that differ most, by more than `small`.
fn rows(before: &Counts, now: &Counts, small: u64, out: &mut String) {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let of = |counts: &Counts, name: &String| i64::try_from(counts.get(name).copied().unwrap_or(0)).unwrap();
    let mut rows: Vec<_> = names.into_iter().map(|name| (of(before, name), of(now, name), name)).collect();
    rows.sort_by_key(|(before, now, _)| std::cmp::Reverse((now - before).abs()));
    let large = rows.into_iter().filter(|(before, now, _)| small == 0 || now.abs_diff(*before) > small);
    for (before, now, name) in large.take(NAMED) {
        writeln!(out, "{before:>9} {now:>10} {:>+10}  {name}", now - before).unwrap();
    }
}

#[test]
fn a_figure_is_read_as_it_was_written_and_compared() {
    let counts = |counts: &[(&str, u64)]| -> Counts {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let committed = Figure {
        with: vec!["rustc 1.95.0".into()],
        drafts: 100_000,
        hashing: 50_000,
        stages: counts(&[("redact", 60_000), ("decode", 40_000)]),
        functions: counts(&[("look", 60_000), ("traces", 40_000)]),
    };
    assert_eq!(Figure::parse(&committed.write()), committed);
    let mut now = committed.clone();
    for drafts in [95_000, 100_000, 105_000] {
        now.drafts = drafts;
        assert_eq!(committed.against(&now), None);
    }
    now.hashing = 53_000;
    assert!(
        committed.against(&now).unwrap().starts_with("hashing takes 53000 instructions a span, 6.0 % more")
    );
    now.hashing = 50_000;
    now.drafts = 94_000;
    assert!(committed.against(&now).unwrap().contains("6.0 % fewer"));
    now.drafts = 106_000;
    now.functions.insert("look".into(), 66_000);
    now.with = vec!["rustc 1.96.0".into()];
    let said = committed.against(&now).unwrap();
    for part in ["6.0 % more", "rustc 1.95.0; this one with rustc 1.96.0", "+6000  look", RENEW] {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
}
