//! `halod key`: the key of one tenant's hashes.

use super::output::{self, complain};
use crate::config::key_file;
use halod_record::tenant::Tenant;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the key of a tenant's hashes, to be given to its reviewer
///
/// Records of a halod with redaction.key_file have keyed hashes; data.hash_key names the key. With the key, and no other
/// tenant's, `halod hash --key` tells what hash a JSON value has. Exit code: 0, or 2 if the file can't be used.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file that redaction.key_file names
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Whose key; without it that of the local chain
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let tenant = match self.tenant.as_deref().map_or(Ok(Tenant::Local), Tenant::claimed) {
            Ok(tenant) => tenant,
            Err(error) => {
                complain(error);
                return output::USAGE.into();
            }
        };
        match key_file::read(&self.key_file) {
            Ok(key) => output::finish(output::line(key.of_tenant(&tenant).text()).map(|()| output::OK)),
            Err(why) => {
                complain(why);
                output::USAGE.into()
            }
        }
    }
}
