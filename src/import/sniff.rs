//! What kind of file it is, by its first bytes.

use super::csv;
use super::format::{Format, NAMES};
use super::log;
use super::scan::{Scanner, Shape, Window};
use crate::receivers::lines::unpack::ENDINGS;
use halo_adapters::gateway;
use halo_adapters::otlp::{DecodeError, protobuf};
use halo_adapters::store::{self, Row, Store};
use halod_record::charge;
use halod_record::json::parse;
use std::path::Path;

/// Bytes that are looked at.
pub(super) const HEAD: usize = 1 << 20;

/// What a row may take in memory while it is looked at: one that takes more tells nothing.
const GLANCE: usize = 16 << 20;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) format: Format,
    pub(super) shape: Shape,
    /// Where the first row begins: after a byte order mark.
    pub(super) skip: u64,
}

/// What is known of a file beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'n> {
    pub(super) name: Option<&'n Path>,
    /// The format that it is said to have.
    pub(super) format: Option<Format>,
    /// It lies in a folder that is imported: what an export puts there beside its rows is no fault.
    pub(super) found: bool,
}

/// Tells format and shape of a file that begins with `head`; `whole`: that is all of it.
///
/// # Errors
/// Why it is no file that can be imported; also where its first rows are plainly of another format than it
/// is said to have, as a false record cannot be taken back.
pub(super) fn kind(head: &[u8], whole: bool, about: About<'_>) -> Result<Kind, String> {
    if let Some(Format::Gateway(own)) = about.format {
        return log_of(own, head, whole);
    }
    if about.format.is_none()
        && is_wide(head)
        && let Some(log) = log::told(head, whole)
    {
        return Ok(Kind { format: Format::Gateway(Some(log)), shape: Shape::Lines, skip: 0 });
    }
    let name = about.name.unwrap_or(Path::new(""));
    let (head, skip) = without_mark(head)?;
    refuse_packed(head)?;
    let (parted, told) = told_separator(head);
    let (head, skip) = (head.get(told..).unwrap_or_default(), skip + told as u64);
    let binary = is_binary(head, whole);
    let row = if binary.is_some() { None } else { first_told(name, head, whole, parted) };
    // A table of a time in which nothing happened is empty.
    let is_empty = head.trim_ascii().is_empty();
    if about.found && row.is_none() && whole && (is_empty || is_notice(name)) {
        let (format, end) = (about.format.unwrap_or(Format::Langfuse), skip + head.len() as u64);
        return Ok(Kind { format, shape: Shape::Lines, skip: end });
    }
    let format = match (about.format, binary) {
        (Some(format), Some(_)) if format != Format::Otlp => {
            return Err(format!("it is OTLP in protobuf, and not of the format {format}"));
        }
        (Some(format), _) => said(format, row, about.found)?,
        (None, Some(_)) => Format::Otlp,
        (None, None) => detect(row, head, whole, about)?,
    };
    let (format, shape) = match (format, binary) {
        (Format::Otlp, Some(shape)) => (format, shape),
        (Format::Gateway(_), _) => (format, Shape::Lines),
        (Format::Langfuse | Format::Litellm | Format::Langsmith, _) if begins_with_text(head) => {
            (format, parted.unwrap_or_else(|| csv::shape(first_line(head))))
        }
        // A line a row, however the first ones look.
        (Format::Transcript(_), _) => (format, Shape::Lines),
        (Format::Langfuse | Format::Otlp | Format::Litellm | Format::Langsmith | Format::OpenaiAgents, _) => {
            (format, json_shape(name, head, whole))
        }
    };
    Ok(Kind { format, shape, skip })
}

/// A file that is said to be a log. If none of its first lines tells a format, later ones may.
fn log_of(own: Option<gateway::Format>, head: &[u8], whole: bool) -> Result<Kind, String> {
    let told = log::told(head, whole);
    if told.is_none() {
        if !is_wide(head) {
            without_mark(head)?;
        }
        if own.is_none() && whole {
            return Err(
                "it is no gateway's log that is known by its lines; name its format (gateway:nginx)".into()
            );
        }
    }
    Ok(Kind { format: Format::Gateway(own.or(told)), shape: Shape::Lines, skip: 0 })
}

/// Whether it is UTF-16, which only logs may be.
fn is_wide(head: &[u8]) -> bool {
    matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
}

/// What follows a byte order mark, and how many bytes that has.
fn without_mark(head: &[u8]) -> Result<(&[u8], u64), String> {
    Ok(match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => (rest, 3),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err("it is UTF-16; convert it first (iconv -f utf-16 -t utf-8)".to_owned());
        }
        _ => (head, 0),
    })
}

