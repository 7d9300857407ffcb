//! What is no token of a trusted service over this digest, and is told what is wrong. Signatures hold, unless they are the
//! matter: each token is signed after it was changed.

use crate::authority::{DATA, EC, NONCE, Pair, Place, RSA, STAMPS, Service};
use crate::forge::{
    CONTENT_TYPE, Forge, Info, MESSAGE_DIGEST, OCTETS, SEQUENCE, SHA_256, SIGNED_DATA, SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2, TST_INFO, algorithm, attribute, children, issuer_and_serial, names_certificates,
    oid, tlv,
};
use crate::{sha256, verify};
use halod_timestamp::{
    Expected, Imprint, MAX_BYTES, ObjectIdentifier, Policies, Token, TokenError, Trust, request,
};

/// A service with its root.
struct Scene {
    place: Place,
    root: Pair,
    signer: Pair,
}

impl Scene {
    fn new() -> Self {
        let place = Place::new();
        let root = place.root("Root", EC);
        let signer = place.issued(&root, "Service", EC, STAMPS);
        Self { place, root, signer }
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let service = Service { signer: &self.signer, chain: None, digest: "sha256", more: "" };
        self.place.answer(&service, request)
    }

    fn info(&self) -> Info {
        Info::new(DATA, &self.place.now())
    }

    fn forge(&self) -> Forge {
        Forge::new(&self.place, &self.signer, &self.info().bytes())
    }

    /// Why the changed token is refused. OpenSSL takes it or not, or that depends on the time in it.
    fn why(&self, change: impl FnOnce(&mut Forge), openssl_takes_it: impl Into<Option<bool>>) -> String {
        let mut forge = self.forge();
        change(&mut forge);
        self.refused(&forge, openssl_takes_it)
    }

    fn refused(&self, forge: &Forge, openssl_takes_it: impl Into<Option<bool>>) -> String {
        let token = forge.sign(&self.place, &self.signer);
        let takes = self.place.verifies(&token, false, &sha256(DATA), &self.root);
        let why = verify(&token, None, &[&self.place.der(&self.root)]).unwrap_err().to_string();
        assert_eq!(takes, openssl_takes_it.into().unwrap_or(takes), "{why}");
        why
    }

    /// Why a token of this `TSTInfo` is refused.
    fn why_info(&self, change: impl FnOnce(&mut Info), openssl_takes_it: impl Into<Option<bool>>) -> String {
        let mut info = self.info();
        change(&mut info);
        self.refused(&Forge::new(&self.place, &self.signer, &info.bytes()), openssl_takes_it)
    }
}

#[test]
fn another_root_digest_nonce_or_policy() {
    let scene = Scene::new();
    let answer = scene.answer(&request(&sha256(DATA), Some(NONCE), true));
    let root = scene.place.der(&scene.root);
    // One of the same name too.
    for name in ["Root", "Other"] {
        let other = scene.place.der(&scene.place.root(name, EC));
        assert!(matches!(verify(&answer, Some(NONCE), &[&other]), Err(TokenError::Chain(_))));
        verify(&answer, Some(NONCE), &[&other, &root]).unwrap();
    }
    assert!(matches!(verify(&answer, Some(NONCE), &[]), Err(TokenError::Chain(_))));
    assert!(matches!(verify(&answer, None, &[b"no root"]), Err(TokenError::Root { at: 0, .. })));
    assert!(matches!(verify(&answer, Some(NONCE + 1), &[&root]), Err(TokenError::Nonce)));
    let without = scene.answer(&request(&sha256(DATA), None, true));
    assert!(matches!(verify(&without, Some(NONCE), &[&root]), Err(TokenError::NoNonce)));

    let (digest, other) = (sha256(DATA), sha256(b"other"));
    let trust = Trust { roots: &[&root], further: &[] };
    let token = Token::read(&answer).unwrap();
    let expected = Expected { imprint: Imprint::sha256(&other), nonce: None, policies: Policies::Any };
    assert!(matches!(token.verify(&expected, &trust), Err(TokenError::Imprint(_))));
    let policy = |last: &str| ObjectIdentifier::new(&format!("1.3.6.1.4.1.57264.{last}")).unwrap();
    for (allowed, fits) in [(&["2"][..], true), (&["3", "2"], true), (&["3"], false), (&[], false)] {
        let allowed: Vec<ObjectIdentifier> = allowed.iter().map(|last| policy(last)).collect();
        let policies = Policies::Only(&allowed);
        let expected = Expected { imprint: Imprint::sha256(&digest), nonce: None, policies };
        let verified = token.verify(&expected, &trust);
        assert_eq!(verified.is_ok(), fits);
        assert!(fits || matches!(verified, Err(TokenError::Policy(found)) if found == policy("2")));
    }
}

