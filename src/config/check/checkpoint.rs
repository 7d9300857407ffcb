//! `checkpoint`: what is signed of the chains.

use super::{Problem, Reader};
use crate::checkpointer::{CheckpointSettings, HaloWitnessSettings, WitnessSettings};
use crate::config::bearer;
use crate::config::raw::{Node, Value};
use crate::tee::settings::Target;
use halod_evidence::note::{Kind, VerifierKey};
use std::path::PathBuf;
use std::time::Duration;

const ORIGIN: &str = "checkpoint.origin";
const INTERVAL: &str = "checkpoint.interval";
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
            if written.text.is_empty() || written.text.len() > MAX_ORIGIN || !written.text.chars().all(fits) {
                let what = format!(
                    "must be a name like logs.example.com/agents: at most {MAX_ORIGIN} ASCII characters without blanks and `+`"
                );
                self.report(written.place, ORIGIN, what);
            }
            checkpoint.key.origin = Some(written.text);
        }
        if let Some(written) = self.value("checkpoint.key_file").filter(|written| !written.text.is_empty()) {
            checkpoint.key.key_file = Some(written.text.into());
        }
        self.duration(MAX_AGE, (Duration::from_secs(86_400), "24h"), &mut checkpoint.max_age);
        for (at, node) in self.entries(WITNESSES, MAX_WITNESSES) {
            checkpoint.witnesses.extend(self.witness(at, node));
        }
        checkpoint.halo_witness = self.halo_witness();
        let nothing = "has nothing to be told where checkpoint.interval is 0s";
        for (key, is_there, what) in [
            (
                WITNESSES,
                !checkpoint.witnesses.is_empty(),
                "have nothing to cosign where checkpoint.interval is 0s",
            ),
            (HALO_WITNESS, checkpoint.halo_witness.is_some(), nothing),
        ] {
            if checkpoint.interval.is_zero() && is_there {
                let place = self.node(key).map(|node| node.place);
                self.problems.push(Problem { place, key: key.into(), what: what.into() });
            }
        }
    }

    fn halo_witness(&mut self) -> Option<HaloWitnessSettings> {
        let key = |name: &str| format!("{HALO_WITNESS}.{name}");
        let mut path = |name: &str| {
            let written = self.value(&key(name)).filter(|written| !written.text.is_empty())?;
            Some((written.place, PathBuf::from(written.text)))
        };
        let (key_file, ca_file) = (path("key_file"), path("ca_file"));
        let Some(url) = self.value(&key("url")).filter(|url| !url.text.is_empty()) else {
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
        let (vkey, url) = (vkey?, url?);
        let key = match vkey.text.parse::<VerifierKey>() {
            Ok(key) if key.kind() == Kind::Cosignature => Some(key),
            Ok(key) => {
                let what = format!("{} is the key of a log, not of a witness", key.name());
                wrong(self, vkey.place, "vkey", what);
                None
            }
            Err(error) => {
                wrong(self, vkey.place, "vkey", error.to_string());
                None
            }
        };
        let target = url.text.parse::<Target>();
        if let Err(error) = &target {
            wrong(self, url.place, "url", error.to_string());
        }
        let ca_file = ca_file.filter(|written| !written.text.is_empty()).map(|written| written.text.into());
        Some(WitnessSettings { key: key?, url: target.ok()?, ca_file })
    }
}
