//! `halod config`: what holds, and what may be written.

use super::output::{OK, USAGE, complain, finish, line};
use super::run;
use crate::config::effective::{self, Origin, Setting, Shown};
use crate::config::{self, ConfigError, schema};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Print the settings that hold, or the schema of the file
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Print(Print),
    Schema(Schema),
}

/// Print every setting with its value and where that comes from
///
/// As a configuration file, in which a comment after each setting names the line of the file, the environment, the flag, or
/// says that it is the default. Secrets are masked. Exit code: 0, or 2 if the configuration can't be used.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Print {
    #[command(flatten)]
    settings: run::Args,
    /// Print one JSON object for each setting, one a line
    #[arg(long)]
    json: bool,
}

/// Print the JSON Schema of the configuration file (draft 2020-12)
///
/// For editors and for checks elsewhere; config/halod.schema.json is the same. It knows the shape of values; `halod validate`
/// checks everything. Exit code: 0.
#[derive(Debug, clap::Args)]
struct Schema {}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        match self.what {
            What::Schema(Schema {}) => {
                let text = serde_json::to_string_pretty(&schema::schema()).unwrap_or_default();
                finish(line(text).map(|()| OK))
            }
            What::Print(print) => match print.settings() {
                Ok(settings) => finish(line(print.shown(&settings)).map(|()| OK)),
                Err(error) => {
                    complain(error);
                    USAGE.into()
                }
            },
        }
    }
}

impl Print {
    fn settings(&self) -> Result<Vec<Setting>, ConfigError> {
        let file = self.settings.file();
        let text = match &file {
            Some(file) => config::read(file)?,
            None => String::new(),
        };
        let in_file = |error: ConfigError| file.iter().fold(error, |error, file| error.in_file(file));
        // What can't be used is told, not shown.
        config::parse(&text, &|name| std::env::var_os(name)).map_err(in_file)?;
        effective::settings(&text, &self.settings.overrides()).map_err(in_file)
    }

    fn shown(&self, settings: &[Setting]) -> String {
        let file = self.settings.file();
        if self.json {
            return settings.iter().map(|one| object(one).to_string()).collect::<Vec<_>>().join("\n");
        }
        effective::yaml(settings, file.as_deref()).trim_end().to_owned()
    }
}

fn object(Setting { path, value, origin }: &Setting) -> Value {
    let value = match value {
        None => Value::Null,
        Some(Shown::One(text)) => text.as_str().into(),
        Some(Shown::List(texts)) => json!(texts),
        Some(Shown::Nothing("[]")) => json!([]),
        Some(Shown::Nothing(_)) => json!({}),
    };
    let (from, at) = match origin {
        Origin::Default => ("default", Value::Null),
        Origin::File(at) => ("file", (*at).into()),
        Origin::Environment(at) => ("environment", (*at).into()),
        Origin::Flag(flag) => ("flag", (*flag).into()),
    };
    json!({ "key": path.join("."), "value": value, "from": from, "at": at })
}
