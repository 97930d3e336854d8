//! The operator with its ServiceAccount's token, the chart's rights and under the admission policies, as on a
//! cluster: it works within them, and they hold where it does.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use vaultbind_apiserver::{Audit, enforced, manifest, policies, rendered};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;
use vaultbind_e2e::operator::Operator;
use vaultbind_operator::secrets_store::SecretProviderClass;

use crate::scene::{
    World, condition, eventually, is_observed, is_ready, message, pinned, versions,
};
use crate::site::{Site, logs};

const PATIENCE: Duration = Duration::from_secs(40);
const ROLE: &str = "Key Vault Secrets User";
pub(crate) const OPERATOR: (&str, &str) = ("kube-system", "vaultbind-operator");

/// A site with what the chart installs for the operator, with these values.
async fn site(audit: Audit, values: &Value) -> Site {
    let site = Site::start(audit).await;
    let rights = rendered(values, &["templates/operator/rbac.yaml"]).await;
    manifest(&site.server, &rights.unwrap()).await.unwrap();
    manifest(&site.server, &policies().unwrap()).await.unwrap();
    enforced(&site.server).await.unwrap();
    site
}

/// Starts an operator with the token of the chart's ServiceAccount.
pub(crate) async fn operator(site: &Site, name: &str, arguments: &[&str]) -> Operator {
    let (namespace, account) = OPERATOR;
    let token = site.server.token(namespace, account).await.unwrap();
    let kubeconfig = site.server.kubeconfig_with(name, &token).unwrap();
    let mut all = vec!["--lease-namespace", namespace, "--lease-name", account];
    all.extend(arguments);
    site.operator_of(name, &kubeconfig, &all).await
}

/// The binding of a team, as that team sees it.
struct Bound {
    bindings: Api<VaultBinding>,
    classes: Api<SecretProviderClass>,
}

impl Bound {
    async fn new(site: &Site, world: &World) -> Self {
        let namespace = &world.namespace;
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "team", "namespace": namespace},
            "rules": [
                {"apiGroups": ["vaultbind.dev"], "resources": ["vaultbindings"], "verbs": ["*"]},
                {"apiGroups": ["vaultbind.dev"], "resources": ["vaultclasses"], "verbs": ["use"]},
                {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
                {"apiGroups": ["secrets-store.csi.x-k8s.io"],
                 "resources": ["secretproviderclasses"], "verbs": ["*"]},
            ],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "team", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "team"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "team"}],
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]});
        manifest(&site.server, &list.to_string()).await.unwrap();
        let client = site
            .server
            .client_as("team", &["system:authenticated"])
            .unwrap();
        Self {
            bindings: Api::namespaced(client.clone(), namespace),
            classes: Api::namespaced(client, namespace),
        }
    }

    async fn create(&self, binding: &Value) {
        let binding: VaultBinding = serde_json::from_value(binding.clone()).unwrap();
        let (api, binding) = (&self.bindings, &binding);
        // Roles and classes are known after a moment.
        eventually(PATIENCE, "the binding is taken", || async move {
            api.create(&PostParams::default(), binding).await
        })
        .await;
    }

    async fn until(&self, what: &str, wanted: impl Fn(&VaultBinding) -> bool) -> VaultBinding {
        let (api, wanted) = (&self.bindings, &wanted);
        eventually(PATIENCE, what, || async move {
            let binding = api.get("payments").await.unwrap();
            match wanted(&binding) {
                true => Ok(binding),
                false => Err(format!("{:#?}", binding.status)),
            }
        })
        .await
    }

    async fn patch(&self, patch: &Value) -> kube::Result<VaultBinding> {
        let params = PatchParams::default();
        self.bindings
            .patch("payments", &params, &Patch::Merge(patch))
            .await
    }
}

