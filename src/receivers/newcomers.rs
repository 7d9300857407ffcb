//! Who sends for the first time since the start: said once, so that an operator sees that a new agent arrived.

use crate::net::peer::Peer;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Senders that are told apart; peers are made up easily, so that there must be an end.
const SENDERS: usize = 1000;

/// The senders of each receiver so far.
#[derive(Debug, Default)]
pub struct Newcomers(Mutex<HashSet<(&'static str, Option<Peer>)>>);

impl Newcomers {
    /// Tells of a request that was taken.
    pub fn greet(&self, receiver: &'static str, peer: Option<Peer>, agent: Option<&str>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SENDERS || !known.insert((receiver, peer)) {
            return;
        }
        let is_last = known.len() == SENDERS;
        drop(known);
        let sender = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        tracing::info!(receiver, sender, agent, "a new sender");
        if is_last {
            tracing::info!(senders = SENDERS, "no further senders are told");
        }
    }
}
