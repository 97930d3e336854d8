//! What is rendered, as vaultbind's own provider reads it.

use proptest::prelude::*;
use serde_json::json;
use vaultbind_crds::binding::{Decode, Dialect, Object, Part};
use vaultbind_proto::MountRequest;
use vaultbind_provider::request::{
    Classes, Defaults, Encoding, Format, IdentitySource, Object as Read, Request,
};

use super::*;

/// What the provider makes of a class, for a pod with a token.
fn read(class: &SecretProviderClass) -> Request {
    let mut attributes = class.spec.parameters.clone();
    let token = json!({"token": "text", "expirationTimestamp": "2100-01-01T00:00:00Z"});
    let tokens = json!({"api://AzureADTokenExchange": token, "api://AKSIdentityBinding": token});
    for (name, value) in [
        ("csi.storage.k8s.io/pod.name", "api-0"),
        ("csi.storage.k8s.io/pod.namespace", "shop"),
        (
            "csi.storage.k8s.io/serviceAccount.tokens",
            &tokens.to_string(),
        ),
    ] {
        attributes.insert(name.to_owned(), value.to_owned());
    }
    let request = MountRequest {
        attributes: json!(attributes).to_string(),
        secrets: "{}".to_owned(),
        permission: "256".to_owned(),
        ..MountRequest::default()
    };
    let defaults = Defaults {
        vault_hosts: vec!["kv.example.com".parse().unwrap()],
        ..Defaults::default()
    };
    let objects = &class.spec.parameters["objects"];
    match Request::decode(&request, &defaults, &Classes::default(), at(NOW)) {
        Ok(request) => request,
        Err(error) => panic!("{error}\n{objects}"),
    }
}

fn mode(object: &Object) -> i32 {
    i32::from_str_radix(&object.file.mode, 8).unwrap()
}

fn encoding(object: &Object) -> Encoding {
    match object.file.decode {
        Decode::None => Encoding::Utf8,
        Decode::Base64 => Encoding::Base64,
        Decode::Hex => Encoding::Hex,
    }
}

fn type_(object: &Object) -> VaultType {
    match object.type_ {
        ObjectType::Secret => VaultType::Secret,
        ObjectType::Key => VaultType::Key,
        ObjectType::Certificate => VaultType::Certificate,
    }
}

/// The files and what is read for them, as the binding means it.
fn meant(scene: &Scene, plan: &Plan) -> Vec<(String, String, String)> {
    let mut files = Vec::new();
    for status in &plan.status.objects {
        let Some(pinned) = status.pinned.clone() else {
            continue;
        };
        let mut objects = scene.binding.spec.objects.iter();
        let object = objects.find(|object| object.name == status.name).unwrap();
        let path = match object.select {
            Some(_) => format!("{}/{}", object.path(), status.object_name),
            None => object.path().to_owned(),
        };
        let name = status.object_name.clone();
        if object.parts().is_empty() {
            files.push((path, name, pinned));
        } else {
            for part in object.parts() {
                let path = format!("{path}/{}", part.file_name());
                files.push((path, name.clone(), pinned.clone()));
            }
        }
    }
    files.sort();
    files
}

fn understood(objects: &[Read]) -> Vec<(String, String, String)> {
    let mut files: Vec<_> = objects
        .iter()
        .flat_map(|object| {
            let version = object.version.as_ref().unwrap().to_string();
            object
                .files()
                .map(move |file| (file, object.name.to_string(), version.clone()))
        })
        .collect();
    files.sort();
    files
}

fn check(scene: &Scene) -> Result<(), TestCaseError> {
    let plan = scene.plan();
    let class = plan.applied();
    let request = read(class);
    prop_assert_eq!(understood(&request.objects), meant(scene, &plan));
    let host = &plan.status.summary.as_ref().unwrap().vault;
    prop_assert_eq!(Some(request.vault.host()), host.as_deref());
    match &request.identity {
        IdentitySource::WorkloadIdentity {
            tenant, client_id, ..
        } => {
            prop_assert_eq!((tenant.as_str(), client_id.as_str()), (TENANT, CLIENT));
        }
        other => prop_assert!(false, "{:?}", other),
    }
    let azure = scene.binding.spec.provider.dialect == Dialect::Azure;
    for read in request.objects.iter() {
        let path = read.path.to_string();
        let mut objects = scene.binding.spec.objects.iter();
        let object = objects
            .find(|object| {
                path == object.path() || path.starts_with(&format!("{}/", object.path()))
            })
            .unwrap();
        prop_assert_eq!(read.mode.bits(), mode(object));
        let pfx = azure && path.ends_with("/tls.p12") && object.parts().contains(&Part::PFX);
        prop_assert_eq!(read.format, if pfx { Format::Pfx } else { Format::Pem });
        prop_assert_eq!(
            read.encoding,
            if pfx {
                Encoding::Base64
            } else {
                encoding(object)
            }
        );
        prop_assert_eq!(
            read.object_type,
            if pfx {
                VaultType::Secret
            } else {
                type_(object)
            }
        );
        prop_assert_eq!(read.optional, object.optional && !azure);
        prop_assert_eq!(read.parts.is_empty(), azure || object.parts().is_empty());
    }
    Ok(())
}

