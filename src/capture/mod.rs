//! Captured where the action runs or passes: what a coding agent's hook says, and what goes between an MCP client and its
//! server, made into records beside the daemon.

pub mod hook;
pub mod mcp;
pub mod settings;
