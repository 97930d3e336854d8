//! What was made of a PFX before, so that a volume that is mounted again costs no key derivation.
//!
//! A value that the cache has let go, because access to it was revoked, must not live on here. So
//! each text is kept encrypted, under a key that is derived from the value it was made of: whoever
//! has the value can read the text, and when the last copy of the value is gone, the text is too.
//! That makes the memo independent of who holds values and for how long.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::SystemRandom;
use vaultbind_render::{Error, Opened, Opening};
use zeroize::Zeroizing;

use crate::lru::{Limits, Lru};

const LIMITS: Limits = Limits {
    entries: 256,
    bytes: 4 * 1024 * 1024,
};

type Name = [u8; 32];
/// An encrypted text, or why there is none.
type Kept = Result<Arc<[u8]>, Error>;

/// The PFX files that were opened last, also those that cannot be opened.
pub(super) struct Memo {
    /// Of this process, so that a name says nothing about a value. Without randomness there is no
    /// memo, only its cost.
    key: Option<hmac::Key>,
    entries: Mutex<Lru<Name, Kept>>,
    /// Those that are being opened.
    flights: Mutex<HashMap<Name, Arc<Mutex<()>>>>,
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            key: hmac::Key::generate(hmac::HMAC_SHA512, &SystemRandom::new()).ok(),
            entries: Mutex::new(Lru::new(LIMITS)),
            flights: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memo {
    /// What `value` was opened to before, in this way.
    pub(super) fn get(&self, value: &[u8], how: Opening) -> Option<Result<Opened, Error>> {
        let (name, key) = self.place(value, how)?;
        self.find(&name, &key)
    }

    /// The same, or else what `open` makes of it. However many ask for one value, it is opened once.
    pub(super) fn get_or_open(
        &self,
        value: &[u8],
        how: Opening,
        open: impl FnOnce() -> Result<Opened, Error>,
    ) -> Result<Opened, Error> {
        let Some((name, key)) = self.place(value, how) else {
            return open();
        };
        let flight = self.flight(name);
        let _alone = lock(&flight.turn);
        if let Some(found) = self.find(&name, &key) {
            return found;
        }
        let opened = open();
        let kept = match &opened {
            Ok(opened) => seal(&key, opened).map(Ok),
            Err(error) => Some(Err(error.clone())),
        };
        if let Some(kept) = kept {
            let bytes = size_of::<Name>() + kept.as_ref().map_or(64, |sealed| sealed.len());
            lock(&self.entries).insert(name, kept, bytes);
        }
        opened
    }

    fn flight(&self, name: Name) -> Flight<'_> {
        let turn = Arc::clone(lock(&self.flights).entry(name).or_default());
        Flight {
            memo: self,
            name,
            turn,
        }
    }

    /// Where a value's text is kept, and the key that opens it.
    fn place(&self, value: &[u8], how: Opening) -> Option<(Name, Zeroizing<[u8; 32]>)> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        context.update(&[how.tag()]);
        context.update(value);
        let tag = context.sign();
        let (name, key) = tag.as_ref().split_first_chunk::<32>()?;
        Some((*name, Zeroizing::new(key.try_into().ok()?)))
    }

    fn find(&self, name: &Name, key: &[u8; 32]) -> Option<Result<Opened, Error>> {
        let kept = lock(&self.entries).get(name)?.clone();
        match kept {
            Ok(sealed) => unseal(key, &sealed).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

/// One of those who want the same value opened. The last to leave takes the entry along.
struct Flight<'a> {
    memo: &'a Memo,
    name: Name,
    turn: Arc<Mutex<()>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = lock(&self.memo.flights);
        // The map's own and this one.
        if Arc::strong_count(&self.turn) == 2 {
            flights.remove(&self.name);
        }
    }
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key)
        .ok()
        .map(LessSafeKey::new)
}

/// One key encrypts one text, ever the same: opening a PFX is a pure function of what the key is
/// derived from.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Bytes before what else is sealed.
const FLAGS: usize = 2;

fn seal(key: &[u8; 32], opened: &Opened) -> Option<Arc<[u8]>> {
    let chain = opened.chain.to_be_bytes();
    let room = FLAGS + chain.len() + opened.text.len() + CHACHA20_POLY1305.tag_len();
    let mut sealed = Zeroizing::new(Vec::with_capacity(room));
    sealed.push(u8::from(opened.incomplete));
    sealed.push(u8::from(opened.foreign_key));
    sealed.extend_from_slice(&chain);
    sealed.extend_from_slice(opened.text.as_bytes());
    cipher(key)?
        .seal_in_place_append_tag(nonce(), Aad::empty(), &mut *sealed)
        .ok()?;
    Some(sealed.as_slice().into())
}

