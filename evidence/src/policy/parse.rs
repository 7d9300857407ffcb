//! Reading a policy: lines of words, each defined before it is used.

use super::{Log, MAX_BYTES, MAX_DEFINITIONS, Name, Named, Policy, PolicyError};
use crate::note::{Kind, VerifierKey};
use std::collections::{HashMap, HashSet};

/// The name that stands for no witness at all.
const NONE: &[u8] = b"none";

impl Policy {
    /// # Errors
    /// It is none, and which line makes it none.
    pub fn parse(policy: &[u8]) -> Result<Self, PolicyError> {
        if policy.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let mut reader = Reader::default();
        for (at, line) in policy.split(|byte| *byte == b'\n').enumerate() {
            reader.line(line).map_err(|what| PolicyError::Line { line: at + 1, what })?;
        }
        // A line has an end ("Structure"). What is cut off may be the quorum's name.
        if policy.last().is_some_and(|last| *last != b'\n') {
            let line = policy.split(|byte| *byte == b'\n').count();
            return Err(PolicyError::Line {
                line,
                what: "the line has no line feed at its end; the file may be cut off".into(),
            });
        }
        if reader.logs.len() + reader.named.len() > MAX_DEFINITIONS {
            return Err(PolicyError::TooLarge);
        }
        let Reader { logs, named, quorum, .. } = reader;
        Ok(Self { logs, named, quorum: quorum.ok_or(PolicyError::NoQuorum)? })
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<Log>,
    named: Vec<(Name, Named)>,
    quorum: Option<Option<usize>>,
    names: HashMap<Vec<u8>, usize>,
    /// What is a member of a group already.
    members: HashSet<usize>,
    log_keys: HashSet<[u8; 32]>,
    witness_keys: HashSet<[u8; 32]>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(byte) = line.iter().find(|byte| **byte < b' ' && **byte != b'\t' || **byte == 0x7f) {
            return Err(format!("the control character 0x{byte:02x} stands in it"));
        }
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|word| !word.starts_with(b"#")) else { return Ok(()) };
        let words: Vec<&[u8]> = words.collect();
        match first {
            b"log" => self.log(&words),
            b"witness" => self.witness(&words),
            b"group" => self.group(&words),
            b"quorum" => self.quorum(&words),
            other => Err(format!("`{}` is none of log, witness, group and quorum", shown(other))),
        }
    }

    fn log(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let (key, url) = match words {
            [key] => (key, None),
            [key, url] => (key, Some(*url)),
            _ => return Err("a log is written `log VKEY`, or `log VKEY URL`".into()),
        };
        let log = Log { key: key_of(key, Kind::Text, "a log's is of type 1")?, url: url_of(url)? };
        if !self.log_keys.insert(*log.key.public()) {
            return Err(format!("the key of {} is a log's already", log.key.name()));
        }
        self.logs.push(log);
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let (name, key, url) = match words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(*url)),
            _ => return Err("a witness is written `witness NAME VKEY`, or `witness NAME VKEY URL`".into()),
        };
        let key = key_of(key, Kind::Cosignature, "a witness' is of type 4")?;
        if !self.witness_keys.insert(*key.public()) {
            return Err(format!("the key of {} is a witness' already", key.name()));
        }
        let witness = Log { key, url: url_of(url)? };
        self.define(name, Named::Witness(witness))
    }

    fn group(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let [name, threshold, names @ ..] = words else {
            return Err("a group is written `group NAME all|any|K NAME...`".into());
        };
        if names.is_empty() {
            return Err("a group has one member at least".into());
        }
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.find(name)?;
            if !self.members.insert(member) {
                return Err(format!(
                    "`{}` is a member of a group already, and may be of one only",
                    shown(name)
                ));
            }
            members.push(member);
        }
        let k = match *threshold {
            b"all" => members.len(),
            b"any" => 1,
            digits => {
                let number =
                    std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                let k = number.and_then(|text| text.parse().ok()).filter(|k| (1..=members.len()).contains(k));
                k.ok_or_else(|| {
                    let of = members.len();
                    format!(
                        "`{}` is none of all, any, and a number from 1 to {of}, which the group has",
                        shown(digits)
                    )
                })?
            }
        };
        self.define(name, Named::Group(k, members))
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let [name] = words else { return Err("a quorum is written `quorum NAME`, or `quorum none`".into()) };
        if self.quorum.is_some() {
            return Err("there is a quorum already, and a policy has one".into());
        }
        self.quorum = Some(if *name == NONE { None } else { Some(self.find(name)?) });
        Ok(())
    }

    fn define(&mut self, name: &[u8], named: Named) -> Result<(), String> {
        if name == NONE {
            return Err("`none` stands for no witness, and can't be defined".into());
        }
        if self.names.insert(name.to_vec(), self.named.len()).is_some() {
            return Err(format!("`{}` is defined already", shown(name)));
        }
        self.named.push((Name(name.to_vec()), named));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, String> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| format!("`{}` is defined on no line before this one", shown(name)))
    }
}

fn key_of(word: &[u8], kind: Kind, wanted: &str) -> Result<VerifierKey, String> {
    let text = std::str::from_utf8(word).map_err(|_| "the verifier key is not UTF-8".to_owned())?;
    let key: VerifierKey = text.parse().map_err(|error| format!("`{}`: {error}", shown(word)))?;
    if key.kind() == kind {
        Ok(key)
    } else {
        Err(format!("the key of {} has the wrong type: {wanted}", key.name()))
    }
}

/// An address is of use only where it can be written.
fn url_of(word: Option<&[u8]>) -> Result<Option<String>, String> {
    let text = word.map(|word| std::str::from_utf8(word).map(str::to_owned)).transpose();
    text.map_err(|_| "the URL is not UTF-8".to_owned())
}

/// The begin of a word, for an error.
fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let mut begin: String = text.chars().take(80).collect();
    if begin.len() < text.len() {
        begin.push('\u{2026}');
    }
    begin
}
