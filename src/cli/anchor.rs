//! `halod anchor`: the end of one chain, given to a witness or held against what a witness has.

use super::output::{self, complain, line};
use crate::clock::unix_nanos;
use crate::config::bearer;
use crate::tee::settings::Target;
use crate::tsa::{self, Roots};
use crate::witness::anchor::Anchor;
use crate::witness::client::Client;
use crate::witness::completeness::{Completeness, End, Seen, Whose, WhoseError, whose};
use crate::witness::posted::{Posted, posted, refusal};
use crate::witness::stamped::Stamps;
use halod_record::hash::hex_text;
use halod_record::json::Json;
use halod_record::time::rfc3339;
use halod_record::verify::VerifyError;
use halod_timestamp::halo::{State, Tsa};
use http::HeaderValue;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// For one exchange; a list of anchors may be long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of one answer. halod's witness gives lists by pages, the reference's gives the whole list.
const MOST: usize = 64 << 20;

/// Anchors of a page.
const PAGE: u64 = 10_000;

const NOWHERE: &str = "anchor needs a witness file, or --remote URL";

/// Give the end of a chain to a witness, or check a chain against what a witness saw of it
///
/// Options, files, answers and exit codes are those of `halo anchor` (halo-record 0.2.46). The chain is verified first; what
/// does not verify, has no records, or contradicts what the witness file says already is not anchored.
///
/// Exit code: 0 anchored or COMPLETE; 1 INCOMPLETE, or the chain or the remote witness fails; 2 wrong usage or a damaged
/// witness file; 3 UNWITNESSED, or a chain without records.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The chain
    #[arg(value_name = "CHAIN")]
    chain: PathBuf,
    /// A witness file, which only grows
    #[arg(value_name = "WITNESS")]
    witness: Option<PathBuf>,
    /// The witness at this address instead of a file
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// The key that the remote witness knows you by; other users of this machine can see it in the list of processes
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The file with that key
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
    /// Check the chain against what the witness has, and add nothing
    #[arg(long)]
    check: bool,
    /// With --check: the customer that you expect; a record of anybody else's is INCOMPLETE
    #[arg(long, value_name = "ID")]
    expect_subject: Option<String>,
    /// Have a time-stamping service (RFC 3161) say when the chain was so long, and put that beside the checkpoint; needs --tsa-roots
    #[arg(long, requires = "tsa_roots", conflicts_with = "check")]
    timestamp: bool,
    /// The time-stamping service
    #[arg(long, value_name = "URL", default_value = "https://freetsa.org/tsr")]
    tsa: Target,
    /// The root certificates, in PEM, of the time-stamping services that you trust: tokens are verified in full
    #[arg(long, value_name = "FILE")]
    tsa_roots: Option<PathBuf>,
}

/// Why there is no verdict: the exit code, and what to say.
struct Stop(u8, String);

impl Stop {
    fn usage(error: impl Display) -> Self {
        Self(output::USAGE, error.to_string())
    }

    fn failed(error: impl Display) -> Self {
        Self(output::FAILED, error.to_string())
    }
}

