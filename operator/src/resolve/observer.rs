//! What others are told of the questions to vaults and what they cost.

use std::time::Duration;

/// Told of every question and of every sweep. The requests themselves are counted by the transport.
pub trait ResolveObserver: Send + Sync {
    /// A question was answered.
    fn answered(&self, _source: Source) {}

    /// A vault was looked through.
    fn swept(&self, _sweep: &Sweep) {}
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// All of it was known, and new enough.
    Memory,
    /// Somebody else had asked for it already, and was waited for.
    Joined,
    /// The vault was asked.
    Vault,
    /// There was nobody to ask as.
    NoToken,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Joined, Self::Vault, Self::NoToken];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Joined => "joined",
            Self::Vault => "vault",
            Self::NoToken => "no_token",
        }
    }
}

/// A vault was looked through, for one caller and one type of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Pages of the list of objects that were read.
    pub list_pages: usize,
    /// Objects whose versions were listed.
    pub version_lists: usize,
    /// Pages of versions that were read.
    pub version_pages: usize,
    /// Objects that the list of objects showed to be unchanged.
    pub unchanged: usize,
    /// Objects and selections that could not be listed.
    pub failed: usize,
    /// How long it took.
    pub duration: Duration,
}
