//! What a daemon logs to when a person starts it: a terminal, or a pipe to another program. Both can go away.

use super::halod::{BINARY, Halod, run_arguments};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

type Log = Arc<Mutex<Vec<String>>>;

/// The side that shows what is logged, until it is closed.
pub struct Shown {
    close: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Shown {
    fn of(source: OwnedFd, log: &Log) -> Self {
        fcntl_setfl(&source, OFlags::NONBLOCK).unwrap();
        let close = Arc::new(AtomicBool::new(false));
        let (closed, log) = (Arc::clone(&close), Arc::clone(log));
        let reader = std::thread::spawn(move || show(&mut File::from(source), &closed, &log));
        Self { close, reader }
    }

    /// Nothing is left of it when this returns.
    pub fn close(self) {
        self.close.store(true, SeqCst);
        self.reader.join().unwrap();
    }
}

fn show(source: &mut File, closed: &AtomicBool, log: &Log) {
    let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
    while !closed.load(SeqCst) {
        match source.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => text.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Of a terminal that nobody has open.
            Err(_) => return,
        }
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            log.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    }
}

impl Halod {
    /// Starts as a shell starts it, on a terminal that is its own: whoever closes that hangs it up. The
    /// configuration must say that it logs JSON.
    pub fn start_on_terminal(dir: &Path, config: &str) -> (Self, Shown) {
        // Nobody else may have it: it is closed when the last one closes it.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).expect("a terminal");
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let other = || {
            let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
            Stdio::from(OpenOptions::new().read(true).write(true).open(path).unwrap())
        };
        // It replaces itself by halod.
        let mut command = Command::new("setsid");
        command.args(["--ctty", BINARY]);
        run_arguments(&mut command, dir).args(["--config", config]);
        command.stdin(other()).stdout(other()).stderr(other()).env_remove("HALOD_LOG");
        let child = command.spawn().expect("the tests need setsid");
        // It holds the terminal's other side as well.
        drop(command);
        let log = Log::default();
        let shown = Shown::of(terminal, &log);
        (Self::of(child, log), shown)
    }

    /// Starts with its log in a pipe.
    pub fn start_before_pipe(dir: &Path) -> (Self, Shown) {
        let mut command = Command::new(BINARY);
        run_arguments(&mut command, dir).env_remove("HALOD_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start halod");
        let log = Log::default();
        let shown = Shown::of(child.stderr.take().unwrap().into(), &log);
        (Self::of(child, log), shown)
    }
}
