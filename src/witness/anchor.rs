//! Anchors: what a vendor says of the length and the head of one chain, as the reference's `halo anchor --remote` does.

use halod_evidence::note::{NoteError, Signer};
use halod_record::hash::{hex_text, parse_hex};
use halod_timestamp::halo::Tsa;
use serde::{Deserialize, Serialize};

/// Bytes of a chain's subject.
pub(super) const LONGEST_SUBJECT: usize = 512;

/// The most records that a chain is believed to have, as for the reference.
const MOST: u64 = 1_000_000_000_000;

/// Which chain an anchor is of: its subject, which the reader names; without one the hash of its first record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Chain {
    Subject(String),
    Root([u8; 32]),
}

/// What a vendor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub(super) subject: Option<String>,
    pub(super) root: Option<[u8; 32]>,
    pub(super) count: u64,
    pub(super) head: [u8; 32],
}

/// The members of an anchor; others are left alone.
#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    chain_root: Option<String>,
    count: u64,
    head: String,
}

/// A line of the store, and the receipt of an anchor. The order of the members is that of the reference.
#[derive(Serialize)]
struct Line<'a> {
    chain_root: Option<String>,
    subject: Option<&'a str>,
    count: u64,
    head: String,
    ts: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tsa: Option<&'a Tsa>,
}

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    subject: Option<&'a str>,
    count: u64,
    head: String,
    chain_root: Option<String>,
}

impl Chain {
    /// As an error names it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Subject(subject) => subject.clone(),
            Self::Root(root) => hex_text(root),
        }
    }
}

impl Anchor {
    /// The end of a chain: its number of records, the hash of the last one, and the hash of the first one.
    #[must_use]
    pub fn of_chain(subject: Option<&str>, count: u64, head: [u8; 32], first: [u8; 32]) -> Self {
        Self { subject: subject.map(str::to_owned), root: Some(first), count, head }
    }

    /// Reads the body of a request, or a line of the store.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let wrong =
            |error| format!("it is no JSON object with a number `count` and a text `head`, each once{error}");
        // The library takes an array for the members in their order, too.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(wrong(String::new()));
        }
        let members: Members = serde_json::from_slice(json).map_err(|error| wrong(format!(": {error}")))?;
        if let Some(subject) = &members.subject {
            check_subject(subject)?;
        }
        if !(1..=MOST).contains(&members.count) {
            return Err(format!("`count` is not a number of records from 1 to {MOST}"));
        }
        let hash = |name: &str, text: &str| {
            let hash = parse_hex(text.as_bytes());
            hash.ok_or_else(|| format!("`{name}` is not a SHA-256 in 64 lower-case hexadecimal digits"))
        };
        let root = members.chain_root.as_deref().map(|root| hash("chain_root", root)).transpose()?;
        if members.subject.is_none() && root.is_none() {
            return Err(
                "it has neither a `subject` nor a `chain_root`, so nobody knows whose chain it is of".into(),
            );
        }
        Ok(Self { head: hash("head", &members.head)?, subject: members.subject, root, count: members.count })
    }

    /// Which chain it is of.
    #[must_use]
    pub fn chain(&self) -> Chain {
        match (&self.subject, self.root) {
            (Some(subject), _) => Chain::Subject(subject.clone()),
            (None, root) => Chain::Root(root.unwrap_or_default()),
        }
    }

    /// The line of the store that says when it came, with a receipt that the witness has signed.
    ///
    /// # Errors
    /// The receipt can't be signed.
    pub(super) fn line(&self, ts: &str, receipts: &Signer) -> Result<String, NoteError> {
        let note = receipts.sign(&self.text(ts))?;
        // Texts and numbers alone can always be written.
        self.written(ts, Some(&note), None).map_err(|_| NoteError::Shape("the receipt can't be written"))
    }

    /// A line of a witness file, as the reference writes it, with a time-stamp where there is one.
    #[must_use]
    pub fn unsigned_line(&self, ts: &str, tsa: Option<&Tsa>) -> String {
        self.written(ts, None, tsa).unwrap_or_default()
    }

    fn written(&self, ts: &str, note: Option<&str>, tsa: Option<&Tsa>) -> serde_json::Result<String> {
        let root = self.root.map(|root| hex_text(&root));
        let (subject, head) = (self.subject.as_deref(), hex_text(&self.head));
        serde_json::to_string(&Line { chain_root: root, subject, count: self.count, head, ts, note, tsa })
    }

    /// What a witness is sent.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let root = self.root.map(|root| hex_text(&root));
        let (subject, head) = (self.subject.as_deref(), hex_text(&self.head));
        // Texts and numbers alone can always be written.
        serde_json::to_vec(&Body { subject, count: self.count, head, chain_root: root }).unwrap_or_default()
    }

    /// What a receipt says, as the text of a note.
    fn text(&self, ts: &str) -> String {
        let subject = self.subject.as_ref().map(|subject| format!("subject {subject}\n")).unwrap_or_default();
        let root = self.root.map(|root| format!("chain_root {}\n", hex_text(&root))).unwrap_or_default();
        format!(
            "halod-anchor/v1\n{subject}{root}count {}\nhead {}\ntime {ts}\n",
            self.count,
            hex_text(&self.head)
        )
    }

    /// For evidence: the four members as they were sent.
    pub(super) fn members(&self) -> serde_json::Value {
        serde_json::json!({
            "chain_root": self.root.map(|root| hex_text(&root)),
            "subject": self.subject,
            "count": self.count,
            "head": hex_text(&self.head),
        })
    }
}

