//! Honest tokens of every kind.

use crate::authority::{DATA, EC, EC_384, ED25519, NONCE, Pair, Place, RSA, STAMPS, Service};
use crate::forge::{
    self, Forge, Info, MESSAGE_DIGEST, OCTETS, SHA_512, SIGNING_CERTIFICATE_V2, algorithm, attribute,
    names_certificates, tlv,
};
use crate::{sha256, verify};
use halod_timestamp::{
    Digest, Expected, Imprint, ObjectIdentifier, Policies, Token, TokenError, Trust, request,
};
use std::time::{Duration, SystemTime};

fn service<'a>(signer: &'a Pair, digest: &'a str, more: &'a str) -> Service<'a> {
    Service { signer, chain: None, digest, more }
}

#[test]
fn every_kind_of_key_and_digest() {
    let place = Place::new();
    let request = request(&sha256(DATA), Some(NONCE), true);
    for (key, digests) in [
        (EC, &["sha256", "sha384"][..]),
        (EC_384, &["sha256", "sha384"]),
        (RSA, &["sha256", "sha384", "sha512"]),
    ] {
        let root = place.root("Root", key);
        let signer = place.issued(&root, "Service", key, STAMPS);
        for digest in digests {
            let answer = place.answer(&service(&signer, digest, ""), &request);
            let token = place.token(&answer);
            for (bytes, is_answer) in [(&answer, true), (&token, false)] {
                assert!(place.verifies(bytes, is_answer, &sha256(DATA), &root), "{key:?} {digest}");
                let verified = verify(bytes, Some(NONCE), &[&place.der(&root)]);
                let verified = verified.unwrap_or_else(|e| panic!("{key:?} {digest}: {e}"));
                assert_eq!(verified.tsa, "CN=Service");
                assert_eq!(verified.chain, [place.der(&signer), place.der(&root)]);
                assert_eq!(verified.fingerprint, sha256(&verified.chain[0]));
            }
        }
    }
}

/// The library has no ECDSA with SHA-512, and says so.
#[test]
fn ecdsa_with_sha_512_is_named_as_unknown() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", EC, STAMPS);
    let answer = place.answer(&service(&signer, "sha512", ""), &request(&sha256(DATA), None, true));
    let refused = verify(&answer, None, &[&place.der(&root)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the signature algorithm 1.2.840.10045.4.3.4 with SHA-512 is not known to halod"
    );
}

