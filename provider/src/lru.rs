//! A map that forgets what was not used for longest, bounded in entries and in bytes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// What a map may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    limits: Limits,
    entries: HashMap<K, Entry<V>>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            bytes: 0,
            clock: 0,
        }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(&entry.value)
    }

    /// Keeps a value that takes `bytes`. One that would push out a good part of the others by
    /// itself is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        if bytes > self.limits.bytes / 4 {
            return;
        }
        while self.entries.len() >= self.limits.entries || self.bytes + bytes > self.limits.bytes {
            // The maps are small, and what fits in them needs no room to be made.
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.remove(&oldest);
        }
        self.clock += 1;
        self.bytes += bytes;
        let used = self.clock;
        self.entries.insert(key, Entry { value, bytes, used });
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut map = Lru::new(Limits {
            entries: 3,
            bytes: 1000,
        });
        for key in ["a", "b", "c"] {
            map.insert(key, key.len(), 10);
        }
        assert!(map.get("a").is_some());
        map.insert("d", 1, 10);
        let mut left = ["a", "b", "c", "d"].to_vec();
        left.retain(|key| map.get(key).is_some());
        assert_eq!(left, ["a", "c", "d"]);
        assert_eq!(map.bytes, 30);
    }

    #[test]
    fn bytes_are_bounded_and_what_is_too_large_is_not_kept() {
        let mut map = Lru::new(Limits {
            entries: 100,
            bytes: 1000,
        });
        for key in 0..100 {
            map.insert(key, (), 249);
            assert!(map.bytes <= 1000);
        }
        assert_eq!(map.entries.len(), 4);
        map.insert(99, (), 251);
        assert_eq!(map.get(&99), None);
        assert_eq!(map.entries.len(), 3);
        assert_eq!(map.bytes, 3 * 249);
    }

    #[test]
    fn a_key_that_comes_again_is_counted_once() {
        let mut map = Lru::new(Limits {
            entries: 2,
            bytes: 100,
        });
        for value in 0..10 {
            map.insert("a", value, 20);
        }
        assert_eq!(map.get("a"), Some(&9));
        assert_eq!(map.bytes, 20);
    }
}
