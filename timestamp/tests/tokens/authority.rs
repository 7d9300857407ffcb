//! Time-stamping services made of OpenSSL's commands: certificates, keys and answers are real ones.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// What was time-stamped, unless a test says otherwise.
pub const DATA: &[u8] = b"the head of a chain";
pub const NONCE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Kinds of keys, as `openssl req -newkey` wants them.
pub const EC: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const EC_384: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
pub const RSA: &[&str] = &["rsa:2048"];
pub const ED25519: &[&str] = &["ed25519"];

/// Extensions of certificates: a section of `CONFIGURATION`.
pub const STAMPS: &str = "stamps";

const CONFIGURATION: &str = "
[req]
distinguished_name=dn
[dn]
[root]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[between]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[no_certifier]
basicConstraints=critical,CA:TRUE
keyUsage=critical,cRLSign
subjectKeyIdentifier=hash
[stamps]
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
subjectKeyIdentifier=hash
subjectAltName=URI:https://tsa.example/
[bare]
basicConstraints=CA:FALSE
subjectKeyIdentifier=hash
[other_use]
extendedKeyUsage=critical,serverAuth
subjectKeyIdentifier=hash
[not_critical]
extendedKeyUsage=timeStamping
subjectKeyIdentifier=hash
[not_alone]
extendedKeyUsage=critical,timeStamping,serverAuth
subjectKeyIdentifier=hash
[enciphers]
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=critical,timeStamping
subjectKeyIdentifier=hash
[ca]
default_ca=ca_default
[ca_default]
new_certs_dir=.
database=index
unique_subject=no
rand_serial=yes
policy=any
default_md=sha256
email_in_dn=no
[any]
commonName=supplied
";

/// A directory with certificates and what is made with them.
pub struct Place {
    dir: TempDir,
    files: AtomicUsize,
}

