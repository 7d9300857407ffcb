//! What an export says of its own files: how many rows each has, and of which time. A file that has fewer, or is
//! missing, is a hole, which the chain tells.

use halod_record::draft::Draft;
use halod_record::json::Json;
use halod_record::notice::{About, Notice};
use halod_record::redact::Redactor;
use halod_record::tenant::Tenant;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Characters of a name or a time that are kept.
const TEXT: usize = 512;

/// Files of one manifest that are looked at.
const FILES: usize = 10_000;

/// Parts of a path, from its end, by which a file is known in whatever folder an export was put.
const PARTS: usize = 2;

/// A manifest, as Langfuse's exports to buckets have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    window: [Option<String>; 2],
    files: Vec<Listed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    key: String,
    table: String,
    rows: u64,
}

/// A file that has fewer rows than its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    pub file: String,
    pub table: String,
    /// Of which time the export is.
    pub window: [Option<String>; 2],
    pub expected: u64,
    pub found: u64,
    /// The file is not there.
    pub missing: bool,
}

impl Manifest {
    /// The manifest that a row is, if it is one.
    pub(super) fn of(row: &Json<'_>) -> Option<Self> {
        let text = |from: &Json<'_>, key: &str| {
            let text: String = from.get(key)?.as_str()?.chars().take(TEXT).collect();
            Some(text)
        };
        let Json::Array(files) = row.get("exportSource").and(row.get("files"))? else { return None };
        let window = row.get("window").unwrap_or(&Json::Null);
        let listed = |file: &Json<'_>| {
            let rows = match file.get("rowCount") {
                Some(Json::Int(rows)) => u64::try_from(*rows).ok()?,
                _ => return None,
            };
            Some(Listed { key: text(file, "key")?, table: text(file, "table").unwrap_or_default(), rows })
        };
        Some(Self {
            window: ["minTimestamp", "maxTimestamp"].map(|key| text(window, key)),
            files: files.iter().take(FILES).filter_map(listed).collect(),
        })
    }

    /// What is missing of a file that was read, or was not.
    fn hole(&self, listed: &Listed, rows: Option<u64>) -> Option<Hole> {
        (rows.unwrap_or(0) < listed.rows).then(|| Hole {
            file: listed.key.clone(),
            table: listed.table.clone(),
            window: self.window.clone(),
            expected: listed.rows,
            found: rows.unwrap_or(0),
            missing: rows.is_none(),
        })
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        self.files.iter().map(|file| size_of::<Listed>() + file.key.len() + file.table.len()).sum()
    }
}

/// Parts that two paths share from their ends on.
fn shared(one: &Path, other: &Path) -> usize {
    let parts = one.components().rev().zip(other.components().rev());
    parts.take_while(|(one, other)| one == other).count()
}

/// What an export lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lacks {
    /// None of its files was read: nothing is said of it, as it may have been imported before.
    Unread,
    Nothing,
    Rows(Vec<Hole>),
}

/// The holes of files that were read, with their rows, where it is known how many.
pub(super) fn holes(manifests: &[Manifest], read: &[(PathBuf, Option<u64>)]) -> Vec<Hole> {
    let holes = lacks(manifests, read).into_iter().filter_map(|lacks| match lacks {
        Lacks::Rows(holes) => Some(holes),
        Lacks::Unread | Lacks::Nothing => None,
    });
    holes.flatten().collect()
}

/// What the export of each manifest lacks.
pub(super) fn lacks(manifests: &[Manifest], read: &[(PathBuf, Option<u64>)]) -> Vec<Lacks> {
    let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, (path, _)) in read.iter().enumerate() {
        by_name.entry(path.file_name()).or_default().push(at);
    }
    let mut fits = Vec::new();
    for (of, manifest) in manifests.iter().enumerate() {
        for (file, listed) in manifest.files.iter().enumerate() {
            let key = Path::new(&listed.key);
            let enough = PARTS.min(key.components().count());
            for at in by_name.get(&key.file_name()).into_iter().flatten() {
                let shared = read.get(*at).map_or(0, |(path, _)| shared(key, path));
                if shared >= enough {
                    fits.push((shared, of, file, *at));
                }
            }
        }
    }
    // The closest first; each file is one of one manifest.
    fits.sort_by_key(|(shared, ..)| std::cmp::Reverse(*shared));
    let (mut found, mut taken) = (HashMap::new(), HashSet::new());
    for (_, of, file, at) in fits {
        if !found.contains_key(&(of, file)) && taken.insert(at) {
            found.insert((of, file), read.get(at).and_then(|(_, rows)| *rows));
        }
    }
    let lacks = manifests.iter().enumerate().map(|(of, manifest)| {
        let found = |file: usize| found.get(&(of, file)).copied();
        if !(0..manifest.files.len()).any(|file| found(file).is_some()) {
            return Lacks::Unread;
        }
        let holes: Vec<Hole> = manifest
            .files
            .iter()
            .enumerate()
            .filter_map(|(file, listed)| match found(file) {
                // How many there were before it was interrupted nobody knows.
                Some(None) => None,
                rows => manifest.hole(listed, rows.flatten()),
            })
            .collect();
        if holes.is_empty() { Lacks::Nothing } else { Lacks::Rows(holes) }
    });
    lacks.collect()
}

