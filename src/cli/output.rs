//! What every verb shares: exit codes, and writing that survives a closed pipe.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tempfile::NamedTempFile;

/// The verb did what it was asked and found nothing wrong.
pub(super) const OK: u8 = 0;
/// The verb worked and found something, or the daemon failed.
pub(super) const FAILED: u8 = 1;
/// Wrong usage, configuration or input.
pub(super) const USAGE: u8 = 2;
/// There is nothing to attest.
pub(super) const EMPTY: u8 = 3;
/// The shell's code for a process that a second signal ended: 128 + SIGINT.
pub(super) const INTERRUPTED: u8 = 130;

/// The file on standard input, where a path is `-` or names what can't be read twice (a pipe): kept on disk, in TMPDIR,
/// for as long as it is needed. `None` where the path can be read as often as need be.
pub(super) fn spooled(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let mut source: Box<dyn io::Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let kind = path.metadata()?.file_type();
        if kind.is_file() || kind.is_dir() {
            return Ok(None);
        }
        Box::new(File::open(path)?)
    };
    let mut kept = NamedTempFile::new()?;
    io::copy(&mut source, &mut kept)?;
    kept.flush()?;
    Ok(Some(kept))
}

/// Prints a line of data on standard output.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Prints what went wrong on standard error, each line after the program's name. Nobody is left to
/// tell when that fails.
pub(super) fn complain(error: impl Display) {
    let mut stderr = io::stderr().lock();
    for line in error.to_string().lines() {
        let _ = writeln!(stderr, "halod: {line}");
    }
}

/// The exit code of a verb that writes to standard output. A reader that had enough and closed the
/// pipe, like `head`, is a success.
pub(super) fn finish(result: io::Result<u8>) -> ExitCode {
    let flushed = result.and_then(|code| io::stdout().flush().map(|()| code));
    match flushed {
        Ok(code) => code.into(),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => OK.into(),
        Err(error) => {
            complain(format_args!("can't write to standard output: {error}"));
            FAILED.into()
        }
    }
}
