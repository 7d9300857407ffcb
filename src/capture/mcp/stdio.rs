//! Between the standard streams of a client and those of a server that it starts.
//!
//! The client sees what it would see of the server itself: the same bytes, the same ends of streams, the same exit code. The
//! server's standard error is the client's own.

use super::Observed;
use super::gather::Lines;
use super::recorder::{Tap, Tell, Watch};
use crate::clock;
use bytes::Bytes;
use halo_adapters::mcp::{Budget, Observer, Seen, Side};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::Builder as Thread;
use std::time::Duration;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

pub const TRANSPORT: &str = "stdio";

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// How long a server that has ended may leave its output to others who say nothing.
const QUIET: Duration = Duration::from_secs(1);

/// Why the server is not run.
#[derive(Debug, Error)]
pub enum StdioError {
    #[error("{} can't be started: {error}", .command.display())]
    Start { command: OsString, error: io::Error },
    #[error("the standard streams can't be used: {0}")]
    Streams(io::Error),
}

impl StdioError {
    /// As shells have it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start { error, .. } if error.kind() == ErrorKind::NotFound => 127,
            Self::Start { .. } => 126,
            Self::Streams(_) => 1,
        }
    }
}

/// Some bytes that have passed.
#[derive(Debug)]
pub struct Chunk {
    from: Side,
    at: u64,
    bytes: Bytes,
    /// How many passed before them without being told.
    missed: u64,
}

/// Makes messages of chunks.
#[derive(Debug)]
pub struct Watched {
    observer: Observer,
    client: Lines,
    server: Lines,
}

impl Watched {
    #[must_use]
    pub fn new(observed: &Observed) -> Self {
        let observer = Observer::new(observed.session(TRANSPORT, 0, None), Budget::default());
        Self { observer, client: Lines::default(), server: Lines::default() }
    }
}

impl Watch for Watched {
    type Item = Chunk;

    fn take(&mut self, Chunk { from, at, bytes, missed }: Chunk, tell: &mut Tell<'_>) {
        let Self { observer, client, server } = self;
        let lines = match from {
            Side::Client => client,
            Side::Server => server,
        };
        if missed > 0 {
            lines.miss();
            observer.miss(missed);
        }
        lines.push(&bytes, |line| {
            observer.see(Seen { from, scope: 0, at, message: line.message() }, tell);
        });
        observer.tick(at, tell);
    }

    fn tick(&mut self, at: u64, tell: &mut Tell<'_>) {
        self.observer.tick(at, tell);
    }

    fn end(&mut self, at: u64, tell: &mut Tell<'_>) {
        self.observer.end(at, tell);
    }
}

/// Runs the server to its end, and drops the tap when all has passed. The exit code is the server's; 128 and the signal's number
/// where one ended it.
///
/// # Errors
/// It was not run.
pub fn run(command: &[OsString], tap: Tap<Chunk>) -> Result<u8, StdioError> {
    let server = Arc::<Mutex<Option<Pid>>>::default();
    pass_signals_on(Arc::clone(&server)).map_err(StdioError::Streams)?;
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| StdioError::Streams(io::Error::new(ErrorKind::InvalidInput, "there is no command")))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| StdioError::Start { command: program.clone(), error })?;
    let pid = Pid::from_child(&child);
    if let Ok(mut place) = server.lock() {
        *place = Some(pid);
    }
    let (input, output) = own_streams().map_err(StdioError::Streams)?;
    let moved = Arc::<AtomicU64>::default();
    if let Some(to) = child.stdin.take() {
        let way = Way { from: input, to: File::from(std::os::fd::OwnedFd::from(to)), side: Side::Client };
        start(way, tap.clone(), Arc::default()).map_err(StdioError::Streams)?;
    }
    let mut ended = None;
    if let Some(from) = child.stdout.take() {
        let way = Way { from: File::from(std::os::fd::OwnedFd::from(from)), to: output, side: Side::Server };
        ended = Some(start(way, tap.clone(), Arc::clone(&moved)).map_err(StdioError::Streams)?);
    }
    drop(tap);
    // It is looked at before it is reaped, so that its number is not given to another process meanwhile.
    let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    if let Ok(mut place) = server.lock() {
        *place = None;
    }
    let status = child.wait().map_err(StdioError::Streams)?;
    if let Some(ended) = ended {
        drain(&ended, &moved);
    }
    Ok(code(status))
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}

