//! From what a vault served to the bytes that a file of a volume or a key of a Kubernetes Secret holds:
//! bytes in, bytes out, no I/O.
//!
//! Whoever mounts a version and whoever copies it into a Secret come here, so that they hold the same
//! bytes. They are the same on every node and after every restart, because the CSI driver rewrites a
//! volume, and restarts what watches it, when a single one differs.
//!
//! Opening a PFX is the one step that costs. It is a function of its own, [`Opening::open`], which the
//! caller hands in: where it runs and how often is for the caller to say.

mod decode;
mod error;
mod opening;
mod parts;
mod whole;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use opening::{Opened, Opening};
pub use parts::{Part, Parts, parts, parts_opening};
pub use whole::{Encoding, Format, Rendered, Whole, whole, whole_opening};

use vaultbind_keyvault::{Fetched, Sensitive};

/// What an object becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// All of it. A secret is decoded; of a key it is the public part as PEM, of a certificate the leaf.
    Whole(Encoding),
    /// One part of a certificate.
    Part(Part),
}

/// The bytes of one object in one form, as the provider mounts them unless its command line says
/// otherwise. `open` is [`Opening::open`] or what remembers what came of it.
///
/// # Errors
/// When the vault's content cannot take that form.
pub fn bytes(
    fetched: &Fetched,
    form: Form,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, Error>,
) -> Result<Sensitive, Error> {
    match form {
        Form::Whole(encoding) => {
            let how = Whole {
                encoding,
                ..Whole::default()
            };
            whole(&fetched.content, how, open).map(|rendered| rendered.bytes)
        }
        Form::Part(part) => {
            let made = parts(&fetched.content, &[part], open)?;
            let first = made.files.into_iter().next();
            first.map(|(_, bytes)| bytes).ok_or(Error::NoChain)
        }
    }
}
