//! A proxy between a client and a server of the Model Context Protocol: bytes pass unchanged, and what a copy of them says
//! becomes records beside the daemon.
//!
//! ```text
//! client ─ stdio, or http ─ bytes ─▶ server
//!                  └─ Tap, bounded ─▶ Watch: messages ─ observer ─▶ draft ─▶ Outbox: halod, or its spool
//! ```
//!
//! Nothing of the second line is waited for by the first one.

pub mod gather;
pub mod http;
pub mod recorder;
pub mod stdio;

use halo_adapters::mcp::Session;

/// What is the same of all sessions of a proxy.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What tells this process from every other one.
    pub run: String,
    /// The server's name in place of the one that it gives itself.
    pub server: Option<String>,
}

impl Observed {
    /// What is known of a session: the `number`th of its process, and what it is called.
    fn session(&self, transport: &'static str, number: u64, id: Option<String>) -> Session {
        let run = if number == 0 { self.run.clone() } else { format!("{}-{number}", self.run) };
        let scoped = id.is_none() && transport != stdio::TRANSPORT;
        let id = id.unwrap_or_else(|| format!("mcp-{}", self.run));
        Session { id, run, transport, server: self.server.clone(), scoped }
    }
}
