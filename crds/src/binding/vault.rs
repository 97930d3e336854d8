//! Which vault.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{self, GUID};

/// One vault, named or by its URI.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.name) != has(self.uri)")
        .message("exactly one of name and uri must be set: name for a vault of the cloud, uri for any other host"),
    validation = suffix_is_of_the_cloud()
)]
pub struct Vault {
    /// Name of the vault, as in `https://NAME.vault.azure.net`. Key Vault's rule: 3 to 24 letters, digits
    /// or single dashes, first a letter, last no dash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24))]
    #[x_kube(validation = vault_name())]
    pub name: Option<String>,

    /// URI of the vault, `https://` and a host; in place of `name` where the host is not the cloud's. The
    /// provider takes hosts under the suffix of the cloud and those it was told to allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 270))]
    #[x_kube(validation = rules::matches(
        r"^https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$",
        "must be https:// and a host, such as https://kv-payments.vault.azure.net"
    ))]
    pub uri: Option<String>,

    /// The cloud. It decides where tokens come from and, with `name`, the host of the vault.
    #[serde(default)]
    pub cloud: Cloud,

    /// The Entra tenant of the vault: a GUID or one of the tenant's domains.
    #[serde(rename = "tenantID")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = tenant())]
    pub tenant_id: String,
}

fn vault_name() -> Rule {
    Rule::new("self.matches('^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$') && !self.contains('--')")
        .message(
            "must be the name of a vault, not its URI: 3 to 24 letters, digits or single dashes, \
             first a letter, last no dash",
        )
}

fn tenant() -> Rule {
    let domain =
        r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+";
    rules::matches(
        &format!("^({GUID}|{domain})$"),
        "must be the vault's tenant, a GUID or a domain: az keyvault show --name NAME --query \
         properties.tenantId",
    )
}

/// A token of one cloud means nothing to a vault of another.
fn suffix_is_of_the_cloud() -> Rule {
    let clouds = Cloud::ALL.map(|cloud| {
        let (suffix, name) = (cloud.vault_suffix().replace('.', "[.]"), cloud.as_str());
        format!(
            "(!self.uri.lowerAscii().matches('[.]{suffix}(:[0-9]+)?/?$') || self.cloud == '{name}')"
        )
    });
    Rule::new(format!("!has(self.uri) || ({})", clouds.join(" && ")))
        .message("cloud must be that of the uri's host: AzurePublic for vault.azure.net, AzureUSGovernment for vault.usgovcloudapi.net, AzureChina for vault.azure.cn")
        .field_path(".cloud")
}

/// An Azure cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Cloud {
    /// The public cloud.
    #[default]
    AzurePublic,
    /// Azure US Government.
    AzureUSGovernment,
    /// Azure operated by 21Vianet in China.
    AzureChina,
}

impl Cloud {
    /// Every cloud there is.
    pub const ALL: [Self; 3] = [Self::AzurePublic, Self::AzureUSGovernment, Self::AzureChina];

    /// The word in a binding.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AzurePublic => "AzurePublic",
            Self::AzureUSGovernment => "AzureUSGovernment",
            Self::AzureChina => "AzureChina",
        }
    }

    /// What follows the vault's name and a dot in its host.
    const fn vault_suffix(self) -> &'static str {
        match self {
            Self::AzurePublic => "vault.azure.net",
            Self::AzureUSGovernment => "vault.usgovcloudapi.net",
            Self::AzureChina => "vault.azure.cn",
        }
    }
}
