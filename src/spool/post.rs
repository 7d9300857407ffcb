//! One request to the daemon's socket, without a runtime: making one would take longer than the request.

use super::PATH;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Bytes of an answer that are read.
const ANSWER: u64 = 64 << 10;

/// What the daemon answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Sealed,
    /// Sending it again would change nothing.
    Refused(String),
    /// Nobody answered, or whoever did can't take it now.
    None,
}

/// Posts lines and waits for the answer. A request whose answer is not waited for may be sealed all the same.
pub(super) fn post(socket: &Path, lines: &[u8], patience: Duration) -> Answer {
    let (tell, told) = mpsc::channel();
    let (socket, lines) = (socket.to_owned(), lines.to_vec());
    // Connecting to a socket whose queue is full takes as long as it takes.
    let asked = std::thread::Builder::new().name("post".into()).spawn(move || {
        let answer = ask(&socket, &lines, patience).unwrap_or(Answer::None);
        // Nobody may listen any more.
        let _ = tell.send(answer);
    });
    match asked {
        Ok(_) => told.recv_timeout(patience).unwrap_or(Answer::None),
        Err(_) => Answer::None,
    }
}

fn ask(socket: &PathBuf, lines: &[u8], patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: halod\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        lines.len()
    );
    stream.write_all(&[head.as_bytes(), lines].concat())?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer)?;
    Ok(read(&answer))
}

/// By the status line; the body of a refusal says why.
fn read(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
    match status {
        "200" => Answer::Sealed,
        "400" | "413" => {
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let said: Option<serde_json::Value> = serde_json::from_str(body).ok();
            let said = said.as_ref().and_then(|said| said["error"].as_str());
            Answer::Refused(said.unwrap_or("it does not say why").to_owned())
        }
        _ => Answer::None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    #[test]
    fn answers_are_read_by_their_status() {
        let refused = "HTTP/1.1 400 Bad Request\r\nx: y\r\n\r\n{\"error\":\"no record\"}";
        for (answer, read_as) in [
            ("HTTP/1.1 200 OK\r\n\r\n{}", Answer::Sealed),
            (refused, Answer::Refused("no record".into())),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n{}", Answer::None),
            ("HTTP/1.1 404 Not Found\r\n\r\n", Answer::None),
            ("HTTP/1.1 20", Answer::None),
            ("", Answer::None),
            ("SSH-2.0", Answer::None),
        ] {
            assert_eq!(read(answer.as_bytes()), read_as, "{answer}");
        }
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("silent.sock");
        assert_eq!(post(&path, b"x", Duration::from_secs(60)), Answer::None);
        let silent = UnixListener::bind(&path).unwrap();
        let before = Instant::now();
        assert_eq!(post(&path, b"x", Duration::from_millis(50)), Answer::None);
        assert!(before.elapsed() < Duration::from_secs(30));
        drop(silent);
        assert_eq!(post(&path, b"x", Duration::from_secs(60)), Answer::None);
    }
}
