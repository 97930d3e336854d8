//! From one `kubectl apply` to a mount and back to nothing.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use kube::runtime::watcher::{self, watcher};
use vaultbind_azure::FederatedCredentialSeed;

use super::*;
use crate::site::shared_with_slow_azure;

#[tokio::test]
async fn one_apply_leads_to_a_mount_and_a_delete_leaves_azure_as_before() {
    let scene = scene("azpath", &["db-password"]).await;
    let before = there(&scene);
    assert_eq!(before, (Vec::new(), Vec::new()));
    bind(&scene, "payments", &["db-password"], &Value::Null).await;

    let binding = scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let mounted = scene.mount("payments").await.unwrap();
    assert_eq!(
        mounted.text("db-password"),
        scene.world.values["db-password"]
    );
    let expected = [
        ("FederatedCredential".to_owned(), AzureState::Ready),
        ("RoleAssignment".to_owned(), AzureState::Ready),
    ];
    assert_eq!(kept(&binding), BTreeMap::from(expected));
    let status = binding.status.as_ref().unwrap();
    let identity = status.identity.as_ref().unwrap();
    assert_eq!(identity.credentials, Some(1));
    assert_eq!(identity.issuer.as_deref(), Some(ISSUER));
    assert_eq!(
        binding.metadata.finalizers,
        Some(vec!["vaultbind.dev/azure".to_owned()])
    );
    let (credentials, assignments) = there(&scene);
    assert_eq!((credentials.len(), assignments.len()), (1, 1));

    delete(&scene, "payments").await;
    assert_eq!(there(&scene), before);
    scene.finish().await;
}

#[tokio::test]
async fn while_azure_takes_45_seconds_the_status_tells_the_phase_all_the_way() {
    let slow = shared_with_slow_azure().await;
    let scene = scene_on(slow, "azslow", &["db-password"]).await;
    let seen = Phases::watch(&scene, "payments");
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    let says = |type_, wanted: &'static str| {
        move |binding: &VaultBinding| reason(binding, type_) == wanted
    };
    let (identity, access) = (ConditionType::IdentityReady, ConditionType::AccessReady);
    let propagates = says(identity, "Propagating");
    let binding = scene
        .within(PATIENCE, "payments", "Propagating", propagates)
        .await;
    let made = &binding.status.as_ref().unwrap().azure[0];
    for time in [&made.since, &made.until] {
        let time = time.as_ref().unwrap().0.to_string();
        assert!(message(&binding, identity).contains(&time), "{time}");
    }
    assert!(reason(&binding, ConditionType::Reconciling) == "Retrying");
    // Not yet.
    scene.azure().advance_clock(30);
    scene.ask("payments").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let binding = scene.bindings().get("payments").await.unwrap();
    assert_eq!(reason(&binding, identity), "Propagating");
    scene.azure().advance_clock(16);
    scene.asked_until("payments", "Ready", is_ready).await;
    let mounted = scene.mount("payments").await.unwrap();
    assert_eq!(
        mounted.text("db-password"),
        scene.world.values["db-password"]
    );

    // The role is taken away, comes back, and takes its time again.
    scene.azure().revoke_below(&scene.world.vault_id());
    scene
        .asked_until("payments", "Propagating", says(access, "Propagating"))
        .await;
    scene.azure().advance_clock(46);
    scene
        .asked_until("payments", "Listed", says(access, "Listed"))
        .await;
    assert_eq!(
        seen.of("IdentityReady"),
        ["Provisioning", "Propagating", "TokenIssued"]
    );
    let access = seen.of("AccessReady");
    let again = ["Listed", "Provisioning", "Propagating", "Listed"];
    assert!(access.ends_with(&again.map(str::to_owned)), "{access:?}");
    delete(&scene, "payments").await;
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));
    scene.finish().await;
}

/// The reasons of a binding's conditions, one after the other, as a watch shows them.
struct Phases {
    seen: Arc<Mutex<Vec<(String, String)>>>,
    watching: tokio::task::JoinHandle<()>,
}

