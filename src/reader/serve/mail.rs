//! Sending a code by mail, over the operator's own mail server.
//!
//! TLS is asked of every server but one on this machine. The mail names neither the customer nor the report: whoever reads it
//! by mistake learns nothing.

use crate::clock;
use crate::reader::access::recipient::Address;
use crate::reader::access::secret::random;
use mail_send::smtp::message::Message;
use mail_send::{Credentials, SmtpClientBuilder};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// The port of submission (RFC 6409), and the one on which TLS comes first (RFC 8314).
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// For each step of the conversation.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mail server, by the variables of the reference.
#[derive(Clone)]
pub struct Mailer {
    host: String,
    port: u16,
    login: Option<(String, String)>,
    from: Address,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Mailer {
    /// By `HALO_SMTP_HOST`, `HALO_SMTP_PORT`, `HALO_SMTP_USER`, `HALO_SMTP_PASS` and `HALO_SMTP_FROM`; `None` without the first.
    ///
    /// # Errors
    /// One of them can't be used.
    pub fn from_environment() -> Result<Option<Self>, String> {
        let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(host) = get("HALO_SMTP_HOST") else { return Ok(None) };
        let port = match get("HALO_SMTP_PORT") {
            None => SUBMISSION,
            Some(port) => {
                port.parse().map_err(|_| format!("HALO_SMTP_PORT is {port:?}, which is no port"))?
            }
        };
        let user = get("HALO_SMTP_USER");
        let from = get("HALO_SMTP_FROM").or_else(|| user.clone()).ok_or(
            "HALO_SMTP_HOST is set, and nothing says from whom the mail is; set HALO_SMTP_FROM to an address of yours",
        )?;
        let from = from
            .parse()
            .map_err(|error| format!("HALO_SMTP_FROM (or HALO_SMTP_USER) is {from:?}: {error}"))?;
        let login = user.map(|user| (user, get("HALO_SMTP_PASS").unwrap_or_default()));
        Ok(Some(Self { host, port, login, from }))
    }

    fn is_on_this_machine(&self) -> bool {
        let ip = self.host.parse::<IpAddr>().map(|ip| ip.is_loopback());
        ip.unwrap_or_else(|_| self.host.eq_ignore_ascii_case("localhost"))
    }

    /// Sends a code.
    ///
    /// # Errors
    /// The mail server did not take it.
    pub(super) async fn send(&self, to: &Address, code: &str) -> Result<(), String> {
        let failed = |error: mail_send::Error| error.to_string();
        let client = SmtpClientBuilder {
            timeout: PATIENCE,
            tls_connector: connector()?,
            tls_hostname: self.host.as_str(),
            tls_implicit: self.port == SUBMISSIONS,
            is_lmtp: false,
            local_host: self.from.as_str().rsplit('@').next().unwrap_or("localhost").to_owned(),
            addr: format!("{}:{}", self.host, self.port),
            credentials: self
                .login
                .as_ref()
                .map(|(user, password)| Credentials::new(user.as_str(), password.as_str())),
            say_ehlo: true,
            local_ip: None,
        };
        let text = self.text(to, code)?;
        let message = Message::new(self.from.as_str(), [to.as_str()], text.as_bytes());
        if self.is_on_this_machine() {
            let mut client = client.connect_plain().await.map_err(failed)?;
            client.send(message).await.map_err(failed)?;
            // It has the mail; how the connection ends does not matter.
            let _ = client.quit().await;
        } else {
            let mut client = client.connect().await.map_err(failed)?;
            client.send(message).await.map_err(failed)?;
            let _ = client.quit().await;
        }
        Ok(())
    }

    /// The mail (RFC 5322). Addresses are of ASCII without line ends, as the type says.
    fn text(&self, to: &Address, code: &str) -> Result<String, String> {
        let id = random().map_err(|error| error.to_string())?;
        let now = jiff::Timestamp::try_from(clock::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
        let domain = self.from.as_str().rsplit('@').next().unwrap_or_default();
        Ok(format!(
            "From: {}\r\nTo: {to}\r\nSubject: Your code\r\nDate: {date}\r\nMessage-ID: <{id}@{domain}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             {code}\r\n\r\n\
             This code opens the report whose link you have, for ten minutes, in the window that asked for it.\r\n\
             If you did not ask for it, somebody entered your address; without the code nothing opens.\r\n",
            self.from
        ))
    }
}

/// TLS with the machine's own roots.
fn connector() -> Result<TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_its_heads_and_names_no_customer() {
        let mailer = Mailer {
            host: "mail.example.com".into(),
            port: SUBMISSION,
            login: Some(("user".into(), "pass-word".into())),
            from: "reports@example.com".parse().unwrap(),
        };
        let text = mailer.text(&"alice@acme.com".parse().unwrap(), "123456").unwrap();
        let (heads, body) = text.split_once("\r\n\r\n").unwrap();
        for head in ["From: reports@example.com", "To: alice@acme.com", "Message-ID: <", "Date: "] {
            assert!(heads.contains(head), "{heads}");
        }
        assert!(heads.contains(" +0000\r\n") && body.starts_with("123456\r\n"), "{text}");
        assert!(!mailer.is_on_this_machine() && !format!("{mailer:?}").contains("pass-word"));
    }
}
