//! Looks at the cluster, with the rights of whoever asks. What may not be looked at is said, and is no failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode};
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use vaultbind_keyvault::text::printable;

use super::operator::LABELS;
use super::pods::DRIVER;
use super::snapshot::{Look, Snapshot};
use crate::cluster::{Cluster, ClusterError};

/// Nodes are asked for one by one, so many at a time and so many at most.
const NODES_AT_A_TIME: usize = 8;
const MOST_NODES: usize = 50;

/// Objects in one answer, and answers for one list.
const PAGE: u32 = 500;
const MOST_PAGES: usize = 20;

/// How long one list may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pods of the driver and of providers, by the label `app`.
const NODE_APPS: &str = "app in (secrets-store-csi-driver, csi-secrets-store, vaultbind-provider, \
                         csi-secrets-store-provider-azure, secrets-store-provider-azure)";

/// Pods of the provider, as its chart labels them.
const PROVIDERS: &str = "app.kubernetes.io/component=provider";

/// Sees what there is, and what time it is by the API server's clock. `operator` are namespace and name of its
/// Lease.
///
/// # Errors
/// When the API server cannot be reached, or does not know the user.
pub async fn gather(
    cluster: &Cluster,
    operator: (&str, &str),
) -> Result<(Snapshot, Timestamp), ClusterError> {
    let now = clock(cluster).await?;
    let namespace = cluster.namespace();
    let own = Some(namespace);
    let all = ListParams::default();
    let failed_mounts = ListParams::default().fields("involvedObject.kind=Pod,reason=FailedMount");
    let operators = labelled(LABELS);
    let (has_bindings, has_driver_kinds, leases, operators, driver, pods) = futures::join!(
        has(cluster, "vaultbind.dev/v1alpha1"),
        has(cluster, "secrets-store.csi.x-k8s.io/v1"),
        everywhere::<Lease>(cluster, &all, operator),
        everywhere::<Deployment>(cluster, &operators, operator),
        get::<CSIDriver>(cluster, DRIVER),
        list::<Pod>(cluster, own, &all),
    );
    let (bindings, accounts, classes, events, mounts) = futures::join!(
        list(cluster, own, &all),
        list(cluster, own, &all),
        list(cluster, own, &all),
        list(cluster, own, &failed_mounts),
        list(cluster, own, &all),
    );
    let pods = map(pods, |mut pods: Vec<Pod>| {
        pods.retain(has_volume);
        pods
    });
    let (nodes, node_pods) = nodes(cluster, &pods).await;
    let snapshot = Snapshot {
        namespace: namespace.to_owned(),
        has_bindings,
        has_driver_kinds,
        leases: map(leases, |mut leases: Vec<Lease>| {
            leases.retain(|lease| is_operators(&lease.name_any(), operator.1));
            leases
        }),
        operators,
        driver,
        nodes,
        node_pods,
        bindings,
        accounts,
        classes,
        pods,
        events,
        mounts,
    };
    Ok((snapshot, now))
}

fn map<T>(look: Look<T>, change: impl FnOnce(T) -> T) -> Look<T> {
    match look {
        Look::Seen(seen) => Look::Seen(change(seen)),
        Look::Not(why) => Look::Not(why),
    }
}

fn labelled(labels: &str) -> ListParams {
    ListParams::default().labels(labels)
}

/// The chart names the Lease after its release.
fn is_operators(name: &str, expected: &str) -> bool {
    name == expected || name.ends_with("vaultbind-operator")
}

fn has_volume(pod: &Pod) -> bool {
    let mut volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes.any(|volume| volume.csi.as_ref().is_some_and(|csi| csi.driver == DRIVER))
}

/// The API server's time: what is written in the cluster is compared with it, and the clock of the desk may be
/// another. It is also how it shows that the server is there and knows the user.
async fn clock(cluster: &Cluster) -> Result<Timestamp, ClusterError> {
    let what = "get its version";
    let request = http::Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| cluster.error(what, kube::Error::HttpError(error)))?;
    let sent = cluster.client().send(request).await;
    let response = sent.map_err(|error| cluster.error(what, error))?;
    if response.status() == http::StatusCode::UNAUTHORIZED {
        return Err(ClusterError::Unauthorized {
            url: cluster.url().to_owned(),
            message: "Unauthorized".to_owned(),
        });
    }
    let date = response.headers().get(http::header::DATE);
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
    Ok(date.map_or_else(Timestamp::now, |date| date.timestamp()))
}

