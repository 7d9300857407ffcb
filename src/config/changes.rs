//! What is different between two configurations, by the sections of the file.

use super::{AuthSettings, Config, DoorSettings, Endpoint};
use crate::net::tls::TlsSettings;

/// What is not as before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What a daemon that runs can take over.
    pub changed: Vec<&'static str>,
    /// What only a restart changes: where it listens, and where its records are.
    pub restart: Vec<&'static str>,
}

/// Compares two configurations. What the file of identities holds is no difference: it is read by itself.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Changes {
    // A setting that is added does not compile until it is compared here.
    let Config {
        grpc,
        http,
        web,
        join_wait,
        record_data,
        litellm_wait,
        gap_interval,
        import,
        hold,
        tees,
        langfuse,
        langsmith,
        native,
        file_logs,
        tenant,
        storage,
        pipeline,
        per_tenant,
        records,
        checkpoint,
        redaction,
        hash_only_for,
        hash_key,
        admin,
        admin_access,
        auth,
        warnings: _,
        // What `redaction` and `records` say, written out.
        rules: _,
        admin_tls,
        shutdown_timeout,
        log,
    } = new;
    let file = |auth: &Option<AuthSettings>| auth.as_ref().map(|auth| auth.file.clone());
    let storage_but_directory = |of: &super::StorageSettings| super::StorageSettings {
        directory: std::path::PathBuf::new(),
        ..of.clone()
    };
    let all = [
        ("receivers.otlp.protocols.grpc", but_endpoint(grpc.as_ref()) != but_endpoint(old.grpc.as_ref())),
        (
            "receivers.otlp.protocols.http",
            but_endpoint(http.as_ref()) != but_endpoint(old.http.as_ref()) || *web != old.web,
        ),
        ("receivers.otlp.join_wait", *join_wait != old.join_wait),
        ("receivers.otlp.record", *record_data != old.record_data),
        ("receivers.litellm.wait", *litellm_wait != old.litellm_wait),
        ("receivers.gap_interval", *gap_interval != old.gap_interval),
        ("receivers.import", *import != old.import),
        ("receivers.hold", *hold != old.hold),
        ("receivers.*.tee", *tees != old.tees),
        ("receivers.langfuse", *langfuse != old.langfuse),
        ("receivers.langsmith", *langsmith != old.langsmith),
        ("receivers.native", *native != old.native),
        ("receivers.file_log", *file_logs != old.file_logs),
        ("auth", file(auth) != file(&old.auth)),
        ("tenant", *tenant != old.tenant),
        ("storage", storage_but_directory(storage) != storage_but_directory(&old.storage)),
        ("pipeline", *pipeline != old.pipeline),
        ("limits", *per_tenant != old.per_tenant),
        ("records", *records != old.records),
        ("checkpoint", *checkpoint != old.checkpoint),
        (
            "redaction",
            *redaction != old.redaction || *hash_only_for != old.hash_only_for || *hash_key != old.hash_key,
        ),
        ("admin", *admin_access != old.admin_access || *admin_tls != old.admin_tls),
        ("shutdown_timeout", *shutdown_timeout != old.shutdown_timeout),
        ("log.level", log.level != old.log.level),
    ];
    let restart = [
        ("receivers.otlp.protocols.grpc.endpoint", endpoint(grpc.as_ref()) != endpoint(old.grpc.as_ref())),
        ("receivers.otlp.protocols.http.endpoint", endpoint(http.as_ref()) != endpoint(old.http.as_ref())),
        ("admin.endpoint", *admin != old.admin),
        ("storage.directory", storage.directory != old.storage.directory),
        ("checkpoint.origin and checkpoint.key_file", checkpoint.key != old.checkpoint.key),
        ("log.format", log.format != old.log.format),
    ];
    let named = |all: &[(&'static str, bool)]| {
        all.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
    };
    Changes { changed: named(&all), restart: named(&restart) }
}

fn endpoint(door: Option<&DoorSettings>) -> Option<&Endpoint> {
    door.map(|door| &door.endpoint)
}

type ButEndpoint<'a> = (&'a Option<TlsSettings>, &'a crate::net::limits::Limits, super::Access);

fn but_endpoint(door: Option<&DoorSettings>) -> Option<ButEndpoint<'_>> {
    door.map(|DoorSettings { tls, limits, access, .. }| (tls, limits, *access))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn sections_are_named() {
        let old = Config::default();
        let of = |text: &str| changes(&old, &parse(text, &|_| None).unwrap());
        assert_eq!(of(""), Changes::default());
        let text = "log: { level: debug }\nredaction: { patterns: [{ name: badge, regex: 'b[0-9]{4}' }] }\n\
                    limits: { per_tenant: { records_per_second: 5 } }\n";
        assert_eq!(of(text).changed, ["limits", "redaction", "log.level"]);
        let text = "admin: { endpoint: '127.0.0.1:1' }\nstorage: { directory: x }\nlog: { format: text }\n\
                    receivers: { otlp: { protocols: { grpc: } } }\n";
        let found = of(text);
        let restart =
            ["receivers.otlp.protocols.http.endpoint", "admin.endpoint", "storage.directory", "log.format"];
        assert_eq!(found.restart, restart);
    }
}
