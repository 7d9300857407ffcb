//! What a time-stamping service is asked (RFC 3161, section 2.4.1).

use crate::oid;

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const INTEGER: u8 = 0x02;

/// The DER of a `TimeStampReq` for a SHA-256, to be sent as `application/timestamp-query` (section 3.4).
///
/// The answer has to have the same `nonce`, which should be random: a token without it may be an older one that somebody
/// kept. With `cert_req` the token brings the certificate of its signer; without, whoever verifies the token needs that
/// certificate from elsewhere.
#[must_use]
pub fn request(sha256: &[u8; 32], nonce: Option<u64>, cert_req: bool) -> Vec<u8> {
    let algorithm = element(SEQUENCE, &[&element(0x06, oid::SHA_256.as_bytes())[..], &[0x05, 0x00]].concat());
    let imprint = element(SEQUENCE, &[algorithm, element(OCTET_STRING, sha256)].concat());
    let mut fields = [element(INTEGER, &[1]), imprint].concat();
    if let Some(nonce) = nonce {
        fields.extend(element(INTEGER, &integer(nonce)));
    }
    // Its default, FALSE, is left out (X.690).
    if cert_req {
        fields.extend([0x01, 0x01, 0xff]);
    }
    element(SEQUENCE, &fields)
}

/// The bytes of a positive INTEGER, as few as can be.
pub(crate) fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let sign = if bytes[first] < 0x80 { &[][..] } else { &[0][..] };
    [sign, &bytes[first..]].concat()
}

/// A value of fewer than 128 bytes, with its tag and length.
fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    debug_assert!(value.len() < 128);
    [&[tag, value.len() as u8][..], value].concat()
}

#[cfg(test)]
mod tests {
    use super::{integer, request};
    use crate::oid;
    use crate::read::Item;
    use proptest::prelude::*;
    use x509_cert::der::Tag;

    #[test]
    fn integers_have_as_few_bytes_as_can_be() {
        assert_eq!(integer(0), [0]);
        assert_eq!(integer(127), [127]);
        assert_eq!(integer(128), [0, 128]);
        assert_eq!(integer(0x1234), [0x12, 0x34]);
        assert_eq!(integer(u64::MAX), [0, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    proptest! {
        #[test]
        fn requests_have_what_was_asked(digest: [u8; 32], nonce: Option<u64>, cert_req: bool) {
            let bytes = request(&digest, nonce, cert_req);
            let mut fields = Item::only(&bytes, "request")?.sequence("request")?;
            prop_assert_eq!(fields.next()?.value::<u32>()?, 1);
            let mut imprint = fields.next()?.sequence("imprint")?;
            prop_assert_eq!(imprint.next()?.algorithm("algorithm")?.oid, oid::SHA_256);
            prop_assert_eq!(imprint.next()?.octets()?, digest);
            let found = fields.optional(Tag::Integer)?;
            let found = found.map(|one| one.integer()).transpose()?.map(<[u8]>::to_vec);
            prop_assert_eq!(found, nonce.map(integer));
            let found = fields.optional(Tag::Boolean)?;
            prop_assert_eq!(found.map(|one| one.value::<bool>()).transpose()?.unwrap_or_default(), cert_req);
            fields.end()?;
        }
    }
}
