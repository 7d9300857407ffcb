//! Asking the daemon of a directory, over the socket that it has there for halod's own verbs.

use crate::telemetry::control::SOCKET;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes of an answer that is read whole.
const MOST: u64 = 16 << 20;

/// Asks, and waits for the head of the answer for as long as that takes; `patience` is for its bytes.
///
/// # Errors
/// Nobody answers there, or not as halod does.
pub(super) fn ask(
    directory: &Path,
    method: &str,
    path: &str,
    patience: Option<Duration>,
) -> io::Result<(u16, BufReader<UnixStream>)> {
    let mut stream = UnixStream::connect(directory.join(SOCKET))?;
    stream.set_read_timeout(patience)?;
    // An answer to HTTP/1.0 comes as it is, and ends with the connection.
    stream.write_all(format!("{method} {path} HTTP/1.0\r\nhost: halod\r\n\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.by_ref().take(4096).read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("what answers there is not halod"))?;
    while line.trim_end() != "" {
        line.clear();
        if reader.by_ref().take(64 << 10).read_line(&mut line)? == 0 {
            break;
        }
    }
    Ok((status, reader))
}

/// The same, with an answer that is read whole.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_whole(
    directory: &Path,
    method: &str,
    path: &str,
    patience: Option<Duration>,
) -> io::Result<(u16, String)> {
    let (status, reader) = ask(directory, method, path, patience)?;
    let mut text = String::new();
    reader.take(MOST).read_to_string(&mut text)?;
    Ok((status, text))
}

/// Why the daemon of a directory can't be asked, and what to do.
pub(super) fn unreachable(directory: &Path, error: &io::Error) -> String {
    let shown = directory.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no halod runs on {shown}; name its directory with --dir, or its --config")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            format!("the halod of {shown} answers its own user and root only: {error}")
        }
        _ => format!("the halod of {shown} can't be asked: {error}"),
    }
}
