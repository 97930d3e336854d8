use vaultbind_azure::Action;
use vaultbind_operator::azure::actions::*;
use vaultbind_operator::observed::{AzureCause, BindingState, IdentityBinding, Progress};

use super::*;

fn cluster() -> ResourceId {
    id(&format!(
        "{GROUP}/providers/Microsoft.ContainerService/managedClusters/blue"
    ))
}

fn binding(name: &str) -> ResourceId {
    cluster().child("identityBindings", name).unwrap()
}

/// With an AKS cluster, to which the operator may bind identities.
async fn stage(more: &str) -> Stage {
    Stage::start_with(Setting {
        arm: format!(
            "  - {{principal: {CLIENT}, role: Binder, scope: {GROUP}}}
  clusters:
  - {{resourceID: {}, tenantID: {TENANT}, issuer: '{ISSUER}'}}
{more}",
            cluster()
        ),
        role: Some(("Binder", BINDINGS.to_vec())),
        ..Setting::default()
    })
    .await
}

/// The address at which to ask how it goes.
fn address(progress: Progress) -> String {
    let Progress::Pending {
        operation: Some(address),
        retry_after: Some(_),
    } = progress
    else {
        panic!("{progress:?}");
    };
    address
}

#[tokio::test]
async fn a_cluster_is_bound_to_an_identity_and_let_go() {
    let stage = stage("").await;
    let (client, id) = (&stage.client, binding("shop"));
    assert_eq!(client.identity_binding(CLOUD, &id).await.unwrap(), None);
    assert!(
        client
            .identity_bindings(CLOUD, &cluster())
            .await
            .unwrap()
            .is_empty()
    );

    let put = client.put_identity_binding(CLOUD, &id, &shop()).await;
    let operation = address(put.unwrap());
    let mut expected = IdentityBinding {
        id: id.to_string(),
        name: "shop".to_owned(),
        identity: shop().to_string(),
        issuer: Some(format!(
            "https://ib.oic.prod-aks.azure.com/{TENANT}/{SHOP_CLIENT}"
        )),
        state: BindingState::UnderWay,
    };
    let found = client.identity_binding(CLOUD, &id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&expected));
    let progress = client.operation(CLOUD, &operation).await.unwrap();
    assert_eq!(address(progress), operation);

    stage.azure.advance_clock(60);
    expected.state = BindingState::Ready;
    assert_eq!(
        client.operation(CLOUD, &operation).await.unwrap(),
        Progress::Done
    );
    let all = client.identity_bindings(CLOUD, &cluster()).await.unwrap();
    assert_eq!(all, [expected.clone()]);

    let deleted = client.delete_identity_binding(CLOUD, &id).await.unwrap();
    let operation = address(deleted.expect("it is there"));
    expected.state = BindingState::Leaving;
    let found = client.identity_binding(CLOUD, &id).await.unwrap();
    assert_eq!(found, Some(expected));
    stage.azure.advance_clock(60);
    assert_eq!(
        client.operation(CLOUD, &operation).await.unwrap(),
        Progress::Done
    );
    assert_eq!(client.identity_binding(CLOUD, &id).await.unwrap(), None);
    assert_eq!(
        client.delete_identity_binding(CLOUD, &id).await.unwrap(),
        None
    );
    // AKS leaves its credential behind.
    let left = client.credentials(CLOUD, &shop()).await.unwrap();
    assert_eq!(left.len(), 1);

    let needed: std::collections::BTreeSet<String> = [CREDENTIAL_READ, OPERATION_READ]
        .iter()
        .chain(&BINDINGS)
        .map(|action| (*action).to_owned())
        .collect();
    assert_eq!(stage.azure.used_actions()[OPERATOR], needed);
}

#[tokio::test]
async fn without_the_right_at_the_identity_that_one_is_named() {
    let stage = stage("").await;
    // The operator has its roles in another resource group.
    let elsewhere = id(&shop().as_str().replace("/vaultbind/", "/elsewhere/"));
    let binding = binding("shop");
    let put = stage
        .client
        .put_identity_binding(CLOUD, &binding, &elsewhere);
    let code = "LinkedAuthorizationFailed".to_owned();
    let expected = AzureCause::Forbidden { code };
    assert_eq!(
        failure(put.await),
        (CREDENTIAL_WRITE, elsewhere.to_string(), expected)
    );
}

#[tokio::test]
async fn while_it_is_made_others_wait_and_a_second_one_is_told() {
    let stage = stage("").await;
    let client = &stage.client;
    let put = |name| {
        let id = binding(name);
        async move { client.put_identity_binding(CLOUD, &id, &shop()).await }
    };
    put("one").await.unwrap();
    let busy = cause(put("one").await);
    assert!(
        matches!(&busy, AzureCause::Busy { status: 409, .. }),
        "{busy}"
    );
    let second = cause(put("two").await);
    assert!(
        matches!(&second, AzureCause::Exists { status: 409, .. }),
        "{second}"
    );
    stage.azure.advance_clock(60);
    // The same again is another operation.
    address(put("one").await.unwrap());
}

#[tokio::test]
async fn an_identity_without_room_for_a_credential_cannot_be_bound() {
    let settings = "  settings:
    credentialWriteMillis: 0
    credentialWrites: {size: 1000, perSecond: 1000}
";
    let stage = stage(settings).await;
    for n in 0..20 {
        stage
            .put(&format!("c{n:02}"), &subject(&format!("s{n}")))
            .await
            .unwrap();
    }
    let id = binding("shop");
    let put = stage.client.put_identity_binding(CLOUD, &id, &shop()).await;
    assert_eq!(
        failure(put),
        (BINDING_WRITE, id.to_string(), AzureCause::LimitReached)
    );
}

#[tokio::test]
async fn what_is_on_a_cluster_that_is_gone_is_gone() {
    let stage = Stage::start_with(Setting {
        arm: format!("  - {{principal: {CLIENT}, role: Binder, scope: {GROUP}}}\n"),
        role: Some(("Binder", BINDINGS.to_vec())),
        ..Setting::default()
    })
    .await;
    let (client, id) = (&stage.client, binding("shop"));
    assert_eq!(client.identity_binding(CLOUD, &id).await.unwrap(), None);
    assert_eq!(
        client.delete_identity_binding(CLOUD, &id).await.unwrap(),
        None
    );
    let missing = |code: &str| AzureCause::NotFound {
        code: code.to_owned(),
    };
    let list = client.identity_bindings(CLOUD, &cluster()).await;
    assert_eq!(cause(list), missing("ResourceNotFound"));
    let put = client.put_identity_binding(CLOUD, &id, &shop()).await;
    assert_eq!(cause(put), missing("ParentResourceNotFound"));
}

#[tokio::test]
async fn only_resource_manager_is_asked_how_it_goes() {
    let stage = stage("").await;
    for address in ["https://management.example/x", "x", ""] {
        let progress = stage.client.operation(CLOUD, address).await;
        let (action, _, cause) = failure(progress);
        assert_eq!(action, OPERATION_READ);
        assert!(matches!(&cause, AzureCause::Silent { .. }), "{cause}");
    }
    assert_eq!(stage.calls(), 0);
    stage.strike(
        "GET",
        Action::Json {
            body: serde_json::json!({"status": 1}),
        },
    );
    let address = "https://management.azure.com/subscriptions/x/operations/y";
    let cause = cause(stage.client.operation(CLOUD, address).await);
    assert!(
        matches!(&cause, AzureCause::Silent { text } if text.contains("operation")),
        "{cause}"
    );
}
