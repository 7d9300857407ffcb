//! The patterns, as data. The first eighteen rows are the reference's, in its order, which matters:
//! each row works on what the rows before it left. Rows after [`REFERENCE_ROWS`] are additions; they
//! work on what the reference's rows and the entropy rule left, so they can only mask more.

use super::numbers;
use super::pattern::{assigned, extra, flags, number, pem, people, secret, token, url};
use super::text::Span;

/// How bad it is that a text holds this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// As the record format spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Finds every place, from left to right and without overlaps.
pub(super) type Find = fn(&str, &mut Vec<Span>);
/// Writes what stands in the record instead of a match.
pub(super) type Mask = fn(&str, &mut String);

/// One pattern.
pub(super) struct Row {
    /// `findings[].type`.
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// What it looks for, as a regular expression would say it.
    #[allow(dead_code, reason = "for the reader")]
    pub(super) shape: &'static str,
    /// Three-byte keys of which every match holds one; see the probe.
    pub(super) keys: &'static [&'static str],
    /// Whether letters match in either case.
    pub(super) fold: bool,
    /// The shape of numbers without which there is no match.
    pub(super) numbers: u8,
    /// A match holds a run of token characters as long as the entropy rule wants.
    pub(super) long: bool,
    /// Only what is glued to another script is left for it: not for ASCII.
    pub(super) scripts: bool,
    pub(super) find: Find,
    pub(super) mask: Mask,
}

const ROW: Row = Row {
    name: "",
    severity: Severity::Critical,
    shape: "",
    keys: &[],
    fold: false,
    numbers: 0,
    long: false,
    scripts: false,
    find: |_, _| {},
    mask: |_, _| {},
};

/// The type of a finding whose kind nobody knows any more.
pub(super) const UNKNOWN: &str = "unknown_secret";

/// The type and severity of a finding by its type's name.
pub(super) fn known(kind: &str) -> Option<(&'static str, Severity)> {
    const OTHERS: [(&str, Severity); 3] = [
        ("high_entropy_secret", Severity::High),
        ("high_entropy_path_value", Severity::Low),
        ("credential_field", Severity::Critical),
    ];
    let row = ROWS.iter().find(|row| row.name == kind).map(|row| (row.name, row.severity));
    row.or_else(|| OTHERS.into_iter().find(|(name, _)| *name == kind))
}

/// How many rows are the reference's.
pub(super) const REFERENCE_ROWS: usize = 18;

