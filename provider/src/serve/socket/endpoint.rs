//! The `--endpoint` argument.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the provider listens: `unix://` and an absolute path, e.g. `unix:///provider/azure.sock`.
///
/// The file's stem is the provider's name in a SecretProviderClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(PathBuf);

/// Why a text is no [`Endpoint`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// A TCP address.
    #[error(
        "{0}: TCP is not served, because requests carry tokens and neither side of a TCP \
         connection would know the other; use unix:///path/to/azure.sock"
    )]
    Tcp(String),
    /// Another scheme, or none.
    #[error("{0}: an endpoint starts with unix://; use unix:///path/to/azure.sock")]
    Scheme(String),
    /// No absolute path, or one that names no file.
    #[error("{0}: the path must be absolute and name a file; use unix:///path/to/azure.sock")]
    Path(String),
}

impl Endpoint {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, path)) = text.split_once("://") else {
            return Err(EndpointError::Scheme(text.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "unix" => {
                let names_file = path.starts_with('/') && !path.ends_with('/');
                match Path::new(path).file_name() {
                    Some(_) if names_file && !path.contains('\0') => Ok(Self(path.into())),
                    _ => Err(EndpointError::Path(text.into())),
                }
            }
            "tcp" => Err(EndpointError::Tcp(text.into())),
            _ => Err(EndpointError::Scheme(text.into())),
        }
    }
}
