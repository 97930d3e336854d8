//! The API server as processes.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use vaultbind_apiserver::ApiServer;

#[tokio::test]
async fn servers_side_by_side_know_nothing_of_each_other_and_leave_nothing() {
    let (one, two) = tokio::join!(ApiServer::start(), ApiServer::start());
    let (one, two) = (one.unwrap(), two.unwrap());
    let name = one.namespace("only-here").await.unwrap();
    assert!(name.starts_with("only-here-"), "{name}");
    let found = |server: &ApiServer| {
        let api: Api<Namespace> = Api::all(server.client().unwrap());
        let name = name.clone();
        async move { api.get_opt(&name).await.unwrap().is_some() }
    };
    assert!(found(&one).await);
    assert!(!found(&two).await);

    let folder = one.kubeconfig().parent().unwrap().to_owned();
    let (client, url) = (one.client().unwrap(), one.config().cluster_url.clone());
    drop(one);
    assert!(!folder.exists(), "{}", folder.display());
    let error = client.apiserver_version().await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    let port = url.port_u16().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    two.client().unwrap().apiserver_version().await.unwrap();
}

#[tokio::test]
async fn it_ends_when_its_starter_is_killed() {
    // The starter is this program once more, told to start one and stay.
    if let Some(file) = std::env::var_os("VAULTBIND_TEST_STARTER") {
        let server = ApiServer::start().await.unwrap();
        std::fs::write(file, server.kubeconfig().to_str().unwrap()).unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await;
        return;
    }
    let said = tempfile::tempdir().unwrap();
    let said = said.path().join("kubeconfig");
    let mut starter = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::it_ends_when_its_starter_is_killed"])
        .env("VAULTBIND_TEST_STARTER", &said)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let kubeconfig = within(Duration::from_secs(120), || {
        std::fs::read_to_string(&said)
            .ok()
            .filter(|path| !path.is_empty())
    })
    .await;
    let folder = std::path::Path::new(&kubeconfig)
        .parent()
        .unwrap()
        .to_owned();
    assert!(folder.join("etcd").exists());
    starter.kill().await.unwrap();
    within(Duration::from_secs(30), || (!folder.exists()).then_some(())).await;
}

async fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn somebody_else_may_only_what_rbac_allows() {
    let server = crate::fixture::server().await;
    let client = server
        .client_as("somebody", &["system:authenticated"])
        .unwrap();
    let api: Api<Namespace> = Api::all(client);
    let error = api.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 403),
        "{error}"
    );
}
