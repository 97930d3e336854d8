//! Mistakes in the class, the volume or the cluster, found before anything is asked of Azure.

use tonic::Code;
use vaultbind_azure::{Service, TokenRequest};
use vaultbind_e2e::driver::{Pod, mount_request};
use vaultbind_e2e::stage::{AUDIENCE, NAMESPACE, SERVICE_ACCOUNT, class};

use super::{Case, refused, refused_class};
use crate::support::{secret, stage_with_secrets};

const GOOD: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";

pub(super) async fn cases() -> Vec<Case> {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let good = class(GOOD);
    let invalid = Code::InvalidArgument;
    let mut cases = Vec::new();

    let parameters = [
        (
            "the cloud is not known",
            "cloudName",
            "AzureMoonCloud",
            "AzurePublicCloud",
        ),
        (
            "the tenant is missing",
            "tenantID",
            "",
            "set it to the id of the vault's Entra tenant",
        ),
        (
            "the tenant is no tenant",
            "tenantID",
            "contoso",
            "a GUID or a domain name",
        ),
        (
            "the vault is missing",
            "keyvaultName",
            "",
            "set it to the name of the vault",
        ),
        (
            "the vault's name is a URL",
            "keyvaultName",
            "https://kv.vault.azure.net",
            "name only",
        ),
        ("the client id is no GUID", "clientID", "payments", "a GUID"),
        (
            "objects is missing",
            "objects",
            "",
            "list in it the objects",
        ),
        (
            "a flag is neither true nor false",
            "useVMManagedIdentity",
            "yes",
            "\"true\" or \"false\"",
        ),
        (
            "pod identity is asked for",
            "usePodIdentity",
            "true",
            "use workload identity",
        ),
    ];
    for (what, parameter, value, remedy) in parameters {
        let class = good.clone().with(parameter, value);
        cases.push(refused_class(what, &driver, &class, &pod, invalid, remedy).await);
    }

    let both = "https://kv-payments.vault.azure.net/";
    let class_both = good.clone().with("vaultURI", both);
    let what = "the vault is named in two ways";
    cases.push(refused_class(what, &driver, &class_both, &pod, invalid, "exactly one").await);
    for (what, uri, remedy) in [
        (
            "the vault's URL has a path",
            "https://kv-payments.vault.azure.net/secrets",
            "https://NAME.vault.azure.net/",
        ),
        (
            "the vault's URL has no vault's name",
            "https://a--b.vault.azure.net/",
            "a vault name has",
        ),
        (
            "the vault's host is not allowed",
            "https://kv.corp.example/",
            "--allow-vault-host",
        ),
    ] {
        let class = good.clone().with("keyvaultName", "").with("vaultURI", uri);
        cases.push(refused_class(what, &driver, &class, &pod, invalid, remedy).await);
    }

    let objects = [
        (
            "the YAML is broken",
            "array:\n- |\n  objectName: db\n  objectType: [\n",
            "line",
        ),
        (
            "an entry lacks its quotes",
            "array:\n- |\n  objectName: a: b\n",
            "line",
        ),
        (
            "the list has another name",
            "arrays:\n- |\n  objectName: db\n",
            "array",
        ),
        (
            "a field is given twice",
            "array:\n- |\n  objectName: db\n  objectName: db\n",
            "twice",
        ),
        (
            "the type is unknown",
            "array:\n- |\n  objectName: db\n  objectType: password\n",
            "secret, key or cert",
        ),
        (
            "the name is no object name",
            "array:\n- |\n  objectName: a_b\n  objectType: secret\n",
            "letters, digits or dashes",
        ),
        (
            "optional is neither true nor false",
            "array:\n- |\n  objectName: db\n  objectType: secret\n  optional: maybe\n",
            "set true or false",
        ),
        (
            "a part is unknown",
            "array:\n- |\n  objectName: web\n  objectType: cert\n  parts: [Chain]\n",
            "set any of FullChain",
        ),
        (
            "a part is named twice",
            "array:\n- |\n  objectName: web\n  objectType: cert\n  parts: [CA, CA]\n",
            "remove one of them",
        ),
        (
            "a secret is to be in parts",
            "array:\n- |\n  objectName: web\n  objectType: secret\n  parts: [CA]\n",
            "needs objectType cert",
        ),
        (
            "parts and a format are given",
            "array:\n- |\n  objectName: web\n  objectType: cert\n  objectFormat: pfx\n  parts: [PFX]\n",
            "leave objectFormat out",
        ),
        (
            "parts is no list",
            "array:\n- |\n  objectName: web\n  objectType: cert\n  parts: {a: b}\n",
            "[FullChain, PrivateKey]",
        ),
        (
            "the version is no version",
            "array:\n- |\n  objectName: db\n  objectType: secret\n  objectVersion: v1\n",
            "32 hexadecimal digits",
        ),
        (
            "the mode is not octal",
            "array:\n- |\n  objectName: db\n  objectType: secret\n  filePermission: 0888\n",
            "filePermission",
        ),
        (
            "the path escapes",
            "array:\n- |\n  objectName: db\n  objectType: secret\n  objectAlias: ../etc/passwd\n",
            "objectAlias",
        ),
        (
            "the path is absolute",
            "array:\n- |\n  objectName: db\n  objectType: secret\n  objectAlias: /etc/passwd\n",
            "relative",
        ),
        (
            "two objects have one path",
            "array:\n- |\n  objectName: db\n  objectType: secret\n- |\n  objectName: db\n  objectType: secret\n",
            "objectAlias",
        ),
        (
            "a path is also a directory",
            "array:\n- |\n  objectName: db\n  objectType: secret\n- |\n  objectName: web\n  objectType: secret\n  objectAlias: db/web\n",
            "objectAlias",
        ),
    ];
    for (what, objects, remedy) in objects {
        cases.push(refused_class(what, &driver, &class(objects), &pod, invalid, remedy).await);
    }

    let bare = Pod::new(NAMESPACE, "payments-api-0", SERVICE_ACCOUNT);
    let what = "the CSIDriver asks for no tokens";
    cases.push(refused_class(what, &driver, &good, &bare, invalid, "tokenRequests").await);

    let other = bare.clone().with_token("vault", secret("token"));
    let what = "there is no token for the audience";
    cases.push(refused_class(what, &driver, &good, &other, invalid, AUDIENCE).await);

    let mut request = mount_request(&good, &pod);
    let token = stage
        .azure
        .service_account_token(&TokenRequest {
            namespace: NAMESPACE.to_owned(),
            service_account_name: SERVICE_ACCOUNT.to_owned(),
            audience: AUDIENCE.to_owned(),
            ..TokenRequest::default()
        })
        .unwrap();
    let tokens = serde_json::json!({
        AUDIENCE: { "token": token.token, "expirationTimestamp": "2020-01-01T00:00:00Z" }
    });
    let mut attributes: serde_json::Value = serde_json::from_str(&request.attributes).unwrap();
    attributes["csi.storage.k8s.io/serviceAccount.tokens"] = tokens.to_string().into();
    request.attributes = attributes.to_string();
    cases.push(refused("the token has expired", &driver, &request, invalid, "clock").await);

    let no_identity = good.clone().with("clientID", "");
    let what = "no identity is given";
    cases.push(refused_class(what, &driver, &no_identity, &bare, invalid, "set clientID").await);
    let half = bare
        .clone()
        .with_secret("clientid", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    let what = "the client secret is missing";
    cases.push(refused_class(what, &driver, &no_identity, &half, invalid, "clientsecret").await);

    let mut request = mount_request(&good, &pod);
    let mut attributes: serde_json::Value = serde_json::from_str(&request.attributes).unwrap();
    attributes
        .as_object_mut()
        .unwrap()
        .remove("csi.storage.k8s.io/pod.name");
    request.attributes = attributes.to_string();
    let what = "kubelet does not name the pod";
    cases.push(refused(what, &driver, &request, invalid, "podInfoOnMount").await);
    request.attributes = "[]".to_owned();
    cases.push(
        refused(
            "the attributes are no object",
            &driver,
            &request,
            invalid,
            "JSON",
        )
        .await,
    );

    let calls = stage.azure.calls();
    assert!(
        calls.iter().all(|call| call.service == Service::Proxy),
        "{calls:#?}"
    );
    cases
}
