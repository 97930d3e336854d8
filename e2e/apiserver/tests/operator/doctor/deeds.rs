//! What is done to a cluster and to Azure, by whoever breaks or mends something.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use vaultbind_apiserver::ISSUER;
use vaultbind_azure::FederatedCredentialSeed;
use vaultbind_azure::vault::{Network, RoleAssignment};

use super::bench::{Bench, filled};
use crate::scene::World;

/// One thing that is done to a cluster. `{ns}`, `{vault}`, `{client}` stand for the row's.
#[derive(Clone, Debug)]
pub(super) enum Do {
    /// Runs kubectl through a shell.
    Sh(&'static str),
    /// Applies an object.
    Apply(Value),
    /// Merges into the volume of the Deployment, and starts its pod anew, which waits for it.
    Volume(Value),
    /// Starts the pod anew, on this node; it waits for its volumes.
    Waits(&'static str),
    /// Kubelet says this of the pod's volume.
    Says(&'static str),
    /// Nobody has a role on the vault.
    Revoke,
    /// The identity has its role.
    Assign,
    /// From where the vault can be reached.
    Network(Network),
    /// The federated credential has this issuer and subject.
    Trust(&'static str, &'static str),
    /// There is no federated credential.
    Distrust,
    /// The secret has no enabled version.
    Disable,
    /// The operator ends.
    Stop,
    /// It starts.
    Start,
}

impl Bench {
    pub(super) async fn act(&self, world: &World, what: &Do) -> Result<(), String> {
        let azure = &self.site.stage.azure;
        let vaults = azure.vaults();
        let text = |error: &dyn std::fmt::Debug| format!("{what:?}: {error:?}");
        match what {
            Do::Sh(script) => return self.sh(&filled(script, world)).await.map(drop),
            Do::Apply(object) => {
                let object = filled(&object.to_string(), world);
                return self.apply(&serde_json::from_str(&object).unwrap()).await;
            }
            Do::Volume(csi) => {
                let patch = json!({"spec": {"template": {"spec": {"volumes": [
                    {"name": "secrets", "csi": csi}]}}}});
                let deployments: Api<Deployment> = Api::namespaced(self.client(), &world.namespace);
                let patch = Patch::Strategic(&patch);
                let patched = deployments
                    .patch("api", &PatchParams::default(), &patch)
                    .await;
                patched.map_err(|error| text(&error))?;
                self.start_pod(world, "node-a", false).await;
            }
            Do::Waits(node) => self.start_pod(world, node, false).await,
            Do::Says(message) => {
                let pods: Api<Pod> = Api::namespaced(self.client(), &world.namespace);
                let uid = pods
                    .get("api-5d4f-x")
                    .await
                    .map_err(|error| text(&error))?
                    .metadata
                    .uid;
                return self
                    .apply(&json!({"apiVersion": "v1", "kind": "Event",
                    "metadata": {"name": "api.1", "namespace": world.namespace},
                    "involvedObject": {"kind": "Pod", "namespace": world.namespace,
                        "name": "api-5d4f-x", "uid": uid},
                    "type": "Warning", "reason": "FailedMount", "count": 3,
                    "lastTimestamp": jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
                    "message": format!("MountVolume.SetUp failed for volume \"secrets\" : {}",
                        filled(message, world))}))
                    .await;
            }
            Do::Revoke => vaults
                .revoke(&world.vault, &world.identity)
                .map_err(|error| text(&error))?,
            Do::Assign => {
                let role = RoleAssignment {
                    principal: world.identity.clone(),
                    role: "Key Vault Secrets User".to_owned(),
                    object: None,
                };
                vaults
                    .assign_role(&world.vault, &role)
                    .map_err(|error| text(&error))?;
            }
            Do::Network(network) => {
                vaults
                    .set_network(&world.vault, *network, &[])
                    .map_err(|error| text(&error))?;
            }
            Do::Trust(issuer, subject) => {
                let credential = FederatedCredentialSeed {
                    name: "test".to_owned(),
                    issuer: issuer.replace("{issuer}", ISSUER),
                    subject: filled(subject, world),
                    audiences: Vec::new(),
                };
                azure
                    .put_federated_credential(&world.identity, &credential)
                    .map_err(|error| text(&error))?;
            }
            Do::Distrust => azure
                .remove_federated_credential(&world.identity, "test")
                .map_err(|error| text(&error))?,
            Do::Disable => vaults
                .disable_secret(&world.vault, "db-password", crate::scene::now())
                .map_err(|error| text(&error))?,
            Do::Stop => {
                let operator = self.operator.lock().await.take();
                if let Some(operator) = operator {
                    operator.kill().await.map_err(|error| text(&error))?;
                }
            }
            Do::Start => self.start_operator().await,
        }
        Ok(())
    }
}
