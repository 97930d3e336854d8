//! What goes into a Kubernetes Secret is what the provider mounts of the same version, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use vaultbind_crds::binding::{Decode, ObjectType, Part};
use vaultbind_keyvault::{Cache, CacheOptions, VersionId};
use vaultbind_operator::observed::Key;
use vaultbind_operator::resolve::Wanted;
use vaultbind_proto::MountRequest;
use vaultbind_provider::mount::{MountOptions, Mounter, Report};
use vaultbind_provider::render::RenderOptions;
use vaultbind_provider::request::Defaults;

use crate::stage::*;

const PARTS: [Part; 5] = [
    Part::FullChain,
    Part::PrivateKey,
    Part::CA,
    Part::Leaf,
    Part::PFX,
];

/// Certificates: name, content type, key.
const CERTIFICATES: [(&str, &str, &str); 4] = [
    ("pfx-rsa", "application/x-pkcs12", "type: RSA, size: 2048"),
    ("pfx-ec", "application/x-pkcs12", "type: EC, curve: P-256"),
    ("pem-rsa", "application/x-pem-file", "type: RSA, size: 2048"),
    ("pem-ec", "application/x-pem-file", "type: EC, curve: P-384"),
];

fn vault() -> String {
    let mut vault = "  roleAssignments:\n".to_owned();
    for role in [
        "Key Vault Reader",
        "Key Vault Secrets User",
        "Key Vault Certificate User",
    ] {
        writeln!(vault, "  - {{principal: {CLIENT}, role: {role}}}").unwrap();
    }
    vault.push_str(
        "  secrets:
  - {name: text, value: \"pässword\\n\"}
  - {name: empty, value: ''}
  - {name: base64, value: AAH/gA==}
  - {name: hex, value: 00ff80}
  keys:
  - {name: rsa, type: RSA, size: 2048}
  - {name: ec, type: EC, curve: P-521}
  certificates:
",
    );
    for (name, content_type, key) in CERTIFICATES {
        writeln!(
            vault,
            "  - {{name: {name}, subject: CN={name}, issuer: Chain, contentType: {content_type}, \
             key: {{{key}}}}}"
        )
        .unwrap();
    }
    vault
}

/// An object, what of it, and what the provider's class says for that.
struct Case {
    key: Key,
    part: Option<Part>,
    decode: Decode,
    class: &'static str,
    file: &'static str,
}

fn cases() -> Vec<Case> {
    let key = |type_, name: &str| Key {
        type_,
        name: name.to_owned(),
    };
    let plain = |key, decode, class| Case {
        key,
        part: None,
        decode,
        class,
        file: "",
    };
    let mut cases = Vec::new();
    for name in ["text", "empty", "base64", "hex"] {
        let key = key(ObjectType::Secret, name);
        cases.push(plain(key, Decode::None, "objectType: secret"));
    }
    for (name, decode, class) in [
        (
            "base64",
            Decode::Base64,
            "objectType: secret, objectEncoding: base64",
        ),
        (
            "hex",
            Decode::Hex,
            "objectType: secret, objectEncoding: hex",
        ),
    ] {
        cases.push(plain(key(ObjectType::Secret, name), decode, class));
    }
    for name in ["rsa", "ec"] {
        let key = key(ObjectType::Key, name);
        cases.push(plain(key, Decode::None, "objectType: key"));
    }
    for (name, content_type, _) in CERTIFICATES {
        // A binding may also name the certificate's secret and its key.
        let secret = key(ObjectType::Secret, name);
        cases.push(plain(secret, Decode::None, "objectType: secret"));
        let public = key(ObjectType::Key, name);
        cases.push(plain(public, Decode::None, "objectType: key"));
        for part in PARTS {
            if part == Part::PFX && content_type == "application/x-pem-file" {
                continue;
            }
            let (class, file) = match part {
                Part::FullChain => ("objectType: cert, parts: [FullChain]", "/tls.crt"),
                Part::PrivateKey => ("objectType: cert, parts: [PrivateKey]", "/tls.key"),
                Part::CA => ("objectType: cert, parts: [CA]", "/ca.crt"),
                Part::Leaf => ("objectType: cert, parts: [Leaf]", "/leaf.crt"),
                Part::PFX => ("objectType: cert, parts: [PFX]", "/tls.p12"),
            };
            cases.push(Case {
                key: key(ObjectType::Certificate, name),
                part: Some(part),
                decode: Decode::None,
                class,
                file,
            });
        }
    }
    cases
}

/// The files of a volume with these objects, as the provider makes them.
async fn mounted(stage: &Stage, objects: &str) -> BTreeMap<String, Vec<u8>> {
    let token = token(&stage.azure, "payments", "payments", AUDIENCE);
    let tokens = json!({AUDIENCE: {
        "token": token, "expirationTimestamp": "2100-01-01T00:00:00Z"}});
    let attributes = json!({
        "keyvaultName": VAULT,
        "tenantID": TENANT,
        "clientID": CLIENT,
        "objects": objects,
        "csi.storage.k8s.io/pod.name": "api-0",
        "csi.storage.k8s.io/pod.namespace": "payments",
        "csi.storage.k8s.io/serviceAccount.name": "payments",
        "csi.storage.k8s.io/serviceAccount.tokens": tokens.to_string(),
    });
    let options = CacheOptions {
        stale_for: Duration::ZERO,
        refusal_for: Duration::ZERO,
        max_bytes: 1024 * 1024,
        read_timeout: Duration::from_secs(60),
        observer: None,
    };
    let cache = Cache::new(transport(&stage.azure), options).unwrap();
    let options = MountOptions {
        defaults: Defaults::default(),
        render: RenderOptions::default(),
        timeout: Duration::from_secs(120),
        max_message_bytes: 4 * 1024 * 1024,
    };
    let request = MountRequest {
        attributes: attributes.to_string(),
        secrets: "{}".to_owned(),
        permission: "420".to_owned(),
        ..MountRequest::default()
    };
    let mounter = Mounter::new(cache, options);
    let response = mounter.mount(&request, None, &mut Report::default()).await;
    let files = response.unwrap().files.into_iter();
    files
        .map(|file| (file.path, file.contents.to_vec()))
        .collect()
}

#[tokio::test]
async fn a_secret_has_the_bytes_of_the_file_for_each_type_part_and_decoding() {
    let stage = Stage::start(&with_roles("", &vault())).await;
    let cases = cases();
    let about: BTreeSet<Key> = cases.iter().map(|case| case.key.clone()).collect();
    let mut question = question::<&str>(&[]);
    question.objects = about.into_iter().collect();
    let answer = stage.ask(&question, NOW).await;
    let version = |key: &Key| -> VersionId {
        let versions = answer.versions[key].as_ref();
        versions.unwrap()[0].id.clone()
    };

    let mut objects = String::new();
    let mut pairs = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let id = version(&case.key);
        let (name, class) = (&case.key.name, case.class);
        writeln!(
            objects,
            "- {{objectName: {name}, objectVersion: {id}, objectAlias: f{number}, {class}}}"
        )
        .unwrap();
        let wanted = Wanted::new(case.key.clone(), id, case.part, case.decode);
        pairs.push((wanted, format!("f{number}{}", case.file)));
    }
    let files = mounted(&stage, &objects).await;
    let wanted: BTreeSet<Wanted> = pairs.iter().map(|(wanted, _)| wanted.clone()).collect();
    assert_eq!(files.len(), wanted.len());
    let values = stage.resolver.values(&asker(), 400, &wanted).await.unwrap();
    for (wanted, file) in &pairs {
        let value = values[wanted].as_ref().unwrap();
        assert!(
            value.expose() == files[file],
            "{wanted:?} is not what {file} is"
        );
    }
    // They are what they are meant to be, and not the same by being nothing.
    let bytes = |number: usize| values[&pairs[number].0].as_ref().unwrap().expose();
    assert_eq!(bytes(0), "pässword\n".as_bytes());
    assert_eq!(bytes(4), [0, 1, 255, 128]);
    assert_eq!(bytes(5), [0, 255, 128]);
    assert!((6..pairs.len()).all(|number| bytes(number).len() > 100));
}
