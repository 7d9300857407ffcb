//! Words: what a name is made of, and a random key is not.

/// The longest word, and the longest number.
const WORD: usize = 16;
const NUMBER: usize = 8;

/// A word in lower case, or words run together each with a capital, or a number, with or without `v`.
pub(super) fn words(part: &[u8]) -> bool {
    let number = part.strip_prefix(b"v").or_else(|| part.strip_prefix(b"V")).unwrap_or(part);
    if number.iter().all(u8::is_ascii_digit) {
        return number.len() <= NUMBER;
    }
    // Small letters since the last capital, and how many there have to be.
    let (mut small, mut least) = (0, 0);
    for byte in part {
        if byte.is_ascii_lowercase() {
            small += 1;
        } else if byte.is_ascii_uppercase() && (least..=WORD).contains(&small) {
            (small, least) = (0, 2);
        } else {
            return false;
        }
    }
    (least..=WORD).contains(&small)
}

/// The most digits of a number by itself, and of one that ends a word.
const DIGITS: usize = 14;
const ENDING: usize = 4;
/// The longest word in capitals, and the longest that runs into another word.
const CAPITALS: usize = 12;
const ACRONYM: usize = 4;

/// The longest word in small letters alone.
const LOWER: usize = 24;

/// Words in capitals that are known.
const KNOWN: [&str; 26] = [
    "ID", "URL", "URI", "API", "UI", "IO", "DB", "HTTP", "JSON", "XML", "HTML", "SQL", "AWS", "GCP", "CSS",
    "TLS", "TCP", "DNS", "PDF", "CSV", "MCP", "LLM", "SDK", "CLI", "V", "S",
];

/// Words without a vowel that begin with a capital in the middle of a name.
const VOWELLESS: [&str; 20] = [
    "Http", "Https", "Html", "Xml", "Sql", "Ctx", "Cmd", "Tls", "Ssl", "Css", "Cfg", "Grpc", "Rpc", "Tcp",
    "Mcp", "Llm", "Sdk", "Pdf", "Png", "Src",
];

/// Words of two letters that begin with a capital in the middle of a name.
const SHORT: [&str; 20] = [
    "By", "To", "Id", "Of", "In", "On", "Up", "At", "Is", "As", "Or", "If", "It", "No", "Ok", "Js", "Db",
    "Ui", "Io", "My",
];

/// Whether a run of letters, digits and `+/=_-` is a name made of words, as paths, functions, models, pods and
/// branches are. `ARCHITECTURE.md` has the share of random keys that would pass.
pub(super) fn name_of_words(token: &str) -> bool {
    // A sign of a difference may stand before it.
    let token = token.strip_prefix('+').unwrap_or(token);
    if token.contains('+') {
        return false;
    }
    let mut letters = false;
    let mut opaque = 0;
    let mut before = "";
    for segment in token.split(['/', '=']) {
        if uuid(segment.as_bytes()) && secret_place(before) {
            return false;
        }
        if segment.is_empty() || uuid(segment.as_bytes()) {
            before = segment;
            continue;
        }
        let segment_end = workload(segment).unwrap_or(segment);
        for part in segment_end.split(['-', '_']) {
            if word_part(part) {
                letters |= part.len() > 2 && part.bytes().any(|b| b.is_ascii_alphabetic());
            } else if short_hex(part) || (part.len() <= 4 && part.contains(|c: char| c.is_ascii_digit())) {
                opaque += 1;
            } else {
                return false;
            }
        }
        before = segment;
    }
    letters && opaque <= 1
}

/// A part between two joints: a number, a word in capitals, or words run together each with a capital.
fn word_part(part: &str) -> bool {
    let number = part.strip_prefix(['v', 'V']).unwrap_or(part);
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return number.len() <= DIGITS;
    }
    let digit = |c: char| c.is_ascii_digit();
    // `70b`, `405B`
    let size = part.trim_start_matches(digit);
    if size.len() < part.len() {
        return part.len() - size.len() <= ENDING
            && size.len() <= 2
            && size.bytes().all(|b| b.is_ascii_alphabetic());
    }
    let letters = part.trim_end_matches(digit);
    if part.len() - letters.len() > ENDING {
        return false;
    }
    // `Agent2AgentProtocol`, `base64_encode`
    if let Some((head, tail)) = letters.split_once(digit) {
        let tail = tail.strip_prefix(digit).unwrap_or(tail);
        let head_spoken = head.len() > 3 && spoken(head);
        return head_spoken
            && tail.starts_with(|c: char| c.is_ascii_uppercase())
            && word(head, false)
            && word(tail, false);
    }
    word(letters, letters.len() == part.len())
}

fn spoken(word: &str) -> bool {
    word.bytes().any(|b| b"aeiouyAEIOUY".contains(&b))
}

