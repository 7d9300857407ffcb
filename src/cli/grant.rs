//! `halod grant`: sharing a chain's report with somebody.

use super::output::{self, complain, line};
use crate::reader::access::chains::{Entry, Memory, is_of_one, scan};
use crate::reader::access::list::{AccessList, Shared, Until, grant};
use crate::reader::access::recipient::Recipient;
use crate::reader::access::{AccessError, ChainKey};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Share a chain's report with an address, or with everybody of a domain
///
/// The list is `.halo_access.json` in the directory, as `halo grant` keeps it. A domain includes those below it. Exit code: 0, 2
/// if it can't be shared.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the chains
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The chain: its subject's id, or its file's name without .jsonl
    #[arg(value_name = "CHAIN", required_unless_present = "list")]
    chain: Option<String>,
    /// An address like alice@example.com, or a domain like example.com
    #[arg(value_name = "WHO", required_unless_present = "list")]
    who: Option<Recipient>,
    /// The last day, by UTC, or a moment such as 2027-01-31T12:00:00Z. `halo serve` does not know of it
    #[arg(long, value_name = "DATE")]
    until: Option<Until>,
    /// List whom each chain is shared with
    #[arg(long, conflicts_with_all = ["chain", "who", "until"])]
    list: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let done = match (&self.chain, &self.who) {
            (Some(chain), Some(who)) => self.grant(chain, who),
            _ => self.list(),
        };
        match done {
            Ok(printed) => output::finish(printed.map(|()| output::OK)),
            Err(error) => {
                complain(error);
                output::USAGE.into()
            }
        }
    }

    fn grant(&self, chain: &str, who: &Recipient) -> Result<io::Result<()>, AccessError> {
        let key = resolve(&self.directory, chain)?;
        let shared = grant(&self.directory, &key, who, self.until.as_ref())?;
        Ok(tell(&key, &shared))
    }

    fn list(&self) -> Result<io::Result<()>, AccessError> {
        let list = AccessList::read(&self.directory)?;
        Ok(list.all().try_for_each(|(key, shared)| tell(&key, &shared)))
    }
}

/// Prints whom a chain is shared with.
pub(super) fn tell(key: &ChainKey, shared: &[Shared]) -> io::Result<()> {
    let one = |shared: &Shared| match (&shared.until, shared.is_over) {
        (None, _) => shared.recipient.clone(),
        (Some(until), false) => format!("{} (until {until})", shared.recipient),
        (Some(until), true) => format!("{} (over since {until})", shared.recipient),
    };
    let all: Vec<_> = shared.iter().map(one).collect();
    let all = if all.is_empty() { "nobody".to_owned() } else { all.join(", ") };
    line(format_args!("recipients for {}: {all}", key.text()))
}

/// The key of a chain by its subject or its file.
fn resolve(directory: &Path, chain: &str) -> Result<ChainKey, AccessError> {
    let entries = scan(directory, &mut Memory::default())?;
    let of_subject = entries.iter().find(|entry| entry.key == ChainKey::Subject(chain.to_owned()));
    let Some(entry) = of_subject.or_else(|| entries.iter().find(|entry| entry.stem == chain)) else {
        complain(format_args!(
            "warning: {} has no chain of {chain:?}; who is granted sees it once there is one of the subject with this id",
            directory.display()
        ));
        return Ok(ChainKey::Subject(chain.to_owned()));
    };
    check(entry)?;
    match &entry.key {
        ChainKey::File(stem) => complain(format_args!(
            "warning: the records of {stem}.jsonl have no subject, so the grant is for that file; it lets nobody in to a chain of a \
             subject called {stem:?}"
        )),
        ChainKey::Subject(id) if id != chain => {
            complain(format_args!("note: {chain}.jsonl is the chain of {id:?}, which the grant is for"));
        }
        ChainKey::Subject(_) => {}
    }
    Ok(entry.key.clone())
}

/// Refuses what is withheld: a grant would let nobody in, or later into another chain.
fn check(entry: &Entry) -> Result<(), AccessError> {
    let refused =
        |why: &str| AccessError::Refused(format!("{}.jsonl is withheld from everybody: {why}", entry.stem));
    if let Some(why) = &entry.withheld {
        return Err(refused(why));
    }
    if is_of_one(&entry.path)? {
        Ok(())
    } else {
        Err(refused("it holds records of several subjects; each has to have a file of its own"))
    }
}
