//! Base64 and hexadecimal as the Go standard library reads them, which is what existing secrets were
//! written for.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use vaultbind_keyvault::Sensitive;
use zeroize::Zeroizing;

use crate::{Encoding, Error};

/// Padding is required; the bits that padding leaves over may be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    // Line breaks may stand anywhere, other white space nowhere.
    let text: Zeroizing<Vec<u8>> = text
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect::<Vec<_>>()
        .into();
    BASE64.decode(text.as_slice()).ok()
}

/// The bytes that a secret's text stands for.
pub(super) fn value(text: &Sensitive, encoding: Encoding) -> Result<Sensitive, Error> {
    match encoding {
        Encoding::Utf8 => Ok(text.clone()),
        Encoding::Base64 => base64(text.expose())
            .map(Sensitive::new)
            .ok_or(Error::NotBase64),
        Encoding::Hex => hex::decode(text.expose())
            .map(Sensitive::new)
            .map_err(|_| Error::NotHex),
    }
}
