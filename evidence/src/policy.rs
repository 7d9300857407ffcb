//! What a reader demands of a checkpoint: whose log it has to be, and which witnesses have to have cosigned it (C2SP
//! tlog-policy).

mod parse;

use crate::note::{Checkpoint, NoteError, SignedNote, VerifierKey};
use std::fmt;

/// Bytes of a policy, and definitions in it: the specification asks for 32 of each kind at least ("Implementation limits").
pub const MAX_BYTES: usize = 256 << 10;
pub const MAX_DEFINITIONS: usize = 1024;

/// A policy, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    /// Witnesses and groups in the order of their definitions: a group has members before it only.
    named: Vec<(Name, Named)>,
    /// The index of what the quorum is; `None` where no cosignature is demanded.
    quorum: Option<usize>,
}

/// A name within a policy: bytes, since nothing says that it is UTF-8 ("Character set").
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Vec<u8>);

/// A log whose checkpoints are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub key: VerifierKey,
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Witness(Log),
    /// So many of these have to have witnessed.
    Group(usize, Vec<usize>),
}

/// A policy can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("a policy has at most {MAX_BYTES} bytes and {MAX_DEFINITIONS} definitions")]
    TooLarge,
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: usize,
        what: String,
    },
    #[error("no line says `quorum NAME`, or `quorum none` for a policy without witnesses")]
    NoQuorum,
}

/// Why a checkpoint is none that a policy takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the checkpoint is of the log {0}, which is none of the policy's")]
    Log(String),
    #[error("the cosignatures are no quorum: {}", .0)]
    Quorum(String),
}

/// A checkpoint that a policy takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub checkpoint: Checkpoint,
    /// The witnesses that have cosigned it, by their names in the policy, and when, in Unix seconds.
    pub cosigned: Vec<(Name, u64)>,
    /// When the quorum was reached; `None` where no cosignature is demanded.
    pub at: Option<u64>,
    /// Until when a quorum has said that it is the newest checkpoint.
    pub until: Option<u64>,
}

impl Policy {
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses by their names.
    pub fn witnesses(&self) -> impl Iterator<Item = (&Name, &Log)> {
        self.named.iter().filter_map(|(name, named)| match named {
            Named::Witness(witness) => Some((name, witness)),
            Named::Group(..) => None,
        })
    }