#[test]
fn a_service_that_refuses() {
    let scene = Scene::new();
    let place = &scene.place;
    let answer = scene.answer(&place.request(DATA, &["-sha256", "-tspolicy", "1.2.3"]));
    let refused = verify(&answer, None, &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the time-stamping service gave no token: status 2 (rejection), failures [unacceptedPolicy], text \
         \"Requested policy is not supported.\""
    );
    let status = |number: u8| tlv(SEQUENCE, &[&tlv(0x02, &[&[number]])]);
    assert!(matches!(verify(&tlv(SEQUENCE, &[&status(0)]), None, &[]), Err(TokenError::NoToken)));
    let token = scene.forge().sign(place, &scene.signer);
    for (number, fits) in [(0, true), (1, true), (2, false), (3, false), (5, false), (9, false)] {
        let answer = tlv(SEQUENCE, &[&status(number), &token]);
        let verified = verify(&answer, None, &[&place.der(&scene.root)]);
        assert_eq!(verified.is_ok(), fits, "{number}");
        assert!(
            fits || matches!(verified, Err(TokenError::Refused { status, .. }) if status == u32::from(number))
        );
    }
    let control = tlv(SEQUENCE, &[&tlv(0x0c, &[b"a\x1b[31m\n"])]);
    let answer =
        tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&tlv(0x02, &[&[2]]), &control, &tlv(0x03, &[&[0, 0x40, 1]])])]);
    let refused = verify(&answer, None, &[]).unwrap_err().to_string();
    assert!(refused.ends_with(r#"failures [bit 1, unacceptedPolicy], text "a\u{1b}[31m\n""#), "{refused}");
}

/// What the reference believes: an imprint, a number and a time, without a signature.
#[test]
fn a_forgery_of_71_bytes() {
    let null = algorithm(SHA_256);
    let named = tlv(SEQUENCE, &[children(&null)[0], &[5, 0]]);
    let imprint = tlv(SEQUENCE, &[&named, &tlv(OCTETS, &[&sha256(DATA)])]);
    let forgery = [imprint, tlv(0x02, &[&[1]]), tlv(0x18, &[b"20200101000000Z"])].concat();
    assert_eq!(forgery.len(), 71);
    let refused = verify(&forgery, None, &[]).unwrap_err();
    assert!(matches!(refused, TokenError::Malformed(_)), "{refused}");
}

#[test]
fn bytes_that_are_no_token() {
    let scene = Scene::new();
    let token = scene.forge().sign(&scene.place, &scene.signer);
    assert!(matches!(verify(&vec![0; MAX_BYTES + 1], None, &[]), Err(TokenError::TooLarge)));
    for bytes in [&b""[..], b"0", b"\x30\x00", b"\x30\x80\x00\x00", b"<html>", &[&token[..], b"0"].concat()] {
        assert!(matches!(verify(bytes, None, &[]), Err(TokenError::Malformed(_))), "{bytes:02x?}");
    }
}

#[test]
fn certificates_for_other_uses() {
    let scene = Scene::new();
    let Scene { place, root, .. } = &scene;
    let missing = "the signer's certificate is not for time-stamping: the extended key usage is missing or names others only";
    for (extensions, expected) in [
        ("bare", missing),
        ("other_use", missing),
        ("not_critical", "the extended key usage of the signer's certificate is not critical"),
        ("not_alone", "the signer's certificate is for other uses beside time-stamping"),
        ("enciphers", "the key usage of the signer's certificate does not fit"),
    ] {
        let signer = place.issued(root, "Service", EC, extensions);
        let token = Forge::new(place, &signer, &scene.info().bytes()).sign(place, &signer);
        let refused = verify(&token, None, &[&place.der(root)]).unwrap_err();
        assert_eq!(refused.to_string(), expected, "{extensions}");
        assert!(!place.verifies(&token, false, &sha256(DATA), root), "{extensions}");
    }
}

#[test]
fn chains_that_do_not_hold() {
    let scene = Scene::new();
    let Scene { place, root, .. } = &scene;
    let between = place.issued(root, "Between", EC, "no_certifier");
    let signer = place.issued(&between, "Service", EC, STAMPS);
    let mut forge = Forge::new(place, &signer, &scene.info().bytes());
    forge.certificates.push(place.der(&between));
    let token = forge.sign(place, &signer);
    let refused = verify(&token, None, &[&place.der(root)]).unwrap_err();
    assert_eq!(refused.to_string(), "the key usage of a certificate above the signer's does not fit");
    assert!(!place.verifies(&token, false, &sha256(DATA), root));

    // A certificate that certifies nobody stands between.
    let between = place.issued(root, "Between", EC, STAMPS);
    let signer = place.issued(&between, "Service", EC, STAMPS);
    let mut forge = Forge::new(place, &signer, &scene.info().bytes());
    forge.certificates.push(place.der(&between));
    let token = forge.sign(place, &signer);
    assert!(matches!(verify(&token, None, &[&place.der(root)]), Err(TokenError::Chain(_))));
    assert!(!place.verifies(&token, false, &sha256(DATA), root));

    // Its root was not there yet.
    let late = place.issued_between(None, "Root", "root", ["20250101000000Z", "20400101000000Z"]);
    let signer = place.issued_between(Some(&late), "Service", STAMPS, ["20200101000000Z", "20400101000000Z"]);
    let token = Forge::new(place, &signer, &Info::new(DATA, "20230101000000Z").bytes()).sign(place, &signer);
    let refused = verify(&token, None, &[&place.der(&late)]).unwrap_err();
    assert!(matches!(refused, TokenError::Validity { which: "the root certificate", .. }), "{refused}");
}

#[test]
fn certificates_that_the_signature_does_not_name() {
    let scene = Scene::new();
    let Scene { place, root, signer } = &scene;
    let (own, above) = (place.der(signer), place.der(root));
    let other = place.der(&place.issued(root, "Service", EC, STAMPS));
    let another = "the signed attribute signing-certificate names another certificate than the signer's";
    let names = |value: Vec<u8>| move |forge: &mut Forge| forge.replace(SIGNING_CERTIFICATE_V2, &[&value]);
    assert_eq!(scene.why(names(names_certificates(&[&other])), false), another);
    assert_eq!(scene.why(names(names_certificates(&[&above, &own])), false), another);
    assert_eq!(scene.why(names(names_certificates(&[])), false), another);
    let chain = "the signed attribute signing-certificate does not name the certificates between the signer and the root";
    assert_eq!(scene.why(names(names_certificates(&[&own, &other])), false), chain);
    // With the issuer's name and a serial number, which are of another certificate.
    let hash = tlv(OCTETS, &[&sha256(&own)]);
    let of = |certificate: &[u8]| {
        let issued = issuer_and_serial(certificate);
        let [issuer, serial] = children(&issued)[..] else { panic!() };
        let names = tlv(SEQUENCE, &[&tlv(0xa4, &[issuer])]);
        let id = tlv(SEQUENCE, &[&hash, &tlv(SEQUENCE, &[&names, serial])]);
        tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&id])])
    };
    assert_eq!(scene.why(names(of(&above)), false), another);
    let mut forge = scene.forge();
    forge.replace(SIGNING_CERTIFICATE_V2, &[&of(&own)]);
    verify(&forge.sign(place, signer), None, &[&above]).unwrap();
    // Both versions are there, and one of them is of another.
    let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &other);
    let id = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&tlv(OCTETS, &[sha1.as_ref()])])])]);
    let both = |forge: &mut Forge| {
        forge.attributes.push(attribute(SIGNING_CERTIFICATE, &[&id]));
        forge.attributes.sort();
    };
    assert_eq!(scene.why(both, false), another);
}

