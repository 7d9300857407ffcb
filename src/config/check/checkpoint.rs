//! `checkpoint`: what is signed of the chains.

use super::{Place, Problem, Reader, Written, tsa};
use crate::checkpointer::{CheckpointSettings, HaloWitnessSettings, WitnessSettings};
use crate::config::bearer;
use crate::config::raw::{Node, Value};
use crate::tee::settings::Target;
use halod_evidence::note::{Kind, VerifierKey};
use std::path::PathBuf;
use std::time::Duration;

const ORIGIN: &str = "checkpoint.origin";
const INTERVAL: &str = "checkpoint.interval";
const KEY_FILE: &str = "checkpoint.key_file";
const RECEIPTS: &str = "checkpoint.receipts";

/// What no log is called: see [`halod_evidence::receipt::FIRST_LINE`].
const RESERVED: &str = "halod-receipt/";
const MAX_AGE: &str = "checkpoint.max_age";
const WITNESSES: &str = "checkpoint.witnesses";
const HALO_WITNESS: &str = "checkpoint.halo_witness";

/// Each has a thread; a note that is read has 64 signatures at most.
const MAX_WITNESSES: usize = 32;

/// Bytes of a log's name; each checkpoint and each signature repeats it.
const MAX_ORIGIN: usize = 200;

impl Reader<'_> {
    pub(super) fn checkpoint(&mut self, checkpoint: &mut CheckpointSettings) {
        self.duration(INTERVAL, (Duration::from_secs(86_400), "24h"), &mut checkpoint.interval);
        if !checkpoint.interval.is_zero() && checkpoint.interval < Duration::from_secs(1) {
            let what = "must be at least 1s, or 0s to sign nothing".to_owned();
            let place = self.node(INTERVAL).map(|node| node.place);
            self.problems.push(Problem { place, key: INTERVAL.into(), what });
        }
        if let Some(written) = self.value(ORIGIN) {
            // It is the name of a key, too (C2SP signed-note, "Format").
            let fits = |c: char| c.is_ascii_graphic() && c != '+';
            if written.text.starts_with(RESERVED) {
                let what = format!("must not begin with {RESERVED}: halod's receipts begin with that");
                self.report(written.place, ORIGIN, what);
            } else if written.text.is_empty()
                || written.text.len() > MAX_ORIGIN
                || !written.text.chars().all(fits)
            {
                let what = format!(
                    "must be a name like logs.example.com/agents: at most {MAX_ORIGIN} ASCII characters without blanks and `+`"
                );
                self.report(written.place, ORIGIN, what);
            }
            checkpoint.key.origin = Some(written.text);
        }
        self.choice(RECEIPTS, &[("true", true), ("false", false)], &mut checkpoint.receipts);
        if checkpoint.receipts && checkpoint.interval.is_zero() {
            let what =
                "needs an interval: a receipt shows what is missing from what was signed later".to_owned();
            let place = self.node(RECEIPTS).map(|node| node.place);
            self.problems.push(Problem { place, key: RECEIPTS.into(), what });
        }
        let key_file = self.value(KEY_FILE);
        checkpoint.key.key_file = self.file(KEY_FILE, "", key_file).map(|(_, path)| path);
        self.duration(MAX_AGE, (Duration::from_secs(86_400), "24h"), &mut checkpoint.max_age);
        for (at, node) in self.entries(WITNESSES, MAX_WITNESSES) {
            checkpoint.witnesses.extend(self.witness(at, node));
        }
        checkpoint.halo_witness = self.halo_witness();
        checkpoint.tsa = self.tsa();
        let nothing = "has nothing to be told where checkpoint.interval is 0s";
        for (key, is_there, what) in [
            (
                WITNESSES,
                !checkpoint.witnesses.is_empty(),
                "have nothing to cosign where checkpoint.interval is 0s",
            ),
            (HALO_WITNESS, checkpoint.halo_witness.is_some(), nothing),
            (tsa::TSA, checkpoint.tsa.is_some(), "has nothing to time-stamp where checkpoint.interval is 0s"),
        ] {
            if checkpoint.interval.is_zero() && is_there {
                let place = self.node(key).map(|node| node.place);
                self.problems.push(Problem { place, key: key.into(), what: what.into() });
            }
        }
    }

    /// The path of a file, where one is given, and where that stands.
    fn file(&mut self, key: &str, entry: &str, written: Option<Written>) -> Option<(Place, PathBuf)> {
        let Written { place, text, .. } = written?;
        if text.is_empty() || text.contains('\0') {
            self.report(place, key, format!("{entry}must be a path"));
            return None;
        }
        Some((place, text.into()))
    }

    fn halo_witness(&mut self) -> Option<HaloWitnessSettings> {
        let key = |name: &str| format!("{HALO_WITNESS}.{name}");
        let mut path = |name: &str| {
            let written = self.value(&key(name));
            self.file(&key(name), "", written)
        };
        let (key_file, ca_file) = (path("key_file"), path("ca_file"));
        let Some(url) = self.value(&key("url")) else {
            for (name, given) in [("key_file", &key_file), ("ca_file", &ca_file)] {
                if let Some((place, _)) = given {
                    self.report(*place, &key(name), format!("says nothing without {}", key("url")));
                }
            }
            return None;
        };
        // Told now rather than by the thread that sends.
        if let Some((place, path)) = &key_file
            && let Err(what) = bearer::read(path)
        {
            self.report(*place, &key("key_file"), what);
        }
        match url.text.parse::<Target>() {
            Ok(url) => {
                let [key_file, ca_file] = [key_file, ca_file].map(|given| given.map(|(_, path)| path));
                Some(HaloWitnessSettings { url, key_file, ca_file })
            }
            Err(error) => {
                self.report(url.place, &key("url"), error.to_string());
                None
            }
        }
    }

    fn witness(&mut self, at: usize, node: &Node) -> Option<WitnessSettings> {
        let Value::Section(_) = node.value else { return None };
        let [vkey, url, ca_file] = ["vkey", "url", "ca_file"].map(|key| self.member(WITNESSES, node, key));
        let wrong = |own: &mut Self, place, field: &str, what: String| {
            own.report(place, &format!("{WITNESSES}.{field}"), format!("entry {at}: {what}"));
        };
        for (field, written) in [("vkey", &vkey), ("url", &url)] {
            if written.is_none() {
                wrong(self, node.place, field, format!("has no `{field}`"));
            }
        }
        let ca_file = self.file(&format!("{WITNESSES}.ca_file"), &format!("entry {at}: "), ca_file);
        let ca_file = ca_file.map(|(_, path)| path);
        let key = vkey.and_then(|vkey| {
            let what = match vkey.text.parse::<VerifierKey>() {
                Ok(key) if key.kind() == Kind::Cosignature => return Some(key),
                Ok(key) => format!("{} is the key of a log, not of a witness", key.name()),
                Err(error) => error.to_string(),
            };
            wrong(self, vkey.place, "vkey", what);
            None
        });
        let url = url.and_then(|url| {
            let target = url.text.parse::<Target>();
            target.map_err(|error| wrong(self, url.place, "url", error.to_string())).ok()
        });
        Some(WitnessSettings { key: key?, url: url?, ca_file })
    }
}
