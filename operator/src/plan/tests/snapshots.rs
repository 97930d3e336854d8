//! SecretProviderClasses of whole bindings, in both dialects, compared with the files in `snapshots`.
//! `UPDATE_SNAPSHOTS=1` writes them anew. They are plain YAML, so a change shows in review as what it
//! is for a cluster.

use std::path::Path;

use serde_json::json;

use super::*;

fn certificate(name: &str) -> Key {
    Key {
        type_: ObjectType::Certificate,
        name: name.to_owned(),
    }
}

/// A binding by a name, without what only one dialect has.
fn scenes() -> Vec<(&'static str, Scene)> {
    let db = || Scene::new("[{name: db}]").has(secret("db"), &[version(1)]);
    let mut rotated = two();
    rotated.step();
    rotated.set(secret("db"), &[version(2)]);
    vec![
        ("one-secret", db()),
        ("two-secrets", two()),
        ("rotated", rotated),
        (
            "exact-version",
            Scene::new(&format!("[{{name: db, version: \"{}\"}}]", id(1).to_uppercase()))
                .has(secret("db"), &[version(1), version(2)]),
        ),
        (
            "path-mode-and-decoding",
            Scene::new(
                "[{name: key, objectName: db-key, file: {path: db/key.bin, mode: '0440', decode: Base64}}, \
                 {name: salt, file: {mode: '0400', decode: Hex}}]",
            )
            .has(secret("db-key"), &[version(1)])
            .has(secret("salt"), &[version(2)]),
        ),
        (
            "key",
            Scene::new("[{name: signing, type: Key, file: {path: signing.pub}}]")
                .has(Key { type_: ObjectType::Key, name: "signing".to_owned() }, &[version(1)]),
        ),
        (
            "certificate-leaf",
            Scene::new("[{name: tls, type: Certificate, parts: [Leaf]}]")
                .has(certificate("tls"), &[version(1)]),
        ),
        (
            "certificate-leaf-and-pfx",
            Scene::new("[{name: tls, type: Certificate, parts: [PFX, Leaf], file: {path: certs/web, mode: '0440'}}]")
                .has(certificate("tls"), &[version(1)]),
        ),
        (
            "selection",
            Scene::new("[{name: flags, select: {prefix: flag-, tags: {team: pay}}, file: {path: conf/flags}}]")
                .selects("flags", &["flag-a", "Flag-B"])
                .has(secret("flag-a"), &[version(1)])
                .has(secret("flag-b"), &[version(2)]),
        ),
        (
            "names-that-yaml-reads-otherwise",
            Scene::new("[{name: a, objectName: 'null'}, {name: b, objectName: '1e3'}, {name: c, objectName: '-'}]")
                .has(secret("null"), &[version(1)])
                .has(secret("1e3"), &[version(2)])
                .has(secret("-"), &[version(3)]),
        ),
        (
            "same-object-twice",
            Scene::new(&format!(
                "[{{name: new, objectName: db}}, {{name: old, objectName: db, version: \"{}\"}}]",
                id(1)
            ))
            .has(secret("db"), &[version(1), version(2)]),
        ),
        (
            "other-cloud",
            db().spec(json!({
                "vault": {"cloud": "AzureChina"},
                "identity": {"audience": "api://AzureADTokenExchange"},
            })),
        ),
        ("aks-identity-binding", db().spec(json!({"identity": {"type": "AKSIdentityBinding"}}))),
        ("uri-of-a-vault", db().spec(json!({"vault": {"name": null, "uri": "https://KV-Payments.vault.azure.net/"}}))),
        ("retained", db().spec(json!({"deletionPolicy": "Retain"}))),
    ]
}

/// Bindings that only vaultbind's own provider understands.
fn own_scenes() -> Vec<(&'static str, Scene)> {
    let db = || Scene::new("[{name: db}]").has(secret("db"), &[version(1)]);
    vec![
        (
            "certificate-all-parts",
            Scene::new(
                "[{name: tls, type: Certificate, parts: [PFX, Leaf, CA, PrivateKey, FullChain]}]",
            )
            .has(certificate("tls"), &[version(1)]),
        ),
        (
            "certificate",
            Scene::new("[{name: tls, type: Certificate}]").has(certificate("tls"), &[version(1)]),
        ),
        (
            "optional",
            Scene::new("[{name: db}, {name: extra, optional: true}, {name: gone, optional: true}]")
                .has(secret("db"), &[version(1)])
                .has(secret("extra"), &[version(2)])
                .has(secret("gone"), &[]),
        ),
        (
            "nothing-but-missing-optional",
            Scene::new("[{name: gone, optional: true}]").has(secret("gone"), &[]),
        ),
        (
            "other-host",
            db().spec(json!({"vault": {"name": null, "uri": "https://kv.example.com:443/"}})),
        ),
    ]
}

fn compare(name: &str, scene: &Scene) {
    let plan = scene.plan();
    let found = serde_yaml::to_string(plan.applied()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/plan/tests/snapshots")
        .join(format!("{name}.yaml"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "{name}: look at it, then UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn classes_for_vaultbind_are_as_written_down() {
    for (name, scene) in scenes().into_iter().chain(own_scenes()) {
        compare(&format!("vaultbind-{name}"), &scene);
    }
}

#[test]
fn classes_for_the_azure_provider_are_as_written_down() {
    for (name, scene) in scenes() {
        let scene = scene.spec(json!({"provider": {"name": "azure", "dialect": "Azure"}}));
        compare(&format!("azure-{name}"), &scene);
    }
}

#[test]
fn no_snapshot_is_left_of_a_scene_that_is_gone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/tests/snapshots");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, 2 * scenes().len() + own_scenes().len());
}
