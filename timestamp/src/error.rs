//! Why a token shows nothing.

use crate::MAX_BYTES;
use crate::digest::Digest;
use crate::read::Malformed;
use std::time::Duration;
use x509_cert::der::oid::ObjectIdentifier;

/// Why a token is not believed. What the messages quote is cut where it is long, and has its control
/// characters escaped.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the answer of a time-stamping service has at most {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the answer of the time-stamping service is no DER of RFC 3161: {0}")]
    Malformed(#[from] Malformed),
    #[error(
        "the time-stamping service gave no token: status {status} ({name}), failures [{failures}], text {text:?}"
    )]
    Refused { status: u32, name: &'static str, text: String, failures: String },
    #[error("the answer of the time-stamping service says that a token was granted, and has none")]
    NoToken,

    #[error("the token is no signed data of CMS (1.2.840.113549.1.7.2), but {0}")]
    NotSignedData(ObjectIdentifier),
    #[error("the signed content is no TSTInfo (1.2.840.113549.1.9.16.1.4), but {0}")]
    NotTstInfo(ObjectIdentifier),
    #[error("the token has no content")]
    NoContent,
    #[error("{what} has version {found}, which no standard gives the form that follows")]
    Version { what: &'static str, found: u32 },
    #[error("the token has {0} signatures; a time-stamp token has one")]
    Signers(usize),
    #[error("genTime {text:?} can't be read: {why}")]
    GenTime { text: String, why: &'static str },
    #[error(
        "accuracy has milliseconds or microseconds outside 1 to 999, or seconds that are no positive number"
    )]
    Accuracy,
    #[error("the token has the critical extension {0}, which halod does not know")]
    CriticalExtension(ObjectIdentifier),

    #[error("the token is of a digest {found}, and {expected} was asked for")]
    ImprintAlgorithm { expected: Digest, found: String },
    #[error("the token is of another digest: {0}")]
    Imprint(String),
    #[error("the token has no nonce, and the request had one")]
    NoNonce,
    #[error("the token has another nonce than the request: the token answers another request")]
    Nonce,
    #[error("the token was made under policy {0}, which is not one of the allowed policies")]
    Policy(ObjectIdentifier),

    #[error("the signature uses the digest {0}; halod knows SHA-256, SHA-384 and SHA-512")]
    DigestAlgorithm(ObjectIdentifier),
    #[error("the list of the token's digests does not have the {0} of its signature")]
    DigestNotListed(Digest),
    #[error("the token has no signed attributes: nothing ties its signature to its content")]
    NoAttributes,
    #[error("the signed attributes are not in the order of DER, so they are not what was signed")]
    AttributeOrder,
    #[error("the signed attribute {0} is missing")]
    AttributeMissing(&'static str),
    #[error("the signed attribute {0} is there twice, or has not one value")]
    AttributeRepeated(&'static str),
    #[error("the signed attribute content-type names {0}, and not TSTInfo")]
    ContentTypeAttribute(ObjectIdentifier),
    #[error("the signed attribute message-digest is not the digest of the content: the content was changed")]
    MessageDigest,

    #[error("the certificate of the signer is neither in the token nor among the further certificates")]
    NoSignerCertificate,
    #[error("the certificate of the signer can't be read: {0:?}")]
    Certificate(webpki::Error),
    #[error("the signed attribute signing-certificate names another certificate than the signer's")]
    SigningCertificate,
    #[error(
        "the signed attribute signing-certificate does not name the certificates between the signer and the root"
    )]
    SigningCertificateChain,
    #[error("the signature algorithm {0} with {1} is not known to halod")]
    SignatureAlgorithm(ObjectIdentifier, Digest),
    #[error("the signature is not one of this content by the signer's key")]
    Signature,

    #[error(
        "the signer's certificate is not for time-stamping: the extended key usage is missing or names others only"
    )]
    NotForTimeStamping,
    #[error("the extended key usage of the signer's certificate is not critical")]
    UsageNotCritical,
    #[error("the signer's certificate is for other uses beside time-stamping")]
    UsageNotAlone,
    #[error("the key usage of {0} does not fit")]
    KeyUsage(&'static str),
    #[error(
        "{which} was valid from {from} until {until}, and the token tells {time} (seconds since 1970)",
        from = .from.as_secs(), until = .until.as_secs(), time = .time.as_secs()
    )]
    Validity { which: &'static str, from: Duration, until: Duration, time: Duration },
    #[error("root certificate {at} can't be read: {why:?}")]
    Root { at: usize, why: webpki::Error },
    #[error("no chain of certificates leads from the signer to a given root: {0:?}")]
    Chain(webpki::Error),
    #[error("the token's name of the service is none of its certificate's")]
    TsaName,
}
