//! Names that come from outside, each parsed once into a type that cannot hold a bad one.
//!
//! The SDK pastes names into the request path unescaped, so a name that got past these types could
//! climb out of it. The rules are Key Vault's own:
//! <https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>.
//!
//! Names are keys of what is in memory and are cloned with every mount, so clones share the text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a vault name.
    #[error(
        "a vault name has 3 to 24 letters, digits or single dashes, starts with a letter and ends \
         with a letter or digit"
    )]
    Vault,
    /// Not an object name.
    #[error("an object name has 1 to 127 letters, digits or dashes")]
    Object,
    /// Not a version.
    #[error("a version is the 32 hexadecimal digits at the end of the object's identifier")]
    Version,
    /// Not a tenant.
    #[error("a tenant is a GUID or a domain name")]
    Tenant,
    /// Not a client id.
    #[error("a client id is a GUID")]
    Client,
    /// Not a host that can be allowed.
    #[error(
        "a further host of a vault is a full name in DNS, such as kv.corp.example: no address, port \
         or URL, and none of Azure's login or vault hosts"
    )]
    AllowedHost,
    /// Not an object type.
    #[error("an object type is secret, key or cert")]
    ObjectType,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $error:expr, $valid:expr, $normal:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                let normal: fn(&str) -> String = $normal;
                if valid(text) { Ok(Self(normal(text).into())) } else { Err($error) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A vault's name, kept in lower case because hosts are compared that way.
    VaultName,
    NameError::Vault,
    |text| {
        (3..=24).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && !text.ends_with('-')
            && !text.contains("--")
    },
    str::to_ascii_lowercase
);

name!(
    /// The name of a secret, key or certificate, kept as written; Key Vault ignores case.
    ObjectName,
    NameError::Object,
    |text| {
        (1..=127).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    },
    str::to_owned
);

name!(
    /// One version of an object: 32 hexadecimal digits, kept in lower case.
    VersionId,
    NameError::Version,
    |text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()),
    str::to_ascii_lowercase
);

name!(
    /// An Entra tenant: a GUID or one of its domain names, kept in lower case.
    TenantId,
    NameError::Tenant,
    |text| {
        (1..=253).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !text.contains("..")
            && !text.ends_with('.')
            && (text.contains('.') || is_guid(text))
    },
    str::to_ascii_lowercase
);

name!(
    /// The client (application) id of an identity: a GUID, kept in lower case.
    ClientId,
    NameError::Client,
    is_guid,
    str::to_ascii_lowercase
);

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The three kinds of objects a vault holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectType {
    /// A secret; also the private side of a certificate of the same name.
    Secret,
    /// A key, of which only the public part can be read.
    Key,
    /// A certificate without its chain and private key.
    Certificate,
}

impl ObjectType {
    /// The word used in a SecretProviderClass.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Certificate => "cert",
        }
    }

    /// The collection in a vault's paths and identifiers.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Key => "keys",
            Self::Certificate => "certificates",
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ObjectType {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "secret" => Ok(Self::Secret),
            "key" => Ok(Self::Key),
            "cert" => Ok(Self::Certificate),
            _ => Err(NameError::ObjectType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vault_names_follow_key_vaults_rule() {
        for good in ["abc", "kv-payments-prod", "A1b", "a23456789012345678901234"] {
            assert!(good.parse::<VaultName>().is_ok(), "{good}");
        }
        for bad in [
            "", "ab", "1ab", "-ab", "ab-", "a--b", "a_b", "a.b", "a/b", "ä-vault",
        ] {
            assert_eq!(bad.parse::<VaultName>(), Err(NameError::Vault), "{bad}");
        }
        assert_eq!(
            "a234567890123456789012345".parse::<VaultName>(),
            Err(NameError::Vault)
        );
    }

    #[test]
    fn versions_are_32_hexadecimal_digits() {
        let version = "0123456789ABCDEF0123456789abcdef";
        assert_eq!(
            version.parse::<VersionId>().map(|v| v.as_str().to_owned()),
            Ok(version.to_lowercase())
        );
        for bad in ["", "latest", "0123", &"g".repeat(32), &"a".repeat(33)] {
            assert_eq!(bad.parse::<VersionId>(), Err(NameError::Version), "{bad}");
        }
    }

    #[test]
    fn a_tenant_is_a_guid_or_a_domain() {
        for good in [
            "11111111-2222-3333-4444-555555555555",
            "contoso.onmicrosoft.com",
        ] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "contoso",
            "a..b",
            ".a.b",
            "a.b.",
            "a/b.c",
            "../adfs.x",
            "a b.c",
        ] {
            assert_eq!(bad.parse::<TenantId>(), Err(NameError::Tenant), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_can_leave_its_path_segment(text in ".{0,140}") {
            let accepted = [
                text.parse::<VaultName>().map(|n| n.to_string()),
                text.parse::<ObjectName>().map(|n| n.to_string()),
                text.parse::<VersionId>().map(|n| n.to_string()),
            ];
            for name in accepted.into_iter().flatten() {
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            }
        }
    }
}
