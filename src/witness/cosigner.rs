//! Has every checkpoint of the log cosigned: a thread for each witness, none of which another one waits for.
//!
//! ```text
//! checkpointer ─signed─▶ Permit.wait ─▶ newest note ─▶ [the witness] ─▶ cosignature, verified ─▶ Notes.cosign
//!                            ▲ halt ◀── it knows more, or something else ───┘
//! ```

use super::client::{Client, CosignError};
use crate::checkpointer::{CheckpointStats, Halt, Permit, WitnessSettings};
use crate::pipeline::quiet::Quiet;
use halod_chain::disk::replace;
use halod_evidence::Hash;
use halod_evidence::contradiction::Contradiction;
use halod_evidence::cosigning::{Cosigned, Cosigning, Next, wait_after};
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_evidence::tree::{Edge, consistency, is_consistent};
use halod_tlog::TlogError;
use halod_tlog::entries::EntriesReader;
use halod_tlog::key::verifiers;
use halod_tlog::log::place;
use halod_tlog::notes::{self, Notes};
use halod_tlog::tree::TreeFiles;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the threads share.
#[derive(Clone, Debug)]
pub struct Cosigner {
    pub directory: PathBuf,
    pub notes: Arc<Notes>,
    pub permit: Arc<Permit>,
    pub stats: Arc<CheckpointStats>,
    /// How old a cosignature of the newest checkpoint may get.
    pub max_age: Duration,
}

/// One witness, as it is asked.
struct Asked {
    name: String,
    settings: WitnessSettings,
    client: Option<Client>,
    /// What it cosigned last, and when it was asked for that.
    done: Option<(u64, Instant)>,
    failures: u32,
    /// Until when it is left alone after a failure.
    rests_until: Option<Instant>,
    quiet: Quiet,
}

impl Cosigner {
    /// Starts a thread for each witness; they end with [`Permit::end`].
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(&self, witnesses: &[WitnessSettings]) -> io::Result<()> {
        for settings in witnesses {
            let (own, settings) = (self.clone(), settings.clone());
            let name = settings.key.name().to_owned();
            let asked = Asked {
                name,
                settings,
                client: None,
                done: None,
                failures: 0,
                rests_until: None,
                quiet: Quiet::default(),
            };
            std::thread::Builder::new().name("halod-witness".into()).spawn(move || own.run(asked))?;
        }
        Ok(())
    }

    fn run(&self, mut asked: Asked) {
        let (mut seen, mut wait) = (0, Duration::ZERO);
        while let Some(signed) = self.permit.wait(seen, wait) {
            seen = signed;
            // A witness that failed is left alone for a while, whatever is signed meanwhile.
            let rest = asked
                .rests_until
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
            if !rest.is_zero() {
                wait = rest;
                continue;
            }
            if self.permit.halted().is_some() {
                wait = self.max_age;
                continue;
            }
            wait = match self.ask(&mut asked) {
                Ok(wait) => {
                    (asked.failures, asked.rests_until) = (0, None);
                    wait
                }
                Err((why, retry)) => {
                    asked.failures = asked.failures.saturating_add(1);
                    self.failed(&mut asked, &why);
                    // Who names a shorter time than halod waits by itself is not asked without a pause.
                    let wait = wait_after(asked.failures).max(retry.unwrap_or_default());
                    asked.rests_until = Some(Instant::now() + wait);
                    wait
                }
            };
        }
    }

    /// Has the newest note cosigned, if the witness has not done that lately. Tells when to ask again if nothing is signed
    /// meanwhile; or what was wrong, and when the witness wants to be asked again.
    fn ask(&self, asked: &mut Asked) -> Result<Duration, (String, Option<Duration>)> {
        let wrong = |error: &dyn std::error::Error| (error.to_string(), None);
        let newest = notes::newest(&place(&self.directory)).map_err(|error| wrong(&error))?;
        let Some(note) = newest else {
            self.permit.give();
            return Ok(self.max_age);
        };
        let checkpoint = Checkpoint::parse(&note.text).map_err(|error| wrong(&error))?;
        if let Some((size, at)) = asked.done
            && size == checkpoint.size
            && at.elapsed() < self.max_age
        {
            return Ok(self.max_age.saturating_sub(at.elapsed()));
        }
        let client = match &mut asked.client {
            Some(client) => client,
            none => {
                let WitnessSettings { url, ca_file, .. } = &asked.settings;
                let client = Client::new(url.clone(), ca_file.as_deref());
                none.insert(client.map_err(|error| wrong(&error))?)
            }
        };
        // The log's own signatures alone: others' cosignatures are nothing to this witness.
        let ours = note.signatures.into_iter().filter(|line| line.name == checkpoint.origin).collect();
        let bare = SignedNote { text: note.text, signatures: ours };
        let known = asked.done.map_or(0, |(size, _)| size);
        let cosigning = Cosigning::new(bare.clone(), asked.settings.key.clone(), known);
        let mut cosigning = cosigning.map_err(|error| wrong(&error))?;
        let prove = |old, new| prove(&self.directory, old, (new, &checkpoint.root));
        let next = client.cosign(&mut cosigning, prove);
        let (next, retry) = next.map_err(|error| match error {
            CosignError::Client(error) => wrong(&error),
            CosignError::Proof(error) => wrong(&error),
        })?;
        match next {
            Next::Done(Cosigned { time, line }) => {
                self.notes.cosign(&bare, &line).map_err(|error| wrong(&error))?;
                self.permit.give();
                asked.done = Some((checkpoint.size, Instant::now()));
                self.stats.cosigned(&asked.name, checkpoint.size, time);
                Ok(self.max_age)
            }
            Next::RolledBack(theirs) => {
                let (witness, ours) = (asked.name.clone(), checkpoint.size);
                Err((self.halt(Halt::RolledBack { witness, theirs, ours }), None))
            }
            Next::Forked => self.contradicted(asked, &bare, &checkpoint).map_err(|why| (why, retry)),
            Next::Operator(why) => Err((why.to_string(), retry)),
            Next::Later(status) => Err((format!("it answers {status}"), retry)),
            Next::Broken(error) => Err((error.to_string(), retry)),
            Next::Prove(_) => Err(("it names one size after another".into(), retry)),
        }
    }

