//! Identities that are bound to the AKS cluster: their tokens are the API server's for the token proxy, and the
//! operator asks the vault with what that gives for them.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::{Api, PostParams};
use serde_json::json;
use vaultbind_apiserver::ISSUER;
use vaultbind_azure::Service;
use vaultbind_crds::status::ConditionType::{AccessReady, DriverReady, IdentityReady};
use vaultbind_e2e::stage::TENANT;

use crate::plugin::kubectl;
use crate::scene::{ACCOUNT, SUBSCRIPTION, Scene, condition, eventually, is_observed, message};
use crate::site::{Shared, shared_with_token_proxy};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_bound_identity_asks_by_the_token_proxy_and_only_for_those_who_may_use_it() {
    let shared = shared_with_token_proxy().await;
    let scene = Scene::unprovisioned(shared, "bound", &["db-password"]).await;
    scene.account("other").await;
    let (world, client) = (&scene.world, &scene.world.identity);
    let subject = format!("system:serviceaccount:{}:{ACCOUNT}", world.namespace);
    let cluster = format!(
        "{SUBSCRIPTION}/resourceGroups/{}/providers/Microsoft.ContainerService/managedClusters/blue",
        world.namespace
    );
    world.seed(
        scene.site(),
        &json!({"arm": {
            "clusters": [{
                "resourceID": cluster,
                "tenantID": TENANT,
                "issuer": ISSUER,
                "identityUsers": [{"clientID": client, "subject": subject}],
                "identityBindings": [{"name": "app", "clientID": client}],
            }],
            "roleAssignments": [
                {"principal": client, "role": "Key Vault Secrets User", "scope": world.vault_id()},
            ],
        }}),
    );
    let bound = |account: &str| {
        json!({"identity": {
            "type": "AKSIdentityBinding",
            "clientID": client,
            "serviceAccountName": account,
        }})
    };
    scene.azure().clear_calls();
    scene.bind("app", &["db-password"], &bound(ACCOUNT)).await;
    let binding = scene
        .until("app", "let in", |binding| {
            is_observed(binding) && condition(binding, AccessReady) == Some(("True", "Listed"))
        })
        .await;
    assert_eq!(
        condition(&binding, IdentityReady),
        Some(("True", "TokenIssued"))
    );
    // The driver of this cluster asks for other tokens, and that is said for this binding.
    assert_eq!(
        condition(&binding, DriverReady),
        Some(("False", "AudienceMissing"))
    );
    assert!(message(&binding, DriverReady).contains("api://AKSIdentityBinding"));
    let parameters = scene.class("app").await.spec.parameters;
    assert_eq!(parameters["useAzureTokenProxy"], "true");
    assert_eq!(parameters["clientID"], *client);
    let calls = scene.azure().calls();
    let entra = calls.iter().filter(|call| call.service == Service::Entra);
    let hosts: Vec<&str> = entra.map(|call| call.host.as_str()).collect();
    assert!(
        !hosts.is_empty() && hosts.iter().all(|host| *host == "127.0.0.1"),
        "{hosts:?}"
    );

    scene.bind("other", &["db-password"], &bound("other")).await;
    let binding = scene
        .until("other", "refused", |binding| {
            condition(binding, IdentityReady) == Some(("False", "TokenProxyRefused"))
        })
        .await;
    let told = message(&binding, IdentityReady);
    assert!(told.contains("--identity-roles"), "{told}");
    assert!(scene.classes().get_opt("other").await.unwrap().is_none());
    remedy(shared, &scene, "other").await;

    let admin = shared.site.server.kubeconfig();
    let planned = kubectl(shared, &scene, &admin, &["plan", "app"]).await;
    let told = format!("{}{}", planned.out, planned.err);
    assert!(told.contains("which answers in the cluster only"), "{told}");
    scene.finish().await;
}

/// What the message tells an administrator to do gives the identity to the ServiceAccount of the binding.
async fn remedy(shared: &Shared, scene: &Scene, name: &str) {
    let (server, namespace) = (&shared.site.server, &scene.world.namespace);
    let run = async |arguments: &[&str]| {
        let output = server.kubectl().args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let folder = tempfile::tempdir().unwrap();
    let (live, roles) = (folder.path().join("live"), folder.path().join("roles.yaml"));
    std::fs::create_dir(&live).unwrap();
    let got = run(&["get", "vaultbinding", name, "-n", namespace, "-o", "yaml"]).await;
    std::fs::write(live.join("binding.yaml"), got).unwrap();
    let arguments = ["render", "--identity-roles", "-f", live.to_str().unwrap()];
    let rendered = kubectl(shared, scene, &server.kubeconfig(), &arguments).await;
    std::fs::write(&roles, &rendered.out).unwrap();
    run(&["apply", "-f", roles.to_str().unwrap()]).await;

    let reviews: Api<SubjectAccessReview> = Api::all(scene.client());
    for (account, wanted) in [(name, true), (ACCOUNT, false)] {
        let review: SubjectAccessReview = serde_json::from_value(json!({
            "metadata": {},
            "spec": {
                "user": format!("system:serviceaccount:{namespace}:{account}"),
                "resourceAttributes": {
                    "verb": "use-managed-identity",
                    "group": "cid.wi.aks.azure.com",
                    "resource": scene.world.identity,
                },
            },
        }))
        .unwrap();
        let (reviews, review) = (&reviews, &review);
        eventually(PATIENCE, "the rights as applied", || async move {
            let reviewed = reviews.create(&PostParams::default(), review).await;
            let status = reviewed.unwrap().status.unwrap();
            (status.allowed == wanted).then_some(()).ok_or(status)
        })
        .await;
    }
}
