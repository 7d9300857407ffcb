//! Made-up keys: a real beginning and a random body, put together at run time, so that no scanner
//! takes this file for a leak.

use crate::support::random::Random;

const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";
const URL: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
const DIGITS: &str = "0123456789";
const BECH: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

/// Format, beginning, class of the body, its length, what follows.
const FORMATS: &[(&str, &str, &str, usize, &str)] = &[
    ("anthropic", "sk-ant-api03-", URL, 93, "AA"),
    ("anthropic admin", "sk-ant-admin01-", URL, 93, "AA"),
    ("anthropic oauth", "sk-ant-oat01-", URL, 93, ""),
    ("openai", "sk-", ALNUM, 48, ""),
    ("openai project", "sk-proj-", URL, 120, ""),
    ("openai service account", "sk-svcacct-", URL, 120, ""),
    ("openai admin", "sk-admin-", URL, 110, ""),
    ("openrouter", "sk-or-v1-", HEX, 64, ""),
    ("deepseek", "sk-", HEX, 32, ""),
    ("google api", "AIza", URL, 35, ""),
    ("google oauth access", "ya29.", URL, 120, ""),
    ("google oauth client", "GOCSPX-", URL, 28, ""),
    ("aws access key", "AKIA", UPPER, 16, ""),
    ("aws session key", "ASIA", UPPER, 16, ""),
    ("aws bearer", "ABIA", UPPER, 16, ""),
    ("azure storage", "AccountKey=", ALNUM, 86, "=="),
    ("azure service bus", "SharedAccessKey=", ALNUM, 43, "="),
    ("azure sas", "https://x.blob.core.windows.net/c?sv=2024-11-04&sig=", ALNUM, 43, "%3D"),
    ("github classic", "ghp_", ALNUM, 36, ""),
    ("github oauth", "gho_", ALNUM, 36, ""),
    ("github user", "ghu_", ALNUM, 36, ""),
    ("github server", "ghs_", ALNUM, 36, ""),
    ("github refresh", "ghr_", ALNUM, 36, ""),
    ("github fine-grained", "github_pat_", ALNUM, 82, ""),
    ("gitlab personal", "glpat-", URL, 20, ""),
    ("gitlab routable", "glpat-", URL, 27, ".01.1a2b3c4d5"),
    ("gitlab pipeline", "glptt-", HEX, 40, ""),
    ("gitlab deploy", "gldt-", URL, 20, ""),
    ("gitlab runner", "glrt-", URL, 20, ""),
    ("gitlab agent", "glagent-", URL, 50, ""),
    ("slack bot", "xoxb-", DIGITS, 12, "-abcDEF0123456789"),
    ("slack user", "xoxp-", DIGITS, 12, "-abcDEF0123456789"),
    ("slack app", "xapp-1-A", ALNUM, 60, ""),
    ("slack refresh", "xoxe-1-", ALNUM, 140, ""),
    ("slack webhook", "https://hooks.slack.com/services/T0/B0/", ALNUM, 24, ""),
    ("slack workflow", "https://hooks.slack.com/workflows/T0/A0/", ALNUM, 24, ""),
    ("discord webhook", "https://discord.com/api/webhooks/1/", URL, 68, ""),
    ("discord test webhook", "https://canary.discord.com/api/webhooks/1/", URL, 68, ""),
    ("teams webhook", "https://a.webhook.office.com/webhookb2/", HEX, 32, ""),
    ("stripe live", "sk_live_", ALNUM, 99, ""),
    ("stripe restricted", "rk_live_", ALNUM, 99, ""),
    ("stripe test", "sk_test_", ALNUM, 24, ""),
    ("stripe webhook", "whsec_", ALNUM, 32, ""),
    ("twilio key", "SK", HEX, 32, ""),
    ("sendgrid", "SG.", URL, 22, ".AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-abcde"),
    ("npm", "npm_", ALNUM, 36, ""),
    ("pypi", "pypi-AgEIcHlwaS5vcmc", URL, 150, ""),
    ("hugging face", "hf_", ALNUM, 34, ""),
    ("databricks", "dapi", HEX, 32, ""),
    ("vault service", "hvs.", URL, 90, ""),
    ("vault batch", "hvb.", URL, 130, ""),
    ("telegram", "110201543:", URL, 35, ""),
    ("discord bot", "MTA4NzY1NDMyMTA5ODc2NTQzMg.GaBcDe.", URL, 38, ""),
    ("age", "AGE-SECRET-KEY-1", BECH, 58, ""),
    ("digitalocean", "dop_v1_", HEX, 64, ""),
    ("shopify", "shpat_", HEX, 32, ""),
    ("groq", "gsk_", ALNUM, 52, ""),
    ("xai", "xai-", ALNUM, 80, ""),
    ("perplexity", "pplx-", ALNUM, 48, ""),
    ("replicate", "r8_", ALNUM, 37, ""),
    ("langsmith", "lsv2_pt_", HEX, 32, "_a1b2c3d4e5"),
    ("tavily", "tvly-", ALNUM, 32, ""),
    ("pinecone", "pcsk_", ALNUM, 60, ""),
    ("nvidia", "nvapi-", URL, 64, ""),
    ("linear", "lin_api_", ALNUM, 40, ""),
    ("notion", "ntn_", ALNUM, 46, ""),
    ("figma", "figd_", URL, 40, ""),
    ("supabase", "sbp_", HEX, 40, ""),
    ("grafana", "glsa_", ALNUM, 32, "_a1b2c3d4"),
    ("postman", "PMAK-", HEX, 24, "-a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5"),
    ("new relic", "NRAK-", UPPER, 27, ""),
    ("atlassian", "ATATT3xFfGF0", URL, 180, ""),
    ("rubygems", "rubygems_", HEX, 48, ""),
    ("netlify", "nfp_", ALNUM, 36, ""),
    ("doppler", "dp.pt.", ALNUM, 43, ""),
    ("pulumi", "pul-", HEX, 40, ""),
    ("bearer", "Bearer ", URL, 40, ""),
    ("password", "password=", ALNUM, 12, ""),
    ("pwd in a connection", "Server=db;Uid=u;Pwd=", ALNUM, 12, ""),
    ("postgres", "postgresql://app:", ALNUM, 12, "@db.internal:5432/app"),
    ("postgres driver", "postgresql+asyncpg://app:", ALNUM, 12, "@db.internal/app"),
    ("mysql", "mysql://app:", ALNUM, 12, "@db.internal/app"),
    ("mongodb", "mongodb+srv://app:", ALNUM, 12, "@c0.mongodb.net/app"),
    ("redis", "redis://:", ALNUM, 12, "@cache:6379/0"),
    ("amqp", "amqps://app:", ALNUM, 12, "@mq:5671/"),
    ("clickhouse", "clickhouse://app:", ALNUM, 12, "@ch:9000/app"),
    ("snowflake", "snowflake://app:", ALNUM, 12, "@acct/app"),
    ("url userinfo", "https://deploy:", ALNUM, 12, "@git.example.com/x.git"),
    ("query token", "https://api.example.com/v1?access_token=", ALNUM, 16, ""),
    ("query key", "https://api.example.com/v1?a=b&api_key=", ALNUM, 16, "&c=d"),
    ("aws signed url", "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=", HEX, 64, ""),
    ("aws secret", "aws_secret_access_key = ", ALNUM, 40, ""),
    ("json credential", "{\"api_key\": \"", ALNUM, 14, "\"}"),
    ("json in a string", "{\\\"client_secret\\\":\\\"", ALNUM, 14, "\\\"}"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.", URL, 43, ""),
    ("pem", "-----BEGIN RSA PRIVATE KEY-----\n", ALNUM, 64, "\n-----END RSA PRIVATE KEY-----"),
    ("pem without end", "-----BEGIN EC PRIVATE KEY-----\n", ALNUM, 64, "\n"),
    (
        "openssh",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA",
        ALNUM,
        50,
        "\n-----END OPENSSH PRIVATE KEY-----",
    ),
    ("pgp", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n", ALNUM, 64, "\n-----END PGP PRIVATE KEY BLOCK-----"),
    ("putty", "Private-Lines: 1\n", ALNUM, 64, "\nPrivate-MAC"),
    ("random token", "x-", ALNUM, 44, ""),
];

/// Whether a format is known without the entropy rule.
pub fn known(format: &str) -> bool {
    !matches!(format, "random token" | "json credential" | "json in a string")
}

/// Format, text and the part of it that must not be readable: three bodies of each format.
pub fn all(random: &mut Random) -> Vec<(&'static str, String, String)> {
    let mut keys = Vec::new();
    for (format, start, class, length, end) in FORMATS {
        for _ in 0..3 {
            let class: Vec<char> = class.chars().collect();
            let mut pick = || class[random.between(0, class.len() as u64) as usize];
            // Ends of bodies that a boundary could cut are no part of what is looked for.
            let body: String = (0..*length).map(|_| pick()).collect();
            let secret = body[2..length - 1].to_owned();
            keys.push((*format, format!("{start}{body}{end}"), secret));
        }
    }
    keys
}