/// Where anchors go to, or come from.
enum Witness {
    File(PathBuf),
    Remote(Box<(Client, Option<HeaderValue>)>),
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let ended = self.witness().and_then(|mut witness| {
            let expected = self.expect_subject.as_deref().filter(|_| self.check);
            let chain = whose(&self.chain, expected).map_err(|error| self.unread(&error))?;
            if self.check { self.check(&mut witness, &chain) } else { self.add(&mut witness, &chain) }
        });
        match ended {
            Ok((code, said)) => output::finish(said.iter().try_for_each(line).map(|()| code)),
            Err(Stop(code, why)) => {
                complain(why);
                code.into()
            }
        }
    }

    fn unread(&self, error: &WhoseError) -> Stop {
        Stop::failed(format_args!("{}: {error}", self.chain.display()))
    }

    fn witness(&self) -> Result<Witness, Stop> {
        let Some(url) = self.remote.as_deref().filter(|url| !url.is_empty()) else {
            let file = self.witness.clone().ok_or_else(|| Stop::usage(NOWHERE))?;
            return Ok(Witness::File(file));
        };
        let key = match (&self.key, &self.key_file) {
            (Some(key), _) => Some(bearer::header(key).map_err(Stop::usage)?),
            (None, Some(file)) => Some(bearer::read(file).map_err(Stop::usage)?),
            (None, None) => None,
        };
        if key.is_none() && !self.check {
            return Err(Stop::usage("anchor --remote needs --key or --key-file, unless with --check"));
        }
        let target: Target = url.parse().map_err(|error| Stop::usage(format_args!("--remote: {error}")))?;
        let mut client = Client::new(target, None).map_err(Stop::failed)?;
        client.set_bounds(TIMEOUT, MOST);
        Ok(Witness::Remote(Box::new((client, key))))
    }

    fn check(&self, witness: &mut Witness, chain: &Whose) -> Result<(u8, Vec<String>), Stop> {
        if let (Some((number, id)), Some(expected)) = (&chain.other, &self.expect_subject) {
            let why = format!("record {number} has the subject id {id}, and {expected:?} was expected");
            return Ok(incomplete(&json!({ "ok": false, "witnessed": 0, "why": why })));
        }
        let mut stamps = Stamps::believing(self.roots()?);
        let seen = match &mut *witness {
            Witness::File(path) => {
                let file = File::open(path.as_path()).map_err(|error| {
                    Stop::usage(format_args!("the witness file {} can't be read: {error}", path.display()))
                })?;
                seen_by(path, &file, chain, &mut |checkpoint| stamps.take(checkpoint))?
            }
            Witness::Remote(remote) => seen_at(&mut remote.0, remote.1.as_ref(), chain)?,
        };
        let (completeness, end) = seen.check(&self.chain).map_err(unverified)?;
        let witnessed = seen.checkpoints;
        let mut said = match completeness {
            Completeness::Unwitnessed => {
                let why = json!({ "ok": null, "why": "no witnesses for this chain", "witnessed": 0 });
                (output::EMPTY, vec![format!("UNWITNESSED — {why}")])
            }
            Completeness::Incomplete { why, at } => {
                incomplete(&json!({ "ok": false, "why": why, "at": at, "witnessed": witnessed }))
            }
            Completeness::Complete if let Some((count, why)) = &stamps.wrong => {
                let why =
                    format!("the time stamp of the checkpoint with {count} records shows nothing: {why}");
                incomplete(&json!({ "ok": false, "why": why, "at": null, "witnessed": witnessed }))
            }
            Completeness::Complete => {
                let head = end.map(|end| hex_text(&end.head));
                let latest = seen.longest();
                let mut told =
                    json!({ "ok": true, "witnessed": witnessed, "latest_count": latest, "head": head });
                if let Some((count, time)) = stamps.newest() {
                    told["tsa_time"] = json!(time);
                    told["tsa_time_status"] =
                        json!(format!("verified in full: the first {count} records existed before that"));
                }
                if stamps.unchecked > 0 {
                    told["tsa_unverified"] = json!(stamps.unchecked);
                }
                (output::OK, vec![format!("COMPLETE — {told}")])
            }
        };
        if let (Witness::File(_), output::OK) = (witness, said.0) {
            said.1.push(
                "note (local witness file): completeness is as independent as whoever holds this file; take it for the \
                 operator's own word unless that is somebody else"
                    .into(),
            );
        }
        if chain.subject.is_none() {
            said.1.push(
                "note (chain without a subject): its checkpoints are found by the hash of its first record, so a chain whose \
                 first records were removed is UNWITNESSED"
                    .into(),
            );
        }
        Ok(said)
    }

    fn roots(&self) -> Result<Option<Roots>, Stop> {
        self.tsa_roots.as_deref().map(Roots::read).transpose().map_err(Stop::usage)
    }

    /// The time-stamp of what is anchored, where one is wanted. As with the reference, an anchor does not wait for a service that fails.
    fn stamp(&self, subject: Option<&str>, end: &End) -> Result<Option<Tsa>, Stop> {
        let Some(roots) = self.roots()?.filter(|_| self.timestamp) else { return Ok(None) };
        let (first, head) = (hex_text(&end.first), hex_text(&end.head));
        let state = State { chain_root: &first, subject, count: end.count, head: &head };
        match tsa::stamp(self.tsa.clone(), &roots, &state) {
            Ok(tsa) => Ok(Some(tsa)),
            Err(error) => {
                complain(format_args!("no time stamp ({error}); the checkpoint is written without one"));
                Ok(None)
            }
        }
    }

    fn add(&self, witness: &mut Witness, chain: &Whose) -> Result<(u8, Vec<String>), Stop> {
        let End { count, head, .. } = match witness {
            Witness::File(path) => self.append(path, chain)?,
            Witness::Remote(remote) => {
                if self.timestamp {
                    complain("--timestamp is for witness files: a remote witness tells its own time");
                }
                let (completeness, end) = Seen::default().check(&self.chain).map_err(unverified)?;
                let end = self.end(&completeness, end)?;
                let anchor = Anchor::of_chain(chain.subject.as_deref(), end.count, end.head, end.first);
                let received = remote.0.anchor(anchor.body(), remote.1.as_ref()).map_err(Stop::failed)?;
                match posted(&received, &anchor) {
                    Posted::Kept => end,
                    Posted::Refused { why, .. } | Posted::Failed { why, .. } => {
                        return Err(Stop::failed(why));
                    }
                }
            }
        };
        let head = hex_text(&head);
        let root = chain.root.map(|root| hex_text(&root));
        let name = chain.subject.clone().or(root).unwrap_or_default();
        let said = match &self.remote {
            Some(url) if !url.is_empty() => {
                format!("anchored to {url}: subject={name} count={count} head={head}")
            }
            _ => format!("witnessed {name}: count={count} head={head}"),
        };
        Ok((output::OK, vec![said]))
    }

    /// The end to anchor, of a chain that verifies and contradicts nothing.
    fn end(&self, completeness: &Completeness, end: Option<End>) -> Result<End, Stop> {
        let chain = self.chain.display();
        match (completeness, end) {
            (Completeness::Incomplete { why, at }, _) => {
                let at = at.map_or(String::new(), |at| format!(" (at {at})"));
                Err(Stop::failed(format_args!("{chain} is INCOMPLETE, so it is not anchored: {why}{at}")))
            }
            (_, Some(end)) => Ok(end),
            (_, None) if self.is_empty() => {
                Err(Stop(output::EMPTY, format!("{chain} has no records, so there is nothing to anchor")))
            }
            (_, None) => Err(Stop::failed(format_args!(
                "{chain} does not verify, so it is not anchored; `halod verify {chain}` tells more"
            ))),
        }
    }

    fn is_empty(&self) -> bool {
        self.chain.metadata().is_ok_and(|meta| meta.len() == 0)
    }

    /// Adds the end to a witness file, unless what is in it says otherwise; on disk when this returns.
    fn append(&self, path: &Path, chain: &Whose) -> Result<End, Stop> {
        let failed = |error: io::Error| Stop::failed(format_args!("{}: {error}", path.display()));
        let open = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path);
        let mut file = open.map_err(failed)?;
        // The lock that the reference takes, too.
        flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let seen = seen_by(path, &file, chain, &mut |_| {})?;
        let (completeness, end) = seen.check(&self.chain).map_err(unverified)?;
        let end = self.end(&completeness, end)?;
        let anchor = Anchor::of_chain(chain.subject.as_deref(), end.count, end.head, end.first);
        let ts = rfc3339(unix_nanos());
        let tsa = self.stamp(chain.subject.as_deref(), &end)?;
        let mut line = anchor.unsigned_line(&String::from_utf8_lossy(&ts), tsa.as_ref()) + "\n";
        if !ends_a_line(&file).map_err(failed)? {
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(end)
    }
}

