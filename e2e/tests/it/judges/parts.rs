//! Certificates in parts: each file by itself, as openssl sees it.

use std::path::{Path, PathBuf};

use tonic::Code;
use vaultbind_azure::Service;
use vaultbind_e2e::driver::{Volume, mount_request};
use vaultbind_e2e::stage::{CLIENT, Stage, VAULT, class};
use vaultbind_proto::MountResponse;

use super::tools::Judge;
use crate::support::{FORGETFUL, calls_to, logs, now, seed, stage_with};

const KEY: &str = "type: EC, curve: P-256";
const ALL: &str = "[FullChain, PrivateKey, CA, Leaf, PFX]";
const PFX: &str = "application/x-pkcs12";
const PEM: &str = "application/x-pem-file";

/// A stage whose vault has these certificates: name, issuer, content type, key.
async fn certificates(list: &[(&str, &str, &str, &str)]) -> Stage {
    logs();
    let list: String = list
        .iter()
        .map(|(name, issuer, content_type, key)| {
            format!(
                "  - {{name: {name}, subject: CN={name}.example.org, issuer: {issuer}, \
                 contentType: {content_type}, key: {{{key}}}}}\n"
            )
        })
        .collect();
    let vault = seed(&format!("  certificates:\n{list}"));
    stage_with(&vault, &FORGETFUL).await
}

fn entry(name: &str, parts: &str) -> String {
    format!("- {{objectName: {name}, objectType: cert, parts: {parts}}}\n")
}

