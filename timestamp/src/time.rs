//! The time that a token tells.

use std::time::Duration;
use x509_cert::der::DateTime;

/// `genTime` since 1970: `YYYYMMDDhhmmss[.s...]Z` (RFC 3161, section 2.4.2), which GeneralizedTime of the library can't
/// read, because there it has no fractions. Zeros at the end of the fraction, which DER does not have, are read as well,
/// since the time is the same; what is beyond nanoseconds is cut.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn gen_time(text: &[u8]) -> Result<Duration, &'static str> {
    let text = text.strip_suffix(b"Z").ok_or("it does not end with Z")?;
    let (whole, fraction) = match text.split_at_checked(14) {
        Some((whole, [])) => (whole, None),
        Some((whole, [b'.', fraction @ ..])) => (whole, Some(fraction)),
        _ => return Err("it is not like YYYYMMDDhhmmss[.s...]Z"),
    };
    let digits = whole.iter().chain(fraction.unwrap_or(b"0"));
    if fraction == Some(b"") || !digits.copied().all(|digit| digit.is_ascii_digit()) {
        return Err("it has other characters than digits");
    }
    let number = |digits: &[u8]| digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let part = |from: usize| number(&whole[from..from + 2]) as u8;
    let date = DateTime::new(number(&whole[..4]) as u16, part(4), part(6), part(8), part(10), part(12));
    let date = date.map_err(|_| "it is no time from 1970 on")?;
    let mut nanos = 0;
    for at in 0..9 {
        nanos = nanos * 10
            + fraction.and_then(|digits| digits.get(at)).map_or(0, |digit| u32::from(digit - b'0'));
    }
    Ok(date.unix_duration() + Duration::from_nanos(nanos.into()))
}

/// The time in the reference's form: like `2026-11-30T09:05:07Z`, or with as many digits after the point as it needs.
pub(crate) fn iso(time: Duration) -> Option<String> {
    let date = DateTime::from_unix_duration(Duration::from_secs(time.as_secs())).ok()?;
    let text = date.to_string();
    if time.subsec_nanos() == 0 {
        return Some(text);
    }
    let fraction = format!("{:09}", time.subsec_nanos());
    Some(format!("{}.{}Z", text.strip_suffix('Z')?, fraction.trim_end_matches('0')))
}

#[cfg(test)]
mod tests {
    use super::{gen_time, iso};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn times_of_the_standard_are_read() {
        for (text, iso_text) in [
            ("19920521000000Z", "1992-05-21T00:00:00Z"),
            ("19920622123421Z", "1992-06-22T12:34:21Z"),
            ("19920722132100.3Z", "1992-07-22T13:21:00.3Z"),
            ("19990609001326.34352Z", "1999-06-09T00:13:26.34352Z"),
            ("20240229235959.1234567891Z", "2024-02-29T23:59:59.123456789Z"),
            ("20240229235959.120Z", "2024-02-29T23:59:59.12Z"),
        ] {
            assert_eq!(gen_time(text.as_bytes()).ok().and_then(iso).as_deref(), Some(iso_text), "{text}");
        }
    }

    #[test]
    fn other_times_are_refused() {
        for text in [
            "",
            "Z",
            "20240101000000",
            "202401010000Z",
            "20240101000000.Z",
            "20240101000000,5Z",
            "20240101000000+0100",
            "2024010100000aZ",
            "20240101000000.5-Z",
            "20230229000000Z",
            "20241301000000Z",
            "20240101240000Z",
            "20240101006000Z",
            "20240101000060Z",
            "19691231235959Z",
            "20240101000000.5.5Z",
        ] {
            assert!(gen_time(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        /// Up to the end of the year 9999.
        #[test]
        fn every_time_is_read_as_it_was_written(seconds in 0u64..253_402_300_800, nanos in 0u32..1_000_000_000) {
            let time = Duration::new(seconds, nanos);
            let text = iso(time).unwrap_or_default().replace(['-', 'T', ':'], "");
            prop_assert_eq!(gen_time(text.as_bytes()), Ok(time));
        }

        #[test]
        fn other_bytes_are_refused_or_read(text: Vec<u8>) {
            let _ = gen_time(&text);
        }
    }
}