impl Hole {
    /// The notice of it, for the chain of the files' tenant.
    pub(super) fn draft(&self, tenant: Option<&str>, redactor: &Redactor) -> Draft {
        let tenant = tenant.map_or(Ok(Tenant::Local), Tenant::claimed);
        let texts = [Some(&self.file), Some(&self.table), self.window[0].as_ref(), self.window[1].as_ref()];
        let [file, table, from, to] = texts.map(|text| text.map(|text| redactor.label(text)));
        let lacking = self.expected.saturating_sub(self.found);
        let mut about = vec![("expected_rows", About::Number(self.expected))];
        let mut say = |key, text| about.push((key, About::Text(text)));
        if let Some(file) = &file {
            say("file", file);
        }
        say("reason", "an export has fewer rows than its manifest counts");
        about.push(("rows", About::Number(lacking)));
        let more = [("table", &table), ("window_from", &from), ("window_to", &to)];
        let more = more.into_iter().filter_map(|(key, text)| Some((key, About::Text(text.as_ref()?))));
        about.extend(more);
        let rows = if self.expected == 1 { "1 row".into() } else { format!("{} rows", self.expected) };
        let summary = match self.missing {
            true => format!("A file of an imported export is missing: its manifest counts {rows} in it."),
            false => format!(
                "A file of an imported export has {} of the {rows} that its manifest counts.",
                self.found
            ),
        };
        Notice::of_loss("gap", &summary, &about).draft(&tenant.unwrap_or(Tenant::Local))
    }
}

impl std::fmt::Display for Hole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, expected, found, .. } = self;
        match self.missing {
            true => write!(f, "{file}: it is missing; its manifest counts {expected} rows in it"),
            false => write!(f, "{file}: it has {found} of the {expected} rows that its manifest counts"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    fn manifest(project: &str, files: &[(&str, i64)]) -> Manifest {
        let file = |(key, rows): &(&str, i64)| {
            format!(r#"{{"key":"{project}/{key}","table":"t","rowCount":{rows}}}"#)
        };
        let files: Vec<String> = files.iter().map(file).collect();
        let text = format!(
            r#"{{"exportSource":"X","window":{{"minTimestamp":"a"}},"files":[{}]}}"#,
            files.join(",")
        );
        Manifest::of(&parse(&text).unwrap()).unwrap()
    }

    fn told(manifests: &[Manifest], read: &[(&str, Option<u64>)]) -> Vec<(String, u64, u64, bool)> {
        let read: Vec<_> = read.iter().map(|(path, rows)| (PathBuf::from(path), *rows)).collect();
        let one = |hole: Hole| (hole.file, hole.expected, hole.found, hole.missing);
        holes(manifests, &read).into_iter().map(one).collect()
    }

    #[test]
    fn a_file_with_fewer_rows_and_one_that_is_missing_are_holes() {
        let ours = manifest("p", &[("o/1.gz", 5), ("o/2.gz", 7), ("s/1.gz", 3), ("s/2.gz", 0)]);
        let ours = [ours];
        let all = [("/dl/p/o/1.gz", Some(5)), ("/dl/p/o/2.gz", Some(6)), ("/dl/p/s/1.gz", None)];
        assert_eq!(told(&ours, &all), [("p/o/2.gz".into(), 7, 6, false)]);
        assert_eq!(
            told(&ours, &all[..1]),
            [("p/o/2.gz".into(), 7, 0, true), ("p/s/1.gz".into(), 3, 0, true)]
        );
        // In another folder; and not of this import at all.
        assert_eq!(told(&ours, &[("x/o/1.gz", Some(4))]).len(), 3);
        assert_eq!(told(&ours, &[("x/y/1.gz", Some(4)), ("1.gz", Some(1))]), []);
    }

    #[test]
    fn a_file_is_of_the_manifest_whose_key_is_closest() {
        let both = [manifest("p", &[("o/1.gz", 5), ("s/1.gz", 1)]), manifest("q", &[("o/1.gz", 9)])];
        let holes = told(&both, &[("/dl/q/o/1.gz", Some(9)), ("/dl/p/s/1.gz", Some(1))]);
        assert_eq!(holes, [("p/o/1.gz".into(), 5, 0, true)]);
    }

    #[test]
    fn what_is_no_manifest_is_none() {
        for text in ["{}", "[]", r#"{"files":[]}"#, r#"{"exportSource":"X"}"#] {
            assert_eq!(Manifest::of(&parse(text).unwrap()), None, "{text}");
        }
        let odd = r#"{"exportSource":"X","files":[1,{"key":"k"},{"key":"k","rowCount":-1},{"rowCount":2}]}"#;
        assert_eq!(Manifest::of(&parse(odd).unwrap()), Some(Manifest::default()));
    }
}