async fn mount(stage: &Stage, objects: &str) -> Result<MountResponse, tonic::Status> {
    let request = mount_request(&class(objects), &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await?;
    for file in &response.files {
        let text = String::from_utf8_lossy(&file.contents);
        if file.path.ends_with("tls.key") {
            assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            // The second line is all key.
            logs()
                .forbid(text.lines().nth(2).unwrap().as_bytes())
                .unwrap();
        }
    }
    Ok(response)
}

/// Writes a volume into a folder of this name.
fn volume(stage: &Stage, name: &str, response: &MountResponse) -> PathBuf {
    let root = stage.folder().join(name);
    std::fs::create_dir(&root).unwrap();
    Volume::new(&root).write(response).unwrap();
    root
}

fn paths(response: &MountResponse) -> Vec<&str> {
    response.files.iter().map(|f| f.path.as_str()).collect()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn count(folder: &Path, name: &str) -> usize {
    read(folder, name)
        .matches("-----BEGIN CERTIFICATE-----")
        .count()
}

/// What openssl prints of a file of the folder.
async fn openssl(folder: &Path, command: &str, file: &str, arguments: &[&str]) -> String {
    let judge = Judge::openssl(command).arg("-in").arg(folder.join(file));
    judge.args(arguments).run().await
}

/// A client that trusts `ca.crt` accepts a server that sends `tls.crt`.
async fn verifies(folder: &Path, arguments: &[&str]) {
    let chain = folder.join("tls.crt");
    let verified = Judge::openssl("verify")
        .args(arguments)
        .arg("-CAfile")
        .arg(folder.join("ca.crt"))
        .arg("-untrusted")
        .arg(&chain)
        .arg(&chain)
        .run()
        .await;
    assert_eq!(verified, format!("{}: OK\n", chain.display()));
}

async fn key_matches_leaf(folder: &Path) {
    let of_key = openssl(folder, "pkey", "tls.key", &["-pubout"]).await;
    for file in ["tls.crt", "leaf.crt"] {
        let of_leaf = openssl(folder, "x509", file, &["-noout", "-pubkey"]).await;
        assert_eq!(of_leaf, of_key, "{file}");
    }
}

#[tokio::test]
async fn every_part_of_every_form_is_what_openssl_expects() {
    let forms = [
        ("rsa-pfx", "Chain", PFX, "type: RSA, size: 2048"),
        ("ec-pfx", "Chain", PFX, KEY),
        ("ec-pem", "Chain", PEM, "type: EC, curve: P-384"),
        ("self-pfx", "Self", PFX, KEY),
    ];
    let stage = certificates(&forms).await;
    for (name, issuer, content_type, _) in forms {
        let parts = match content_type {
            PFX => ALL,
            _ => "\"FullChain, PrivateKey, CA, Leaf\"",
        };
        let response = mount(&stage, &entry(name, parts)).await.unwrap();
        let id = &response.object_version[0];
        assert_eq!(id.id, format!("cert/{name}"));
        let (version, tag) = id.version.split_once('.').unwrap();
        assert_eq!((version.len(), tag.len()), (32, 8));
        let root = volume(&stage, &format!("volume-{name}"), &response);
        let folder = root.join(name);

        let chain = if issuer == "Chain" { 2 } else { 1 };
        let counts = ["tls.crt", "ca.crt", "leaf.crt"].map(|file| count(&folder, file));
        assert_eq!(counts, [chain, 1, 1], "{name}");
        verifies(&folder, &["-x509_strict"]).await;
        key_matches_leaf(&folder).await;
        let trusted = openssl(
            &folder,
            "x509",
            "ca.crt",
            &["-noout", "-subject", "-issuer"],
        )
        .await;
        let (subject, issuer) = trusted.split_once('\n').unwrap();
        assert_eq!(
            subject.strip_prefix("subject="),
            issuer.trim().strip_prefix("issuer=")
        );

        if content_type == PFX {
            Judge::openssl("pkcs12")
                .args(&["-legacy", "-nodes", "-nocerts", "-passin", "pass:", "-in"])
                .arg(folder.join("tls.p12"))
                .arg("-out")
                .arg(folder.join("opened.key"))
                .run()
                .await;
            let key = openssl(&folder, "pkey", "opened.key", &["-pubout"]).await;
            assert_eq!(key, openssl(&folder, "pkey", "tls.key", &["-pubout"]).await);
        }
    }
}

#[tokio::test]
async fn shuffled_and_incomplete_chains_give_what_they_have() {
    let stage = certificates(&[("web", "Chain", PEM, KEY), ("lone", "Chain", PEM, KEY)]).await;
    let whole = mount(&stage, "- {objectName: web, objectType: secret}")
        .await
        .unwrap();
    let text = String::from_utf8(whole.files[0].contents.to_vec()).unwrap();
    let parts: Vec<String> = text
        .split_inclusive("-----\n")
        .collect::<Vec<_>>()
        .chunks(2)
        .map(<[&str]>::concat)
        .collect();
    let [key, leaf, intermediate, root] = parts.as_slice() else {
        panic!("{} blocks", parts.len())
    };
    logs()
        .forbid(key.lines().nth(2).unwrap().as_bytes())
        .unwrap();
    let serve = |blocks: &[&String]| {
        let value: String = blocks.iter().map(|block| block.as_str()).collect();
        let vaults = stage.azure.vaults();
        vaults.replace_value(VAULT, "web", &value, now()).unwrap();
    };
    let objects = entry("web", "[FullChain, PrivateKey, CA, Leaf]");

    serve(&[root, leaf, key, intermediate]);
    let shuffled = mount(&stage, &objects).await.unwrap();
    let folder = volume(&stage, "shuffled", &shuffled).join("web");
    assert_eq!(read(&folder, "tls.crt"), format!("{leaf}{intermediate}"));
    assert_eq!(&read(&folder, "ca.crt"), root);
    verifies(&folder, &[]).await;
    key_matches_leaf(&folder).await;

    serve(&[intermediate, key, leaf]);
    let rootless = mount(&stage, &objects).await.unwrap();
    let folder = volume(&stage, "rootless", &rootless).join("web");
    assert_eq!(read(&folder, "tls.crt"), format!("{leaf}{intermediate}"));
    assert_eq!(&read(&folder, "ca.crt"), intermediate);
    verifies(&folder, &["-partial_chain"]).await;

    let refused = async |objects: &str| {
        let error = mount(&stage, objects).await.unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
        error.message().to_owned()
    };
    serve(&[key, leaf]);
    assert!(refused(&objects).await.contains("drop CA from parts"));
    assert!(mount(&stage, &entry("web", "FullChain")).await.is_ok());
    serve(&[leaf, intermediate]);
    assert!(refused(&objects).await.contains("exportable key"));
    assert!(mount(&stage, &entry("web", "FullChain")).await.is_ok());
    assert!(
        refused(&entry("web", "[PFX]"))
            .await
            .contains("kept as PEM")
    );
    serve(&[key]);
    assert!(refused(&objects).await.contains("put in order"));
    let other = mount(&stage, &entry("lone", "PrivateKey")).await.unwrap();
    let other = String::from_utf8(other.files[0].contents.to_vec()).unwrap();
    serve(&[&other, leaf]);
    assert!(
        refused(&entry("web", "FullChain"))
            .await
            .contains("none of the certificates")
    );
}

#[tokio::test]
async fn the_leaf_alone_needs_no_right_to_secrets_and_the_rest_says_so() {
    let stage = certificates(&[("web", "Chain", PFX, KEY)]).await;
    let with_secret = mount(&stage, &entry("web", "[FullChain, Leaf]"))
        .await
        .unwrap();
    let vaults = stage.azure.vaults();
    vaults.revoke(VAULT, CLIENT).unwrap();
    vaults
        .assign_role(VAULT, &role("Key Vault Reader"))
        .unwrap();
    stage.azure.clear_calls();
    let alone = mount(&stage, &entry("web", "Leaf")).await.unwrap();
    assert_eq!(paths(&alone), ["web/leaf.crt"]);
    assert_eq!(alone.files[0].contents, with_secret.files[1].contents);
    let calls = calls_to(&stage, Service::Vault);
    assert!(
        calls
            .iter()
            .all(|call| call.path.starts_with("/certificates/")),
        "{calls:?}"
    );

    let error = mount(&stage, &entry("web", "[FullChain]"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
    for part in ["certificate web's secret", "Key Vault Secrets User"] {
        assert!(error.message().contains(part), "{error}");
    }
}

fn role(name: &str) -> vaultbind_azure::vault::RoleAssignment {
    serde_yaml::from_str(&format!("{{principal: {CLIENT}, role: {name}}}")).unwrap()
}

#[tokio::test]
async fn parts_share_a_folder_with_others_and_collide_with_none() {
    let stage = certificates(&[("web", "Chain", PFX, KEY), ("api", "Self", PFX, KEY)]).await;
    let at = |name: &str, more: &str| {
        format!("- {{objectName: {name}, objectType: cert, objectAlias: tls, {more}}}\n")
    };
    let both = at(
        "web",
        "parts: [FullChain, PrivateKey], filePermission: 0400",
    ) + &at("api", "parts: [CA]");
    let response = mount(&stage, &both).await.unwrap();
    assert_eq!(
        paths(&response),
        ["tls/tls.crt", "tls/tls.key", "tls/ca.crt"]
    );
    let modes: Vec<_> = response.files.iter().map(|file| file.mode).collect();
    assert_eq!(modes, [0o400, 0o400, 0o644]);

    for (objects, path) in [
        (
            at("web", "parts: [CA, Leaf]") + &at("api", "parts: [CA]"),
            "tls/ca.crt",
        ),
        (at("web", "parts: [CA]") + &at("api", ""), "\"tls\""),
        (at("api", "") + &at("web", "parts: [CA]"), "\"tls\""),
        (
            at("web", "parts: [CA]")
                + "- {objectName: api, objectType: cert, objectAlias: tls/ca.crt}\n",
            "tls/ca.crt",
        ),
        (
            at("web", "parts: [CA]")
                + "- {objectName: api, objectType: cert, objectAlias: tls/ca.crt/x}\n",
            "tls/ca.crt",
        ),
    ] {
        let error = mount(&stage, &objects).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{objects}: {error}");
        assert!(error.message().contains(path), "{objects}: {error}");
    }
}

#[tokio::test]
async fn an_entry_with_parts_shares_the_read_of_its_secret_and_may_be_optional() {
    logs();
    let vault = "  certificates: [{name: web, subject: CN=web, key: {type: EC, curve: P-256}}]\n";
    let stage = crate::support::stage(vault).await;
    let objects = entry("web", "[PrivateKey]")
        + "- {objectName: web, objectType: secret, objectAlias: pem}
- {objectName: gone, objectType: cert, parts: [CA], optional: true}
";
    let response = mount(&stage, &objects).await.unwrap();
    assert_eq!(paths(&response), ["web/tls.key", "pem"]);
    let web = calls_to(&stage, Service::Vault);
    let web = web.iter().filter(|call| call.path.contains("/web"));
    assert_eq!(web.count(), 1);
}
