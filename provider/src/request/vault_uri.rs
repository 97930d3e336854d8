//! The parameter `vaultURI`: from a URL to the host of a vault that may be asked.
//!
//! It is taken apart here, byte by byte, and not by a general parser: those repair what they are
//! given (tabs, backslashes, full-width letters, numbers as addresses), and what is read here decides
//! where a token goes.

use vaultbind_keyvault::{AllowedHost, Cloud, NameError, VaultHost};

use super::error::Quoted;

/// Why a URL is refused. The URL itself is not quoted: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultUriError {
    /// Not the URL of a host and nothing else.
    #[error(
        "is not the https URL of a host without user, other port than 443, path or query: set \
             for example https://NAME.{suffix}/"
    )]
    Shape {
        /// Of the cloud's vaults.
        suffix: &'static str,
    },
    /// The name under the cloud's suffix is none of a vault.
    #[error("does not name a vault: {rule}")]
    Name {
        /// The rule.
        rule: NameError,
    },
    /// The host is neither a vault's nor allowed.
    #[error(
        "has host {host}, which is no vault of {cloud}: set https://NAME.{suffix}/ or \
             cloudName; another host has to be in the provider's --allow-vault-host"
    )]
    Host {
        /// The host.
        host: Quoted,
        /// The class's cloud.
        cloud: Cloud,
        /// Of the cloud's vaults.
        suffix: &'static str,
    },
}

/// The host that a URL stands for: a vault directly under the cloud's suffix, or one of `allowed`.
pub(super) fn host(
    text: &str,
    cloud: Cloud,
    allowed: &[AllowedHost],
) -> Result<VaultHost, VaultUriError> {
    let suffix = cloud.vault_suffix();
    let host = only_host(text).ok_or(VaultUriError::Shape { suffix })?;
    if let Some(allowed) = allowed.iter().find(|allowed| allowed.as_str() == host) {
        return Ok(allowed.into());
    }
    match host
        .strip_suffix(suffix)
        .and_then(|rest| rest.strip_suffix('.'))
    {
        Some(name) if !name.contains('.') => name
            .parse()
            .map(|name| VaultHost::new(cloud, &name))
            .map_err(|rule| VaultUriError::Name { rule }),
        _ => Err(VaultUriError::Host {
            host: Quoted::new(&host),
            cloud,
            suffix,
        }),
    }
}

/// The host, in lower case, of a URL that has nothing else.
fn only_host(text: &str) -> Option<String> {
    const SCHEME: &str = "https://";
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let clean = !host.is_empty() && host.bytes().all(plain);
    clean.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, VaultUriError> {
        let allowed = ["kv.corp.example".parse().unwrap()];
        host(text, Cloud::Public, &allowed).map(|host| host.host().to_owned())
    }

    #[test]
    fn the_url_of_a_vault_or_of_an_allowed_host_is_taken() {
        for (url, host) in [
            ("https://kv-pay.vault.azure.net", "kv-pay.vault.azure.net"),
            ("https://kv-pay.vault.azure.net/", "kv-pay.vault.azure.net"),
            (
                "https://kv-pay.vault.azure.net:443",
                "kv-pay.vault.azure.net",
            ),
            (
                "https://kv-pay.vault.azure.net:443/",
                "kv-pay.vault.azure.net",
            ),
            ("HTTPS://KV-Pay.Vault.Azure.NET/", "kv-pay.vault.azure.net"),
            ("https://kv.corp.example/", "kv.corp.example"),
            ("https://KV.corp.Example:443", "kv.corp.example"),
        ] {
            assert_eq!(read(url).as_deref(), Ok(host), "{url}");
        }
    }

    #[test]
    fn anything_but_an_https_url_of_a_host_is_refused() {
        for url in [
            "kv.vault.azure.net",
            "//kv.vault.azure.net",
            "http://kv.vault.azure.net",
            "ftp://kv.vault.azure.net",
            "https:kv.vault.azure.net",
            "https://",
            "https:///",
            "https://user@kv.vault.azure.net",
            "https://user:hidden@kv.vault.azure.net",
            "https://kv.vault.azure.net@evil.example",
            "https://kv.vault.azure.net:8443",
            "https://kv.vault.azure.net:",
            "https://kv.vault.azure.net:0443",
            "https://kv.vault.azure.net:443:443",
            "https://kv.vault.azure.net//",
            "https://kv.vault.azure.net/secrets",
            "https://kv.vault.azure.net?a=b",
            "https://kv.vault.azure.net/?a",
            "https://kv.vault.azure.net#a",
            "https://evil.example\\@kv.vault.azure.net",
            "https://evil.example\\.kv.vault.azure.net",
            "https://kv.vault\t.azure.net",
            "https://kv.vault.azure.net%2f.evil.example",
            "https://[::1]",
            "https://kv。vault.azure.net",
            "https://ｋｖ.vault.azure.net",
            "https://bücher.vault.azure.net",
        ] {
            let shape = VaultUriError::Shape {
                suffix: "vault.azure.net",
            };
            assert_eq!(read(url), Err(shape.clone()), "{url}");
            assert!(!shape.to_string().contains("hidden"));
        }
    }

    #[test]
    fn a_host_that_is_neither_a_vaults_nor_allowed_is_refused() {
        for url in [
            "https://vault.azure.net",
            "https://a.b.vault.azure.net",
            "https://kv.vault.azure.net.",
            "https://kv.vault.azure.net.evil.example",
            "https://kvvault.azure.net",
            "https://kv.xvault.azure.net",
            "https://kv.vault.azure.cn",
            "https://kv.privatelink.vaultcore.azure.net",
            "https://x.kv.corp.example",
            "https://corp.example",
            "https://kv.corp.example.",
            "https://login.microsoftonline.com",
            "https://management.azure.com",
            "https://127.0.0.1",
            "https://2130706433",
            "https://0x7f.1",
            "https://169.254.169.254",
            "https://localhost",
        ] {
            let refused = read(url);
            assert!(
                matches!(refused, Err(VaultUriError::Host { .. })),
                "{url}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_name_under_the_suffix_follows_the_rule_of_vaults() {
        for url in [
            "https://xn--bcher-kva.vault.azure.net",
            "https://.vault.azure.net",
            "https://ab.vault.azure.net",
            "https://1kv.vault.azure.net",
            "https://kv-.vault.azure.net",
        ] {
            let rule = NameError::Vault;
            assert_eq!(read(url), Err(VaultUriError::Name { rule }), "{url}");
        }
    }
}
