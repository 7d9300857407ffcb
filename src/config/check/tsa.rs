//! `checkpoint.tsa`: who time-stamps checkpoints.

use super::Reader;
use crate::tee::settings::Target;
use crate::tsa::TsaSettings;
use halod_timestamp::ObjectIdentifier;
use std::time::Duration;

pub(super) const TSA: &str = "checkpoint.tsa";

impl Reader<'_> {
    /// The time-stamping service; `None` without an address.
    pub(super) fn tsa(&mut self) -> Option<TsaSettings> {
        let place = self.node(TSA)?.place;
        let [url, roots, ca_file] =
            ["url", "roots", "ca_file"].map(|key| self.value(&format!("{TSA}.{key}")));
        for (key, written) in [("roots", &roots), ("ca_file", &ca_file)] {
            if let Some(written) = written.as_ref().filter(|written| written.text.is_empty()) {
                self.report(written.place, &format!("{TSA}.{key}"), "must be a path".into());
            }
        }
        let target = url.map(|url| (url.place, url.text.parse::<Target>()));
        if let Some((place, Err(error))) = &target {
            self.report(*place, &format!("{TSA}.url"), error.to_string());
        }
        let (key, mut every) = (format!("{TSA}.every"), Duration::from_secs(3600));
        self.duration(&key, (Duration::from_secs(7 * 86_400), "168h"), &mut every);
        if every < Duration::from_secs(1) {
            self.report(place, &key, "must be at least 1s; a service may allow far less than that".into());
        }
        let (key, mut policies) = (format!("{TSA}.policies"), Vec::new());
        for written in self.list(&key).unwrap_or_default() {
            match written.text.parse::<ObjectIdentifier>() {
                Ok(policy) => policies.push(policy),
                Err(_) => {
                    let what =
                        format!("`{}` is no object identifier like 1.3.6.1.4.1.13762.3", written.shown);
                    self.report(written.place, &key, what);
                }
            }
        }
        let missing = match (&target, &roots) {
            (Some(_), None) => {
                "roots: is missing: a token is believed that leads to one of the certificates in that file (PEM)"
            }
            (None, Some(_)) => "url: is missing: nobody would be asked",
            (None, None) => return None,
            (Some((_, target)), Some(roots)) => {
                let (roots, ca_file) =
                    (roots.text.clone().into(), ca_file.map(|written| written.text.into()));
                return Some(TsaSettings { url: target.clone().ok()?, roots, every, policies, ca_file });
            }
        };
        let (key, what) = missing.split_once(": ")?;
        self.report(place, &format!("{TSA}.{key}"), what.into());
        None
    }
}
