//! Defaults, columns, selectors, the status, and the merging of lists.

use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vaultbind_crds::binding::{Audience, Cloud, ObjectType, Part, ReconcilePolicy};
use vaultbind_crds::{VaultBinding, VaultBindingSpec, VaultClass, VaultClassSpec};

use crate::fixture::{Kind, merged, server, succeeded};

async fn create(kind: Kind, object: &Value) -> Value {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let object = kind
        .api()
        .await
        .create(&PostParams::default(), &object)
        .await;
    serde_json::to_value(object.unwrap()).unwrap()
}

#[tokio::test]
async fn the_smallest_binding_gets_every_default() {
    let binding = create(Kind::Binding, &Kind::Binding.minimal("smallest")).await;
    assert_eq!(
        binding["spec"],
        json!({
            "reconcilePolicy": "Apply",
            "vault": {
                "name": "kv-payments-prod",
                "cloud": "AzurePublic",
                "tenantID": "11111111-2222-3333-4444-555555555555",
            },
            "identity": {
                "type": "WorkloadIdentity",
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "serviceAccountName": "payments",
            },
            "objects": [{
                "name": "db-password",
                "type": "Secret",
                "version": "Latest",
                "file": {"mode": "0644", "decode": "None"},
                "expiry": {"warnBefore": "720h"},
                "optional": false,
            }],
            "rotation": {"mode": "Continuous"},
            "provider": {"name": "vaultbind", "dialect": "Vaultbind"},
            "deletionPolicy": "Delete",
        })
    );
}

#[tokio::test]
async fn defaults_reach_into_what_is_said_in_part() {
    let object = merged(
        Kind::Binding.minimal("in-part"),
        &json!({"spec": {
            "objects": [{"name": "a", "file": {"path": "b"}, "expiry": {}, "select": {"prefix": "c"}}],
            "provider": {"dialect": "Azure"},
            "rotation": {"checkInterval": "1m"},
        }}),
    );
    let binding = create(Kind::Binding, &object).await;
    let object = &binding["spec"]["objects"][0];
    assert_eq!(
        object["file"],
        json!({"path": "b", "mode": "0644", "decode": "None"})
    );
    assert_eq!(object["expiry"], json!({"warnBefore": "720h"}));
    assert_eq!(object["select"], json!({"prefix": "c", "max": 50}));
    assert_eq!(
        binding["spec"]["provider"],
        json!({"name": "vaultbind", "dialect": "Azure"})
    );
    assert_eq!(
        binding["spec"]["rotation"],
        json!({"mode": "Continuous", "checkInterval": "1m"})
    );
}

#[tokio::test]
async fn what_is_made_in_azure_goes_with_the_binding_unless_it_says_otherwise() {
    let group =
        "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/payments/providers";
    let identity = format!("{group}/Microsoft.ManagedIdentity/userAssignedIdentities/payments");
    let vault = format!("{group}/Microsoft.KeyVault/vaults/kv-payments-prod");
    let object = merged(
        Kind::Binding.minimal("provisioned"),
        &json!({"spec": {
            "identity": {"federatedCredential": {"identityResourceID": identity}},
            "access": {"roleAssignment": {"vaultResourceID": vault}},
        }}),
    );
    let spec = &create(Kind::Binding, &object).await["spec"];
    assert_eq!(
        spec["identity"]["federatedCredential"],
        json!({"identityResourceID": identity, "deletionPolicy": "Delete"})
    );
    assert_eq!(
        spec["access"],
        json!({"roleAssignment": {
            "vaultResourceID": vault, "scope": "Vault", "deletionPolicy": "Delete",
        }})
    );
}

#[tokio::test]
async fn an_empty_class_gets_every_default() {
    let class = create(Kind::Class, &Kind::Class.minimal("empty")).await;
    let spec = json!({
        "detection": "Workload",
        "budgets": {"vaultRequestsPerSecond": 50, "bindingsPerNamespace": 50},
        "defaults": {"checkInterval": "5m"},
    });
    assert_eq!(class["spec"], spec);
    // The types know the same defaults as the API server.
    let defaults = serde_json::to_value(VaultClassSpec::default()).unwrap();
    assert_eq!(defaults, spec);
}

