//! `halod report`: a page that verifies a chain in the reader's browser.

use super::check::tenant;
use super::output::{self, complain, line};
use crate::reader::report::make::{MakeError, Order, make};
use crate::reader::report::page;
use crate::reader::subjects;
use crate::reader::when::Window;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a page for a reviewer, which verifies the records in their browser
///
/// The page needs no network and no halod: it computes hashes, places and signatures itself, and shows what the agents did. Up to
/// 5,000 records it is one file; a longer chain becomes a folder whose verify.html reads the chain beside it. Exit code: 0, 1
/// refused (a chain that does not verify, of another subject, or not what a witness saw), 2 wrong usage, unreadable or a damaged
/// witness file, 3 no records, or a witness file that says nothing of the chain.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A tenant of --dir (_local for the records of none), or a chain's file
    #[arg(value_name = "TENANT|CHAIN", required_unless_present = "page_hash")]
    chain: Option<String>,
    /// The directory of the chains
    #[arg(long, short, value_name = "DIR", default_value = "records")]
    dir: PathBuf,
    /// Where the report goes: a file, or a folder with --folder
    #[arg(short, long, value_name = "FILE", required_unless_present = "page_hash")]
    output: Option<PathBuf>,
    /// Make a folder, whatever the size of the chain
    #[arg(long)]
    folder: bool,
    /// Only records that happened then, by their sender, such as 2026-10-05 or 2026-10-05T10:30..2026-10-06; each with its place in
    /// the signed tree
    #[arg(long, value_name = "FROM..TO", value_parser = span)]
    happened: Option<(Window, String)>,
    /// A file with what a witness saw of the chain (`halod anchor`); the chain has to be that
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// A policy of witnesses to suggest to the reader (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Whose records they have to be; _local for the records of no tenant
    #[arg(long, value_name = "ID")]
    expect_subject: Option<String>,
    /// A checkpoint that the reader kept: the report shows that the log continues it
    #[arg(long, value_name = "NOTE")]
    since: Option<PathBuf>,
    /// Show lines that are no complete records as not attested, instead of refusing the chain
    #[arg(long)]
    complete_records: bool,
    /// Print the SHA-256 of the page and its length: a report in a file begins with so many bytes that have it
    #[arg(long)]
    page_hash: bool,
}

fn span(text: &str) -> Result<(Window, String), String> {
    Window::parse(text).map(|span| (span, text.to_owned())).map_err(|error| error.to_string())
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        if self.page_hash {
            let said = format!("{}  {} bytes", page::hash(), page::html().len());
            return output::finish(line(said).map(|()| output::OK));
        }
        let order = match self.order() {
            Ok(order) => order,
            Err(why) => {
                complain(why);
                return output::USAGE.into();
            }
        };
        match make(&order) {
            Ok(made) => {
                made.remarks.iter().for_each(complain);
                let said = format!("{}: {} records", made.path.display(), made.records);
                output::finish(line(said).map(|()| output::OK))
            }
            Err(error) => {
                complain(&error);
                match error {
                    MakeError::Empty(_) | MakeError::NoneChosen { .. } | MakeError::Unwitnessed(_) => {
                        output::EMPTY
                    }
                    MakeError::Torn { .. }
                    | MakeError::Broken { .. }
                    | MakeError::OtherSubject { .. }
                    | MakeError::Mixed { .. }
                    | MakeError::Incomplete(_) => output::FAILED,
                    _ => output::USAGE,
                }
                .into()
            }
        }
    }

    fn order(self) -> Result<Order, String> {
        let chain = self.chain.unwrap_or_default();
        let (directory, chain) = match PathBuf::from(&chain) {
            path if path.is_file() => {
                let parent = path.parent().map_or_else(PathBuf::new, PathBuf::from);
                (if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent }, path)
            }
            _ => {
                let of = subjects::of_tenant(&self.dir, &tenant(&chain));
                let found = of.map_err(|error| format!("cannot read {}: {error}", self.dir.display()))?;
                match &found[..] {
                    [one] => (self.dir.clone(), one.clone()),
                    [] => {
                        return Err(format!(
                            "{chain} is neither a file nor a tenant with a chain in {}; name the directory by --dir",
                            self.dir.display()
                        ));
                    }
                    [one, other, ..] => {
                        return Err(format!(
                            "two chains are of {chain}: {} and {}; name one of them",
                            one.display(),
                            other.display()
                        ));
                    }
                }
            }
        };
        Ok(Order {
            directory,
            chain,
            output: self.output.unwrap_or_default(),
            as_folder: self.folder,
            happened: self.happened,
            witness: self.witness,
            policy: self.policy,
            expected: self.expect_subject.as_deref().map(tenant),
            since: self.since,
            complete_records: self.complete_records,
        })
    }
}
