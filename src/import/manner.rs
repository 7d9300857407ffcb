//! How a file is to be read: as it is asked for, and as the receiver that follows it reads it.

use super::format::Format;
use super::log;
use crate::receivers::lines::manner::{FormatOf, Manner as LinesManner, TenantOf};
use crate::receivers::tail::preview::Following;
use halo_adapters::gateway;
use std::io;
use std::path::{Component, Path, PathBuf};

/// How a file is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Told by its first row where it is not given.
    pub format: Option<Format>,
    pub tenant: Option<String>,
    /// It was found in a folder, and not named itself.
    pub found: bool,
    /// The receiver that follows the file, if there is one.
    pub followed: Option<Followed>,
}

/// How a receiver reads a log that it follows, and the path that it has it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    pub lines: LinesManner,
    pub path: PathBuf,
}

impl Manner {
    /// The same for a file that may be followed by one of these receivers.
    #[must_use]
    pub fn of(&self, file: &Path, following: &Following) -> Self {
        let may_be = matches!(self.format, None | Some(Format::Gateway(_)));
        let found = if may_be { following.find(file) } else { None };
        Self { followed: found.map(|(lines, path)| Followed { lines, path }), ..self.clone() }
    }

    /// What the file is said to be. Whoever follows a file knows that it is a log.
    pub(super) fn format(&self) -> Option<Format> {
        self.format.or_else(|| self.followed.as_ref().map(|_| Format::Gateway(None)))
    }

    /// The format of a log that the receiver which follows it is told, so that its lines need not tell any.
    pub(super) fn known(&self) -> Option<Format> {
        let followed = self.followed.as_ref().filter(|_| self.format() == Some(Format::Gateway(None)))?;
        match &followed.lines.format {
            FormatOf::Auto => None,
            FormatOf::Known(format) => Some(Format::Gateway(Some(*format))),
            FormatOf::Json(_) => Some(Format::Gateway(Some(gateway::Format::Json))),
            FormatOf::Regex(_) => Some(Format::Gateway(None)),
        }
    }

    /// How a log's lines are read: as the receiver that follows it does, but for what is asked for.
    pub(super) fn lines(&self) -> LinesManner {
        let mut lines = self.followed.as_ref().map(|followed| followed.lines.clone()).unwrap_or_default();
        if let Some(format) = log::log_format(self.format) {
            lines.format = FormatOf::Known(format);
        }
        if let Some(tenant) = &self.tenant {
            lines.tenant = TenantOf::Fixed(tenant.clone());
        }
        lines
    }
}

/// A file's path, by which its log is known, without parts that go up again.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if !path.components().any(|part| part == Component::ParentDir) {
        return Ok(path);
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => path.canonicalize(),
    }
}