impl Phases {
    fn watch(scene: &Scene, name: &str) -> Self {
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let events = watcher(scene.bindings(), config);
        let noting = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                let Ok(watcher::Event::Apply(binding) | watcher::Event::InitApply(binding)) = event
                else {
                    continue;
                };
                let conditions = binding
                    .status
                    .into_iter()
                    .flat_map(|status| status.conditions);
                let conditions = conditions.map(|one| (one.type_, one.reason));
                noting.lock().unwrap().extend(conditions);
            }
        });
        Self { seen, watching }
    }

    fn of(&self, type_: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let of_type = seen.iter().filter(|(one, _)| one == type_);
        let mut reasons: Vec<String> = of_type.map(|(_, reason)| reason.clone()).collect();
        reasons.dedup();
        reasons
    }
}

impl Drop for Phases {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

#[tokio::test]
async fn an_equal_credential_and_role_are_used_and_survive() {
    let scene = scene("azadopt", &["db-password"]).await;
    let subject = format!("system:serviceaccount:{}:{ACCOUNT}", scene.world.namespace);
    scene
        .azure()
        .put_federated_credential(
            &scene.world.identity,
            &FederatedCredentialSeed {
                name: "by-hand".to_owned(),
                issuer: ISSUER.to_owned(),
                subject,
                audiences: vec![AUDIENCE.to_owned()],
            },
        )
        .unwrap();
    scene.world.seed(
        scene.site(),
        &json!({"arm": {"roleAssignments": [{
            "principal": scene.world.identity,
            "role": "Key Vault Secrets User",
            "scope": scene.world.vault_id(),
        }]}}),
    );
    let before = there(&scene);
    assert_eq!(
        (before.0.as_slice(), before.1.len()),
        (&["by-hand".to_owned()][..], 1)
    );
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    let binding = scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let kept = &binding.status.as_ref().unwrap().azure;
    assert!(
        kept.len() == 2 && kept.iter().all(|one| one.found),
        "{kept:?}"
    );
    assert_eq!(binding.metadata.finalizers, None, "nothing is ours");
    delete(&scene, "payments").await;
    assert_eq!(there(&scene), before);
    assert_eq!(writes(scene.azure(), &scene.world.namespace), []);
    scene.finish().await;
}

#[tokio::test]
async fn what_a_binding_no_longer_wants_goes_after_the_new_works() {
    let scene = scene("azmove", &["db-password"]).await;
    scene.account("other").await;
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let (old, _) = there(&scene);
    let patch = json!({"spec": {"identity": {"serviceAccountName": "other"}}});
    scene.patch("payments", &patch).await;
    let one = |binding: &VaultBinding| {
        let kept = &binding.status.as_ref().unwrap().azure;
        is_ready(binding)
            && reason(binding, ConditionType::IdentityReady) == "TokenIssued"
            && kept.len() == 2
            && kept.iter().all(|one| one.state == AzureState::Ready)
    };
    scene
        .within(PATIENCE, "payments", "the other account", one)
        .await;
    let (new, _) = there(&scene);
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    // The new one was there before the old one went.
    let actions: Vec<String> = writes(scene.azure(), &scene.world.namespace)
        .into_iter()
        .filter(|one| one.action.contains("federatedIdentityCredentials"))
        .map(|one| one.action.rsplit_once('/').unwrap().1.to_owned())
        .collect();
    assert_eq!(actions, ["write", "write", "delete"]);
    // Without the blocks nothing of it is left, and the binding is not ready for long.
    let none = json!({"spec": {"identity": {"federatedCredential": null}, "access": null}});
    scene.patch("payments", &none).await;
    let gone = |binding: &VaultBinding| {
        binding.status.as_ref().unwrap().azure.is_empty() && binding.metadata.finalizers.is_none()
    };
    scene
        .within(PATIENCE, "payments", "nothing in Azure", gone)
        .await;
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));
    scene.finish().await;
}
