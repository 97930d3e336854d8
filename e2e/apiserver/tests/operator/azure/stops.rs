//! An operator that is killed at every write to Azure, once before the write takes effect and once after it has
//! and nobody was told: whoever starts next goes on, nothing is there twice and nothing is left.

use std::time::Duration;

use vaultbind_azure::{Call, Service};
use vaultbind_e2e::operator::Operator;

use super::*;
use crate::policies;
use crate::scene::World;

/// How long Azure takes for a write, so that there is time to kill.
const SLOW: u64 = 700;

/// When the operator is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// While the write, of this number, is under way.
    Before(usize),
    /// Once it has taken effect and before the operator has heard of it.
    After(usize),
}

/// A binding's life, and who works on it.
struct Life<'a> {
    site: &'a Site,
    world: World,
    flags: &'a [String],
    name: String,
}

impl Life<'_> {
    async fn operator(&self) -> Operator {
        let namespace = format!("--watch-namespaces={}", self.world.namespace);
        let own = [namespace.as_str(), "--leader-elect=false"];
        let flags = own.into_iter().chain(self.flags.iter().map(String::as_str));
        let flags: Vec<&str> = flags.collect();
        policies::operator(self.site, &self.name, &flags).await
    }

    fn api(&self) -> Api<VaultBinding> {
        Api::namespaced(self.site.server.client().unwrap(), &self.world.namespace)
    }

    /// The writes to Azure so far, those under way too.
    fn writes(&self) -> Vec<Call> {
        let group = format!("/resourcegroups/{}/", self.world.namespace);
        let mut calls = self.site.stage.azure.calls();
        calls.retain(|call| {
            call.service == Service::Arm
                && matches!(call.method.as_str(), "PUT" | "DELETE")
                && call.path.to_ascii_lowercase().contains(&group)
        });
        calls
    }

    /// Kills the operator at its time, and starts another one.
    async fn sabotage(&self, operator: Operator, stop: Stop) -> Operator {
        let (Stop::Before(number) | Stop::After(number)) = stop;
        let soon = Duration::from_millis(10);
        while self.writes().len() <= number {
            tokio::time::sleep(soon).await;
        }
        if matches!(stop, Stop::After(_)) {
            operator.freeze().unwrap();
            while self.writes()[number].status.is_none() {
                tokio::time::sleep(soon).await;
            }
        }
        operator.kill().await.unwrap();
        self.operator().await
    }

    /// From nothing over another ServiceAccount to nothing.
    async fn live(&self) {
        let api = &self.api();
        let patch = self.world.provisioning();
        let binding = self.world.binding("payments", &["db-password"], &patch);
        let binding: &VaultBinding = &serde_json::from_value(binding).unwrap();
        eventually(PATIENCE, "the binding is taken", || async move {
            api.create(&PostParams::default(), binding).await
        })
        .await;
        self.until("Ready", |binding| is_ready(binding) && all_ready(binding))
            .await;
        self.one_of_each();
        let patch = json!({"spec": {"identity": {"serviceAccountName": "other"}}});
        api.patch("payments", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        self.until("the other account", |binding| {
            is_ready(binding) && all_ready(binding)
        })
        .await;
        self.one_of_each();
        api.delete("payments", &DeleteParams::default())
            .await
            .unwrap();
        eventually(PATIENCE * 2, "it goes", || async move {
            api.get_opt("payments")
                .await
                .unwrap()
                .map_or(Ok(()), |left| Err(left.status))
        })
        .await;
        let azure = &self.site.stage.azure;
        let left = there_below(azure, &self.world.namespace);
        assert_eq!(left, (Vec::new(), Vec::new()), "{}", self.name);
    }

    fn one_of_each(&self) {
        let (credentials, roles) = there_below(&self.site.stage.azure, &self.world.namespace);
        assert_eq!((credentials.len(), roles.len()), (1, 1), "{}", self.name);
    }

    async fn until(&self, what: &str, wanted: impl Fn(&VaultBinding) -> bool) {
        let api = &self.api();
        let (name, wanted) = (&self.name, &wanted);
        eventually(PATIENCE * 2, what, || async move {
            let binding = api.get("payments").await.unwrap();
            match wanted(&binding) {
                true => Ok(()),
                false => Err(format!("{name}: {:#?}", binding.status)),
            }
        })
        .await;
    }
}

/// Whether two things are kept and both are ready.
fn all_ready(binding: &VaultBinding) -> bool {
    let kept = &binding.status.as_ref().unwrap().azure;
    kept.len() == 2 && kept.iter().all(|one| one.state == AzureState::Ready)
}

async fn life<'a>(site: &'a Site, flags: &'a [String], prefix: &str) -> Life<'a> {
    let world = World::unprovisioned(site, prefix, &["db-password"]).await;
    crate::scene::account(&site.server.client().unwrap(), &world.namespace, "other").await;
    let class = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultClass",
        "metadata": {"name": world.namespace},
        "spec": {"identities": [world.identity_id("*")]},
    });
    vaultbind_apiserver::manifest(&site.server, &class.to_string())
        .await
        .unwrap();
    for method in ["PUT", "DELETE"] {
        let fault = json!({
            "match": {
                "service": "arm",
                "method": method,
                "path": format!("/subscriptions/*/resourceGroups/{}/*", world.namespace),
            },
            "action": {"delay": {"millis": SLOW}},
        });
        let fault = serde_json::from_value(fault).unwrap();
        site.stage.azure.add_fault(fault).unwrap();
    }
    Life {
        site,
        name: format!("operator-{}", world.namespace),
        world,
        flags,
    }
}

#[tokio::test]
async fn killed_at_every_write_an_operator_goes_on_and_leaves_nothing() {
    let site = &crate::site::azure_site(&json!({}), 2).await;
    let flags = &identity_flags(site, "stops").await;

    // Undisturbed it tells where it can be stopped.
    let undisturbed = life(site, flags, "azrun").await;
    let operator = undisturbed.operator().await;
    undisturbed.live().await;
    operator.terminate().await.unwrap();
    let writes = undisturbed.writes();
    let methods: Vec<&str> = writes.iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["PUT", "PUT", "PUT", "DELETE", "DELETE", "DELETE"]);

    let stops = (0..writes.len()).flat_map(|number| [Stop::Before(number), Stop::After(number)]);
    let lives = stops.map(|stop| async move {
        let prefix = match stop {
            Stop::Before(number) => format!("azb{number}"),
            Stop::After(number) => format!("aza{number}"),
        };
        let life = life(site, flags, &prefix).await;
        let operator = life.operator().await;
        let sabotage = life.sabotage(operator, stop);
        let (operator, ()) = tokio::join!(sabotage, life.live());
        operator.terminate().await.unwrap();
    });
    futures::future::join_all(lives).await;
}
