//! What the operator makes of VaultBindings, with everything around it real.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use vaultbind_cluster_tests::{PodSpec, Site, eventually, object_status, secrets_store};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::{ConditionType, ObjectState};
use vaultbind_e2e::stage::random;

use crate::support::{kubectl, secret_object, site, site_with_secrets};

/// A site with one secret, and a binding `app` of it that is Ready.
pub(crate) async fn bound(name: &str) -> (Site, String) {
    let (site, [value]) = site_with_secrets(name, ["db"]).await;
    let binding = site.binding("app", &json!([{ "name": "db" }]));
    site.bind(binding).await.unwrap();
    site.ready("app").await.unwrap();
    (site, value)
}

/// Gives the secret a new version, and returns its value. Key Vault tells times in seconds, and of two
/// versions of the same second the pinned one stays.
pub(crate) async fn rotate(site: &Site) -> String {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let value = random("rotated");
    site.set_secret("db", &value).await.unwrap();
    value
}

/// Waits until the pods of a binding are so many, all with the pinned versions.
async fn pods_are_current(site: &Site, binding: &str, pods: &str) -> VaultBinding {
    site.becomes(binding, &format!("pods {pods}"), |binding| {
        let summary = binding
            .status
            .as_ref()
            .and_then(|status| status.summary.as_ref());
        summary.and_then(|summary| summary.pods.as_deref()) == Some(pods)
    })
    .await
    .unwrap()
}

/// The cell in the first row of a table of kubectl; it may be empty. Columns start where their heads do.
fn cell(table: &str, column: &str) -> String {
    let (head, row) = table.split_once('\n').unwrap();
    let (head, row) = (format!("  {head}  "), format!("  {}", row.trim_end()));
    let start = head.find(&format!("  {column}  ")).expect(table) + 2;
    let next = head[start + column.len()..].find(|c: char| c != ' ');
    let end = next.map_or(row.len(), |next| start + column.len() + next);
    row[start..end.min(row.len())].trim().to_owned()
}

#[tokio::test]
async fn a_binding_pins_versions_and_a_deployment_mounts_them() {
    let (site, [db, key]) = site_with_secrets("binding", ["db", "api-key"]).await;
    let objects = json!([
        { "name": "db" },
        { "name": "key", "objectName": "api-key", "file": { "path": "keys/api", "mode": "0444" } },
    ]);
    site.bind(site.binding("app", &objects)).await.unwrap();
    let binding = site.ready("app").await.unwrap();

    // No pod was there, so all of this is what the operator asked for.
    let asked = site.asked().await.unwrap();
    assert!(!asked.is_empty());
    for path in &asked {
        let list = path == "/secrets" || path.ends_with("/versions");
        assert!(list, "the operator read {path}");
    }

    let pins = site.pins("app").await.unwrap();
    assert_eq!(pins.keys().collect::<Vec<_>>(), ["api-key", "db"]);
    for (name, object) in [("db", "db"), ("key", "api-key")] {
        let status = object_status(&binding, name).unwrap();
        assert_eq!(status.pinned.as_ref(), pins.get(object));
        assert_eq!(status.latest, status.pinned);
        assert_eq!(status.state, ObjectState::Current);
    }

    let deployment = serde_json::from_value(PodSpec::new("api", "app").deployment(1)).unwrap();
    site.deployments()
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    let binding = pods_are_current(&site, "app", "1/1").await;
    let pods = object_status(&binding, "db").unwrap().pods.clone().unwrap();
    assert_eq!((pods.current, pods.total), (1, 1));
    let labels = ListParams::default().labels("app=api");
    let pod = site.pods().list(&labels).await.unwrap().items.remove(0);
    let pod = pod.metadata.name.unwrap();
    site.running(&pod).await.unwrap();
    assert_eq!(site.read(&pod, "/mnt/app/db").await.unwrap(), db.as_bytes());
    let file = site.read(&pod, "/mnt/app/keys/api").await.unwrap();
    assert_eq!(file, key.as_bytes());
    let recorded = site.recorded(&pod, "app").await.unwrap();
    assert_eq!(recorded["secret/db"], pins["db"]);
}

