//! `halod check`: what a directory, a bundle or a proof shows, in sentences that a reviewer understands.
//!
//! ```text
//! path ─▶ directory │ bundle │ proof ─▶ Report: sentences, each shown, a remark or a finding ─▶ text or JSON, exit code
//! ```
//!
//! Nothing is taken from halod's own word that can be computed: hashes, trees, the map of tenants, signatures.
//! What is checked, and what it shows: `docs/checkpoints.md`.

mod bounds;
pub mod bundle;
mod chain;
mod declared;
mod directory;
mod pair;
mod receipt;
mod record;
mod signature;
mod stamps;

pub use bounds::{Bound, Said};
pub use pair::{Compared, compare};

use halod_evidence::contradiction::{Contradiction, ContradictionError, MAX_BYTES};
use halod_evidence::note::{NoteError, VerifierKey};
use halod_evidence::policy::Policy;
use halod_evidence::proof::ProofError;
use halod_evidence::receipt::ReceiptError;
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use halod_record::verify::VerifyError;
use halod_tlog::TlogError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is to be checked, and against what.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub path: PathBuf,
    /// The keys that the reader trusts; without any, those that the path has.
    pub keys: Vec<VerifierKey>,
    /// Of a directory, the one tenant that is asked for.
    pub subject: Option<Tenant>,
    /// Which witnesses have to have seen the checkpoint, by C2SP tlog-policy; its logs are keys that are trusted, too.
    pub policy: Option<Policy>,
    /// How old the newest word of a quorum, or else of the log's own clock, may be.
    pub max_age: Option<Duration>,
    /// A note of the same log that was kept earlier.
    pub since: Option<PathBuf>,
    /// What the chain has to have at least: so many records, or a record with this hash; with both, that record with that hash.
    pub expect_count: Option<u64>,
    pub expect_head: Option<[u8; 32]>,
    /// The record that a proof has to be of.
    pub record: Option<PathBuf>,
    /// A receipt that a sender was given for records of these chains.
    pub receipt: Option<PathBuf>,
    /// The certificates in PEM that time-stamps have to lead to.
    pub tsa_roots: Option<PathBuf>,
}

/// What a sentence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// It was checked, and holds.
    Shown,
    /// It is no fault, and a reader should know it.
    Remark,
    /// It contradicts what was signed or asked for.
    Finding,
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub grade: Grade,
    /// The chain that it is about.
    pub chain: Option<String>,
    pub text: String,
}

/// All that was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub sentences: Vec<Sentence>,
    /// Between which times records came into the signed log.
    pub bounds: Vec<Bound>,
    /// Somebody outside has seen the checkpoint, by what the reader trusts.
    pub is_witnessed: bool,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is neither a directory of halod's, nor a bundle, nor a proof", .0.display())]
    Nothing(PathBuf),
    #[error("{}: {source}", path.display())]
    Note { path: PathBuf, source: NoteError },
    #[error("{}: {source}", path.display())]
    Proof { path: PathBuf, source: ProofError },
    #[error("{}: {source}", path.display())]
    Receipt { path: PathBuf, source: ReceiptError },
    #[error("{}: {source}", path.display())]
    Contradiction { path: PathBuf, source: ContradictionError },
    #[error(transparent)]
    Log(#[from] TlogError),
    #[error(transparent)]
    Roots(#[from] crate::tsa::RootsError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("{0}")]
    Usage(String),
}

impl Request {
    /// The keys of logs that the reader trusts.
    fn trusted(&self) -> Vec<VerifierKey> {
        let of_policy = self.policy.iter().flat_map(|policy| policy.logs().iter().map(|log| log.key.clone()));
        self.keys.iter().cloned().chain(of_policy).collect()
    }
}

impl CheckError {
    fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

impl Report {
    fn say(&mut self, grade: Grade, chain: Option<&str>, text: impl Into<String>) {
        self.sentences.push(Sentence { grade, chain: chain.map(str::to_owned), text: text.into() });
    }

    /// Whether something contradicts what was signed or asked for.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        self.sentences.iter().any(|sentence| sentence.grade == Grade::Finding)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.grade {
            Grade::Shown => "ok     ",
            Grade::Remark => "note   ",
            Grade::Finding => "FINDING",
        };
        match &self.chain {
            Some(chain) => write!(f, "{sign}  {chain}: {}", self.text),
            None => write!(f, "{sign}  {}", self.text),
        }
    }
}

/// Checks what is at a path.
///
/// # Errors
/// It can't be read, or what is asked for does not fit it.
pub fn check(request: &Request) -> Result<Report, CheckError> {
    let path = &request.path;
    let meta = path.metadata().map_err(CheckError::read(path))?;
    let mut report = Report::default();
    if path.join(bundle::MANIFEST).is_file() {
        bundle::check(request, &mut report)?;
    } else if meta.is_dir() {
        directory::check(request, &mut report)?;
    } else if let Some(found) = evidence(path)? {
        pair::check(request, &found, &mut report)?;
        return Ok(report);
    } else if request.receipt.is_some() {
        let what = "a receipt is checked against a directory or a bundle, not against a proof";
        return Err(CheckError::Usage(what.into()));
    } else {
        record::check(request, &mut report)?;
    }
    if !report.is_witnessed {
        let text = "Nobody outside has witnessed the checkpoint, as far as was shown: whoever holds the log's key could show another \
                    one to somebody else. Witnesses that you trust (--policy), or a note that you kept (--since), close that";
        report.say(Grade::Remark, None, text);
    }
    Ok(report)
}

/// The evidence that a file holds, if it is of that kind.
fn evidence(path: &Path) -> Result<Option<Contradiction>, CheckError> {
    if path.metadata().map_err(CheckError::read(path))?.len() > MAX_BYTES as u64 {
        return Ok(None);
    }
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    match Contradiction::parse(&text) {
        Ok(found) => Ok(Some(found)),
        Err(_) if !text.contains("halod-contradiction/v1") => Ok(None),
        Err(source) => Err(CheckError::Contradiction { path: path.to_owned(), source }),
    }
}

/// A time in Unix milliseconds, to the second.
#[must_use]
pub fn time(millis: u64) -> String {
    let text = rfc3339(millis.saturating_mul(1_000_000));
    format!("{}Z", String::from_utf8_lossy(&text[..19]))
}

/// The name of a tenant in sentences.
fn name(tenant: &Tenant) -> String {
    tenant.subject().map_or_else(|| "the local chain".to_owned(), |id| id.escape_debug().to_string())
}
