//! Identity bindings that bring no token.

use tonic::Code;
use vaultbind_azure::{Azure, Options};
use vaultbind_e2e::driver::SecretProviderClass;
use vaultbind_e2e::stage::CLIENT;

use super::{Case, refused_class};
use crate::identities::cluster::{BATCH, BINDING_AUDIENCE, Cluster, FEDERATED, bound};

/// Where the chart puts the file.
const CA_FILE: &str = "/etc/vaultbind/cluster-ca/ca.crt";

pub(super) async fn cases() -> Vec<Case> {
    let cluster = Cluster::start().await;
    let mut cases = requests(&cluster).await;
    cases.extend(set_up_wrongly(&cluster).await);
    cases.push(no_credential(&cluster).await);
    assert_eq!(cluster.vault_calls(), 0);
    cases
}

async fn requests(cluster: &Cluster) -> Vec<Case> {
    let (provider, driver) = cluster.provider().await;
    let nobody = bound().with("clientID", "");
    let mut entra_only = cluster.pod(BATCH);
    entra_only.tokens.remove(BINDING_AUDIENCE);
    let refused = async |what, class: &SecretProviderClass, pod, code, remedy| {
        refused_class(what, &driver, class, pod, code, remedy).await
    };
    let pod = cluster.pod(BATCH);
    let cases = vec![
        refused(
            "an identity binding has no identity",
            &nobody,
            &pod,
            Code::InvalidArgument,
            "clientID",
        )
        .await,
        refused(
            "there is no token for the token proxy",
            &bound(),
            &entra_only,
            Code::InvalidArgument,
            BINDING_AUDIENCE,
        )
        .await,
        refused(
            "the ServiceAccount may not use the bound identity",
            &bound(),
            &cluster.pod(FEDERATED),
            Code::Unauthenticated,
            "use-managed-identity",
        )
        .await,
    ];
    provider.stop().await;
    cases
}

async fn set_up_wrongly(cluster: &Cluster) -> Vec<Case> {
    let [url, name, ca] = cluster.arguments();
    let other = Azure::start(Options::default()).await.unwrap();
    let wrong = cluster.folder().join("wrong.crt");
    std::fs::write(&wrong, other.ca_pem()).unwrap();
    let none = cluster.folder().join("none.crt");
    let file = |path: &std::path::Path| format!("--token-proxy-ca-file={}", path.display());
    let nowhere = "--token-proxy-url=https://localhost:1".to_owned();
    let list = [
        (
            "the provider has no token proxy",
            vec![],
            Code::Unauthenticated,
            "provider.identityBinding.enabled",
        ),
        (
            "the cluster's CA is missing",
            vec![url.clone(), name.clone(), file(&none)],
            Code::Unknown,
            "--token-proxy-ca-file",
        ),
        (
            "the token proxy is signed by another CA",
            vec![url, name.clone(), file(&wrong)],
            Code::Unknown,
            "--token-proxy-ca-file",
        ),
        (
            "the token proxy cannot be reached",
            vec![nowhere, name, ca],
            Code::Unknown,
            "NetworkPolicy",
        ),
    ];
    let mut cases = Vec::new();
    for (what, arguments, code, remedy) in list {
        let (provider, driver) = cluster.provider_with(&arguments).await;
        let pod = cluster.pod(BATCH);
        let mut case = refused_class(what, &driver, &bound(), &pod, code, remedy).await;
        assert!(case.message.contains(CLIENT), "{}", case.message);
        case.message = case.message.replace(&none.display().to_string(), CA_FILE);
        cases.push(case);
        provider.stop().await;
    }
    cases
}

/// AKS makes the identity's credential with the first binding, and anybody may have removed it.
async fn no_credential(cluster: &Cluster) -> Case {
    let credential = "aks-identity-binding";
    cluster
        .azure
        .remove_federated_credential(CLIENT, credential)
        .unwrap();
    let (provider, driver) = cluster.provider().await;
    let what = "the identity's credential for bindings is gone";
    let pod = cluster.pod(BATCH);
    let code = Code::Unauthenticated;
    let case = refused_class(what, &driver, &bound(), &pod, code, credential).await;
    provider.stop().await;
    case
}