/// Any text of any script may be a subject. Control characters would part the lines of a receipt.
pub(super) fn check_subject(subject: &str) -> Result<(), String> {
    if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
        return Err(format!("`subject` has not from 1 to {LONGEST_SUBJECT} bytes in UTF-8"));
    }
    if subject.contains(char::is_control) {
        return Err("`subject` has a control character".into());
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_evidence::note::{Kind, SignedNote};
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::Ed25519KeyPair;

    fn hash(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn body(subject: &str, count: &str, head: &str) -> String {
        format!(r#"{{"subject":{subject},"count":{count},"head":"{head}","chain_root":"{}"}}"#, hash('a'))
    }

    #[test]
    fn anchors_of_any_script_are_read() {
        for subject in
            ["acme", "acme corp", " a  b ", "a/b:c@d,e'", "Ünïcode", "客户-1", "🦀", &"x".repeat(512)]
        {
            let json = body(&serde_json::to_string(subject).unwrap(), "3", &hash('b'));
            let anchor = Anchor::parse(json.as_bytes()).unwrap();
            assert_eq!(anchor.chain(), Chain::Subject(subject.into()));
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            let signer = Signer::of(Kind::Text, "w/receipts", pkcs8.as_ref()).unwrap();
            let line = anchor.line("2026-11-30T09:00:00.000000Z", &signer).unwrap();
            assert_eq!(Anchor::parse(line.as_bytes()), Ok(anchor.clone()));
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            let note = SignedNote::parse(line["note"].as_str().unwrap()).unwrap();
            assert_eq!(note.verify(signer.key()), Ok(()));
            assert!(
                note.text.contains(&format!("\nsubject {subject}\n")) && note.text.contains("\ncount 3\n")
            );
        }
        let rooted = body("null", "1", &hash('b'));
        assert_eq!(Anchor::parse(rooted.as_bytes()).unwrap().chain(), Chain::Root([0xaa; 32]));
    }

    #[test]
    fn what_is_no_anchor_is_told() {
        for (wrong, what) in [
            (String::new(), "no JSON object"),
            ("[]".into(), "no JSON object"),
            (body("5", "1", &hash('b')), "no JSON object"),
            (body("\"a\"", "1.0", &hash('b')), "no JSON object"),
            (body("\"a\"", "true", &hash('b')), "no JSON object"),
            (body("\"a\"", "-1", &hash('b')), "no JSON object"),
            (body("\"a\"", "1,\"count\":2", &hash('b')), "duplicate"),
            (body("\"a\"", "0", &hash('b')), "`count`"),
            (body("\"a\"", "1000000000001", &hash('b')), "`count`"),
            (body("\"a\"", "1", &hash('B')), "`head`"),
            (body("\"a\"", "1", "b"), "`head`"),
            (body("\"a\"", "1", &hash('b')).replace(&hash('a'), "g"), "`chain_root`"),
            (body("\"\"", "1", &hash('b')), "`subject` has not from 1"),
            (body(&format!("\"{}\"", "é".repeat(257)), "1", &hash('b')), "`subject` has not from 1"),
            (body("\"a\\nb\"", "1", &hash('b')), "control character"),
            (body("\"a\\u0085b\"", "1", &hash('b')), "control character"),
            (body("\"\\ud800\"", "1", &hash('b')), "no JSON object"),
            (format!(r#"{{"count":1,"head":"{}"}}"#, hash('b')), "neither a `subject`"),
        ] {
            let told = Anchor::parse(wrong.as_bytes()).unwrap_err();
            assert!(told.contains(what), "{wrong}: {told}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Anchor::parse(&bytes);
        }
    }
}
