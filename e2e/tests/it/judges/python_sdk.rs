//! The Azure SDK for Python as client of the emulated Azure. Most is checked inside its programs.

use std::path::Path;

use vaultbind_azure::{Action, Fault, Match, Seed, Service};
use vaultbind_e2e::stage::{CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, TENANT, VAULT};

use super::site::{APPLICATION, SYSTEM_ASSIGNED, Site, USER_ASSIGNED, many};
use super::tools::Judge;
use crate::support::secret;

#[tokio::test]
async fn python_signs_in_with_every_kind_of_identity() {
    let site = Site::start("").await;
    site.python("check_identity").run().await;
    let mut expected = vec![APPLICATION; 2];
    expected.extend([SYSTEM_ASSIGNED; 1]);
    expected.extend([USER_ASSIGNED; 3]);
    expected.extend([CLIENT; 2]);
    assert_eq!(site.readers(), expected);
}

#[tokio::test]
async fn python_sees_the_life_of_secrets() {
    let mut site = Site::start(&many()).await;
    site.tell("values", vec![secret("first"), secret("second")]);
    site.python("check_secrets").run().await;
}

#[tokio::test]
async fn python_makes_and_reads_keys() {
    let site = Site::start("").await;
    site.python("check_keys").run().await;
}

#[tokio::test]
async fn python_makes_imports_and_reads_certificates() {
    let mut site = Site::start("").await;
    site.azure.vaults().set_issuance_delay(VAULT, 1).unwrap();
    let password = secret("password");
    let pem = site.path("import.pem");
    let certificate = site.path("import.crt");
    self_signed(&pem, &certificate).await;
    for (name, file, form) in [
        ("modernPfx", "modern.pfx", &[][..]),
        ("legacyPfx", "legacy.pfx", &["-legacy"][..]),
    ] {
        let file = site.path(file);
        Judge::openssl("pkcs12")
            .args(&["-export", "-passout", &format!("pass:{password}")])
            .args(form)
            .arg("-in")
            .arg(&pem)
            .arg("-out")
            .arg(&file)
            .run()
            .await;
        site.tell(name, file.to_str().unwrap());
    }
    site.tell("importPem", pem.to_str().unwrap());
    site.tell("pfxPassword", password);
    site.python("check_certificates").run().await;
}

/// Writes a key and its certificate to `pem`.
async fn self_signed(pem: &Path, certificate: &Path) {
    Judge::openssl("req")
        .args(&["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90"])
        .args(&["-subj", "/CN=import.example.org"])
        .arg("-keyout")
        .arg(pem)
        .arg("-out")
        .arg(certificate)
        .run()
        .await;
    let mut text = std::fs::read_to_string(pem).unwrap();
    text += &std::fs::read_to_string(certificate).unwrap();
    std::fs::write(pem, text).unwrap();
}

#[tokio::test]
async fn python_manages_identities_their_credentials_roles_and_bindings() {
    let subscription = "00000000-0000-0000-0000-000000000000";
    let group = format!("/subscriptions/{subscription}/resourceGroups/vaultbind");
    let more = format!(
        "arm:
  settings: {{credentialPropagation: 1, rolePropagation: 1, principalPropagation: 1, operationDuration: 1, pageSize: 1}}
  clusters:
  - resourceID: {group}/providers/Microsoft.ContainerService/managedClusters/blue
    tenantID: {TENANT}
    issuer: {ISSUER}
  roleAssignments:
  - {{principal: {APPLICATION}, role: Owner, scope: {group}}}
"
    );
    let mut site = Site::start("").await;
    site.azure
        .seed(&Seed::from_yaml("arm", &more).unwrap())
        .unwrap();
    site.tell("subscription", subscription);
    site.tell("group", "vaultbind");
    site.tell("vaultName", VAULT);
    site.tell("cluster", "blue");
    site.tell("issuer", ISSUER);
    let subject = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
    site.tell("subject", subject);
    site.python("check_management").run().await;

    // Nothing was refused but what the program refuses to go without.
    let activities = site.azure.activities();
    assert!(activities.iter().all(|one| one.authorized));
    let codes: Vec<_> = activities
        .iter()
        .filter_map(|one| one.code.as_deref())
        .collect();
    assert_eq!(
        codes,
        [
            "BadRequest",
            "ResourceNotFound",
            "RoleAssignmentExists",
            "ResourceNotFound",
            "ResourceNotFound",
        ]
    );
}

#[tokio::test]
async fn python_tells_refusals_apart_and_waits_when_throttled() {
    let (disabled, throttled) = (secret("disabled"), secret("throttled"));
    let secrets = format!(
        "  - {{name: disabled, value: {disabled}, enabled: false}}
  - {{name: expired, value: {disabled}, expires: 2020-01-01T00:00:00Z}}
  - {{name: throttled, value: {throttled}}}
  - {{name: overloaded, value: {throttled}}}
"
    );
    let mut site = Site::start(&secrets).await;
    site.tell("throttled", throttled);
    for (name, times) in [("throttled", Some(2)), ("overloaded", None)] {
        let secret = Match {
            service: Some(Service::Vault),
            path: Some(format!("/secrets/{name}")),
            authenticated: Some(true),
            ..Match::default()
        };
        let throttled = Action::Status {
            code: 429,
            retry_after: Some(1),
            retry_after_millis: None,
        };
        let mut fault = Fault::new(secret, throttled);
        fault.times = times;
        site.azure.add_fault(fault).unwrap();
    }
    site.python("check_refusals").run().await;

    let calls = site.azure.calls();
    let throttled: Vec<_> = calls
        .iter()
        .filter(|call| call.authenticated && call.path.starts_with("/secrets/throttled"))
        .collect();
    let statuses: Vec<_> = throttled.iter().map(|call| call.status.unwrap()).collect();
    assert_eq!(statuses, [429, 429, 200]);
    for pair in throttled.windows(2) {
        let waited = pair[1].millis - pair[0].millis;
        assert!((1000..5000).contains(&waited), "waited for {waited} ms");
    }
}
