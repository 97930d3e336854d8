//! All that is in memory, by principal, vault and object, within a number of bytes.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ReadError;
use super::entry::Entry;
use super::flight::Progress;
use super::principal::PrincipalKey;
use crate::tokens::Tokens;
use crate::{Identity, ObjectId, VaultHost};

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) principal: Arc<PrincipalKey>,
    pub(super) vault: VaultHost,
    pub(super) object: ObjectId,
}

/// All that is in memory.
pub(super) struct State {
    most_bytes: usize,
    principals: HashMap<Arc<PrincipalKey>, Holding>,
    bytes: usize,
    reads: u64,
    /// When its size was last told.
    told: Option<Instant>,
}

/// What is in memory of one principal.
pub(super) struct Holding {
    /// With the proof that came last.
    pub(super) identity: Identity,
    pub(super) tokens: Tokens<ReadError, Progress>,
    pub(super) vaults: HashMap<VaultHost, HashMap<ObjectId, Entry>>,
    /// Counts Entra's refusals. What was asked for before one is not kept after it.
    pub(super) refusals: u64,
    used: Instant,
}

/// Rough size of a principal with its token.
const PRINCIPAL_BYTES: usize = 4096;

impl Holding {
    pub(super) fn objects(&mut self, vault: &VaultHost) -> &mut HashMap<ObjectId, Entry> {
        self.vaults.entry(vault.clone()).or_default()
    }

    fn is_idle(&self, now: Instant, stale_for: Duration) -> bool {
        self.vaults.is_empty()
            && self.tokens.is_idle(now)
            && now.saturating_duration_since(self.used) >= stale_for
    }
}

impl State {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            principals: HashMap::new(),
            bytes: 0,
            reads: 0,
            told: None,
        }
    }

    /// What is in memory of a principal that asks now, with its newest proof.
    pub(super) fn asking(
        &mut self,
        key: &Arc<PrincipalKey>,
        identity: &Identity,
        now: Instant,
    ) -> &mut Holding {
        let holding = match self.principals.entry(Arc::clone(key)) {
            hash_map::Entry::Occupied(entry) => {
                let holding = entry.into_mut();
                holding.identity = identity.clone();
                holding
            }
            hash_map::Entry::Vacant(entry) => {
                self.bytes += PRINCIPAL_BYTES;
                entry.insert(Holding {
                    identity: identity.clone(),
                    tokens: Tokens::default(),
                    vaults: HashMap::new(),
                    refusals: 0,
                    used: now,
                })
            }
        };
        holding.used = now;
        holding
    }

    pub(super) fn holding(&mut self, key: &PrincipalKey) -> Option<&mut Holding> {
        self.principals.get_mut(key)
    }

    /// Counts a read, so that entries can be ordered by their last one.
    pub(super) fn count_read(&mut self) -> u64 {
        self.reads += 1;
        self.reads
    }

    /// Changes an entry, if it is there, and keeps the count of bytes right.
    pub(super) fn settle(&mut self, place: &Place, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self
            .principals
            .get_mut(&place.principal)
            .and_then(|holding| holding.vaults.get_mut(&place.vault))
            .and_then(|objects| objects.get_mut(&place.object))
        else {
            return;
        };
        change(entry);
        self.bytes = (self.bytes + entry.bytes()).saturating_sub(entry.counted);
        entry.counted = entry.bytes();
    }

    /// Drops every value of a principal that Entra refuses. Says how many there were.
    pub(super) fn refuse(&mut self, key: &PrincipalKey) -> usize {
        let Some(holding) = self.principals.get_mut(key) else {
            return 0;
        };
        holding.refusals += 1;
        let mut values = 0;
        for entry in holding.vaults.values_mut().flat_map(HashMap::values_mut) {
            values += usize::from(entry.held().is_some());
            entry.forget();
            self.bytes = (self.bytes + entry.bytes()).saturating_sub(entry.counted);
            entry.counted = entry.bytes();
        }
        values
    }

    /// Makes room: drops what was not asked for longest. Says how many values went.
    pub(super) fn make_room(&mut self) -> usize {
        if self.bytes <= self.most_bytes {
            return 0;
        }
        let mut places: Vec<(u64, Place)> = Vec::new();
        for (principal, holding) in &self.principals {
            for (vault, objects) in &holding.vaults {
                let at_rest = objects.iter().filter(|(_, entry)| !entry.in_flight());
                places.extend(at_rest.map(|(object, entry)| {
                    let place = Place {
                        principal: Arc::clone(principal),
                        vault: vault.clone(),
                        object: object.clone(),
                    };
                    (entry.used, place)
                }));
            }
        }
        places.sort_unstable_by_key(|(used, _)| *used);
        // A little more than needed, so that the next value does not have to look again.
        let goal = self.most_bytes - self.most_bytes / 8;
        let mut values = 0;
        for (_, place) in places {
            if self.bytes <= goal {
                break;
            }
            values += usize::from(self.remove(&place));
        }
        self.remove_principals(|holding| holding.vaults.is_empty() && !holding.tokens.is_asking());
        values
    }

    /// Drops what can serve nobody any more. Says how many values went.
    pub(super) fn sweep(&mut self, now: Instant, stale_for: Duration) -> usize {
        let mut values = 0;
        let bytes = &mut self.bytes;
        for holding in self.principals.values_mut() {
            for objects in holding.vaults.values_mut() {
                objects.retain(|_, entry| {
                    let spent = entry.is_spent(now, stale_for);
                    if spent {
                        values += usize::from(entry.held().is_some());
                        *bytes = bytes.saturating_sub(entry.counted);
                    }
                    !spent
                });
            }
            holding.vaults.retain(|_, objects| !objects.is_empty());
        }
        self.remove_principals(|holding| holding.is_idle(now, stale_for));
        values
    }

    fn remove(&mut self, place: &Place) -> bool {
        let Some(holding) = self.principals.get_mut(&place.principal) else {
            return false;
        };
        let Some(objects) = holding.vaults.get_mut(&place.vault) else {
            return false;
        };
        let Some(entry) = objects.remove(&place.object) else {
            return false;
        };
        if objects.is_empty() {
            holding.vaults.remove(&place.vault);
        }
        self.bytes = self.bytes.saturating_sub(entry.counted);
        entry.held().is_some()
    }

    fn remove_principals(&mut self, goes: impl Fn(&Holding) -> bool) {
        let bytes = &mut self.bytes;
        self.principals.retain(|_, holding| {
            let goes = goes(holding);
            if goes {
                *bytes = bytes.saturating_sub(PRINCIPAL_BYTES);
            }
            !goes
        });
    }

    /// Whether it is so long ago that this was last asked.
    pub(super) fn is_due(&mut self, now: Instant, after: Duration) -> bool {
        let due = self
            .told
            .is_none_or(|told| now.saturating_duration_since(told) >= after);
        if due {
            self.told = Some(now);
        }
        due
    }

    /// Objects that are known, and bytes taken.
    pub(super) fn size(&self) -> (usize, usize) {
        let objects = self.principals.values().flat_map(|h| h.vaults.values());
        (objects.map(HashMap::len).sum(), self.bytes)
    }

    pub(super) fn principals(&self) -> impl Iterator<Item = (&PrincipalKey, &Holding)> {
        let principals = self.principals.iter();
        principals.map(|(key, holding)| (key.as_ref(), holding))
    }
}
