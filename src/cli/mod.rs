//! The command line: one file per verb, words in, exit code out.

mod anchor;
mod capture;
mod chains;
mod check;
mod config;
mod demo;
mod demo_client;
mod explain;
mod explain_chain;
mod export;
mod export_table;
mod grant;
mod hash;
mod healthcheck;
mod hook;
mod import;
mod import_view;
mod key;
mod local;
mod log;
mod mcp;
mod output;
mod policy;
mod prove;
mod query;
mod redact;
mod reload;
mod report;
mod revoke;
mod run;
mod serve;
mod status;
mod tail;
mod tap;
mod token;
mod validate;
mod verify;
mod viewers;
mod witness;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Turns what AI agents do into evidence.
///
/// Takes OpenTelemetry in (OTLP over gRPC and HTTP) and seals one durable, hash-linked Halo Runtime
/// Record per agent action, one chain per tenant. Without a verb it runs the daemon.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: run::Args,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    Demo(demo::Args),
    Verify(verify::Args),
    Check(check::Args),
    Prove(prove::Args),
    Query(query::Args),
    Export(export::Args),
    Policy(policy::Args),
    Report(report::Args),
    Log(log::Args),
    Validate(validate::Args),
    Config(config::Args),
    Status(status::Args),
    Chains(chains::Args),
    Tap(tap::Args),
    Reload(reload::Args),
    Healthcheck(healthcheck::Args),
    Hash(hash::Args),
    Hook(hook::Args),
    Mcp(mcp::Args),
    Key(key::Args),
    Token(token::Args),
    Redact(redact::Args),
    Explain(explain::Args),
    Tail(tail::Args),
    Import(import::Args),
    Witness(witness::Args),
    Anchor(anchor::Args),
    Serve(serve::Args),
    Grant(grant::Args),
    Revoke(revoke::Args),
    Viewers(viewers::Args),
}

const EXIT_CODES: &str = "\
Point any exporter at it:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 your-agent

Exit codes: 0 fine, 1 a finding or a failure, 2 wrong usage or configuration, 3 nothing to attest";

/// Reads the arguments of this process and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, everything else to standard error.
            let usage = || hook::usage(std::env::args_os());
            let code = if error.use_stderr() { usage() } else { output::OK };
            return output::finish(error.print().map(|()| code));
        }
    };
    match cli.verb {
        None => cli.run.run(),
        Some(Verb::Run(args)) => args.run(),
        Some(Verb::Demo(args)) => args.run(),
        Some(Verb::Verify(args)) => args.run(),
        Some(Verb::Check(args)) => args.run(),
        Some(Verb::Prove(args)) => args.run(),
        Some(Verb::Query(args)) => args.run(),
        Some(Verb::Export(args)) => args.run(),
        Some(Verb::Policy(args)) => args.run(),
        Some(Verb::Report(args)) => args.run(),
        Some(Verb::Log(args)) => args.run(),
        Some(Verb::Healthcheck(args)) => args.run(),
        Some(Verb::Hash(args)) => args.run(),
        Some(Verb::Hook(args)) => args.run(),
        Some(Verb::Mcp(args)) => args.run(),
        Some(Verb::Key(args)) => args.run(),
        Some(Verb::Token(args)) => args.run(),
        Some(Verb::Redact(args)) => args.run(),
        Some(Verb::Validate(args)) => args.run(),
        Some(Verb::Config(args)) => args.run(),
        Some(Verb::Status(args)) => args.run(),
        Some(Verb::Chains(args)) => args.run(),
        Some(Verb::Tap(args)) => args.run(),
        Some(Verb::Reload(args)) => args.run(),
        Some(Verb::Explain(args)) => args.run(),
        Some(Verb::Tail(args)) => args.run(),
        Some(Verb::Import(args)) => args.run(),
        Some(Verb::Witness(args)) => args.run(),
        Some(Verb::Anchor(args)) => args.run(),
        Some(Verb::Serve(args)) => args.run(),
        Some(Verb::Grant(args)) => args.run(),
        Some(Verb::Revoke(args)) => args.run(),
        Some(Verb::Viewers(args)) => args.run(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_verb_is_run() {
        let cli = Cli::try_parse_from(["halod", "--dir", "d", "--grpc", "localhost:0"]).unwrap();
        assert!(cli.verb.is_none() && cli.run != run::Args::default());
        let same = Cli::try_parse_from(["halod", "run", "--dir", "d", "--grpc", "localhost:0"]).unwrap();
        assert!(matches!(same.verb, Some(Verb::Run(args)) if args == cli.run));
    }

    #[test]
    fn a_wrong_address_is_told_at_once() {
        let error = Cli::try_parse_from(["halod", "--http", "http://x:1"]).unwrap_err().to_string();
        assert!(error.contains("must be host:port without a scheme"), "{error}");
    }
}
