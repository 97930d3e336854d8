//! The operator as helm installs it: its rights, its replicas, its namespaces.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SubjectAccessReview};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use vaultbind_cluster_tests::{Cluster, secrets_store, within};
use vaultbind_crds::VaultBinding;

use crate::bindings::{bound, rotate};
use crate::support::{helm_sets, site_with_secrets};

/// Whether the operator may do something in a namespace.
async fn may(cluster: &Cluster, namespace: &str, verb: &str, resource: &str) -> bool {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({ "metadata": {}, "spec": {
        "user": "system:serviceaccount:vaultbind-system:vaultbind-operator",
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "resourceAttributes": {
            "namespace": namespace,
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
        },
    } });
    let review = serde_json::from_value(review).unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    let review = reviews.create(&PostParams::default(), &review).await;
    review.unwrap().status.unwrap().allowed
}

const CLASSES: &str = "secretproviderclasses.secrets-store.csi.x-k8s.io";

#[tokio::test]
async fn the_operator_may_read_no_secret_and_change_no_workload() {
    let cluster = Cluster::connect().await.unwrap();
    assert!(may(&cluster, "default", "patch", CLASSES).await);
    assert!(
        may(
            &cluster,
            "default",
            "patch",
            "vaultbindings/status.vaultbind.dev"
        )
        .await
    );
    for verb in ["create", "patch", "delete"] {
        assert!(may(&cluster, "default", verb, "secrets").await, "{verb}");
    }
    // For its finalizer, to which a policy keeps it.
    let bindings = "vaultbindings.vaultbind.dev";
    assert!(may(&cluster, "default", "patch", bindings).await);
    for (verb, resource) in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("watch", "secrets"),
        ("update", "secrets"),
        ("deletecollection", "secrets"),
        ("get", "configmaps"),
        ("list", "pods"),
        ("create", "pods/exec"),
        ("patch", "deployments.apps"),
        ("update", "serviceaccounts"),
        ("create", bindings),
        ("update", bindings),
        ("delete", bindings),
        ("delete", CLASSES),
        ("get", "leases.coordination.k8s.io"),
    ] {
        let allowed = may(&cluster, "default", verb, resource).await;
        assert!(!allowed, "{verb} {resource}");
    }
}

