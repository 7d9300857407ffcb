//! A bundle: one tenant's chain with what shows it whole, in a folder that is checked without the directory.
//!
//! | file | what |
//! |---|---|
//! | `bundle.json` | the format, the tenant, the chain's file |
//! | the chain | its records up to the newest epoch |
//! | `evidence/checkpoint` | the newest signed note |
//! | `evidence/slots.jsonl` | the tenant's place in some epochs, a line each (`halod_evidence::proof::SlotProof`) |
//! | `evidence/vkeys` | the log's keys; a reader trusts those that were pinned |
//! | `evidence/consistency.json` | what shows that the log continues a note that the reader kept, where one was given |
//! | `evidence/witness.jsonl` | the same states as the reference's checkpoints, for `halo anchor --check` |

use super::chain::{self, Signed};
use super::{CheckError, Grade, Report, Request, name, signature};
use data_encoding::BASE64;
use halod_evidence::Hash;
use halod_evidence::note::{Checkpoint, SignedNote, VerifierKey};
use halod_evidence::proof::SlotProof;
use halod_evidence::tree::is_consistent;
use halod_record::tenant::Tenant;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What the manifest's format is.
pub const FORMAT: &str = "halod-bundle/v1";
pub const MANIFEST: &str = "bundle.json";
pub const CHECKPOINT: &str = "evidence/checkpoint";
pub const SLOTS: &str = "evidence/slots.jsonl";
pub const KEYS: &str = "evidence/vkeys";
pub const CONSISTENCY: &str = "evidence/consistency.json";
pub const WITNESS: &str = "evidence/witness.jsonl";

/// Bytes of a file beside the chain that is read whole, and of a line of `slots.jsonl`.
const MOST: u64 = 1 << 20;

/// `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    /// The subject's id; null for the records of no subject.
    pub tenant: Option<String>,
    /// The name of the chain's file.
    pub chain: String,
}

/// `consistency.json`: RFC 9162, section 2.1.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// Entries of the older checkpoint.
    pub old: u64,
    /// Hashes one behind another, in base64.
    pub path: String,
}

impl Consistency {
    fn hashes(&self) -> Option<Vec<Hash>> {
        BASE64.decode(self.path.as_bytes()).ok()?.chunks(32).map(|hash| hash.try_into().ok()).collect()
    }
}

pub(super) fn check(request: &Request, report: &mut Report) -> Result<(), CheckError> {
    let dir = &request.path;
    let manifest: Manifest = parse(&dir.join(MANIFEST))?;
    let chain = dir.join(&manifest.chain);
    // A name with a directory in it would lead out of the bundle.
    if manifest.format != FORMAT || chain.parent() != Some(dir) {
        return Err(CheckError::Nothing(dir.join(MANIFEST)));
    }
    let tenant = manifest.tenant.as_deref().map_or(Tenant::Local, Tenant::stored);
    if let Some(subject) = request.subject.as_ref().filter(|subject| **subject != tenant) {
        let text = format!("The bundle is of {}, and you ask for {}", name(&tenant), name(subject));
        report.say(Grade::Finding, None, text);
    }
    let path = dir.join(CHECKPOINT);
    let wrong = |source| CheckError::Note { path: path.clone(), source };
    let note = SignedNote::parse(&text(&path)?).map_err(wrong)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(wrong)?;
    let found = keys(&dir.join(KEYS))?;
    let is_signed = signature::is_signed(request, &note, &found, report);
    signature::is_witnessed(request, std::slice::from_ref(&note), |_| true, report);
    if let Some(kept) = request.since.as_deref().map(signature::kept).transpose()? {
        let trusted = request.trusted();
        let keys = if trusted.is_empty() { &found } else { &trusted };
        let old = &kept.1;
        let is_continued = old == &checkpoint
            || {
                let consistency = dir.join(CONSISTENCY);
                if !consistency.exists() {
                    let what = "the bundle does not show that its log continues the note that you kept: have it made with `halod export --since NOTE`";
                    return Err(CheckError::Usage(what.into()));
                }
                let path = parse::<Consistency>(&consistency)?.hashes().unwrap_or_default();
                is_consistent((old.size, &old.root), (checkpoint.size, &checkpoint.root), &path)
            };
        signature::continues(&kept, keys, (&checkpoint, is_signed), is_continued.then_some(old.root), report);
    }
    let signed = states(request, &dir.join(SLOTS), &tenant, &checkpoint, report)?;
    chain::check(request, &name(&tenant), &chain, signed, report)?;
    let first = halod_chain::scan::first_tenant(&chain);
    if first.is_some_and(|first| first != tenant) {
        report.say(
            Grade::Finding,
            None,
            format!("The records of the chain are not those of {}", name(&tenant)),
        );
    }
    Ok(())
}

/// What the slots that are shown say of the chain, in order of epochs.
fn states(
    request: &Request,
    path: &Path,
    tenant: &Tenant,
    checkpoint: &Checkpoint,
    report: &mut Report,
) -> Result<Vec<Signed>, CheckError> {
    let mut reader = BufReader::new(File::open(path).map_err(CheckError::read(path))?);
    let (mut signed, mut last, mut slots, mut line) = (Vec::new(), 0, 0_u64, String::new());
    let mut is_newest = false;
    loop {
        line.clear();
        let read =
            std::io::Read::take(&mut reader, MOST).read_line(&mut line).map_err(CheckError::read(path))?;
        if read == 0 {
            break;
        }
        slots += 1;
        let wrong = |source| CheckError::Proof { path: path.to_owned(), source };
        let proof = SlotProof::parse(&line).map_err(wrong)?;
        let (epoch, state) = match proof.check(tenant, checkpoint) {
            Ok(shown) => shown,
            Err(error) => {
                report.say(
                    Grade::Finding,
                    None,
                    format!("Line {slots} of slots.jsonl shows nothing: {error}"),
                );
                continue;
            }
        };
        if epoch.epoch <= last {
            report.say(
                Grade::Finding,
                None,
                format!(
                    "Line {slots} of slots.jsonl is of epoch {}, which is not behind the one before",
                    epoch.epoch
                ),
            );
        }
        last = epoch.epoch;
        is_newest = proof.index + 1 == checkpoint.size;
        signed.extend(state.map(|state| Signed {
            count: state.count,
            head: state.head,
            root: state.root,
            epoch: epoch.epoch,
            millis: epoch.millis,
        }));
    }
    if request.policy.is_none() {
        signature::is_fresh(request, signed.last().map(|signed: &Signed| signed.millis / 1000), report);
    }
    let text = format!(
        "{slots} epochs show one place for {}, in the log of the checkpoint ({} entries)",
        name(tenant),
        checkpoint.size
    );
    report.say(Grade::Shown, None, text);
    if !is_newest {
        report.say(
            Grade::Remark,
            None,
            "The newest epoch of the log is not among them: the chain may have gone on",
        );
    }
    Ok(signed)
}

fn keys(path: &Path) -> Result<Vec<VerifierKey>, CheckError> {
    let parse =
        |line: &str| line.parse().map_err(|source| CheckError::Note { path: path.to_owned(), source });
    text(path)?.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

fn text(path: &Path) -> Result<String, CheckError> {
    let size = path.metadata().map_err(CheckError::read(path))?.len();
    if size > MOST {
        return Err(CheckError::Nothing(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(CheckError::read(path))
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, CheckError> {
    serde_json::from_str(&text(path)?)
        .map_err(|error| CheckError::Read { path: path.to_owned(), source: error.into() })
}
