//! Which files there are: patterns to regular files, and the siblings of a log.

use super::odd_names;
use super::source::{Facts, Inode, is_packed};
use crate::receivers::lines::names::{log_name, shown};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of one receiver that are followed at most; of more, the first by name.
pub(super) const MAX_FILES: usize = 100_000;

/// One regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub facts: Facts,
    pub packed: bool,
}

/// What one look brought.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// One path for each file, oldest content first.
    pub files: Vec<Found>,
    /// Directories in which something may appear.
    pub directories: BTreeSet<PathBuf>,
}

/// Patterns, ready to be used again and again.
#[derive(Debug)]
pub(super) struct Finder {
    include: Vec<String>,
    exclude: Vec<glob::Pattern>,
    packed: bool,
}

const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Finder {
    /// Patterns that are none match nothing; the configuration has been checked.
    #[must_use]
    pub(super) fn new(include: &[String], exclude: &[String], packed: bool) -> Self {
        let absolute = |pattern: &String| {
            expand(pattern).into_iter().map(|one| match std::path::absolute(&one) {
                Ok(path) => path.to_str().map_or(one, str::to_owned),
                Err(_) => one,
            })
        };
        let exclude = exclude.iter().flat_map(absolute).filter_map(|one| glob::Pattern::new(&one).ok());
        Self { include: include.iter().flat_map(absolute).collect(), exclude: exclude.collect(), packed }
    }

    /// Looks now.
    #[must_use]
    pub(super) fn look(&self) -> Look {
        let mut directories = BTreeSet::new();
        let mut files: HashMap<Inode, Found> = HashMap::new();
        for pattern in &self.include {
            directories.insert(fixed_part(pattern));
            let Ok(paths) = glob::glob_with(pattern, MATCHING) else { continue };
            // A directory that can't be read now may be later: the next look tells.
            for path in paths.filter_map(Result::ok).chain(odd_names::find(pattern, MATCHING)) {
                directories.extend(path.parent().map(Path::to_owned));
                if self.excludes(&path) {
                    continue;
                }
                if let Some(found) = found(path, self.packed) {
                    let other = files.entry(found.facts.inode).or_insert_with(|| found.clone());
                    // Of several paths to one file the same one is taken each time.
                    if found.path < other.path {
                        *other = found;
                    }
                }
            }
        }
        let mut files: Vec<_> = files.into_values().collect();
        files.sort_by(|a, b| (a.facts.modified, &a.path).cmp(&(b.facts.modified, &b.path)));
        files.truncate(MAX_FILES);
        Look { files, directories }
    }

    fn excludes(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.exclude.iter().any(|pattern| pattern.matches_with(&path, MATCHING))
    }
}

fn found(path: PathBuf, packed: bool) -> Option<Found> {
    let facts = Facts::from(&fs::metadata(&path).ok()?);
    let is_packed = is_packed(&path);
    (facts.regular && (packed || !is_packed)).then_some(Found { path, facts, packed: is_packed })
}

/// The files of a directory that belong to the logs called by these names, oldest content first.
#[must_use]
pub(super) fn siblings(directory: &Path, names: &HashSet<String>, finder: &Finder) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let ours = |path: &PathBuf| path.file_name().is_some_and(|own| names.contains(&log_name(&shown(own))));
    let mut siblings: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| ours(path) && !finder.excludes(path))
        .filter_map(|path| found(path, finder.packed))
        .collect();
    siblings.sort_by(|a, b| (a.facts.modified, &a.path).cmp(&(b.facts.modified, &b.path)));
    siblings
}

/// The file with this inode, wherever it is in the directory.
#[must_use]
pub(super) fn by_inode(directory: &Path, inode: Inode) -> Option<PathBuf> {
    use std::os::unix::fs::DirEntryExt;
    let entries = fs::read_dir(directory).ok()?;
    let mut paths = entries.filter_map(Result::ok).filter(|e| e.ino() == inode.number).map(|e| e.path());
    paths.find(|path| fs::symlink_metadata(path).is_ok_and(|meta| Facts::from(&meta).inode == inode))
}

/// `{a,b}` written out, as the Collector's patterns have it.
#[must_use]
pub(super) fn expand(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let mut depth = 1;
    let closing = rest.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0
    });
    let Some((closing, _)) = closing else { return vec![pattern.to_owned()] };
    let (inside, after) = (&rest[..closing], &rest[closing + 1..]);
    let mut depth = 0;
    let choices = inside.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    choices.flat_map(|choice| expand(&format!("{before}{choice}{after}"))).take(1000).collect()
}

/// The directory below which a pattern looks: as much of it as has no wildcard, and exists.
fn fixed_part(pattern: &str) -> PathBuf {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let fixed = pattern[..wild].rsplit_once('/').map_or("/", |(directory, _)| directory);
    let mut directory = Path::new(if fixed.is_empty() { "/" } else { fixed });
    while !directory.is_dir() {
        let Some(parent) = directory.parent() else { break };
        directory = parent;
    }
    directory.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(look: &Look) -> Vec<String> {
        let mut names: Vec<_> =
            look.files.iter().map(|f| f.path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn patterns_find_regular_files_once() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        for name in ["a/x.log", "a/y.log", "a/x.log.1", "a/b/z.log", "a/old.log.gz"] {
            fs::write(at(name), name).unwrap();
        }
        symlink(at("a/x.log"), at("a/link.log")).unwrap();
        symlink(at("nowhere"), at("a/dangling.log")).unwrap();
        fs::create_dir(at("a/dir.log")).unwrap();
        let root = place.path().to_str().unwrap();
        let look = |include: &[&str], exclude: &[&str], packed| {
            let full = |names: &[&str]| names.iter().map(|n| format!("{root}/{n}")).collect::<Vec<_>>();
            Finder::new(&full(include), &full(exclude), packed).look()
        };
        assert_eq!(names(&look(&["a/*.log"], &[], true)), ["link.log", "y.log"], "one path for each file");
        assert_eq!(names(&look(&["a/{x,y}.log*"], &["a/y*"], true)), ["x.log", "x.log.1"]);
        assert_eq!(names(&look(&["**/*.log"], &["**/link.log"], true)), ["x.log", "y.log", "z.log"]);
        assert_eq!(names(&look(&["a/old*"], &[], true)), ["old.log.gz"]);
        assert!(names(&look(&["a/old*"], &[], false)).is_empty());
        let later = look(&["later/deep/*.log"], &[], true);
        assert!(later.files.is_empty());
        assert_eq!(later.directories.into_iter().collect::<Vec<_>>(), [place.path()]);
        let names = HashSet::from(["x.log".to_owned()]);
        assert_eq!(siblings(&at("a"), &names, &Finder::new(&[], &[], true)).len(), 2);
    }

    #[test]
    fn braces_are_written_out() {
        assert_eq!(expand("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(expand("plain"), ["plain"]);
        assert_eq!(expand("a{b"), ["a{b"]);
    }
}
