//! The signature over the signed attributes (RFC 5652, section 5.6).

use crate::cms::Signer;
use crate::digest::Digest;
use crate::error::TokenError;
use crate::oid;
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::EndEntityCert;
use webpki::ring as with;

type Verifier = &'static dyn SignatureVerificationAlgorithm;

/// The algorithms by their digest. RSASSA-PKCS1-v1_5 comes first: `rsaEncryption` stands for it (RFC 5754).
const SHA_256: &[Verifier] = &[
    with::RSA_PKCS1_2048_8192_SHA256,
    with::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    with::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    with::ECDSA_P256_SHA256,
    with::ECDSA_P384_SHA256,
];
const SHA_384: &[Verifier] = &[
    with::RSA_PKCS1_2048_8192_SHA384,
    with::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    with::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    with::ECDSA_P256_SHA384,
    with::ECDSA_P384_SHA384,
];
/// Ed25519 is used with the digest SHA-512 (RFC 8419). ring has no ECDSA with SHA-512.
const SHA_512: &[Verifier] = &[
    with::RSA_PKCS1_2048_8192_SHA512,
    with::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    with::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    with::ED25519,
];

/// Whether the key of `certificate` has signed `signed`.
pub(crate) fn check(
    signer: &Signer<'_>,
    certificate: &EndEntityCert<'_>,
    signed: &[u8],
) -> Result<(), TokenError> {
    let with_digest = match signer.digest {
        Digest::Sha256 => SHA_256,
        Digest::Sha384 => SHA_384,
        Digest::Sha512 => SHA_512,
    };
    let algorithm = &signer.algorithm;
    let fitting: Vec<Verifier> = if algorithm.oid == oid::RSA_ENCRYPTION && algorithm.plain {
        with_digest[..1].to_vec()
    } else {
        let named = |one: &&Verifier| one.signature_alg_id().as_ref() == algorithm.body;
        with_digest.iter().filter(named).copied().collect()
    };
    if fitting.is_empty() {
        return Err(TokenError::SignatureAlgorithm(algorithm.oid, signer.digest));
    }
    // Which curve it is says the key: the other's algorithm does not take it.
    let holds = |one: &Verifier| certificate.verify_signature(*one, signed, signer.signature).is_ok();
    if fitting.iter().any(holds) { Ok(()) } else { Err(TokenError::Signature) }
}
