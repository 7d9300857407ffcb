//! The operator's file of identities: one a line, by a name and `key=value` pairs.
//!
//! ```text
//! checkout  token=2c26b46b…                          tenants=acme          receivers=otlp,native  may=captured
//! grafana   password=$argon2id$v=19$m=19456,t=2,p=1$… tenants=acme,beta-*
//! fleet     spiffe=spiffe://example.com/agents/*     tenants=*
//! proxy     subject="CN=proxy,O=Acme"                tenants=*
//! hooks     uid=1001                                 tenants=*             may=captured
//! ```

use super::identity::{Identity, MAX_NAME, RECEIVERS, ReceiverScope};
use super::secrets::Secrets;
use super::tenants::TenantScope;
use halod_record::hash::parse_hex;
use halod_record::native::Capture;
use halod_record::spelling::nearest;
use std::fmt;
use std::sync::Arc;

/// Identities of one file: each request's credential is compared with all of them.
pub const MAX_IDENTITIES: usize = 1000;

/// Bytes of one file.
pub const MAX_BYTES: usize = 1 << 20;

/// All identities of a file, by how they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub(super) tokens: Secrets<Arc<Identity>>,
    pub(super) passwords: Vec<Password>,
    pub(super) certificates: Vec<(CertificateRule, Arc<Identity>)>,
    pub(super) peers: Vec<(PeerRule, Arc<Identity>)>,
}

/// A password of an identity, whose name is that of its user.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Password {
    /// Argon2, in the PHC string format.
    pub hash: String,
    pub identity: Arc<Identity>,
}

/// Hashes are never shown.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Password").field(&self.identity).finish()
    }
}

/// Which client certificates are an identity's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificateRule {
    /// A URI among the alternative names of the subject, in which `*` stands for any text.
    Spiffe(String),
    /// The whole name of the subject, as RFC 4514 writes it.
    Subject(String),
}

/// Which processes at a Unix socket are an identity's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerRule {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// What is wrong with a line. Credentials are never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    pub what: String,
}

impl Table {
    /// Reads a file of identities: empty lines and lines that begin with `#` say nothing.
    ///
    /// # Errors
    /// Every line that can't be used.
    pub fn parse(text: &str) -> Result<Self, Vec<BadLine>> {
        let (mut reader, mut wrong) = (Reader::default(), Vec::new());
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            if let Err(what) = reader.line(text) {
                wrong.push(BadLine { line, what });
            }
        }
        if wrong.is_empty() { Ok(reader.finish()) } else { Err(wrong) }
    }

    /// How many identities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len() + self.passwords.len() + self.certificates.len() + self.peers.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Default)]
struct Reader {
    tokens: Vec<([u8; 32], Arc<Identity>)>,
    table: Table,
}

/// How an identity is shown.
enum Credential {
    Token([u8; 32]),
    Password(String),
    Certificate(CertificateRule),
    Peer(PeerRule),
}

const KEYS: [&str; 9] =
    ["token", "password", "spiffe", "subject", "uid", "gid", "tenants", "receivers", "may"];

impl Reader {
    fn line(&mut self, text: &str) -> Result<(), String> {
        let mut words = words(text)?.into_iter();
        let name = words.next().unwrap_or_default();
        check_name(&name)?;
        let pairs = pairs(words)?;
        let value = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let credential = credential(&value)?;
        let tenants = value("tenants").ok_or("names no tenants; add tenants=NAME, or tenants=* for any")?;
        let tenants = TenantScope::parse(tenants).map_err(|what| format!("tenants {what}"))?;
        let receivers = value("receivers").map_or(Ok(ReceiverScope::Telemetry), receivers)?;
        let capture = match value("may") {
            None => Capture::Ingested,
            Some("captured") => Capture::Captured,
            Some(_) => return Err("may has another value than `captured`".into()),
        };
        let identity = Arc::new(Identity { name: name.as_str().into(), tenants, receivers, capture });
        if self.tokens.len() + self.table.len() == MAX_IDENTITIES {
            return Err(format!("a file has at most {MAX_IDENTITIES} identities"));
        }
        match credential {
            Credential::Token(digest) if self.tokens.iter().any(|(known, _)| *known == digest) => {
                return Err("the same token stands in a line before".into());
            }
            Credential::Token(digest) => self.tokens.push((digest, identity)),
            Credential::Password(hash) => self.table.passwords.push(Password { hash, identity }),
            Credential::Certificate(rule) => self.table.certificates.push((rule, identity)),
            Credential::Peer(rule) => self.table.peers.push((rule, identity)),
        }
        Ok(())
    }

    fn finish(self) -> Table {
        Table { tokens: Secrets::new(self.tokens), ..self.table }
    }
}

/// Whether an identity may have this name: it stands in records, logs and metrics.
///
/// # Errors
/// Why it may not.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '/' | ':');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
        return Err(format!("an identity's name has 1 to {MAX_NAME} bytes: letters, digits and - _ . @ / :"));
    }
    if halod_record::own::is_agent(name) {
        return Err("the name is halod's own; choose another one for the identity".into());
    }
    Ok(())
}

/// The words of a line, which blanks part. Between double quotes blanks are part of the word.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if quoted {
        return Err("a double quote has no end".into());
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

fn pairs(words: impl Iterator<Item = String>) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in words {
        let pair = word.split_once('=').filter(|(key, _)| KEYS.contains(key));
        let Some((key, value)) = pair else {
            // Behind an unknown key, or without one, may stand a secret.
            let key = word.split_once('=').map(|(key, _)| key);
            let near = key.and_then(|key| nearest(key, &KEYS));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!(
                "after the name come pairs like tenants=acme, with these keys: {}{hint}",
                KEYS.join(", ")
            ));
        };
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(format!("{key} is given twice; write a line for each credential"));
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

