//! What is refused before the vault is asked. The table is also a page of the reference.

use serde_json::json;

use super::super::Reason;
use super::*;
use crate::secrets_store::SecretProviderClassSpec;

/// A binding that is refused.
pub(in crate::plan) struct Wrong {
    /// What is wrong.
    pub(in crate::plan) what: &'static str,
    pub(in crate::plan) reason: Reason,
    /// What the message has: the field or the name, and the remedy.
    pub(in crate::plan) says: &'static [&'static str],
    pub(in crate::plan) scene: Scene,
}

fn wrong(what: &'static str, reason: Reason, says: &'static [&'static str], scene: Scene) -> Wrong {
    Wrong {
        what,
        reason,
        says,
        scene,
    }
}

fn azure(objects: &str) -> Scene {
    Scene::new(objects).spec(json!({"provider": {"name": "azure", "dialect": "Azure"}}))
}

fn named(choice: ClassChoice) -> Scene {
    let mut scene = two();
    scene.cluster.class = choice;
    scene
}

pub(in crate::plan) fn table() -> Vec<Wrong> {
    let mut all = limits();
    all.extend(dialect());
    all.extend(spec());
    all
}

fn limits() -> Vec<Wrong> {
    let with = |spec: Value| two().class(&spec);
    let select = |select: &str| Scene::new(&format!("[{{name: all, select: {select}}}]"));
    let names = json!({"objectNames": ["{namespace}-*", "common-db"]});
    let crowded = {
        let mut scene = with(json!({"budgets": {"bindingsPerNamespace": 2}}));
        scene.cluster.older_of_class = 2;
        scene
    };
    let taken = {
        let mut scene = two();
        let class = SecretProviderClass::new("payments", SecretProviderClassSpec::default());
        scene.cluster.target = Some(Arc::new(class));
        scene
    };
    let of_another = {
        let mut scene = two();
        let mut class = scene.plan().applied().clone();
        class.metadata.owner_references = None;
        let labels = class.metadata.labels.as_mut().unwrap();
        labels.insert("vaultbind.dev/binding".to_owned(), "orders".to_owned());
        scene.cluster.target = Some(Arc::new(class));
        scene
    };
    vec![
        wrong(
            "`vaultClassName` names a class that is not there",
            Reason::ClassMissing,
            &["VaultClass prodd", "spec.vaultClassName"],
            named(ClassChoice::Missing("prodd".to_owned())),
        ),
        wrong(
            "No `vaultClassName`, and two classes are the default",
            Reason::SeveralDefaultClasses,
            &["dev, prod", "vaultbind.dev/is-default-class"],
            named(ClassChoice::Several(vec![
                "dev".to_owned(),
                "prod".to_owned(),
            ])),
        ),
        wrong(
            "The namespace lacks a label of the class's `namespaceSelector`",
            Reason::NamespaceNotAllowed,
            &["prod", "shop", "namespaceSelector"],
            with(json!({"namespaceSelector": {"matchLabels": {"tier": "dev"}}})),
        ),
        wrong(
            "The namespace has a label that the class excludes",
            Reason::NamespaceNotAllowed,
            &["shop"],
            with(json!({"namespaceSelector": {"matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["prod"]}]}})),
        ),
        wrong(
            "A label that the class demands is missing",
            Reason::NamespaceNotAllowed,
            &["shop"],
            with(json!({"namespaceSelector": {"matchExpressions": [
                {"key": "team", "operator": "Exists"}]}})),
        ),
        wrong(
            "The vault is none of the class's `vaults`",
            Reason::VaultNotAllowed,
            &["kv-payments.vault.azure.net", "kv-*-prod"],
            with(json!({"vaults": ["kv-*-prod"]})),
        ),
        wrong(
            "The host of `vault.uri` is none of the class's `vaults`",
            Reason::VaultNotAllowed,
            &["kv.example.com"],
            with(json!({"vaults": ["*.vault.azure.net"]}))
                .spec(json!({"vault": {"name": null, "uri": "https://kv.example.com/"}})),
        ),
        wrong(
            "An `objectName` is outside of the class's `objectNames`",
            Reason::ObjectNameNotAllowed,
            &["the name db of object db", "shop-*"],
            with(names.clone()),
        ),
        wrong(
            "A selection's prefix is wider than any pattern",
            Reason::ObjectNameNotAllowed,
            &["prefix \"shop\" of selection all"],
            select("{prefix: shop}").class(&names),
        ),
        wrong(
            "A selection lies in a pattern without `*` at its end",
            Reason::ObjectNameNotAllowed,
            &["selection all"],
            select("{prefix: common-db}").class(&names),
        ),
        wrong(
            "A selection by tags alone, where names are limited",
            Reason::ObjectNameNotAllowed,
            &["prefix \"\" of selection all"],
            select("{tags: {team: pay}}").class(&names),
        ),
        wrong(
            "The namespace has as many older bindings as the class admits",
            Reason::TooManyBindings,
            &["2 bindings", "bindingsPerNamespace"],
            crowded,
        ),
        wrong(
            "Somebody else's SecretProviderClass has the binding's name",
            Reason::NameTaken,
            &["kubectl delete secretproviderclass payments -n shop"],
            taken,
        ),
        wrong(
            "Another binding's SecretProviderClass has the binding's name",
            Reason::NameTaken,
            &["payments"],
            of_another,
        ),
    ]
}

fn dialect() -> Vec<Wrong> {
    let unsupported = Reason::UnsupportedByProvider;
    let china = json!({"vault": {"cloud": "AzureChina"}});
    vec![
        wrong(
            "Dialect `Azure` and a host that is no vault of the cloud",
            unsupported,
            &["spec.vault.uri", "kv.example.com"],
            azure("[{name: db}]")
                .spec(json!({"vault": {"name": null, "uri": "https://kv.example.com"}})),
        ),
        wrong(
            "Dialect `Azure` and `optional`",
            unsupported,
            &["spec.objects[db].optional"],
            azure("[{name: db, optional: true}]"),
        ),
        wrong(
            "Dialect `Azure` and a certificate's default parts",
            unsupported,
            &["spec.objects[tls].parts", "FullChain"],
            azure("[{name: tls, type: Certificate}]"),
        ),
        wrong(
            "Dialect `Azure` and the part `CA`",
            unsupported,
            &["spec.objects[tls].parts", "CA"],
            azure("[{name: tls, type: Certificate, parts: [Leaf, CA]}]"),
        ),
        wrong(
            "Dialect `Azure` and the part `PrivateKey`",
            unsupported,
            &["PrivateKey"],
            azure("[{name: tls, type: Certificate, parts: [PrivateKey]}]"),
        ),
        wrong(
            "Dialect `Azure` and a path with two dots in a row",
            unsupported,
            &["spec.objects[db].file.path"],
            azure("[{name: db, file: {path: a..b}}]"),
        ),
        wrong(
            "Dialect `Azure` in another cloud, with the audience of that cloud",
            unsupported,
            &["spec.identity.audience", "api://AzureADTokenExchange,"],
            azure("[{name: db}]").spec(china),
        ),
        wrong(
            "An audience of another cloud than the vault's",
            unsupported,
            &["spec.identity.audience", "api://AzureADTokenExchangeChina"],
            two().spec(json!({"identity": {"audience": "api://AzureADTokenExchangeChina"}})),
        ),
    ]
}

fn spec() -> Vec<Wrong> {
    let invalid = Reason::InvalidSpec;
    vec![
        wrong(
            "`vault.uri` with a port that is not asked",
            invalid,
            &["spec.vault.uri", "443"],
            two().spec(json!({"vault": {"name": null, "uri": "https://kv.example.com:8443"}})),
        ),
        wrong(
            "`vault.uri` under the cloud's suffix with a name that no vault has",
            invalid,
            &["spec.vault.uri", "3 to 24"],
            two().spec(json!({"vault": {"name": null, "uri": "https://a.b.vault.azure.net"}})),
        ),
        wrong(
            "`vault` with both name and uri, written under an older definition",
            invalid,
            &["spec.vault", "exactly one"],
            two().spec(json!({"vault": {"uri": "https://kv-payments.vault.azure.net"}})),
        ),
        wrong(
            "A client id that is none, written under an older definition",
            invalid,
            &["spec.identity.clientID", "GUID"],
            two().spec(json!({"identity": {"clientID": "api"}})),
        ),
        wrong(
            "A tenant that is none, written under an older definition",
            invalid,
            &["spec.vault.tenantID"],
            two().spec(json!({"vault": {"tenantID": "contoso"}})),
        ),
        wrong(
            "An object's name that no vault can have, written under an older definition",
            invalid,
            &["spec.objects[db].objectName"],
            Scene::new("[{name: db, objectName: a/b}]"),
        ),
        wrong(
            "A version that is none, written under an older definition",
            invalid,
            &["spec.objects[db].version"],
            Scene::new("[{name: db, version: latest}]"),
        ),
    ]
}

#[test]
fn what_is_wrong_is_refused_with_its_reason_and_the_remedy() {
    let table = table();
    assert!(table.len() >= 25, "{}", table.len());
    for wrong in table {
        let what = wrong.what;
        let stall = question(&wrong.scene.binding, &wrong.scene.cluster).unwrap_err();
        assert_eq!(stall.reason, wrong.reason, "{what}");
        for says in wrong.says {
            assert!(stall.message.contains(says), "{what}: {}", stall.message);
        }
        let before = wrong.scene.cluster.target.clone();
        let mut scene = wrong.scene;
        let plan = scene.step();
        assert_eq!(plan.target, Target::Keep, "{what}");
        assert_eq!(scene.cluster.target, before);
        assert_eq!(
            plan.condition("Stalled"),
            format!("True {}", wrong.reason),
            "{what}"
        );
        assert_eq!(plan.condition("Ready"), format!("False {}", wrong.reason));
        assert_eq!(plan.condition("Reconciling"), "");
        assert_eq!(plan.reasons()[0], "Stalled");
        assert_eq!(scene.step().notes, []);
    }
}

#[test]
fn what_the_class_admits_is_asked() {
    for (scene, spec) in [
        (
            two(),
            json!({"namespaceSelector": {"matchLabels": {"tier": "prod"}}}),
        ),
        (
            two(),
            json!({"namespaceSelector": {"matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["prod", "dev"]},
                {"key": "team", "operator": "DoesNotExist"}]}}),
        ),
        (two(), json!({"vaults": ["KV-pay*"]})),
        (two(), json!({"vaults": ["x", "*.vault.azure.net"]})),
        (two(), json!({"objectNames": ["DB", "mail*"]})),
        (
            Scene::new("[{name: a, select: {prefix: Shop-a}}]"),
            json!({"objectNames": ["{namespace}-*"]}),
        ),
        (
            Scene::new("[{name: a, select: {tags: {b: c}}}]"),
            json!({"objectNames": ["*"]}),
        ),
    ] {
        let scene = scene.class(&spec);
        assert!(question(&scene.binding, &scene.cluster).is_ok(), "{spec}");
    }
}

#[test]
fn the_question_is_the_same_however_a_vault_and_its_objects_are_written() {
    let plain = question(&two().binding, &two().cluster).unwrap();
    let other = Scene::new("[{name: a, objectName: MAIL-password}, {name: b, objectName: DB}, {name: c, objectName: db, file: {path: x}}]")
        .spec(json!({"vault": {"name": null, "uri": "https://KV-Payments.vault.azure.net:443/"}}));
    assert_eq!(question(&other.binding, &other.cluster).unwrap(), plain);
    assert_eq!(plain.requests_per_second, 50);
    let class = json!({"detection": "Operator", "budgets": {"vaultRequestsPerSecond": 7}});
    let scene = two().class(&class);
    let question = question(&scene.binding, &scene.cluster).unwrap();
    assert_eq!(question.asker.caller, crate::observed::Caller::Operator);
    assert_eq!(question.requests_per_second, 7);
}

#[test]
fn a_class_that_became_stricter_leaves_what_is_there() {
    let mut scene = two();
    scene.step();
    let before = scene.cluster.target.clone();
    let mut scene = scene.class(&json!({"vaults": ["other"]}));
    let plan = scene.step();
    assert_eq!(plan.condition("Ready"), "False VaultNotAllowed");
    assert_eq!(plan.condition("AccessReady"), "True Listed");
    assert_eq!(plan.object("db").pinned, Some(id(1)));
    assert_eq!(scene.cluster.target, before);
    scene.cluster.class = ClassChoice::None;
    let plan = scene.step();
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(plan.condition("Stalled"), "");
}