#[test]
fn signers_that_are_several_or_unknown() {
    let scene = Scene::new();
    let Scene { place, root, signer } = &scene;
    let several = |number: usize| format!("the token has {number} signatures; a time-stamp token has one");
    assert_eq!(scene.why(|forge| forge.signers = 2, false), several(2));
    assert_eq!(scene.why(|forge| forge.signers = 0, false), several(0));
    let content = scene.info().bytes();
    let other = place.issued(root, "Other", RSA, STAMPS);
    let two = place.signed(&content, &[signer, &other], &["-cades", "-md", "sha256"]);
    assert_eq!(verify(&two, None, &[&place.der(root)]).unwrap_err().to_string(), several(2));

    let unknown = "the certificate of the signer is neither in the token nor among the further certificates";
    assert_eq!(scene.why(|forge| forge.certificates.clear(), false), unknown);
    assert_eq!(scene.why(|forge| forge.id = issuer_and_serial(&place.der(root)), false), unknown);
    let by_key = |id: Vec<u8>| {
        move |forge: &mut Forge| {
            forge.id = tlv(0x80, &[&id]);
            forge.signer_version = 3;
        }
    };
    assert_eq!(scene.why(by_key(place.key_id(root)), false), unknown);
    let mut forge = scene.forge();
    by_key(place.key_id(signer))(&mut forge);
    verify(&forge.sign(place, signer), None, &[&place.der(root)]).unwrap();
    let garbage = "the answer of the time-stamping service is no DER of RFC 3161: the certificate";
    for more in [tlv(SEQUENCE, &[&[5, 0]]), oid(SHA_256), tlv(0x80, &[b"0"]), tlv(0xa4, &[&[5, 0]])] {
        let why = scene.why(|forge| forge.certificates.push(more), false);
        assert!(why.starts_with(garbage), "{why}");
    }
    // An attribute certificate.
    let mut forge = scene.forge();
    forge.certificates.push(tlv(0xa2, &[&[5, 0]]));
    verify(&forge.sign(place, signer), None, &[&place.der(root)]).unwrap();
    by_key(place.key_id(signer))(&mut forge);
    let version = "SignerInfo has version 1, which no standard gives the form that follows";
    forge.signer_version = 1;
    assert_eq!(scene.refused(&forge, false), version);

    let signature = "the signature is not one of this content by the signer's key";
    let token = scene.forge().sign(place, &place.issued(root, "Service", EC, STAMPS));
    assert_eq!(verify(&token, None, &[&place.der(root)]).unwrap_err().to_string(), signature);
}