/// Why something could not be looked at.
fn why(what: &str, error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            format!("you may not {what}")
        }
        kube::Error::Api(status) => {
            format!("cannot {what}: {}", printable(&status.message, 200))
        }
        error => format!("cannot {what}: {}", printable(&error.to_string(), 200)),
    }
}

fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the API server has a group in a version.
async fn has(cluster: &Cluster, group: &str) -> Look<bool> {
    match cluster.client().list_api_group_resources(group).await {
        Ok(resources) => Look::Seen(!resources.resources.is_empty()),
        Err(error) if is_absent(&error) => Look::Seen(false),
        Err(error) => Look::Not(why(&format!("get {group}"), &error)),
    }
}

/// All objects of a kind; none if there is no such kind.
async fn list<K>(cluster: &Cluster, namespace: Option<&str>, params: &ListParams) -> Look<Vec<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let within = namespace.map_or_else(
        || "all namespaces".to_owned(),
        |namespace| format!("namespace {namespace}"),
    );
    let what = format!("list {} in {within}", K::plural(&()));
    let api: Api<K> = cluster.api(namespace);
    let pages = async {
        let mut found = Vec::new();
        let mut params = params.clone().limit(PAGE);
        for _ in 0..MOST_PAGES {
            let page = api.list(&params).await?;
            found.extend(page.items);
            match page.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => break,
            }
        }
        Ok(found)
    };
    match tokio::time::timeout(PATIENCE, pages).await {
        Ok(Ok(found)) => Look::Seen(found),
        Ok(Err(error)) if is_absent(&error) => Look::Seen(Vec::new()),
        Ok(Err(error)) => Look::Not(why(&what, &error)),
        Err(_) => Look::Not(format!("cannot {what}: no answer in time")),
    }
}

/// Objects of all namespaces, or that of a name where the user may see no other.
async fn everywhere<K>(
    cluster: &Cluster,
    params: &ListParams,
    (namespace, name): (&str, &str),
) -> Look<Vec<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let listed = list(cluster, None, params).await;
    if listed.seen().is_some() {
        return listed;
    }
    let api: Api<K> = cluster.api(Some(namespace));
    match api.get_opt(name).await {
        Ok(Some(found)) => Look::Seen(vec![found]),
        // It may be in another namespace.
        Ok(None) => listed,
        Err(error) => Look::Not(why(
            &format!("get {} {namespace}/{name}", K::plural(&())),
            &error,
        )),
    }
}

async fn get<K>(cluster: &Cluster, name: &str) -> Look<Option<K>>
where
    K: Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api: Api<K> = Api::all(cluster.client().clone());
    match api.get_opt(name).await {
        Ok(found) => Look::Seen(found),
        Err(error) => Look::Not(why(&format!("get {} {name}", K::plural(&())), &error)),
    }
}

/// What is on the nodes of these pods.
async fn nodes(
    cluster: &Cluster,
    pods: &Look<Vec<Pod>>,
) -> (BTreeMap<String, Look<Option<CSINode>>>, Look<Vec<Pod>>) {
    let names = pods
        .all()
        .iter()
        .filter_map(|pod| pod.spec.as_ref()?.node_name.clone());
    let names: BTreeSet<String> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return (BTreeMap::new(), Look::Seen(Vec::new()));
    }
    let (apps, providers) = (labelled(NODE_APPS), labelled(PROVIDERS));
    let nodes = stream::iter(names.into_iter().take(MOST_NODES))
        .map(|name| async move {
            let node = get::<CSINode>(cluster, &name).await;
            (name, node)
        })
        .buffer_unordered(NODES_AT_A_TIME)
        .collect();
    let (nodes, apps, providers) = futures::join!(
        nodes,
        list::<Pod>(cluster, None, &apps),
        list::<Pod>(cluster, None, &providers),
    );
    let node_pods = match (apps, providers) {
        (Look::Seen(mut apps), Look::Seen(providers)) => {
            apps.extend(providers);
            Look::Seen(apps)
        }
        (Look::Not(why), _) | (_, Look::Not(why)) => Look::Not(why),
    };
    (nodes, node_pods)
}
