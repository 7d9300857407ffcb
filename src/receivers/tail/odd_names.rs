//! Files whose names are no UTF-8, which the library of patterns passes over. What is no character counts as one.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that are gone down, as links may lead in circles.
const LEVELS: usize = 40;

/// The paths that fit an absolute pattern and are no UTF-8.
#[must_use]
pub(crate) fn find(pattern: &str, options: glob::MatchOptions) -> Vec<PathBuf> {
    let parts: Vec<_> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let parts = parts.into_iter().map(|part| match glob::Pattern::new(part) {
        Ok(pattern) if part != "**" && part.contains(['*', '?', '[']) => Part::Pattern(pattern),
        _ if part == "**" => Part::Below,
        _ => Part::Name(part),
    });
    let mut found = Vec::new();
    walk(Path::new("/"), &parts.collect::<Vec<_>>(), options, LEVELS, &mut found);
    found
}

enum Part<'p> {
    Name(&'p str),
    Pattern(glob::Pattern),
    /// Any directories, or none.
    Below,
}

fn walk(
    directory: &Path,
    parts: &[Part<'_>],
    options: glob::MatchOptions,
    levels: usize,
    found: &mut Vec<PathBuf>,
) {
    let (Some((part, rest)), Some(levels)) = (parts.split_first(), levels.checked_sub(1)) else { return };
    let mut next = |path: PathBuf| match rest {
        [] if path.to_str().is_none() => found.push(path),
        [] => {}
        rest => walk(&path, rest, options, levels, found),
    };
    match part {
        Part::Name(name) => next(directory.join(name)),
        Part::Pattern(pattern) => {
            let fits = |path: &PathBuf| {
                path.file_name().is_some_and(|name| pattern.matches_with(&name.to_string_lossy(), options))
            };
            entries(directory).filter(fits).for_each(next);
        }
        Part::Below => {
            walk(directory, rest, options, levels, found);
            for path in entries(directory).filter(|path| path.is_dir()) {
                walk(&path, parts, options, levels, found);
            }
        }
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn only_names_that_are_no_text_are_found() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &[u8]| place.path().join(OsStr::from_bytes(name));
        fs::create_dir_all(at(b"a\xff/b")).unwrap();
        fs::create_dir_all(at(b"plain")).unwrap();
        for name in [&b"a\xff/b/x.log"[..], b"plain/x.log", b"plain/caf\xe9.log", b"plain/caf\xe9.txt"] {
            fs::write(at(name), "x").unwrap();
        }
        let root = place.path().to_str().unwrap();
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let found = |pattern: &str| {
            let mut found = find(&format!("{root}/{pattern}"), options);
            found.sort();
            found
        };
        assert_eq!(found("plain/*.log"), [at(b"plain/caf\xe9.log")]);
        assert_eq!(found("plain/caf?.*"), [at(b"plain/caf\xe9.log"), at(b"plain/caf\xe9.txt")]);
        assert_eq!(found("**/*.log"), [at(b"a\xff/b/x.log"), at(b"plain/caf\xe9.log")]);
        assert_eq!(found("*/b/x.log"), [at(b"a\xff/b/x.log")]);
        assert!(found("plain/x.log").is_empty() && found("none/*").is_empty());
    }
}
