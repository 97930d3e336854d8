//! Why an object cannot become files, with the remedy in the words of a SecretProviderClass.

use std::fmt;

use vaultbind_render::Error;

/// Why an object cannot become files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError(pub Error);

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, remedy(&self.0))
    }
}

impl std::error::Error for RenderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

fn remedy(error: &Error) -> &'static str {
    match error {
        Error::NotBase64 | Error::NotHex => ": correct the secret or drop objectEncoding",
        Error::EncodedPem => {
            ": drop objectEncoding, or add objectFormat: pfx to get the binary PFX"
        }
        Error::PfxNotBase64 => ": import the certificate again",
        Error::Pfx(_) => "; import the certificate again, or set objectFormat: pfx",
        Error::PfxForParts(_) => "; import the certificate again, or set parts to PFX alone",
        Error::NotOfCertificate => ": use objectType secret without parts, or correct objectName",
        Error::PfxOfPem => {
            ": drop PFX from parts, or make a version with content type application/x-pkcs12"
        }
        Error::NoKey => ": make a version with an exportable key, or drop PrivateKey from parts",
        Error::KeyOfAnother => ": import key and certificate together",
        Error::NoChain => ": import the certificate with its chain again",
        Error::NoIssuer => ": import the certificate with its chain, or drop CA from parts",
        Error::Curve(_) => ": use P-256, P-384 or P-521",
        Error::ContentType(_) | Error::PublicKey(_) => "",
    }
}