fn ends_a_line(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let length = file.metadata()?.len();
    let mut last = [0];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(length == 0 || last == *b"\n")
}

fn incomplete(told: &serde_json::Value) -> (u8, Vec<String>) {
    (output::FAILED, vec![format!("INCOMPLETE — {told}")])
}

fn unverified(error: VerifyError) -> Stop {
    Stop::failed(error)
}

/// What a witness file has of a chain.
fn seen_by(
    path: &Path,
    mut file: &File,
    chain: &Whose,
    each: &mut dyn FnMut(&Json<'_>),
) -> Result<Seen, Stop> {
    let read = file.rewind().and_then(|()| Seen::read_each(BufReader::new(file), chain, each));
    let read = read.map_err(|error| {
        Stop::usage(format_args!("the witness file {} can't be read: {error}", path.display()))
    })?;
    read.map_err(|damage| {
        Stop::usage(format_args!(
            "REFUSED: the witness file {} is damaged: {damage}; nothing can be told by it, so restore it from a copy that the \
             witness' operator holds",
            path.display()
        ))
    })
}

/// What a remote witness has of a chain, page by page.
fn seen_at(client: &mut Client, key: Option<&HeaderValue>, chain: &Whose) -> Result<Seen, Stop> {
    let mut seen = Seen::default();
    let by = match (&chain.subject, &chain.root) {
        (Some(subject), _) => format!("subject={}", encoded(subject)),
        (None, Some(root)) => format!("chain_root={}", hex_text(root)),
        // Nobody can be asked for a chain without a name.
        (None, None) => return Ok(seen),
    };
    let mut after = 0;
    loop {
        let query = if after == 0 {
            format!("{by}&limit={PAGE}")
        } else {
            format!("{by}&limit={PAGE}&after={after}")
        };
        let received = client.anchors(&query, key).map_err(Stop::failed)?;
        if received.status != 200 {
            return Err(Stop::failed(refusal(received.status, &received.body)));
        }
        let (items, more) = seen.page(&received.body, chain).map_err(Stop::failed)?;
        after += items;
        if !more {
            return Ok(seen);
        }
    }
}

/// As a value in a query (RFC 3986, section 2.1).
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
