//! What is asked: every pattern beside every kind of neighbour, near misses, long texts, values.

use crate::support::random::Random;
use serde_json::{Value, json};

pub enum Case {
    Text(String),
    /// A JSON text.
    Value(String),
}

impl Case {
    /// The line for the reference.
    pub fn line(&self) -> String {
        match self {
            Self::Text(text) => json!(["text", text]).to_string(),
            Self::Value(value) => format!("[\"value\",{value}]"),
        }
    }
}

/// A body of random characters of `set`.
pub fn body(random: &mut Random, set: &str, length: usize) -> String {
    let set: Vec<char> = set.chars().collect();
    (0..length).map(|_| set[random.between(0, set.len() as u64) as usize]).collect()
}

pub const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const URL: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
const DIGIT: &str = "0123456789";

const KINDS: u64 = 44;

/// One of each pattern, or nearly.
fn secret(random: &mut Random, kind: u64) -> String {
    let r = random;
    let n = r.between(0, 3) as usize;
    match kind {
        0 => format!("sk-{}", body(r, URL, 19 + n * 15)),
        1 => format!("AKIA{}", body(r, UPPER, 15 + n)),
        2 => format!("xox{}-{}", pick(r, &["b", "a", "p", "r", "s", "z"]), body(r, ALNUM, 9 + n)),
        3 => format!("AIza{}", body(r, URL, 34 + n)),
        4 => format!(
            "aws_secret_access_key{}{}",
            pick(r, &["=", ": ", " = \"", "\t", "==", " "]),
            body(r, "abAB12/+", 39 + n)
        ),
        5 => format!("https://hooks.slack.com/services/{}", body(r, ALNUM, n * 10)),
        6 => format!("https://discord.com/api/webhooks/{}/{}", body(r, DIGIT, 18), body(r, URL, 30)),
        7 => format!(
            "https://{}.webhook.office.com/webhookb2/{}@x/y",
            body(r, LOWER, 4 + n),
            body(r, ALNUM, 8)
        ),
        8 => format!(
            "{}_{}_{}",
            pick(r, &["sk", "rk", "pk", "ak"]),
            pick(r, &["live", "test"]),
            body(r, ALNUM, 15 + n)
        ),
        9 => format!("gh{}_{}", pick(r, &["o", "p", "s", "u"]), body(r, ALNUM, 35 + n)),
        10 => format!("github_pat_{}", body(r, ALNUM, 21 + n)),
        11 => format!(
            "-----BEGIN {}PRIVATE KEY-----\n{}\n{}\n-----END {}PRIVATE KEY-----",
            pick(r, &["", "RSA ", "A B C "]),
            body(r, ALNUM, 64),
            body(r, ALNUM, 10),
            pick(r, &["", "EC "])
        ),
        12 => format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n{}", body(r, ALNUM, 70), body(r, ALNUM, 12)),
        13 => format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A\n\n{}\n",
            body(r, ALNUM, 40)
        ),
        14 => format!(
            "{}://{}:{}@db.example.com/x",
            pick(r, &["postgres", "postgresql", "mysql", "mongodb+srv", "rediss", "amqp", "sqlserver"]),
            body(r, LOWER, n),
            body(r, ALNUM, 6)
        ),
        15 => format!("redis://{}", pick(r, &["localhost:6379/0", "u@h", "a/b:c@d", ":p@h", ""])),
        16 => format!(
            "{}{}{}",
            pick(r, &["password", "PASSWD", "pwd", "passphrase", "Password", "passwords"]),
            pick(r, &["=", ": ", "\":\"", " = '", "    :", "\n="]),
            body(r, ALNUM, 1 + n * 4)
        ),
        17 => format!("password={}", body(r, ALNUM, 250 + n * 3)),
        18 => format!("eyJ{}.{}.{}", body(r, URL, 9 + n), body(r, URL, 9 + n), body(r, URL, 9 + n)),
        _ => other(r, kind, n),
    }
}

