use vaultbind_pki::{pkcs12, spki};

/// Why an object cannot take a form. `Display` says what is wrong; the remedy is in the words of what
/// asked for the form, which has fields of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value that is to be decoded and is not base64.
    #[error("the value is not padded standard base64")]
    NotBase64,
    /// A value that is to be decoded and is not hexadecimal.
    #[error("the value is not hexadecimal")]
    NotHex,
    /// PEM text that is to be decoded.
    #[error("the PEM that a certificate's secret becomes cannot be decoded")]
    EncodedPem,
    /// A certificate's secret that is neither PEM nor PFX.
    #[error(
        "a certificate's secret must have content type application/x-pem-file or \
         application/x-pkcs12, this one has {0}"
    )]
    ContentType(String),
    /// A PFX that is not base64.
    #[error("the PFX is not base64")]
    PfxNotBase64,
    /// A PFX that cannot be opened, where all of it is wanted.
    #[error("the PFX cannot be opened: {0}")]
    Pfx(#[source] pkcs12::Error),
    /// The same, where parts of it are wanted.
    #[error("the PFX cannot be opened: {0}")]
    PfxForParts(#[source] pkcs12::Error),
    /// Parts of what is no certificate's secret.
    #[error("the secret of this name belongs to no certificate")]
    NotOfCertificate,
    /// The part PFX of a certificate that is kept as PEM.
    #[error("the certificate is kept as PEM, so there is no PFX to write")]
    PfxOfPem,
    /// There is no private key.
    #[error("the certificate's secret holds no private key")]
    NoKey,
    /// The key belongs to none of the certificates.
    #[error("the private key belongs to none of the certificates beside it")]
    KeyOfAnother,
    /// There is no chain to speak of.
    #[error("the certificate's secret holds no certificates that can be put in order")]
    NoChain,
    /// There is no issuer.
    #[error("the certificate's secret holds no issuer's certificate")]
    NoIssuer,
    /// A public key whose numbers make no key.
    #[error("the key cannot be written as PEM: {0}")]
    PublicKey(#[source] spki::SpkiError),
    /// A curve that has no PEM form here.
    #[error("the key's curve {0} is not supported")]
    Curve(String),
}
