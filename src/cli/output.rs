//! What every verb shares: exit codes, and writing that survives a closed pipe.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

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
