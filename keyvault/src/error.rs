//! What can go wrong between us and Azure, told so that someone can act on it.
//!
//! `Display` is the sentence that reaches the pod's event: the failure, the object, the remedy, and
//! the same text at every try. What differs from try to try (request ids) and what is only of use to
//! a reader of logs is in the `log` methods. Neither ever holds a value, a token or a secret.

mod azure;
mod fetch;
mod reader;
mod token;

pub use fetch::{FetchError, FetchProblem, Forbidden};
pub use reader::Reader;
pub use token::{TokenError, TokenProblem};

pub(crate) use azure::Refusal;
pub(crate) use fetch::{overdue, problem, shortened};
pub(crate) use token::remedy;

/// What a failure means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// Entra or the vault does not accept who asks.
    Unauthenticated,
    /// The vault knows who asks, and refuses.
    PermissionDenied,
    /// There is no such object.
    NotFound,
    /// The object is there and cannot be used.
    FailedPrecondition,
    /// The request was wrong.
    InvalidArgument,
    /// Entra or the vault could not be reached, was overloaded or failed.
    Unreachable,
    /// An answer that makes no sense.
    Internal,
}

#[cfg(test)]
mod tests;
