//! Why a file was not read.

use der::asn1::ObjectIdentifier;

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part of the file is not what PKCS#12 says it is; named by the part.
    #[error("malformed PKCS#12: {0}")]
    Malformed(&'static str),
    /// The file uses an algorithm, or holds a kind of content, that is not supported.
    #[error("PKCS#12 uses unsupported {oid}{}", in_brackets(*.name))]
    UnsupportedAlgorithm {
        /// Dotted object identifier.
        oid: String,
        /// Its common name, if known here.
        name: Option<&'static str>,
    },
    /// The password does not open the file.
    #[error("wrong PKCS#12 password")]
    WrongPassword,
    /// Reading the file would cost more than is allowed.
    #[error("PKCS#12 exceeds the limit on {0}")]
    TooExpensive(Limit),
    /// There are bytes after the end of the file's structure.
    #[error("PKCS#12 is followed by other data")]
    TrailingData,
    /// The file holds neither a key nor a certificate.
    #[error("PKCS#12 holds neither key nor certificate")]
    Empty,
}

/// A limit on what a file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`MAX_SIZE`](super::MAX_SIZE)
    Size,
    /// [`MAX_ITERATIONS`](super::MAX_ITERATIONS)
    Iterations,
    /// [`MAX_BAGS`](super::MAX_BAGS)
    Bags,
    /// [`MAX_DEPTH`](super::MAX_DEPTH)
    Depth,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::Iterations => "key derivation iterations",
            Self::Bags => "number of bags",
            Self::Depth => "nesting of bags",
        })
    }
}

impl Error {
    pub(super) fn unsupported(oid: ObjectIdentifier) -> Self {
        let oid = oid.to_string();
        let name = NAMES
            .iter()
            .find(|(known, _)| *known == oid)
            .map(|(_, name)| *name);
        Self::UnsupportedAlgorithm { oid, name }
    }
}

fn in_brackets(name: Option<&str>) -> String {
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}

/// Names of what is met in files and not supported.
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.12.1.1", "128-bit RC4 encryption"),
    ("1.2.840.113549.1.12.1.2", "40-bit RC4 encryption"),
    ("1.2.840.113549.1.5.1", "MD2 with DES encryption"),
    ("1.2.840.113549.1.5.3", "MD5 with DES encryption"),
    ("1.2.840.113549.1.5.4", "MD2 with RC2 encryption"),
    ("1.2.840.113549.1.5.6", "MD5 with RC2 encryption"),
    ("1.2.840.113549.1.5.10", "SHA-1 with DES encryption"),
    ("1.2.840.113549.1.5.11", "SHA-1 with RC2 encryption"),
    ("1.2.840.113549.3.2", "RC2 encryption"),
    ("1.3.14.3.2.7", "DES encryption"),
    ("2.16.840.1.101.3.4.1.6", "AES-128-GCM encryption"),
    ("2.16.840.1.101.3.4.1.26", "AES-192-GCM encryption"),
    ("2.16.840.1.101.3.4.1.46", "AES-256-GCM encryption"),
    ("1.2.392.200011.61.1.1.1.2", "Camellia-128 encryption"),
    ("1.2.392.200011.61.1.1.1.3", "Camellia-192 encryption"),
    ("1.2.392.200011.61.1.1.1.4", "Camellia-256 encryption"),
    ("1.3.6.1.4.1.11591.4.11", "scrypt"),
    ("1.2.840.113549.2.5", "MD5"),
    ("1.2.840.113549.2.12", "HMAC with SHA-512/224"),
    ("1.2.840.113549.2.13", "HMAC with SHA-512/256"),
    ("2.16.840.1.101.3.4.2.5", "SHA-512/224"),
    ("2.16.840.1.101.3.4.2.6", "SHA-512/256"),
    ("2.16.840.1.101.3.4.2.7", "SHA3-224"),
    ("2.16.840.1.101.3.4.2.8", "SHA3-256"),
    ("2.16.840.1.101.3.4.2.9", "SHA3-384"),
    ("2.16.840.1.101.3.4.2.10", "SHA3-512"),
    ("1.2.643.7.1.1.2.2", "GOST R 34.11-2012, 256 bits"),
    ("1.2.643.7.1.1.2.3", "GOST R 34.11-2012, 512 bits"),
    ("1.2.840.113549.1.7.2", "signed data"),
    ("1.2.840.113549.1.7.3", "enveloped data"),
    ("1.2.840.113549.1.12.10.1.5", "secret bag"),
    ("1.2.840.113549.1.9.22.2", "SDSI certificate"),
];