#[test]
fn attributes_that_do_not_tie_the_signature_to_the_content() {
    let scene = Scene::new();
    let other = tlv(OCTETS, &[&sha256(b"other")]);
    let (data, hash) = (oid("1.2.840.113549.1.7.1"), tlv(OCTETS, &[&sha256(&scene.forge().content)]));
    assert_eq!(
        scene.why(|forge| forge.attributes.clear(), false),
        "the token has no signed attributes: nothing ties its signature to its content"
    );
    for (kind, name, openssl_takes_it) in [
        // OpenSSL does not look at it.
        (CONTENT_TYPE, "content-type", true),
        (MESSAGE_DIGEST, "message-digest", false),
        (SIGNING_CERTIFICATE_V2, "signing-certificate", false),
    ] {
        let without = |forge: &mut Forge| forge.attributes.retain(|one| children(one)[0] != oid(kind));
        assert_eq!(scene.why(without, openssl_takes_it), format!("the signed attribute {name} is missing"));
    }
    assert_eq!(
        scene.why(|forge| forge.replace(MESSAGE_DIGEST, &[&other]), false),
        "the signed attribute message-digest is not the digest of the content: the content was changed"
    );
    let refused = "the signed attribute content-type names 1.2.840.113549.1.7.1, and not TSTInfo";
    assert_eq!(scene.why(|forge| forge.replace(CONTENT_TYPE, &[&data]), true), refused);
    let twice = "the signed attribute message-digest is there twice, or has not one value";
    let mut both = [&hash[..], &other];
    both.sort_unstable();
    // OpenSSL takes the first.
    assert_eq!(scene.why(|forge| forge.replace(MESSAGE_DIGEST, &both), None), twice);
    assert_eq!(scene.why(|forge| forge.replace(MESSAGE_DIGEST, &[]), false), twice);
    let again = |forge: &mut Forge| {
        forge.attributes.push(attribute(MESSAGE_DIGEST, &[&other]));
        forge.attributes.sort();
    };
    assert_eq!(scene.why(again, None), twice);
    // OpenSSL takes the order in which they were received.
    let order = "the signed attributes are not in the order of DER, so they are not what was signed";
    assert_eq!(scene.why(|forge| forge.attributes.reverse(), true), order);
}

