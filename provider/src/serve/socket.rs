//! The unix socket on which the driver calls: where it is, how it changes hands between an old
//! and a new provider, and who may connect.
//!
//! A new provider binds under a temporary name and renames that over the old one, so a driver that
//! connects at any moment finds a listening socket. The old provider keeps accepting what was
//! queued on its own, now nameless, socket and must not unlink the name it has lost.
//!
//! A name that is gone, or leads to nobody, is taken again: without it no driver finds the provider,
//! and nobody would restart it.

mod bind;
mod endpoint;
mod file;
mod listener;
mod peers;
#[cfg(test)]
mod tests;

pub use bind::BindError;
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use file::is_live;
pub use file::{Loss, SocketFile};
pub use listener::SocketListener;
