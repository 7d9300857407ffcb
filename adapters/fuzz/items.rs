//! The bodies of the fuzz targets of lists of items; a test of the usual suite runs these bodies as well.

use halo_adapters::{litellm, openai_agents};
use halod_record::event::{Event, Keyed, Origin};
use halod_record::json::{Json, Most, parse, split};
use halod_record::unusable::Unusable;

type Read<'a> = Result<Option<Event<'a>>, Unusable>;

pub(crate) fn litellm(data: &[u8]) {
    items(data, "litellm", litellm::event);
    items(data, "litellm", litellm::spend_row);
}

pub(crate) fn openai_agents(data: &[u8]) {
    items(data, "openai_agents_traces", openai_agents::item);
}

/// However a text lists its items, those that are JSON are mapped or refused, the same each time.
fn items(data: &[u8], adapter: &str, reads: for<'a> fn(&Json<'a>) -> Read<'a>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let most = Most { items: 1000, values: 100_000 };
    let mut texts = split(text, &most).map(|(_, items)| items).unwrap_or_default();
    // The OpenAI Agents SDK wraps its items in this object.
    texts.extend(
        text.find('[')
            .and_then(|at| text.get(at..))
            .and_then(|rest| split(rest, &most).ok())
            .map_or(vec![], |(_, items)| items),
    );
    for item in texts {
        let Ok(item) = parse(item) else { continue };
        match reads(&item) {
            Ok(Some(event)) => {
                assert_eq!(event.source.adapter, adapter);
                assert!(
                    matches!(&event.origin, Origin::Keyed(Keyed { id, .. }) if !id.iter().any(|part| part.is_empty()))
                );
            }
            Ok(None) => {}
            Err(unusable) => assert!(unusable.to_string().len() < 200),
        }
    }
}
