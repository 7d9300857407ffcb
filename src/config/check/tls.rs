//! `tls` of a door.

use super::{Reader, Written};
use crate::config::value::Endpoint;
use crate::net::tls::{MinVersion, TlsSettings};
use std::path::PathBuf;
use std::time::Duration;

const RELOAD: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

impl Reader<'_> {
    /// The TLS of the door whose section is `door`, if it has any.
    pub(super) fn tls(&mut self, door: &str, endpoint: &Endpoint) -> Option<TlsSettings> {
        let section = format!("{door}.tls");
        let place = self.node(&section)?.place;
        let key = |name: &str| format!("{section}.{name}");
        let cert_file = self.path(&key("cert_file"));
        let key_file = self.path(&key("key_file"));
        let client_ca_file = self.path(&key("client_ca_file"));
        let mut min_version = MinVersion::Tls12;
        let versions = [("1.2", MinVersion::Tls12), ("1.3", MinVersion::Tls13)];
        self.choice(&key("min_version"), &versions, &mut min_version);
        let mut reload_interval = RELOAD;
        self.duration(&key("reload_interval"), (DAY, "24h"), &mut reload_interval);
        if reload_interval < Duration::from_secs(1) {
            self.report(place, &key("reload_interval"), "must be at least 1s".into());
        }
        let (cert_file, key_file) = match (cert_file, key_file) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if client_ca_file.is_none() => return None,
            (certificate, _) => {
                let missing = key(if certificate.is_none() { "cert_file" } else { "key_file" });
                self.report(place, &missing, "is missing: TLS needs cert_file and key_file".into());
                return None;
            }
        };
        if endpoint.socket().is_some() {
            self.report(
                place,
                &section,
                "a Unix socket has no TLS; leave it out, or listen on host:port".into(),
            );
        }
        Some(TlsSettings { cert_file, key_file, client_ca_file, min_version, reload_interval })
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let Written { place, text, .. } = self.value(key)?;
        if text.is_empty() || text.contains('\0') {
            self.report(place, key, "must be a path".into());
        }
        Some(text.into())
    }
}