/// Numbers, addresses, tokens without a format, and pieces that only begin something.
fn other(random: &mut Random, kind: u64, n: usize) -> String {
    let r = random;
    match kind {
        19 => iban(r, n),
        20 => card(r, n),
        21 => format!(
            "{}{}{}{}{}",
            body(r, DIGIT, 3),
            pick(r, &["-", " "]),
            body(r, DIGIT, 2),
            pick(r, &["-", " "]),
            body(r, DIGIT, 4)
        ),
        22 => format!("{}:{}", body(r, DIGIT, 7 + n * 2), body(r, URL, 29 + n * 6)),
        23 => format!("Bearer{}{}", pick(r, &[" ", "  ", "\t"]), body(r, URL, 19 + n)),
        24 => format!(
            "{}@{}.{}",
            body(r, "abc.+-_%1", 1 + n * 3),
            body(r, "ab-1", 1 + n * 3),
            pick(r, &["com", "co.uk", "x", "c1", "museum"])
        ),
        25 => format!("{}@x.com", body(r, LOWER, 63 + n)),
        26 => format!(
            "{}.{}.{}.{}",
            pick(r, &["10", "172.16", "172.31", "192.168", "172.40", "11"]),
            body(r, DIGIT, 1 + n),
            body(r, DIGIT, 1 + n),
            body(r, DIGIT, 2)
        ),
        27 => phone(r),
        28 => body(r, URL, 22 + n * 4),
        29 => body(r, ALNUM, 40),
        30 => body(r, "0123456789abcdef", 32),
        31 => "550e8400-e29b-41d4-a716-446655440000".to_owned(),
        32 => format!("/usr/{}/{}", body(r, LOWER, 9), body(r, ALNUM, 14)),
        33 => format!("{}{}{}", body(r, DIGIT, 3 + n), pick(r, &[".", "-", " ", ") "]), body(r, DIGIT, 4)),
        34 => body(r, DIGIT, 8 + n * 6),
        35 => body(r, "a+/=_-", 20 + n * 10),
        36 => format!("https://outlook.office.com/webhook/{}", body(r, ALNUM, 12)),
        37 => "-----BEGIN PRIVATE KEY-----".to_owned(),
        38 => "-----END RSA PRIVATE KEY-----".to_owned(),
        39 => "Bearer ".to_owned(),
        40 => "eyJ".to_owned(),
        41 => format!("{}{}", pick(r, &["DE", "GB", "fr", "XX"]), body(r, DIGIT, 10 + n * 6)),
        42 => pick(
            r,
            &[
                "claude-3-5-sonnet-20241022",
                "mcp__github__create_pull_request_review_comment_v2",
                "risk-assessment-orchestrator-v2",
            ],
        )
        .to_owned(),
        _ => "password=".to_owned(),
    }
}

fn iban(random: &mut Random, n: usize) -> String {
    let all = [
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "NO93-8601-1117-947",
        "be68539007547034",
        "MT84MALT011000012345MTLCAST001S",
        "DE89370400440532013001",
    ];
    format!("{}{}", pick(random, &all), ["", " ", " and more"][n])
}

/// A card's number, mostly with a right check digit.
fn card(random: &mut Random, n: usize) -> String {
    let start = pick(random, &["4", "51", "37", "6011", "65", "22"]).to_owned();
    let length = [13, 15, 16, 17][random.between(0, 4) as usize];
    let digits = format!("{start}{}", body(random, DIGIT, length - 1 - start.len()));
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b - b'0') * if i % 2 == 0 { 2 } else { 1 };
            if d > 9 { d - 9 } else { d }
        })
        .sum();
    let check = (10 - sum % 10) % 10 + u32::from(random.between(0, 8) == 0);
    let digits = format!("{digits}{}", check % 10);
    let gap = ["", " ", "-"][n];
    let groups: Vec<&str> =
        (0..digits.len()).step_by(4).map(|at| &digits[at..digits.len().min(at + 4)]).collect();
    groups.join(gap)
}

fn phone(random: &mut Random) -> String {
    let r = random;
    format!(
        "{}{}{}{}{}{}{}",
        pick(r, &["", "", "+1 ", "1-", "+1", "(", "+1 ("]),
        body(r, DIGIT, 3),
        pick(r, &["", "", ")"]),
        pick(r, &["-", ".", " ", ""]),
        body(r, DIGIT, 3),
        pick(r, &["-", ".", " ", ""]),
        body(r, DIGIT, 4)
    )
}

pub fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.between(0, from.len() as u64) as usize]
}

const ASCII: [&str; 42] = [
    "", " ", "a", "Z", "0", "9", "_", "-", ".", "/", "+", "=", ":", "@", "\"", "'", ",", ";", "<", ">", "(",
    ")", "[", "]", "{", "}", "\\", "*", "\n", "\t", "\r\n", "\u{1f}", "%", "&", "?", "#", "|", "`", "~", "$",
    "  ", "1-",
];
const OTHERS: [&str; 26] = [
    "é",
    "字",
    "½",
    "²",
    "\u{301}",
    "٠",
    "\u{203f}",
    "\u{a0}",
    "ſ",
    "\u{212a}",
    "İ",
    "ı",
    "\u{200b}",
    "\u{202e}",
    "\u{2060}",
    "\u{ad}",
    "\u{feff}",
    "😀",
    "\u{2007}",
    "\u{85}",
    "\u{3000}",
    "д",
    "\u{930}\u{93f}",
    "\u{fe0f}",
    "१",
    "\u{2800}",
];

pub fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{202e}' | '\u{2060}' | '\u{feff}' | '\u{fe0f}' | '\u{2800}')
}

