//! Whether the files that are to be followed or imported are there, and can be read.

use super::surroundings::Surroundings;
use crate::config::Problem;
use crate::receivers::tail;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

/// Files that are told of one receiver, of those that can't be read or are another one's as well.
const TOLD: usize = 3;

/// Warns of what a start would not: a pattern may fit something later.
pub(super) fn look(around: &Surroundings<'_>, warnings: &mut Vec<Problem>) {
    let mut of: HashMap<PathBuf, &str> = HashMap::new();
    for log in &around.config.file_logs {
        let key = format!("receivers.{}.include", log.name);
        let (mut unreadable, mut twice) = (Vec::new(), Vec::new());
        for pattern in &log.include {
            let found = tail::matches(pattern, &log.exclude, log.packed);
            if found.is_empty() {
                warnings.push(around.at(&key, nothing(pattern)));
            }
            for path in found {
                if let Err(error) = File::open(&path) {
                    unreadable.push(format!("{}: {error}", path.display()));
                }
                match of.insert(path.clone(), &log.name) {
                    Some(other) if other != log.name => {
                        twice.push(format!("{} is followed by {other} as well", path.display()));
                    }
                    _ => {}
                }
            }
        }
        let told = |what: Vec<String>, then: &str, warnings: &mut Vec<Problem>| {
            let more = what.len().saturating_sub(TOLD);
            for one in what.into_iter().take(TOLD) {
                warnings.push(around.at(&key, format!("{one}; {then}")));
            }
            if more > 0 {
                warnings.push(around.at(&key, format!("and {more} more such files")));
            }
        };
        told(unreadable, "let this user read it, or its lines are missed", warnings);
        told(twice, "its lines are read by both: exclude it from one", warnings);
    }
    let Some(import) = &around.config.import else { return };
    for pattern in &import.include {
        if tail::matches(pattern, &[], true).is_empty() {
            warnings.push(around.at("receivers.import.include", nothing(pattern)));
        }
    }
}

fn nothing(pattern: &str) -> String {
    format!("`{pattern}` fits no file now; files that come later are taken")
}
