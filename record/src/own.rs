//! Names that are halod's own: what a record says under them, halod has seen itself.
//!
//! | name | what it stands for |
//! |---|---|
//! | a tool that begins with `halod.` | a notice of halod's, such as `halod.gap` |
//! | a tool that begins with `corroborates:` | a further account of an action that has its record |
//! | the agent `halod` | who says both |
//!
//! The native door refuses them. Telemetry is taken all the same, because its sender could not mend it:
//! its name is recorded behind [`CLAIMED`]. A name counts as one of these if a reader would take it for
//! one: in any case of letters, with what shows nothing in it, or in look-alike letters.

use super::redact::shows_nothing;
use std::borrow::Cow;

/// What the tools that are halod's begin with.
const TOOLS: [&str; 2] = ["halod.", "corroborates:"];

/// The agent that halod is.
const AGENT: &str = "halod";

/// What stands before a name of halod's that telemetry claimed.
const CLAIMED: &str = "claimed:";

/// Whether a tool of this name is halod's.
#[must_use]
pub fn is_tool(name: &str) -> bool {
    may_be(name) && TOOLS.iter().any(|own| after(name, own).is_some())
}

/// Whether an agent of this id or name is halod.
#[must_use]
pub fn is_agent(name: &str) -> bool {
    may_be(name) && after(name, AGENT).is_some_and(|mut rest| rest.all(char::is_whitespace))
}

/// The name of a tool that telemetry told of, as a record may say it.
pub(super) fn claimed_tool(name: Cow<'_, str>) -> Cow<'_, str> {
    if is_tool(&name) { Cow::Owned([CLAIMED, &name].concat()) } else { name }
}

/// The same of an agent's id or name.
pub(super) fn claimed_agent(name: Cow<'_, str>) -> Cow<'_, str> {
    if is_agent(&name) { Cow::Owned([CLAIMED, &name].concat()) } else { name }
}

/// What telemetry claimed, if `name` says that it claimed a name of halod's.
pub(super) fn unclaimed(name: &str) -> Option<&str> {
    name.strip_prefix(CLAIMED).filter(|claimed| is_tool(claimed) || is_agent(claimed))
}

/// Lets almost every name go by its first byte.
fn may_be(name: &str) -> bool {
    name.as_bytes().first().is_some_and(|&b| matches!(b, b'h' | b'H' | b'c' | b'C') || !b.is_ascii_graphic())
}

/// What a reader sees of `name` after `own`, if it begins with that.
fn after<'n>(name: &'n str, own: &str) -> Option<impl Iterator<Item = char> + use<'n>> {
    let visible = name.chars().filter(|c| !shows_nothing(*c));
    let mut visible = visible.skip_while(|c| c.is_whitespace()).map(plain);
    own.chars().all(|c| visible.next() == Some(c)).then_some(visible)
}

/// Letters and signs that look like those of halod's names, by what they look like. Not those with
/// accents, which a reader sees.
const ALIKE: [(char, &str); 13] = [
    ('a', "аАαΑɑᴀ"),
    ('b', "ВΒЬьʙℬ"),
    ('c', "сСϲϹᴄⅽⅭℂℭ"),
    ('d', "ԁᴅⅾⅮ"),
    ('e', "еЕΕᴇℯℰ"),
    ('h', "һҺНнΗհʜℋℌℍℎ"),
    ('l', "I1|ӏӀІΙǀʟⅼⅬℓℒ"),
    ('o', "0оОοΟօᴏℴ"),
    ('r', "гᴦʀℛℜℝ"),
    ('s', "ѕЅſꜱ"),
    ('t', "тТτΤᴛ"),
    ('.', "․﹒"),
    (':', "꞉∶﹕ː։׃"),
];

