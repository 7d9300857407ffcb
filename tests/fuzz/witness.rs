//! The body of the fuzz target of what witnesses are asked, answer and keep; a test of the usual suite runs this body as well.
//! What is read is written again as it was, or comes to the same once more.

use halod::witness::anchor::Anchor;
use halod::witness::pages::Query;
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
    if Anchor::parse(data).is_ok() {
        forms += 1;
    }
    let Ok(text) = std::str::from_utf8(data) else { return forms };
    if let Ok(found) = Contradiction::parse(text) {
        assert_eq!(Contradiction::parse(&found.to_json()), Ok(found.clone()));
        assert!(found.check(&[]).is_err());
        forms += 1;
    }
    forms + usize::from(Query::parse(text).is_ok())
}