/// What parts the fields of a table where its first line says that to a spreadsheet (`sep=;`), and the bytes of
/// that line.
fn told_separator(head: &[u8]) -> (Option<Shape>, usize) {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let line = head.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let shape = match line {
        b"sep=," => Shape::Csv,
        b"sep=;" => Shape::Semicolons,
        b"sep=\t" => Shape::Tabs,
        _ => return (None, 0),
    };
    (Some(shape), (end + 1).min(head.len()))
}

/// The first line, or nothing where it is no text.
fn first_line(head: &[u8]) -> &str {
    let line = head.get(..memchr::memchr(b'\n', head).unwrap_or(head.len())).unwrap_or_default();
    std::str::from_utf8(line).unwrap_or_default()
}

/// Neither an object nor a list, so it can only be a table.
fn begins_with_text(head: &[u8]) -> bool {
    head.trim_ascii_start().first().is_some_and(|first| !matches!(first, b'{' | b'['))
}

/// OTLP in protobuf: one message, or messages with their lengths.
fn is_binary(head: &[u8], whole: bool) -> Option<Shape> {
    match head {
        // The first field of a request is always the first: a list of resources.
        [0x0a, ..] => {
            let text = head.trim_ascii_start();
            let json = text.starts_with(b"{") || text.starts_with(b"[");
            // A log may begin with an empty line.
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let text = json || log::told(line, true).is_some();
            (!text || (whole && is_request(head))).then_some(Shape::Whole)
        }
        // No message is of 16 MiB and more, and none of fewer bytes than its first field.
        [0, _, _, _, 0x0a | 0x28, ..] => Some(Shape::Framed),
        _ => None,
    }
}

fn is_request(bytes: &[u8]) -> bool {
    let read = charge::within(GLANCE, || protobuf::span_places(bytes).map(drop));
    matches!(read, Ok(Ok(()) | Err(DecodeError::WrongSignal { .. })))
}

/// A row a line, where the first line is a row, else values over any number of lines.
fn json_shape(name: &Path, head: &[u8], whole: bool) -> Shape {
    if has_ending(name, &["jsonl", "ndjson"]) {
        return Shape::Lines;
    }
    let text = head.trim_ascii_start();
    if !text.starts_with(b"{") {
        return Shape::Json;
    }
    let Some(end) = memchr::memchr(b'\n', text) else {
        return if whole { Shape::Json } else { Shape::Lines };
    };
    let (line, after) = text.split_at(end);
    let window = Window { bytes: line, base: 0 };
    let mut scanner = Scanner::new(Shape::Json, 0, false);
    let first = scanner.next(&window, false);
    let complete = first.is_some_and(|span| window.slice(span).len() == line.trim_ascii_end().len());
    // A broken first line is told from the first line of a longer document by what follows it.
    let second = after.trim_ascii_start();
    let second = second.get(..memchr::memchr(b'\n', second).unwrap_or(second.len())).unwrap_or_default();
    let is_row = second.starts_with(b"{") && std::str::from_utf8(second).is_ok_and(|row| is_json(row.trim()));
    if complete || is_row { Shape::Lines } else { Shape::Json }
}

fn is_json(row: &str) -> bool {
    charge::within(GLANCE, || parse(row).is_ok()).unwrap_or(false)
}

fn has_ending(name: &Path, endings: &[&str]) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    let packed = name.rsplit_once('.').filter(|(_, ending)| ENDINGS.contains(ending));
    let plain = packed.map_or(&*name, |(plain, _)| plain);
    endings.iter().any(|ending| plain.strip_suffix(ending).is_some_and(|rest| rest.ends_with('.')))
}

/// Whether a file is one that exports leave to people, or to programs, beside their tables: it has no rows.
fn is_notice(name: &Path) -> bool {
    let name = name.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
    let text = name.ends_with(".TXT") || name.ends_with(".MD");
    text && (name.contains("NOTICE") || name.contains("README")) || name == "_SUCCESS"
}

/// Rows that are looked at for what they are.
const ROWS: usize = 100;