/// A character as a reader may take it: in lower case, and in ASCII where it looks like that.
fn plain(c: char) -> char {
    let code = u32::from(c);
    let letter = |at: u32| char::from_u32(u32::from('a') + at % 26).unwrap_or(c);
    match code {
        _ if c.is_ascii_lowercase() => c,
        // Full-width forms.
        0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).map_or(c, plain),
        // Letters in circles, and those of mathematics: capitals and small ones in turn.
        0x24B6..=0x24E9 => letter(code - 0x24B6),
        0x1D400..=0x1D6A3 => letter(code - 0x1D400),
        _ => {
            let alike = ALIKE.iter().find(|(_, all)| all.contains(c));
            alike.map_or_else(|| c.to_ascii_lowercase(), |(plain, _)| *plain)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::build::Builder;
    use super::super::draft::{Draft, GENESIS, Scratch};
    use super::super::parts::{Context, Whole};
    use super::super::tenant::Tenant;
    use super::super::time;
    use super::*;
    use crate::event::{Access, Action, Agent, Source};
    use crate::fragment::{Fragment, Kind};
    use proptest::prelude::*;

    /// Ways to write `halod`, each of which a reader takes for it.
    const WAYS: [&str; 16] = [
        "halod",
        "Halod",
        "HALOD",
        " halod",
        "\t\n\u{3000}halod",
        "ha\u{200b}lod",
        "\u{feff}halod",
        "h\u{ad}a\u{2060}l\u{fe0f}o\u{e0041}d",
        "ha\0lo\u{7f}d\u{9c}",
        "ha\u{200a}lod",
        "ｈａｌｏｄ",
        "ＨＡＬＯＤ",
        "hаlоd",
        "𝗵𝗮𝗹𝗼𝗱",
        "ⓗⒶⓛⓞⓓ",
        "haI0d",
    ];

    #[test]
    fn a_name_that_reads_like_halods_is_halods() {
        for name in WAYS {
            assert!(is_agent(name) && is_agent(&format!("{name} \u{200b}")), "{name:?}");
            for dot in [".", "．", "․", "\u{200b}."] {
                assert!(is_tool(&format!("{name}{dot}gap")), "{name:?} {dot:?}");
            }
            assert_eq!(claimed_agent(name.into()), format!("claimed:{name}"));
            assert_eq!(claimed_tool(format!("{name}.").into()), format!("claimed:{name}."));
        }
        for name in ["corroborates:pay", "Corroborates:", " \u{200b}corroborates\u{ff1a}x", "сοгrоbоrаtеѕ:"]
        {
            assert!(is_tool(name), "{name:?}");
        }
    }

    #[test]
    fn other_names_are_nobodys() {
        for name in [
            "",
            " ",
            "h",
            "halo",
            "halod",
            "halodx.gap",
            "halo.gap",
            "hal.od.gap",
            "ha lod.gap",
            "halód.gap",
            "my.halod.gap",
            "claimed:halod.gap",
            "corroborate:x",
            "corroborates",
            "http:/halod.",
            "[halod.gap]",
            "ｈttp",
            "东京",
        ] {
            assert!(!is_tool(name), "{name:?}");
        }
        for name in
            ["", "halo", "halod.", "halod.gap", "halodx", "halod x", "a halod", "claimed:halod", "halöd"]
        {
            assert!(!is_agent(name), "{name:?}");
        }
    }

    #[test]
    fn what_was_claimed_is_told_again() {
        for (name, claimed) in [
            ("claimed:halod.gap", Some("halod.gap")),
            ("claimed:Halod", Some("Halod")),
            ("claimed:pay", None),
            ("halod.gap", None),
        ] {
            assert_eq!(unclaimed(name), claimed, "{name}");
        }
    }

    #[test]
    fn no_letter_has_two_readings() {
        let mut all: Vec<char> = ALIKE.iter().flat_map(|(_, all)| all.chars()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for (c, own) in TOOLS.iter().flat_map(|own| own.chars().map(move |c| (c, own))) {
            assert!(ALIKE.iter().any(|(plain, _)| *plain == c), "{c} of {own}");
        }
    }

    /// Names made of what names of halod's are made of, of secrets, whose masks may bring something out,
    /// and of anything.
    fn names() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "halod",
            "halod.",
            "Halod.gap",
            "ha",
            "lod",
            ".",
            "corroborates",
            ":",
            "Corroborates:pay",
            "claimed:",
            " ",
            "\n",
            "\0",
            "\u{200b}",
            "\u{ad}",
            "ｈａｌｏｄ",
            "а",
            "1",
            "pay",
            "zoe@example.com",
            "password=hunter2hunter2",
            "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678",
            "4111 1111 1111 1111",
            "@",
        ]);
        let padded = (0..400_usize).prop_map(|n| format!("h{}alod.x", "\u{200b}".repeat(n)));
        prop_oneof![
            6 => prop::collection::vec(parts, 1..6).prop_map(|parts| parts.concat()),
            1 => padded,
            1 => any::<String>(),
        ]
    }

    fn assert_nobodys(draft: &Draft) {
        let mut line = Vec::new();
        draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
        let record: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let said = |path: &str| record.pointer(path).unwrap().as_str().unwrap().to_owned();
        assert!(!is_tool(&said("/action/tool")), "{record}");
        assert!(!is_agent(&said("/agent/id")) && !is_agent(&said("/agent/name")), "{record}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn no_telemetry_becomes_a_record_of_halods_own(
            name in names(), id in prop::option::of(names()), agent in prop::option::of(names()), of in 0..9_usize,
            hash_only in any::<bool>(),
        ) {
            const SOURCE: Source = Source { adapter: "test", via: "test", dialect: "test", mapping: "1" };
            let builder = Builder::new(hash_only);
            let mut scratch = Scratch::default();
            let mut fragment = Fragment::new("test", vec!["1".into()], SOURCE);
            fragment.kind = Some(Kind::Tool);
            fragment.name = Some(name.clone().into());
            fragment.agent =
                Agent { id: id.map(Cow::Owned), name: agent.map(Cow::Owned), version: None };
            let mut event = fragment.clone().event();
            let name: Cow<'_, str> = name.into();
            event.action = match of {
                0 => Action::Generate { provider: Some(name), model: None },
                1 => Action::Tool { name, mcp_server: None, call_id: None },
                2 => Action::Tool { name: "x".into(), mcp_server: Some(name), call_id: None },
                3 => Action::Retrieve { name },
                4 => Action::Guard { name },
                5 => Action::Decide { tool: name, call_id: None },
                6 => Action::Request { tool: name, model: None },
                7 => Action::Access { of: name, to: Access::Query },
                _ => Action::Other { name },
            };
            assert_nobodys(&builder.draft(&event, &Tenant::Local, &mut scratch));
            let messages = [builder.reduce(fragment, &mut scratch)];
            let whole = Whole { messages: &messages, context: &Context::default(), unfinished: false };
            assert_nobodys(&builder.whole(whole, &Tenant::Local, &mut scratch).unwrap());
        }
    }
}
