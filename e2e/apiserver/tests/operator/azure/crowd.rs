//! Many bindings of few identities. Azure takes one credential of an identity in four seconds, so the whole of
//! it takes minutes: `CROWD=1 make test-api` has it, and otherwise there are fewer.

use vaultbind_azure::FederatedCredentialSeed;

use super::*;

const MINUTES: std::time::Duration = std::time::Duration::from_secs(600);

/// Whether there is time for all.
fn whole() -> bool {
    std::env::var_os("CROWD").is_some()
}

async fn all(scene: &Scene) -> Vec<VaultBinding> {
    let (api, every) = (scene.bindings(), kube::api::ListParams::default());
    api.list(&every).await.unwrap().items
}

/// Deletes all bindings of a scene at once.
async fn delete_all(scene: &Scene) {
    let (params, every) = (DeleteParams::default(), kube::api::ListParams::default());
    let api = scene.bindings();
    api.delete_collection(&params, &every).await.unwrap();
    eventually(MINUTES, "all bindings go", || async {
        match all(scene).await.len() {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await;
}

/// The writes of credentials that the operator tried.
fn tried(scene: &Scene) -> Vec<Activity> {
    let mut writes = writes(scene.azure(), &scene.world.namespace);
    writes.retain(|one| one.action.ends_with("federatedIdentityCredentials/write"));
    writes
}

#[tokio::test]
async fn an_identity_has_20_credentials_and_further_bindings_say_why_not() {
    let scene = scene("azlimit", &["db-password"]).await;
    let (bindings, foreign) = if whole() { (25, 0) } else { (10, 15) };
    for number in 0..foreign {
        scene
            .azure()
            .put_federated_credential(
                &scene.world.identity,
                &FederatedCredentialSeed {
                    name: format!("foreign-{number}"),
                    issuer: "https://elsewhere.example/".to_owned(),
                    subject: format!("system:serviceaccount:shop:{number}"),
                    audiences: vec![AUDIENCE.to_owned()],
                },
            )
            .unwrap();
    }
    for number in 0..bindings {
        let account = format!("app-{number}");
        scene.account(&account).await;
        let more = json!({"identity": {"serviceAccountName": account}});
        bind(&scene, &format!("b-{number}"), &["db-password"], &more).await;
    }
    let (served, refused) = eventually(MINUTES, "all have their answer", || async {
        let all = all(&scene).await;
        let served = all.iter().filter(|one| is_ready(one)).count();
        let refused: Vec<String> = (all.iter())
            .filter(|one| reason(one, ConditionType::IdentityReady) == "LimitReached")
            .map(|one| message(one, ConditionType::IdentityReady).to_owned())
            .collect();
        match served + refused.len() == bindings {
            true => Ok((served, refused)),
            false => Err((served, refused.len())),
        }
    })
    .await;
    assert_eq!((served, refused.len()), (20 - foreign, 5));
    for text in refused {
        let remedy = "az identity federated-credential list --identity-name app";
        assert!(text.contains(remedy), "{text}");
    }
    assert_eq!(there(&scene).0.len(), 20);
    let tried = tried(&scene);
    assert_eq!(
        tried.len(),
        served,
        "nothing is tried that Azure would refuse"
    );
    assert!(tried.iter().all(|one| one.status == 201), "{tried:#?}");
    delete_all(&scene).await;
    let (left, roles) = there(&scene);
    assert_eq!((left.len(), roles.len()), (foreign, 0));
    assert!(
        left.iter().all(|one| one.starts_with("foreign-")),
        "{left:?}"
    );
    scene.finish().await;
}

#[tokio::test]
async fn of_many_bindings_at_once_all_are_served_with_few_writes() {
    let scene = scene("azcrowd", &["db-password"]).await;
    let bindings = if whole() { 300 } else { 45 };
    let spec = json!({
        "identities": [scene.world.identity_id("*")],
        "budgets": {"bindingsPerNamespace": 1000},
    });
    class(&scene, &spec).await;
    let identities: Vec<(String, String)> = (0..15)
        .map(|number| {
            let digits = vaultbind_e2e::stage::random("kv").split_off(3);
            (format!("crowd-{number}"), crate::scene::guid(&digits))
        })
        .collect();
    let seeds: Vec<Value> = (identities.iter())
        .map(|(name, client)| {
            json!({"resourceID": scene.world.identity_id(name), "tenantID": TENANT, "clientID": client})
        })
        .collect();
    scene
        .world
        .seed(scene.site(), &json!({"arm": {"identities": seeds}}));
    for number in 0..bindings {
        let (name, client) = &identities[number % 15];
        let account = format!("app-{number}");
        scene.account(&account).await;
        let more = json!({"identity": {
            "clientID": client,
            "serviceAccountName": account,
            "federatedCredential": {"identityResourceID": scene.world.identity_id(name)},
        }});
        bind(&scene, &format!("b-{number}"), &["db-password"], &more).await;
    }
    eventually(MINUTES, "all are ready", || async {
        let all = all(&scene).await;
        let mut waits = all.iter().filter(|one| !is_ready(one));
        match waits.next() {
            None => Ok(()),
            Some(first) => Err((waits.count() + 1, first.status.clone())),
        }
    })
    .await;
    let tried = tried(&scene).len();
    println!("{bindings} bindings: {tried} writes of credentials");
    assert!(
        (bindings..=bindings * 12 / 10).contains(&tried),
        "{tried} writes"
    );
    assert_eq!(there(&scene).0.len(), bindings);
    delete_all(&scene).await;
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));
    scene.finish().await;
}