fn credential<'p>(value: &impl Fn(&str) -> Option<&'p str>) -> Result<Credential, String> {
    let number = |key: &str| {
        let what = || format!("{key} is no number of a user or group");
        value(key).map(|text| text.parse::<u32>().map_err(|_| what())).transpose()
    };
    let token = value("token").map(|text| {
        let what = "token is not the SHA-256 of a token, 64 hex digits; `halod token new` makes a token and its line";
        parse_hex(text.to_ascii_lowercase().as_bytes()).map(Credential::Token).ok_or(what.to_owned())
    });
    let password = value("password")
        .map(|text| super::passwords::check(text).map(|()| Credential::Password(text.to_owned())));
    let spiffe = value("spiffe").map(|text| match text.contains("://") {
        true => Ok(Credential::Certificate(CertificateRule::Spiffe(text.to_owned()))),
        false => Err("spiffe is no URI, like spiffe://example.com/agents/*".to_owned()),
    });
    let subject = value("subject").map(|text| match text.contains('=') {
        true => Ok(Credential::Certificate(CertificateRule::Subject(text.to_owned()))),
        false => Err(r#"subject is no name of a certificate, like subject="CN=proxy,O=Acme""#.to_owned()),
    });
    let (uid, gid) = (number("uid")?, number("gid")?);
    let peer = (uid.is_some() || gid.is_some()).then_some(Ok(Credential::Peer(PeerRule { uid, gid })));
    let mut shown = [token, password, spiffe, subject, peer].into_iter().flatten();
    match (shown.next(), shown.next()) {
        (Some(credential), None) => credential,
        _ => Err("an identity is shown in one way: by token, password, spiffe or subject, or by uid and gid"
            .into()),
    }
}

fn receivers(text: &str) -> Result<ReceiverScope, String> {
    let one = |name: &str| {
        let known = RECEIVERS.iter().find(|known| **known == name.trim()).copied();
        known.ok_or_else(|| format!("receivers has other names than {}", RECEIVERS.join(", ")))
    };
    text.split(',').map(one).collect::<Result<_, _>>().map(ReceiverScope::These)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::hash::{hex_text, sha256};

    fn token(secret: &str) -> String {
        hex_text(&sha256(secret.as_bytes()))
    }

    #[test]
    fn a_file_has_identities_of_every_kind() {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let text = format!(
            "# who may send\n\n checkout  token={} tenants=acme receivers=otlp,native may=captured\n\
             grafana password={hash} tenants=acme,beta-*\r\n\
             fleet spiffe=spiffe://example.com/agents/* tenants=*\n\
             proxy subject=\"CN=a proxy,O=Acme\" tenants=*\n\
             hooks uid=1001 gid=7 tenants=*\n",
            token("one")
        );
        let table = Table::parse(&text).unwrap();
        assert_eq!(table.len(), 5);
        let one = table.tokens.find(b"one").unwrap();
        assert_eq!((&*one.name, one.capture), ("checkout", Capture::Captured));
        assert!(one.receivers.includes("otlp") && !one.receivers.includes("litellm"));
        let grafana = &table.passwords[0].identity;
        assert!(grafana.receivers.includes("litellm") && !grafana.receivers.includes("admin"));
        assert_eq!(table.certificates[1].0, CertificateRule::Subject("CN=a proxy,O=Acme".into()));
        assert_eq!(table.peers[0].0, PeerRule { uid: Some(1001), gid: Some(7) });
        assert_eq!(Table::parse("\n# nobody\n"), Ok(Table::default()));
        assert!(!format!("{table:?}").contains("argon2id"));
    }

    #[test]
    fn every_line_that_is_wrong_is_told_and_no_credential_is() {
        let secret = "hunter2hunter2";
        let digest = token(secret);
        for (line, what) in [
            (format!("a token={secret} tenants=*"), "SHA-256"),
            (format!("a password={secret} tenants=*"), "argon2"),
            (format!("a tokn={secret} tenants=*"), "did you mean `token`?"),
            (format!("a {secret} tenants=*"), "pairs like"),
            (format!("a token={digest}"), "names no tenants"),
            (format!("a token={digest} tenants="), "empty entry"),
            (format!("a token={digest} uid=1 tenants=*"), "in one way"),
            ("a tenants=*".into(), "in one way"),
            (format!("a token={digest} token={digest} tenants=*"), "given twice"),
            (format!("a token={digest} tenants=* receivers=otpl"), "other names than otlp"),
            (format!("a token={digest} tenants=* may=anything"), "`captured`"),
            (format!("halod token={digest} tenants=*"), "halod's own"),
            (format!("a!b token={digest} tenants=*"), "letters, digits"),
            ("a uid=me tenants=*".into(), "no number"),
            ("a spiffe=agents tenants=*".into(), "no URI"),
            ("a subject=\"agents tenants=*".into(), "no end"),
        ] {
            let wrong = Table::parse(&format!("# 1\n{line}\n")).unwrap_err();
            let said = wrong[0].to_string();
            assert!(said.starts_with("line 2: ") && said.contains(what), "{line}: {said}");
            assert!(!said.contains(secret) && !said.contains(&digest), "{said}");
        }
        let twice = format!("a token={digest} tenants=*\nb token={digest} tenants=acme\nc uid=x tenants=*");
        let lines: Vec<usize> = Table::parse(&twice).unwrap_err().iter().map(|wrong| wrong.line).collect();
        assert_eq!(lines, [2, 3]);
    }
}
