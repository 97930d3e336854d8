//! What is found of one condition, before it is compared with what the status says of it.

use vaultbind_keyvault::text::printable;

use super::reason::Reason;

/// Longest message. Long enough for a command, short enough for `kubectl describe`.
pub(super) const LONGEST_MESSAGE: usize = 1024;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Nobody knows.
    Unknown,
}

impl Holds {
    /// The word in a condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "True",
            Self::No => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it holds.
    pub holds: Holds,
    /// Why, as one word.
    pub reason: Reason,
    /// Why, for people, and what to do.
    pub message: String,
    /// Whether it may pass by itself, soon.
    pub transient: bool,
}

impl Finding {
    fn new(holds: Holds, reason: Reason, message: impl AsRef<str>) -> Self {
        Self {
            holds,
            reason,
            message: printable(message.as_ref(), LONGEST_MESSAGE),
            transient: false,
        }
    }

    pub(super) fn yes(reason: Reason, message: impl AsRef<str>) -> Self {
        Self::new(Holds::Yes, reason, message)
    }

    /// Somebody has to act, or it takes long.
    pub(super) fn no(reason: Reason, message: impl AsRef<str>) -> Self {
        Self::new(Holds::No, reason, message)
    }

    pub(super) fn unknown(reason: Reason, message: impl AsRef<str>) -> Self {
        Self::new(Holds::Unknown, reason, message)
    }

    /// Nothing can be said for the time being.
    pub(super) fn passing(reason: Reason, message: impl AsRef<str>) -> Self {
        Self {
            transient: true,
            ..Self::new(Holds::Unknown, reason, message)
        }
    }
}
