/// Told of what the cache does. All values come from small closed sets.
pub trait CacheObserver: Send + Sync {
    /// An object was served, or failed, in this way.
    fn read(&self, source: Source) {
        let _ = source;
    }

    /// Values left the memory, other than by being replaced.
    fn evicted(&self, reason: Evicted, values: usize) {
        let _ = (reason, values);
    }

    /// What is in memory now.
    fn size(&self, objects: usize, bytes: usize) {
        let _ = (objects, bytes);
    }

    /// What became of an access token.
    fn token(&self, event: TokenEvent) {
        let _ = event;
    }
}

/// Where an object of a mount came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The vault, asked for this mount.
    Vault,
    /// The vault, asked at the same time for another mount.
    Joined,
    /// Memory, fresh.
    Memory,
    /// Memory, no longer fresh, because the vault or Entra did not answer.
    Stale,
    /// Nowhere: a failure.
    Failed,
    /// Nowhere: a failure a few seconds ago, which was not tried again.
    FailedBefore,
}

impl Source {
    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Joined => "joined",
            Self::Memory => "memory",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::FailedBefore => "failed_before",
        }
    }
}

/// Why a value left the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evicted {
    /// The vault refused it.
    VaultRefusal,
    /// Entra refused the identity.
    EntraRefusal,
    /// Others needed the room.
    Room,
    /// It could not be served any more.
    Age,
}

impl Evicted {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VaultRefusal => "vault_refusal",
            Self::EntraRefusal => "entra_refusal",
            Self::Room => "room",
            Self::Age => "age",
        }
    }
}

/// What became of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenEvent {
    /// Asked for because there was none.
    Acquired,
    /// Asked for ahead of the end of the one in use.
    Refreshed,
    /// Dropped because a vault did not take it.
    Rejected,
    /// Refused by Entra or the managed identity endpoint.
    Refused,
    /// Not to be had: no answer, overload, failure.
    Unavailable,
}

impl TokenEvent {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Refreshed => "refreshed",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}
