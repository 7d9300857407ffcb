//! A time-stamp token, and what it shows (RFC 3161, section 2.2).

use crate::attributes::Attributes;
use crate::certificate::Certificate;
use crate::chain::Demands;
use crate::cms::{SignedData, SignerId};
use crate::digest::{Digest, Imprint};
use crate::error::TokenError;
use crate::info::Info;
use crate::{ess, names, request, response, signature};
use data_encoding::HEXLOWER;
use rustls_pki_types::CertificateDer;
use std::time::Duration;
use webpki::EndEntityCert;
use x509_cert::der::oid::ObjectIdentifier;

/// Bytes of an answer that is read. Tokens with a chain of certificates have 2 to 8 KiB.
pub const MAX_BYTES: usize = 64 << 10;

/// A token that was read. Nothing of it is verified.
#[derive(Debug)]
pub struct Token<'a> {
    data: SignedData<'a>,
    info: Info<'a>,
}

/// What a token has to be of.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub imprint: Imprint<'a>,
    /// That of the request, where the token answers one now. A token from a file is verified without.
    pub nonce: Option<u64>,
    pub policies: Policies<'a>,
}

/// Under which policies of services a token may be made.
#[derive(Clone, Copy, Debug)]
pub enum Policies<'a> {
    Any,
    Only(&'a [ObjectIdentifier]),
}

/// Whom to believe. All certificates are in DER.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    pub roots: &'a [&'a [u8]],
    /// Certificates that the token may lack: its signer's, and those between it and a root. They are not trusted.
    pub further: &'a [&'a [u8]],
}

/// What a token shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was time-stamped was there at this time, since 1970-01-01 in UTC.
    pub time: Duration,
    /// By how much the time may be wrong, where the token says so.
    pub accuracy: Option<Duration>,
    /// The number that the service gave the token, in hexadecimal digits.
    pub serial: String,
    pub policy: ObjectIdentifier,
    /// The subject of the service's certificate (RFC 4514).
    pub tsa: String,
    /// SHA-256 of the service's certificate.
    pub fingerprint: [u8; 32],
    /// The certificates that were used in DER, from the service's to the root: to be kept with the token.
    pub chain: Vec<Vec<u8>>,
}

impl Verified {
    /// The latest time at which the token can have been made.
    #[must_use]
    pub fn latest(&self) -> Duration {
        self.time + self.accuracy.unwrap_or_default()
    }

    /// The earliest.
    #[must_use]
    pub fn earliest(&self) -> Duration {
        self.time.saturating_sub(self.accuracy.unwrap_or_default())
    }
}

