//! Members of a record, each followed by a comma; a value that is not there is left out.

use super::canon::{MAX_SAFE_INTEGER, write_str};
use super::hash;
use super::time;

pub(super) fn key(line: &mut Vec<u8>, key: &str) {
    line.push(b'"');
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(b"\":");
}

pub(super) fn text(line: &mut Vec<u8>, name_of: &str, value: Option<&str>) {
    if let Some(value) = value {
        key(line, name_of);
        write_str(value, line);
        line.push(b',');
    }
}

pub(super) fn tokens(line: &mut Vec<u8>, name_of: &str, count: Option<i64>) {
    number(line, name_of, count.and_then(|n| u64::try_from(n).ok()));
}

pub(super) fn number(line: &mut Vec<u8>, name_of: &str, value: Option<u64>) {
    if let Some(value) = value {
        key(line, name_of);
        integer(line, value);
        line.push(b',');
    }
}

/// An integer, capped at the largest one that the canonical form can hold.
pub(super) fn integer(line: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.min(MAX_SAFE_INTEGER.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[at..]);
}

pub(super) fn instant(line: &mut Vec<u8>, name_of: &str, nanos: Option<u64>) {
    if let Some(nanos) = nanos {
        key(line, name_of);
        line.push(b'"');
        line.extend_from_slice(&time::rfc3339(nanos));
        line.extend_from_slice(b"\",");
    }
}

pub(super) fn id(line: &mut Vec<u8>, name_of: &str, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes {
        key(line, name_of);
        line.push(b'"');
        hash::write_hex(bytes, line);
        line.extend_from_slice(b"\",");
    }
}