#[tokio::test]
async fn a_new_version_is_pinned_within_a_check_interval_and_reaches_the_pod() {
    let (site, value) = bound("continuous").await;
    let pod = site.run(&PodSpec::new("reader", "app")).await.unwrap();
    pods_are_current(&site, "app", "1/1").await;
    assert_eq!(
        site.read(&pod, "/mnt/app/db").await.unwrap(),
        value.as_bytes()
    );
    let before = site.pins("app").await.unwrap();

    let rotated = rotate(&site).await;
    let pins = site.pins_other_than("app", &before).await.unwrap();
    site.reads(&pod, "/mnt/app/db", rotated.as_bytes())
        .await
        .unwrap();
    let binding = pods_are_current(&site, "app", "1/1").await;
    let status = object_status(&binding, "db").unwrap();
    assert_eq!(status.pinned.as_ref(), pins.get("db"));
    assert_eq!(status.previous.as_ref(), before.get("db"));
}

#[tokio::test]
async fn a_suspended_binding_keeps_its_pins_and_new_pods_get_those() {
    let (site, value) = bound("suspend").await;
    let before = site.pins("app").await.unwrap();
    let suspend = |policy: &str| json!({ "spec": { "reconcilePolicy": policy } });
    site.change("app", suspend("Suspend")).await.unwrap();
    site.condition("app", ConditionType::Ready, "True", "Suspended")
        .await
        .unwrap();

    let rotated = rotate(&site).await;
    site.ask_for_check("app").await.unwrap();
    let pod = site.run(&PodSpec::new("late", "app")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/app/db").await.unwrap(),
        value.as_bytes()
    );
    assert_eq!(site.pins("app").await.unwrap(), before);

    site.change("app", suspend("Apply")).await.unwrap();
    site.pins_other_than("app", &before).await.unwrap();
    site.reads(&pod, "/mnt/app/db", rotated.as_bytes())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_becomes_tls_crt_and_tls_key() {
    let key = "{type: EC, curve: P-256}";
    let vault =
        format!("  certificates: [{{name: web, subject: CN=web, issuer: Chain, key: {key}}}]\n");
    let site = site("certificate", &vault).await;
    let objects = json!([{ "name": "web", "type": "Certificate" }]);
    site.bind(site.binding("app", &objects)).await.unwrap();
    let pod = site.run(&PodSpec::new("server", "app")).await.unwrap();
    let text = async |file: &str| {
        String::from_utf8(
            site.read(&pod, &format!("/mnt/app/web/{file}"))
                .await
                .unwrap(),
        )
        .unwrap()
    };
    let chain = text("tls.crt").await;
    assert_eq!(chain.matches("-----BEGIN CERTIFICATE-----").count(), 2);
    assert!(
        text("tls.key")
            .await
            .starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    pods_are_current(&site, "app", "1/1").await;
}

#[tokio::test]
async fn deleting_a_binding_takes_its_class_along_warns_of_pods_and_leaves_them_their_files() {
    let (site, value) = bound("delete").await;
    let pod = site.run(&PodSpec::new("reader", "app")).await.unwrap();
    pods_are_current(&site, "app", "1/1").await;
    kubectl(&[
        "-n",
        &site.namespace,
        "delete",
        "vaultbinding",
        "app",
        "--timeout=30s",
    ]);
    let gone = || async { Ok(site.classes().get_opt("app").await?.is_none().then_some(())) };
    eventually("the SecretProviderClass is collected", gone)
        .await
        .unwrap();
    let warned = || async {
        let warnings = site.warnings("app").await?;
        let about_pods =
            |warning: &String| warning.starts_with("DeletedWhileMounted: 1 pod mounts");
        Ok(warnings.into_iter().find(about_pods))
    };
    eventually("a warning that pods mount it", warned)
        .await
        .unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/app/db").await.unwrap(),
        value.as_bytes()
    );
    // While a pod mounts a class that is gone, the driver gives no Secret of the node its owners.
    site.delete(&pod).await.unwrap();
}

#[tokio::test]
async fn a_class_that_is_to_be_retained_outlives_its_binding_and_no_namespace_waits() {
    let (site, value) = bound("retain").await;
    site.change("app", json!({ "spec": { "deletionPolicy": "Retain" } }))
        .await
        .unwrap();
    let orphan = || async {
        let class = site.classes().get("app").await?;
        let owners = class.metadata.owner_references.unwrap_or_default();
        Ok(owners.is_empty().then_some(()))
    };
    eventually("no owner", orphan).await.unwrap();
    kubectl(&[
        "-n",
        &site.namespace,
        "delete",
        "vaultbinding",
        "app",
        "--timeout=30s",
    ]);
    // The garbage collector has had the time to act.
    let pod = site.run(&PodSpec::new("late", "app")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/app/db").await.unwrap(),
        value.as_bytes()
    );

    site.bind(site.binding("again", &json!([{ "name": "db" }])))
        .await
        .unwrap();
    site.ready("again").await.unwrap();
    let namespaces: Api<Namespace> = Api::all(site.cluster.client.clone());
    namespaces
        .delete(&site.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let gone = || async {
        let namespace = namespaces.get_opt(&site.namespace).await?;
        Ok(namespace.is_none().then_some(()))
    };
    eventually("the namespace is gone", gone).await.unwrap();
}

#[tokio::test]
async fn a_missing_role_is_told_with_its_remedy_and_the_check_asked_for_finds_it_assigned() {
    let (site, [value]) = site_with_secrets("role", ["db"]).await;
    site.revoke().await.unwrap();
    let mut binding = site.binding("app", &json!([{ "name": "db" }]));
    // So long that only the check that is asked for can find it.
    binding["spec"]["rotation"]["checkInterval"] = "24h".into();
    site.bind(binding).await.unwrap();
    let message = site
        .condition("app", ConditionType::AccessReady, "False", "RoleMissing")
        .await
        .unwrap();
    let role = "Key Vault Secrets User";
    assert!(message.contains(role), "{message}");
    assert!(message.contains("az role assignment create"), "{message}");
    assert!(site.classes().get_opt("app").await.unwrap().is_none());

    site.assign(&site.client_id, role).await.unwrap();
    site.ask_for_check("app").await.unwrap();
    site.ready("app").await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "app")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/app/db").await.unwrap(),
        value.as_bytes()
    );
}

