//! A disk that a test can fill.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, small enough to fill.
pub struct Small {
    dir: tempfile::TempDir,
}

impl Small {
    /// `None` where mounting isn't allowed. In CI that is a failure: what isn't run isn't known.
    pub fn mount(mib: u32) -> Option<Self> {
        Self::mount_with(&format!("size={mib}m"))
    }

    /// One that has room for so many files and directories.
    pub fn mount_of_files(files: u32) -> Option<Self> {
        Self::mount_with(&format!("size=64m,nr_inodes={files}"))
    }

    fn mount_with(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("{size},mode=750");
        let out =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "halod-test"]).arg(dir.path()).output();
        match out {
            Ok(out) if out.status.success() => Some(Self { dir }),
            out => {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "the disk tests need root, to mount a tmpfs: {out:?}"
                );
                println!("NOT RUN: this needs root, to mount a tmpfs: {out:?}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves `mib` MiB free.
    pub fn fill_up_to(&self, mib: u64) {
        let mut ballast = File::create(self.ballast()).unwrap();
        loop {
            let free = rustix::fs::statvfs(self.path()).unwrap();
            let free = free.f_bavail * free.f_frsize;
            let piece = free.saturating_sub(mib << 20).min(1 << 20);
            // Whoever writes at the same time may have been first.
            match ballast.write_all(&vec![1; usize::try_from(piece).unwrap()]) {
                Ok(()) if piece > 0 => {}
                Ok(()) => return,
                Err(error) => return assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}"),
            }
        }
    }

    /// Leaves room for no file.
    pub fn fill_with_files(&self) {
        fs::create_dir(self.ballast()).unwrap();
        for number in 0.. {
            match File::create(self.ballast().join(format!("{number}"))) {
                Ok(_) => {}
                Err(error) => return assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}"),
            }
        }
    }

    pub fn remove_files(&self) {
        fs::remove_dir_all(self.ballast()).unwrap();
    }

    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}
