//! Whatever the reference masks, halod masks, but for the exceptions for names and ids; and for ASCII it finds the
//! same.
//!
//! How "masked" is compared: no three neighbouring characters of the input may stand in halod's
//! output more often than they stand in the reference's (masks aside). So whatever the reference
//! hid, in whatever place, is hidden. `HALOD_TEST_REDACT_CASES` sets the number of random cases.

#[path = "redact_oracle/cases.rs"]
mod cases;
#[path = "redact_oracle/differences.rs"]
mod differences;
#[path = "../../record/fuzz/redact.rs"]
mod fuzz;

use crate::support::random::Random;
use crate::support::reference;
use cases::Case;
use halod_record::json::parse;
use halod_record::redact::{Findings, Redactor};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Cases in a usual run, besides the systematic ones.
const CASES: u64 = 16_000;
/// Cases that one process of the reference answers.
const BATCH: usize = 8_000;

const SEED: u64 = 1;
/// Cases that a failure shows.
const SHOWN: usize = 20;

/// Types that only halod finds.
const OURS: [&str; 12] = [
    "credential_flag",
    "provider_token",
    "aws_session_key",
    "webhook_secret",
    "url_userinfo",
    "url_query_secret",
    "basic_auth",
    "credential_text",
    "azure_key",
    "putty_key",
    "iban",
    "credential_field",
];

/// Numbers and addresses of which halod knows more forms.
const PEOPLE: [&str; 6] = ["iban", "phone", "credit_card", "ssn", "email", "ip_internal"];