/// A certificate and its key, by the names of their files.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// What a service answers with.
#[derive(Clone, Copy)]
pub struct Service<'a> {
    pub signer: &'a Pair,
    /// Certificates that the token has beside the signer's.
    pub chain: Option<&'a str>,
    pub digest: &'a str,
    /// Further lines of the section of the service.
    pub more: &'a str,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cnf"), CONFIGURATION).unwrap();
        fs::write(dir.path().join("index"), "").unwrap();
        Self { dir, files: AtomicUsize::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As `genTime` has it.
    pub fn now(&self) -> String {
        let out = Command::new("date").args(["-u", "+%Y%m%d%H%M%SZ"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    pub fn write(&self, bytes: &[u8]) -> String {
        let name = self.name();
        fs::write(self.path(&name), bytes).unwrap();
        name
    }

    fn name(&self) -> String {
        format!("file{}", self.files.fetch_add(1, Ordering::Relaxed))
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("openssl");
        // The machine's own configuration plays no part.
        command.args(arguments).current_dir(self.dir.path()).env("OPENSSL_CONF", self.path("cnf"));
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("openssl: {e}; the tests need it"))
    }

    pub fn openssl(&self, arguments: &[&str]) {
        let out = self.run(arguments);
        assert!(out.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// The file that a command writes with `-out`.
    fn made(&self, arguments: &[&str]) -> Vec<u8> {
        let out = self.name();
        self.openssl(&[arguments, &["-out", &out]].concat());
        fs::read(self.path(&out)).unwrap()
    }

    /// A certificate that signs itself.
    pub fn root(&self, name: &str, key: &[&str]) -> Pair {
        let pair = Pair { certificate: self.name(), key: self.name() };
        let subject = format!("/O=Test/CN={name}");
        let (start, end) =
            (["req", "-x509", "-config", "cnf", "-extensions", "root"], ["-days", "3650", "-nodes"]);
        let files = ["-subj", &subject, "-keyout", &pair.key, "-out", &pair.certificate];
        self.openssl(&[&start[..], &end, &["-newkey"], key, &files].concat());
        pair
    }

    /// A certificate that `by` signs.
    pub fn issued(&self, by: &Pair, name: &str, key: &[&str], extensions: &str) -> Pair {
        let (request, key) = self.asked(name, key);
        let pair = Pair { certificate: self.name(), key };
        let signer = ["-CA", &by.certificate, "-CAkey", &by.key, "-set_serial", "0x1f3a", "-days", "3650"];
        let files =
            ["-extfile", "cnf", "-extensions", extensions, "-in", &request, "-out", &pair.certificate];
        self.openssl(&[&["x509", "-req"][..], &signer, &files].concat());
        pair
    }

    /// As `issued`, for a time of its own; by itself, where nobody signs it.
    pub fn issued_between(&self, by: Option<&Pair>, name: &str, extensions: &str, times: [&str; 2]) -> Pair {
        let (request, key) = self.asked(name, EC);
        self.signed_between(by, &request, key, extensions, times)
    }

    /// A certificate for a request, or for its own key where that has one already.
    fn signed_between(
        &self,
        by: Option<&Pair>,
        request: &str,
        key: String,
        extensions: &str,
        times: [&str; 2],
    ) -> Pair {
        let pair = Pair { certificate: self.name(), key };
        let signer = match by {
            Some(by) => vec!["-cert", &by.certificate, "-keyfile", &by.key],
            None => vec!["-selfsign", "-keyfile", &pair.key],
        };
        let files =
            ["-in", request, "-out", &pair.certificate, "-notext", "-batch", "-extensions", extensions];
        let times = ["-startdate", times[0], "-enddate", times[1]];
        self.openssl(&[&["ca", "-config", "cnf"][..], &signer, &times, &files].concat());
        pair
    }

    /// A root's next certificate.
    pub fn renewed(&self, root: &Pair, name: &str, times: [&str; 2]) -> Pair {
        let (request, subject) = (self.name(), format!("/CN={name}"));
        self.openssl(&[
            "req", "-new", "-key", &root.key, "-subj", &subject, "-out", &request, "-config", "cnf",
        ]);
        self.signed_between(None, &request, root.key.clone(), "root", times)
    }

    /// As `issued`, for a key that is there already.
    pub fn reissued(&self, by: &Pair, name: &str, key: &Pair, extensions: &str) -> Pair {
        let (request, certificate) = (self.name(), self.name());
        let subject = format!("/CN={name}");
        self.openssl(&[
            "req", "-new", "-key", &key.key, "-subj", &subject, "-out", &request, "-config", "cnf",
        ]);
        let signer = ["-CA", &by.certificate, "-CAkey", &by.key, "-set_serial", "0x2b", "-days", "3650"];
        let files = ["-extfile", "cnf", "-extensions", extensions, "-in", &request, "-out", &certificate];
        self.openssl(&[&["x509", "-req"][..], &signer, &files].concat());
        Pair { certificate, key: key.key.clone() }
    }

    fn asked(&self, name: &str, key: &[&str]) -> (String, String) {
        let (request, file) = (self.name(), self.name());
        let subject = format!("/CN={name}");
        let files = ["-nodes", "-subj", &subject, "-keyout", &file, "-out", &request, "-config", "cnf"];
        self.openssl(&[&["req", "-new", "-newkey"][..], key, &files].concat());
        (request, file)
    }

    /// The DER of a certificate.
    pub fn der(&self, pair: &Pair) -> Vec<u8> {
        self.made(&["x509", "-outform", "DER", "-in", &pair.certificate])
    }

    /// The answer (`TimeStampResp`) to a request.
    pub fn answer(&self, service: &Service<'_>, request: &[u8]) -> Vec<u8> {
        let (request, section, serial) = (self.write(request), self.name(), self.write(b"1234"));
        let Service { signer, chain, digest, more } = service;
        let chain = chain.map_or(String::new(), |file| format!("certs={file}\n"));
        let text = format!(
            "[tsa]\ndefault_tsa=one\n[one]\nserial={serial}\nsigner_cert={}\nsigner_key={}\nsigner_digest={digest}\n\
             {chain}default_policy=1.3.6.1.4.1.57264.2\nother_policies=1.3.6.1.4.1.57264.3\n\
             digests=sha1,sha256,sha384,sha512\n{more}\n",
            signer.certificate, signer.key
        );
        fs::write(self.path(&section), text).unwrap();
        self.made(&["ts", "-reply", "-config", &section, "-queryfile", &request])
    }

    /// A request of `openssl ts`.
    pub fn request(&self, data: &[u8], options: &[&str]) -> Vec<u8> {
        let data = self.write(data);
        self.made(&[&["ts", "-query", "-config", "cnf", "-data", &data], options].concat())
    }

    /// The token out of an answer.
    pub fn token(&self, answer: &[u8]) -> Vec<u8> {
        let answer = self.write(answer);
        self.made(&["ts", "-reply", "-config", "cnf", "-in", &answer, "-token_out"])
    }

    /// What a token signs (`TSTInfo`).
    pub fn content(&self, token: &[u8]) -> Vec<u8> {
        let token = self.write(token);
        self.made(&["cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", &token])
    }

    /// A token of `openssl cms`, which signs what `openssl ts` does not.
    pub fn signed(&self, content: &[u8], signers: &[&Pair], options: &[&str]) -> Vec<u8> {
        let content = self.write(content);
        let kind = ["-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-outform", "DER"];
        let mut arguments = [&["cms", "-sign", "-in", &content], &kind[..], options].concat();
        for pair in signers {
            arguments.extend(["-signer", &pair.certificate, "-inkey", &pair.key]);
        }
        self.made(&arguments)
    }

    /// What the key of `pair` signs, with SHA-256 unless the key has its own digest.
    pub fn signature(&self, bytes: &[u8], pair: &Pair) -> Vec<u8> {
        let file = self.write(bytes);
        let key = fs::read(self.path(&pair.key)).unwrap();
        let digest: &[&str] = if key.len() < 150 { &[] } else { &["-digest", "sha256"] };
        self.made(&[&["pkeyutl", "-sign", "-rawin", "-inkey", &pair.key, "-in", &file], digest].concat())
    }

    /// The subjectKeyIdentifier of a certificate.
    pub fn key_id(&self, pair: &Pair) -> Vec<u8> {
        let text =
            self.run(&["x509", "-noout", "-ext", "subjectKeyIdentifier", "-in", &pair.certificate]).stdout;
        let digits = String::from_utf8(text).unwrap().split_once('\n').unwrap().1.trim().replace(':', "");
        data_encoding::HEXUPPER.decode(digits.as_bytes()).unwrap()
    }

    /// Whether `openssl ts -verify` takes the token as one of this SHA-256.
    pub fn verifies(&self, token: &[u8], is_answer: bool, digest: &[u8], root: &Pair) -> bool {
        let token = self.write(token);
        let digest = data_encoding::HEXLOWER.encode(digest);
        let kind: &[&str] = if is_answer { &[] } else { &["-token_in"] };
        let files = ["-in", &token, "-CAfile", &root.certificate];
        let out = self.run(&[&["ts", "-verify", "-digest", &digest], kind, &files].concat());
        fs::remove_file(self.path(&token)).unwrap();
        out.status.success()
    }
}
