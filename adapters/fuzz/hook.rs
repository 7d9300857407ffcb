//! The body of the fuzz target of hooks' events; a test of the usual suite runs this body as well.
//!
//! Standard input of any kind is refused, passed over, or read as an event whose id tells it from others.

use halo_adapters::hook::{Capture, Client, event};
use halod_record::event::{Keyed, Origin};
use halod_record::json::parse;

/// The first byte says whose event it is; the rest are events, a line each. How many have a record.
pub(crate) fn hook(data: &[u8]) -> usize {
    let Some((whose, text)) = data.split_first() else { return 0 };
    let client =
        [None, Some(Client::ClaudeCode), Some(Client::Codex), Some(Client::Gemini)][usize::from(whose & 3)];
    let Ok(text) = std::str::from_utf8(text) else { return 0 };
    let mut told = 0;
    for (at, line) in text.lines().enumerate() {
        let Ok(said) = parse(line) else { continue };
        let id = at.to_string();
        let capture = Capture { at: 1_795_336_686_549_854_321, id: &id, client };
        let Ok(Some(one)) = event(&said, &capture) else { continue };
        let Origin::Keyed(Keyed { id: own, .. }) = &one.origin else { panic!("an event without an id") };
        assert!(own.last() == Some(&id.as_str().into()) || own.len() == 4);
        assert!(one.facts.iter().any(|(key, _)| *key == "hook_event"));
        assert!(one.started.is_some() && one.started.zip(one.ended).is_none_or(|(from, to)| from <= to));
        assert_eq!(event(&said, &capture), Ok(Some(one)), "the same again");
        told += 1;
    }
    told
}
