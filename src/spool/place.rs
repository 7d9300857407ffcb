//! The spool's files: appended to by many processes at once, taken by the daemon.
//!
//! Who appends holds the file's lock (`flock`), and so does the daemon while it gives the file another name; whoever
//! waited meanwhile sees that its file has gone, and begins the next. A line is synced before its lock is given back.
//! Nothing is followed that is a link, and nothing is used that another user owns or others may change.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Bytes of one file of the spool: some hundred thousand records.
pub const MOST: u64 = 256 << 20;

/// How long another's lock is waited for before a file of one's own is begun.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often a file may go while its lock is waited for.
const TRIES: usize = 100;

const OURS: &str = ".halod";
const FOLDER: &str = "spool";
const FILE: &str = "spool.jsonl";
const TAKEN: &str = "taken-";

/// Who may change what is not its owner's alone to change.
const OTHERS_WRITE: u32 = 0o022;

/// Why records can neither be sent nor kept.
#[derive(Debug, Error)]
pub enum SpoolError {
    #[error(
        "no halod has run in {} yet, so its rules of redaction are not known: start it there, or name its directory \
         (--dir, HALOD_DIR)", .0.display()
    )]
    NoDaemon(PathBuf),
    #[error("{} {what}: nothing is sent or kept there", .path.display())]
    NotOurs { path: PathBuf, what: String },
    #[error("{} has {MOST} bytes that wait for halod to start: nothing more is kept", .0.display())]
    Full(PathBuf),
    #[error("{} can't be used: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("halod refuses the record: {0}")]
    Refused(String),
}

/// The spool of a directory, its folder open.
#[derive(Debug)]
pub struct Place {
    folder: File,
    /// `.halod`.
    ours: PathBuf,
}

/// A file that the daemon has taken, which nobody appends to any more.
#[derive(Debug)]
pub struct Taken {
    pub name: String,
    pub file: File,
}

impl Place {
    /// Opens the spool that a daemon has made.
    ///
    /// # Errors
    /// There is none, or it is not this user's alone.
    pub fn open(directory: &Path) -> Result<Self, SpoolError> {
        Self::at(directory, false)
    }

    /// The same, made where it is missing.
    ///
    /// # Errors
    /// It is not this user's alone, or can't be made.
    pub fn make(directory: &Path) -> Result<Self, SpoolError> {
        Self::at(directory, true)
    }

    fn at(directory: &Path, make: bool) -> Result<Self, SpoolError> {
        let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let path = absolute.join(OURS);
        let failed = |path: &Path, error: Errno| match error {
            Errno::NOENT if !make => SpoolError::NoDaemon(absolute.clone()),
            Errno::LOOP | Errno::NOTDIR => {
                let what = "is a link or no directory".to_owned();
                SpoolError::NotOurs { path: path.to_owned(), what }
            }
            error => SpoolError::Io { path: path.to_owned(), error: error.into() },
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent =
            rustix::fs::open(&absolute, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| failed(&absolute, error))?;
        let open = |of: &dyn std::os::fd::AsFd, name: &str, mode: u32, path: &Path| {
            if make {
                match rustix::fs::mkdirat(of.as_fd(), name, Mode::from_raw_mode(mode)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(path, error)),
                }
            }
            let folder = rustix::fs::openat(of.as_fd(), name, flags, Mode::empty());
            let folder = folder.map_err(|error| failed(path, error))?;
            let stat = rustix::fs::fstat(&folder).map_err(|error| failed(path, error))?;
            is_ours(path, &stat)?;
            Ok(folder)
        };
        let ours = open(&parent, OURS, 0o750, &path)?;
        let folder = open(&ours, FOLDER, 0o700, &path.join(FOLDER))?;
        Ok(Self { folder: folder.into(), ours: path })
    }

    /// `.halod`, which is this user's.
    #[must_use]
    pub fn ours(&self) -> &Path {
        &self.ours
    }

    fn path(&self, name: &str) -> PathBuf {
        self.ours.join(FOLDER).join(name)
    }

    fn io(&self, name: &str) -> impl Fn(io::Error) -> SpoolError + use<> {
        let path = self.path(name);
        move |error| SpoolError::Io { path: path.clone(), error }
    }