/// What the API server refused by a policy.
#[track_caller]
fn refused<T: std::fmt::Debug>(policy: &str, result: kube::Result<T>) {
    match result {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            assert!(status.message.contains(policy), "{}", status.message);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_operator_works_within_the_policies_and_says_what_a_tightened_class_refuses() {
    let site = site(Audit::None, &json!({})).await;
    let world = World::make(&site, "within", ROLE, &["db-password"]).await;
    let class = |spec: &Value| {
        let class = json!({
            "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultClass",
            "metadata": {"name": "prod"}, "spec": spec,
        });
        class.to_string()
    };
    manifest(&site.server, &class(&json!({"vaults": ["kv-*"]})))
        .await
        .unwrap();
    let _operator = operator(&site, "under-policies", &[]).await;
    let bound = Bound::new(&site, &world).await;
    let named = json!({"vaultClassName": "prod"});
    bound
        .create(&world.binding("payments", &["db-password"], &named))
        .await;
    let before = pinned(&bound.until("ready", is_ready).await);
    assert_eq!(before.len(), 1);

    // It goes on when the vault has a newer version.
    let (_, newer) = world.rotate(&site.stage.azure, "db-password");
    let now = jiff::Timestamp::now().to_string();
    let ask = json!({"metadata": {"annotations": {"vaultbind.dev/check-requested-at": now}}});
    bound.patch(&ask).await.unwrap();
    let promoted = |binding: &VaultBinding| {
        is_ready(binding) && pinned(binding).values().any(|version| *version == newer)
    };
    bound.until("the newer version", promoted).await;
    let made = bound.classes.get("payments").await.unwrap();
    assert_eq!(versions(&made)["db-password"], newer);

    // What it has made is nobody else's to change.
    let change = Patch::Merge(json!({"spec": {"parameters": {"objects": "[]"}}}));
    let params = PatchParams::default();
    let changed = bound.classes.patch("payments", &params, &change).await;
    refused("vaultbind-managed-classes", changed);

    // A class that is tightened holds for the binding that is there, and leaves it reachable.
    let tight = json!({"vaults": ["kv-*"], "objectNames": ["{namespace}-*"]});
    manifest(&site.server, &class(&tight)).await.unwrap();
    let stalled = |binding: &VaultBinding| {
        let found = condition(binding, ConditionType::Stalled);
        is_observed(binding) && found == Some(("True", "ObjectNameNotAllowed"))
    };
    let binding = bound.until("the class is said to refuse it", stalled).await;
    let said = message(&binding, ConditionType::Stalled);
    assert!(
        said.contains("db-password") && said.contains("prod"),
        "{said}"
    );
    let kept = bound.classes.get("payments").await.unwrap();
    assert_eq!(versions(&kept)["db-password"], newer);
    bound
        .patch(&json!({"metadata": {"labels": {"team": "pay"}}}))
        .await
        .unwrap();
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    bound.patch(&hold).await.unwrap();
    let change = json!({"spec": {"deletionPolicy": "Retain"}});
    refused("vaultbind-class-limits", bound.patch(&change).await);
    bound
        .patch(&json!({"metadata": {"finalizers": null}}))
        .await
        .unwrap();
    bound
        .bindings
        .delete("payments", &DeleteParams::default())
        .await
        .unwrap();
    let api = &bound.bindings;
    eventually(PATIENCE, "the binding is gone", || async move {
        match api.get_opt("payments").await.unwrap() {
            None => Ok(()),
            Some(binding) => Err(binding),
        }
    })
    .await;
    let findings = logs().search().unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// GHSA-fcxq-v2r3-cc8h: what was listed by a label came from all namespaces. Here the operator may see one
/// namespace, and asks for no other; what has the same names elsewhere is neither seen nor touched.
#[tokio::test]
async fn ghsa_fcxq_every_list_is_of_one_namespace() {
    // The Role that would let it look further is not there: with it, the audit log alone would tell.
    let server = Site::start(Audit::Requests).await;
    let own = World::make(&server, "own", ROLE, &["db-password"]).await;
    let other = World::make(&server, "other", ROLE, &["db-password"]).await;
    let values = json!({"operator": {"watchNamespaces": [own.namespace]}});
    let rights = rendered(&values, &["templates/operator/rbac.yaml"]).await;
    manifest(&server.server, &rights.unwrap()).await.unwrap();
    let admin = server.server.client().unwrap();
    let mounted = |world: &World| {
        let kind = GroupVersionKind::gvk(
            "secrets-store.csi.x-k8s.io",
            "v1",
            "SecretProviderClassPodStatus",
        );
        let plural = "secretproviderclasspodstatuses";
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(admin.clone(), &world.namespace, &resource);
        let object = json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClassPodStatus",
            "metadata": {"name": "app-0-payments", "labels": {"internal.secrets-store.csi.k8s.io/node-name": "n"}},
            "status": {
                "podName": "app-0", "secretProviderClassName": "payments", "mounted": true,
                "objects": [{"id": "secret/db-password", "version": "none"}],
            },
        });
        async move {
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
        }
    };
    let bound = Bound::new(&server, &own).await;
    let foreign = Bound::new(&server, &other).await;
    bound
        .create(&own.binding("payments", &["db-password"], &Value::Null))
        .await;
    foreign
        .create(&other.binding("payments", &["db-password"], &Value::Null))
        .await;
    mounted(&other).await;
    let _operator = operator(
        &server,
        "under-policies",
        &["--watch-namespaces", &own.namespace],
    )
    .await;
    let pods = |count: &'static str| {
        move |binding: &VaultBinding| {
            let status = binding.status.as_ref();
            let summary = status.and_then(|status| status.summary.as_ref());
            is_ready(binding) && summary.and_then(|summary| summary.pods.as_deref()) == Some(count)
        }
    };
    bound
        .until("none of the other namespace is counted", pods("0/0"))
        .await;
    mounted(&own).await;
    bound.until("one of this namespace is", pods("0/1")).await;

    let untouched = foreign.bindings.get("payments").await.unwrap();
    assert_eq!(untouched.status, None);
    assert!(foreign.classes.get_opt("payments").await.unwrap().is_none());
    // What has a namespace was asked for in its own or the operator's.
    let name = format!("system:serviceaccount:{}:{}", OPERATOR.0, OPERATOR.1);
    let events = server.server.audit().unwrap();
    let asked = events.iter().filter(|event| event.username() == name);
    let asked = asked.filter_map(|event| event.object_ref.as_ref());
    let asked: BTreeSet<(&str, &str)> = asked
        .map(|object| (object.resource.as_str(), object.namespace.as_str()))
        .collect();
    let without: BTreeSet<&str> = asked
        .iter()
        .filter(|(_, n)| n.is_empty())
        .map(|(r, _)| *r)
        .collect();
    let known = ["csidrivers", "namespaces", "vaultclasses"];
    assert!(
        without.iter().all(|resource| known.contains(resource)),
        "{without:?}"
    );
    let namespaces: BTreeSet<&str> = asked.iter().map(|(_, namespace)| *namespace).collect();
    // A Namespace is in itself.
    let expected = BTreeSet::from(["", OPERATOR.0, own.namespace.as_str()]);
    assert!(namespaces.is_subset(&expected), "{asked:?}");
    assert!(
        asked.contains(&("secretproviderclasses", own.namespace.as_str())),
        "{asked:?}"
    );
}