/// What the first row is that tells it, or the columns of a table are.
fn first_told(name: &Path, head: &[u8], whole: bool, parted: Option<Shape>) -> Option<Row> {
    if begins_with_text(head) {
        let line = first_line(head);
        let columns = csv::fields(line, parted.unwrap_or_else(|| csv::shape(line))).ok()?;
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        return if columns.len() > 1 { store::of_columns(&columns) } else { None };
    }
    let window = Window { bytes: head, base: 0 };
    let mut scanner = Scanner::new(json_shape(name, head, whole), 0, false);
    for _ in 0..ROWS {
        let span = scanner.next(&window, whole)?;
        let Ok(text) = std::str::from_utf8(window.slice(span)) else { continue };
        let told = charge::within(GLANCE, || parse(text).ok().as_ref().and_then(store::of));
        if let Ok(Some(row)) = told {
            return Some(row);
        }
    }
    None
}

/// The format that a file is said to have, unless its rows say otherwise.
fn said(format: Format, row: Option<Row>, found: bool) -> Result<Format, String> {
    match row {
        Some(Row::Of(store)) if Format::from(store) != format => {
            Err(format!("its first rows are of {}; import it as {}", store.name(), Format::from(store)))
        }
        Some(Row::Aside(store, what)) if Format::from(store) != format => Err(aside(store, what)),
        Some(Row::Aside(store, what)) if !found => Err(aside(store, what)),
        Some(Row::Unread(name, instead)) => Err(unread(name, instead)),
        _ => Ok(format),
    }
}

/// The format of a file that is said to have none.
fn detect(row: Option<Row>, head: &[u8], whole: bool, about: About<'_>) -> Result<Format, String> {
    match row {
        Some(Row::Of(store)) => return Ok(store.into()),
        Some(Row::Aside(store, _)) if about.found => return Ok(store.into()),
        Some(Row::Aside(store, what)) => return Err(aside(store, what)),
        Some(Row::Unread(name, instead)) => return Err(unread(name, instead)),
        None => {}
    }
    log::told(head, whole)
        .map(|log| Format::Gateway(Some(log)))
        .ok_or_else(|| format!("it is of no format that is known by its first rows; name one of {NAMES}"))
}

fn aside(store: Store, what: &str) -> String {
    let instead = match store {
        Store::Langfuse => "export traces, observations or scores",
        Store::ClaudeCode => "import the transcripts (*.jsonl)",
        _ => "export runs or feedback",
    };
    format!("it holds {what} of {}, which tell of no agent's action; {instead} instead", store.name())
}

fn unread(name: &str, instead: &str) -> String {
    format!("it is of {name}, which halod does not read; {instead}")
}

