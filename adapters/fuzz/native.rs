//! The body of the fuzz target of the native door, taken for JSON and for protobuf; a test of
//! the usual suite runs it as well. What can be read becomes one canonical line, which can be opened again;
//! what cannot is told why.

use halo_adapters::native::records;
use halo_adapters::otlp::DecodeError;
use halod_record::build::Builder;
use halod_record::draft::{Draft, GENESIS, Scratch};
use halod_record::json::{Json, Limits, Most, parse, parse_with, split};
use halod_record::native::{Capture, read};
use halod_record::tenant::Tenant;
use halod_record::time;
use std::sync::LazyLock;

static BUILDERS: LazyLock<[Builder; 2]> = LazyLock::new(|| [Builder::new(false), Builder::new(true)]);

/// How many records became drafts.
pub(crate) fn native(data: &[u8]) -> usize {
    let mut drafted = 0;
    if let Ok(text) = std::str::from_utf8(data) {
        let most = Most { items: 10_000, values: 2_000_000 };
        let items = split(text, &most).map(|(_, items)| items).unwrap_or_default();
        let values = items.into_iter().filter_map(|item| parse(item).ok());
        drafted += values.filter(|value| one(value.clone())).count();
    }
    let _ = records::<DecodeError>(data, |record| {
        drafted += usize::from(record.is_ok_and(one));
        Ok(())
    });
    drafted
}

fn one(value: Json<'_>) -> bool {
    for builder in &*BUILDERS {
        let record = match read(value.clone(), builder) {
            Ok(record) => record,
            Err(wrong) => {
                assert!((1..=11).contains(&wrong.len()));
                return false;
            }
        };
        let subject = record.subject.id.as_deref().unwrap_or_default();
        let tenant = Tenant::stored(subject);
        let draft = builder.native(&record, &tenant, Capture::Ingested, &mut Scratch::default());
        let mut line = Vec::new();
        draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
        let text =
            std::str::from_utf8(&line).ok().and_then(|text| text.strip_suffix('\n')).unwrap_or_default();
        let parsed = parse_with(text, &Limits::PYTHON);
        assert!(parsed.is_ok_and(|parsed| parsed.canonical && parsed.duplicate.is_none()), "{text}");
        let again = Draft::reopen(tenant, &line);
        assert_eq!(again.map(|again| (again.id(), again.len())), Some((draft.id(), draft.len())));
    }
    true
}
