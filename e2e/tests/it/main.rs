//! The provider against the emulated Azure: real sockets, real TLS, the real SDKs in between.
//!
//! All logs of these tests, at the highest verbosity, and all values they use go to one folder, which
//! the `leaks` test searches afterwards.

mod bad_input;
mod connections;
mod identities;
mod mounts;
mod support;
