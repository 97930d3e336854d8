//! The unix socket on which the driver calls: where it is, how it changes hands between an old
//! and a new provider, and who may connect.
//!
//! A new provider binds under a temporary name and renames that over the old one, so a driver that
//! connects at any moment finds a listening socket. The old provider keeps accepting what was
//! queued on its own, now nameless, socket and must not unlink the name it has lost.

mod endpoint;
mod file;
mod listener;
mod peers;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointError};
pub use file::{Loss, SocketFile};
pub use listener::{BindError, SocketListener};
