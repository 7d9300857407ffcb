#![allow(clippy::unwrap_used)]

use super::edit::{events, install, uninstall};
use super::jsonc::Tree;
use super::*;
use proptest::prelude::*;
use serde_json::Value;

const COMMAND: &str = "/usr/bin/halod hook --client claude-code --dir /srv/records";

/// Settings as people have them.
const SETTINGS: [&str; 9] = [
    "",
    "{}\n",
    "{\n  \"model\": \"opus\"\n}\n",
    "{\"model\":\"opus\",\"n\":1.50}",
    "{\n\t\"a\": [1, 2],\n\t\"hooks\": {\n\t\t\"PostToolUse\": [\n\t\t\t{ \"matcher\": \"Bash\", \"hooks\": [] }\n\t\t]\n\t}\n}",
    r#"{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say done"}]}]},"z":null}"#,
    "// mine\n{\n  /* } */ \"theme\": \"dark\", // a, b\n}\n",
    "{\n  \"hooks\": {\n    \"PreToolUse\": [\n      {\n        \"hooks\": []\n      }\n    ]\n  }\n}\n",
    "{\"env\":{\"A\":\"\\u00fc \\\"{\\\"\"}}\r\n",
];

#[test]
fn what_is_put_in_is_taken_out_to_the_byte() {
    for client in Client::ALL {
        for before in SETTINGS {
            let after = install(before, client, COMMAND).unwrap();
            assert_eq!(install(&after, client, COMMAND).unwrap(), after, "twice is once: {before}");
            let other = install(&after, client, "'/a b/halod' hook --client claude-code --dir /x").unwrap();
            assert_eq!(other.matches(" hook --client ").count(), events(client).len());
            assert!(!other.contains("/srv/records"), "{other}");
            for text in [after, other] {
                let back = uninstall(&text).unwrap();
                let expected = if before.is_empty() { "{}\n" } else { before };
                assert_eq!(back, expected, "{text}");
            }
        }
    }
}

#[test]
fn every_event_has_its_hook_and_others_keep_theirs() {
    let before = SETTINGS[5];
    let after: Value = serde_json::from_str(&install(before, Client::ClaudeCode, COMMAND).unwrap()).unwrap();
    for (event, of_tool) in events(Client::ClaudeCode) {
        let groups = after["hooks"][event].as_array().unwrap();
        let own: Vec<_> = groups.iter().filter(|group| group["hooks"][0]["command"] == COMMAND).collect();
        assert_eq!(own.len(), 1, "{event}");
        assert_eq!(own[0]["matcher"] == ".*", *of_tool, "{event}");
    }
    assert_eq!(after["hooks"]["Stop"][0]["hooks"][0]["command"], "say done");
    assert!(after["z"].is_null() && after.get("z").is_some());
}

#[test]
fn a_hook_beside_others_goes_alone() {
    let text = format!(
        r#"{{"hooks":{{"Stop":[{{"hooks":[{{"command":"a"}}, {{"command":"{COMMAND}"}}, {{"command":"b"}}]}}]}}}}"#
    );
    let back = uninstall(&text).unwrap();
    assert_eq!(back, r#"{"hooks":{"Stop":[{"hooks":[{"command":"a"}, {"command":"b"}]}]}}"#);
    for not_ours in ["halod-hook --client x", "/bin/nothalod hook --client x", "echo hook --client"] {
        let text = format!(r#"{{"hooks":{{"Stop":[{{"hooks":[{{"command":"{not_ours}"}}]}}]}}}}"#);
        assert_eq!(uninstall(&text).unwrap(), text);
    }
}

#[test]
fn what_is_no_settings_is_left_alone() {
    for (text, what) in [
        ("[1]", "holds no JSON object"),
        ("{\n  \"a\": }", "is not JSON at line 2, column 8"),
        ("{\"hooks\":[]}", "has `hooks` that are no JSON object"),
        ("{\"hooks\":{\"Stop\":5}}", "has `hooks.Stop` that is no list"),
        ("{} {}", "is not JSON at line 1, column 4"),
        ("/* x", "is not JSON at line 1, column 1"),
    ] {
        assert_eq!(install(text, Client::Codex, COMMAND).unwrap_err(), what, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(Tree::read(&deep).is_err());
}

#[test]
fn a_file_is_changed_whole_and_keeps_its_mode_and_its_link() {
    let dir = tempfile::tempdir().unwrap();
    let (path, link) = (dir.path().join("real.json"), dir.path().join("settings.json"));
    fs::write(&path, SETTINGS[2]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let changed = install_at(&link);
    assert!(changed.difference.iter().any(|line| line.starts_with('+') && line.contains(COMMAND)));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let back = super::uninstall(&link).unwrap();
    assert!(back.difference.iter().all(|line| line.starts_with('-') || line == "+  \"model\": \"opus\""));
    assert_eq!(fs::read_to_string(&path).unwrap(), SETTINGS[2]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
    let new = dir.path().join("none/yet/hooks.json");
    install_at(&new);
    assert!(fs::read_to_string(&new).unwrap().ends_with("}\n"));
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
}

fn install_at(path: &Path) -> Changed {
    super::install(path, Client::ClaudeCode, COMMAND).unwrap()
}

#[test]
fn commands_are_words_of_a_shell() {
    let command = command(Client::Gemini, Path::new("/opt/a b/halod"), Path::new("/x's"), Some("ACME"));
    assert_eq!(command, r"'/opt/a b/halod' hook --client gemini --dir '/x'\''s' --subject ACME");
}

#[test]
fn settings_are_where_their_client_looks() {
    let env = |set: &'static [(&str, &str)]| {
        move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    };
    let home = env(&[("HOME", "/h"), ("CODEX_HOME", "")]);
    assert_eq!(file(Client::ClaudeCode, home).unwrap(), Path::new("/h/.claude/settings.json"));
    assert_eq!(file(Client::Codex, home).unwrap(), Path::new("/h/.codex/hooks.json"));
    assert_eq!(file(Client::Gemini, home).unwrap(), Path::new("/h/.gemini/settings.json"));
    let own = env(&[("HOME", "/h"), ("CLAUDE_CONFIG_DIR", "/c"), ("CODEX_HOME", "/d")]);
    assert_eq!(file(Client::ClaudeCode, own).unwrap(), Path::new("/c/settings.json"));
    assert_eq!(file(Client::Codex, own).unwrap(), Path::new("/d/hooks.json"));
    assert!(matches!(file(Client::Gemini, env(&[])), Err(SettingsError::NoHome)));
}

proptest! {
    /// Whatever stands in a file, it is JSON still, or is told to be none.
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\" a1/*\\\\\n]{0,40}") {
        if let Ok(after) = install(&text, Client::Gemini, COMMAND) {
            prop_assert!(Tree::read(&after).is_ok());
            uninstall(&after).unwrap();
        }
    }
}
