//! The formats there are, and telling them by a file's first row.

use halo_adapters::json::Json;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// OTLP export requests: traces and logs, JSON or protobuf.
    Otlp,
}

impl Format {
    pub const ALL: [Self; 1] = [Self::Otlp];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
        }
    }

    /// The format of a file whose first row is `row`; `None` when it is of none that is known.
    #[must_use]
    pub fn of(row: &Json<'_>) -> Option<Self> {
        let has = |key: &str| row.get(key).is_some();
        if has("resourceSpans") || has("resourceLogs") || has("resourceMetrics") {
            return Some(Self::Otlp);
        }
        None
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the formats are {}", Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat)
    }
}
