//! Files of halod's that fail with EIO, by a library that is loaded before the system's.

use crate::support::root;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const LENGTH: usize = 4096;

/// How a file may fail; see `faults.c`.
pub const KINDS: [&str; 3] = ["write", "torn", "sync"];

pub struct Faults {
    dir: tempfile::TempDir,
    control: File,
}

impl Faults {
    pub fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = root().join("tests/it/soak/faults.c");
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-shared", "-fPIC", "-o"]).arg(library(dir.path())).arg(source);
        let out = cc.output().expect("the soak needs a C compiler, cc");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut options = OpenOptions::new();
        let control = options.read(true).write(true).create_new(true).open(control(dir.path())).unwrap();
        control.set_len(LENGTH as u64).unwrap();
        Self { dir, control }
    }

    /// Shell text that has what comes after it run under these faults.
    pub fn shell(&self) -> String {
        let [library, control] = [library(self.dir.path()), control(self.dir.path())];
        format!("export LD_PRELOAD='{}' HALOD_SOAK_FAULTS='{}'", library.display(), control.display())
    }

    /// From now on these fail, and no others.
    pub fn set(&self, faults: &[(&str, PathBuf)]) {
        let lines = faults.iter().map(|(kind, path)| format!("{kind} {}\n", path.display()));
        let mut text = lines.collect::<String>().into_bytes();
        assert!(text.len() < LENGTH);
        text.resize(LENGTH, 0);
        self.control.write_all_at(&text, 0).unwrap();
    }
}

fn library(dir: &Path) -> PathBuf {
    dir.join("faults.so")
}

fn control(dir: &Path) -> PathBuf {
    dir.join("faults")
}