/// What the API server says to a request: the status of its answer.
fn status<T: std::fmt::Debug>(answer: kube::Result<T>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

/// What the operator gets for what it does in a namespace that it watches: with its own token, from the API
/// server. Nothing is changed.
async fn tries(cluster: &Cluster, namespace: &str) -> Vec<(&'static str, u16)> {
    let operator = cluster.as_operator().await.unwrap();
    let bindings: Api<VaultBinding> = Api::namespaced(operator.clone(), namespace);
    let accounts: Api<ServiceAccount> = Api::namespaced(operator.clone(), namespace);
    let classes = secrets_store(operator.clone(), "SecretProviderClass", namespace);
    let pod_statuses = secrets_store(operator, "SecretProviderClassPodStatus", namespace);
    let (list, create) = (ListParams::default(), PostParams::default());
    let listed = bindings.list(&list).await;
    let patch = json!({ "metadata": { "annotations": { "vaultbind.dev/tried": "1" } } });
    let patch = Patch::Merge(patch);
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let token = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
            expiration_seconds: Some(600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    vec![
        ("list bindings", status(listed)),
        (
            "patch a status",
            status(bindings.patch_status("app", &dry, &patch).await),
        ),
        ("list classes", status(classes.list(&list).await)),
        (
            "patch a class",
            status(classes.patch("app", &dry, &patch).await),
        ),
        ("list pod statuses", status(pod_statuses.list(&list).await)),
        (
            "a token",
            status(
                accounts
                    .create_token_request("workload", &create, &token)
                    .await,
            ),
        ),
    ]
}

/// The rules of the operator in a namespace, as it is told itself: (resource, verb).
async fn rules(cluster: &Cluster, namespace: &str) -> BTreeSet<(String, String)> {
    let operator = cluster.as_operator().await.unwrap();
    let reviews: Api<SelfSubjectRulesReview> = Api::all(operator);
    let review = json!({ "metadata": {}, "spec": { "namespace": namespace } });
    let review = serde_json::from_value(review).unwrap();
    let review = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    let mut found = BTreeSet::new();
    for rule in review.status.unwrap().resource_rules {
        for resource in rule.resources.unwrap_or_default() {
            for verb in &rule.verbs {
                found.insert((resource.clone(), verb.clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn alone_an_operator_of_one_namespace_has_no_rights_in_others() {
    let (site, [_]) = site_with_secrets("watched", ["db"]).await;
    let other = site_with_secrets("unwatched", ["db"]).await.0;
    let namespace = &site.namespace;
    // Objects to try on, made while all namespaces are watched.
    for site in [&other, &site] {
        let binding = site.binding("app", &json!([{ "name": "db" }]));
        site.bind(binding).await.unwrap();
        site.ready("app").await.unwrap();
    }
    let before = rules(&site.cluster, &other.namespace).await;
    helm_sets(&format!("operator.watchNamespaces=[\"{namespace}\"]")).await;

    for token in ["serviceaccounts/token", CLASSES] {
        assert!(may(&site.cluster, namespace, "create", token).await);
        assert!(!may(&site.cluster, &other.namespace, "create", token).await);
    }
    for (what, code) in tries(&site.cluster, namespace).await {
        assert_eq!(code, 200, "{what} in {namespace}");
    }
    for (what, code) in tries(&site.cluster, &other.namespace).await {
        assert_eq!(code, 403, "{what} in {}", other.namespace);
    }
    // What is left there is what has no namespace, and what everybody has.
    let left = rules(&site.cluster, &other.namespace).await;
    assert!(left.is_subset(&before), "{left:?}");
    for (resource, verb) in &left {
        let read = ["vaultclasses", "namespaces", "csidrivers"].contains(&resource.as_str())
            && ["get", "list", "watch"].contains(&verb.as_str());
        let about_itself = resource.starts_with("self") && verb == "create";
        assert!(read || about_itself, "{verb} {resource}");
    }
    assert_eq!(rules(&site.cluster, namespace).await, before);

    for site in [&other, &site] {
        let binding = site.binding("later", &json!([{ "name": "db" }]));
        site.bind(binding).await.unwrap();
    }
    site.ready("later").await.unwrap();
    assert_eq!(other.bindings().get("later").await.unwrap().status, None);

    helm_sets("operator.watchNamespaces=[]").await;
    other.ready("later").await.unwrap();
}

/// Kills the operator in a pod: it has no time to give anything up.
fn kill(pod: &str) {
    let name = format!("HOSTNAME={pod}");
    for process in fs::read_dir("/proc").unwrap() {
        let folder = process.unwrap().path();
        let environment = fs::read_to_string(folder.join("environ")).unwrap_or_default();
        let command = fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        if command.starts_with("/bin/vaultbind-operator\0")
            && environment.split('\0').any(|variable| variable == name)
        {
            let process = folder.file_name().unwrap();
            let status = Command::new("kill").arg("-KILL").arg(process).status();
            assert!(status.unwrap().success());
            return;
        }
    }
    panic!("no operator runs in {pod}");
}

#[tokio::test]
async fn alone_another_replica_goes_on_when_the_leader_is_killed() {
    let (site, _) = bound("leader").await;
    let cluster = &site.cluster;
    let leader = cluster.leader().await.unwrap().unwrap();
    let pods = cluster.pods().list(&ListParams::default()).await.unwrap();
    let names = pods.items.into_iter().filter_map(|pod| pod.metadata.name);
    let pod = names.into_iter().find(|pod| leader.contains(pod)).unwrap();
    kill(&pod);
    // Its container would start again and take part.
    let params = DeleteParams::default().grace_period(0);
    cluster.pods().delete(&pod, &params).await.unwrap();
    let follower = || async {
        let holder = cluster.leader().await?;
        Ok(holder.filter(|holder| !holder.contains(&pod)))
    };
    within(Duration::from_secs(60), "another leader", follower)
        .await
        .unwrap();

    let before = site.pins("app").await.unwrap();
    rotate(&site).await;
    site.ask_for_check("app").await.unwrap();
    site.pins_other_than("app", &before).await.unwrap();
}
