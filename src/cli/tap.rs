//! `halod tap`: what becomes of telemetry, while it comes.

use super::output::{FAILED, USAGE, complain, finish};
use super::{local, run};
use serde_json::Value;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

/// Bytes of one event.
const EVENT: u64 = 1 << 20;

/// Watch what a running daemon seals, and what it does not and why
///
/// A line for what becomes of each request: whose it is, which receiver took it, which dialects its records are of; what was
/// sealed before, tells of no action, can't be used or was refused, and why. It shows no content. Who reads slowly misses
/// events, is told how many, and holds nothing up. It ends with Ctrl-C, or with the daemon. Exit code: 0, 1 if no daemon runs
/// there, 2 wrong usage.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Only what is of this tenant; `_local` for what names nobody
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only what this receiver took, such as otlp or langfuse
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Only requests with records of this dialect
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// Only what was not sealed
    #[arg(long)]
    unsealed: bool,
    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Print each event as one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let directory = match self.settings.directory() {
            Ok(directory) => directory,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        let asked = local::ask(&directory, "GET", "/tap", None);
        let mut events = match asked {
            Ok((200, events)) => events,
            Ok((status, _)) => {
                complain(format_args!("the daemon answers {status}; use the command of its version"));
                return FAILED.into();
            }
            Err(error) => {
                complain(local::unreachable(&directory, &error));
                return FAILED.into();
            }
        };
        finish(self.show(&mut events).map(|()| super::output::OK))
    }

    fn show(&self, events: &mut impl BufRead) -> io::Result<()> {
        let (mut text, mut left) = (String::new(), self.count.unwrap_or(u64::MAX));
        while left > 0 {
            text.clear();
            // A daemon that ends, ends it in whichever way.
            if !matches!(events.take(EVENT).read_line(&mut text), Ok(1..)) {
                return Ok(());
            }
            let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
            if !self.wants(&event) {
                continue;
            }
            left -= 1;
            let mut out = io::stdout().lock();
            if self.json {
                out.write_all(text.as_bytes())?;
            } else {
                writeln!(out, "{}", sentence(&event))?;
            }
            out.flush()?;
        }
        Ok(())
    }

    fn wants(&self, event: &Value) -> bool {
        let is = |key: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| event.get(key).and_then(Value::as_str) == Some(wanted))
        };
        let what = event.get("what").and_then(Value::as_str).unwrap_or_default();
        let of_dialect =
            |dialect: &String| event.get("dialects").is_some_and(|dialects| dialects.get(dialect).is_some());
        what == "missed"
            || is("tenant", &self.tenant)
                && is("receiver", &self.receiver)
                && self.dialect.as_ref().is_none_or(of_dialect)
                && !(self.unsealed && what == "sealed")
    }
}

/// An event for a person.
fn sentence(event: &Value) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| event.get(key).and_then(Value::as_u64);
    let time = text("at").get(11..19).unwrap_or_default();
    let mut parts = vec![format!("{time:8} {:9}", text("what")), format!("{:13}", text("receiver"))];
    if !text("tenant").is_empty() {
        parts.push(text("tenant").to_owned());
    }
    for key in ["records", "items", "events"] {
        if let Some(number) = number(key) {
            parts.push(format!("{number} {key}"));
        }
    }
    if let Some(dialects) = event.get("dialects").and_then(Value::as_object) {
        parts.extend(dialects.iter().map(|(name, count)| format!("{name}: {count}")));
    }
    if let Some(tools) = event.get("tools").and_then(Value::as_array) {
        let tools: Vec<_> = tools.iter().filter_map(Value::as_str).collect();
        parts.push(format!("[{}]", tools.join(", ")));
    }
    if !text("why").is_empty() {
        parts.push(text("why").to_owned());
    }
    if !text("sender").is_empty() {
        parts.push(format!("from {}", text("sender")));
    }
    parts.join("  ")
}
