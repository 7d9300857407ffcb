//! The body of the fuzz target of Langfuse; a test of the usual suite runs this body as well.

use halo_adapters::langfuse;
use halod_record::fragment::Fragment;
use halod_record::json::{Json, parse};
use std::hint::black_box;

/// A fragment that is read from an event or a row can be laid over another one, and becomes an action.
pub(crate) fn langfuse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(parsed) = parse(text) else { return };
    let lists = ["batch", "data", "observations"];
    let inner = lists.iter().filter_map(|key| match parsed.get(key) {
        Some(Json::Array(items)) => Some(items.iter()),
        _ => None,
    });
    let mut all: Option<Fragment<'_>> = None;
    for item in inner.flatten().chain([&parsed]) {
        if let Ok(Some(fragment)) = langfuse::fragment(item) {
            assert_eq!(fragment.space, "langfuse");
            match &mut all {
                Some(all) => all.lay(fragment),
                None => all = Some(fragment),
            }
        }
        for event in
            [langfuse::observation(item, Some(&parsed)), langfuse::trace(item), langfuse::score(item)]
        {
            if let Ok(Some(event)) = event {
                assert_eq!(event.source.adapter, "langfuse");
            }
        }
    }
    drop(black_box(all.map(|all| all.event())));
}
