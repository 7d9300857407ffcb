//! `halod status`: how a running daemon is.

use super::healthcheck;
use super::output::{FAILED, OK, USAGE, complain, finish, line};
use super::{local, run};
use crate::config::Config;
use serde_json::Value;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// For each part of the answer.
const WAIT: Duration = Duration::from_secs(5);

/// Show how a running daemon is: whether it takes what is sent, what it sealed, and what needs somebody
///
/// Asks over the socket in its directory, which answers halod's own user and root; where that is out of reach, the admin
/// port of this configuration. Exit code: 0 it takes what is sent and nothing needs anybody; 1 something does, which is said
/// in the lines that begin with `!`, or nobody answers; 2 the configuration can't be used.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Print the daemon's answer, one JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let config = match self.settings.settings() {
            Ok(config) => config,
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        let text = match ask(&config) {
            Ok(text) => text,
            Err(what) => {
                complain(what);
                return FAILED.into();
            }
        };
        let Ok(status) = serde_json::from_str::<Value>(&text) else {
            complain("what answers there is not halod");
            return FAILED.into();
        };
        let needs = needs(&status);
        let code = if needs.is_empty() { OK } else { FAILED };
        let shown = if self.json { text.trim().to_owned() } else { page(&status, &needs) };
        finish(line(shown).map(|()| code))
    }
}

fn ask(config: &Config) -> Result<String, String> {
    let directory = &config.storage.directory;
    let first = match local::ask_whole(directory, "GET", "/status", Some(WAIT)) {
        Ok((200, text)) => return Ok(text),
        Ok((status, text)) => io::Error::other(format!("it answers {status}, {}", text.trim())),
        Err(error) => error,
    };
    match healthcheck::ask(&config.admin, config.admin_tls.as_ref(), "/status") {
        Ok((200, text)) => Ok(text),
        Ok((status, text)) => Err(format!("{}/status: {status}, {}", config.admin, text.trim())),
        Err(error) => {
            Err(format!("{}\n{}/status: {error}", local::unreachable(directory, &first), config.admin))
        }
    }
}

/// What needs somebody, in sentences.
fn needs(status: &Value) -> Vec<String> {
    let at = |path: &str| status.pointer(path);
    let list = |path: &str| at(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut needs = Vec::new();
    for reason in list("/not_ready_reasons") {
        needs.push(match reason.as_str().unwrap_or_default() {
            "starting" => "halod is starting: nothing is accepted yet".to_owned(),
            "disk_low" => {
                "the disk is nearly full: nothing is accepted (storage.min_free_disk_mib)".to_owned()
            }
            "draining" => "halod is stopping, or takes over another configuration".to_owned(),
            "poisoned" => "a write failed: nothing is accepted; see the log, a restart recovers".to_owned(),
            other => other.to_owned(),
        });
    }
    if let Some(seconds) = at("/full_seconds").and_then(Value::as_u64) {
        needs.push(format!("there has been no room for {seconds} s (pipeline.max_in_flight_mib)"));
    }
    if let Some(chains) = at("/set_aside/chains").and_then(Value::as_u64).filter(|chains| *chains > 0) {
        needs.push(format!(
            "chains that can't be had, whose tenants are refused: {chains}; --json names them"
        ));
    }
    for damage in list("/journal_damage") {
        needs.push(format!("the journal was damaged: {}", damage.as_str().unwrap_or_default()));
    }
    for alarm in list("/log/alarms") {
        let text = |key: &str| alarm.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        needs.push(format!("the signed log contradicts the chain {}: {}", text("chain"), text("why")));
    }
    for (path, what) in [("/log/halted", "nothing is signed"), ("/log/failure", "signing failed")] {
        if let Some(why) = at(path).and_then(Value::as_str) {
            needs.push(format!("{what}: {why}"));
        }
    }
    for witness in list("/log/witnesses") {
        if let Some(failure) = witness.get("failure").and_then(Value::as_str) {
            let name = witness.get("witness").and_then(Value::as_str).unwrap_or_default();
            needs.push(format!("the witness {name}: {failure}"));
        }
    }
    for problem in list("/configuration/problems") {
        let problem = problem.as_str().unwrap_or_default();
        needs.push(format!("the configuration that was read last does not hold: {problem}"));
    }
    needs
}

/// The status for a person.
fn page(status: &Value, needs: &[String]) -> String {
    let text = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let ready = status.pointer("/ready").and_then(Value::as_bool).unwrap_or_default();
    let up = number("/uptime_seconds");
    let mut lines = vec![format!(
        "halod {}, process {}, up {}: {}",
        text("/version"),
        number("/pid"),
        age(up),
        if ready { "takes what is sent" } else { "takes nothing" }
    )];
    lines.extend(needs.iter().map(|need| format!("! {need}")));
    let listening = status.pointer("/listening").and_then(Value::as_object);
    let doors: Vec<_> = listening
        .into_iter()
        .flatten()
        .map(|(name, address)| format!("{name} {}", address.as_str().unwrap_or_default()))
        .collect();
    lines.push(format!("listening      {}", doors.join(", ")));
    lines.push(format!("directory      {}", text("/directory")));
    lines.push(format!(
        "since start    {} records sealed in {} commits, {} duplicates, {} conflicts",
        number("/records/sealed"),
        number("/commits"),
        number("/records/duplicate"),
        number("/records/conflict")
    ));
    lines.push(format!("chains         {}", number("/chains")));
    if let Some(unread) = status.pointer("/unread/chains").and_then(Value::as_u64) {
        lines.push(format!("being read     {unread} chains, whose tenants wait"));
    }
    if let Some(at) = status.pointer("/log/newest/at").and_then(Value::as_str) {
        lines.push(format!("signed         {} entries, at {at}", number("/log/newest/size")));
    }
    lines.push(format!("configuration  since {}", text("/configuration/since")));
    lines.join("\n")
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_needs_somebody_is_said() {
        let fine = json!({ "ready": true, "not_ready_reasons": [], "set_aside": { "chains": 0 } });
        assert_eq!(needs(&fine), Vec::<String>::new());
        let bad = json!({
            "not_ready_reasons": ["disk_low"],
            "set_aside": { "chains": 2 },
            "log": { "halted": "a witness knows more", "witnesses": [{ "witness": "w", "failure": "timeout" }] },
            "configuration": { "problems": ["x: y"] },
        });
        let said = needs(&bad).join("\n");
        for part in
            ["nearly full", "refused: 2", "nothing is signed: a witness", "witness w: timeout", "x: y"]
        {
            assert!(said.contains(part), "{said}");
        }
        assert!(page(&bad, &needs(&bad)).contains("\n! the disk is nearly full"));
    }
}
