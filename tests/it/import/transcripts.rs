//! Transcripts of coding agents, as they lie in folders, grow, and tell of what came live.

use super::fixture::{Fixture, golden};
use super::{counted, ids};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::halod::Halod;
use crate::support::root;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

fn transcript(case: &str) -> String {
    fs::read_to_string(golden(&format!("transcript/{case}.jsonl"))).unwrap()
}

/// Records of calls by what they are called, and how many came off, failed, and were refused or did not end.
fn calls(fixture: &Fixture, tenant: Option<&str>) -> BTreeMap<String, [usize; 3]> {
    let mut calls: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for record in of_tenant(&fixture.chains(), tenant) {
        if record["action"]["type"] == "agent_message" {
            continue;
        }
        let at = match record["outcome"]["status"].as_str() {
            Some("ok") => 0,
            Some("error") => 1,
            _ => 2,
        };
        calls.entry(record["action"]["tool"].as_str().unwrap().to_owned()).or_default()[at] += 1;
    }
    calls
}

fn corroborations(fixture: &Fixture) -> Vec<Value> {
    let mut all = of_tenant(&fixture.chains(), None);
    all.retain(|record| record["data"].get("corroborates").is_some());
    all
}

/// `~/.claude/projects` as it lies, with what Claude Code keeps there beside the transcripts.
fn projects(fixture: &Fixture) -> PathBuf {
    let folder = fixture.dir.path().join(".claude/projects");
    let write = |path: &str, text: &str| {
        let path = folder.join("-home-dev-acme").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("99a0dae6.jsonl", &transcript("claude-code.agent"));
    write("43123a81.jsonl", &transcript("claude-code.fork"));
    write("99a0dae6/subagents/agent-a243dd8c319a0ed5e.jsonl", &transcript("claude-code.subagent"));
    let meta =
        r#"{"agentType":"general-purpose","description":"a sub task","toolUseId":"toolu_1","spawnDepth":1}"#;
    write("99a0dae6/subagents/agent-a243dd8c319a0ed5e.meta.json", meta);
    write("99a0dae6/tool-results/b1.txt", "what a tool printed\n");
    write("memory/MEMORY.md", "# what an agent remembers\n");
    write("empty.jsonl", "");
    folder
}

#[test]
fn a_folder_of_claude_code_is_imported_as_it_lies() {
    let fixture = Fixture::new();
    let folder = projects(&fixture);
    let dry = fixture.import("auto", std::slice::from_ref(&folder), &["--dry-run"]);
    let said = fixture.import("auto", std::slice::from_ref(&folder), &[]);
    assert_eq!((said.code, said.count("rejected")), (Some(0), 0), "{}\n{}", said.errors, said.report);
    // The fork has all of the session that it was forked from, under the same ids.
    assert_eq!((said.count("sealed"), said.count("known")), (11 + 11 + 2 + 1, 5 + 6), "{}", said.report);
    assert_eq!((dry.code, dry.count("sealed")), (Some(0), said.count("sealed")), "{}", dry.errors);
    let expected = [
        ("Agent", [1, 0, 0]),
        ("Bash", [3, 2, 0]),
        ("Edit", [0, 1, 0]),
        ("Read", [0, 2, 0]),
        ("TodoWrite", [0, 1, 0]),
        ("WebFetch", [0, 0, 1]),
        ("Write", [0, 0, 1]),
        ("model.generate", [13, 0, 0]),
    ];
    let expected = expected.map(|(name, counts)| (name.to_owned(), counts));
    assert_eq!(calls(&fixture, None), BTreeMap::from(expected));
    let all = of_tenant(&fixture.chains(), None);
    let call = all.iter().find(|record| record["action"]["tool"] == "model.generate").unwrap();
    assert_eq!(
        call["source"],
        json!({ "adapter": "claude_code_transcript", "capture": "ingested", "dialect": "claude_code.transcript",
            "mapping": call["source"]["mapping"], "via": "Claude Code transcript" })
    );
    assert_eq!(call["data"]["input_tokens"], 321 + 16);
    assert_eq!(call["data"]["cache_read_tokens"], 16);
    assert_eq!(call["agent"]["model"], "claude-sonnet-4-5");
    let sub: Vec<_> = all.iter().filter(|record| record["agent"]["name"] == "general-purpose").collect();
    assert_eq!(sub.len(), 3, "{sub:?}");
    let spawned = all.iter().find(|record| record["action"]["tool"] == "Agent").unwrap();
    assert_eq!(spawned["data"]["subagent_id"], sub[0]["agent"]["id"]);
    for format in ["auto", "claude-code"] {
        let again = fixture.import(format, std::slice::from_ref(&folder), &[]);
        assert_eq!((again.code, again.count("sealed")), (Some(0), 0), "{}", again.errors);
    }
    assert_verified(&fixture.chains());
}

/// What an unfinished transcript told is amended by what it tells later.
#[test]
fn a_transcript_that_grows_is_imported_for_what_is_new() {
    for (format, case) in
        [("claude-code", "claude-code.agent"), ("codex", "codex.kinds"), ("codex", "codex.resumed")]
    {
        let text = transcript(case);
        let whole = Fixture::new();
        let file = whole.file("t.jsonl", &text);
        let said = whole.import(format, &[file], &[]);
        assert_eq!(said.code, Some(0), "{case}: {}", said.errors);
        let actions = ids(&whole.chains());
        let fixture = Fixture::new();
        let halod = Halod::start(&fixture.chains());
        let all = text.lines().count();
        for length in (1..all).step_by(3).chain([all]) {
            let part: String = text.lines().take(length).map(|line| format!("{line}\n")).collect();
            let file = fixture.file("t.jsonl", part);
            let said = fixture.import(format, &[file], &[]);
            assert!(matches!(said.code, Some(0 | 3)), "{case} {length}: {}", said.errors);
            assert_eq!(said.count("conflicts"), 0, "{case} {length}: {}", said.report);
        }
        assert!(halod.terminate().success());
        let all = of_tenant(&fixture.chains(), None);
        let updates = all.iter().filter(|record| record["action"]["tool"] == "agent.update").count();
        assert!(updates > 0, "{case}");
        assert_eq!(all.len(), actions.len() + updates, "{case}");
        // Each action has one record, and with its updates it ended as in the whole.
        let first = |dir: &Fixture| -> Vec<String> {
            let mut ids: Vec<String> = of_tenant(&dir.chains(), None)
                .iter()
                .filter(|record| record["action"]["tool"] != "agent.update")
                .map(|record| record["record_id"].as_str().unwrap().to_owned())
                .collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(first(&fixture), first(&whole), "{case}");
        assert_verified(&fixture.chains());
    }
}

/// Lines that are torn, repeated or out of order give each action once.
#[test]
fn damaged_transcripts_give_each_action_once() {
    for (format, case) in [("claude-code", "claude-code.fork"), ("codex", "codex.resumed")] {
        let text = transcript(case);
        let fixture = Fixture::new();
        let lines: Vec<&str> = text.lines().collect();
        let twice = fixture.file("twice.jsonl", format!("{text}{text}"));
        let said = fixture.import(format, &[twice], &[]);
        assert_eq!(said.code, Some(0), "{case}: {}", said.errors);
        let actions = ids(&fixture.chains());
        assert_eq!(said.count("sealed") as usize, actions.len());
        let head = fixture.file("head.jsonl", lines[..lines.len() / 2].join("\n"));
        let torn = fixture.file("torn.jsonl", format!("{}\n{{\"type\":\"assis", lines.join("\n")));
        let said = fixture.import(format, &[head, torn], &[]);
        assert_eq!(
            (said.code, said.count("sealed"), said.count("rejected")),
            (Some(1), 0, 1),
            "{}",
            said.errors
        );
        assert!(said.report.to_string().contains("not JSON"), "{}", said.report);
        if format == "claude-code" {
            let mut backwards = lines.clone();
            backwards.reverse();
            let backwards = fixture.file("backwards.jsonl", backwards.join("\n"));
            let said = fixture.import(format, &[backwards], &[]);
            assert_eq!((said.code, said.count("sealed")), (Some(0), 0), "{}", said.errors);
        }
        assert_eq!(ids(&fixture.chains()), actions, "{case}");
        assert_verified(&fixture.chains());
    }
}

#[test]
fn a_transcript_without_actions_has_nothing_to_import() {
    let fixture = Fixture::new();
    let text: String =
        transcript("claude-code.agent").lines().take(5).map(|line| format!("{line}\n")).collect();
    let file = fixture.file("t.jsonl", text);
    let said = fixture.import("auto", &[file], &[]);
    assert_eq!(
        (said.code, said.count("filtered"), said.count("rejected")),
        (Some(3), 5, 0),
        "{}",
        said.errors
    );
    // Its begin tells whose session a transcript of Codex is of.
    let text: String = transcript("codex.old").lines().skip(20).map(|line| format!("{line}\n")).collect();
    let file = fixture.file("c.jsonl", text);
    let said = fixture.import("auto", &[file], &[]);
    assert_eq!((said.code, said.count("sealed")), (Some(1), 0), "{}", said.errors);
    assert!(said.report.to_string().contains("its begin is missing"), "{}", said.report);
}

fn logs(client: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/it/import/logs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(client));
    paths.sort();
    assert!(!paths.is_empty());
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A telemetry that may not tell details calls every tool of an MCP server `mcp_tool`.
#[test]
fn a_tool_of_which_telemetry_tells_no_name_is_the_same_call() {
    let fixture = Fixture::new();
    let halod = Halod::start(&fixture.chains());
    let file = fixture.file("t.jsonl", transcript("claude-code.live"));
    for body in logs("claude-code") {
        let text = String::from_utf8(body).unwrap().replace("\"tool_parameters\"", "\"withheld\"");
        let answer =
            halod.connect().post("/v1/logs", &[("content-type", "application/json")], text.as_bytes());
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(fixture.import("claude-code", &[file], &[]).code, Some(0));
    assert!(halod.terminate().success());
    let all = of_tenant(&fixture.chains(), None);
    assert_eq!(all.iter().filter(|record| record["action"]["tool"] == "mcp_tool").count(), 2);
    assert_eq!(calls(&fixture, None).values().flatten().sum::<usize>(), 15);
    assert_eq!(corroborations(&fixture).len(), 15);
    assert_verified(&fixture.chains());
}

/// What came live by telemetry and what its transcript tells is one call, told twice: in either order.
#[test]
fn what_came_live_is_the_same_call() {
    for (format, client, case, joined) in [
        ("claude-code", "claude-code", "claude-code.live", [("request_id", 8), ("tool_call_id", 7)]),
        ("codex", "codex", "codex.live", [("during", 3), ("tool_call_id", 2)]),
    ] {
        let mut seen = Vec::new();
        for live_first in [true, false] {
            let fixture = Fixture::new();
            let halod = Halod::start(&fixture.chains());
            let file = fixture.file("t.jsonl", transcript(case));
            let post = || {
                for body in logs(client) {
                    let answer = halod
                        .connect()
                        .post("/v1/logs", &[("content-type", "application/json")], &body)
                        .unwrap();
                    assert_eq!(answer.status, 200);
                }
            };
            let import = || {
                let said = fixture.import(format, std::slice::from_ref(&file), &[]);
                assert_eq!(said.code, Some(0), "{}", said.errors);
            };
            if live_first {
                post();
                import();
            } else {
                import();
                post();
            }
            import();
            assert!(halod.terminate().success());
            let told = corroborations(&fixture);
            let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
            for record in &told {
                *reasons.entry(record["data"]["joined_by"].as_str().unwrap().to_owned()).or_default() += 1;
                assert!(record["data"].get("contradicts").is_none(), "{record}");
            }
            let expected = joined.map(|(reason, count)| (reason.to_owned(), count));
            assert_eq!(reasons, BTreeMap::from(expected), "{client} {live_first}");
            seen.push(calls(&fixture, None));
            assert_verified(&fixture.chains());
        }
        assert_eq!(seen[0].values().flatten().sum::<usize>(), seen[1].values().flatten().sum::<usize>());
        assert_eq!(
            seen[0].values().flatten().sum::<usize>(),
            joined.iter().map(|(_, count)| count).sum::<usize>()
        );
    }
}

#[test]
fn a_transcript_in_a_watched_folder_is_followed_as_it_grows() {
    let fixture = Fixture::new();
    let folder = fixture.dir.path().join("projects/-home-dev-acme");
    fs::create_dir_all(&folder).unwrap();
    let settings = format!(
        "receivers:\n  import:\n    include: [\"{}/**/*.jsonl\"]\n    tenant: acme\n",
        fixture.dir.path().join("projects").display()
    );
    let file = fixture.dir.path().join("halod.yaml");
    fs::write(&file, settings).unwrap();
    let text = transcript("claude-code.agent");
    let lines: Vec<&str> = text.lines().collect();
    fs::write(folder.join("s.jsonl"), lines[..12].join("\n") + "\n").unwrap();
    let halod = Halod::start_with(&fixture.chains(), &["--config", file.to_str().unwrap()]);
    let limit = Duration::from_secs(60);
    wait_until("its begin is imported", limit, || halod.sealed() > 0);
    fs::write(folder.join("s.jsonl"), text).unwrap();
    wait_until("all of it is imported", limit, || {
        counted(&fixture.chains()).get(&(Some("acme".into()), "TodoWrite".into())) == Some(&1)
    });
    assert!(halod.terminate().success());
    let calls = calls(&fixture, Some("acme"));
    assert_eq!(calls.values().flatten().sum::<usize>(), 11, "{calls:?}");
    assert_verified(&fixture.chains());
}