/// Words of three letters at least. Where that is `free`, letters in capitals that are no known word may run into
/// them, and then they have four.
fn word(letters: &str, free: bool) -> bool {
    if !letters.bytes().all(|b| b.is_ascii_alphabetic()) {
        return false;
    }
    if letters.bytes().all(|b| b.is_ascii_uppercase()) {
        return letters.len() <= CAPITALS;
    }
    if letters.bytes().all(|b| b.is_ascii_lowercase()) {
        letters.len() <= if free { LOWER } else { WORD }
    } else {
        camel(letters, free)
    }
}

/// `lowerThenCapital`, `HTTPServer`. Beside words in capitals the others have four letters at least.
fn camel(letters: &str, free: bool) -> bool {
    let bytes = letters.as_bytes();
    let lower = bytes.iter().take_while(|b| b.is_ascii_lowercase()).count();
    if lower > WORD {
        return false;
    }
    let (mut at, mut shortest, mut acronyms) = (lower, usize::MAX, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let capitals = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
        let small = rest.iter().skip(capitals).take_while(|b| b.is_ascii_lowercase()).count();
        // The last of several capitals begins the word after them.
        let acronym = if small == 0 { capitals } else { capitals - 1 };
        if acronym > ACRONYM {
            return false;
        }
        let known =
            rest.get(..acronym).is_some_and(|found| KNOWN.iter().any(|known| known.as_bytes() == found));
        acronyms += usize::from(acronym > 0 && !known);
        if small > 0 {
            let word = letters.get(at + acronym..at + capitals + small).unwrap_or_default();
            if word.len() > WORD || !(spoken(word) || VOWELLESS.contains(&word)) {
                return false;
            }
            shortest = if SHORT.contains(&word) { shortest } else { shortest.min(word.len()) };
        }
        at += capitals + small;
    }
    acronyms <= usize::from(free && shortest < usize::MAX) && shortest >= 3 + acronyms
}

/// The beginning of a short hash, as of a commit or a container.
fn short_hex(part: &str) -> bool {
    (7..=12).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

/// The name of a workload, without what Kubernetes adds to it for a pod: five characters, and before them up
/// to ten, from an alphabet without vowels and without digits that look like letters.
fn workload(segment: &str) -> Option<&str> {
    let safe = |part: &str| part.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
    let (name, _) = segment.rsplit_once('-').filter(|(_, pod)| pod.len() == 5 && safe(pod))?;
    let set = name.rsplit_once('-').filter(|(_, hash)| (8..=10).contains(&hash.len()) && safe(hash));
    Some(set.map_or(name, |(name, _)| name)).filter(|name| name.bytes().any(|b| b.is_ascii_lowercase()))
}

pub(super) fn uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether what follows this part of a path is what lets somebody in.
fn secret_place(segment: &str) -> bool {
    const PLACES: [&str; 12] = [
        "hook", "key", "token", "secret", "invit", "reset", "verif", "auth", "login", "share", "confirm",
        "sign",
    ];
    let lower = segment.to_ascii_lowercase();
    PLACES.iter().any(|place| lower.contains(place))
}

/// Ids by what their issuers put before them.
const ISSUED: [&str; 25] = [
    "call_",
    "toolu_",
    "toolu_vrtx_",
    "toolu_bdrk_",
    "srvtoolu_",
    "chatcmpl-",
    "chatcmpl-tool-",
    "cmpl-",
    "msg_",
    "resp_",
    "run_",
    "run-",
    "lc_run--",
    "thread_",
    "asst_",
    "req_",
    "fc_",
    "rs_",
    "ws_",
    "step_",
    "gen-",
    "batch_",
    "conv_",
    "evt_",
    "task_",
];

/// Whether this is an id as its issuer writes it: the value of a field for ids then is no secret.
pub(super) fn issued(id: &str) -> bool {
    let body = |prefix: &str| {
        let body = id.strip_prefix(prefix)?;
        let plain = (8..=64).contains(&body.len()) && body.bytes().all(|b| b.is_ascii_alphanumeric());
        (plain || uuid(body.as_bytes())).then_some(())
    };
    ISSUED.iter().any(|prefix| body(prefix).is_some())
}

/// Whether a name is that of a field for ids.
pub(super) fn id_key(name: &str) -> bool {
    if !name.ends_with(['d', 'D']) {
        return false;
    }
    let Some(head) = name.len().checked_sub(2).and_then(|at| name.get(..at)) else { return false };
    let end = name.get(head.len()..).unwrap_or_default();
    let apart = head.is_empty() || head.ends_with(['_', '-', '.', ' ']);
    matches!(end, "Id" | "ID") || end.eq_ignore_ascii_case("id") && apart
}
