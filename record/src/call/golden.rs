//! Golden lines of what `docs/calls.md` states: they change only with the format. `UPDATE_EXPECT=1` writes them.

use super::tests::{answered, draft_of_log, sealed, span, told_by, tool};
use super::*;
use crate::call::arrange::arrange;
use crate::call::role::Role;
use crate::draft::Draft;
use crate::event::Status;

/// Each draft in the role that it has beside those before it.
fn lines() -> Vec<u8> {
    let mut drafts = vec![
        span(2, None, |event| {
            answered("chatcmpl-1")(event);
            told_by("an.instrumentation")(event);
        }),
        span(3, Some(2), |event| {
            answered("chatcmpl-1")(event);
            told_by("an.sdk")(event);
            event.outcome.status = Status::Error;
            event.outcome.error_text = Some("timed out".into());
        }),
        span(4, None, tool("lookup", Some("call_1"))),
        draft_of_log(tool("lookup", Some("call_1"))),
    ];
    arrange(&mut drafts);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for draft in &drafts {
        let first = draft.call().and_then(Call::first);
        let role = first.and_then(|(first, reason)| {
            let of = |line: &Vec<u8>| {
                SealedCall::read(line, &Tenant::Local).filter(|sealed| sealed.call.id() == first)
            };
            Some(Role::beside(&lines.iter().find_map(of)?, reason))
        });
        let draft: Draft = role.map_or_else(|| draft.clone(), |role| draft.in_role(&role));
        lines.push(sealed(&draft));
    }
    lines.concat()
}

#[test]
fn lines_are_as_they_were() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/calls.jsonl");
    let lines = lines();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    assert_eq!(String::from_utf8(lines).unwrap(), std::fs::read_to_string(path).unwrap());
}
