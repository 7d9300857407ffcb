//! Signed notes and checkpoints (C2SP signed-note and tlog-checkpoint), with Ed25519 (RFC 8032).

use crate::Hash;
use data_encoding::{BASE64, HEXLOWER};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Bytes of a note that is read, and signatures of it: a note has to be read with 16 of them (signed-note, "Format").
pub const MAX_BYTES: usize = 128 << 10;
pub const MAX_SIGNATURES: usize = 64;

/// What a signature line begins with.
const DASH: &str = "\u{2014} ";

/// The type of the signatures that halod makes: Ed25519 over the text (signed-note, "Signature types").
const ED25519_OF_TEXT: u8 = 1;

/// Why something is no note, no checkpoint or no key; or why a note shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("a note has at most {MAX_BYTES} bytes and {MAX_SIGNATURES} signatures")]
    TooLarge,
    #[error("it is no signed note: {0}")]
    Shape(&'static str),
    #[error("it is no verifier key, like NAME+HASH+KEY: {0}")]
    Key(&'static str),
    #[error("the text of the note is no checkpoint: {0}")]
    Checkpoint(&'static str),
    #[error("the note has no signature of {0}")]
    Unsigned(String),
    #[error("the signature of {0} is not one of this text")]
    Forged(String),
}

/// Whose signature is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

/// Signs notes.
#[derive(Debug)]
pub struct Signer {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

/// A note as it was read: nothing of it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// With the line feed at its end.
    pub text: String,
    pub signatures: Vec<Signature>,
}

/// One line under a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub key_id: [u8; 4],
    pub bytes: Vec<u8>,
}

/// What a log had at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl VerifierKey {
    /// # Errors
    /// The name can't be a key's.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::Key("its name is empty, or has blanks or a plus"));
        }
        Ok(Self { name: name.to_owned(), public })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// SHA-256 of name, line feed, type and key, cut to four bytes (signed-note, "Signatures").
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519_OF_TEXT])
            .chain_update(self.public)
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

/// As the Go tools of notes write it: the name, the id in hexadecimal digits, and type and key in base64.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[ED25519_OF_TEXT][..], &self.public].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), BASE64.encode(&typed))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has not three parts"));
        };
        let typed = base64(key).ok_or(NoteError::Key("the key is not base64"))?;
        let public = match typed.split_first() {
            Some((&ED25519_OF_TEXT, public)) => public.try_into(),
            _ => return Err(NoteError::Key("the key is not of Ed25519 (type 1)")),
        };
        let public = public.map_err(|_| NoteError::Key("the key has not 32 bytes"))?;
        let key = Self::new(name, public)?;
        if id != HEXLOWER.encode(&key.id()) {
            return Err(NoteError::Key("the hash is not that of name and key"));
        }
        Ok(key)
    }
}

impl Signer {
    /// From a private key in PKCS#8.
    ///
    /// # Errors
    /// It is none of Ed25519, or the name can't be a key's.
    pub fn new(name: &str, pkcs8: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
            .map_err(|_| NoteError::Key("the private key is none of Ed25519 in PKCS#8"))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("the key has not 32 bytes"))?;
        Ok(Self { key: VerifierKey::new(name, public)?, pair })
    }

    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The note with this text, signed.
    ///
    /// # Errors
    /// The text can't be a note's.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let signature = self.pair.sign(text.as_bytes());
        let line = BASE64.encode(&[&self.key.id(), signature.as_ref()].concat());
        Ok(format!("{text}\n{DASH}{} {line}\n", self.key.name))
    }
}

/// Bytes in base64 (RFC 4648, section 4), in their one spelling: the library takes several texts behind each other, too.
fn base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

/// What the text of a note has to be (signed-note, "Format").
fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Shape("the text does not end with a line feed"));
    }
    if text.contains(|c: char| c < ' ' && c != '\n') {
        return Err(NoteError::Shape("the text has control characters"));
    }
    Ok(())
}

impl SignedNote {
    /// # Errors
    /// It is no note, or too large a one.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_BYTES {
            return Err(NoteError::TooLarge);
        }
        // The last empty line parts the text from the signatures.
        let at = note.rfind("\n\n").ok_or(NoteError::Shape("no empty line parts text and signatures"))?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Shape("the last line has no end"))?;
        let signatures: Vec<Signature> = lines.split('\n').map(Signature::parse).collect::<Result<_, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooLarge);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Whether this key has signed the text. Signatures of other keys say nothing.
    ///
    /// # Errors
    /// The note has no signature of this key, or one that is not of this text.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let id = key.id();
        let mut ours =
            self.signatures.iter().filter(|one| one.name == key.name && one.key_id == id).peekable();
        if ours.peek().is_none() {
            return Err(NoteError::Unsigned(key.name.clone()));
        }
        let public = UnparsedPublicKey::new(&ED25519, key.public);
        if ours.all(|one| public.verify(self.text.as_bytes(), &one.bytes).is_ok()) {
            Ok(())
        } else {
            Err(NoteError::Forged(key.name.clone()))
        }
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let shape = || NoteError::Shape("a signature line is not `— NAME BASE64`");
        let (name, text) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or_else(shape)?;
        let bytes = base64(text).ok_or_else(shape)?;
        let (key_id, bytes) = bytes.split_first_chunk::<4>().ok_or_else(shape)?;
        if name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c < ' ' || c == '+')
            || bytes.is_empty()
        {
            return Err(shape());
        }
        Ok(Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }
}

impl Checkpoint {
    /// The text of its note (tlog-checkpoint, "Note text").
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    /// Reads the text of a note. Lines beyond the third are refused: nobody could audit them.
    ///
    /// # Errors
    /// It is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::Checkpoint;
        let body = text.strip_suffix('\n').ok_or(wrong("it does not end with a line feed"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(wrong("it has not three lines: origin, size and root"));
        };
        if origin.is_empty() {
            return Err(wrong("its origin is empty"));
        }
        let number: u64 = size.parse().map_err(|_| wrong("its size is no number"))?;
        if number.to_string() != size {
            return Err(wrong("its size has zeros or signs before it"));
        }
        let root = base64(root).and_then(|root| root.try_into().ok());
        let root = root.ok_or(wrong("its root is not 32 bytes in base64"))?;
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
