//! Whom to believe: the certificates that tokens have to lead to, and what a token is held against.

use halod_record::hash::sha256;
use halod_timestamp::halo::{State, Tsa, TsaError};
use halod_timestamp::{Expected, Imprint, Policies, Token, TokenError, Trust, Verified};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a file of roots; those of a whole system have some 250 KiB.
const MOST: u64 = 4 << 20;

/// Why there are no roots.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("cannot read the roots of time-stamps, {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can't be read as PEM: {what}", path.display())]
    Pem { path: PathBuf, what: String },
    #[error("{} has more than {MOST} bytes: it should hold the root certificates of the time-stamping service alone", .0.display())]
    TooLarge(PathBuf),
    #[error("{} holds no certificate in PEM; it has to hold the root of the time-stamping service", .0.display())]
    Empty(PathBuf),
}

/// Root certificates.
#[derive(Debug)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// Reads a file of certificates in PEM. Whatever stands there is believed.
    ///
    /// # Errors
    /// It can't be read, or has none.
    pub fn read(path: &Path) -> Result<Self, RootsError> {
        let failed = |source| RootsError::Read { path: path.to_owned(), source };
        let mut pem = Vec::new();
        File::open(path).map_err(failed)?.take(MOST + 1).read_to_end(&mut pem).map_err(failed)?;
        if pem.len() as u64 > MOST {
            return Err(RootsError::TooLarge(path.to_owned()));
        }
        let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates
            .map_err(|error| RootsError::Pem { path: path.to_owned(), what: error.to_string() })?;
        if certificates.is_empty() {
            return Err(RootsError::Empty(path.to_owned()));
        }
        Ok(Self(certificates))
    }

    /// Verifies what a service answered for the text of a checkpoint, in full. The nonce is that of the request, where the
    /// answer is one now.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub fn verify(
        &self,
        answer: &[u8],
        text: &str,
        nonce: Option<u64>,
        policies: Policies<'_>,
    ) -> Result<Verified, TokenError> {
        let digest = sha256(text.as_bytes());
        let expected = Expected { imprint: Imprint::sha256(&digest), nonce, policies };
        let roots: Vec<&[u8]> = self.0.iter().map(AsRef::as_ref).collect();
        Token::read(answer)?.verify(&expected, &Trust { roots: &roots, further: &[] })
    }

    /// Verifies what the reference's form has of a chain's state, in full.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify_state(&self, tsa: &Tsa, state: &State<'_>) -> Result<Verified, TsaError> {
        let roots: Vec<&[u8]> = self.0.iter().map(AsRef::as_ref).collect();
        tsa.verify(state, Policies::Any, &Trust { roots: &roots, further: &[] })
    }
}