fn unseal(key: &[u8; 32], sealed: &[u8]) -> Option<Opened> {
    let mut plain = Zeroizing::new(sealed.to_vec());
    let plain = cipher(key)?
        .open_in_place(nonce(), Aad::empty(), &mut plain)
        .ok()?;
    let (flags, plain) = plain.split_first_chunk::<FLAGS>()?;
    let (chain, text) = plain.split_first_chunk()?;
    let [incomplete, foreign_key] = *flags;
    let text = Zeroizing::new(std::str::from_utf8(text).ok()?.to_owned());
    Some(Opened {
        text,
        incomplete: incomplete == 1,
        foreign_key: foreign_key == 1,
        chain: u32::from_be_bytes(*chain),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const CHAIN: Opening = Opening::Pfx { chain: true };
    const PLAIN: Opening = Opening::Pfx { chain: false };

    fn opened(text: &str) -> Opened {
        Opened {
            text: Zeroizing::new(text.to_owned()),
            incomplete: text.ends_with('!'),
            foreign_key: text.is_empty(),
            chain: u32::try_from(text.len()).unwrap(),
        }
    }

    fn never() -> Result<Opened, Error> {
        panic!("opened again")
    }

    #[test]
    fn what_was_opened_is_found_again_by_its_value_alone() {
        let memo = Memo::default();
        for text in ["", "a key", "no chain!"] {
            let value = format!("pfx of {text}");
            let made = || Ok(opened(text));
            assert!(memo.get(value.as_bytes(), CHAIN).is_none());
            let first = memo.get_or_open(value.as_bytes(), CHAIN, made).unwrap();
            let again = memo.get_or_open(value.as_bytes(), CHAIN, never).unwrap();
            let found = memo.get(value.as_bytes(), CHAIN).unwrap().unwrap();
            assert_eq!((&first, &again), (&opened(text), &opened(text)));
            assert_eq!(found, first);
            for other in [PLAIN, Opening::Pem] {
                assert!(
                    memo.get(value.as_bytes(), other).is_none(),
                    "opened otherwise"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_opened_is_remembered_as_such() {
        let memo = Memo::default();
        let broken = || Err(Error::PfxNotBase64);
        let first = memo.get_or_open(b"pfx", CHAIN, broken);
        assert_eq!(first, Err(Error::PfxNotBase64));
        assert_eq!(memo.get_or_open(b"pfx", CHAIN, never), first);
    }

    #[test]
    fn many_who_ask_at_once_open_it_once() {
        let memo = Memo::default();
        let openings = AtomicUsize::new(0);
        let everybody = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    everybody.wait();
                    let made = memo.get_or_open(b"pfx", CHAIN, || {
                        openings.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        Ok(opened("key"))
                    });
                    assert_eq!(made, Ok(opened("key")));
                });
            }
        });
        assert_eq!(openings.load(Ordering::Relaxed), 1);
        assert!(lock(&memo.flights).is_empty());
    }

    #[test]
    fn without_the_value_the_text_cannot_be_read() {
        let memo = Memo::default();
        let made = memo.get_or_open(b"pfx", CHAIN, || Ok(opened("the private key")));
        assert!(made.is_ok());
        let (name, key) = memo.place(b"pfx", CHAIN).unwrap();
        let (_, other) = memo.place(b"another pfx", CHAIN).unwrap();
        let kept = lock(&memo.entries).get(&name).unwrap().clone().unwrap();
        assert!(!kept.windows(7).any(|part| part == b"private"));
        assert_eq!(unseal(&other, &kept), None);
        assert_eq!(unseal(&key, &kept), Some(opened("the private key")));
    }

    #[test]
    fn a_panic_while_one_is_opened_costs_nobody_else_anything() {
        let memo = Memo::default();
        let bug = || memo.get_or_open(b"pfx", CHAIN, || panic!("bug"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(bug));
        assert!(panicked.is_err());
        let made = memo.get_or_open(b"pfx", CHAIN, || Ok(opened("key")));
        assert_eq!(made, Ok(opened("key")));
        assert!(lock(&memo.flights).is_empty());
    }
}
