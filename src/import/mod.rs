//! Telemetry that lies in files: exports of the stores that teams trace to, and logs.
//!
//! ```text
//! file ─ open: undo gzip, archives, Parquet ─ source: tell rows apart ─▶ Chunk ─▶ sink: rows ─▶ drafts ─▶ writer ─▶ Taken
//!                                                          │ or: POST on .halod/halod.sock, where the
//!                                                          ▼     running daemon does the same
//! run: chunks side by side, counts, bad rows, ─◀────────── what became of each row
//!      the place to go on from: moves only over what is sealed
//! ```
//!
//! Nothing is sealed twice, however often a file is imported: record ids come from the origin's own.
//! That an interrupted import goes on where it stopped only saves time.
//!
//! This is the one feature beside the chains and the tail whose job is to read files, so it may.

mod archive;
pub mod chunk;
mod csv;
pub mod door;
pub mod dry_run;
mod exports;
pub mod folder;
pub mod format;
pub mod importer;
mod literal;
mod log;
mod manifest;
mod manner;
mod open;
mod parquet;
pub mod position;
mod remote;
mod rows;
pub mod run;
mod scan;
pub mod sink;
mod sniff;
pub mod source;
pub mod traces;
mod transcript;

/// Bytes of one row at most: as of a request's body at the doors.
pub const MAX_ROW: usize = 64 << 20;

/// Where the daemon takes imports, below its directory.
pub const SOCKET: &str = ".halod/halod.sock";

/// Where an import keeps what it knows of files, below the directory.
pub const STATE: &str = ".halod/import";
