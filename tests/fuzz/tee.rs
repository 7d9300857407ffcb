//! The body of the fuzz target of the tee's queue; a test of the usual suite runs this body as well.
//! Whatever stands in a segment, reading it comes to its end, and what it gives can be sent: it is the
//! same when it is queued again.

use bytes::Bytes;
use halod::tee::entry::{Entry, Frame, MAGIC, decode, frame, head, prefix};

pub(crate) fn tee(data: &[u8]) {
    let size = data.len() as u64;
    let mut offset = MAGIC.len() as u64;
    loop {
        let next = match frame(&data, size, offset).expect("within its size") {
            Frame::Whole(payload, end) => {
                again(payload);
                end
            }
            Frame::Damaged(end) => end,
            Frame::Torn | Frame::End => break,
        };
        assert!(offset < next && next <= size);
        offset = next;
    }
    // A fuzzer does not guess checksums.
    again(Bytes::copy_from_slice(data));
}

fn again(payload: Bytes) {
    let Some(entry) = decode(payload) else { return };
    let mut bytes = MAGIC.to_vec();
    let head = head(&entry.method, entry.target.as_str(), &entry.headers);
    bytes.extend(prefix(&head, &entry.body).expect("no longer than it was"));
    bytes.extend(head);
    bytes.extend(&entry.body);
    let size = bytes.len() as u64;
    let Ok(Frame::Whole(payload, end)) = frame(&bytes.as_slice(), size, MAGIC.len() as u64) else {
        panic!("what is queued is found")
    };
    assert_eq!(end, size);
    let Entry { method, target, body, .. } = decode(payload).expect("what is queued can be read");
    assert_eq!((method, target, body), (entry.method, entry.target, entry.body));
}
