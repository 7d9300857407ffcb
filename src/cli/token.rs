//! `halod token`: credentials of senders, and their lines in the file of identities.

use super::output::{self, complain};
use crate::auth::{self, Table, lines};
use clap::Subcommand;
use data_encoding::BASE64URL_NOPAD;
use halod_record::hash::{hex_text, sha256};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a token begins with: scanners for secrets, halod's own redaction too, know it by that.
const PREFIX: &str = "halod_";

/// Bytes that a password may have.
const LONGEST: u64 = 1024;

/// Make a sender's credential, and its line in the file that auth.file names
///
/// The file has no credential in clear: a token's line has its SHA-256, a password's its Argon2id hash.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a bearer token of 256 random bits. It is shown once
    New(Whose),
    /// Read a password from standard input, for clients that know nothing but user and password. The user is NAME
    Password(Whose),
}

/// The identity that the credential is for.
#[derive(Debug, clap::Args)]
struct Whose {
    /// Its name, which stands in its records as principal.service_account
    name: String,
    /// Its tenants: one, a list like acme,beta, or with * for any text
    #[arg(long, value_name = "TENANTS")]
    tenants: String,
    /// The receivers that it may use, like otlp,native; all that take telemetry without it
    #[arg(long, value_name = "RECEIVERS")]
    receivers: Option<String>,
    /// Its own records may say that they were captured where the action ran
    #[arg(long)]
    captured: bool,
    /// Append the line to this file, which is made if it is not there, instead of printing it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let made = match self.what {
            What::New(whose) => new(&whose),
            What::Password(whose) => password(&whose),
        };
        match made {
            Ok(text) => output::finish(output::line(text).map(|()| output::OK)),
            Err(why) => {
                complain(why);
                output::USAGE.into()
            }
        }
    }
}

fn new(whose: &Whose) -> Result<String, String> {
    let random: [u8; 32] = auth::random()?;
    let token = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random));
    let line = whose.line("token", &hex_text(&sha256(token.as_bytes())))?;
    whose.keep(&line)?;
    Ok(match &whose.file {
        Some(_) => token,
        None => format!("token: {token}\nline:  {line}"),
    })
}

fn password(whose: &Whose) -> Result<String, String> {
    let mut password = Vec::new();
    let read = io::stdin().lock().take(LONGEST + 1).read_to_end(&mut password);
    read.map_err(|error| format!("standard input can't be read: {error}"))?;
    let end = password.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    password.truncate(end);
    if password.is_empty() || password.len() as u64 > LONGEST {
        return Err(format!("a password on standard input has 1 to {LONGEST} bytes"));
    }
    let line = whose.line("password", &auth::password_hash(&password, &auth::random()?)?)?;
    whose.keep(&line)?;
    Ok(match &whose.file {
        Some(file) => format!("{}: {} may send with its password", file.display(), whose.name),
        None => line,
    })
}

impl Whose {
    fn line(&self, kind: &str, credential: &str) -> Result<String, String> {
        let mut line = format!("{} {kind}={credential} tenants=\"{}\"", self.name, self.tenants);
        if let Some(receivers) = &self.receivers {
            let _ = write!(line, " receivers={receivers}");
        }
        if self.captured {
            line.push_str(" may=captured");
        }
        lines::check_name(&self.name)?;
        if self.tenants.contains(['"', '\n', '\r']) {
            return Err("tenants have no quotes and no line breaks".into());
        }
        match Table::parse(&line) {
            Ok(_) => Ok(line),
            Err(wrong) => Err(wrong.into_iter().map(|bad| bad.what).collect::<Vec<_>>().join("; ")),
        }
    }

    /// Appends the line to the file, if one is named. Nobody else may read a file that is made.
    fn keep(&self, line: &str) -> Result<(), String> {
        let Some(path) = &self.file else { return Ok(()) };
        append(path, line).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let before = match std::fs::read(path) {
        Ok(before) => before,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    // A last line without its end would go on with this one.
    let end = if before.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(format!("{end}{line}\n").as_bytes())?;
    file.sync_all()
}