/// Each pattern with each neighbour on either side, and split by each invisible character.
pub fn systematic(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in 0..KINDS {
        for near in ASCII.iter().chain(&OTHERS) {
            let text = secret(random, kind);
            cases.push(Case::Text(format!("{near}{text}")));
            cases.push(Case::Text(format!("{text}{near}")));
            if near.chars().all(invisible) && !near.is_empty() {
                let split: Vec<String> = secret(random, kind).chars().map(String::from).collect();
                cases.push(Case::Text(split.join(near)));
                let at = random.between(1, split.len() as u64) as usize;
                cases.push(Case::Text(format!("{}{near}{}", split[..at].concat(), split[at..].concat())));
            }
        }
        for length in [150, 195, 8_150, 8_190] {
            let padding = "ab cd ".repeat(length / 6);
            let text = format!("{padding}{} {}", secret(random, kind), secret(random, kind));
            cases.push(Case::Value(json!(text).to_string()));
        }
        let text = format!("{}{} tail", "word ".repeat(13_100), secret(random, kind));
        cases.push(Case::Text(text));
    }
    for piece in ["eyJ", "a.", "1234 ", "password=", "\"", "-----BEGIN PRIVATE KEY-----", "x", "some words "]
    {
        cases.push(Case::Text(piece.repeat(65_600 / piece.len())));
    }
    cases.push(Case::Text("plain words in a row ".repeat((1 << 20) / 21)));
    cases
}

pub fn random(random: &mut Random) -> Case {
    let ascii = random.between(0, 10) < 6;
    if random.between(0, 3) > 0 {
        return Case::Text(text(random, ascii));
    }
    let depth = if random.between(0, 8) == 0 { 10 } else { 3 };
    Case::Value(value(random, ascii, depth).to_string())
}

/// Secrets, near misses, words and neighbours in a row.
fn text(random: &mut Random, ascii: bool) -> String {
    let mut text = String::new();
    for _ in 0..random.between(1, 6) {
        match random.between(0, 4) {
            0 | 1 => {
                let kind = random.between(0, KINDS);
                text.push_str(&secret(random, kind));
            }
            2 => text.push_str(pick(
                random,
                &["the ", "token ", " and", "user", "id=", "key: ", "https://x.com/a"],
            )),
            _ => {}
        }
        for _ in 0..random.between(0, 3) {
            let other = !ascii && random.between(0, 2) == 0;
            text.push_str(pick(random, if other { &OTHERS } else { &ASCII }));
        }
    }
    text
}

const KEYS: [&str; 36] = [
    "a",
    "q",
    "name",
    "value",
    "path",
    "file_path",
    "filePath",
    "files",
    "url",
    "pattern",
    "cwd",
    "password",
    "Password",
    "api_key",
    "apiKey",
    "token",
    "tokens",
    "max_tokens",
    "authorization",
    "client_secret",
    "secrets",
    "auth",
    "pass",
    "x-api-key",
    "credentials",
    "pwd",
    "access_key",
    " password ",
    "id",
    "n",
    "text",
    "input",
    "id_token",
    "bypass",
    "author",
    "user pass",
];

fn value(random: &mut Random, ascii: bool, depth: u64) -> Value {
    let kinds = if depth == 0 { 6 } else { 11 };
    match random.between(0, kinds) {
        0 => json!(random.next() as i32),
        1 => card(random, 0).parse::<i64>().map_or(Value::Null, Value::from),
        2 => pick_value(random),
        3 => Value::String(path(random)),
        4 | 5 => Value::String(text(random, ascii)),
        6 | 7 => (0..random.between(0, 4)).map(|_| value(random, ascii, depth - 1)).collect(),
        _ => {
            let mut map = serde_json::Map::new();
            for _ in 0..random.between(1, 4) {
                let key = match random.between(0, 12) {
                    0 => text(random, ascii),
                    _ => pick(random, &KEYS).to_owned(),
                };
                map.insert(key, value(random, ascii, depth - 1));
            }
            Value::Object(map)
        }
    }
}

fn pick_value(random: &mut Random) -> Value {
    match random.between(0, 6) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(""),
        3 => json!("****"),
        4 => json!([]),
        _ => json!(patch(random)),
    }
}

fn patch(random: &mut Random) -> String {
    let file = path(random);
    let added = text(random, true);
    format!("*** Begin Patch\n*** Update File: {file}\n@@\n-x\n+{added}\n*** End Patch")
}

fn path(random: &mut Random) -> String {
    let r = random;
    let deep = body(r, ALNUM, 24);
    format!(
        "{}{}{}",
        pick(
            r,
            &[
                "",
                "/",
                "./",
                "../",
                "~/",
                "/srv/u/",
                "C:/",
                "C:\\",
                "s3://",
                "a/b/",
                "https://x.com/",
                " /a/",
                "~",
                "1:/",
                "/*",
                "[",
                "S3://"
            ]
        ),
        deep,
        pick(
            r,
            &[
                "", ".rs", ".tar.gz", "/", "/x.y", "?a=b", "/*", ".toolong", "%20", "@x.com", "\n", ".py\n",
                " b"
            ]
        )
    )
}

/// All strings and keys of a value, for what may come from where.
pub fn joined(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => if *b { "True" } else { "False" }.to_owned(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().map(joined).collect::<Vec<_>>().join(" "),
        Value::Object(map) => {
            map.iter().map(|(k, v)| format!("{k} {}", joined(v))).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Whether all text in a value is ASCII.
pub fn ascii(value: &Value) -> bool {
    joined(value).is_ascii()
}

/// Containers inside each other.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
