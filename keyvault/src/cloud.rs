//! The Azure clouds and the endpoints that differ between them.

use std::fmt;
use std::str::FromStr;

/// An Azure cloud. Names parse without regard to case, and both the Azure CLI's and the Go
/// provider's spellings are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cloud {
    /// The public cloud.
    #[default]
    Public,
    /// Azure US Government.
    UsGovernment,
    /// Azure operated by 21Vianet in China.
    China,
}

impl Cloud {
    /// Every cloud there is.
    pub const ALL: [Self; 3] = [Self::Public, Self::UsGovernment, Self::China];

    /// The name used in a SecretProviderClass and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "AzurePublicCloud",
            Self::UsGovernment => "AzureUSGovernmentCloud",
            Self::China => "AzureChinaCloud",
        }
    }

    /// Host of Entra's token endpoint.
    pub fn login_host(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::UsGovernment => "login.microsoftonline.us",
            Self::China => "login.chinacloudapi.cn",
        }
    }

    /// What follows the vault's name and a dot in the vault's host.
    pub fn vault_suffix(self) -> &'static str {
        match self {
            Self::Public => "vault.azure.net",
            Self::UsGovernment => "vault.usgovcloudapi.net",
            Self::China => "vault.azure.cn",
        }
    }

    /// The resource a vault of this cloud demands tokens for.
    pub fn vault_resource(self) -> &'static str {
        match self {
            Self::Public => "https://vault.azure.net",
            Self::UsGovernment => "https://vault.usgovcloudapi.net",
            Self::China => "https://vault.azure.cn",
        }
    }

    /// The scope of such a token.
    pub fn vault_scope(self) -> &'static str {
        match self {
            Self::Public => "https://vault.azure.net/.default",
            Self::UsGovernment => "https://vault.usgovcloudapi.net/.default",
            Self::China => "https://vault.azure.cn/.default",
        }
    }

    /// Host of Azure Resource Manager.
    pub fn management_host(self) -> &'static str {
        match self {
            Self::Public => "management.azure.com",
            Self::UsGovernment => "management.usgovcloudapi.net",
            Self::China => "management.chinacloudapi.cn",
        }
    }

    /// The scope of a token for it.
    pub fn management_scope(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com/.default",
            Self::UsGovernment => "https://management.usgovcloudapi.net/.default",
            Self::China => "https://management.chinacloudapi.cn/.default",
        }
    }

    /// The audience that a federated identity credential of this cloud has by default.
    pub fn federation_audience(self) -> &'static str {
        match self {
            Self::Public => "api://AzureADTokenExchange",
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A cloud name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown cloud: use AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud")]
pub struct UnknownCloud;

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "azurepublic" | "azurepubliccloud" | "azurecloud" => Ok(Self::Public),
            "azureusgovernment" | "azureusgovernmentcloud" => Ok(Self::UsGovernment),
            "azurechina" | "azurechinacloud" => Ok(Self::China),
            _ => Err(UnknownCloud),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_parses_from_its_own_name_in_any_case() {
        for cloud in Cloud::ALL {
            assert_eq!(cloud.name().parse(), Ok(cloud));
            assert_eq!(cloud.name().to_uppercase().parse(), Ok(cloud));
        }
        assert_eq!("AzureCloud".parse(), Ok(Cloud::Public));
        assert_eq!("AzureUSGovernment".parse(), Ok(Cloud::UsGovernment));
        assert_eq!("AzureMoonCloud".parse::<Cloud>(), Err(UnknownCloud));
    }

    #[test]
    fn a_token_for_resource_manager_is_for_its_host() {
        for cloud in Cloud::ALL {
            let scope = format!("https://{}/.default", cloud.management_host());
            assert_eq!(cloud.management_scope(), scope);
        }
    }

    #[test]
    fn the_resource_is_a_parent_domain_of_every_vault() {
        for cloud in Cloud::ALL {
            assert_eq!(
                cloud.vault_resource(),
                format!("https://{}", cloud.vault_suffix())
            );
            assert_eq!(
                cloud.vault_scope(),
                format!("{}/.default", cloud.vault_resource())
            );
        }
    }
}
