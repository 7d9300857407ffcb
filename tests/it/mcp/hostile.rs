//! A server that means harm, or has lost its mind: the client gets what it says, and halod keeps its bounds.

use super::{Peer, proxy, told, wait_for};
use crate::support::halod::{Halod, halod_verify};
use std::io::Read;

/// The resident set of a process at its largest, in MiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_line_of_a_gigabyte_passes_and_is_not_held() {
    const MIB: usize = 1024;
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let script = format!(
        r#"
import sys
sys.stdin.readline()
out = sys.stdout.buffer
out.write(b'{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"')
for _ in range({MIB}): out.write(b"x" * 1048576)
out.write(b'"}}]}}}}\n')
out.flush()
sys.stdin.readline()
"#
    );
    let mut peer = Peer::new(proxy(dir.path(), &["--name", "huge", "--", "python3", "-c", &script]));
    peer.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pour"}}"#);
    let (mut length, mut buffer) = (0, vec![0; 1 << 20]);
    while buffer.get(..1).is_some() {
        let read = peer.output.read(&mut buffer).unwrap();
        length += read;
        if read == 0 || buffer[read - 1] == b'\n' {
            break;
        }
    }
    assert!(length > MIB << 20, "{length}");
    let used = peak(peer.child.id());
    assert!(used < 300, "{used} MiB");
    peer.end();
    let records = wait_for(dir.path(), 2);
    let call = records.iter().find(|record| record["action"]["tool"] == "mcp__huge__pour").unwrap();
    // A debug build reads slower than the server writes: then it is said what was not looked at.
    let end = records.iter().find(|record| record["action"]["tool"] == "agent.session_end").unwrap();
    let whole = call["data"]["answer_bytes"].as_u64() == Some(length as u64 - 1);
    assert!(whole || end["data"]["missed_bytes"].as_u64().unwrap() > 0, "{call} {end}");
    halod.terminate();
    halod_verify(dir.path());
}

#[test]
fn garbage_wrong_ids_and_answers_without_end_come_to_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let script = r#"
import sys
sys.stdin.readline()
out = sys.stdout.buffer
deep = b"[" * 200000
for line in (b"\xff\xfe\x00", b"{", deep, b'{"id":1,"result":' + deep, b'{"id":"1","result":{}}', b'{"id":{"a":1},"result":{}}',
             b'{"id":99,"result":{}}', b'[[[]]]', b'{"id":1,"result":{"content":[{"type":"text","text":"first"}]}}',
             b'{"id":1,"error":{"code":-1,"message":"second"}}', b'{"id":1,"method":"tools/call","params":{"name":"mine"}}', b"end"):
    out.write(line + b"\n")
out.flush()
sys.stdin.readline()
"#;
    let mut peer = Peer::new(proxy(dir.path(), &["--name", "odd", "--", "python3", "-c", script]));
    peer.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"n":1}}}"#);
    let mut heard = Vec::new();
    while heard.last().is_none_or(|line: &Vec<u8>| line != b"end\n") {
        let mut line = Vec::new();
        std::io::BufRead::read_until(&mut peer.output, b'\n', &mut line).unwrap();
        assert!(!line.is_empty());
        heard.push(line);
    }
    assert_eq!(heard.len(), 12);
    peer.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"silent"}}"#);
    peer.end();
    let records = wait_for(dir.path(), 3);
    let tools: Vec<String> = told(&records).into_iter().map(|(tool, _)| tool).collect();
    assert_eq!(tools, ["mcp__odd__pay", "mcp__odd__silent", "agent.session_end"]);
    // The parser gives up on such nesting, the outline does not: it is the first answer to the call.
    assert_eq!(records[0]["data"]["hash_of_message"][0], "outcome");
    assert!(records[2]["data"]["unread_messages"].as_u64().unwrap() >= 4, "{}", records[2]);
    halod.terminate();
    halod_verify(dir.path());
}
