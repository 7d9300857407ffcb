//! Which chains a directory has, and under which key each is shared.
//!
//! A key stands for one file. Where that is in doubt, because records of one subject lie in two files, or a file is named for
//! somebody else than its records are of, the chain is withheld from everybody until it is cleared up.

use super::{AccessError, ChainKey};
use halod_chain::scan::{each_record, first_tenant};
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One chain's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file's name without `.jsonl`.
    pub stem: String,
    pub path: PathBuf,
    pub key: ChainKey,
    /// Why the chain is withheld, as far as the names and first records of the files tell.
    pub withheld: Option<String>,
    pub bytes: u64,
}

/// What is remembered between two looks: whose the first record of each file was, which a file that grows does not change.
#[derive(Debug, Default)]
pub struct Memory(HashMap<String, (u64, u64, u64, Option<Tenant>)>);

impl Memory {
    /// Looks at the file again the next time.
    pub fn forget(&mut self, stem: &str) {
        self.0.remove(stem);
    }

    fn tenant(&mut self, stem: &str, path: &Path, found: &Metadata) -> Option<Tenant> {
        let (device, inode, bytes) = (found.dev(), found.ino(), found.size());
        if let Some((dev, ino, len, tenant @ Some(_))) = self.0.get(stem)
            && (*dev, *ino) == (device, inode)
            && *len <= bytes
        {
            return tenant.clone();
        }
        let tenant = if bytes == 0 { None } else { first_tenant(path) };
        self.0.insert(stem.to_owned(), (device, inode, bytes, tenant.clone()));
        tenant
    }
}

/// The chains of a directory, in the order of their names: all files `*.jsonl` whose names do not begin with a dot.
///
/// # Errors
/// The directory can't be read.
pub fn scan(directory: &Path, memory: &mut Memory) -> Result<Vec<Entry>, AccessError> {
    let mut entries = files(directory, memory).map_err(AccessError::io("read", directory))?;
    entries.sort_by(|one, other| one.stem.cmp(&other.stem));
    memory.0.retain(|stem, _| entries.binary_search_by(|entry| entry.stem.cmp(stem)).is_ok());
    let mut of_key: HashMap<ChainKey, Vec<String>> = HashMap::new();
    for entry in &entries {
        of_key.entry(entry.key.clone()).or_default().push(format!("{}.jsonl", entry.stem));
    }
    for entry in &mut entries {
        entry.withheld = withheld(entry, &of_key);
    }
    Ok(entries)
}

fn files(directory: &Path, memory: &mut Memory) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        let name = file.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) else { continue };
        if stem.is_empty() || stem.starts_with('.') {
            continue;
        }
        let path = file.path();
        // What is gone by now, or can't be asked for, is no chain that could be shown.
        let Ok(found) = fs::metadata(&path) else { continue };
        if !found.is_file() {
            continue;
        }
        let tenant = memory.tenant(stem, &path, &found);
        let key = key(stem, tenant.as_ref());
        entries.push(Entry { stem: stem.to_owned(), path, key, withheld: None, bytes: found.size() });
    }
    Ok(entries)
}

/// Under which key a file with these records is shared.
#[must_use]
pub fn key(stem: &str, tenant: Option<&Tenant>) -> ChainKey {
    match tenant.and_then(Tenant::subject) {
        Some(id) => ChainKey::Subject(id.to_owned()),
        None => ChainKey::File(stem.to_owned()),
    }
}

fn withheld(entry: &Entry, of_key: &HashMap<ChainKey, Vec<String>>) -> Option<String> {
    let (own, id) = (format!("{}.jsonl", entry.stem), entry.key.text());
    if let ChainKey::File(_) = entry.key {
        let of_subject = of_key.get(&ChainKey::Subject(id.to_owned()))?.first()?;
        return Some(format!(
            "its records have no subject, so it is known by its file's name, and {of_subject} has the records of a subject called {id:?}; \
             rename {own}"
        ));
    }
    let others: Vec<_> = of_key.get(&entry.key)?.iter().filter(|name| **name != own).cloned().collect();
    if !is_named_for(&entry.stem, id) {
        return Some(format!(
            "it holds records of the subject {id:?}, and is named for somebody else; rename {own} or move it away"
        ));
    }
    (!others.is_empty()).then(|| {
        format!(
            "records of the subject {id:?} lie in {} too; move all but one away, since a link stands for one file",
            others.join(", ")
        )
    })
}

