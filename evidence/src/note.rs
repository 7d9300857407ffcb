//! Signed notes and checkpoints (C2SP signed-note and tlog-checkpoint), with Ed25519 (RFC 8032).

use crate::Hash;
use crate::cosignature::Cosignature;
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

/// What a key's signature says (signed-note, "Signature types"). Both are of Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text is its own: a log's checkpoint. Type 1.
    Text,
    /// It saw the checkpoint at a time: a witness' cosignature. Type 4.
    Cosignature,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Cosignature => 4,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Text, Self::Cosignature].into_iter().find(|kind| kind.byte() == byte)
    }
}

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
    #[error("{0} is no key of a witness (type 4)")]
    NoWitness(String),
}

/// Whose signature is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    kind: Kind,
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
    /// A key whose signatures are of texts.
    ///
    /// # Errors
    /// The name can't be a key's.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        Self::of(Kind::Text, name, public)
    }

    /// # Errors
    /// The name can't be a key's.
    pub fn of(kind: Kind, name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::Key("its name is empty, or has blanks or a plus"));
        }
        Ok(Self { kind, name: name.to_owned(), public })
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
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
            .chain_update([b'\n', self.kind.byte()])
            .chain_update(self.public)
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature).is_ok()
    }
}

/// As the Go tools of notes write it: the name, the id in hexadecimal digits, and type and key in base64.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.kind.byte()][..], &self.public].concat();
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
        let (kind, public) =
            typed.split_first().map_or((None, &[][..]), |(kind, key)| (Kind::of(*kind), key));
        let kind = kind.ok_or(NoteError::Key("the key is not of Ed25519 (type 1, or 4 of a witness)"))?;
        let public = public.try_into().map_err(|_| NoteError::Key("the key has not 32 bytes"))?;
        let key = Self::of(kind, name, public)?;
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
        Self::of(Kind::Text, name, pkcs8)
    }

    /// # Errors
    /// As [`Self::new`].
    pub fn of(kind: Kind, name: &str, pkcs8: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
            .map_err(|_| NoteError::Key("the private key is none of Ed25519 in PKCS#8"))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("the key has not 32 bytes"))?;
        Ok(Self { key: VerifierKey::of(kind, name, public)?, pair })
    }

    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The note with this text, signed.
    ///
    /// # Errors
    /// The text can't be a note's, or the key's signatures need a time.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if self.key.kind != Kind::Text {
            return Err(NoteError::Key("its signatures are a witness', of a checkpoint at a time"));
        }
        check_text(text)?;
        Ok(format!("{text}\n{}", self.line(self.sign_bytes(text.as_bytes()))))
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(crate) fn line(&self, bytes: Vec<u8>) -> Signature {
        Signature { name: self.key.name.clone(), key_id: self.key.id(), bytes }
    }
}

/// Bytes in base64 (RFC 4648, section 4), in their one spelling: the library takes several texts behind each other, too.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
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
        let mut ours = self.of_key(key, id).peekable();
        if ours.peek().is_none() {
            return Err(NoteError::Unsigned(key.name.clone()));
        }
        if ours.all(|one| one.is_by(key, &self.text)) {
            Ok(())
        } else {
            Err(NoteError::Forged(key.name.clone()))
        }
    }

    /// The signatures of a key, by its name and id.
    pub(crate) fn of_key<'n>(
        &'n self,
        key: &'n VerifierKey,
        id: [u8; 4],
    ) -> impl Iterator<Item = &'n Signature> {
        self.signatures.iter().filter(move |one| one.name == key.name && one.key_id == id)
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|one| write!(f, "{one}"))
    }
}

/// With the line feed at its end.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.bytes].concat();
        writeln!(f, "{DASH}{} {}", self.name, BASE64.encode(&bytes))
    }
}

impl Signature {
    /// Whether the key has made it, of this text.
    fn is_by(&self, key: &VerifierKey, text: &str) -> bool {
        match key.kind {
            Kind::Text => key.has_signed(text.as_bytes(), &self.bytes),
            Kind::Cosignature => Cosignature::read(&self.bytes).is_some_and(|own| own.is_by(key, text)),
        }
    }

    /// Reads a line without the line feed at its end.
    ///
    /// # Errors
    /// It is none of a note.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
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
        let (checkpoint, extensions) = Self::read(text)?;
        if extensions > 0 {
            return Err(NoteError::Checkpoint("it has not three lines: origin, size and root"));
        }
        Ok(checkpoint)
    }

    /// The same for a witness, which has to take other logs' further lines, and says nothing of them (tlog-cosignature,
    /// "Ed25519 signed message").
    ///
    /// # Errors
    /// It is no checkpoint.
    pub fn parse_extended(text: &str) -> Result<Self, NoteError> {
        Ok(Self::read(text)?.0)
    }

    /// The checkpoint, and how many lines come after it.
    fn read(text: &str) -> Result<(Self, usize), NoteError> {
        let wrong = NoteError::Checkpoint;
        let body = text.strip_suffix('\n').ok_or(wrong("it does not end with a line feed"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong("it has not three lines: origin, size and root"));
        };
        let mut extensions = 0;
        for line in lines {
            if line.is_empty() {
                return Err(wrong("a line beyond the third is empty"));
            }
            extensions += 1;
        }
        if origin.is_empty() {
            return Err(wrong("its origin is empty"));
        }
        let number: u64 = size.parse().map_err(|_| wrong("its size is no number"))?;
        if number.to_string() != size {
            return Err(wrong("its size has zeros or signs before it"));
        }
        let root = base64(root).and_then(|root| root.try_into().ok());
        let root = root.ok_or(wrong("its root is not 32 bytes in base64"))?;
        Ok((Self { origin: origin.to_owned(), size: number, root }, extensions))
    }
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
