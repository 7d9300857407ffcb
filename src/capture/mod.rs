//! Captured where the action runs: what a coding agent's hook says, made into a record beside the daemon.

pub mod hook;
pub mod settings;
