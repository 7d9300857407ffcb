//! How one instance of the receiver is configured.

use crate::receivers::lines::manner::{MAX_LINE, Manner};
use std::time::Duration;

pub use crate::receivers::lines::manner::{Encoding, FormatOf, Requests, TenantOf};

/// One `file_log` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// As in the configuration: `file_log` or `file_log/name`.
    pub name: String,
    /// Patterns of paths; absolute, or from the directory that halod was started in.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    /// What is in the files that are there at the very first start is passed over.
    pub start_at_end: bool,
    /// How often everything is looked at, told or not.
    pub poll_interval: Duration,
    /// Whether the system is asked to tell of changes.
    pub notify: bool,
    /// How long a file that was rotated away must have been quiet until nothing more is expected in it,
    /// and how long a lost content is looked for.
    pub linger: Duration,
    /// Bytes at a file's beginning by which a content is recognised at a glance.
    pub fingerprint: usize,
    /// Bytes of a line that are kept.
    pub max_line: usize,
    /// Packed files are read, once.
    pub packed: bool,
    pub encoding: Encoding,
    pub tenant: TenantOf,
    pub format: FormatOf,
    pub requests: Requests,
}

impl Settings {
    /// How its logs are read.
    #[must_use]
    pub fn manner(&self) -> Manner {
        Manner {
            max_line: self.max_line,
            encoding: self.encoding,
            tenant: self.tenant.clone(),
            format: self.format.clone(),
            requests: self.requests.clone(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "file_log".into(),
            include: Vec::new(),
            exclude: Vec::new(),
            start_at_end: false,
            poll_interval: Duration::from_secs(1),
            notify: true,
            linger: Duration::from_secs(5),
            fingerprint: 1000,
            max_line: MAX_LINE,
            packed: true,
            encoding: Encoding::Utf8,
            tenant: TenantOf::Line,
            format: FormatOf::Auto,
            requests: Requests::Known,
        }
    }
}
