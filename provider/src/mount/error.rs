use std::sync::Arc;

use vaultbind_keyvault::cache::ReadError;
use vaultbind_keyvault::{Category, FetchError, TokenError};

use crate::render::{RenderError, RenderFailure};
use crate::request::{Object, RequestError};

/// Why a mount failed. `Display` is what stands in the pod's event.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The request itself.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No token.
    #[error(transparent)]
    Token(Box<TokenError>),
    /// One or more objects could not be read.
    #[error("{0}")]
    Fetch(Box<FetchFailure>),
    /// An object was read and cannot take the form asked for.
    #[error("{object_type} {name}: {error}")]
    Render {
        /// Its type.
        object_type: &'static str,
        /// Its name.
        name: String,
        /// What is wrong.
        #[source]
        error: RenderError,
    },
    /// Two files of the answer have one path, or one is a folder of another.
    #[error(
        "{path} would be two files, or a file and a folder (certificate and key go to separate \
         files): give one of the objects another objectAlias"
    )]
    Collision {
        /// The path.
        path: String,
    },
    /// The time was over before the PFX files were open.
    #[error(
        "there was no time left to open the PFX files of this volume, as others were being opened; \
         the mount is tried again"
    )]
    Busy,
    /// The runtime went away under the mount.
    #[error("the provider is stopping; the mount is tried again")]
    Stopped,
    /// The answer is larger than the driver takes.
    #[error(
        "the volume's files make an answer of more than the {limit} bytes that the driver takes: \
         split the SecretProviderClass, or raise --max-call-recv-msg-size there and \
         --max-message-bytes here"
    )]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
}

/// The failure that is told, and those that only the log tells.
#[derive(Debug)]
pub struct FetchFailure {
    first: FetchError,
    others: Vec<FetchError>,
}

impl FetchFailure {
    /// `errors` in the order of the class's objects. A refusal is told before an outage, which may
    /// hit any of the objects from try to try.
    pub(super) fn of(errors: Vec<FetchError>) -> Option<Self> {
        let outage = |error: &FetchError| error.category() == Category::Unreachable;
        let mut errors = errors;
        errors.sort_by_key(outage);
        let mut errors = errors.into_iter();
        Some(Self {
            first: errors.next()?,
            others: errors.collect(),
        })
    }

    /// Every failure.
    pub fn all(&self) -> impl Iterator<Item = &FetchError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl std::fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.first)?;
        // An outage hits a varying number of objects, and each text is another event.
        let refused = |e: &&FetchError| e.category() != Category::Unreachable;
        match self.others.iter().filter(refused).count() {
            0 => Ok(()),
            1 => write!(f, " (1 more object failed)"),
            more => write!(f, " ({more} more objects failed)"),
        }
    }
}

impl MountError {
    /// The failure of a mount whose objects failed so, in the order of its class; `None` if none
    /// did. Without a token no object can be read, so that comes first.
    pub(super) fn unread(errors: Vec<Arc<ReadError>>) -> Option<Self> {
        let mut fetch = Vec::new();
        for error in errors {
            match Arc::unwrap_or_clone(error) {
                ReadError::Token(error) => return Some(Self::Token(Box::new(error))),
                ReadError::Fetch(error) => fetch.push(error),
            }
        }
        FetchFailure::of(fetch).map(|failure| Self::Fetch(Box::new(failure)))
    }

    pub(super) fn render(objects: &[Object], failure: RenderFailure) -> Self {
        match failure {
            RenderFailure::Object { index, error } => {
                let object = objects.get(index);
                Self::Render {
                    object_type: object.map_or("object", |object| object.object_type.as_str()),
                    name: object.map_or_else(String::new, |object| object.name.to_string()),
                    error,
                }
            }
            RenderFailure::Deadline => Self::Busy,
            RenderFailure::Stopped => Self::Stopped,
        }
    }

    /// What the failure means for the caller.
    pub fn category(&self) -> Category {
        match self {
            Self::Request(_) => Category::InvalidArgument,
            Self::Token(error) => error.category(),
            Self::Fetch(failure) => failure.first.category(),
            Self::Render { .. } => Category::FailedPrecondition,
            Self::Busy => Category::Unreachable,
            Self::Stopped => Category::Internal,
            Self::Collision { .. } | Self::TooLarge { .. } => Category::InvalidArgument,
        }
    }

    /// The vault's or Entra's answers behind the failure.
    pub fn fetch_errors(&self) -> impl Iterator<Item = &FetchError> {
        let failure = match self {
            Self::Fetch(failure) => Some(failure.as_ref()),
            _ => None,
        };
        failure.into_iter().flat_map(FetchFailure::all)
    }
}
