//! Tokens put together field by field and signed by `openssl pkeyutl`: those that no command of OpenSSL makes.

use crate::authority::{Pair, Place};
use crate::sha256;
use halod_timestamp::ObjectIdentifier;

pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
pub const OCTETS: u8 = 0x04;

/// Object identifiers, and what they stand for.
pub const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
pub const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";
pub const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
pub const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
pub const SHA_512: &str = "2.16.840.1.101.3.4.2.3";
pub const ECDSA_SHA_256: &str = "1.2.840.10045.4.3.2";
pub const ED25519: &str = "1.3.101.112";

/// A value with its tag and length.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = match value.len() {
        short @ 0..=0x7f => vec![short as u8],
        middle @ 0x80..=0xff => vec![0x81, middle as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag][..], &length, &value].concat()
}

pub fn oid(text: &str) -> Vec<u8> {
    tlv(0x06, &[ObjectIdentifier::new_unwrap(text).as_bytes()])
}

pub fn algorithm(text: &str) -> Vec<u8> {
    tlv(SEQUENCE, &[&oid(text)])
}

pub fn attribute(kind: &str, values: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &[&oid(kind), &tlv(SET, values)])
}

/// The values within a value.
pub fn children(whole: &[u8]) -> Vec<&[u8]> {
    let header = |bytes: &[u8]| match bytes[1] {
        0x81 => (3, bytes[2].into()),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        short => (2, usize::from(short)),
    };
    let mut rest = &whole[header(whole).0..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (start, length) = header(rest);
        let (one, next) = rest.split_at(start + length);
        found.push(one);
        rest = next;
    }
    found
}

/// `issuerAndSerialNumber` of a certificate.
pub fn issuer_and_serial(certificate: &[u8]) -> Vec<u8> {
    let body = children(children(certificate)[0]);
    tlv(SEQUENCE, &[body[3], body[1]])
}

/// `SigningCertificateV2` of these certificates, by SHA-256.
pub fn names_certificates(certificates: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<Vec<u8>> =
        certificates.iter().map(|one| tlv(SEQUENCE, &[&tlv(OCTETS, &[&sha256(one)])])).collect();
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
    tlv(SEQUENCE, &[&tlv(SEQUENCE, &ids)])
}

/// The fields of a token, to be changed before `sign`.
#[derive(Clone)]
pub struct Forge {
    pub info_type: String,
    pub version: u8,
    pub digests: Vec<Vec<u8>>,
    pub content_type: String,
    pub content: Vec<u8>,
    pub certificates: Vec<Vec<u8>>,
    pub signer_version: u8,
    /// `SignerIdentifier`.
    pub id: Vec<u8>,
    pub digest: Vec<u8>,
    /// In the order in which they are written and signed.
    pub attributes: Vec<Vec<u8>>,
    pub algorithm: Vec<u8>,
    /// How often the signature is there.
    pub signers: usize,
}

impl Forge {
    /// An honest token of `pair`, whose key is one of ECDSA.
    pub fn new(place: &Place, pair: &Pair, content: &[u8]) -> Self {
        let certificate = place.der(pair);
        let mut forge = Self {
            info_type: SIGNED_DATA.to_owned(),
            version: 3,
            digests: vec![algorithm(SHA_256)],
            content_type: TST_INFO.to_owned(),
            content: content.to_vec(),
            certificates: vec![certificate.clone()],
            signer_version: 1,
            id: issuer_and_serial(&certificate),
            digest: algorithm(SHA_256),
            attributes: vec![
                attribute(CONTENT_TYPE, &[&oid(TST_INFO)]),
                attribute(MESSAGE_DIGEST, &[&tlv(OCTETS, &[&sha256(content)])]),
                attribute(SIGNING_CERTIFICATE_V2, &[&names_certificates(&[&certificate])]),
            ],
            algorithm: algorithm(ECDSA_SHA_256),
            signers: 1,
        };
        forge.attributes.sort();
        forge
    }

    /// An attribute with other values.
    pub fn replace(&mut self, kind: &str, values: &[&[u8]]) {
        self.attributes.retain(|one| children(one)[0] != oid(kind));
        self.attributes.push(attribute(kind, values));
        self.attributes.sort();
    }

    /// The token, signed over its attributes.
    pub fn sign(&self, place: &Place, pair: &Pair) -> Vec<u8> {
        let attributes: Vec<&[u8]> = self.attributes.iter().map(|one| &one[..]).collect();
        let signature = place.signature(&tlv(SET, &attributes), pair);
        let signed = if attributes.is_empty() { Vec::new() } else { tlv(0xa0, &attributes) };
        let signer = tlv(
            SEQUENCE,
            &[
                &tlv(0x02, &[&[self.signer_version]]),
                &self.id,
                &self.digest,
                &signed,
                &self.algorithm,
                &tlv(OCTETS, &[&signature]),
            ],
        );
        let signers = vec![&signer[..]; self.signers];
        let certificates: Vec<&[u8]> = self.certificates.iter().map(|one| &one[..]).collect();
        let digests: Vec<&[u8]> = self.digests.iter().map(|one| &one[..]).collect();
        let content = tlv(0xa0, &[&tlv(OCTETS, &[&self.content])]);
        let data = tlv(
            SEQUENCE,
            &[
                &tlv(0x02, &[&[self.version]]),
                &tlv(SET, &digests),
                &tlv(SEQUENCE, &[&oid(&self.content_type), &content]),
                &tlv(0xa0, &certificates),
                &tlv(SET, &signers),
            ],
        );
        tlv(SEQUENCE, &[&oid(&self.info_type), &tlv(0xa0, &[&data])])
    }
}

/// The fields of `TSTInfo`, to be changed.
pub struct Info(pub Vec<Vec<u8>>);

impl Info {
    pub fn new(data: &[u8], time: &str) -> Self {
        let imprint = tlv(SEQUENCE, &[&algorithm(SHA_256), &tlv(OCTETS, &[&sha256(data)])]);
        let fields = [tlv(0x02, &[&[1]]), oid("1.2.3.4"), imprint, tlv(0x02, &[&[7]])];
        Self([&fields[..], &[tlv(0x18, &[time.as_bytes()])]].concat())
    }

    /// With further fields.
    pub fn and(mut self, field: Vec<u8>) -> Self {
        self.0.push(field);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let fields: Vec<&[u8]> = self.0.iter().map(|one| &one[..]).collect();
        tlv(SEQUENCE, &fields)
    }
}
