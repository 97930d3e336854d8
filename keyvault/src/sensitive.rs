use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Bytes that must not be seen: a secret's value, a token, a private key.
///
/// Clones share the bytes, so that there is one copy to wipe: when the last of them is dropped. Shown
/// by `Debug` as a size, neither `Display` nor `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sensitive(Arc<Zeroizing<Vec<u8>>>);

impl Sensitive {
    /// Takes the bytes over without copying them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes.into())))
    }

    /// The bytes, at the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    ///
    /// # Errors
    /// The position of the first byte that is not UTF-8.
    pub fn expose_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.len())
    }
}

impl From<String> for Sensitive {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Sensitive {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_size_only() {
        assert_eq!(format!("{:?}", Sensitive::from("hunter2")), "<7 bytes>");
    }
}
