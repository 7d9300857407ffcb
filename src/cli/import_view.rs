//! What an import shows: progress and bad rows on standard error, the result on standard output.

use super::output::{complain, line};
use crate::import::chunk::{FileMeta, Hole, Reason, Taken};
use crate::import::dry_run::DryRun;
use crate::import::position::Mark;
use crate::import::run::{Observer, Summary};
use crate::import::source::{Input, SourceError};
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Bad rows that are shown one by one; the others are counted.
const SHOWN: u64 = 100;

/// How often a line tells of the progress where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// What one import has shown.
pub(super) struct View {
    json: bool,
    bar: Option<ProgressBar>,
    /// Bytes of all files, where they are known.
    total: Option<u64>,
    /// How many files there are.
    files: usize,
    /// Items and bytes of an earlier import that was interrupted: they take no time now.
    before: Before,
    started: Instant,
    told: Instant,
    shown: u64,
    waits: Option<String>,
    reasons: Vec<serde_json::Value>,
    holes: Vec<serde_json::Value>,
}

#[derive(Default)]
struct Before {
    items: u64,
    bytes: u64,
}

fn items(taken: &Taken) -> u64 {
    taken.accepted + taken.filtered + taken.rejected
}

impl View {
    pub(super) fn new(inputs: &[Input], json: bool) -> Self {
        let total = inputs.iter().map(Input::size).sum();
        let now = Instant::now();
        Self {
            json,
            bar: bar(total),
            total,
            files: inputs.len(),
            before: Before::default(),
            started: now,
            told: now,
            shown: 0,
            waits: None,
            reasons: Vec::new(),
            holes: Vec::new(),
        }
    }

    fn complain(&self, what: impl std::fmt::Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| complain(what)),
            None => complain(what),
        }
    }

    /// Prints the result.
    ///
    /// # Errors
    /// Standard output's.
    pub(super) fn end(mut self, summary: &Summary, dry_run: Option<&DryRun>) -> io::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let untold = summary.taken.rejected.saturating_sub(self.shown);
        if untold > 0 && self.shown >= SHOWN {
            complain(format_args!("and {untold} more that can't be used"));
        }
        for (field, times) in &summary.taken.unread_times {
            complain(format_args!(
                "{field}: {times} times can't be read; their records lack them and say so"
            ));
        }
        if let Some(why) = &summary.failed {
            complain(format_args!("the import failed: {why}; import again to go on where it stopped"));
        } else if summary.stopped {
            complain(format_args!(
                "interrupted after {} of {} files and {} items; import again to go on where it stopped",
                summary.inputs,
                self.files,
                items(&summary.taken)
            ));
        }
        if self.json {
            return line(self.report(summary, dry_run));
        }
        if let Some(dry_run) = dry_run {
            for ((tenant, action), count) in dry_run.counts() {
                line(format_args!("{count:>12}  {:<24}  {action}", tenant.as_deref().unwrap_or("(local)")))?;
            }
        }
        line(sentence(summary, dry_run.is_some(), self.started.elapsed()))
    }

    fn report(&self, summary: &Summary, dry_run: Option<&DryRun>) -> serde_json::Value {
        let Taken {
            accepted, filtered, rejected, sealed, duplicate, conflict, elsewhere, sealed_for, ..
        } = &summary.taken;
        let actions = dry_run.map(|dry_run| {
            let one = |((tenant, action), records): ((Option<String>, String), u64)| {
                json!({ "tenant": tenant, "action": action, "records": records })
            };
            dry_run.counts().into_iter().map(one).collect::<Vec<_>>()
        });
        json!({
            "dry_run": dry_run.is_some(),
            "files": summary.files,
            "unreadable": summary.unreadable,
            "accepted": accepted,
            "filtered": filtered,
            "rejected": rejected,
            "sealed": sealed,
            "known": duplicate,
            "conflicts": conflict,
            "sealed_for": sealed_for,
            "known_elsewhere": elsewhere,
            "interrupted": summary.stopped,
            "failed": summary.failed,
            "rejects": self.reasons,
            "holes": self.holes,
            "unread_times": summary.taken.unread_times,
            "would_seal": actions,
            "seconds": self.started.elapsed().as_secs_f64(),
        })
    }
}