    fn open_file(&self, name: &str, make: bool) -> Result<File, SpoolError> {
        let mut flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if make {
            flags |= OFlags::CREATE;
        }
        let path = self.path(name);
        let file = rustix::fs::openat(&self.folder, name, flags, Mode::from_raw_mode(0o600));
        let file = file.map_err(|error| match error {
            Errno::LOOP => SpoolError::NotOurs { path: path.clone(), what: "is a symbolic link".into() },
            error => SpoolError::Io { path: path.clone(), error: error.into() },
        })?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.io(name)(error.into()))?;
        is_ours(&path, &stat)?;
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink > 1 => Some("has a second name"),
            FileType::RegularFile => None,
            _ => Some("is no file"),
        };
        match what {
            Some(what) => Err(SpoolError::NotOurs { path, what: what.into() }),
            None => Ok(file.into()),
        }
    }

    /// Whether a file still has its name.
    fn is_still(&self, name: &str, file: &File) -> bool {
        let now = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let own = rustix::fs::fstat(file);
        matches!((now, own), (Ok(now), Ok(own)) if (now.st_dev, now.st_ino) == (own.st_dev, own.st_ino))
    }

    /// Keeps whole lines: they are on disk when this returns.
    ///
    /// # Errors
    /// They are not.
    pub fn append(&self, lines: &[u8]) -> Result<(), SpoolError> {
        let until = Instant::now() + PATIENCE;
        for _ in 0..TRIES {
            let file = self.open_file(FILE, true)?;
            if !lock(&file, until).map_err(self.io(FILE))? {
                break;
            }
            if self.is_still(FILE, &file) {
                return self.write(FILE, file, lines);
            }
        }
        // Somebody keeps the lock, or the file goes again and again.
        let name = format!("spool-{}.jsonl", unique());
        let file = self.open_file(&name, true)?;
        self.write(&name, file, lines)
    }

    fn write(&self, name: &str, mut file: File, lines: &[u8]) -> Result<(), SpoolError> {
        let before = file.metadata().map_err(self.io(name))?.len();
        if before + lines.len() as u64 > MOST {
            return Err(SpoolError::Full(self.path(name)));
        }
        let whole = whole(&mut file, before).map_err(self.io(name))?;
        let lines = if whole { lines.to_vec() } else { [b"\n", lines].concat() };
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        written.map_err(|error| {
            // Half a line would be told as damage.
            let _ = file.set_len(before);
            self.io(name)(error)
        })
    }

    /// Takes what was appended so far out of the way of who appends, and lists all that was taken, the oldest first.
    ///
    /// # Errors
    /// The folder can't be read, or nothing in it was taken and something can't be.
    pub fn take(&self) -> Result<Vec<String>, SpoolError> {
        let failed = |error: Errno| self.io("")(error.into());
        let (mut taken, mut wrong) = (Vec::new(), None);
        for entry in rustix::fs::Dir::read_from(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with(TAKEN) {
                taken.push(name.to_owned());
            } else if name.starts_with(FOLDER) && name.ends_with(".jsonl") {
                match self.rename(name) {
                    Ok(name) => taken.extend(name),
                    Err(error) => wrong = Some(error),
                }
            }
        }
        taken.sort();
        wrong.filter(|_| taken.is_empty()).map_or(Ok(taken), Err)
    }

    fn rename(&self, name: &str) -> Result<Option<String>, SpoolError> {
        let file = self.open_file(name, false)?;
        let busy = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(self.io(name)(error)),
        };
        if busy || file.metadata().map_err(self.io(name))?.len() == 0 {
            return Ok(None);
        }
        let taken = format!("{TAKEN}{}", unique());
        rustix::fs::renameat(&self.folder, name, &self.folder, &taken)
            .map_err(|error| self.io(name)(error.into()))?;
        Ok(Some(taken))
    }

    /// Opens a file that was taken.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open_taken(&self, name: &str) -> Result<Taken, SpoolError> {
        Ok(Taken { name: name.to_owned(), file: self.open_file(name, false)? })
    }

    /// Removes a file of which everything is sealed.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, name: &str) -> Result<(), SpoolError> {
        rustix::fs::unlinkat(&self.folder, name, AtFlags::empty())
            .map_err(|error| self.io(name)(error.into()))
    }

    /// Puts the rules by which records are masked in the place of those before.
    ///
    /// # Errors
    /// They can't be written.
    pub fn write_rules(&self, text: &str) -> Result<(), SpoolError> {
        const NEW: &str = "rules.new";
        let mut file = self.open_file(NEW, true)?;
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_all())
            .map_err(self.io(NEW))?;
        rustix::fs::renameat(&self.folder, NEW, &self.folder, "rules.yaml")
            .map_err(|error| self.io(NEW)(error.into()))
    }
}

fn is_ours(path: &Path, stat: &Stat) -> Result<(), SpoolError> {
    let own = rustix::process::geteuid().as_raw();
    let what = if stat.st_uid != own {
        format!("belongs to another user (uid {}, and this is uid {own})", stat.st_uid)
    } else if stat.st_mode & OTHERS_WRITE != 0 {
        "can be changed by others; chmod go-w".to_owned()
    } else {
        return Ok(());
    };
    Err(SpoolError::NotOurs { path: path.to_owned(), what })
}

/// Whether the lock was had in time.
fn lock(file: &File, until: Instant) -> io::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Whether a file ends with a line feed, or has nothing yet.
fn whole(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

/// A name that no other process gives, and that sorts by time.
fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{:020}-{}-{number}", crate::clock::unix_nanos(), std::process::id())
}
