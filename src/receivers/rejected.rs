//! Items of a request that cannot become records, as its answer lists them.

use crate::ingest::RequestBuilder;
use serde_json::{Value, json};

/// How many are listed; the others are counted.
const LISTED: usize = 20;

/// Which items, by their place in the request, and why.
#[derive(Debug, Default)]
pub struct Rejected {
    listed: Vec<(usize, String)>,
    more: u64,
}

impl Rejected {
    /// Takes one, and counts it.
    pub fn add(&mut self, item: usize, reason: impl ToString, request: &mut RequestBuilder) {
        let reason = reason.to_string();
        request.reject(format!("item {item}: {reason}"));
        if self.listed.len() < LISTED {
            self.listed.push((item, reason));
        } else {
            self.more += 1;
        }
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.listed.len() as u64 + self.more
    }

    /// Puts the list into an answer's body.
    pub fn tell(&self, body: &mut Value) {
        let listed: Vec<_> =
            self.listed.iter().map(|(item, reason)| json!({"item": item, "reason": reason})).collect();
        body["rejected"] = listed.into();
        if self.more > 0 {
            body["rejected_more"] = self.more.into();
        }
    }
}
