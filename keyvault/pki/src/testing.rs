//! Keys, certificates and files made by the `openssl` command, for tests.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::pem;

/// Kinds of leaf keys, as they are called in file names.
pub(crate) const KINDS: [&str; 5] = ["rsa", "p256", "p384", "p521", "ed25519"];

/// One root, one intermediate, and a leaf of each kind below it.
pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);

/// A directory with `{name}.key` and `{name}.pem` for each certificate.
pub(crate) struct Pki {
    directory: PathBuf,
}

impl Pki {
    fn new() -> Self {
        // Beside the test program, since nothing drops what is static; made anew for each run.
        let directory = std::env::current_exe().unwrap().with_file_name("pki-files");
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir(&directory).unwrap();
        let pki = Self { directory };
        let version = String::from_utf8(pki.openssl("version")).unwrap();
        assert!(
            version.starts_with("OpenSSL 3."),
            "OpenSSL 3 is needed, found {version}"
        );
        let configuration = "[req]\ndistinguished_name=dn\n[dn]\n";
        std::fs::write(pki.path("req.cnf"), configuration).unwrap();
        for name in ["root", "intermediate", "other"] {
            pki.key(name, "p256");
        }
        pki.root("root", IDENTIFIERS);
        pki.root("other", IDENTIFIERS);
        pki.issue("intermediate", "root", IDENTIFIERS);
        for kind in KINDS {
            pki.key(kind, kind);
            pki.issue(kind, "intermediate", IDENTIFIERS);
        }
        let issuers = pki.text("intermediate.pem") + &pki.text("root.pem");
        std::fs::write(pki.path("issuers.pem"), issuers).unwrap();
        pki
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The only block of a PEM file, as DER.
    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        let text = self.text(name);
        let [block] = pem::split(&text).try_into().unwrap();
        block.der.to_vec()
    }

    /// PKCS#8 of a key as `openssl` writes it.
    pub(crate) fn pkcs8(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!(
            "pkcs8 -topk8 -nocrypt -outform DER -in {name}.key"
        ))
    }

    /// Runs `openssl` in the directory and returns its output. Arguments are split at blanks.
    pub(crate) fn openssl(&self, arguments: &str) -> Vec<u8> {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        self.openssl_with(&arguments)
    }

    pub(crate) fn openssl_with(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.directory)
            .output()
            .expect("the openssl command must be installed to run these tests");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {errors}");
        output.stdout
    }

    pub(crate) fn key(&self, name: &str, kind: &str) {
        let algorithm = match kind {
            "rsa" => "RSA -pkeyopt rsa_keygen_bits:2048".to_owned(),
            "ed25519" => "ED25519".to_owned(),
            "secp256k1" => "EC -pkeyopt ec_paramgen_curve:secp256k1".to_owned(),
            curve => format!("EC -pkeyopt ec_paramgen_curve:{}", curve.replace('p', "P-")),
        };
        self.openssl(&format!("genpkey -algorithm {algorithm} -out {name}.key"));
    }

    /// Makes `{name}.pem`, issued by itself.
    pub(crate) fn root(&self, name: &str, extensions: &str) {
        self.request(name, name);
        self.sign(name, name, &format!("-signkey {name}.key"), extensions);
    }

    /// Makes `{name}.pem`, issued by `issuer`.
    pub(crate) fn issue(&self, name: &str, issuer: &str, extensions: &str) {
        self.request(name, name);
        self.sign(
            name,
            name,
            &format!("-CA {issuer}.pem -CAkey {issuer}.key"),
            extensions,
        );
    }

    /// Makes `{name}.csr` for a subject's key and name.
    pub(crate) fn request(&self, name: &str, subject: &str) {
        self.openssl(&format!(
            "req -new -config req.cnf -key {subject}.key -subj /O=tests/CN={subject} -out {name}.csr"
        ));
    }

    /// Makes `{name}.pem` of `{request}.csr`.
    pub(crate) fn sign(&self, name: &str, request: &str, by: &str, extensions: &str) {
        let file = format!("{name}.ext");
        std::fs::write(self.path(&file), extensions).unwrap();
        let serial = 1 + name.bytes().map(u32::from).sum::<u32>();
        self.openssl(&format!(
            "x509 -req -in {request}.csr {by} -set_serial {serial} -days 30 -extfile {file} -out {name}.pem"
        ));
    }
}

/// Extensions with both key identifiers.
pub(crate) const IDENTIFIERS: &str =
    "basicConstraints=CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
/// Extensions without key identifiers.
pub(crate) const NO_IDENTIFIERS: &str = "basicConstraints=CA:TRUE\n";
