//! `halod revoke`: taking a chain's report away from somebody.

use super::grant::tell;
use super::output::{self, complain};
use crate::reader::access::ChainKey;
use crate::reader::access::list::revoke;
use crate::reader::access::recipient::Recipient;
use std::path::PathBuf;
use std::process::ExitCode;

/// Take a chain's report away from somebody: what they have open ends with the next request
///
/// The list is `.halo_access.json` in the directory. Exit code: 0, 1 if it was not shared with them, 2 if the list can't be
/// changed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the chains
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The chain, as `halod grant --list` shows it
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// The address or the domain, as it was granted
    #[arg(value_name = "WHO", required_unless_present = "all")]
    who: Option<Recipient>,
    /// From everybody
    #[arg(long, conflicts_with = "who")]
    all: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let (had, left) = match revoke(&self.directory, &self.chain, self.who.as_ref()) {
            Ok(done) => done,
            Err(error) => {
                complain(error);
                return output::USAGE.into();
            }
        };
        if !had {
            let whom = self.who.map_or_else(|| "anybody".to_owned(), |who| who.to_string());
            complain(format_args!("the chain {:?} was not shared with {whom}", self.chain));
        }
        let code = if had { output::OK } else { output::FAILED };
        output::finish(tell(&ChainKey::Subject(self.chain), &left).map(|()| code))
    }
}
