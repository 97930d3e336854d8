//! A scene in which identity and vault are there, and nothing that lets the one read the other.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vaultbind_azure::Seed;
use vaultbind_e2e::stage::{TENANT, random};

use super::{ACCOUNT, Scene, World, account, value};
use crate::site::{Shared, Site};

/// The subscription of all of them.
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-0000000000a8";

impl World {
    /// A namespace with a ServiceAccount, an identity and a vault with secrets.
    pub(crate) async fn unprovisioned(site: &Site, prefix: &str, secrets: &[&str]) -> Self {
        let secret = |name: &&str| ((*name).to_owned(), value());
        let values: BTreeMap<String, String> = secrets.iter().map(secret).collect();
        let namespace = site.server.namespace(prefix).await.unwrap();
        account(&site.server.client().unwrap(), &namespace, ACCOUNT).await;
        let digits = random("kv").split_off(3);
        let world = Self {
            identity: guid(&digits),
            vault: format!("kv-{}", &digits[..16]),
            namespace,
            values,
        };
        let created = "2025-01-01T00:00:00Z";
        let secrets = world.values.iter();
        let secrets: Vec<Value> = secrets
            .map(|(name, value)| json!({"name": name, "value": value, "created": created}))
            .collect();
        world.seed(
            site,
            &json!({
                "vaults": [{
                    "name": world.vault,
                    "tenantID": TENANT,
                    "subscriptionID": SUBSCRIPTION.rsplit_once('/').unwrap().1,
                    "resourceGroup": world.namespace,
                    "secrets": secrets,
                }],
                "arm": {"identities": [{
                    "resourceID": world.identity_id("app"),
                    "tenantID": TENANT,
                    "clientID": world.identity,
                }]},
            }),
        );
        world
    }

    /// Adds to what Azure has.
    pub(crate) fn seed(&self, site: &Site, seed: &Value) {
        let seed: Seed = serde_json::from_value(seed.clone()).unwrap();
        site.stage.azure.seed(&seed).unwrap();
    }

    /// Resource id of an identity of this name.
    pub(crate) fn identity_id(&self, name: &str) -> String {
        format!(
            "{SUBSCRIPTION}/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            self.namespace
        )
    }

    /// Resource id of the vault.
    pub(crate) fn vault_id(&self) -> String {
        format!(
            "{SUBSCRIPTION}/resourceGroups/{}/providers/Microsoft.KeyVault/vaults/{}",
            self.namespace, self.vault
        )
    }

    /// What a binding says that wants both, and a class of the namespace's name.
    pub(crate) fn provisioning(&self) -> Value {
        json!({
            "vaultClassName": self.namespace,
            "identity": {
                "clientID": self.identity,
                "serviceAccountName": ACCOUNT,
                "federatedCredential": {"identityResourceID": self.identity_id("app")},
            },
            "access": {"roleAssignment": {"vaultResourceID": self.vault_id()}},
        })
    }
}

impl Scene {
    /// On one of the sites.
    pub(crate) async fn unprovisioned(
        shared: &'static Shared,
        prefix: &str,
        secrets: &[&str],
    ) -> Self {
        let world = World::unprovisioned(&shared.site, prefix, secrets).await;
        Self {
            shared,
            client: shared.site.server.client().unwrap(),
            world,
            finished: false,
        }
    }

    /// What runs.
    pub(crate) fn site(&self) -> &'static Site {
        &self.shared.site
    }
}

/// A GUID of these digits.
pub(crate) fn guid(digits: &str) -> String {
    format!(
        "{}-{}-4000-8000-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..24]
    )
}
