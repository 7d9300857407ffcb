//! What was sent and what was acknowledged, held against the chains.

use crate::support::chains::{files, records, span_key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

/// The identities of one tenant's actions.
#[derive(Default)]
struct Sent {
    /// All that may be in its chain.
    made: BTreeSet<String>,
    /// All that must be.
    acknowledged: BTreeSet<String>,
}

#[derive(Default)]
pub struct Ledger(Mutex<BTreeMap<String, Sent>>);

/// Whose chains have what bombs leave behind, which nobody counts.
const BOMBED: [Option<&str>; 3] = [None, Some("acme"), Some(super::bodies::BOMBER)];

impl Ledger {
    /// Before any of it is sent.
    pub fn made(&self, tenant: &str, ids: &[String]) {
        self.0.lock().unwrap().entry(tenant.to_owned()).or_default().made.extend(ids.iter().cloned());
    }

    pub fn acknowledged(&self, tenant: &str, ids: &[String]) {
        let mut all = self.0.lock().unwrap();
        all.get_mut(tenant).expect("it was made").acknowledged.extend(ids.iter().cloned());
    }

    /// Everything acknowledged is in the one chain of its tenant, once, and nothing that was not sent for that tenant
    /// is. Returns how much there is.
    pub fn assert_kept(&self, dir: &Path) -> usize {
        let all = self.0.lock().unwrap();
        let (mut chains, mut ids, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
        for file in files(dir) {
            let chain = records(&file);
            let tenant = subject(chain.first().expect("no chain is empty")).map(str::to_owned);
            assert!(chains.insert(tenant.clone()), "{tenant:?} has two chains");
            let mut seen = BTreeSet::new();
            for record in &chain {
                assert_eq!(subject(record), tenant.as_deref(), "in {}: {record}", file.display());
                assert!(ids.insert(text(record, "/record_id")), "sealed twice: {record}");
                let notice = record["source"]["adapter"] == "halod";
                if notice || BOMBED.contains(&tenant.as_deref()) {
                    continue;
                }
                let sent = tenant.as_ref().and_then(|tenant| all.get(tenant));
                let sent = sent.unwrap_or_else(|| panic!("nobody sent anything for {tenant:?}"));
                let id = identity(record);
                assert!(sent.made.contains(&id), "not sent for {tenant:?}: {record}");
                assert!(seen.insert(id), "twice in the chain of {tenant:?}: {record}");
            }
            count += seen.len();
            if let Some(sent) = tenant.as_ref().and_then(|tenant| all.get(tenant)) {
                let lost: Vec<_> = sent.acknowledged.difference(&seen).collect();
                let (number, of) = (lost.len(), sent.acknowledged.len());
                assert!(lost.is_empty(), "{tenant:?}: {number} of {of} acknowledged lost: {:?}", &lost[..1]);
                println!("soak: {tenant:?}: {of} acknowledged of {}", sent.made.len());
            }
        }
        let without: Vec<&String> = all
            .iter()
            .filter(|(tenant, sent)| {
                !chains.contains(&Some((*tenant).clone())) && !sent.acknowledged.is_empty()
            })
            .map(|(tenant, _)| tenant)
            .collect();
        assert!(without.is_empty(), "acknowledged, and no chain: {without:?}");
        count
    }
}

fn subject(record: &Value) -> Option<&str> {
    record.pointer("/subject/id").and_then(Value::as_str)
}

fn text(record: &Value, path: &str) -> String {
    let text = record.pointer(path).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no {path} in {record}")).to_owned()
}

/// As senders name what they send.
fn identity(record: &Value) -> String {
    if let Some((trace, span)) = span_key(record) {
        return format!("{trace}/{span}");
    }
    let data = &record["data"];
    let id = ["call_id", "observation_id", "key"].iter().find_map(|name| data[*name].as_str());
    id.unwrap_or_else(|| panic!("of no sender: {record}")).to_owned()
}