#[derive(Default)]
struct Tally {
    cases: usize,
    equal: usize,
    /// How often each deliberate difference was met.
    deliberate: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

#[test]
fn never_less_masked_than_the_reference() {
    // The same cases each time, unless others are asked for.
    let asked = ["HALOD_TEST_SEED", "HALOD_TEST_REDACT_CASES"].iter().any(|name| std::env::var(name).is_ok());
    let mut random = if asked { Random::new("redact_oracle") } else { Random::seeded(SEED) };
    let count = std::env::var("HALOD_TEST_REDACT_CASES").map_or(CASES, |n| n.parse().unwrap());
    let mut all = cases::systematic(&mut random);
    all.extend((0..count).map(|_| cases::random(&mut random)));
    assert!(all.len() >= 20_000 || count < CASES, "{} cases", all.len());
    // The exceptions for names and ids are compared by their examples alone.
    let redactor = Redactor::strict();
    let mut tally = Tally::default();
    for batch in all.chunks(BATCH) {
        let lines: Vec<String> = batch.iter().map(Case::line).collect();
        let answers = reference::ask_python("redactions.py", &[], &(lines.join("\n") + "\n"));
        assert_eq!(answers.lines().count(), batch.len());
        for (case, answer) in batch.iter().zip(answers.lines()) {
            let theirs: Value = serde_json::from_str(answer).unwrap();
            tally.cases += 1;
            let wrong = match case {
                Case::Text(text) => compare_text(&redactor, text, &theirs, &mut tally),
                Case::Value(value) => compare_value(&redactor, value, &theirs, &mut tally),
            };
            if let Err(wrong) = wrong {
                tally.wrong.push(wrong);
            }
        }
    }
    println!(
        "{} cases, {} equal in all, deliberately different: {:?}",
        tally.cases, tally.equal, tally.deliberate
    );
    let short = |wrong: &String| wrong.chars().take(9000).collect::<String>();
    let shown: Vec<String> = tally.wrong.iter().take(SHOWN).map(short).collect();
    assert!(tally.wrong.is_empty(), "{} wrong:\n{}", tally.wrong.len(), shown.join("\n"));
}

/// What the fuzzer demands of any bytes, of made-up texts and of pieces of them stuck together.
#[test]
fn redaction_holds_for_whatever_a_fuzzer_may_try() {
    let mut random = Random::new("redact_fuzz");
    let mut last = Vec::new();
    for _ in 0..5_000 {
        let bytes = match cases::random(&mut random) {
            Case::Text(text) => text.into_bytes(),
            Case::Value(line) => line.into_bytes(),
        };
        fuzz::redact(&bytes);
        let cut = |bytes: &[u8], at: usize| String::from_utf8_lossy(&bytes[..at]).into_owned();
        let (head, tail) =
            (random.between(0, last.len() as u64 + 1), random.between(0, bytes.len() as u64 + 1));
        let joined = cut(&last, head as usize) + &cut(&bytes, tail as usize);
        fuzz::redact(joined.as_bytes());
        last = bytes;
    }
}

fn compare_text(redactor: &Redactor, text: &str, theirs: &Value, tally: &mut Tally) -> Result<(), String> {
    let (full, named) = (redactor.text(text), redactor.named(text));
    let mut findings = Findings::default();
    redactor.scan_text(text, &mut findings);
    hidden(text, &full, theirs["text"].as_str().unwrap(), "text")?;
    if !joined_sk(text) {
        hidden(text, &named, theirs["named"].as_str().unwrap(), "named")?;
    }
    if redactor.text(&full) != full {
        return Err(format!("not settled: {text:?}\n  once:  {full:?}\n  twice: {:?}", redactor.text(&full)));
    }
    if !text.is_ascii() {
        return Ok(());
    }
    if let Some(why) = deliberate(text, &findings) {
        *tally.deliberate.entry(why).or_default() += 1;
        return Ok(());
    }
    if same_findings(text, &findings, &theirs["findings"], encoded(text))? {
        *tally.deliberate.entry("a number or address of another form").or_default() += 1;
        return Ok(());
    }
    for (ours, name) in [(&full, "text"), (&named, "named")] {
        let settled = format!("{name}_settled");
        if name == "named" && joined_sk(text) {
            *tally.deliberate.entry("sk- in a word of a name").or_default() += 1;
        } else if *ours != theirs[name].as_str().unwrap() && *ours != theirs[&settled].as_str().unwrap() {
            let said = theirs[name].as_str().unwrap();
            let why = left_by_reference(redactor, said).or_else(|| longer_password(text, ours, said));
            if let Some(why) = why.or_else(|| unsaid(redactor, text)) {
                *tally.deliberate.entry(why).or_default() += 1;
                return Ok(());
            }
            return Err(format!("{name} differs: {text:?}\n  ours:   {ours:?}\n  theirs: {}", theirs[name]));
        }
    }
    tally.equal += 1;
    Ok(())
}

fn compare_value(redactor: &Redactor, line: &str, theirs: &Value, tally: &mut Tally) -> Result<(), String> {
    let value = parse(line).unwrap();
    let mut findings = Findings::default();
    redactor.scan(&value, &mut findings);
    let input = redactor.summary_input(&value).unwrap_or_default();
    let outcome = redactor.summary_outcome(&value).unwrap_or_default();
    assert!(input.chars().count() <= 200 && outcome.chars().count() <= 200, "{line}");
    let plain = serde_json::from_str::<Value>(line).unwrap();
    let source = format!("{plain} {}", cases::joined(&plain));
    // A shorter mask brings more of the rest into a summary: theirs are not cut here.
    hidden(&source, &input, theirs["input"].as_str().unwrap(), "input")?;
    hidden(&source, &outcome, theirs["outcome"].as_str().unwrap(), "outcome")?;
    let hash = halod_record::hash::input_hash(&value);
    let ours: String = hash.0.iter().map(|b| format!("{b:02x}")).collect();
    if format!("sha256:{ours}") != theirs["hash"] {
        return Err(format!("hash differs: {line}"));
    }
    if !cases::ascii(&plain) {
        return Ok(());
    }
    if let Some(why) = deliberate(&source, &findings) {
        *tally.deliberate.entry(why).or_default() += 1;
        return Ok(());
    }
    if same_findings(
        line,
        &findings,
        &theirs["findings"],
        (cases::depth(&plain) >= 8 && line.contains("*** Begin Patch")) || encoded(line),
    )? {
        *tally.deliberate.entry("findings in a deep patch").or_default() += 1;
        return Ok(());
    }
    for (name, ours) in [("input", &input), ("outcome", &outcome)] {
        let short = |text: &Value| text.as_str().unwrap().chars().take(200).collect::<String>();
        let settled = short(&theirs[format!("{name}_settled")]);
        if *ours != short(&theirs[name]) && *ours != settled {
            let said = theirs[name].as_str().unwrap();
            let why = left_by_reference(redactor, said).or_else(|| longer_password(&source, ours, said));
            if let Some(why) = why.or_else(|| unsaid(redactor, &source)) {
                *tally.deliberate.entry(why).or_default() += 1;
                return Ok(());
            }
            return Err(format!("{name} differs: {line}\n  ours:   {ours:?}\n  theirs: {}", theirs[name]));
        }
    }
    tally.equal += 1;
    Ok(())
}

/// What only halod knows, in what the reference gave out as masked: a summary may show it where the
/// value did not.
fn left_by_reference(redactor: &Redactor, masked: &str) -> Option<&'static str> {
    let mut findings = Findings::default();
    redactor.scan_text(masked, &mut findings);
    let people = findings.iter().any(|found| PEOPLE.contains(&&*found.kind));
    deliberate(masked, &findings).or(people.then_some("a number or address of another form"))
}

