//! How the lines of a log are to be read, and whose they are.

use super::names::PathTenant;
use halo_adapters::gateway::Format;
use serde::{Deserialize, Serialize};

/// Bytes of a line that are kept, where nothing else is configured.
pub const MAX_LINE: usize = 1 << 20;

/// Everything that decides what a line becomes. Whoever reads a log in the same manner makes the same records of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Bytes of a line that are kept.
    pub max_line: usize,
    pub encoding: Encoding,
    pub tenant: TenantOf,
    pub format: FormatOf,
    pub requests: Requests,
}

/// How the lines are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FormatOf {
    /// As the log's own lines tell.
    Auto,
    Known(#[serde(with = "by_name")] Format),
    /// Objects: which key has which field.
    Json(Vec<(String, String)>),
    /// An expression whose named groups are the fields.
    Regex(String),
}

/// Which requests become records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requests {
    /// Those to known model APIs and MCP endpoints.
    Known,
    /// Those to these paths.
    Paths(Vec<String>),
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// What is not UTF-8 is dealt with by the format.
    Utf8,
    Latin1,
}

/// Whose records the lines become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TenantOf {
    /// The tenant that the line names, if it does.
    Line,
    Fixed(String),
    Path(PathTenant),
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            max_line: MAX_LINE,
            encoding: Encoding::Utf8,
            tenant: TenantOf::Line,
            format: FormatOf::Auto,
            requests: Requests::Known,
        }
    }
}

/// A format travels by its name.
mod by_name {
    use super::Format;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(format: &Format, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(format.name())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Format, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map_err(|()| D::Error::custom("a format of logs that is not known"))
    }
}
