//! Reads what callgrind wrote: instructions by function, and by the part of halod they were for.
//!
//! The format: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::{BTreeMap, HashMap};

/// Instructions by name.
pub type Counts = BTreeMap<String, u64>;

/// The compression function, which takes other instructions on a real processor (SHA-NI) than in valgrind.
pub const HASHING: &str = "hashing";

/// Whose a function is, by the first of these that stands in its name. Everything else is a helper (the
/// allocator, copying, the standard library, the JSON reader) and counts for whoever called it.
const STAGES: &[(&str, &str)] = &[
    ("sha2::", HASHING),
    ("halod_record::json", ""),
    ("halod_record::canon", ""),
    ("halo_adapters::otlp", "decode"),
    ("halo_adapters", "map"),
    ("halod_record::redact", "redact"),
    ("halod_record::hash", "canonical form of contents"),
    ("halod_record", "write"),
    ("halod", "request: tenants, parents, permits"),
    ("counted", "request: tenants, parents, permits"),
];

#[derive(Debug, Default)]
struct Function {
    name: String,
    /// Part of the counted program, and not of a library of the system's.
    ours: bool,
    own: u64,
    /// Instructions spent here on behalf of each caller.
    callers: HashMap<String, u64>,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Profile {
    functions: HashMap<String, Function>,
}

impl Profile {
    /// Reads the text of a callgrind file about `program`.
    pub fn read(text: &str, program: &str) -> Self {
        let mut this = Self::default();
        // Names stand where their numbers come first.
        let (mut names, mut objects) = (HashMap::new(), HashMap::new());
        let (mut object, mut called_object) = (String::new(), None::<String>);
        let (mut current, mut called) = (String::new(), None::<String>);
        let mut is_call = false;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("ob=") {
                object = resolve(rest, &mut objects).1;
            } else if let Some(rest) = line.strip_prefix("cob=") {
                called_object = Some(resolve(rest, &mut objects).1);
            } else if let Some(rest) = line.strip_prefix("fn=") {
                current = this.function(resolve(rest, &mut names), object == program);
            } else if let Some(rest) = line.strip_prefix("cfn=") {
                let within = called_object.take().map_or(object == program, |object| object == program);
                called = Some(this.function(resolve(rest, &mut names), within));
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if let Some(cost) = cost(line) {
                match called.take().filter(|_| is_call) {
                    Some(called) => {
                        let of = this.functions.entry(called).or_default();
                        *of.callers.entry(current.clone()).or_default() += cost;
                    }
                    None => this.functions.entry(current.clone()).or_default().own += cost,
                }
                is_call = false;
            }
        }
        this
    }

    fn function(&mut self, (id, name): (String, String), ours: bool) -> String {
        let of = self.functions.entry(id.clone()).or_default();
        of.name = name;
        of.ours = ours;
        id
    }

    /// Instructions of each function itself, those of the system's libraries in one row.
    pub fn functions(&self) -> Counts {
        let mut counts = Counts::new();
        for of in self.functions.values() {
            let name = if of.ours { of.name.as_str() } else { "libraries of the system" };
            *counts.entry(name.to_owned()).or_default() += of.own;
        }
        counts
    }

    /// Instructions of each stage, its helpers included.
    pub fn stages(&self) -> Counts {
        let mut shares: HashMap<&str, HashMap<&str, f64>> = HashMap::new();
        for (id, of) in &self.functions {
            if let Some(stage) = of.stage() {
                shares.insert(id, HashMap::from([(stage, 1.0)]));
            }
        }
        // A helper's helper takes over what is known of its callers: one step further in each round.
        for _ in 0..30 {
            let helpers = self.functions.iter().filter(|(_, of)| of.stage().is_none());
            let round: Vec<_> = helpers.map(|(id, of)| (id.as_str(), of.shares(&shares))).collect();
            shares.extend(round);
        }
        let mut counts = BTreeMap::<String, f64>::new();
        for (id, of) in &self.functions {
            for (stage, share) in &shares[id.as_str()] {
                *counts.entry((*stage).to_owned()).or_default() += share * of.own as f64;
            }
        }
        counts.into_iter().map(|(stage, count)| (stage, count.round() as u64)).collect()
    }
}

impl Function {
    fn stage(&self) -> Option<&'static str> {
        let of = STAGES.iter().find(|(part, _)| self.name.contains(part));
        of.map(|(_, stage)| *stage).filter(|stage| self.ours && !stage.is_empty())
    }

    /// For whom a helper works, as far as that is known.
    fn shares<'s>(&self, known: &HashMap<&str, HashMap<&'s str, f64>>) -> HashMap<&'s str, f64> {
        let callers = || self.callers.iter().filter_map(|(id, cost)| Some((known.get(id.as_str())?, *cost)));
        let all: f64 = callers().map(|(shares, cost)| shares.values().sum::<f64>() * cost as f64).sum();
        let mut shares = HashMap::new();
        for (of, cost) in callers() {
            for (stage, share) in of {
                *shares.entry(*stage).or_default() += share * cost as f64 / all.max(1.0);
            }
        }
        shares
    }
}

/// The number and the name of `(12) name`, or of `(12)` when the name was told before. What is called from
/// itself has a name of its own, which ends in `'2`.
fn resolve(text: &str, known: &mut HashMap<String, String>) -> (String, String) {
    let (id, name) = text.split_once(' ').unwrap_or((text, ""));
    if !name.is_empty() {
        known.insert(id.to_owned(), name.split('\'').next().unwrap().to_owned());
    }
    (id.to_owned(), known.get(id).cloned().unwrap_or_default())
}

/// The cost in a line of positions and costs.
fn cost(line: &str) -> Option<u64> {
    let (position, cost) = line.split_once(' ')?;
    let is_position = position.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*'));
    if is_position { cost.parse().ok() } else { None }
}

#[test]
fn helpers_count_for_those_who_call_them() {
    let text = "\
        ob=(1) program\nfn=(1) halod_record::redact::text\n10 30\ncob=(2) libc.so\ncfn=(2) malloc\n\
        calls=3 0\n+1 60\nfn=(3) halo_adapters::otlp::protobuf::traces\n1 5\ncob=(2)\ncfn=(2)\n\
        calls=1 0\n* 20\ncfn=(4) sha2::compress\ncalls=1 0\n2 7\n\nfn=(4)\n9 7\n\nob=(2)\nfn=(2)\n5 80\n";
    let profile = Profile::read(text, "program");
    let counts = |counts: &[(&str, u64)]| -> Counts {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    assert_eq!(profile.stages(), counts(&[("redact", 90), ("decode", 25), (HASHING, 7)]));
    let functions = [
        ("halod_record::redact::text", 30),
        ("libraries of the system", 80),
        ("halo_adapters::otlp::protobuf::traces", 5),
        ("sha2::compress", 7),
    ];
    assert_eq!(profile.functions(), counts(&functions));
}
