//! `halod mcp`: a proxy that records what passes between a client and a server of the Model Context Protocol.

use super::output::{FAILED, OK, USAGE, complain};
use crate::auth;
use crate::capture::mcp::recorder::{Place, Recorder, check};
use crate::capture::mcp::{Observed, http, stdio};
use crate::net::web::WebPolicy;
use crate::spool::{DEFAULT_DIRECTORY, DIRECTORY};
use crate::tee::settings::Target;
use halod_record::hash::hex_text;
use halod_record::tenant::Tenant;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How long what passed last may take to be recorded, once all has passed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Record what passes between an MCP client and an MCP server, from between them
///
/// With a COMMAND the server is started, and spoken to by standard input and output: put `halod mcp --` before it in the client's
/// settings. With --listen and --to, requests over HTTP (Streamable HTTP, and the older HTTP with SSE) go to a server's URL. Bytes
/// pass unchanged; each call of a tool, read resource, prompt, sampling and elicitation becomes a record whose
/// `source.capture` is `captured`. It goes to the halod of the directory, or waits in its spool, masked by its rules. A halod that
/// is away or slow holds nothing up. docs/mcp.md says what each message becomes, LIMITS.md what can be lost.
///
/// Exit code: with a COMMAND the server's (128 and a signal's number where one ended it), 127 or 126 if it can't be started; else
/// 0. 1 if it can't begin, 2 for wrong usage.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["command", "listen"]))]
pub(super) struct Args {
    /// Where halod keeps its chains [default: $HALOD_DIR, or ./records as halod itself]
    #[arg(long, short, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Whose records they are: the tenant's id [default: $HALOD_SUBJECT, or none]
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// The server's name in records, in place of the one that it gives itself
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Don't begin where records could neither be sent nor kept
    #[arg(long)]
    strict: bool,
    /// Take requests over HTTP here: HOST:PORT, or a port of this machine alone
    #[arg(long, value_name = "ADDR", requires = "to")]
    listen: Option<String>,
    /// The server's URL, as clients have it
    #[arg(long, value_name = "URL", requires = "listen")]
    to: Option<Target>,
    /// Authorities to trust for that URL, in PEM, in the system's place
    #[arg(long, value_name = "FILE", requires = "listen")]
    ca_file: Option<PathBuf>,
    /// Web pages that may ask here, like https://app.example.com
    #[arg(long, value_name = "ORIGIN", requires = "listen")]
    allow_origin: Vec<String>,
    /// Names by which clients ask here, beside addresses and local ones
    #[arg(long, value_name = "HOST", requires = "listen")]
    allow_host: Vec<String>,
    /// The server's program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let (place, observed) = match (self.place(), self.observed()) {
            (Ok(place), Ok(observed)) => (place, observed),
            (Err(why), _) | (_, Err(why)) => return fail(why, USAGE),
        };
        if let Err(why) = check(&place) {
            if self.strict {
                return fail(why, FAILED);
            }
            complain(format_args!("nothing that passes has a record for now: {why}"));
        }
        match (self.listen.as_deref().map(address), self.to) {
            (None, _) | (_, None) => Self::over_stdio(&self.command, &observed, place),
            (Some(Err(why)), _) => fail(why, USAGE),
            (Some(Ok(listen)), Some(to)) => {
                let web = WebPolicy { origins: self.allow_origin, hosts: self.allow_host };
                let settings = http::Settings { listen, to, ca_file: self.ca_file, web };
                Self::over_http(settings, observed, place)
            }
        }
    }

    fn place(&self) -> Result<Place, String> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let directory = self.dir.clone().or_else(|| set(DIRECTORY).map(PathBuf::from));
        let subject = self.subject.clone().or_else(|| set("HALOD_SUBJECT")?.into_string().ok());
        let tenant = match subject.as_deref().map(Tenant::claimed) {
            None => Tenant::Local,
            Some(Ok(tenant)) => tenant,
            Some(Err(why)) => return Err(format!("the subject can't be a tenant's id: {why}")),
        };
        Ok(Place { directory: directory.unwrap_or_else(|| DEFAULT_DIRECTORY.into()), tenant })
    }

    fn observed(&self) -> Result<Observed, String> {
        let run: [u8; 8] = auth::random()?;
        Ok(Observed { run: hex_text(&run), server: self.name.clone() })
    }

    fn over_stdio(command: &[OsString], observed: &Observed, place: Place) -> ExitCode {
        let (tap, recorder) = match Recorder::start(stdio::Watched::new(observed), place) {
            Ok(started) => started,
            Err(error) => return fail(format_args!("the system gives no thread: {error}"), FAILED),
        };
        let code = match stdio::run(command, tap) {
            Ok(code) => code,
            Err(error) => return fail(&error, error.exit_code()),
        };
        finish(recorder);
        code.into()
    }

    fn over_http(settings: http::Settings, observed: Observed, place: Place) -> ExitCode {
        let (tap, recorder) = match Recorder::start(http::watch::Watched::new(observed), place) {
            Ok(started) => started,
            Err(error) => return fail(format_args!("the system gives no thread: {error}"), FAILED),
        };
        if !settings.listen.ip().is_loopback() {
            complain("others on the network can use this proxy, and what they send it is not encrypted");
        }
        let (to, path) = (settings.to.to_string(), settings.to.path.clone());
        let ready = |address: SocketAddr| {
            complain(format_args!("clients of {to} are to ask http://{address}{path}"));
        };
        let ended = http::run(settings, tap, ready);
        finish(recorder);
        match ended {
            Ok(()) => OK.into(),
            Err(error) => fail(error, FAILED),
        }
    }
}

/// What passed is not held up by what is not recorded, but told of.
fn finish<T: Send + 'static>(recorder: Recorder<T>) {
    if let Err(why) = recorder.finish(PATIENCE) {
        complain(why);
    }
}

fn fail(why: impl std::fmt::Display, code: u8) -> ExitCode {
    complain(why);
    code.into()
}

/// A port alone is one of the loopback address.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let addresses = text.to_socket_addrs();
    let first = addresses.ok().and_then(|mut addresses| addresses.next());
    first.ok_or_else(|| format!("--listen {text}: must be HOST:PORT, or a port"))
}