/// A password goes on where the reference's mask of it ends: in its quotes, to the end of its line.
fn longer_password(text: &str, ours: &str, theirs: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let named = ["password", "passwd", "passphrase", "pwd", "secret_access_key"]
        .iter()
        .any(|name| lower.contains(name));
    let cut = |text: &str| text.chars().count() == 200;
    (named && (ours.len() < theirs.len() || cut(ours))).then_some("a password goes on")
}

/// What only halod masks, where it is no finding: it overlaps what one of the reference's rows found.
fn unsaid(redactor: &Redactor, text: &str) -> Option<&'static str> {
    // Masked by the entropy rule, a user and host may also look like a user and password.
    if text.contains("://") && text.contains('@') {
        return Some("url_userinfo");
    }
    let lower = text.to_ascii_lowercase();
    for name in ["password", "passwd", "passphrase", "pwd"] {
        if lower.contains(&format!("{name}\"")) {
            return Some("credential_text");
        }
        // In a query, a password goes on after a comma.
        if ["?", "&", ";"].iter().any(|sign| lower.contains(&format!("{sign}{name}="))) {
            return Some("url_query_secret");
        }
    }
    // In a part of the text alone, it is a finding.
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c))
        .find_map(|part| left_by_reference(redactor, part))
}

/// Whether a text may hold percent-encoding, entities of HTML or escapes of JSON: then halod also finds what is
/// in the decoded text.
fn encoded(text: &str) -> bool {
    let percent = text
        .split('%')
        .skip(1)
        .any(|rest| rest.get(..2).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())));
    percent || text.contains("&#") || text.contains("\\u")
}

/// The deliberate differences, by what shows them.
fn deliberate(text: &str, findings: &Findings) -> Option<&'static str> {
    if let Some(found) = OURS[..10].iter().find(|kind| findings.iter().any(|found| found.kind == **kind)) {
        return Some(found);
    }
    // The reference keeps what stands before the last sign inside a secret key.
    let lower = text.to_ascii_lowercase();
    let value = |rest: &str| {
        let rest = rest.trim_start();
        let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
        value.chars().take(42).any(|c| c == '=')
    };
    if lower.split("aws_secret_access_key").skip(1).any(value) {
        return Some("a secret key with = in it");
    }
    let long = |rest: &str| {
        rest.split([' ', '"', '\'', ',', ';', '<', '>', '\n', '\t', '\r']).any(|value| value.len() > 256)
    };
    if ["passw", "passphrase", "pwd"].iter().any(|label| lower.contains(label)) && long(text) {
        return Some("a password of more than 256 characters");
    }
    if ["password\\\"", "passwd\\\"", "passphrase\\\"", "pwd\\\""].iter().any(|label| lower.contains(label)) {
        return Some("a quoted password in a summary");
    }
    if text.len() > 65_536 {
        return Some("a text beyond the cap");
    }
    None
}

/// Whether halod finds more than the reference, in the same order: numbers and addresses of more forms always,
/// more in a deep patch and in what is encoded.
fn same_findings(text: &str, ours: &Findings, theirs: &Value, deep: bool) -> Result<bool, String> {
    let ours: Vec<[&str; 3]> =
        ours.iter().map(|f| [&*f.kind, f.severity.name(), f.sample.as_str()]).collect();
    // A sample is masked like any text: what only halod knows may be in it.
    let redactor = Redactor::strict();
    let samples: Vec<_> =
        theirs.as_array().unwrap().iter().map(|f| redactor.text(f[2].as_str().unwrap())).collect();
    let theirs: Vec<[&str; 3]> = theirs
        .as_array()
        .unwrap()
        .iter()
        .zip(&samples)
        .map(|(f, sample)| [f[0].as_str().unwrap(), f[1].as_str().unwrap(), sample])
        .collect();
    if ours == theirs {
        return Ok(false);
    }
    let mut left = theirs.iter().peekable();
    let more: Vec<_> = ours.iter().filter(|found| left.next_if_eq(found).is_none()).collect();
    if left.peek().is_none() && (deep || more.iter().all(|found| PEOPLE.contains(&found[0]))) {
        return Ok(true);
    }
    Err(format!("findings differ: {text:?}\n  ours:   {ours:?}\n  theirs: {theirs:?}"))
}