fn sentence(summary: &Summary, dry: bool, took: Duration) -> String {
    let Taken { filtered, rejected, sealed, duplicate, conflict, elsewhere, sealed_for, .. } = &summary.taken;
    let verb = if dry { "would seal" } else { "sealed" };
    let conflicts =
        if *conflict > 0 { format!(", of which {conflict} contradict earlier ones") } else { String::new() };
    let again = if dry { "told twice or sealed" } else { "sealed before" };
    let elsewhere = if *elsewhere > 0 {
        format!(" ({elsewhere} in another chain than their rows say)")
    } else {
        String::new()
    };
    let chains = chains(sealed_for);
    format!(
        "{verb} {sealed} records{chains}{conflicts}; {duplicate} {again}{elsewhere}; {filtered} items are no agent's action; \
         {rejected} can't be used; {} of {} files read, in {}",
        summary.files,
        summary.files + summary.unreadable,
        HumanDuration(took)
    )
}

/// Tenants that the last line names.
const NAMED: usize = 5;

/// Whose chains were written to.
fn chains(sealed_for: &BTreeMap<String, u64>) -> String {
    let name = |(tenant, sealed): (&String, &u64)| {
        let tenant = if tenant.is_empty() { "the local chain" } else { tenant };
        format!("{tenant} {sealed}")
    };
    let mut names: Vec<String> = sealed_for.iter().take(NAMED).map(name).collect();
    if names.is_empty() {
        return String::new();
    }
    let more = sealed_for.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    format!(" ({})", names.join(", "))
}

fn bar(total: Option<u64>) -> Option<ProgressBar> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::new(total), "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left; {msg}")
        }
        None => (ProgressBar::no_length(), "{spinner} {bytes}, {bytes_per_sec}; {msg}"),
    };
    Some(bar.with_style(ProgressStyle::with_template(template).ok()?))
}

impl Observer for View {
    fn opened(&mut self, input: &Input, _: &FileMeta, resumed: Option<Mark>) {
        let Some(mark) = resumed else { return };
        // Of a packed file it is not known how many of its bytes those are.
        self.before.bytes += mark.offset.min(input.size().unwrap_or_default());
        if let Some(bar) = &self.bar {
            bar.reset_eta();
        }
        self.complain(format_args!(
            "{}: going on after byte {}, where it was interrupted",
            input.name(),
            mark.offset
        ));
    }

    fn before(&mut self, taken: &Taken) {
        self.before.items += items(taken);
    }

    fn progress(&mut self, read: u64, taken: &Taken) {
        let items = items(taken);
        let now = items.saturating_sub(self.before.items);
        let rate = now as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let waits = self.waits.take().map_or_else(String::new, |why| format!("; waits: {why}"));
        if let Some(bar) = &self.bar {
            bar.set_position(read);
            bar.set_message(format!("{items} items, {rate:.0}/s{waits}"));
            return;
        }
        if self.told.elapsed() < LINE {
            return;
        }
        self.told = Instant::now();
        let new = read.saturating_sub(self.before.bytes);
        let left = self.total.filter(|total| new > 0 && *total >= read).map_or_else(String::new, |total| {
            let left = self.started.elapsed().mul_f64((total - read) as f64 / new as f64);
            format!(" of {}, about {} left", HumanBytes(total), HumanDuration(left))
        });
        complain(format_args!("{}{left}; {items} items, {rate:.0}/s{waits}", HumanBytes(read)));
    }

    fn rejected(&mut self, input: &Input, reason: &Reason) {
        self.shown += 1;
        if self.shown > SHOWN {
            self.shown = SHOWN;
            return;
        }
        if self.json {
            self.reasons.push(json!({
                "file": input.name(),
                "line": (reason.place.line > 0).then_some(reason.place.line),
                "offset": reason.place.offset,
                "reason": reason.what,
            }));
        } else {
            self.complain(format_args!("{}: {}: {}", input.name(), reason.place, reason.what));
        }
    }

    fn unreadable(&mut self, input: &Input, error: &SourceError) {
        self.complain(format_args!("{}: {error}", input.name()));
    }

    fn hole(&mut self, hole: &Hole) {
        self.complain(hole);
        self.holes.push(json!({ "file": hole.file, "expected_rows": hole.expected, "rows": hole.found }));
    }

    fn waiting(&mut self, why: &str) {
        self.waits = Some(why.to_owned());
    }
}
