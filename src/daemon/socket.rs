//! A Unix socket's file: made, taken over from the dead, and given back.
//!
//! A socket's file outlives whoever listened on it, and the next start finds it in the way. It is
//! removed when it is a socket that nobody answers; anything else stays where it is.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use tokio::net::{UnixSocket, UnixStream};

use crate::net::socket::Socket;

/// Who may connect: halod's user and group.
pub(super) const MODE: u32 = 0o660;

/// Who may connect where only halod's own user should.
pub(super) const PRIVATE: u32 = 0o600;

/// Connections that may wait to be accepted; the system's own limit is often lower.
const BACKLOG: u32 = 1024;

/// Listens at `path`, with a file of `mode`. The file is removed when the socket is dropped.
///
/// # Errors
/// Somebody listens there, something that is no socket is there, or what the system says.
pub(super) async fn bind(path: &Path, mode: u32) -> Result<Socket> {
    let directory = open_directory(path)?;
    // Between finding nobody and listening, another halod must not do the same.
    match directory.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::new(ErrorKind::ResourceBusy, "another program is starting there; try again"));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if is_stale(path).await? {
        tracing::info!(path = %path.display(), "the socket of a program that is gone is replaced");
        // This removes the name and never what a symbolic link points to.
        fs::remove_file(path)?;
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile::new(path)?;
    // Nobody can connect before it listens, so nobody gets in by the mode that the umask gave it.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(Socket::Unix(Box::new(file), socket.listen(BACKLOG)?))
}

/// Whether [`bind`] would work, without making or removing anything.
///
/// # Errors
/// What [`bind`] would say.
pub(super) async fn check(path: &Path) -> Result<()> {
    open_directory(path)?;
    is_stale(path).await.map(drop)
}

fn open_directory(path: &Path) -> Result<File> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let explain = |error: Error| {
        let how = match error.kind() {
            ErrorKind::NotFound => "; make it first (systemd: RuntimeDirectory=)",
            ErrorKind::PermissionDenied => "; give this user access to it, or choose another",
            _ => "",
        };
        Error::new(error.kind(), format!("the directory {}: {error}{how}", directory.display()))
    };
    access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| explain(error.into()))?;
    File::open(directory).map_err(explain)
}

/// Whether the socket of somebody who is gone is at `path`; `false` when nothing is.
async fn is_stale(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            let what = "something is there that is no socket; halod removes nothing but sockets";
            return Err(Error::new(ErrorKind::AlreadyExists, what));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        // A full queue is somebody's.
        Ok(_) => Err(in_use()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(in_use()),
        Err(error) => {
            Err(Error::new(error.kind(), format!("it can't be told whether somebody listens there: {error}")))
        }
    }
}

fn in_use() -> Error {
    Error::new(ErrorKind::AddrInUse, "another program listens there; stop it, or choose another path")
}

/// The file of a socket that is open.
#[derive(Debug)]
struct SocketFile {
    /// Absolute, wherever the process goes.
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> Result<Self> {
        Ok(Self { identity: identity(path)?, path: std::path::absolute(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another one may have taken its place, if somebody removed it meanwhile.
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket can't be removed");
        }
    }
}

fn identity(path: &Path) -> Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("otlp.sock");
        (directory, path)
    }

    async fn said(path: &Path) -> String {
        let said = bind(path, MODE).await.unwrap_err().to_string();
        assert_eq!(check(path).await.unwrap_err().to_string(), said);
        said
    }

    #[tokio::test]
    async fn a_socket_is_for_user_and_group_and_goes_with_its_listener() {
        let (_directory, path) = place();
        check(&path).await.unwrap();
        assert!(!path.exists(), "checking makes nothing");
        let socket = bind(&path, MODE).await.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
        UnixStream::connect(&path).await.unwrap();
        socket.accept().await.unwrap();
        drop(socket);
        assert!(fs::symlink_metadata(&path).is_err());
    }

    #[tokio::test]
    async fn the_dead_are_replaced_and_the_living_are_not() {
        let (_directory, path) = place();
        drop(UnixListener::bind(&path).unwrap());
        check(&path).await.unwrap();
        assert!(path.exists(), "checking removes nothing");
        let living = bind(&path, MODE).await.unwrap();
        assert_eq!(said(&path).await, "another program listens there; stop it, or choose another path");
        UnixStream::connect(&path).await.unwrap();
        drop(living);
    }

    #[tokio::test]
    async fn nothing_but_a_socket_is_removed() {
        let (directory, path) = place();
        let target = directory.path().join("target");
        let sentence = "something is there that is no socket; halod removes nothing but sockets";
        fs::write(&target, "precious").unwrap();
        fs::write(&path, "a file").unwrap();
        assert_eq!(said(&path).await, sentence);
        fs::remove_file(&path).unwrap();
        let stale = directory.path().join("stale.sock");
        drop(UnixListener::bind(&stale).unwrap());
        for to in [&target, &stale] {
            symlink(to, &path).unwrap();
            assert_eq!(said(&path).await, sentence);
            fs::remove_file(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
        assert_eq!(said(&path).await, sentence);
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(stale.exists());
    }

    #[tokio::test]
    async fn what_took_its_place_stays() {
        let (_directory, path) = place();
        let socket = bind(&path, MODE).await.unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(other);
    }

    #[tokio::test]
    async fn a_missing_directory_is_named() {
        let (directory, _) = place();
        let path = directory.path().join("run/otlp.sock");
        let named = directory.path().join("run");
        let said = said(&path).await;
        assert!(said.starts_with(&format!("the directory {}: ", named.display())), "{said}");
        assert!(said.ends_with("make it first (systemd: RuntimeDirectory=)"), "{said}");
    }

    #[tokio::test]
    async fn two_starts_at_once_do_not_take_each_others_socket() {
        let (directory, path) = place();
        let other = File::open(directory.path()).unwrap();
        other.try_lock().unwrap();
        assert_eq!(
            bind(&path, MODE).await.unwrap_err().to_string(),
            "another program is starting there; try again"
        );
        drop(other);
        bind(&path, MODE).await.unwrap();
    }
}