    /// Whether a checkpoint is one of a log of the policy, or of any log where the policy lists none, and cosigned by a quorum.
    /// A policy without logs leaves it to the caller to verify the log's own signature.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, note: &SignedNote) -> Result<Accepted, Refused> {
        let checkpoint = Checkpoint::parse(&note.text)?;
        if !self.logs.is_empty() {
            let mut of_origin =
                self.logs.iter().map(|log| &log.key).filter(|key| key.name() == checkpoint.origin).peekable();
            if of_origin.peek().is_none() {
                return Err(Refused::Log(checkpoint.origin));
            }
            let mut signed = Err(NoteError::Unsigned(checkpoint.origin.clone()));
            for key in of_origin {
                match note.verify(key) {
                    // A log may have two keys while one takes the other's place.
                    Err(NoteError::Unsigned(_)) => {}
                    forged @ Err(_) => {
                        return Err(forged.err().map_or(Refused::Log(checkpoint.origin), Refused::Note));
                    }
                    Ok(()) => signed = Ok(()),
                }
            }
            signed?;
        }
        let times = self.times(note, false)?;
        let at = match self.quorum {
            None => None,
            Some(quorum) => match times.get(quorum).copied().flatten() {
                Some(time) => Some(time),
                None => return Err(Refused::Quorum(self.missing(quorum, &times))),
            },
        };
        let until =
            self.quorum.map(|quorum| self.times(note, true).map(|last| last.get(quorum).copied().flatten()));
        let until = until.transpose()?.flatten();
        let cosigned = self.named.iter().zip(&times).filter_map(|((name, named), time)| match named {
            Named::Witness(_) => Some((name.clone(), (*time)?)),
            Named::Group(..) => None,
        });
        Ok(Accepted { checkpoint, cosigned: cosigned.collect(), at, until })
    }

    /// When each witness and each group had witnessed the note, if so: a group of k when the k-th of its members had; or when `last`
    /// they did: a group of k when k of its members still did.
    fn times(&self, note: &SignedNote, last: bool) -> Result<Vec<Option<u64>>, NoteError> {
        let mut times: Vec<Option<u64>> = Vec::with_capacity(self.named.len());
        for (_, named) in &self.named {
            times.push(match named {
                Named::Witness(witness) => match note.cosigned_between(&witness.key) {
                    Ok((first, newest)) => Some(if last { newest } else { first }),
                    Err(NoteError::Unsigned(_)) => None,
                    // Of a known key all signatures have to be right (signed-note, "Signatures").
                    Err(error) => return Err(error),
                },
                Named::Group(k, members) => {
                    let mut of: Vec<u64> =
                        members.iter().filter_map(|at| times.get(*at).copied().flatten()).collect();
                    of.sort_unstable();
                    if last {
                        of.reverse();
                    }
                    of.get(k - 1).copied()
                }
            });
        }
        Ok(times)
    }

    /// What a quorum lacks, in words.
    fn missing(&self, quorum: usize, times: &[Option<u64>]) -> String {
        let name = |at: usize| self.named.get(at).map(|(name, _)| name.to_string()).unwrap_or_default();
        let lacks = |at: &&usize| times.get(**at).copied().flatten().is_none();
        match self.named.get(quorum) {
            Some((_, Named::Group(k, members))) => {
                let missing: Vec<String> = members.iter().filter(lacks).map(|at| name(*at)).collect();
                let (have, of) = (members.len() - missing.len(), members.len());
                format!(
                    "{} has {have} of the {k} that it needs of {of}; {} did not witness",
                    name(quorum),
                    missing.join(", ")
                )
            }
            _ => format!("{} did not witness", name(quorum)),
        }
    }

    /// Whether two quorums without a common witness are possible: each of them could witness another history, with no witness
    /// contradicting itself. Of witnesses alone: whether k is at most half of n.
    #[must_use]
    pub fn has_disjoint_quorums(&self) -> bool {
        let Some(quorum) = self.quorum else { return true };
        let mut splits: Vec<bool> = Vec::with_capacity(self.named.len());
        for (_, named) in &self.named {
            splits.push(match named {
                Named::Witness(_) => false,
                Named::Group(k, members) => {
                    // A member that splits serves both quorums; each other one serves one of them.
                    let both = members.iter().filter(|at| splits.get(**at) == Some(&true)).count();
                    2 * k.saturating_sub(both) <= members.len() - both
                }
            });
        }
        splits.get(quorum) == Some(&true)
    }

    /// What a reader of this policy should know before relying on it.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.quorum.is_none() {
            warnings.push("the policy demands no witness: its log alone says what it holds".to_owned());
        } else if self.has_disjoint_quorums() {
            warnings.push(
                "the quorum is no majority: two quorums without a common witness are possible, so two histories of one log \
                 could both be accepted"
                    .to_owned(),
            );
        }
        if self.logs.is_empty() {
            warnings.push("the policy lists no log: the log's key has to come from elsewhere".to_owned());
        }
        warnings
    }

    /// The policy as a file, without the comments that it had.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let url = |url: &Option<String>| url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
        for log in &self.logs {
            out.extend(format!("log {}{}\n", log.key, url(&log.url)).bytes());
        }
        for (name, named) in &self.named {
            match named {
                Named::Witness(witness) => {
                    out.extend([b"witness ", &name.0[..]].concat());
                    out.extend(format!(" {}{}\n", witness.key, url(&witness.url)).bytes());
                }
                Named::Group(k, members) => {
                    out.extend([b"group ", &name.0[..]].concat());
                    out.extend(format!(" {k}").bytes());
                    for (member, _) in members.iter().filter_map(|at| self.named.get(*at)) {
                        out.extend([b" ", &member.0[..]].concat());
                    }
                    out.push(b'\n');
                }
            }
        }
        let quorum = self.quorum.and_then(|at| self.named.get(at)).map_or(&b"none"[..], |(name, _)| &name.0);
        out.extend([b"quorum ", quorum, b"\n"].concat());
        out
    }
}

impl Name {
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is no UTF-8 is shown by a mark of its own.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
