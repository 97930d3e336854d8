//! The Azure clouds that are emulated, and which service a host name stands for.

/// An Azure cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Cloud {
    #[default]
    Public,
    UsGovernment,
    China,
}

/// What a host name of Azure stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Entra(Cloud),
    ResourceManager(Cloud),
    Vault,
}

impl Cloud {
    pub(crate) const ALL: [Self; 3] = [Self::Public, Self::UsGovernment, Self::China];

    /// Parses the spellings in use; the empty name is the public cloud.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "" | "azurepublic" | "azurepubliccloud" | "azurecloud" => Some(Self::Public),
            "azureusgovernment" | "azureusgovernmentcloud" => Some(Self::UsGovernment),
            "azurechina" | "azurechinacloud" => Some(Self::China),
            _ => None,
        }
    }

    pub(crate) fn login_host(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::UsGovernment => "login.microsoftonline.us",
            Self::China => "login.chinacloudapi.cn",
        }
    }

    /// Other names of the login host that clients know, as instance discovery tells them.
    pub(crate) fn login_aliases(self) -> &'static [&'static str] {
        match self {
            Self::Public => &[
                "login.microsoftonline.com",
                "login.windows.net",
                "login.microsoft.com",
                "sts.windows.net",
            ],
            Self::UsGovernment => &["login.microsoftonline.us", "login.usgovcloudapi.net"],
            Self::China => &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        }
    }

    pub(crate) fn management_host(self) -> &'static str {
        match self {
            Self::Public => "management.azure.com",
            Self::UsGovernment => "management.usgovcloudapi.net",
            Self::China => "management.chinacloudapi.cn",
        }
    }

    /// The audiences Resource Manager takes, without a slash at the end.
    pub(crate) fn management_audiences(self) -> [&'static str; 2] {
        match self {
            Self::Public => [
                "https://management.azure.com",
                "https://management.core.windows.net",
            ],
            Self::UsGovernment => [
                "https://management.usgovcloudapi.net",
                "https://management.core.usgovcloudapi.net",
            ],
            Self::China => [
                "https://management.chinacloudapi.cn",
                "https://management.core.chinacloudapi.cn",
            ],
        }
    }

    /// The host of the `iss` claim of version 1 access tokens.
    pub(crate) fn token_issuer_host(self) -> &'static str {
        match self {
            Self::Public | Self::UsGovernment => "sts.windows.net",
            Self::China => "sts.chinacloudapi.cn",
        }
    }

    pub(crate) fn vault_suffix(self) -> &'static str {
        match self {
            Self::Public => "vault.azure.net",
            Self::UsGovernment => "vault.usgovcloudapi.net",
            Self::China => "vault.azure.cn",
        }
    }

    pub(crate) fn federation_audience(self) -> &'static str {
        match self {
            Self::Public => "api://AzureADTokenExchange",
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }

    /// The `iss` claim of version 1 access tokens of a tenant.
    pub(crate) fn token_issuer(self, tenant_id: &str) -> String {
        format!("https://{}/{tenant_id}/", self.token_issuer_host())
    }

    /// The cloud of a vault's host or resource.
    pub(crate) fn of_vault(host: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|cloud| host.ends_with(cloud.vault_suffix()))
    }

    pub(crate) fn vault_resource(self) -> &'static str {
        match self {
            Self::Public => "https://vault.azure.net",
            Self::UsGovernment => "https://vault.usgovcloudapi.net",
            Self::China => "https://vault.azure.cn",
        }
    }
}

impl Target {
    /// The same; `served` says whether a vault has a host outside of Azure's domains.
    pub(crate) fn of_host_or(host: &str, served: impl FnOnce(&str) -> bool) -> Option<Self> {
        Self::of_host(host).or_else(|| served(host).then_some(Self::Vault))
    }

    /// What a host (lower case, no port) stands for; `None` if it is not one of Azure's.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        Cloud::ALL.into_iter().find_map(|cloud| {
            if host == cloud.login_host() {
                return Some(Self::Entra(cloud));
            }
            if host == cloud.management_host() {
                return Some(Self::ResourceManager(cloud));
            }
            let name = host.strip_suffix(cloud.vault_suffix())?.strip_suffix('.')?;
            (!name.is_empty() && !name.contains('.')).then_some(Self::Vault)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_their_service() {
        for (host, target) in [
            (
                "login.microsoftonline.com",
                Some(Target::Entra(Cloud::Public)),
            ),
            (
                "login.microsoftonline.us",
                Some(Target::Entra(Cloud::UsGovernment)),
            ),
            ("login.chinacloudapi.cn", Some(Target::Entra(Cloud::China))),
            (
                "management.azure.com",
                Some(Target::ResourceManager(Cloud::Public)),
            ),
            (
                "management.chinacloudapi.cn",
                Some(Target::ResourceManager(Cloud::China)),
            ),
            ("v1.vault.azure.net", Some(Target::Vault)),
            ("v1.vault.usgovcloudapi.net", Some(Target::Vault)),
            ("v1.vault.azure.cn", Some(Target::Vault)),
            ("vault.azure.net", None),
            (".vault.azure.net", None),
            ("a.b.vault.azure.net", None),
            ("v1.vault.azure.net.example.org", None),
            ("evilvault.azure.net", None),
        ] {
            assert_eq!(Target::of_host(host), target, "{host}");
        }
    }
}
