//! What a page is given beside the records: whose chain it is, and what shows it whole.
//!
//! Nothing in it is believed by the page: counts and hashes are held against the records, notes and slots against each other.

use super::slots;
use crate::check::bundle::Consistency;
use halod_record::hash::hex_text;
use halod_record::tenant::Tenant;
use halod_record::verify::{Issue, Observer, Report, VerifyError, verify};
use halod_tlog::TlogError;
use halod_tlog::reader::LogReader;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

pub const FORMAT: &str = "halod-report/v1";

/// What the page reads beside the records, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub format: String,
    /// The version of halod that made it.
    pub version: String,
    /// The subject's id; null for the records of no subject.
    pub subject: Option<String>,
    /// The name of the chain's file.
    pub chain: String,
    #[serde(flatten)]
    pub facts: Facts,
    /// Signed notes of the log, the newest last.
    pub checkpoints: Vec<String>,
    /// The keys of the log, as they lie beside it.
    pub keys: Vec<String>,
    /// The tenant's place at some epochs under the newest checkpoint, as `slots.jsonl` of a bundle has them.
    pub slots: Vec<String>,
    /// A policy of witnesses that the sender suggests.
    pub policy: Option<String>,
    /// Lines of a witness of the reference's kind.
    pub witness: Vec<String>,
    /// Whose records the reader asked for.
    pub expected_subject: Option<String>,
    /// What shows that the log continues a checkpoint that the reader kept.
    pub consistency: Vec<Consistency>,
    /// The chosen records, where not all are given.
    pub window: Option<Window>,
}

/// What a chain's file comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub count: u64,
    pub bytes: u64,
    pub head: Option<String>,
    /// The hash of the first record.
    pub first: Option<String>,
    /// Records of the daemon's own that tell of a loss.
    pub gaps: u64,
}

/// Records that were chosen by the time at which the sender says that they happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from: Option<String>,
    pub to: Option<String>,
    pub chosen: u64,
    pub of: u64,
    /// Of each record that is given alone its number, from 1, and the hashes beside its way to the root of its chain's tree, in
    /// base64. Empty where the whole chain is given.
    pub places: Vec<(u64, String)>,
}

/// Why nothing can be given.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// What verifying a chain's file found.
#[derive(Clone, Debug)]
pub struct Surveyed {
    pub facts: Facts,
    pub report: Report,
    /// The first issues, in words.
    pub issues: Vec<Issue>,
    /// Whose chain it is, by its first record.
    pub tenant: Option<Tenant>,
}

/// Issues that are kept.
const KEPT: usize = 20;

#[derive(Default)]
struct Survey {
    first: Option<[u8; 32]>,
    bytes: u64,
    issues: Vec<Issue>,
}

impl Observer for Survey {
    fn issue(&mut self, issue: &Issue) {
        if self.issues.len() < KEPT {
            self.issues.push(issue.clone());
        }
    }

    fn record(&mut self, hash: &[u8; 32]) {
        self.first.get_or_insert(*hash);
    }

    fn progress(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

/// Verifies a chain's file, in memory that does not grow with it.
///
/// # Errors
/// The file can't be read.
pub fn survey(chain: &Path) -> Result<Surveyed, GivenError> {
    let mut survey = Survey::default();
    let report = verify(chain, &mut survey)?;
    let facts = Facts {
        count: report.records,
        bytes: survey.bytes,
        head: report.head.map(|head| hex_text(&head)),
        first: survey.first.map(|first| hex_text(&first)),
        gaps: gaps(chain, survey.bytes)
            .map_err(|source| GivenError::Read { path: chain.to_owned(), source })?,
    };
    let tenant = halod_chain::scan::first_tenant(chain);
    Ok(Surveyed { facts, report, issues: survey.issues, tenant })
}

/// How many lines say that something was lost.
fn gaps(chain: &Path, bytes: u64) -> io::Result<u64> {
    // In a string these quotes would be escaped.
    let finder = memchr::memmem::Finder::new(br#""tool":"halod.gap""#);
    let mut reader = BufReader::with_capacity(1 << 20, io::Read::take(File::open(chain)?, bytes));
    let (mut gaps, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        gaps += u64::from(finder.find(&line).is_some());
        line.clear();
    }
    Ok(gaps)
}

/// What a page is given of a chain in a directory of halod's: what was signed of it, where there is a log.
///
/// # Errors
/// The log can't be read.
pub fn given(directory: &Path, chain: &Path, surveyed: &Surveyed) -> Result<Given, GivenError> {
    let tenant = surveyed.tenant.clone().unwrap_or(Tenant::Local);
    let mut given = Given {
        format: FORMAT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        subject: tenant.subject().map(str::to_owned),
        chain: chain.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        facts: surveyed.facts.clone(),
        ..Given::default()
    };
    if let Some(log) = LogReader::open(directory)? {
        let log = log.as_witnessed()?;
        given.signed_by(&log, &tenant)?;
    }
    Ok(given)
}

impl Given {
    fn signed_by(&mut self, log: &LogReader, tenant: &Tenant) -> Result<(), GivenError> {
        if !log.knows_blinds() {
            return Ok(());
        }
        self.slots = slots::shown(log, tenant)?;
        self.checkpoints = vec![log.note.to_string()];
        self.keys = log.keys.iter().map(ToString::to_string).collect();
        Ok(())
    }

    /// The JSON that a page reads.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings and numbers always have a JSON text.
        serde_json::to_string(self).unwrap_or_default()
    }
}
