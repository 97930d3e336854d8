//! PFX and PEM as they come in.

use super::error::ApiError;

/// A PFX in base64 as PEM: key, then certificates.
pub(super) fn pfx_to_pem(_value: &str) -> Result<String, ApiError> {
    Err(ApiError::bad_parameter("PKCS#12 cannot be read"))
}
