//! `halod hash`: the hash that a record has for an input or an outcome.

use super::output::{self, complain};
use halod_record::hash::input_hash;
use halod_record::json::parse;
use std::process::ExitCode;

/// Print the hash that records carry for a JSON value
///
/// The same as `halo hash`: compare it with `action.input.hash` or `outcome.hash` to prove what
/// went in or came out. Exit code: 0, or 2 if the text is not JSON.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A JSON document, such as '{"query":"x"}'
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    json: String,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        match parse(&self.json) {
            Ok(value) => output::finish(output::line(input_hash(&value)).map(|()| output::OK)),
            Err(error) => {
                complain(format_args!("not valid JSON: {error}"));
                output::USAGE.into()
            }
        }
    }
}
