//! From what the vault served to the files of the volume: bytes in, bytes out, no I/O.
//!
//! The bytes of a version are the same on every node and after every restart, because the driver
//! rewrites a volume, and restarts what watches it, when a single one differs.

mod certificate;
mod decode;
mod memo;
mod opening;
mod parts;
mod places;
mod renderer;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Content, Fetched, PublicKey, Sensitive};
use vaultbind_pki::{pem, spki};

use self::opening::{Opened, Opening};
use crate::request::{Encoding, FileMode, Object};

pub use renderer::{RenderFailure, Renderer};

/// What the command line says about certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderOptions {
    /// Order the certificates of a PFX from leaf to root.
    pub construct_pem_chain: bool,
    /// Also write the certificates to `<file>.crt` and the key to `<file>.key`.
    pub separate_files: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            construct_pem_chain: true,
            separate_files: false,
        }
    }
}

/// One file of the volume. Its contents may be secret, so it has no `Debug`.
pub struct RenderedFile {
    /// Relative path.
    pub path: String,
    /// Permission bits.
    pub mode: FileMode,
    /// The bytes.
    pub contents: Bytes,
}

/// The files of one object.
pub struct Rendered {
    /// In the order in which they are sent.
    pub files: Vec<RenderedFile>,
    /// What someone should know although the files are there.
    pub warning: Option<RenderWarning>,
}

/// What someone should know although the files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderWarning {
    /// The certificates of a PFX do not all belong to one chain.
    #[error("the certificates do not form one complete chain; those outside it come last")]
    IncompleteChain,
    /// The same, where only the chain is written.
    #[error("the certificates do not form one complete chain; those outside it are left out")]
    OutsideChain,
}

/// Why an object cannot become files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// `objectEncoding: base64` on a value that is not.
    #[error("the value is not padded standard base64: correct the secret or drop objectEncoding")]
    NotBase64,
    /// `objectEncoding: hex` on a value that is not.
    #[error("the value is not hexadecimal: correct the secret or drop objectEncoding")]
    NotHex,
    /// `objectEncoding` on PEM text.
    #[error(
        "objectEncoding cannot decode the PEM that a certificate becomes: drop it, or add \
         objectFormat: pfx to get the binary PFX"
    )]
    EncodedPem,
    /// A certificate's secret that is neither PEM nor PFX.
    #[error(
        "a certificate's secret must have content type application/x-pem-file or \
         application/x-pkcs12, this one has {0}"
    )]
    ContentType(String),
    /// A PFX that is not base64.
    #[error("the PFX is not base64: import the certificate again")]
    PfxNotBase64,
    /// A PFX that cannot be opened.
    #[error(
        "the PFX cannot be opened: {0}; import the certificate again, or set objectFormat: pfx"
    )]
    Pfx(#[source] vaultbind_pki::pkcs12::Error),
    /// The same, where `objectFormat` is no way out.
    #[error(
        "the PFX cannot be opened: {0}; import the certificate again, or set parts to PFX alone"
    )]
    PfxForParts(#[source] vaultbind_pki::pkcs12::Error),
    /// Parts of a secret that belongs to no certificate.
    #[error(
        "the secret of this name belongs to no certificate: use objectType secret without parts, or \
         correct objectName"
    )]
    NotOfCertificate,
    /// The part PFX of a certificate that is kept as PEM.
    #[error(
        "the certificate is kept as PEM, so there is no PFX to write: drop PFX from parts, or make a \
         version with content type application/x-pkcs12"
    )]
    PfxOfPem,
    /// There is no private key.
    #[error(
        "the certificate's secret holds no private key: make a version with an exportable key, or \
         drop PrivateKey from parts"
    )]
    NoKey,
    /// The key belongs to none of the certificates.
    #[error(
        "the private key belongs to none of the certificates beside it: import key and certificate \
         together"
    )]
    KeyOfAnother,
    /// There is no chain to speak of.
    #[error(
        "the certificate's secret holds no certificates that can be put in order: import the \
         certificate with its chain again"
    )]
    NoChain,
    /// There is no issuer.
    #[error(
        "the certificate's secret holds no issuer's certificate to write to ca.crt: import the \
         certificate with its chain, or drop CA from parts"
    )]
    NoIssuer,
    /// A public key whose numbers make no key.
    #[error("the key cannot be written as PEM: {0}")]
    PublicKey(#[source] spki::SpkiError),
    /// A curve that has no PEM form here.
    #[error("the key's curve {0} is not supported: use P-256, P-384 or P-521")]
    Curve(String),
}

/// Renders one object, opening a PFX there and then.
///
/// # Errors
/// When the vault's content cannot take the form that the class asks for.
pub fn render(
    object: &Object,
    fetched: &Fetched,
    options: RenderOptions,
) -> Result<Rendered, RenderError> {
    let open = |value: &Sensitive, opening: Opening| opening.open(value.expose());
    render_with(object, fetched, options, open)
}

fn render_with(
    object: &Object,
    fetched: &Fetched,
    options: RenderOptions,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, RenderError>,
) -> Result<Rendered, RenderError> {
    if !object.parts.is_empty() {
        return parts::render(object, &fetched.content, open);
    }
    let plain = |contents: Bytes| Rendered {
        files: vec![file(object, "", contents)],
        warning: None,
    };
    match &fetched.content {
        Content::Secret {
            value,
            content_type,
            of_certificate: true,
        } => certificate::render(object, value, content_type.as_deref(), options, open),
        Content::Secret {
            value,
            of_certificate: false,
            ..
        } => decode::value(value.expose(), object.encoding).map(plain),
        Content::Key(key) => public_key(key).map(|text| plain(text.into())),
        Content::Certificate(der) => Ok(plain(pem::encode(pem::CERTIFICATE, der).into())),
    }
}

fn file(object: &Object, suffix: &str, contents: Bytes) -> RenderedFile {
    RenderedFile {
        path: [object.path.as_str(), suffix].concat(),
        mode: object.mode,
        contents,
    }
}

fn public_key(key: &PublicKey) -> Result<String, RenderError> {
    let der = match key {
        PublicKey::Rsa { n, e } => spki::rsa_public_key(n, e),
        PublicKey::Ec { curve, x, y } => {
            let curve = curve
                .parse()
                .map_err(|_| RenderError::Curve(printable(curve, 30)))?;
            spki::ec_public_key(curve, x, y)
        }
    };
    der.map(|der| pem::encode(pem::PUBLIC_KEY, &der))
        .map_err(RenderError::PublicKey)
}

impl Encoding {
    fn is_text(self) -> bool {
        self == Self::Utf8
    }
}