/// One entry of `spec.objects`, with names that YAML reads as something else where nobody quotes them.
fn object() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("null".to_owned()),
        Just("1e3".to_owned()),
        Just("0644".to_owned()),
        Just("true".to_owned()),
        Just("-".to_owned()),
        Just("0x1f".to_owned()),
        "[A-Za-z0-9-]{1,20}",
    ];
    let type_ = prop_oneof![Just("Secret"), Just("Key"), Just("Certificate")];
    let path = prop_oneof![
        Just(None),
        "[a-zA-Z0-9_][a-z0-9._-]{0,8}(/[a-z0-9_-][a-z0-9._-]{0,8}){0,2}".prop_map(Some)
    ];
    let parts =
        prop::sample::subsequence(vec!["FullChain", "PrivateKey", "CA", "Leaf", "PFX"], 1..=5);
    let decode = prop_oneof![Just("None"), Just("Base64"), Just("Hex")];
    (
        name,
        type_,
        path,
        parts,
        decode,
        "0[0-7][0-7][0145]",
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(name, type_, path, parts, decode, mode, optional, select)| {
                let mut object =
                    json!({"type": type_, "file": {"mode": mode}, "optional": optional});
                if let Some(path) = path {
                    object["file"]["path"] = path.into();
                }
                match type_ {
                    "Certificate" => object["parts"] = json!(parts),
                    "Secret" => object["file"]["decode"] = decode.into(),
                    _ => {}
                }
                if select {
                    object["select"] = json!({"prefix": name});
                } else {
                    object["objectName"] = name.into();
                }
                object
            },
        )
}

fn scene() -> impl Strategy<Value = Scene> {
    let azure = any::<bool>();
    (prop::collection::vec(object(), 1..6), azure, any::<bool>()).prop_map(
        |(mut objects, azure, uri)| {
            for (number, object) in objects.iter_mut().enumerate() {
                object["name"] = format!("own{number}").into();
                if let Some(path) = object["file"]["path"].as_str() {
                    object["file"]["path"] = format!("p{number}{path}").into();
                }
                if azure {
                    object["optional"] = false.into();
                    let path = object["file"]["path"]
                        .as_str()
                        .map(|path| path.replace('.', "_"));
                    if let Some(path) = path {
                        object["file"]["path"] = path.into();
                    }
                    if object["type"] == "Certificate" {
                        object["parts"] = json!(["PFX", "Leaf"]);
                    }
                }
            }
            let mut scene = Scene::new("[]").spec(json!({"objects": objects}));
            if azure {
                scene = scene.spec(json!({"provider": {"dialect": "Azure"}}));
            } else if uri {
                scene =
                    scene.spec(json!({"vault": {"name": null, "uri": "https://KV.example.com/"}}));
            }
            let mut number = 0;
            for object in scene.binding.spec.objects.clone() {
                let names = match object.object_name() {
                    Some(name) => vec![name.to_owned()],
                    None => {
                        let prefix = object.select.as_ref().unwrap().prefix.clone().unwrap();
                        let names = vec![format!("{prefix}a"), format!("{prefix}-1")];
                        scene
                            .vault
                            .selected
                            .insert(object.name.clone(), Ok(names.clone()));
                        names
                    }
                };
                for name in names {
                    number += 1;
                    let key = Key {
                        type_: object.type_,
                        name: name.to_ascii_lowercase(),
                    };
                    scene.set(key, &[version(number)]);
                }
            }
            scene
        },
    )
}

proptest! {
    #[test]
    fn the_provider_reads_exactly_what_was_meant(scene in scene()) {
        check(&scene)?;
    }

    #[test]
    fn what_is_rendered_is_read_back_as_the_same_pins(scene in scene()) {
        let mut scene = scene;
        let plan = scene.step();
        let pins: Vec<_> = plan.status.objects.iter().map(|object| object.pinned.clone()).collect();
        scene.binding.status = None;
        scene.outage();
        let again = scene.step();
        prop_assert_eq!(&again.target, &Target::Keep);
        // Selections come back in the order of the class.
        let back: Vec<_> = again.status.objects.iter().map(|object| object.pinned.clone()).collect();
        prop_assert_eq!(back, pins);
    }
}

#[test]
fn a_class_of_nothing_but_missing_optional_objects_is_one_that_mounts() {
    let scene = Scene::new("[{name: db, optional: true}]").has(secret("db"), &[]);
    let plan = scene.plan();
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(read(plan.applied()).objects.len(), 0);
}

#[test]
fn the_provider_takes_a_bound_identity_to_the_token_proxy() {
    for dialect in ["Vaultbind", "Azure"] {
        let mut scene = two().spec(json!({
            "identity": {"type": "AKSIdentityBinding"},
            "provider": {"dialect": dialect},
        }));
        let Target::Apply(class) = scene.step().target else {
            panic!("nothing is applied");
        };
        let request = read(&class);
        assert!(
            matches!(
                &request.identity,
                IdentitySource::IdentityBinding { tenant, client_id, .. }
                    if tenant.as_str() == TENANT && client_id.as_str() == CLIENT
            ),
            "{:?}",
            request.identity
        );
    }
}
