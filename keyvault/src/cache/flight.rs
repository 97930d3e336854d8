//! A read that is under way, and where it is.

use std::sync::{Arc, Mutex, PoisonError};

use super::ReadError;
use crate::{Session, flight};

pub(super) type Landed<T> = flight::Landed<T, ReadError>;

/// A read, or the request for the token it needs.
pub(super) type Flight<T = crate::Fetched> = flight::Flight<T, ReadError, Progress>;

/// Where a read is, for those whose time is over before it lands.
pub(super) struct Progress(Mutex<Waiting>);

/// What a read waits for.
#[derive(Clone)]
pub(super) enum Waiting {
    /// A token, asked for through this client.
    Token(Arc<Session>),
    /// The vault, asked through this client.
    Vault(Arc<Session>),
}

impl Progress {
    pub(super) fn new(waiting: Waiting) -> Arc<Self> {
        Arc::new(Self(Mutex::new(waiting)))
    }

    pub(super) fn now(&self, waiting: Waiting) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    pub(super) fn waiting(&self) -> Waiting {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.clone()
    }
}
