//! What is wrong with a configuration: every problem at once, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

/// A position in the configuration file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; absent for what has no place in a file, like a default that does not fit.
    pub place: Option<Place>,
    /// The dotted key, empty when the problem is not about one.
    pub key: String,
    /// What is wrong and what to write instead.
    pub what: String,
}

/// The configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file the places refer to; absent for text that came from elsewhere.
    pub file: Option<PathBuf>,
    /// In file order, never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Orders the problems as they stand in the file.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        Self { file: None, problems }
    }

    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file =
            self.file.as_ref().map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            match problem.place {
                Some(Place { line, column }) => write!(f, "{file}:{line}:{column}: ")?,
                None => write!(f, "{file}: ")?,
            }
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            f.write_str(&problem.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
