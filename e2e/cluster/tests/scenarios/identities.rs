//! Who reads: workload identity and its refusals, service principals, managed identities.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::json;
use vaultbind_cluster_tests::{Cluster, PodSpec, Site, class, uuid};
use vaultbind_e2e::stage::random;

use crate::support::{secret_object, site_with_secrets};

#[tokio::test]
async fn a_service_account_that_the_identity_does_not_trust_is_refused() {
    let (site, [_]) = site_with_secrets("wrong-subject", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let accounts: Api<ServiceAccount> =
        Api::namespaced(site.cluster.client.clone(), &site.namespace);
    let other = serde_json::from_value(json!({ "metadata": { "name": "other" } })).unwrap();
    accounts
        .create(&PostParams::default(), &other)
        .await
        .unwrap();
    let pod = site
        .create(&PodSpec::new("reader", "all").under("other"))
        .await
        .unwrap();
    let subject = format!("subject 'system:serviceaccount:{}:other'", site.namespace);
    let event = site.event(&pod, &subject).await.unwrap();
    assert!(event.contains("code = Unauthenticated"), "{event}");
    assert!(event.contains("AADSTS700213"), "{event}");
}

/// A site whose application has this federated credential, or none.
async fn site_with_credential(name: &str, credential: &str) -> Site {
    let site = Site::bare(&Cluster::connect().await.unwrap(), name)
        .await
        .unwrap();
    let Site {
        tenant,
        client_id,
        vault,
        ..
    } = &site;
    site.cluster
        .azure
        .seed(&format!(
            "tenants:
- tenantID: {tenant}
  applications:
  - {{clientID: {client_id}, name: workload, federatedCredentials: [{credential}]}}
vaults:
- name: {vault}
  tenantID: {tenant}
  secrets: [{{name: db, value: {}}}]
",
            random("value")
        ))
        .await
        .unwrap();
    site.class("all", &secret_object("db")).await.unwrap();
    site
}

#[tokio::test]
async fn an_identity_without_federated_credentials_is_told() {
    let site = site_with_credential("no-credential", "").await;
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    site.event(&pod, "no federated identity credential")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_federated_credential_for_another_audience_is_told() {
    let site = Site::bare(&Cluster::connect().await.unwrap(), "probe")
        .await
        .unwrap();
    let issuer = site.issuer().await.unwrap();
    let credential = format!(
        "{{name: cluster, issuer: '{issuer}', subject: 'system:serviceaccount:NAMESPACE:workload', \
         audiences: ['api://other']}}"
    );
    // The subject has to fit for the audience to be what is looked at.
    let site = site_with_credential("wrong-audience", "").await;
    let credential = credential.replace("NAMESPACE", &site.namespace);
    site.credential(&credential).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    let event = site.event(&pod, "audience of the token").await.unwrap();
    assert!(event.contains("AADSTS700212"), "{event}");
}

#[tokio::test]
async fn a_federated_credential_of_another_issuer_is_told() {
    let site = site_with_credential("wrong-issuer", "").await;
    let credential = format!(
        "{{name: cluster, issuer: 'https://other.example/', subject: \
         'system:serviceaccount:{}:workload'}}",
        site.namespace
    );
    site.credential(&credential).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    let event = site.event(&pod, "AADSTS700211").await.unwrap();
    assert!(event.contains(&site.issuer().await.unwrap()), "{event}");
}

#[tokio::test]
async fn a_service_principal_reads_with_the_secret_of_node_publish_secret_ref() {
    let (site, [value]) = site_with_secrets("principal", ["db"]).await;
    let (principal, password) = (uuid(), random("password"));
    let tenant = &site.tenant;
    site.cluster
        .azure
        .seed(&format!(
            "tenants:
- tenantID: {tenant}
  applications: [{{clientID: {principal}, name: legacy, clientSecrets: [{{value: {password}}}]}}]
"
        ))
        .await
        .unwrap();
    site.assign(&principal, "Key Vault Secrets User")
        .await
        .unwrap();
    let data = BTreeMap::from([
        (
            "clientid".to_owned(),
            ByteString(principal.clone().into_bytes()),
        ),
        ("clientsecret".to_owned(), ByteString(password.into_bytes())),
    ]);
    let mut secret = Secret {
        data: Some(data),
        ..Secret::default()
    };
    secret.metadata.name = Some("credentials".to_owned());
    // Drivers up to 1.5 read it for rotation only with this label.
    let label = (
        "secrets-store.csi.k8s.io/used".to_owned(),
        "true".to_owned(),
    );
    secret.metadata.labels = Some(BTreeMap::from([label]));
    site.secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();

    let mut parameters = site.parameters(&secret_object("db"));
    parameters.as_object_mut().unwrap().remove("clientID");
    site.apply_class(class("all", &parameters)).await.unwrap();
    let pod = PodSpec::new("reader", "all").with_node_publish_secret("credentials");
    let pod = site.run(&pod).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/all/db").await.unwrap(),
        value.as_bytes()
    );
}

#[tokio::test]
async fn a_managed_identity_of_the_node_reads() {
    let (site, [value]) = site_with_secrets("managed", ["db"]).await;
    let (identity, object) = (uuid(), uuid());
    site.cluster
        .azure
        .seed(&format!(
            "managedIdentities:
  tenantID: {}
  userAssigned:
  - {{clientID: {identity}, objectID: {object}, resourceID: /subscriptions/{0}/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/node}}
",
            site.tenant
        ))
        .await
        .unwrap();
    site.assign(&identity, "Key Vault Secrets User")
        .await
        .unwrap();
    let mut parameters = site.parameters(&secret_object("db"));
    parameters.as_object_mut().unwrap().remove("clientID");
    parameters["useVMManagedIdentity"] = "true".into();
    parameters["userAssignedIdentityID"] = identity.into();
    site.apply_class(class("all", &parameters)).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/all/db").await.unwrap(),
        value.as_bytes()
    );
}
