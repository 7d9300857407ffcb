//! `receivers.<door>.tee`: the same keys under each door.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Config, Key, Reader, Written};
use crate::tee::settings::Target;
use crate::tee::{Door, Settings};

/// Set by the tee itself.
const OURS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

impl Reader<'_> {
    pub(super) fn tees(&mut self, config: &mut Config) {
        for door in Door::ALL {
            if let Some(settings) = self.tee(&format!("receivers.{}.tee", door.name())) {
                config.tees.push((door, settings));
            }
        }
    }

    /// Looks at every key, and makes settings of them where there is an endpoint.
    fn tee(&mut self, section: &str) -> Option<Settings> {
        let key = |name: &str| format!("{section}.{name}");
        let endpoint = self.target(&key("endpoint"));
        let nowhere = Target { tls: false, host: String::new(), port: 0, path: String::new() };
        let mut settings = Settings::new(endpoint.clone().unwrap_or(nowhere));
        settings.headers = self.headers(&key("headers"));
        self.mebibytes(&key("queue_size_mib"), 1..=1 << 20, |bytes| settings.queue_size = bytes);
        self.duration(&key("max_age"), (Duration::from_secs(30 * 24 * 3600), "720h"), &mut settings.max_age);
        self.number(&key("max_attempts"), 1..=1_000_000, |n| settings.max_attempts = n);
        self.duration(&key("timeout"), (Duration::from_secs(600), "10m"), &mut settings.timeout);
        for (name, given) in [("max_age", settings.max_age), ("timeout", settings.timeout)] {
            if let (true, Some(node)) = (given.is_zero(), self.node(&key(name))) {
                self.report(node.place, &key(name), "must be more than 0s".into());
            }
        }
        if let Some(Written { place, text, .. }) = self.value(&key("ca_file")) {
            if text.is_empty() || text.contains('\0') {
                self.report(place, &key("ca_file"), "must be a path".into());
            } else if endpoint.as_ref().is_some_and(|endpoint| !endpoint.tls) {
                let what = "goes with an endpoint that begins with https://";
                self.report(place, &key("ca_file"), what.into());
            }
            settings.ca_file = Some(text.into());
        }
        endpoint.map(|_| settings)
    }

    fn target(&mut self, key: &str) -> Option<Target> {
        let Written { place, text, .. } = self.value(key)?;
        match text.parse() {
            Ok(target) => Some(target),
            Err(error) => {
                // Without the text: people write keys into URLs.
                self.report(place, key, format!("{error}"));
                None
            }
        }
    }

    /// Values are never repeated.
    fn headers(&mut self, key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (Key { name, place: named_at }, Written { place, text, .. }) in self.map(key) {
            let header = match HeaderName::from_str(name) {
                Ok(header) if OURS.contains(&header.as_str()) => {
                    self.report(*named_at, key, format!("`{header}` is set by halod"));
                    continue;
                }
                Ok(header) => header,
                Err(_) => {
                    self.report(*named_at, key, format!("`{name}` is not the name of a header"));
                    continue;
                }
            };
            match HeaderValue::from_str(&text) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    if headers.insert(header, value).is_some() {
                        self.report(*named_at, key, format!("`{name}` is given twice; case does not matter"));
                    }
                }
                Err(_) => {
                    let what = format!("the value of `{name}` has characters that a header can't carry");
                    self.report(place, key, what);
                }
            }
        }
        headers
    }
}
