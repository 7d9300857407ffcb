#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use halod_evidence::Hash;
use halod_evidence::note::Kind;
use halod_evidence::tree::{Edge, consistency, leaf};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;

fn signer(kind: Kind, name: &str) -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::of(kind, name, pkcs8.as_ref()).unwrap()
}

/// A log whose leaves, from `turn` on, are others.
struct Tree(HashMap<(u32, u64), Hash>);

impl Tree {
    fn new(turn: u64) -> Self {
        let (mut edge, mut of) = (Edge::default(), HashMap::new());
        for at in 0_u64..64 {
            let own = leaf(&[at.to_be_bytes(), u64::from(at >= turn).to_be_bytes()].concat());
            edge.push(own, |level, index, root| {
                of.insert((level, index), *root);
            });
        }
        Self(of)
    }

    fn checkpoint(&self, origin: &str, size: u64) -> Checkpoint {
        let Ok(edge) = Edge::of(size, |level, index| Ok::<_, Infallible>(self.0[&(level, index)]));
        Checkpoint { origin: origin.into(), size, root: edge.root() }
    }

    fn request(&self, log: &Signer, old: u64, size: u64) -> Vec<u8> {
        let note = log.sign(&self.checkpoint(log.key().name(), size).text()).unwrap();
        let Ok(proof) = consistency(old, size, |level, index| Ok::<_, Infallible>(self.0[&(level, index)]));
        let proof = proof.unwrap_or_default();
        Request { old, proof, note: SignedNote::parse(&note).unwrap() }.write().into_bytes()
    }
}

struct Stage {
    dir: tempfile::TempDir,
    log: Signer,
    cosigner: Signer,
    kept: Contradictions,
    logs: Logs,
}

impl Stage {
    fn new() -> Self {
        let (dir, log) = (tempfile::tempdir().unwrap(), signer(Kind::Text, "example.com/log"));
        let cosigner = signer(Kind::Cosignature, "w");
        let kept = Contradictions::open(dir.path(), |_| None).unwrap();
        let logs = Logs::open(dir.path(), vec![log.key().clone()], cosigner.key()).unwrap();
        Self { dir, log, cosigner, kept, logs }
    }

    fn restart(&mut self) {
        self.logs = Logs::open(self.dir.path(), vec![self.log.key().clone()], self.cosigner.key()).unwrap();
    }

    fn add(&self, body: &[u8], now: u64) -> String {
        match self.logs.add(body, now, &self.cosigner, &self.kept) {
            Verdict::Cosigned(line) => {
                let text = std::str::from_utf8(body).unwrap().split_once("\n\n").unwrap().1;
                let mut note = SignedNote::parse(text).unwrap();
                note.signatures.push(line);
                note.cosigned(self.cosigner.key()).unwrap().to_string()
            }
            Verdict::Malformed(_) => "malformed".into(),
            Verdict::Unknown => "unknown".into(),
            Verdict::Unsigned => "unsigned".into(),
            Verdict::Other(size) => format!("other {size}"),
            Verdict::Inconsistent(_) => "inconsistent".into(),
            Verdict::Unavailable(_) => "unavailable".into(),
        }
    }

    fn accused(&self) -> Vec<String> {
        self.kept.of(&Whose::Log("example.com/log".into())).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(PLACE).join(hex_text(&sha256(b"example.com/log")))
    }
}

#[test]
fn a_log_that_only_grows_is_cosigned() {
    let (mut stage, tree) = (Stage::new(), Tree::new(99));
    let request = |old, size| tree.request(&stage.log, old, size);
    let steps = [
        (request(3, 5), "other 0"),
        (request(0, 0), "100"),
        (request(0, 3), "100"),
        (request(0, 5), "other 3"),
        (request(4, 5), "other 3"),
        (request(3, 7), "100"),
        (request(7, 7), "100"),
        (request(3, 5), "other 7"),
        (request(9, 7), "malformed"),
    ];
    for (at, (body, expected)) in steps.iter().enumerate() {
        assert_eq!(stage.add(body, 100), *expected, "step {at}");
    }
    let hash = hex_text(&sha256(b"example.com/log"));
    let served = stage.logs.checkpoint(&hash).unwrap().unwrap();
    let served = SignedNote::parse(&served).unwrap();
    assert_eq!((served.verify(stage.log.key()), served.cosigned(stage.cosigner.key())), (Ok(()), Ok(100)));
    assert_eq!(stage.logs.checkpoint("x"), Ok(None));
    let last = request(7, 9);
    stage.restart();
    assert_eq!(stage.add(&last, 50), "100", "a clock that was set back says nothing older");
    assert!(stage.accused().is_empty());
}

#[test]
fn forks_are_refused_and_kept_as_evidence() {
    let stage = Stage::new();
    let (honest, fork) = (Tree::new(99), Tree::new(2));
    assert_eq!(stage.add(&honest.request(&stage.log, 0, 7), 100), "100");
    assert_eq!(stage.add(&fork.request(&stage.log, 7, 7), 100), "inconsistent");
    assert_eq!(stage.accused().len(), 1);
    // Whoever asks with another size shows the fork as well.
    assert_eq!(stage.add(&fork.request(&stage.log, 0, 7), 100), "other 7");
    assert_eq!(stage.accused().len(), 1, "each one once");
    assert_eq!(stage.add(&fork.request(&stage.log, 7, 12), 100), "inconsistent");
    assert_eq!(stage.accused().len(), 2);
    for text in stage.accused() {
        let found = Contradiction::parse(&text).unwrap();
        assert!(found.check(std::slice::from_ref(stage.log.key())).is_ok());
        assert!(found.notes.iter().all(|note| note.signatures.len() == 1));
    }
    // A proof that somebody has spoilt shows nothing.
    let spoilt = String::from_utf8(honest.request(&stage.log, 7, 9)).unwrap();
    let (first, rest) = spoilt.split_once('\n').unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    assert_eq!(stage.add(format!("{first}\n{rest}").as_bytes(), 100), "inconsistent");
    assert_eq!(stage.accused().len(), 2);
    assert_eq!(stage.add(&honest.request(&stage.log, 7, 9), 100), "100", "the honest log goes on");
}

