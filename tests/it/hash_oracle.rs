//! The hash of every JSON value is the reference's.

use crate::support::reference;
use halod_record::hash::input_hash;
use halod_record::json::parse;
use std::process::Command;

/// A small generator of pseudo-random numbers (SplitMix64), so that failures repeat.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }

    fn space(&mut self) -> &'static str {
        self.pick(&["", "", "", " ", "\n", "\r\t "])
    }

    fn string(&mut self) -> String {
        let pieces = [
            "a",
            "Z",
            "0",
            " ",
            "é",
            "ß",
            "字",
            "😀",
            "\u{7f}",
            "\u{80}",
            "\u{2028}",
            "\u{e000}",
            "\u{ffff}",
            "\u{10ffff}",
            "\\n",
            "\\t",
            "\\b",
            "\\f",
            "\\r",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u0000",
            "\\u001F",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\\ud800",
            "\\udfff",
            "\\uD83D",
            "\\u20AC",
            "/",
            "'",
            "key",
            "\u{301}",
        ];
        let length = self.below(6);
        let text: String = (0..length).map(|_| self.pick(&pieces)).collect();
        format!("\"{text}\"")
    }

    fn number(&mut self) -> String {
        match self.below(8) {
            0 => self
                .pick(&["0", "-0", "1", "-1", "9007199254740991", "-9007199254740991", "9007199254740992"])
                .to_owned(),
            1 => (self.next() as i64 >> self.below(64)).to_string(),
            2 => format!("{}{}", self.next() | 1 << 63, self.next()),
            3 => self
                .pick(&[
                    "-0.0",
                    "1.0",
                    "1e0",
                    "1E+2",
                    "1e22",
                    "1e400",
                    "-1e400",
                    "5e-324",
                    "1e-5",
                    "0.0001",
                    "1e15",
                    "1e16",
                    "1.5e16",
                    "9007199254740993.0",
                    "123456789012345680.0",
                    "0.1",
                    "2.5",
                    "NaN",
                    "Infinity",
                    "-Infinity",
                ])
                .to_owned(),
            4 => format!("{:?}", f64::from_bits(self.next())).replace("inf", "Infinity"),
            5 => format!("{:?}", (self.next() >> (2 + self.below(14))) as f64 / 16.0),
            6 => format!("{}e{}", self.below(100), self.below(40) as i64 - 20),
            _ => self.below(100).to_string(),
        }
    }

    fn value(&mut self, depth: u64) -> String {
        let space = self.space();
        match self.below(if depth == 0 { 6 } else { 10 }) {
            0 => self.pick(&["null", "true", "false"]).to_owned(),
            1 | 2 => self.number(),
            3..=5 => self.string(),
            6 | 7 => {
                let length = self.below(5);
                let items: Vec<_> = (0..length).map(|_| self.value(depth - 1)).collect();
                format!("[{space}{}{space}]", items.join(&format!("{space},")))
            }
            _ => {
                let most = if self.below(20) == 0 { 40 } else { 5 };
                let length = self.below(most);
                let entry = |random: &mut Self| {
                    format!("{}{space}:{space}{}", random.string(), random.value(depth - 1))
                };
                let entries: Vec<_> = (0..length).map(|_| entry(self)).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    /// A text with one character changed: often not JSON any more.
    fn damaged(&mut self) -> String {
        let mut text: Vec<char> = self.value(3).chars().collect();
        let at = self.below(text.len() as u64) as usize;
        text[at] = self
            .pick(&["\"", "\\", "{", "]", ",", ":", "0", "-", ".", "e", "\u{1}", " ", "N", "t"])
            .chars()
            .next()
            .unwrap();
        text.into_iter().collect()
    }
}

fn texts() -> Vec<String> {
    let mut random = Random(1);
    let mut texts: Vec<String> = (0..6000).map(|_| random.value(4)).collect();
    // Values that all have a canonical form: the generator above seldom makes a large one.
    texts.extend((0..1000).map(|_| {
        let items: Vec<_> = (0..8).map(|n| format!("{}:{}", random.string(), n)).collect();
        format!("{{{}}}", items.join(","))
    }));
    texts.extend((0..2000).map(|_| random.damaged()));
    for leaf in
        ["", "1", "true", "\"é\"", "\"x\"", "1.0", "\"\\n\"", "\"\\ud800\"", "{\"k\":1}", "{\"é\":[]}"]
    {
        for depth in (300..345).chain([1, 2, 500, 900, 980]) {
            texts.push(format!("[\"é\",{}{leaf}{}]", "[".repeat(depth), "]".repeat(depth)));
            texts.push(format!(
                "[\"é\",{}{}{}]",
                "{\"a\":".repeat(depth),
                if leaf.is_empty() { "{}" } else { leaf },
                "}".repeat(depth)
            ));
        }
    }
    texts.extend(
        ["", " ", "\u{feff}1", "[1,]", "{\"a\"}", "01", "1.", "\u{a0}1", "1\u{c}"].map(str::to_owned),
    );
    texts.extend([4299, 4300, 4301].map(|digits| "7".repeat(digits)));
    texts
}

#[test]
fn every_value_hashes_as_in_the_reference() {
    let texts = texts();
    let input: String = texts.iter().map(|text| serde_json::to_string(text).unwrap() + "\n").collect();
    let said = reference::ask_python("hashes.py", &[], &input);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), texts.len());
    let refused = said.iter().filter(|hash| **hash == "refused").count();
    assert!((500..texts.len() / 2).contains(&refused), "{refused} of {} refused", texts.len());
    let mut wrong = Vec::new();
    for (text, expected) in texts.iter().zip(said) {
        let hash = parse(text).map_or_else(|_| "refused".to_owned(), |value| input_hash(&value).to_string());
        if hash != expected && expected != "depends" {
            let shown: String = text.chars().rev().skip_while(|c| "]}".contains(*c)).take(40).collect();
            wrong.push(format!(
                "{} characters, ending (reversed) {shown:?}: {hash} instead of {expected}",
                text.len()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        texts.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn the_command_prints_the_hash_or_refuses() {
    let halod = |text: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_halod")).args(["hash", text]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let null = "sha256:74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b\n";
    assert_eq!(halod("null"), (Some(0), null.to_owned()));
    assert_eq!(halod("-5").0, Some(0));
    assert_eq!(halod("{"), (Some(2), String::new()));
}
