//! The permission bits of a file.

use std::fmt;
use std::str::FromStr;

use super::error::{Quoted, RequestError};

const LARGEST: u32 = 0o777;

/// Permission bits of a file, 0 to 0777.
///
/// The driver has no default of its own: a file sent without a mode gets mode 0. So every object
/// carries one, and a text that cannot be read as one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileMode(u16);

/// A text or number that is not a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file mode is octal, 0 to 0777")]
pub struct ModeError;

impl FileMode {
    /// The bits as the protocol wants them.
    pub fn bits(self) -> i32 {
        i32::from(self.0)
    }
}

impl TryFrom<u32> for FileMode {
    type Error = ModeError;

    fn try_from(bits: u32) -> Result<Self, Self::Error> {
        match u16::try_from(bits) {
            Ok(narrow) if bits <= LARGEST => Ok(Self(narrow)),
            _ => Err(ModeError),
        }
    }
}

impl FromStr for FileMode {
    type Err = ModeError;

    /// Octal digits, with or without a leading zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // from_str_radix would take a sign.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ModeError);
        }
        u32::from_str_radix(text, 8)
            .map_err(|_| ModeError)
            .and_then(Self::try_from)
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// The mode of files without `filePermission`: the request's `permission`, a JSON number.
pub(super) fn of_permission(json: &str) -> Result<FileMode, RequestError> {
    serde_json::from_str::<u32>(json)
        .ok()
        .and_then(|bits| FileMode::try_from(bits).ok())
        .ok_or_else(|| RequestError::Permission {
            value: Quoted::new(json),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_with_or_without_a_leading_zero() {
        for (text, bits) in [
            ("0644", 0o644),
            ("644", 0o644),
            ("0", 0),
            ("0777", 0o777),
            ("00000400", 0o400),
        ] {
            assert_eq!(
                text.parse::<FileMode>().map(FileMode::bits),
                Ok(bits),
                "{text}"
            );
        }
        assert_eq!(
            "644".parse::<FileMode>().map(|mode| mode.to_string()),
            Ok("0644".into())
        );
    }

    #[test]
    fn what_is_not_a_mode_is_an_error_and_never_mode_zero() {
        for text in [
            "",
            "0900",
            "0o600",
            "-1",
            "+644",
            "01000",
            "4755",
            "u=rw",
            "07777777777777777777777",
        ] {
            assert_eq!(text.parse::<FileMode>(), Err(ModeError), "{text}");
        }
        assert_eq!(FileMode::try_from(0o1000), Err(ModeError));
        assert_eq!(FileMode::try_from(u32::MAX), Err(ModeError));
    }
}