/// Containers that are known by their first bytes, and what to do with them.
fn refuse_packed(head: &[u8]) -> Result<(), String> {
    let what = match head {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            "it is compressed with xz; unpack it (xzcat FILE | halod import FORMAT -)"
        }
        _ => return Ok(()),
    };
    Err(what.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shape(name: &str, text: &str) -> Shape {
        let about = About { name: Some(Path::new(name)), format: Some(Format::Otlp), found: false };
        kind(text.as_bytes(), true, about).unwrap().shape
    }

    #[test]
    fn shapes() {
        let row = r#"{"resourceSpans":[]}"#;
        assert_eq!(shape("a.json", &format!("{row}\n{row}\n")), Shape::Lines);
        assert_eq!(shape("a.json", &format!("{row}\r\n")), Shape::Lines);
        assert_eq!(shape("a.json", "{\n \"resourceSpans\": []\n}\n"), Shape::Json);
        assert_eq!(shape("a.json", &format!("[{row},\n{row}]")), Shape::Json);
        assert_eq!(shape("a.json", &format!("{{\"broken\n{row}\n")), Shape::Lines);
        assert_eq!(shape("a.json", "{\"resourceSpans\":[\n{\"a\":1},\n{\"b\":2}\n]}\n"), Shape::Json);
        assert_eq!(shape("a.jsonl.gz", "["), Shape::Lines);
        assert_eq!(shape("a.pb", "\x0a\x02\x0a\x00"), Shape::Whole);
        assert_eq!(shape("a.pb", "\0\0\0\x04\x0a\x02\x0a\x00"), Shape::Framed);
        assert_eq!(shape("a", "\n\n{\"resourceLogs\":[]}"), Shape::Json);
    }

    #[test]
    fn formats_are_told_by_the_first_row_that_says_it() {
        let detect = |text: &str| kind(text.as_bytes(), true, About::default()).map(|kind| kind.format);
        assert_eq!(detect("[1, {\"resourceLogs\": []}]"), Ok(Format::Otlp));
        assert_eq!(detect("\x0a\x00"), Ok(Format::Otlp));
        let line =
            "203.0.113.9 - - [22/Nov/2026:08:11:00 +0000] \"POST /v1/chat/completions HTTP/1.1\" 200 512\n";
        assert_eq!(detect(line), Ok(Format::Gateway(Some(gateway::Format::Combined))));
        assert_eq!(detect(&format!("\n{line}")), Ok(Format::Gateway(Some(gateway::Format::Combined))));
        assert_eq!(detect("\"id\",\"traceId\",\"type\"\n"), Ok(Format::Langfuse));
        for text in ["", "{}", "hello", "[[]]", "\u{1}\u{2}"] {
            assert!(detect(text).unwrap_err().contains("name one of otlp"), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_said_to_be_a_log_may_begin_with_anything() {
        let log = |bytes: &[u8], whole| {
            let about = About { format: Some(Format::Gateway(None)), ..About::default() };
            kind(bytes, whole, about).map(|kind| kind.format)
        };
        let line = b"10.0.0.1 - - [22/Nov/2026:08:11:00 +0000] \"POST /v1/messages HTTP/1.1\" 200 5\n";
        for before in
            [&b""[..], b"\xef\xbb\xbf", b"\xff\xfe\n", b"\x28\xb5\x2f\xfd\n", b"\n", b"\0\0", b"odd\n"]
        {
            let told = log(&[before, line].concat(), true);
            assert_eq!(told, Ok(Format::Gateway(Some(gateway::Format::Combined))), "{before:?}");
        }
        // What is not read yet may tell.
        assert_eq!(log(b"odd\n", false), Ok(Format::Gateway(None)));
        assert!(log(b"odd\n", true).unwrap_err().contains("name its format"));
        assert!(log(b"\xff\xfeo\0d\0d\0\n\0", true).unwrap_err().contains("name its format"));
        let text = std::str::from_utf8(line).unwrap();
        for wide in [
            text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ] {
            let mark: &[u8] = if wide[1] == 0 { b"\xff\xfe" } else { b"\xfe\xff" };
            for format in [None, Some(Format::Gateway(None))] {
                let told = kind(&[mark, &wide].concat(), true, About { format, ..About::default() })
                    .map(|kind| kind.format);
                assert_eq!(told, Ok(Format::Gateway(Some(gateway::Format::Combined))));
            }
        }
    }

    #[test]
    fn a_first_line_may_tell_a_spreadsheet_what_parts_the_fields() {
        for (line, shape) in
            [("sep=;\r\n", Shape::Semicolons), ("\"sep=,\"\n", Shape::Csv), ("sep=\t\n", Shape::Tabs)]
        {
            let part = char::from(shape.separator().unwrap());
            let text = format!("\u{feff}{line}id{part}traceId{part}type{part}a,b;c\td\n");
            let kind = kind(text.as_bytes(), true, About::default()).unwrap();
            assert_eq!((kind.format, kind.shape), (Format::Langfuse, shape));
            assert_eq!(kind.skip as usize, 3 + line.len());
        }
    }

    #[test]
    fn marks_and_what_is_no_text() {
        let about = About { format: Some(Format::Otlp), ..About::default() };
        let kind = |bytes: &[u8]| kind(bytes, true, about);
        assert_eq!(kind(b"\xef\xbb\xbf{}").unwrap().skip, 3);
        assert!(kind(b"\xff\xfe{\0").unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn a_file_is_not_read_as_that_of_another_store() {
        let read = |format: Format, found, text: &str| {
            let about = About { format: Some(format), found, name: None };
            kind(text.as_bytes(), true, about).map(|kind| kind.format)
        };
        let run = r#"{"id":"r","run_type":"llm"}"#;
        let why = read(Format::Litellm, false, &format!("{{\"id\":\"a\"}}\n{run}\n")).unwrap_err();
        assert!(why.contains("LangSmith") && why.contains("as langsmith"), "{why}");
        assert_eq!(read(Format::Langsmith, false, run), Ok(Format::Langsmith));
        // Rows that tell nothing are rejected one by one.
        assert_eq!(read(Format::Langsmith, false, r#"{"id":"a"}"#), Ok(Format::Langsmith));
        let why = read(Format::Litellm, false, "id,traceId,type\n").unwrap_err();
        assert!(why.contains("Langfuse"), "{why}");
        let manifest = r#"{"exportSource":"OBSERVATIONS_V2","files":[]}"#;
        assert_eq!(read(Format::Langfuse, true, manifest), Ok(Format::Langfuse));
        assert!(read(Format::Langfuse, false, manifest).unwrap_err().contains("manifests of Langfuse"));
        for format in [None, Some(Format::Langfuse)] {
            let why = kind(b"\xfd7zXZ\0", true, About { format, ..About::default() }).unwrap_err();
            assert!(why.contains("xzcat"), "{why}");
        }
    }
}