#[tokio::test]
async fn what_types_write_is_what_the_api_server_has() {
    let minimal = Kind::Binding.minimal("typed");
    let spec: VaultBindingSpec = serde_json::from_value(minimal["spec"].clone()).unwrap();
    let api: Api<VaultBinding> = Api::namespaced(server().await.client().unwrap(), "default");
    let written = VaultBinding::new("typed", spec.clone());
    let read = api.create(&PostParams::default(), &written).await.unwrap();
    assert_eq!(read.spec, spec);
    assert_eq!(read.spec.reconcile_policy, ReconcilePolicy::Apply);
    assert_eq!(
        read.spec.identity.audience(Cloud::AzureChina),
        Audience::China
    );
    let object = &read.spec.objects[0];
    assert_eq!(
        (object.object_name(), object.path()),
        (Some("db-password"), "db-password")
    );
    assert_eq!(
        (object.type_, object.parts()),
        (ObjectType::Secret, [].as_slice())
    );

    let certificate = json!({"name": "tls", "type": "Certificate"});
    let patch = Patch::Merge(json!({"spec": {"objects": [certificate]}}));
    let read = api
        .patch("typed", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(
        read.spec.objects[0].parts(),
        [Part::FullChain, Part::PrivateKey]
    );

    let api: Api<VaultClass> = Api::all(server().await.client().unwrap());
    let class = VaultClass {
        metadata: ObjectMeta {
            name: Some("typed".to_owned()),
            ..ObjectMeta::default()
        },
        spec: VaultClassSpec::default(),
    };
    let read = api.create(&PostParams::default(), &class).await.unwrap();
    assert_eq!(read.spec, class.spec);
}

#[tokio::test]
async fn null_is_no_value() {
    // To rules it would be one: this vault would have both.
    let mut object = Kind::Binding.minimal("null");
    object["spec"]["vault"]["uri"] = Value::Null;
    object["spec"]["deletionPolicy"] = Value::Null;
    let binding = create(Kind::Binding, &object).await;
    assert_eq!(binding["spec"]["vault"].get("uri"), None);
    assert_eq!(binding["spec"]["deletionPolicy"], "Delete");
}

#[tokio::test]
async fn bindings_are_selected_by_field() {
    let vault = |name: &str, patch: Value| merged(Kind::Binding.minimal(name), &patch);
    create(
        Kind::Binding,
        &vault("select-one", json!({"spec": {
            "vault": {"name": "kv-select"}, "vaultClassName": "select", "reconcilePolicy": "Suspend",
            "identity": {"serviceAccountName": "select", "clientID": "99999999-bbbb-cccc-dddd-eeeeeeeeeeee"},
        }})),
    )
    .await;
    let uri = "https://kv-select.example.com";
    create(
        Kind::Binding,
        &vault(
            "select-two",
            json!({"spec": {"vault": {"name": null, "uri": uri}}}),
        ),
    )
    .await;
    let api = Kind::Binding.api().await;
    for (selector, name) in [
        ("spec.vault.name=kv-select".to_owned(), "select-one"),
        ("spec.vaultClassName=select".to_owned(), "select-one"),
        ("spec.reconcilePolicy=Suspend".to_owned(), "select-one"),
        (
            "spec.identity.serviceAccountName=select".to_owned(),
            "select-one",
        ),
        (
            "spec.identity.clientID=99999999-bbbb-cccc-dddd-eeeeeeeeeeee".to_owned(),
            "select-one",
        ),
        (format!("spec.vault.uri={uri}"), "select-two"),
    ] {
        let found = api
            .list(&ListParams::default().fields(&selector))
            .await
            .unwrap();
        let names: Vec<String> = found
            .into_iter()
            .filter_map(|object| object.metadata.name)
            .collect();
        assert_eq!(names, [name], "{selector}");
    }
    create(
        Kind::Class,
        &Kind::Class.object("select", &json!({"detection": "Operator"})),
    )
    .await;
    let found = Kind::Class
        .api()
        .await
        .list(&ListParams::default().fields("spec.detection=Operator"))
        .await;
    assert_eq!(found.unwrap().items.len(), 1);
}

#[tokio::test]
async fn kubectl_shows_what_matters() {
    create(Kind::Binding, &Kind::Binding.minimal("columns")).await;
    let conditions = json!([{
        "type": "Ready", "status": "False", "reason": "RoleMissing", "message": "give it the role",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }]);
    let summary = json!({
        "vault": "kv.vault.azure.net", "objects": "1/2", "pods": "3/4",
        "expires": "2027-01-02", "next": "check 03:04",
    });
    let status = json!({"status": {"conditions": conditions, "summary": summary}});
    let api = Kind::Binding.api().await;
    api.patch_status("columns", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();

    let shown = rows(&["get", "vb", "columns"]).await;
    assert_eq!(
        shown[0],
        [
            "NAME", "READY", "REASON", "VAULT", "OBJECTS", "EXPIRES", "NEXT", "AGE"
        ]
    );
    assert_eq!(
        shown[1][..7],
        [
            "columns",
            "False",
            "RoleMissing",
            "kv.vault.azure.net",
            "1/2",
            "2027-01-02",
            "check 03:04"
        ]
    );
    let wide = rows(&["get", "vb", "columns", "-o", "wide"]).await;
    assert_eq!(wide[0][8..], ["PODS", "POLICY", "CLIENT", "MESSAGE"]);
    assert_eq!(
        wide[1][8..],
        [
            "3/4",
            "Apply",
            "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "give it the role"
        ]
    );

    let mut class = Kind::Class.object("columns", &json!({"vaults": ["kv-*"]}));
    class["metadata"]["annotations"] = json!({"vaultbind.dev/is-default-class": "true"});
    create(Kind::Class, &class).await;
    let shown = rows(&["get", "vaultclass", "columns", "-o", "wide"]).await;
    assert_eq!(
        shown[0],
        [
            "NAME",
            "DEFAULT",
            "DETECTION",
            "CHECK",
            "AGE",
            "VAULTS",
            "NAMES"
        ]
    );
    assert_eq!(shown[1][..4], ["columns", "true", "Workload", "5m"]);

    let mut kubectl = server().await.kubectl();
    kubectl.args(["get", "vaultbind", "-o", "name"]);
    let all = succeeded(kubectl).await;
    for name in [
        "vaultbinding.vaultbind.dev/columns",
        "vaultclass.vaultbind.dev/columns",
    ] {
        assert!(all.lines().any(|line| line == name), "{all}");
    }
}

/// The table that kubectl shows, in cells.
async fn rows(arguments: &[&str]) -> Vec<Vec<String>> {
    let mut kubectl = server().await.kubectl();
    kubectl.args(arguments);
    succeeded(kubectl)
        .await
        .lines()
        .map(|line| {
            line.split("   ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn the_status_is_written_on_its_own() {
    let mut object = Kind::Binding.minimal("status");
    object["status"] = json!({"observedGeneration": 7});
    let created = create(Kind::Binding, &object).await;
    assert_eq!(created["status"], Value::Null);
    let api = Kind::Binding.api().await;
    let patch = json!({
        "spec": {"deletionPolicy": "Retain"},
        "status": {"observedGeneration": 1},
    });
    let params = PatchParams::default();
    let patched = api
        .patch_status("status", &params, &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(patched.data["status"], json!({"observedGeneration": 1}));
    assert_eq!(patched.data["spec"]["deletionPolicy"], "Delete");
    assert_eq!(patched.metadata.generation, Some(1));
    let patch = json!({"spec": {"deletionPolicy": "Retain"}, "status": {"observedGeneration": 9}});
    let patched = api
        .patch("status", &params, &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(patched.data["status"], json!({"observedGeneration": 1}));
    assert_eq!(patched.metadata.generation, Some(2));
}

#[tokio::test]
async fn two_owners_of_one_list_do_not_undo_each_other() {
    let api = Kind::Binding.api().await;
    create(Kind::Binding, &Kind::Binding.minimal("merge")).await;
    for (manager, name) in [("one", "first"), ("two", "second")] {
        let objects = json!([{"name": name, "optional": true}]);
        let mut patch = Kind::Binding.object("merge", &json!({"objects": objects}));
        patch["metadata"] = json!({"name": "merge"});
        api.patch("merge", &PatchParams::apply(manager), &Patch::Apply(&patch))
            .await
            .unwrap();

        let condition = json!([{
            "type": manager, "status": "True", "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }]);
        let patch = json!({
            "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding",
            "status": {"conditions": condition},
        });
        api.patch_status("merge", &PatchParams::apply(manager), &Patch::Apply(&patch))
            .await
            .unwrap();
    }
    let merged = api.get("merge").await.unwrap().data;
    let names = |list: &Value, key: &str| -> Vec<String> {
        let list = list.as_array().unwrap();
        list.iter()
            .map(|entry| entry[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&merged["spec"]["objects"], "name"),
        ["db-password", "first", "second"]
    );
    assert_eq!(
        names(&merged["status"]["conditions"], "type"),
        ["one", "two"]
    );
}