/// This process's standard input and output, which it has in no other place from now on: closed here, they are closed.
fn own_streams() -> io::Result<(File, File)> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok((input, output))
}

/// Waits for the rest of what the server wrote. Its own children may hold its output open.
fn drain(ended: &Receiver<()>, moved: &AtomicU64) {
    let mut seen = moved.load(Ordering::Relaxed);
    while ended.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout) {
        let now = moved.load(Ordering::Relaxed);
        if now == seen {
            return;
        }
        seen = now;
    }
}

/// One direction. Both ends are closed together: whoever writes into the one learns that nobody reads the other.
struct Way {
    from: File,
    to: File,
    side: Side,
}

fn start(way: Way, tap: Tap<Chunk>, moved: Arc<AtomicU64>) -> io::Result<Receiver<()>> {
    let (end, ended) = channel();
    Thread::new().name(format!("from {:?}", way.side)).spawn(move || {
        way.pass(&tap, &moved);
        drop((way, tap));
        // Nobody may wait for it.
        let _ = end.send(());
    })?;
    Ok(ended)
}

impl Way {
    fn pass(&self, tap: &Tap<Chunk>, moved: &AtomicU64) {
        let mut buffer = vec![0; CHUNK];
        let mut missed = 0;
        while let Ok(length) = read(&self.from, &mut buffer) {
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { return };
            // Told before it is written, or an answer could be told before what it answers. That is a copy and no wait.
            let (from, at) = (self.side, clock::unix_nanos());
            let chunk = Chunk { from, at, bytes: Bytes::copy_from_slice(bytes), missed };
            if tap.offer(chunk, length) {
                missed = 0;
            } else {
                missed += length as u64;
            }
            if write(&self.to, bytes).is_err() {
                return;
            }
            moved.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Reads once; waits where the stream was made one that does not.
fn read(mut from: &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(from, PollFlags::IN)?,
            done => return done,
        }
    }
}

fn write(mut to: &File, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(to, PollFlags::OUT)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait(on: &File, until: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(on, until)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Has the server get what signals this process gets. Those of a terminal's keys it gets from the terminal.
fn pass_signals_on(server: Arc<Mutex<Option<Pid>>>) -> io::Result<()> {
    let has_terminal = io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let all = [
        (SignalKind::terminate(), Signal::TERM),
        (SignalKind::hangup(), Signal::HUP),
        (SignalKind::user_defined1(), Signal::USR1),
        (SignalKind::user_defined2(), Signal::USR2),
        (SignalKind::interrupt(), Signal::INT),
        (SignalKind::quit(), Signal::QUIT),
    ];
    let guard = runtime.enter();
    let mut streams = Vec::new();
    for (kind, as_signal) in all {
        streams.push((signal(kind)?, as_signal));
    }
    drop(guard);
    Thread::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            loop {
                let came = std::future::poll_fn(|context| {
                    let ready = streams.iter_mut().find_map(|(stream, as_signal)| {
                        stream.poll_recv(context).is_ready().then_some(*as_signal)
                    });
                    ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
                })
                .await;
                if has_terminal && matches!(came, Signal::INT | Signal::QUIT) {
                    continue;
                }
                if let Ok(place) = server.lock()
                    && let Some(pid) = *place
                {
                    // It may have ended just now.
                    let _ = kill_process(pid, came);
                }
            }
        });
    })?;
    Ok(())
}
