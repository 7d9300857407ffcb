//! The body of the fuzz target of what witnesses are asked, answer and keep; a test of the usual suite runs this body as well.
//! What is read is written again as it was, or comes to the same once more.

use halod::witness::anchor::Anchor;
use halod::witness::client::Received;
use halod::witness::completeness::{Seen, Whose};
use halod::witness::pages::Query;
use halod::witness::posted::{Posted, posted};
use halod_evidence::contradiction::Contradiction;
use halod_evidence::policy::Policy;
use halod_evidence::witness::{Answer, Request, SIZE_TYPE};

/// How many of its forms the bytes have.
pub(crate) fn witness(data: &[u8]) -> usize {
    let mut forms = 0;
    if let Ok(request) = Request::parse(data) {
        assert_eq!(request.write().as_bytes(), data);
        forms += 1;
    }
    for (status, kind) in [(200, None), (409, Some(SIZE_TYPE)), (503, None)] {
        match Answer::parse(status, kind, data) {
            Ok(Answer::Cosigned(lines)) => {
                assert_eq!(lines.iter().map(ToString::to_string).collect::<String>().as_bytes(), data);
                forms += 1;
            }
            Ok(Answer::Other(size)) => {
                assert_eq!(format!("{size}\n").as_bytes(), data);
                forms += 1;
            }
            _ => {}
        }
    }
    if let Ok(policy) = Policy::parse(data) {
        assert_eq!(Policy::parse(&policy.to_bytes()).as_ref(), Ok(&policy));
        let _ = policy.warnings();
        forms += 1;
    }
    if let Ok(anchor) = Anchor::parse(data) {
        assert_eq!(Anchor::parse(&anchor.body()).as_ref(), Ok(&anchor));
        assert_eq!(Anchor::parse(anchor.unsigned_line("2026-11-30T09:00:00Z", None).as_bytes()), Ok(anchor));
        forms += 1;
    }
    chain_of(data);
    let Ok(text) = std::str::from_utf8(data) else { return forms };
    if let Ok(found) = Contradiction::parse(text) {
        assert_eq!(Contradiction::parse(&found.to_json()), Ok(found.clone()));
        assert!(found.check(&[]).is_err());
        forms += 1;
    }
    forms + usize::from(Query::parse(text).is_ok())
}

/// What a witness of chains answers, and its file, as who anchors and who checks reads them.
fn chain_of(data: &[u8]) {
    let chain = Whose { subject: Some("acme".into()), root: Some([0xaa; 32]), other: None };
    if let Ok(Ok(seen)) = Seen::read(data, &chain) {
        assert!(seen.checkpoints > 0 || seen.longest() == 0);
    }
    let _ = Seen::default().page(data, &chain);
    let anchor = Anchor::of_chain(Some("acme"), 3, [0xbb; 32], [0xaa; 32]);
    for status in [201, 400, 503] {
        let received = Received { status, content_type: None, retry_after: None, body: data.to_vec() };
        if let Posted::Refused { why, .. } | Posted::Failed { why, .. } = posted(&received, &anchor) {
            assert!(why.len() < 1024 && !why.contains(char::is_control));
        }
    }
}
