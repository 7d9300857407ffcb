//! `auth`: the file of identities, what becomes of claims beyond theirs, and which doors ask.

use super::{GRPC, HTTP, Reader, Written};
use crate::config::{Access, AuthSettings, Config, identities, secret_file};
use crate::ingest::claim::OutsideClaims;
use std::path::Path;

const FILE: &str = "auth.file";
const FLAGS: [(&str, bool); 2] = [("true", true), ("false", false)];

impl Reader<'_> {
    pub(super) fn auth(&mut self, config: &mut Config) {
        config.auth = self.file_of_identities(&mut config.warnings);
        let claims = [("refuse", OutsideClaims::Refuse), ("record", OutsideClaims::Record)];
        self.choice("auth.outside_claims", &claims, &mut config.tenant.outside);
        let has_identities = config.auth.is_some();
        if let Some(door) = &mut config.grpc {
            door.access = self.access(GRPC, has_identities, has_identities);
        }
        if let Some(door) = &mut config.http {
            door.access = self.access(HTTP, has_identities, has_identities);
        }
        config.admin_access = self.access("admin", false, has_identities);
    }

    fn file_of_identities(&mut self, warnings: &mut Vec<String>) -> Option<AuthSettings> {
        let Written { place, text, .. } = self.value(FILE)?;
        // Taken first: what changes meanwhile is seen at the next look.
        let stamp = secret_file::stamp(Path::new(&text));
        match identities::read(Path::new(&text)) {
            Ok((table, warning)) => {
                warnings.extend(warning);
                Some(AuthSettings { file: text.into(), stamp, table })
            }
            Err(wrong) => {
                wrong.into_iter().for_each(|what| self.report(place, FILE, what));
                None
            }
        }
    }

    fn access(&mut self, section: &str, default: bool, has_identities: bool) -> Access {
        let mut access = Access { asks: default, insecure: false };
        let key = format!("{section}.auth");
        self.choice(&key, &FLAGS, &mut access.asks);
        if access.asks
            && !has_identities
            && self.node(FILE).is_none()
            && let Some(place) = self.node(&key).map(|node| node.place)
        {
            let what = "nobody could be let in: name a file of identities in auth.file";
            self.report(place, &key, what.into());
        }
        self.choice(&format!("{section}.insecure"), &FLAGS, &mut access.insecure);
        access
    }
}
