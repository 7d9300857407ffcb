//! `halod redact`: what records would keep of a text.

use super::output::{self, complain};
use crate::config;
use clap::ValueEnum;
use halod_record::json::{Json, parse};
use halod_record::redact::Findings;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes that are read at most.
const MAX: u64 = 16 << 20;

/// Mask a text or a JSON value as records do, and tell what was found in it
///
/// Reads standard input, at most 16 MiB of UTF-8, and writes it to standard output with secrets and personal data masked; JSON
/// on one line, and of each text at most 65,536 characters. What was found goes to standard error. Nothing is sealed. Exit code:
/// 0, also when something was found; 2 if the input or the configuration can't be read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep to the rules of this configuration too (redaction.patterns and redaction.allow)
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the input is; auto takes objects and lists of JSON for JSON, all else for text
    #[arg(long = "as", value_enum, default_value_t = Kind::Auto)]
    kind: Kind,
    /// How to tell what was found
    #[arg(long, value_enum, default_value_t = Form::Table)]
    findings: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Auto,
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
    None,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let refuse = |what: String| {
            complain(what);
            ExitCode::from(output::USAGE)
        };
        let config = match config::load(config::named_file(self.config.clone()).as_deref()) {
            Ok(config) => config,
            Err(error) => return refuse(error.to_string()),
        };
        let text = match read(io::stdin().lock()) {
            Ok(text) => text,
            Err(why) => return refuse(format!("standard input {why}")),
        };
        let value = match value(&text, self.kind) {
            Ok(value) => value,
            Err(why) => return refuse(why),
        };
        let builder = config.builder();
        let (redactor, mut findings) = (builder.redactor(), Findings::default());
        let written = match value {
            Some(value) => {
                redactor.scan(&value, &mut findings);
                output::line(redactor.json(&value))
            }
            None => {
                redactor.scan_text(&text, &mut findings);
                io::stdout().write_all(redactor.text(&text).as_bytes())
            }
        };
        let told = written.and_then(|()| io::stdout().flush()).map(|()| {
            let told = match self.findings {
                Form::Table => table(&findings),
                Form::Json => json(&findings),
                Form::None => String::new(),
            };
            // Nobody is left to tell when that fails.
            let _ = io::stderr().write_all(told.as_bytes());
            output::OK
        });
        output::finish(told)
    }
}

/// All of the input, or why it can't be taken.
fn read(input: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    input.take(MAX + 1).read_to_end(&mut bytes).map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() as u64 > MAX {
        return Err(format!("is larger than {} MiB; give it in parts", MAX >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("is no UTF-8 from byte {at} on; convert it first, as with iconv")
    })
}

/// The value that the input is; `None` for text.
fn value(text: &str, kind: Kind) -> Result<Option<Json<'_>>, String> {
    let framed = text.trim_start().starts_with(['{', '[']);
    match kind {
        Kind::Text => Ok(None),
        Kind::Auto if !framed => Ok(None),
        Kind::Auto => Ok(parse(text).ok()),
        Kind::Json => match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                Err(format!("standard input is not valid JSON: {error}; with --as text it is taken as text"))
            }
        },
    }
}

fn table(findings: &Findings) -> String {
    if findings.is_empty() {
        return "nothing found\n".to_owned();
    }
    let widest = findings.iter().map(|found| found.kind.len()).max().unwrap_or_default().max(4);
    let mut table = format!("{:<8}  {:<widest$}  sample\n", "severity", "type");
    for found in findings.iter() {
        // A sample may have line breaks, and what a terminal would obey.
        let sample: String = found
            .sample
            .chars()
            .flat_map(|c| {
                let escaped = c.is_control().then(|| c.escape_default());
                let plain = (!c.is_control()).then_some(c);
                escaped.into_iter().flatten().chain(plain)
            })
            .collect();
        // Writing to a text doesn't fail.
        let _ = writeln!(table, "{:<8}  {:<widest$}  {sample}", found.severity.name(), found.kind);
    }
    table
}

/// The findings as a record has them.
fn json(findings: &Findings) -> String {
    let mut out = Vec::new();
    findings.write(true, &mut out);
    out.push(b'\n');
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_no_text_is_refused() {
        assert_eq!(read(io::repeat(b'a')).unwrap_err(), "is larger than 16 MiB; give it in parts");
        assert!(read(&b"ab\xff"[..]).unwrap_err().starts_with("is no UTF-8 from byte 2 on"));
        assert_eq!(read(&b""[..]).unwrap(), "");
    }

    #[test]
    fn only_objects_and_lists_are_taken_for_json() {
        for (text, is_value) in
            [("{\"a\":1}", true), (" [1]\n", true), ("12", false), ("\"a\"", false), ("{a", false)]
        {
            assert_eq!(value(text, Kind::Auto).unwrap().is_some(), is_value, "{text}");
        }
        assert!(value("12", Kind::Json).unwrap().is_some() && value("[1]", Kind::Text).unwrap().is_none());
        assert!(value("{a", Kind::Json).unwrap_err().contains("--as text"));
    }
}
