//! Hosts at which vaults are reached.
//!
//! A token for the vaults of a cloud goes to such a host, so there are two ways to one and no third:
//! a name directly under the cloud's own suffix, and a host that whoever runs the process has allowed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Cloud, NameError, VaultName};

/// The host of a vault, with the name that it is told by. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultHost {
    host: Arc<str>,
    /// Bytes of the host that are the vault's name; all of them for an allowed host.
    name: usize,
}

impl VaultHost {
    /// The host of a cloud's vault.
    pub fn new(cloud: Cloud, name: &VaultName) -> Self {
        Self {
            host: [name.as_str(), ".", cloud.vault_suffix()].concat().into(),
            name: name.as_str().len(),
        }
    }

    /// The whole host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The vault's name; of an allowed host the host.
    pub fn name(&self) -> &str {
        self.host.get(..self.name).unwrap_or(&self.host)
    }

    /// Whether it lies outside of the cloud's own domain.
    pub(crate) fn is_foreign(&self) -> bool {
        self.name == self.host.len()
    }
}

impl From<&AllowedHost> for VaultHost {
    fn from(AllowedHost(host): &AllowedHost) -> Self {
        Self {
            host: Arc::clone(host),
            name: host.len(),
        }
    }
}

impl fmt::Display for VaultHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A host outside of the clouds' own domains to which tokens for vaults may be sent, in lower case.
///
/// It is a name in DNS with at least one dot: no address, no port. A login host is none, and a
/// vault's own host needs no leave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllowedHost(Arc<str>);

impl AllowedHost {
    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedHost {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // Whatever ends in a number is an address to somebody.
        let is_name = host
            .rsplit_once('.')
            .is_some_and(|(_, last)| last.starts_with(|c: char| c.is_ascii_alphabetic()));
        let is_azures = Cloud::ALL.iter().any(|cloud| {
            let below = host.strip_suffix(cloud.vault_suffix());
            host == cloud.login_host()
                || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        if host.len() <= 253 && is_name && !is_azures && host.split('.').all(label) {
            Ok(Self(host.into()))
        } else {
            Err(NameError::AllowedHost)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_of_a_cloud_is_told_by_its_name() {
        let host = VaultHost::new(Cloud::China, &"KV-Payments".parse().unwrap());
        assert_eq!(host.host(), "kv-payments.vault.azure.cn");
        assert_eq!(
            (host.name(), host.to_string()),
            ("kv-payments", "kv-payments".to_owned())
        );
        assert!(!host.is_foreign());
    }

    #[test]
    fn an_allowed_host_is_told_in_full() {
        let host = VaultHost::from(&"KV.corp.example".parse().unwrap());
        assert_eq!(
            (host.host(), host.name()),
            ("kv.corp.example", "kv.corp.example")
        );
        assert!(host.is_foreign());
    }

    #[test]
    fn only_names_outside_of_azures_own_domains_can_be_allowed() {
        for good in [
            "kv.corp.example",
            "a.b",
            "kv.vaultcore.azure.net",
            "xn--bcher-kva.example",
            "evilvault.azure.net",
        ] {
            assert!(good.parse::<AllowedHost>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "kv",
            ".kv.example",
            "kv.example.",
            "kv..example",
            "kv.example:443",
            "https://kv.example",
            "kv.example/",
            "*.example",
            "10.0.0.1",
            "kv.example.1",
            "[::1]",
            "0x7f.1",
            "bücher.example",
            "-kv.example",
            "kv-.example",
            "kv_a.example",
            "kv.exa mple",
            "u@kv.example",
            "login.microsoftonline.com",
            "vault.azure.net",
            "kv.vault.azure.net",
            "a.b.vault.azure.cn",
            &format!("{}.example", "a".repeat(64)),
            &format!("{}example", "a.".repeat(124)),
        ] {
            assert_eq!(
                bad.parse::<AllowedHost>(),
                Err(NameError::AllowedHost),
                "{bad}"
            );
        }
    }
}