    /// A witness says that the log contradicts what it has: what that is decides (tlog-witness, "Monitor Retrieval Mechanism").
    ///
    /// | the witness has | then |
    /// |---|---|
    /// | a larger tree that this key signed | the directory is an older copy: nothing is signed any more |
    /// | another tree of this size or a smaller one, that this key signed | two histories were signed: the same, and both notes are kept as evidence |
    /// | a begin of the log | it contradicts itself: it is asked again later |
    /// | what this key never signed | likewise: nobody but the log speaks for the log |
    /// | nothing that it tells | its word alone stands, and nothing is signed any more |
    fn contradicted(
        &self,
        asked: &mut Asked,
        note: &SignedNote,
        checkpoint: &Checkpoint,
    ) -> Result<Duration, String> {
        let (own, witness) = (place(&self.directory), asked.name.clone());
        let received = asked.client.as_mut().map(|client| client.checkpoint(&checkpoint.origin));
        let theirs = match received {
            // Who can't be asked now may have an answer later; it has refused the log already.
            None | Some(Err(_)) => {
                return Err("it refuses the checkpoint as inconsistent, and can't be asked why".into());
            }
            Some(Ok(received)) if received.status != 200 => {
                return Err(self.halt(Halt::Forked { witness }));
            }
            Some(Ok(received)) => {
                let text =
                    String::from_utf8(received.body).map_err(|_| "it refuses the checkpoint as inconsistent, and what it shows of the log is not UTF-8");
                SignedNote::parse(&text?).map_err(|error| {
                    format!("it refuses the checkpoint as inconsistent with what is no note: {error}")
                })?
            }
        };
        let known = verifiers(&own).map_err(|error| error.to_string())?;
        let of = Checkpoint::parse(&theirs.text).ok().filter(|of| of.origin == checkpoint.origin);
        let Some(of) = of.filter(|_| known.iter().any(|key| theirs.verify(key).is_ok())) else {
            return Err(
                "it refuses the checkpoint as inconsistent with one that this log never signed".into()
            );
        };
        if of.size > checkpoint.size {
            return Err(self.halt(Halt::RolledBack { witness, theirs: of.size, ours: checkpoint.size }));
        }
        let path = prove(&self.directory, of.size, (checkpoint.size, &checkpoint.root));
        let path = path.map_err(|error| error.to_string())?;
        let new = (checkpoint.size, &checkpoint.root);
        if of == *checkpoint || is_consistent((of.size, &of.root), new, &path) {
            return Err("it refuses as inconsistent a checkpoint that goes on from what it has".into());
        }
        let begin = EntriesReader::open(&own, of.size).ok().and_then(|entries| entries.root_at(of.size));
        let by_begin = begin.and_then(|begin| Contradiction::of_begin(&theirs, note, begin, &path));
        if let Some(found) = Contradiction::of(&theirs, note, &path).or(by_begin) {
            let file = own.join("contradiction.json");
            match replace(&file, format!("{}\n", found.to_json()).as_bytes()) {
                Ok(()) => {
                    tracing::error!(file = %file.display(), "two histories of the log are signed; both checkpoints are kept");
                }
                Err(error) => {
                    tracing::error!(%error, "two histories of the log are signed; evidence of that can't be kept");
                }
            }
        }
        Err(self.halt(Halt::Forked { witness }))
    }

    fn halt(&self, why: Halt) -> String {
        let text = why.to_string();
        tracing::error!(
            why = text,
            "nothing is signed any more, and everything is sealed as before: find out which copy of the directory is the right one"
        );
        self.stats.halted(&why);
        self.permit.halt(why);
        text
    }

    fn failed(&self, asked: &mut Asked, why: &str) {
        let Asked { name, quiet, .. } = asked;
        quiet.say(why, |again| {
            tracing::warn!(witness = name, why, again, "a witness did not cosign; it is asked again");
        });
        self.stats.not_cosigned(&asked.name, why);
    }
}

/// What shows that the first `old` entries are the begin of the log as it was signed. Nothing wrong is ever sent: the witness would
/// take it for a fork.
fn prove(directory: &Path, old: u64, new: (u64, &Hash)) -> Result<Vec<Hash>, TlogError> {
    let own = place(directory);
    if let Some(path) =
        TreeFiles::open(&own.join("tree")).ok().and_then(|tree| proof(old, new, |l, i| tree.get(l, i).ok()))
    {
        return Ok(path);
    }
    let entries = EntriesReader::open(&own, new.0)?;
    let damaged = || TlogError::Damaged {
        path: own.join("entries"),
        what: "its entries are not those that were signed".into(),
    };
    proof(old, new, |level, index| entries.get(level, index)).ok_or_else(damaged)
}

fn proof(old: u64, new: (u64, &Hash), get: impl Fn(u32, u64) -> Option<Hash>) -> Option<Vec<Hash>> {
    let get = |level, index| get(level, index).ok_or(());
    let old_root = Edge::of(old, get).ok()?.root();
    let path = consistency(old, new.0, get).ok()??;
    let holds = if old == 0 {
        Edge::of(new.0, get).ok()?.root() == *new.1
    } else {
        is_consistent((old, &old_root), new, &path)
    };
    holds.then_some(path)
}