#[test]
fn identifiers_outside_the_signature() {
    let scene = Scene::new();
    let data = "1.2.840.113549.1.7.1";
    assert_eq!(
        scene.why(|forge| forge.info_type = data.to_owned(), false),
        format!("the token is no signed data of CMS ({SIGNED_DATA}), but {data}")
    );
    assert_eq!(
        scene.why(|forge| forge.content_type = data.to_owned(), false),
        format!("the signed content is no TSTInfo ({TST_INFO}), but {data}")
    );
    let sha1 = algorithm("1.3.14.3.2.26");
    let listed = "the list of the token's digests does not have the SHA-256 of its signature";
    assert_eq!(scene.why(|forge| forge.digests.clear(), false), listed);
    assert_eq!(scene.why(|forge| forge.digests = vec![sha1.clone()], false), listed);
    let unknown = "the signature uses the digest 1.3.14.3.2.26; halod knows SHA-256, SHA-384 and SHA-512";
    assert_eq!(scene.why(|forge| forge.digest = sha1.clone(), false), unknown);
    // OpenSSL asks the key what kind of signature it makes.
    let other = algorithm("1.2.840.10045.4.1");
    let unknown = "the signature algorithm 1.2.840.10045.4.1 with SHA-256 is not known to halod";
    assert_eq!(scene.why(|forge| forge.algorithm = other, true), unknown);
    let version = "SignedData has version 2, which no standard gives the form that follows";
    assert_eq!(scene.why(|forge| forge.version = 2, true), version);
}

#[test]
fn contents_that_say_something_else() {
    let scene = Scene::new();
    let version = "TSTInfo has version 2, which no standard gives the form that follows";
    assert_eq!(scene.why_info(|info| info.0[0] = tlv(0x02, &[&[2]]), false), version);
    let zone = "genTime \"20260101000000+0100\" can't be read: it does not end with Z";
    assert_eq!(scene.why_info(|info| info.0[4] = tlv(0x18, &[b"20260101000000+0100"]), true), zone);
    for (tag, value) in [(0x80, &[0][..]), (0x81, &[0x03, 0xe8]), (0x02, &[0xff]), (0x02, &[1, 0, 0, 0, 0])] {
        let accuracy = tlv(SEQUENCE, &[&tlv(tag, &[value])]);
        let why = scene.why_info(|info| info.0.push(accuracy), true);
        assert!(why.starts_with("accuracy has"), "{why}");
    }
    let extension = |critical: &[u8]| {
        let one = tlv(SEQUENCE, &[&oid("1.2.3.4.5"), critical, &tlv(OCTETS, &[b"\x05\x00"])]);
        tlv(0xa1, &[&one])
    };
    let unknown = "the token has the critical extension 1.2.3.4.5, which halod does not know";
    assert_eq!(scene.why_info(|info| info.0.push(extension(&[1, 1, 0xff])), true), unknown);
    let name = |value: &[u8]| tlv(0xa0, &[value]);
    let called = |tag: u8, text: &[u8]| {
        let part = tlv(SEQUENCE, &[&oid("2.5.4.3"), &tlv(tag, &[text])]);
        name(&tlv(0xa4, &[&tlv(SEQUENCE, &[&tlv(0x31, &[&part])])]))
    };
    let none = "the token's name of the service is none of its certificate's";
    assert_eq!(scene.why_info(|info| info.0.push(called(0x0c, b"Other")), false), none);
    assert_eq!(
        scene.why_info(|info| info.0.push(name(&tlv(0x86, &[b"https://other.example/"]))), false),
        none
    );
    for fits in [
        extension(&[]),
        called(0x0c, b"Service"),
        called(0x13, b"  serVICE "),
        name(&tlv(0x86, &[b"https://tsa.example/"])),
    ] {
        let token = Forge::new(&scene.place, &scene.signer, &scene.info().and(fits.clone()).bytes());
        let token = token.sign(&scene.place, &scene.signer);
        verify(&token, None, &[&scene.place.der(&scene.root)]).unwrap_or_else(|e| panic!("{fits:02x?}: {e}"));
        assert!(scene.place.verifies(&token, false, &sha256(DATA), &scene.root), "{fits:02x?}");
    }
}
