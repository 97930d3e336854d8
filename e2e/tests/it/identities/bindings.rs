//! AKS identity bindings: tokens by the cluster's token proxy.

use tonic::Code;
use vaultbind_azure::{Azure, Call, Options, Service};
use vaultbind_e2e::driver::{self, Pod, mount_request};
use vaultbind_e2e::stage::{CLIENT, SERVICE_ACCOUNT, TENANT, class};

use super::DB;
use super::cluster::{APPLICATION, BATCH, Cluster, FEDERATED, IMDS, LOGIN, NODE, PROXY, bound};
use crate::process::child::Child;

#[tokio::test]
async fn the_token_proxy_gives_the_token_and_entra_is_not_asked() {
    let cluster = Cluster::start().await;
    let (_provider, driver) = cluster.provider().await;
    cluster.mount(&driver, &bound(), BATCH).await.unwrap();
    let calls = cluster.azure.calls();
    let of = |service| calls.iter().filter(move |call| call.service == service);
    let tokens: Vec<_> = of(Service::Entra).collect();
    assert_eq!(tokens.len(), 1, "{calls:?}");
    assert_eq!(tokens[0].host, PROXY);
    assert_eq!(tokens[0].path, format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(tokens[0].status, Some(200));
    // The proxy, which leads to nothing but Azure, was not asked for the way there.
    assert_eq!(of(Service::Proxy).count(), 0, "{calls:?}");
    let reader = of(Service::Vault).next().unwrap();
    assert_eq!(reader.client_id.as_deref(), Some(CLIENT));

    // The token serves the next pod of the ServiceAccount.
    cluster.azure.clear_calls();
    cluster.mount(&driver, &bound(), BATCH).await.unwrap();
    assert_eq!(cluster.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn https_proxy_of_the_process_is_not_the_way_to_the_token_proxy() {
    let cluster = Cluster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = cluster.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let https_proxy = format!("http://{}", cluster.azure.proxy_addr());
    let environment = [
        ("https_proxy", Some(https_proxy.as_str())),
        ("ALL_PROXY", Some(https_proxy.as_str())),
        ("NO_PROXY", None),
    ];
    let child = Child::start_with(&cluster.azure, folder.path(), &arguments, &environment).await;
    let driver = driver::Provider::connect(child.socket()).unwrap();
    cluster.mount(&driver, &bound(), BATCH).await.unwrap();
    let calls = cluster.azure.calls();
    let refused = |call: &Call| call.service == Service::Proxy;
    assert!(!calls.iter().any(refused), "{calls:?}");
    assert_eq!(cluster.asked(), [PROXY]);
}

#[tokio::test]
async fn a_plain_workload_identity_of_the_same_client_shares_nothing_with_a_binding() {
    let cluster = Cluster::start().await;
    let (_provider, driver) = cluster.provider().await;
    let plain = class(DB);
    for (class, host) in [(&plain, LOGIN), (&bound(), PROXY)] {
        cluster
            .mount(&driver, class, SERVICE_ACCOUNT)
            .await
            .unwrap();
        assert_eq!(cluster.vault_calls(), 1);
        assert_eq!(cluster.asked(), [host]);
    }
    // What each has asked for serves itself.
    for class in [&plain, &bound()] {
        cluster
            .mount(&driver, class, SERVICE_ACCOUNT)
            .await
            .unwrap();
    }
    assert_eq!(cluster.vault_calls(), 0);
    assert_eq!(cluster.asked(), Vec::<String>::new());

    // Nobody gets by one way what the other way refuses.
    cluster.mount(&driver, &plain, FEDERATED).await.unwrap();
    let refused = cluster.refused(&driver, &bound(), FEDERATED).await;
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    cluster.mount(&driver, &bound(), BATCH).await.unwrap();
    let refused = cluster.refused(&driver, &plain, BATCH).await;
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    assert!(refused.message().contains("AADSTS"), "{refused}");
}

#[tokio::test]
async fn one_process_serves_identities_of_every_kind() {
    let cluster = Cluster::start().await;
    let (_provider, driver) = cluster.provider().await;
    let principal = class(DB).with("clientID", "");
    let node = principal.clone().with("useVMManagedIdentity", "true");
    let secrets = |pod: Pod| {
        pod.with_secret("clientid", APPLICATION)
            .with_secret("clientsecret", &cluster.client_secret)
    };
    let pod = cluster.pod(SERVICE_ACCOUNT);
    let mounts = [
        (class(DB), pod.clone()),
        (bound(), pod.clone()),
        (principal, secrets(pod.clone())),
        (node, pod),
    ]
    .map(|(class, pod)| {
        let driver = driver.clone();
        async move { driver.mount(mount_request(&class, &pod)).await.unwrap() }
    });
    for response in futures::future::join_all(mounts).await {
        assert_eq!(&response.files[0].contents[..], cluster.value.as_bytes());
    }
    let calls = cluster.azure.calls();
    let readers = calls.iter().filter(|call| call.service == Service::Vault);
    let mut readers: Vec<_> = readers.filter_map(|call| call.client_id.clone()).collect();
    readers.sort();
    assert_eq!(readers, [CLIENT, CLIENT, NODE, APPLICATION]);
    let mut asked = cluster.asked();
    asked.sort();
    assert_eq!(asked, [PROXY, IMDS, LOGIN, LOGIN]);
}

#[tokio::test]
async fn the_clusters_authority_is_read_anew_for_each_token() {
    let cluster = Cluster::start().await;
    let other = Azure::start(Options::default()).await.unwrap();
    let (_provider, driver) = cluster.provider().await;
    cluster.trust(other.ca_pem());
    let status = cluster.refused(&driver, &bound(), BATCH).await;
    let text = status.message().to_owned();
    for word in ["not trusted", "--token-proxy-ca-file", CLIENT] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(cluster.asked(), Vec::<String>::new());

    cluster.trust(cluster.azure.ca_pem());
    mounts_at_last(&cluster, &driver, BATCH).await;
    // The connection is there, and who vouched for it is trusted no more.
    cluster.trust(other.ca_pem());
    cluster.azure.clear_calls();
    let status = cluster.refused(&driver, &bound(), SERVICE_ACCOUNT).await;
    assert!(status.message().contains("not trusted"), "{status}");
    assert_eq!(cluster.asked(), Vec::<String>::new());
}

/// A failure is remembered for a moment.
async fn mounts_at_last(cluster: &Cluster, driver: &driver::Provider, service_account: &str) {
    let mut last = None;
    for _ in 0..100 {
        match cluster.mount(driver, &bound(), service_account).await {
            Ok(()) => return,
            Err(status) => last = Some(status),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{last:?}");
}
