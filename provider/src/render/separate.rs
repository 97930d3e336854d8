//! Certificates and key of a PEM text in files of their own, besides the one with all of it.

use vaultbind_keyvault::Sensitive;
use vaultbind_pki::pem;
use zeroize::Zeroizing;

/// What follows the file's name, and the bytes. A part that does not exist gets no file: an empty key
/// file only misleads.
pub(super) fn files(text: &Sensitive) -> Vec<(&'static str, Sensitive)> {
    let Ok(text) = text.expose_str() else {
        return Vec::new();
    };
    let (certificates, others) = split(text);
    [(".crt", certificates), (".key", others)]
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(suffix, part)| (suffix, part.as_str().into()))
        .collect()
}

fn split(text: &str) -> (Zeroizing<String>, Zeroizing<String>) {
    let mut certificates = Zeroizing::new(String::new());
    let mut others = Zeroizing::new(String::new());
    for block in pem::split(text) {
        let part = if block.label == pem::CERTIFICATE {
            &mut certificates
        } else {
            &mut others
        };
        // Written anew, as the Go provider does, but for a block with headers, which an encoder
        // of plain blocks would lose.
        if block.text.contains(':') {
            part.push_str(block.text);
            part.push('\n');
        } else {
            part.push_str(&Zeroizing::new(pem::encode(block.label, &block.der)));
        }
    }
    (certificates, others)
}
