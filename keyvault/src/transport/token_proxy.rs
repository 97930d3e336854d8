//! The token proxy of an AKS cluster, which stands in for Entra where an identity is bound to the
//! cluster: an address, a name for the TLS handshake, and authorities of its own.
//!
//! It is never reached through `HTTPS_PROXY`: it lies in the cluster, and what stands between would
//! not know its name.

mod authorities;
mod server_name;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::DnsName;
use url::Url;

use super::Unreachable;
use crate::Cloud;
pub(super) use authorities::Authorities;
use authorities::Latest;

/// How the token proxy is reached.
#[derive(Debug, Clone)]
pub struct TokenProxy {
    /// Its address.
    pub url: TokenProxyUrl,
    /// The server name in the TLS handshake. Without it, the name is derived from the certificate of
    /// the API server at the same address, as AKS does.
    pub server_name: Option<TokenProxyName>,
    /// PEM file with the authorities that are trusted there, and no others are. Read for each
    /// request, because a cluster may change them.
    pub ca_file: PathBuf,
}

/// The `https` URL of a token proxy: a host, at most a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenProxyUrl(Url);

/// A URL that no token proxy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use an https URL without user, query and fragment, other than Entra's")]
pub struct TokenProxyUrlError;

impl FromStr for TokenProxyUrl {
    type Err = TokenProxyUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| TokenProxyUrlError)?;
        let host = url.host_str().unwrap_or_default();
        let is_entra = Cloud::ALL.iter().any(|cloud| cloud.login_host() == host);
        let plain = url.scheme() == "https"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain && !host.is_empty() && !is_entra {
            Ok(Self(url))
        } else {
            Err(TokenProxyUrlError)
        }
    }
}

impl fmt::Display for TokenProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TokenProxyUrl {
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether a request for this URL goes to the proxy.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        url.host_str() == self.0.host_str()
            && url.port_or_known_default() == self.0.port_or_known_default()
    }

    /// Entra's URL as it is at the proxy: path and query are kept.
    pub(crate) fn rewrite(&self, entra: &Url) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}{}", self.0.path().trim_end_matches('/'), entra.path());
        url.set_path(&path);
        url.set_query(entra.query());
        url
    }
}

/// A server name for the TLS handshake with a token proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenProxyName(String);

/// A text that is no server name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use a DNS name such as abc.ests.aks, without scheme and port")]
pub struct TokenProxyNameError;

impl FromStr for TokenProxyName {
    type Err = TokenProxyNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match DnsName::try_from(text) {
            Ok(name) => Ok(Self(name.as_ref().to_owned())),
            Err(_) => Err(TokenProxyNameError),
        }
    }
}

impl fmt::Display for TokenProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The token proxy with what has been learnt of it.
#[derive(Debug)]
pub(super) struct Gate {
    settings: TokenProxy,
    latest: Latest,
    /// A cluster keeps its name.
    derived_name: OnceLock<String>,
}

impl Gate {
    pub(super) fn new(settings: TokenProxy) -> Arc<Self> {
        Arc::new(Self {
            settings,
            latest: Latest::default(),
            derived_name: OnceLock::new(),
        })
    }

    pub(super) fn url(&self) -> &TokenProxyUrl {
        &self.settings.url
    }

    /// The authorities that are trusted now.
    pub(super) fn authorities(&self) -> Result<Arc<Authorities>, Unreachable> {
        self.latest.read(&self.settings.ca_file)
    }

    /// The server name, as far as it is known.
    pub(super) fn server_name(&self) -> Option<&str> {
        let given = self
            .settings
            .server_name
            .as_ref()
            .map(|name| name.0.as_str());
        given.or_else(|| self.derived_name.get().map(String::as_str))
    }

    /// Learns the server name from the verified certificate of the API server at the same address.
    pub(super) fn derive_name(&self, certificate: &[u8]) -> Result<&str, Unreachable> {
        match server_name::derived_name(certificate) {
            Some(name) => Ok(self.derived_name.get_or_init(|| name)),
            None => Err(Unreachable::TokenProxy {
                reason: format!(
                    "the certificate of {} does not tell its server name: set --sni-name",
                    self.url().host()
                ),
            }),
        }
    }
}
