//! What nobody runs az for: the operator makes the credential and the roles that a new workload needs.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use vaultbind_cluster_tests::{Cluster, PodSpec, Site, uuid, within};
use vaultbind_crds::{VaultBinding, VaultClass};
use vaultbind_e2e::stage::random;

use crate::support::apply;

/// The resource group of a site's identity and vault.
fn group(site: &Site) -> String {
    let Site {
        cluster, namespace, ..
    } = site;
    format!("{}/resourceGroups/{namespace}", cluster.subscription)
}

/// Resource id of a site's identity.
fn identity(site: &Site) -> String {
    let group = group(site);
    format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app")
}

/// A site of which Azure has the identity and the vault, and the cluster has nothing.
async fn site_without_namespace(name: &str, value: &str) -> Site {
    let cluster = Cluster::connect().await.unwrap();
    let id = uuid();
    let short = &id[..8];
    let site = Site {
        namespace: format!("{name}-{short}"),
        tenant: cluster.tenant.clone(),
        client_id: uuid(),
        vault: format!("kv-{short}"),
        cluster,
    };
    let seed = json!({
        "vaults": [{
            "name": site.vault,
            "tenantID": site.tenant,
            "subscriptionID": site.cluster.subscription.trim_start_matches("/subscriptions/"),
            "resourceGroup": site.namespace,
            "secrets": [{ "name": "db", "value": value }],
        }],
        "arm": { "identities": [{
            "resourceID": identity(&site),
            "tenantID": site.tenant,
            "clientID": site.client_id,
        }] },
    });
    site.cluster.azure.seed(&seed.to_string()).await.unwrap();
    site
}

/// A binding for which the operator makes the credential and the role.
fn binding(site: &Site) -> Value {
    let vault = format!(
        "{}/providers/Microsoft.KeyVault/vaults/{}",
        group(site),
        site.vault
    );
    let mut binding = site.binding("app", &json!([{ "name": "db" }]));
    let spec = &mut binding["spec"];
    spec["vaultClassName"] = site.namespace.as_str().into();
    spec["identity"]["federatedCredential"] = json!({ "identityResourceID": identity(site) });
    spec["access"] = json!({ "roleAssignment": { "vaultResourceID": vault } });
    binding
}

/// The platform team's class, once policies go by it.
async fn class(site: &Site) {
    let class = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultClass",
        "metadata": { "name": site.namespace },
        "spec": { "identities": [identity(site)] },
    });
    let class: VaultClass = serde_json::from_value(class).unwrap();
    let classes: Api<VaultClass> = Api::all(site.cluster.client.clone());
    let create = PostParams::default();
    classes.create(&create, &class).await.unwrap();
    let probe: VaultBinding = serde_json::from_value(binding(site)).unwrap();
    let bindings: Api<VaultBinding> = Api::namespaced(site.cluster.client.clone(), "default");
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let admitted = || async { Ok(bindings.create(&dry, &probe).await.is_ok().then_some(())) };
    within(Duration::from_secs(60), "policies know the class", admitted)
        .await
        .unwrap();
}

/// An object in the site's namespace.
fn placed(site: &Site, mut object: Value) -> Value {
    object["metadata"]["namespace"] = site.namespace.as_str().into();
    object
}

#[tokio::test]
async fn a_new_namespace_goes_from_nothing_to_a_running_pod_with_one_apply() {
    let value = random("value");
    let site = site_without_namespace("provisioned", &value).await;
    class(&site).await;
    let azure = site.cluster.azure;
    let nothing: [String; 0] = [];
    assert_eq!(azure.managed_below(&group(&site)).await.unwrap(), nothing);

    apply(&[
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": site.namespace } }),
        placed(
            &site,
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "workload" } }),
        ),
        placed(&site, binding(&site)),
        placed(&site, PodSpec::new("reader", "app").pod()),
    ]);
    if let Err(error) = site.running("reader").await {
        let status = site.bindings().get("app").await.unwrap().status;
        panic!("{error:#}\n{status:#?}");
    }
    let read = site.read("reader", "/mnt/app/db").await.unwrap();
    assert_eq!(read, value.as_bytes());
    site.ready("app").await.unwrap();
    let made = azure.managed_below(&group(&site)).await.unwrap();
    for kind in ["/federatedIdentityCredentials/", "/roleAssignments/"] {
        let of_kind = made.iter().filter(|id| id.contains(kind)).count();
        assert_eq!(of_kind, 1, "{kind} in {made:?}");
    }

    let namespaces: Api<Namespace> = Api::all(site.cluster.client.clone());
    let delete = DeleteParams::default();
    namespaces.delete(&site.namespace, &delete).await.unwrap();
    let gone = || async {
        let namespace = namespaces.get_opt(&site.namespace).await?;
        Ok(namespace.is_none().then_some(()))
    };
    within(Duration::from_secs(120), "the namespace is gone", gone)
        .await
        .unwrap();
    assert_eq!(azure.managed_below(&group(&site)).await.unwrap(), nothing);
}