pub(super) static ROWS: &[Row] = &[
    Row {
        name: "api_key",
        shape: "sk-[A-Za-z0-9_-]{20,} | AKIA[0-9A-Z]{16} | xox[baprs]-[A-Za-z0-9-]{10,}",
        keys: &["sk-", "AKI", "xβ-"],
        find: token::api_key,
        mask: token::first_four,
        ..ROW
    },
    Row {
        name: "gcp_api_key",
        shape: "AIza[A-Za-z0-9_-]{35,}",
        keys: &["AIz"],
        find: token::gcp_api_key,
        mask: token::first_four,
        ..ROW
    },
    Row {
        name: "aws_secret_key",
        shape: r#"(?i)aws_secret_access_key\s*[=:\s]\s*["']?[A-Za-z0-9/+=]{40}"#,
        keys: &["ws_"],
        fold: true,
        find: secret::aws_secret_key,
        mask: secret::mask_aws_secret_key,
        ..ROW
    },
    Row {
        name: "webhook_url",
        shape: r#"https://(hooks\.slack\.com/services|discord(app)?\.com/api/webhooks|[a-z0-9.-]+\.webhook\.office\.com/webhookb2|outlook\.office\.com/webhook)/[^\s"'<>]+"#,
        keys: &["s:/"],
        find: url::webhook,
        mask: url::mask_webhook,
        ..ROW
    },
    Row {
        name: "stripe_key",
        shape: "(sk|rk|pk)_(live|test)_[A-Za-z0-9]{16,}",
        keys: &["k_θ"],
        find: token::stripe_key,
        mask: token::first_four,
        ..ROW
    },
    Row {
        name: "github_token",
        shape: "gh[opsu]_[A-Za-z0-9]{36} | github_pat_[A-Za-z0-9_]{22,}",
        keys: &["hο_", "b_p"],
        find: token::github_token,
        mask: token::first_four,
        ..ROW
    },
    Row {
        name: "private_key",
        shape: "-----BEGIN ([A-Z0-9]+ ){0,3}PRIVATE KEY( BLOCK)?----- to its END, or the armour and base64 lines that follow",
        keys: &["EGI"],
        find: pem::find,
        mask: pem::mask,
        ..ROW
    },
    Row {
        name: "db_conn",
        shape: r#"(postgres|postgresql|mysql|mariadb|mongodb(\+srv)?|rediss?|amqps?|mssql|sqlserver)://[^\s"'<>]+"#,
        keys: &["://"],
        find: url::db_conn,
        mask: url::mask_userinfo,
        ..ROW
    },
    Row {
        name: "password",
        shape: r#"(?i)(?<![a-z0-9])(password|passwd|passphrase|pwd)["']?[ \t]{0,16}[=:][ \t]{0,8}["']?[^\s"',;<>]{1,256}"#,
        keys: &["ρdη", "seη", "* ω", "*\tω", "*υω"],
        fold: true,
        find: secret::password,
        mask: secret::mask_password,
        ..ROW
    },
    Row {
        name: "jwt",
        severity: Severity::High,
        shape: r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,8192}(\.[A-Za-z0-9_-]{10,8192}){2}",
        keys: &["eyJ"],
        find: token::jwt,
        mask: |_, out| out.push_str("eyJ****"),
        ..ROW
    },
    Row {
        name: "iban",
        severity: Severity::High,
        shape: r"(?i)\b[A-Z]{2}\d{2}(sep{0,2}[A-Z0-9]{4}){2,7}(sep{0,2}[A-Z0-9]{1,4})?\b with a valid checksum",
        keys: &["λδδ"],
        find: number::iban,
        mask: number::mask_iban,
        ..ROW
    },
    Row {
        name: "credit_card",
        severity: Severity::High,
        shape: r"\b(4\d{3}|5[1-5]\d{2}|3[47]\d{2}|6011|65\d{2})(sep?\d){9,13}\b with a valid checksum",
        keys: &["δδδ"],
        numbers: numbers::CARD,
        find: number::credit_card::<false>,
        mask: |found, out| number::last_four("****", found, out),
        ..ROW
    },
    Row {
        name: "ssn",
        severity: Severity::High,
        shape: r"\b\d{3}[- ]\d{2}[- ]\d{4}\b",
        keys: &["χδδ"],
        numbers: numbers::SSN,
        find: number::ssn::<false>,
        mask: |found, out| number::last_four("***-**-", found, out),
        ..ROW
    },
    Row {
        name: "bot_token",
        severity: Severity::High,
        shape: r"(?<!\d)\d{8,10}:[A-Za-z0-9_-]{30,40}(?![A-Za-z0-9_-])",
        keys: &["δ:τ"],
        numbers: numbers::LONG,
        long: true,
        find: number::bot_token,
        mask: |_, out| out.push_str("****"),
        ..ROW
    },
    Row {
        name: "bearer_token",
        severity: Severity::High,
        shape: r"Bearer\s+[A-Za-z0-9._-]{20,}",
        keys: &["Bea"],
        find: token::bearer,
        mask: |_, out| out.push_str("Bearer ****"),
        ..ROW
    },
    Row {
        name: "email",
        severity: Severity::Medium,
        shape: r"\b[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9-]{1,63}\.){1,16}[A-Za-z]{2,24}\b",
        keys: &["*@*"],
        find: url::email::<false>,
        mask: url::mask_email,
        ..ROW
    },
    Row {
        name: "ip_internal",
        severity: Severity::Medium,
        shape: r"\b(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.\d{1,3}\b",
        keys: &["10.", "ψ2."],
        numbers: numbers::ADDRESS,
        find: number::ip_internal::<false>,
        mask: number::mask_ip,
        ..ROW
    },
    Row {
        name: "phone",
        severity: Severity::Medium,
        shape: r"\b(\+?1[-.\s])?\(?\d{3}\)?[-.\s]\d{3}[-.\s]\d{4}\b",
        keys: &["δσδ"],
        numbers: numbers::PHONE,
        find: number::phone::<false>,
        mask: |found, out| number::last_four("***-***-", found, out),
        ..ROW
    },
    // Additions from here on. They run after the entropy rule.
    Row {
        name: "iban",
        severity: Severity::High,
        shape: "as above, glued to another script, inside or right after what only looks like one",
        keys: &["λδδ"],
        find: number::hidden_iban,
        mask: number::mask_iban,
        ..ROW
    },
    Row {
        name: "credit_card",
        severity: Severity::High,
        shape: "as above, glued to another script",
        scripts: true,
        keys: &["δδδ"],
        numbers: numbers::CARD,
        find: number::credit_card::<true>,
        mask: |found, out| number::last_four("****", found, out),
        ..ROW
    },
    Row {
        name: "ssn",
        severity: Severity::High,
        shape: "as above, glued to another script",
        scripts: true,
        keys: &["χδδ"],
        numbers: numbers::SSN,
        find: number::ssn::<true>,
        mask: |found, out| number::last_four("***-**-", found, out),
        ..ROW
    },
    Row {
        name: "email",
        severity: Severity::Medium,
        shape: "as above, glued to another script",
        scripts: true,
        keys: &["*@*"],
        find: url::email::<true>,
        mask: url::mask_email,
        ..ROW
    },
    Row {
        name: "ip_internal",
        severity: Severity::Medium,
        shape: "as above, glued to another script",
        scripts: true,
        keys: &["10.", "ψ2."],
        numbers: numbers::ADDRESS,
        find: number::ip_internal::<true>,
        mask: number::mask_ip,
        ..ROW
    },
    Row {
        name: "phone",
        severity: Severity::Medium,
        shape: "as above, glued to another script",
        scripts: true,
        keys: &["δσδ"],
        numbers: numbers::PHONE,
        find: number::phone::<true>,
        mask: |found, out| number::last_four("***-***-", found, out),
        ..ROW
    },
    Row {
        name: "password",
        shape: "as above, of any length",
        keys: &["ρdη", "seη", "* ω", "*\tω", "*υω"],
        fold: true,
        find: secret::long_password,
        mask: secret::mask_password,
        ..ROW
    },
    Row {
        name: "provider_token",
        shape: "one of PREFIXES, not inside a word, and a body of its length",
        long: true,
        find: extra::prefixed,
        mask: token::first_four,
        ..ROW
    },
    Row {
        name: "aws_session_key",
        shape: "(ASIA|ABIA|ACCA)[0-9A-Z]{16}",
        keys: &["AΣΠ"],
        find: token::aws_session_key,
        mask: token::first_four,
        ..ROW
    },
    Row {
        name: "webhook_secret",
        shape: r#"https://(hooks\.slack\.com/(workflows|triggers)|(ptb|canary)\.discord(app)?\.com/api/webhooks|discord(app)?\.com/api/v\d+/webhooks|outlook\.office365\.com/webhook)/[^\s"'<>]+"#,
        keys: &["s:/"],
        find: url::other_webhook,
        mask: url::mask_webhook,
        ..ROW
    },
    Row {
        name: "url_userinfo",
        shape: r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>/?#@:]*:[^\s"'<>/?#]+@"#,
        keys: &["://"],
        find: url::userinfo,
        mask: url::mask_userinfo,
        ..ROW
    },
    Row {
        name: "url_query_secret",
        shape: r#"[?&;](a credential's name | sig | signature | X-Amz-Signature | code)=[^\s"'<>&#;]+"#,
        keys: &["φτ*"],
        find: extra::query_secret,
        mask: assigned::mask,
        ..ROW
    },
    Row {
        name: "basic_auth",
        shape: "(?i)basic +base64 of printable text with a colon",
        keys: &["*Oγ", "*Ωξ", "*ζ6"],
        find: extra::basic_auth,
        mask: |_, out| out.push_str("Basic ****"),
        ..ROW
    },
    Row {
        name: "credential_text",
        shape: "a credential's name and its value, wherever they meet",
        keys: &["ρdς", "ιeς", "eνς", "κsς", "thς", "onς", "alς", "ngς", "pwς", "* ω"],
        fold: true,
        find: assigned::find,
        mask: assigned::mask,
        ..ROW
    },
    Row {
        name: "credential_flag",
        shape: "--password x, -px and the like of known programs, -u user:x",
        keys: &["--λ", "σ-π"],
        find: flags::find,
        mask: assigned::mask,
        ..ROW
    },
    Row {
        name: "azure_key",
        shape: "(AccountKey|SharedAccessKey)=[A-Za-z0-9+/=]{32,}",
        keys: &["Key"],
        long: true,
        find: extra::azure_key,
        mask: extra::mask_after_equals,
        ..ROW
    },
    Row {
        name: "putty_key",
        shape: "the private lines of a PuTTY key file",
        keys: &["te-"],
        long: true,
        find: pem::putty,
        mask: pem::mask,
        ..ROW
    },
    Row {
        name: "credit_card",
        severity: Severity::High,
        shape: "the ranges of Mastercard, Diners Club, JCB, Discover, UnionPay, Maestro and Mir that the reference lacks",
        keys: &["δδδ"],
        numbers: numbers::CARD,
        find: people::other_card,
        mask: |found, out| number::last_four("****", found, out),
        ..ROW
    },
    Row {
        name: "ssn",
        severity: Severity::High,
        shape: r"\b\d{3}\.\d{2}\.\d{4}\b",
        keys: &["χδδ"],
        numbers: numbers::SSN,
        find: number::dotted_ssn,
        mask: |found, out| number::last_four("***-**-", found, out),
        ..ROW
    },
    Row {
        name: "ssn",
        severity: Severity::High,
        shape: "nine digits beside the name of such a number",
        keys: &["δδδ"],
        numbers: numbers::LONG,
        find: people::named_ssn,
        mask: |found, out| number::last_four("***-**-", found, out),
        ..ROW
    },
    Row {
        name: "phone",
        severity: Severity::Medium,
        shape: r"\+[1-9](gap?\d){8,14}",
        keys: &["+δ*"],
        find: people::e164,
        mask: |found, out| number::last_four("***-***-", found, out),
        ..ROW
    },
    Row {
        name: "phone",
        severity: Severity::Medium,
        shape: "6 to 15 digits beside the name of a telephone number",
        keys: &["*δδ", "δδ*"],
        find: people::named_phone,
        mask: |found, out| number::last_four("***-***-", found, out),
        ..ROW
    },
    Row {
        name: "email",
        severity: Severity::Medium,
        shape: "a name, @ and a host, of any script",
        keys: &["*@*"],
        find: people::mail,
        mask: url::mask_email,
        ..ROW
    },
    Row {
        name: "ip_internal",
        severity: Severity::Medium,
        shape: "fd[0-9a-f]{2}:[0-9a-f:]+",
        keys: &["μμ:"],
        find: people::local_address,
        mask: people::mask_local_address,
        ..ROW
    },
];