#[test]
fn all_that_a_token_says() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", EC, STAMPS);
    let more =
        "accuracy=secs:1,millisecs:500,microsecs:100\nclock_precision_digits=3\nordering=yes\ntsa_name=yes";
    let before = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let answer = place.answer(&service(&signer, "sha256", more), &request(&sha256(DATA), Some(1), true));
    let after = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let verified = verify(&answer, Some(1), &[&place.der(&root)]).unwrap();
    let accuracy = Duration::from_micros(1_500_100);
    assert_eq!(verified.accuracy, Some(accuracy));
    assert!(before.as_millis() <= verified.time.as_millis() && verified.time <= after);
    assert_eq!(verified.latest() - verified.time, accuracy);
    assert_eq!(verified.time - verified.earliest(), accuracy);
    assert_eq!(verified.serial, "1235");
    assert_eq!(verified.policy, ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2"));
    // OpenSSL reads the same out of it.
    let file = place.write(&answer);
    let out = place.run(&["ts", "-reply", "-config", "cnf", "-in", &file, "-text"]);
    let text = String::from_utf8(out.stdout).unwrap();
    for line in [
        "Serial number: 0x1235",
        "Policy OID: 1.3.6.1.4.1.57264.2",
        "TSA: DirName:/CN=Service",
        "Ordering: yes",
        "Accuracy: 0x01 seconds, 0x01F4 millis, 0x64 micros",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// The request is the one that OpenSSL makes.
#[test]
fn requests_are_those_of_openssl() {
    let place = Place::new();
    let ours = request(&sha256(DATA), None, true);
    assert_eq!(ours, place.request(DATA, &["-sha256", "-cert", "-no_nonce"]));
    assert_eq!(request(&sha256(DATA), None, false), place.request(DATA, &["-sha256", "-no_nonce"]));
    for (nonce, text) in [(0, "0x00"), (1, "0x01"), (0x80, "0x80"), (u64::MAX, "0xFFFFFFFFFFFFFFFF")] {
        let file = place.write(&request(&sha256(DATA), Some(nonce), true));
        let out = place.run(&["ts", "-query", "-config", "cnf", "-in", &file, "-text"]);
        let out = String::from_utf8(out.stdout).unwrap();
        assert!(out.contains(&format!("Nonce: {text}\n")) || nonce == 0, "{out}");
        assert!(out.contains("Certificate required: yes"), "{out}");
    }
}

#[test]
fn imprints_of_other_digests() {
    let place = Place::new();
    let root = place.root("Root", RSA);
    let signer = place.issued(&root, "Service", RSA, STAMPS);
    let root = place.der(&root);
    for (digest, name, hash) in [
        (Digest::Sha384, "-sha384", &ring::digest::SHA384),
        (Digest::Sha512, "-sha512", &ring::digest::SHA512),
    ] {
        let answer = place.answer(&service(&signer, "sha256", ""), &place.request(DATA, &[name, "-cert"]));
        let value = ring::digest::digest(hash, DATA);
        let imprint = Imprint { algorithm: digest, value: value.as_ref() };
        let trust = Trust { roots: &[&root], further: &[] };
        let token = Token::read(&answer).unwrap();
        assert_eq!(token.claimed_imprint(), Some(imprint));
        let expected = Expected { imprint, nonce: None, policies: Policies::Any };
        token.verify(&expected, &trust).unwrap();
        let refused = verify(&answer, None, &[&root]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("the token is of a digest {digest}, and SHA-256 was asked for")
        );
    }
    // SHA-1 can be forged.
    let answer = place.answer(&service(&signer, "sha256", ""), &place.request(DATA, &["-sha1", "-cert"]));
    assert!(matches!(verify(&answer, None, &[&root]), Err(TokenError::ImprintAlgorithm { .. })));
}

/// A chain with certificates between, which the token brings or the caller has.
#[test]
fn certificates_between_signer_and_root() {
    let place = Place::new();
    let root = place.root("Root", EC_384);
    let between = place.issued(&root, "Between", RSA, "between");
    let signer = place.issued(&between, "Service", EC, STAMPS);
    let (root_der, between_der, signer_der) = (place.der(&root), place.der(&between), place.der(&signer));
    let request = |certificates| request(&sha256(DATA), None, certificates);
    for ids in
        ["ess_cert_id_chain=no", "ess_cert_id_chain=yes", "ess_cert_id_chain=yes\ness_cert_id_alg=sha1"]
    {
        let whole = Service { chain: Some(&between.certificate), ..service(&signer, "sha256", ids) };
        let answer = place.answer(&whole, &request(true));
        assert!(place.verifies(&answer, true, &sha256(DATA), &root), "{ids}");
        let verified = verify(&answer, None, &[&root_der]).unwrap_or_else(|e| panic!("{ids}: {e}"));
        assert_eq!(verified.chain, [signer_der.clone(), between_der.clone(), root_der.clone()]);
    }
    let answer = place.answer(&service(&signer, "sha256", ""), &request(true));
    assert!(matches!(verify(&answer, None, &[&root_der]), Err(TokenError::Chain(_))));
    let bare = place.answer(&service(&signer, "sha256", ""), &request(false));
    assert!(matches!(verify(&bare, None, &[&root_der]), Err(TokenError::NoSignerCertificate)));
    let digest = sha256(DATA);
    let expected = Expected { imprint: Imprint::sha256(&digest), nonce: None, policies: Policies::Any };
    for answer in [answer, bare] {
        let trust = Trust { roots: &[&root_der], further: &[&between_der, &signer_der] };
        Token::read(&answer).unwrap().verify(&expected, &trust).unwrap();
    }
}

/// Signatures that `openssl ts` does not make: another way to name the signer, another padding.
#[test]
fn tokens_of_openssl_cms() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let rsa = place.issued(&root, "Service", RSA, STAMPS);
    let token = place.answer(&service(&rsa, "sha256", ""), &request(&sha256(DATA), None, true));
    let content = place.content(&place.token(&token));
    let pss: &[&str] =
        &["-cades", "-md", "sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1"];
    let cases: [(&Pair, &[&str]); 2] =
        [(&rsa, &["-cades", "-md", "sha256"]), (&rsa, &["-cades", "-md", "sha512", "-keyid"])];
    for (signer, options) in cases {
        let token = place.signed(&content, &[signer], options);
        let file = place.write(&token);
        let from =
            ["-inform", "DER", "-in", &file, "-purpose", "timestampsign", "-CAfile", &root.certificate];
        place.openssl(&[&["cms", "-verify", "-binary", "-out", "content"][..], &from].concat());
        verify(&token, None, &[&place.der(&root)]).unwrap_or_else(|e| panic!("{options:?}: {e}"));
    }
    // -keyopt belongs to the signer before it.
    let file = place.write(&content);
    let kind = ["-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-outform", "DER"];
    let files = ["-in", &file, "-signer", &rsa.certificate, "-inkey", &rsa.key, "-out", "pss"];
    place.openssl(&[&["cms", "-sign"][..], &kind, &files, pss].concat());
    let token = std::fs::read(place.path("pss")).unwrap();
    verify(&token, None, &[&place.der(&root)]).unwrap();
}

/// OpenSSL 3.0 signs with Ed25519, and has no CMS with it: its signature stands in a token put together here.
#[test]
fn ed25519() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", ED25519, STAMPS);
    let content = Info::new(DATA, &place.now()).bytes();
    let mut forge = Forge::new(&place, &signer, &content);
    let digest = ring::digest::digest(&ring::digest::SHA512, &content);
    forge.digest = algorithm(SHA_512);
    forge.digests = vec![algorithm(SHA_512)];
    forge.attributes[1] = attribute(MESSAGE_DIGEST, &[&tlv(OCTETS, &[digest.as_ref()])]);
    forge.attributes.sort();
    forge.algorithm = algorithm(forge::ED25519);
    let token = forge.sign(&place, &signer);
    verify(&token, None, &[&place.der(&root)]).unwrap();
    let mut other = token;
    *other.last_mut().unwrap() ^= 1;
    assert!(matches!(verify(&other, None, &[&place.der(&root)]), Err(TokenError::Signature)));
}