/// Whether `sk-` continues a word somewhere and words follow: in names that is no key.
fn joined_sk(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !cases::invisible(*c)).collect();
    text.match_indices("sk-").any(|(at, _)| {
        let rest = &text[at + 3..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
        let found = &rest[..end.unwrap_or(rest.len())];
        let mixed = |part: &str| {
            let digits = part.bytes().filter(u8::is_ascii_digit).count();
            digits > 8 || (digits > 0 && part.len() > digits + 1)
        };
        text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) && !found.split(['-', '_']).any(mixed)
    })
}

/// A text without the masks that have letters, which a cut may have gone through, and without a label
/// that is masked where halod masks only the key.
fn unmasked(text: &str) -> String {
    const LABEL: &str = "aws_secret_access_key";
    const MASK: &str = "[PRIVATE KEY REDACTED]";
    const REST: &str = " KEY REDACTED]";
    // An account number's country is written in capitals.
    let text = text.to_lowercase().replace(LABEL, "*");
    let text = ["***-**-", "***-***-"].iter().fold(text, |text, mask| text.replace(mask, "*"));
    let (mask, rest) = (MASK.to_lowercase(), REST.to_lowercase());
    let text = text.replace(&mask, "*").replace(&rest, "*");
    let cut = |word: &str| (1..word.len()).rev().find(|&n| text.ends_with(&word[..n])).unwrap_or(0);
    text[..text.len() - cut(LABEL).max(cut(&mask)).max(cut(&rest))].to_owned()
}

/// A text without the first character of each masked address: it is a part of the mask, and another one
/// where JSON's own letters stand before the address.
fn without_firsts(text: &str) -> String {
    let mut parts: Vec<&str> = text.split("****@").collect();
    let last = parts.pop().unwrap_or_default();
    let cut = |part: &str| part.chars().next_back().map_or(0, char::len_utf8);
    let kept: String = parts.iter().map(|part| format!("{}****@", &part[..part.len() - cut(part)])).collect();
    kept + last
}

/// A text without the single characters that separate its digits.
fn digits_joined(text: &[char]) -> Vec<char> {
    let digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
    let between = |at: usize| at > 0 && !digit(at) && digit(at - 1) && digit(at + 1);
    (0..text.len()).filter(|at| !between(*at)).map(|at| text[at]).collect()
}

/// Every three neighbouring characters of `text` stand in `ours` at most as often as in `theirs`.
fn hidden(text: &str, ours: &str, theirs: &str, what: &str) -> Result<(), String> {
    // Both may leave out invisible characters, in different places.
    let visible =
        |text: &str| unmasked(text).chars().filter(|c| !cases::invisible(*c)).collect::<Vec<char>>();
    let (source, left, right) = (visible(text), visible(&without_firsts(ours)), visible(theirs));
    // What JSON puts around and into strings is no content.
    let skipped: &[char] = if what == "input" { &['*', '\\', '"'] } else { &['*'] };
    let count = |text: &[char]| {
        let mut counts: HashMap<[char; 3], usize> = HashMap::new();
        for gram in text.windows(3).filter(|gram| !gram.iter().any(|c| skipped.contains(c))) {
            *counts.entry([gram[0], gram[1], gram[2]]).or_default() += 1;
        }
        counts
    };
    // The last digits of a number stand side by side in a mask, and not in the number.
    let joined = count(&digits_joined(&right));
    let (source, left, right) = (count(&source), count(&left), count(&right));
    for (gram, n) in left {
        let shown = |counts: &HashMap<[char; 3], usize>| counts.get(&gram).copied().unwrap_or(0);
        if source.contains_key(&gram) && n > shown(&right).max(shown(&joined)) {
            return Err(format!(
                "less masked ({what}, {gram:?}): {text:?}\n  ours:   {ours:?}\n  theirs: {theirs:?}"
            ));
        }
    }
    Ok(())
}
