//! Times as LangSmith's clients write them: ISO 8601 with or without a zone, or milliseconds.

use crate::fields;
use halod_record::json::Json;

/// Unix nanoseconds of a run's time: ISO 8601, UTC where no zone is said; or milliseconds, as the
/// JavaScript SDK sends them. `None` for what is neither, and for times before 1970.
pub(super) fn time(value: &Json<'_>) -> Option<u64> {
    fields::nanos(Some(value))
}

/// The time at the start of a segment of a dotted order: `20261122T081139730472Z<run id>`.
pub(super) fn compact(segment: &str) -> Option<u64> {
    let (stamp, _) = segment.split_once('Z')?;
    let part = |from: usize, to: usize| stamp.get(from..to);
    let ([year, month, day], [hour, minute, second]) =
        ([part(0, 4)?, part(4, 6)?, part(6, 8)?], [part(9, 11)?, part(11, 13)?, part(13, 15)?]);
    let fraction = stamp.get(15..)?;
    let text = format!("{year}-{month}-{day}{}{hour}:{minute}:{second}.{fraction}Z", part(8, 9)?);
    time(&Json::str(&text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json;

    fn read(text: &str) -> Option<u64> {
        time(&json::parse(text).unwrap())
    }

    #[test]
    fn every_form_of_one_moment_is_that_moment() {
        let moment = Some(1_795_335_099_730_472_000);
        for text in [
            r#""2026-11-22T08:11:39.730472+00:00""#,
            r#""2026-11-22T08:11:39.730472Z""#,
            r#""2026-11-22T08:11:39.730472""#,
            r#""2026-11-22 08:11:39.730472000""#,
            r#""2026-11-22T10:41:39.730472+02:30""#,
            r#""2026-11-22T03:11:39.730472-0500""#,
        ] {
            assert_eq!(read(text), moment, "{text}");
        }
        assert_eq!(compact("20261122T081139730472Z01a2024f-9552-774a-b546-56ffb05c24c0"), moment);
        assert_eq!(read("1795335099730"), Some(1_795_335_099_730_000_000));
        assert_eq!(read("1795335099730.0"), Some(1_795_335_099_730_000_000));
        assert_eq!(read(r#""2024-02-29T00:00:00""#), Some(1_709_164_800_000_000_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "null",
            "0",
            "-1",
            "1e300",
            "[]",
            r#""""#,
            r#""yesterday""#,
            r#""2026-11-22""#,
            r#""2026-13-22T08:11:39""#,
            r#""2026-11-22T25:11:39""#,
            r#""1950-01-01T00:00:00""#,
            r#""é026-11-22T08:11:39""#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["", "Z", "2026T0Z", "20261122T0811Z", "2026112éT081139Z"] {
            assert_eq!(compact(text), None, "{text}");
        }
    }
}
