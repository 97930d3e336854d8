//! What there is to be done: identities, each with a namespace and a ServiceAccount, vaults that all of
//! them may list, and bindings, each of one identity and one vault.
//!
//! Bindings go through the pairs of identity and vault in turn, so that as few as possible share one: a
//! shared pair costs the vault nothing more.

use std::time::Duration;

use serde_json::{Value, json};
use vaultbind_apiserver::ISSUER;
use vaultbind_e2e::stage::TENANT;

use crate::bench::Form;

/// The ServiceAccount of each namespace.
pub const ACCOUNT: &str = "app";

/// Objects of each binding.
pub const OBJECTS: usize = 5;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    /// Bindings that are there.
    pub bindings: usize,
    /// Identities.
    pub identities: usize,
    /// Vaults.
    pub vaults: usize,
    /// Secrets of each vault.
    pub secrets: usize,
    /// Time between two checks.
    pub interval: Duration,
}

impl Population {
    /// So many bindings.
    pub fn new(form: Form, bindings: usize, interval: Duration) -> Self {
        Self {
            bindings,
            identities: form.pick(5, 20),
            vaults: form.pick(10, 100),
            secrets: form.pick(20, 100),
            interval,
        }
    }

    /// The namespaces.
    pub fn namespaces(&self) -> impl Iterator<Item = String> {
        (0..self.identities).map(namespace)
    }

    /// What the emulated Azure is started with.
    pub fn seed(&self, key_set: &Value) -> String {
        let applications: Vec<Value> = (0..self.identities)
            .map(|number| {
                let subject = format!("system:serviceaccount:{}:{ACCOUNT}", namespace(number));
                json!({
                    "clientID": client_id(number),
                    "objectID": object_id(number),
                    "federatedCredentials": [
                        {"name": "bench", "issuer": ISSUER, "subject": subject},
                    ],
                })
            })
            .collect();
        let readers: Vec<Value> = (0..self.identities)
            .map(|number| json!({"principal": object_id(number), "role": "Key Vault Secrets User"}))
            .collect();
        let secrets: Vec<Value> = (0..self.secrets)
            .map(|number| {
                json!({
                    "name": secret(number),
                    "value": "a value of the usual size of a password",
                    "created": "2025-01-01T00:00:00Z",
                })
            })
            .collect();
        let vaults: Vec<Value> = (0..self.vaults)
            .map(|number| {
                json!({
                    "name": vault(number),
                    "tenantID": TENANT,
                    "roleAssignments": readers,
                    "secrets": secrets,
                })
            })
            .collect();
        json!({
            "tenants": [{"tenantID": TENANT, "applications": applications}],
            "issuers": [{"issuer": ISSUER, "jwks": key_set}],
            "vaults": vaults,
        })
        .to_string()
    }

    /// The namespace and the manifest of a binding by its number.
    pub fn binding(&self, number: usize) -> (String, Value) {
        let vaults = self.vaults.max(1);
        let identity = number / vaults % self.identities.max(1);
        let objects: Vec<Value> = (0..OBJECTS)
            // Neighbours take different ones, so that all of a vault's are wanted by somebody.
            .map(|object| (identity * OBJECTS + object) % self.secrets.max(1))
            .map(|object| json!({"name": secret(object)}))
            .collect();
        let namespace = namespace(identity);
        let binding = json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": "VaultBinding",
            "metadata": {"name": binding_name(number), "namespace": namespace},
            "spec": {
                "vault": {"name": vault(number % vaults), "tenantID": TENANT},
                "identity": {"clientID": client_id(identity), "serviceAccountName": ACCOUNT},
                "objects": objects,
                "rotation": {"checkInterval": format!("{}s", self.interval.as_secs())},
            },
        });
        (namespace, binding)
    }
}

/// Name of a binding.
pub fn binding_name(number: usize) -> String {
    format!("binding-{number:05}")
}

fn namespace(identity: usize) -> String {
    format!("team-{identity:02}")
}

fn vault(number: usize) -> String {
    format!("kv-op-{number:03}")
}

fn secret(number: usize) -> String {
    format!("secret-{number:03}")
}

fn client_id(number: usize) -> String {
    format!("c1000000-0000-4000-8000-{number:012x}")
}

fn object_id(number: usize) -> String {
    format!("b1000000-0000-4000-8000-{number:012x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn as_many_pairs_of_identity_and_vault_as_there_are_bindings() {
        let population = Population::new(Form::Full, 2000, Duration::from_secs(300));
        let pairs: BTreeSet<(String, String)> = (0..population.bindings)
            .map(|number| {
                let (namespace, binding) = population.binding(number);
                (namespace, binding["spec"]["vault"]["name"].to_string())
            })
            .collect();
        assert_eq!(pairs.len(), 2000);
        assert_eq!(
            population.binding(2000).1["spec"],
            population.binding(0).1["spec"]
        );
    }
}
