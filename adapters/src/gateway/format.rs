//! The names of the formats.

use std::fmt;
use std::str::FromStr;

/// Which program wrote a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// nginx's and Apache's common and combined text, with or without a virtual host before and more
    /// fields after: what can be said of a text without knowing the program.
    Combined,
    /// The same, and a `log_format` in JSON.
    Nginx,
    /// The same, and a `LogFormat` in JSON. The time is that of the request's start.
    Apache,
    Caddy,
    /// `option httplog` and a `log-format` in JSON.
    Haproxy,
    /// The default text and `json_format`.
    Envoy,
    /// CLF and JSON.
    Traefik,
    /// The object that `http-log` and `file-log` write.
    Kong,
    /// What the LiteLLM proxy prints, with `json_logs` or without.
    Litellm,
    /// Logpush of `ai_gateway_events`.
    Cloudflare,
    /// A Portkey log export, one object a line.
    Portkey,
    /// AWS Application Load Balancer.
    Alb,
    /// JSON objects with a map of fields, or with fields of the usual names.
    Json,
    /// A regular expression with named groups.
    Regex,
}

impl Format {
    pub const ALL: [Self; 14] = [
        Self::Combined,
        Self::Nginx,
        Self::Apache,
        Self::Caddy,
        Self::Haproxy,
        Self::Envoy,
        Self::Traefik,
        Self::Kong,
        Self::Litellm,
        Self::Cloudflare,
        Self::Portkey,
        Self::Alb,
        Self::Json,
        Self::Regex,
    ];

    /// As it is written in a configuration and in a record's `source.dialect`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Traefik => "traefik",
            Self::Kong => "kong",
            Self::Litellm => "litellm",
            Self::Cloudflare => "cloudflare",
            Self::Portkey => "portkey",
            Self::Alb => "alb",
            Self::Json => "json",
            Self::Regex => "regex",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(())
    }
}