impl<'a> Token<'a> {
    /// Reads what a service answered (`TimeStampResp`), or a token alone.
    ///
    /// # Errors
    /// The service gave no token, or the bytes are no token.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TokenError> {
        if bytes.len() > MAX_BYTES {
            return Err(TokenError::TooLarge);
        }
        let data = SignedData::read(response::token(bytes)?)?;
        let info = Info::read(data.content)?;
        Ok(Self { data, info })
    }

    /// Verifies all of the token: `docs/timestamps.md` says what, and that no revocation is looked up.
    ///
    /// # Errors
    /// What is wrong with the token.
    pub fn verify(&self, expected: &Expected<'_>, trust: &Trust<'_>) -> Result<Verified, TokenError> {
        self.check_expected(expected)?;
        let attributes = Attributes::check(&self.data)?;
        let signer = self.signer(trust)?;
        let named = ess::named(&attributes)?;
        for one in &named {
            one.check_signer(&signer)?;
        }
        let der = CertificateDer::from(signer.der);
        let end = EndEntityCert::try_from(&der).map_err(TokenError::Certificate)?;
        signature::check(&self.data.signer, &end, &attributes.signed)?;

        signer.check_usage()?;
        signer.check_signs()?;
        let time = self.info.time;
        signer.check_validity("the signer's certificate", time)?;
        if self.info.tsa.is_some_and(|name| !signer.is_called(&name)) {
            return Err(TokenError::TsaName);
        }
        let own = self.data.certificates.iter().map(|one| one.der);
        let further: Vec<CertificateDer<'_>> =
            own.chain(trust.further.iter().copied()).map(CertificateDer::from).collect();
        let demands = Demands { time, further: &further, roots: trust.roots, named: &named };
        let chain = demands.lead(&end)?;
        Ok(self.shown(&signer, chain))
    }

    /// The digest that the token says it is of, when halod knows its kind.
    #[must_use]
    pub fn claimed_imprint(&self) -> Option<Imprint<'a>> {
        let algorithm = Digest::named(&self.info.imprint_algorithm)?;
        Some(Imprint { algorithm, value: self.info.imprint })
    }

    /// The time that the token says, since 1970-01-01 in UTC.
    #[must_use]
    pub fn claimed_time(&self) -> Duration {
        self.info.time
    }

    fn check_expected(&self, expected: &Expected<'_>) -> Result<(), TokenError> {
        let info = &self.info;
        let Imprint { algorithm, value } = expected.imprint;
        if Digest::named(&info.imprint_algorithm) != Some(algorithm) {
            let found = Digest::of(info.imprint_algorithm.oid);
            let found = found.map_or_else(|| info.imprint_algorithm.oid.to_string(), |one| one.to_string());
            return Err(TokenError::ImprintAlgorithm { expected: algorithm, found });
        }
        if info.imprint != value {
            // No digest has more than 64 bytes.
            let found = info.imprint.get(..64).unwrap_or(info.imprint);
            return Err(TokenError::Imprint(HEXLOWER.encode(found)));
        }
        if let Some(nonce) = expected.nonce {
            let found = info.nonce.ok_or(TokenError::NoNonce)?;
            if found != request::integer(nonce) {
                return Err(TokenError::Nonce);
            }
        }
        match expected.policies {
            Policies::Only(allowed) if !allowed.contains(&info.policy) => {
                Err(TokenError::Policy(info.policy))
            }
            _ => Ok(()),
        }
    }

    /// The first certificate that the signer's id is of (RFC 5652, section 5.3).
    fn signer<'t>(&self, trust: &Trust<'t>) -> Result<Certificate<'t>, TokenError>
    where
        'a: 't,
    {
        let fits = |one: &Certificate<'_>| match self.data.signer.id {
            SignerId::Issued { issuer, serial } => serial == one.serial && names::same(issuer, one.issuer),
            SignerId::Key(id) => one.has_key_id(id),
        };
        if let Some(own) = self.data.certificates.iter().find(|one| fits(one)) {
            return Ok(own.clone());
        }
        let mut further = trust.further.iter().filter_map(|one| Certificate::read(one).ok());
        further.find(|one| fits(one)).ok_or(TokenError::NoSignerCertificate)
    }

    fn shown(&self, signer: &Certificate<'_>, chain: Vec<Vec<u8>>) -> Verified {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(Digest::Sha256.hash(signer.der).as_ref());
        Verified {
            time: self.info.time,
            accuracy: self.info.accuracy,
            serial: hexadecimal(self.info.serial),
            policy: self.info.policy,
            tsa: names::display(signer.subject),
            fingerprint,
            chain,
        }
    }
}

/// An INTEGER, of which some services make negative ones.
fn hexadecimal(bytes: &[u8]) -> String {
    if bytes.first().is_some_and(|first| *first < 0x80) {
        let digits = HEXLOWER.encode(bytes);
        let shorter = digits.trim_start_matches('0');
        return if shorter.is_empty() { "0".to_owned() } else { shorter.to_owned() };
    }
    let mut carry = true;
    let mut bytes = bytes.to_vec();
    for byte in bytes.iter_mut().rev() {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
    format!("-{}", HEXLOWER.encode(&bytes).trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::hexadecimal;

    #[test]
    fn serial_numbers_are_those_that_openssl_prints() {
        for (bytes, text) in [
            (&[0][..], "0"),
            (&[4], "4"),
            (&[0, 0xff], "ff"),
            (&[0x12, 0x00], "1200"),
            (&[0xff], "-1"),
            (&[0x80], "-80"),
            (&[0xff, 0x00], "-100"),
        ] {
            assert_eq!(hexadecimal(bytes), text);
        }
    }
}