#[test]
fn who_is_not_known_is_told_so() {
    let (stage, tree) = (Stage::new(), Tree::new(99));
    let body = |log: &Signer| tree.request(log, 0, 3);
    assert_eq!(stage.add(&body(&signer(Kind::Text, "example.com/other")), 1), "unknown");
    assert_eq!(stage.add(&body(&signer(Kind::Text, "example.com/log")), 1), "unsigned");
    let mut forged = String::from_utf8(body(&stage.log)).unwrap();
    forged = forged.replace("\n3\n", "\n4\n");
    assert_eq!(stage.add(forged.as_bytes(), 1), "unsigned");
    for body in [&b""[..], b"old 0\n\n", b"\xff"] {
        assert_eq!(stage.add(body, 1), "malformed");
    }
    // A tree of nothing has one root.
    let text = format!("example.com/log\n0\n{}\n", data_encoding::BASE64.encode(&[7; 32]));
    let note = SignedNote::parse(&stage.log.sign(&text).unwrap()).unwrap();
    let body = Request { old: 0, proof: Vec::new(), note: note.clone() }.write();
    assert_eq!(stage.add(body.as_bytes(), 1), "inconsistent");
    let body = Request { old: 0, proof: vec![[1; 32]], note }.write();
    assert_eq!(stage.add(body.as_bytes(), 1), "inconsistent");
    // Sizes beyond all trees are numbers like others.
    for size in [1_u64 << 63, u64::MAX] {
        let text = Checkpoint { origin: "example.com/log".into(), size, root: [7; 32] }.text();
        let note = SignedNote::parse(&stage.log.sign(&text).unwrap()).unwrap();
        let body = Request { old: size, proof: vec![[1; 32]; 63], note }.write();
        assert_eq!(stage.add(body.as_bytes(), 1), "other 0");
    }
}

#[test]
fn a_log_may_change_its_key() {
    let (mut stage, tree) = (Stage::new(), Tree::new(99));
    let next = signer(Kind::Text, "example.com/log");
    assert_eq!(stage.add(&tree.request(&stage.log, 0, 3), 1), "1");
    let keys = vec![stage.log.key().clone(), next.key().clone()];
    stage.logs = Logs::open(stage.dir.path(), keys, stage.cosigner.key()).unwrap();
    assert_eq!(stage.add(&tree.request(&next, 3, 4), 2), "2");
    stage.logs = Logs::open(stage.dir.path(), vec![next.key().clone()], stage.cosigner.key()).unwrap();
    assert_eq!(stage.add(&tree.request(&stage.log, 4, 5), 3), "unsigned");
    assert_eq!(stage.add(&tree.request(&next, 4, 5), 3), "3");
}

#[test]
fn what_can_not_be_read_or_written_is_not_cosigned() {
    let (mut stage, tree) = (Stage::new(), Tree::new(99));
    assert_eq!(stage.add(&tree.request(&stage.log, 0, 3), 1), "1");
    let good = fs::read(stage.path()).unwrap();
    let other = Stage::new();
    assert_eq!(other.add(&tree.request(&other.log, 0, 3), 1), "1");
    let foreign = fs::read(other.path()).unwrap();
    let huge = vec![b'x'; 1 << 20];
    for damage in [&b""[..], &good[..good.len() / 2], b"\xff", &foreign, &huge] {
        fs::write(stage.path(), damage).unwrap();
        stage.restart();
        assert_eq!(stage.add(&tree.request(&stage.log, 3, 5), 1), "unavailable");
        assert!(stage.logs.checkpoint(&hex_text(&sha256(b"example.com/log"))).is_err());
    }
    fs::write(stage.path(), &good).unwrap();
    stage.restart();
    assert_eq!(stage.add(&tree.request(&stage.log, 3, 5), 1), "1");
    // A directory stands where the new file would: as good as a full disk, also for root.
    fs::create_dir(stage.path().with_extension("new")).unwrap();
    assert_eq!(stage.add(&tree.request(&stage.log, 5, 6), 1), "unavailable");
    fs::remove_dir(stage.path().with_extension("new")).unwrap();
    assert_eq!(stage.add(&tree.request(&stage.log, 5, 6), 1), "1");
    let mode = fs::metadata(stage.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

proptest! {
    /// Two histories, requests of any order, restarts: what was cosigned is of one of them.
    #[test]
    fn no_two_histories_are_cosigned(asked in prop::collection::vec((any::<bool>(), 0_u64..12, 0_u64..12, 0_u8..8), 0..30)) {
        let (mut stage, trees) = (Stage::new(), [Tree::new(99), Tree::new(3)]);
        let mut cosigned: Vec<(u64, Hash)> = Vec::new();
        for (fork, old, more, restart) in asked {
            let tree = &trees[usize::from(fork)];
            let size = old + more;
            if let Ok(at) = stage.add(&tree.request(&stage.log, old, size), 9).parse::<u64>() {
                prop_assert_eq!(at, 9);
                cosigned.push((size, tree.checkpoint("example.com/log", size).root));
            }
            if restart == 0 {
                stage.restart();
            }
        }
        prop_assert!(cosigned.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let of = |tree: &Tree| cosigned.iter().all(|(size, root)| tree.checkpoint("example.com/log", *size).root == *root);
        prop_assert!(of(&trees[0]) || of(&trees[1]));
    }
}
