//! The setting that makes a client call the hook, put in and taken out.

use crate::support::halod::{BINARY, Halod};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn halod_hook(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("hook").args(arguments).env("HOME", home).current_dir(home);
    for name in ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "HALOD_DIR", "HALOD_SUBJECT"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn shown(out: &Output) -> String {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout.clone()).unwrap()
}

#[test]
fn a_hook_that_is_put_in_works_and_is_taken_out_to_the_byte() {
    let home = tempfile::tempdir().unwrap();
    let records = home.path().join("the records");
    let dir = records.to_str().unwrap();
    for (client, file, event) in [
        ("claude-code", ".claude/settings.json", "PostToolUse"),
        ("codex", ".codex/hooks.json", "PostToolUse"),
        ("gemini", ".gemini/settings.json", "AfterTool"),
    ] {
        let path = home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = "{\n    \"mine\": [ 1.0, true ],\n    \"hooks\": {}, \"z\": \"\\u00fc\"\n}";
        let before = before.replace("\"hooks\": {}, ", "");
        fs::write(&path, &before).unwrap();
        let said = shown(&halod_hook(home.path(), &["--install", client, "--dir", dir, "--subject", "ACME"]));
        assert!(said.starts_with(&format!("{} was changed:\n", path.display())), "{said}");
        let settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(settings["mine"], json!([1.0, true]));
        let command = settings["hooks"][event][0]["hooks"][0]["command"].as_str().unwrap().to_owned();
        assert!(said.contains("\n+") && said.contains("the records"), "{said}");

        // As the client calls it, with its own rules before a halod has run.
        let event = json!({ "hook_event_name": event, "tool_name": "x", "tool_input": { "for": client } });
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&command).stdin(std::process::Stdio::piped());
        let child = super::start(shell, event.to_string().as_bytes());
        assert!(child.wait_with_output().unwrap().status.success());

        let again =
            shown(&halod_hook(home.path(), &["--install", client, "--dir", dir, "--subject", "ACME"]));
        assert!(again.starts_with(&format!("{} has the hook already.", path.display())), "{again}");
        shown(&halod_hook(home.path(), &["--uninstall", client]));
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        let again = shown(&halod_hook(home.path(), &["--uninstall", client]));
        assert_eq!(again, format!("{} has no hook of halod's.\n", path.display()));
    }
    super::drained(&records, &[]);
    let adapters: Vec<Value> = crate::support::chains::of_tenant(&records, Some("ACME"))
        .iter()
        .map(|record| record["source"]["adapter"].clone())
        .collect();
    assert_eq!(adapters, ["hook", "codex_hook", "gemini_hook"]);
}

#[test]
fn rules_of_a_configuration_are_known_before_its_halod_runs() {
    let home = tempfile::tempdir().unwrap();
    let (records, config) = (home.path().join("records"), home.path().join("halod.yaml"));
    fs::write(&config, "records:\n  hash_only: true\n").unwrap();
    let arguments = [
        "--install",
        "claude-code",
        "--dir",
        records.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ];
    shown(&halod_hook(home.path(), &arguments));
    super::hook(&records, &super::called("1"));
    assert!(!super::spooled(&records).contains("summary"));
    // Installed again without one, what is known stays.
    shown(&halod_hook(home.path(), &arguments[..4]));
    super::hook(&records, &super::called("2"));
    assert!(!super::spooled(&records).contains("summary"));
    let halod = Halod::start(&records);
    assert!(halod.terminate().success());
}

#[test]
fn settings_that_are_none_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("s.json");
    let records = home.path().join("records");
    let arguments =
        ["--install", "gemini", "--settings", file.to_str().unwrap(), "--dir", records.to_str().unwrap()];
    for (text, why) in [("{\"a\": 1", "is not JSON at line 1, column 8"), ("[]", "holds no JSON object")] {
        fs::write(&file, text).unwrap();
        let out = halod_hook(home.path(), &arguments);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1));
        assert!(said.contains(why) && said.contains("nothing was changed"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}