#[tokio::test]
async fn a_class_of_somebody_else_is_left_alone() {
    let (site, [_]) = site_with_secrets("foreign", ["db"]).await;
    site.class("app", &secret_object("db")).await.unwrap();
    let before = site.classes().get("app").await.unwrap();
    site.bind(site.binding("app", &json!([{ "name": "db" }])))
        .await
        .unwrap();
    let message = site
        .condition("app", ConditionType::Stalled, "True", "NameTaken")
        .await
        .unwrap();
    assert!(
        message.contains("kubectl delete secretproviderclass app"),
        "{message}"
    );
    let after = site.classes().get("app").await.unwrap();
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
}

#[tokio::test]
async fn what_somebody_changes_in_the_class_is_repaired() {
    let (site, _) = bound("drift").await;
    let before = site.classes().get("app").await.unwrap();
    let drift = json!({ "spec": { "parameters": {
        "keyvaultName": "kv-elsewhere",
        "clientID": null,
    } } });
    let (params, drift) = (PatchParams::default(), Patch::Merge(drift));
    // Whoever may write classes is refused; who brings backups back is let.
    let refused = site.classes().patch("app", &params, &drift).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("change that"), "{message}");
    let restorer = site.cluster.as_administrator("restorer").await.unwrap();
    let classes = secrets_store(restorer, "SecretProviderClass", &site.namespace);
    classes.patch("app", &params, &drift).await.unwrap();
    let repaired = || async {
        let class = site.classes().get("app").await?;
        Ok((class.data["spec"] == before.data["spec"]).then_some(()))
    };
    eventually("the class is as before", repaired)
        .await
        .unwrap();

    // Deleted, it is made again, with the same versions.
    let pins = site.pins("app").await.unwrap();
    classes
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    let again = || async { Ok((site.pins("app").await? == pins).then_some(())) };
    eventually("the class is there again", again).await.unwrap();
}

#[tokio::test]
async fn kubectl_shows_how_bindings_are() {
    let (site, _) = bound("columns").await;
    site.run(&PodSpec::new("reader", "app")).await.unwrap();
    pods_are_current(&site, "app", "1/1").await;
    let table = kubectl(&["-n", &site.namespace, "get", "vb", "-o", "wide"]);
    let column = |name: &str| cell(&table, name);
    assert_eq!(column("READY"), "True", "{table}");
    assert_eq!(column("VAULT"), site.vault_host(), "{table}");
    assert_eq!(column("OBJECTS"), "1/1", "{table}");
    assert_eq!(column("PODS"), "1/1", "{table}");
    assert_eq!(column("POLICY"), "Apply", "{table}");
    assert_eq!(column("CLIENT"), site.client_id, "{table}");
}
