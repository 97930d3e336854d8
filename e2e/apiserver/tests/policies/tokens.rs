//! P4: for what the operator may have tokens made.

use serde_json::{Value, json};

use crate::actor::{Actor, Outcome, refused, says, without_right};
use crate::site::{Tenant, site};

const POLICY: &str = "operator-tokens";
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Asks for a token of the ServiceAccount `editor` or, in kube-system, of another.
async fn token(who: &Actor, namespace: &str, spec: &Value) -> Outcome<Value> {
    let name = if namespace == "kube-system" {
        "victim"
    } else {
        "editor"
    };
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
    });
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
    });
    who.create_part(&account, "token", &request).await
}

#[tokio::test]
async fn tokens_for_azure_are_made() {
    let tenant = Tenant::new("azure-tokens").await;
    for audience in [
        AUDIENCE,
        "api://AzureADTokenExchangeUSGov",
        "api://AzureADTokenExchangeChina",
        "api://AKSIdentityBinding",
    ] {
        let spec = json!({"audiences": [audience], "expirationSeconds": 600});
        let answer = token(&tenant.operator, &tenant.namespace, &spec)
            .await
            .unwrap();
        assert!(answer["status"]["token"].is_string(), "{audience}");
    }
}

/// Escalation: whoever has the operator's token has others made that the API server takes, and is then
/// whoever they like.
#[tokio::test]
async fn escalation_by_token_request_is_refused() {
    let tenant = Tenant::new("other-tokens").await;
    site()
        .await
        .server
        .token("kube-system", "victim")
        .await
        .unwrap();
    let api_server = vaultbind_apiserver::ISSUER;
    let bad = [
        (json!({"expirationSeconds": 600}), "one audience of Azure"),
        (
            json!({"audiences": [], "expirationSeconds": 600}),
            "one audience of Azure",
        ),
        (
            json!({"audiences": [api_server], "expirationSeconds": 600}),
            "one audience of Azure",
        ),
        (
            json!({"audiences": [AUDIENCE, api_server], "expirationSeconds": 600}),
            "one audience of Azure",
        ),
        (
            json!({"audiences": ["vault"], "expirationSeconds": 600}),
            "one audience of Azure",
        ),
        (
            json!({"audiences": [format!("{AUDIENCE}/")], "expirationSeconds": 600}),
            "one audience of Azure",
        ),
        (
            json!({"audiences": [AUDIENCE], "expirationSeconds": 601}),
            "600 seconds",
        ),
        (
            json!({"audiences": [AUDIENCE], "expirationSeconds": 86400}),
            "600 seconds",
        ),
        // Nothing said is an hour.
        (json!({"audiences": [AUDIENCE]}), "600 seconds"),
    ];
    for (spec, remedy) in &bad {
        let said = refused(
            POLICY,
            token(&tenant.operator, &tenant.namespace, spec).await,
        );
        says(&said, &[remedy]);
        // Others have them made as before.
        token(&tenant.editor, &tenant.namespace, spec)
            .await
            .unwrap();
        without_right(token(&tenant.reader, &tenant.namespace, spec).await);
    }
    let good = json!({"audiences": [AUDIENCE], "expirationSeconds": 600});
    let said = refused(POLICY, token(&tenant.operator, "kube-system", &good).await);
    says(&said, &["kube-system", "namespace of the workload"]);
    token(&tenant.admin, "kube-system", &good).await.unwrap();
}