/// Whether a file of this name may hold a subject's chain, by the rules of recorders of today and before.
fn is_named_for(stem: &str, id: &str) -> bool {
    let tenant = Tenant::stored(id);
    let digested = tenant.digest_stem();
    stem == digested
        || stem == tenant.file_stem()
        || tenant.legacy_stem().is_some_and(|legacy| legacy == stem)
        || digested.split('~').next() == Some(stem)
}

/// Whether all records of a file are of one subject or none.
///
/// # Errors
/// The file can't be read.
pub fn is_of_one(path: &Path) -> Result<bool, AccessError> {
    let (mut first, mut mixes) = (None, false);
    let read = each_record(path, &mut |facts| {
        let tenant = facts.subject.tenant();
        mixes = tenant.is_none() || *first.get_or_insert_with(|| tenant.clone()) != tenant;
        !mixes
    });
    read.map_err(AccessError::io("read", path))?;
    Ok(!mixes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(dir: &Path, stem: &str, subjects: &[&str]) {
        let line = |id: &&str| {
            let subject =
                if id.is_empty() { String::new() } else { format!(r#""subject":{{"id":"{id}"}},"#) };
            format!("{{{subject}\"integrity\":{{\"hash\":\"x\"}},\"record_id\":\"r\"}}\n")
        };
        fs::write(dir.join(format!("{stem}.jsonl")), subjects.iter().map(line).collect::<String>()).unwrap();
    }

    #[test]
    fn a_key_stands_for_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        for (stem, subjects) in [
            ("acme", &["acme"][..]),
            ("zeta", &["zeta"]),
            ("copy", &["zeta"]),
            ("free", &["Other Co"]),
            ("ACME", &["ACME"]),
            ("a_b", &["a/b"]),
            ("tenant~e06ff957ed48e868a41b7e7e", &["公司"]),
            ("twice", &["twice"]),
            (&Tenant::stored("twice").digest_stem(), &["twice"]),
            ("local", &[""]),
            (&Tenant::stored("local").digest_stem(), &["local"]),
            ("nosub", &[""]),
            ("empty", &[]),
            (".hidden", &["acme"]),
        ] {
            write(dir, stem, subjects);
        }
        fs::write(dir.join("notes.txt"), "x").unwrap();
        fs::create_dir(dir.join("folder.jsonl")).unwrap();
        let entries = scan(dir, &mut Memory::default()).unwrap();
        let told = |stem: &str| {
            let entry = entries.iter().find(|entry| entry.stem == stem).unwrap();
            (entry.key.clone(), entry.withheld.clone().unwrap_or_default())
        };
        assert_eq!(entries.len(), 13);
        for served in ["acme", "ACME", "a_b", "tenant~e06ff957ed48e868a41b7e7e", "nosub", "empty"] {
            assert_eq!(told(served).1, "", "{served}");
        }
        assert_eq!(told("a_b").0, ChainKey::Subject("a/b".into()));
        assert_eq!(told("nosub").0, ChainKey::File("nosub".into()));
        for (stem, why) in [
            ("copy", "named for somebody else"),
            ("zeta", "copy.jsonl"),
            ("free", "named for somebody else"),
            ("twice", "twice~"),
            ("local", "rename local.jsonl"),
        ] {
            assert!(told(stem).1.contains(why), "{stem}: {}", told(stem).1);
        }
    }

    #[test]
    fn another_file_of_that_name_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let mut memory = Memory::default();
        let key = |memory: &mut Memory| scan(dir, memory).unwrap()[0].key.text().to_owned();
        write(dir, "acme", &["acme"]);
        assert_eq!(key(&mut memory), "acme");
        write(dir, "new", &["other"]);
        fs::rename(dir.join("new.jsonl"), dir.join("acme.jsonl")).unwrap();
        assert_eq!(key(&mut memory), "other");
        write(dir, "acme", &["grown"]);
        memory.forget("acme");
        assert_eq!(key(&mut memory), "grown");
    }

    #[test]
    fn a_file_of_two_subjects_is_told_from_one_of_one() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        for (subjects, one) in
            [(&["a", "a"][..], true), (&["a", "b"], false), (&["a", ""], false), (&[], true)]
        {
            write(dir, "x", subjects);
            assert_eq!(is_of_one(&dir.join("x.jsonl")).unwrap(), one, "{subjects:?}");
        }
    }
}