/// A token put together here is as good as one of OpenSSL's: what changes it in other tests is what has it refused.
#[test]
fn tokens_put_together_here() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let signer = place.issued(&root, "Service", EC, STAMPS);
    let forge = Forge::new(&place, &signer, &Info::new(DATA, &place.now()).bytes());
    let token = forge.sign(&place, &signer);
    verify(&token, None, &[&place.der(&root)]).unwrap();
    assert!(place.verifies(&token, false, &sha256(DATA), &root));
}

/// A certificate that is no longer valid has signed honest tokens before.
#[test]
fn certificates_are_judged_at_the_tokens_time() {
    let place = Place::new();
    let root = place.issued_between(None, "Root", "root", ["20190101000000Z", "20220101000000Z"]);
    let signer = place.issued_between(Some(&root), "Service", STAMPS, ["20200101000000Z", "20210101000000Z"]);
    let verify = |time: &str| {
        let token = Forge::new(&place, &signer, &Info::new(DATA, time).bytes()).sign(&place, &signer);
        verify(&token, None, &[&place.der(&root)])
    };
    for inside in ["20200101000000Z", "20200601120000.5Z", "20210101000000Z"] {
        verify(inside).unwrap_or_else(|e| panic!("{inside}: {e}"));
    }
    for outside in ["20191231235959.9Z", "20210101000001Z", "20261130000000Z"] {
        let refused = verify(outside).unwrap_err();
        assert!(
            refused.to_string().starts_with("the signer's certificate was valid from 1577836800"),
            "{refused}"
        );
    }
}

/// The root was renewed with its key: the certificate of the token's time counts.
#[test]
fn roots_that_were_renewed() {
    let place = Place::new();
    let old = place.issued_between(None, "Root", "root", ["20190101000000Z", "20220101000000Z"]);
    let new = place.renewed(&old, "Root", ["20220101000000Z", "20400101000000Z"]);
    let signer = place.issued_between(Some(&old), "Service", STAMPS, ["20190101000000Z", "20400101000000Z"]);
    let (old, new) = (place.der(&old), place.der(&new));
    for (time, fits) in [("20200101000000Z", &old), ("20230101000000Z", &new)] {
        let token = Forge::new(&place, &signer, &Info::new(DATA, time).bytes()).sign(&place, &signer);
        for roots in [[&old[..], &new], [&new, &old]] {
            let verified = verify(&token, None, &roots).unwrap_or_else(|e| panic!("{time}: {e}"));
            assert_eq!(verified.chain[1], *fits);
        }
        let other = if *fits == old { &new } else { &old };
        assert!(matches!(verify(&token, None, &[other]), Err(TokenError::Validity { .. })));
    }
}

/// Two chains lead to given roots, and the signer names the longer one.
#[test]
fn authorities_that_are_a_root_and_certified_too() {
    let place = Place::new();
    let root = place.root("Root", EC);
    let own = place.issued_between(None, "Between", "root", ["20190101000000Z", "20400101000000Z"]);
    let crossed = place.reissued(&root, "Between", &own, "between");
    let signer = place.issued(&own, "Service", EC, STAMPS);
    let (signer_der, crossed_der) = (place.der(&signer), place.der(&crossed));
    let mut forge = Forge::new(&place, &signer, &Info::new(DATA, &place.now()).bytes());
    forge.certificates.push(crossed_der.clone());
    let (root, own) = (place.der(&root), place.der(&own));
    let short = verify(&forge.sign(&place, &signer), None, &[&root, &own]).unwrap();
    assert_eq!(short.chain, [signer_der.clone(), own.clone()]);
    forge.replace(SIGNING_CERTIFICATE_V2, &[&names_certificates(&[&signer_der, &crossed_der])]);
    let token = forge.sign(&place, &signer);
    let long = verify(&token, None, &[&own, &root]).unwrap();
    assert_eq!(long.chain, [signer_der, crossed_der, root]);
    assert!(matches!(verify(&token, None, &[&own]), Err(TokenError::SigningCertificateChain)));
}
