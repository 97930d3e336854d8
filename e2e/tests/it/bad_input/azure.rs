//! Refusals of Entra, the managed identity endpoint and the vault.

use tonic::Code;
use vaultbind_azure::{Action, Fault, Match, Service, TokenRequest};
use vaultbind_e2e::driver::{Pod, SecretProviderClass};
use vaultbind_e2e::stage::{
    AUDIENCE, CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, Stage, TENANT, class,
};

use super::{Case, refused_class};
use crate::support::{FORGETFUL, now, secret, seed, stage_with};

/// An identity that the ServiceAccount may use and that has no rights anywhere.
const BARE: &str = "bbbbbbbb-0000-0000-0000-000000000001";
/// An application with client secrets.
const LEGACY: &str = "bbbbbbbb-0000-0000-0000-000000000002";
const NOBODY: &str = "bbbbbbbb-0000-0000-0000-000000000003";
const OTHER_TENANT: &str = "99999999-2222-3333-4444-555555555555";

fn object(kind: &str, name: &str) -> String {
    format!("array:\n- |\n  objectName: {name}\n  objectType: {kind}\n")
}

fn rich_seed(legacy: &str, expired: &str) -> String {
    let value = secret("value");
    let vault = format!(
        "  secrets:
  - {{name: db, value: {value}}}
  - {{name: off, value: {value}, enabled: false}}
  keys:
  - {{name: sym, type: oct, size: 256}}
  certificates:
  - {{name: web, subject: CN=web, key: {{type: EC, curve: P-256}}}}
  - {{name: rc4, subject: CN=rc4, key: {{type: EC, curve: P-256}}}}
  - {{name: pem, subject: CN=pem, contentType: application/x-pem-file, key: {{type: EC, curve: P-256}}}}
  - {{name: fixed, subject: CN=fixed, exportable: false, key: {{type: EC, curve: P-256}}}}
  - {{name: pending, subject: CN=pending, issuer: Unknown, key: {{type: EC, curve: P-256}}}}
- name: kv-policies
  tenantID: {TENANT}
  authorization: AccessPolicies
  accessPolicies:
  - {{principal: {CLIENT}, secrets: [list]}}
  secrets:
  - {{name: db, value: {value}}}
- {{name: kv-firewall, tenantID: {TENANT}, network: Firewall}}
- {{name: kv-private, tenantID: {TENANT}, network: PrivateOnly}}
- {{name: kv-foreign, tenantID: {OTHER_TENANT}}}
"
    );
    let federated = format!(
        "[{{name: aks, issuer: '{ISSUER}', subject: \
         'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}'}}]"
    );
    let applications = format!(
        "  applications:
  - {{clientID: {BARE}, name: bare, federatedCredentials: {federated}}}
  - clientID: {LEGACY}
    name: legacy
    clientSecrets:
    - {{value: {legacy}}}
    - {{value: {expired}, expires: 2020-01-01T00:00:00Z}}
"
    );
    let identities = format!(
        "managedIdentities:
  tenantID: {TENANT}
  userAssigned:
  - {{clientID: bbbbbbbb-0000-0000-0000-00000000000a, objectID: bbbbbbbb-0000-0000-0000-0000000000aa, resourceID: /subscriptions/s/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a}}
  - {{clientID: bbbbbbbb-0000-0000-0000-00000000000b, objectID: bbbbbbbb-0000-0000-0000-0000000000bb, resourceID: /subscriptions/s/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/b}}
"
    );
    let other = format!("- tenantID: {OTHER_TENANT}\n");
    seed(&vault)
        .replace("  applications:\n", &applications)
        .replace("issuers:\n", &format!("{other}issuers:\n"))
        + &identities
}

pub(super) async fn cases() -> Vec<Case> {
    let (legacy, expired) = (secret("legacy"), secret("expired"));
    let stage = stage_with(&rich_seed(&legacy, &expired), &FORGETFUL).await;
    replace_with_rc4(&stage);
    let pod = stage.pod().unwrap();
    let mut cases = entra(&stage, &pod, &expired).await;
    cases.extend(managed_identity(&stage).await);
    cases.extend(vault(&stage, &pod).await);
    cases
}

async fn entra(stage: &Stage, pod: &Pod, expired: &str) -> Vec<Case> {
    let driver = stage.driver().unwrap();
    let db = class(&object("secret", "db"));
    let refusal = Code::Unauthenticated;
    let mut cases = Vec::new();

    let principal = db.clone().with("clientID", "");
    let with = |client: &str, secret: &str| {
        Pod::new(NAMESPACE, "payments-api-0", SERVICE_ACCOUNT)
            .with_secret("clientid", client)
            .with_secret("clientsecret", secret)
    };
    let wrong = secret("wrong");
    for (what, pod, remedy) in [
        (
            "the client secret is wrong",
            with(LEGACY, &wrong),
            "not its id",
        ),
        (
            "the client secret has expired",
            with(LEGACY, expired),
            "make a new one",
        ),
        (
            "the application is not in the tenant",
            with(NOBODY, &wrong),
            "check clientID",
        ),
    ] {
        cases.push(refused_class(what, &driver, &principal, &pod, refusal, remedy).await);
    }
    let class = db
        .clone()
        .with("tenantID", "88888888-2222-3333-4444-555555555555");
    let what = "the tenant does not exist";
    cases.push(refused_class(what, &driver, &class, pod, refusal, "check tenantID").await);
    let class = db.clone().with("clientID", LEGACY);
    let what = "the identity has no federated credential";
    cases.push(refused_class(what, &driver, &class, pod, refusal, "add or correct one").await);

    let token = |claims: &[(&str, &str)], namespace: &str| {
        let claims = claims
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).into()))
            .collect();
        let request = TokenRequest {
            namespace: namespace.to_owned(),
            service_account_name: SERVICE_ACCOUNT.to_owned(),
            audience: AUDIENCE.to_owned(),
            claims,
            ..TokenRequest::default()
        };
        let token = stage.azure.service_account_token(&request).unwrap().token;
        Pod::new(namespace, "payments-api-0", SERVICE_ACCOUNT).with_token(AUDIENCE, token)
    };
    for (what, pod, remedy) in [
        (
            "the federated credential is for another ServiceAccount",
            token(&[], "staging"),
            "subject 'system:serviceaccount:staging:payments'",
        ),
        (
            "the token is for another audience",
            token(&[("aud", "vault")], NAMESPACE),
            "audience",
        ),
    ] {
        cases.push(refused_class(what, &driver, &db, &pod, refusal, remedy).await);
    }
    let skew = Match {
        service: Some(Service::Entra),
        ..Match::default()
    };
    let fault = stage
        .azure
        .add_fault(Fault::new(skew, Action::Skew { seconds: 86_400 }))
        .unwrap();
    let what = "the clocks disagree";
    cases.push(refused_class(what, &driver, &db, pod, refusal, "check the clocks").await);
    stage.azure.remove_fault(fault);
    cases
}

async fn managed_identity(stage: &Stage) -> Vec<Case> {
    let driver = stage.driver().unwrap();
    let pod = Pod::new(NAMESPACE, "payments-api-0", SERVICE_ACCOUNT);
    let class = class(&object("secret", "db"))
        .with("clientID", "")
        .with("useVMManagedIdentity", "true");
    let refusal = Code::Unauthenticated;
    let unknown = class.clone().with("userAssignedIdentityID", NOBODY);
    vec![
        refused_class(
            "the node has several managed identities",
            &driver,
            &class,
            &pod,
            refusal,
            "userAssignedIdentityID",
        )
        .await,
        refused_class(
            "the node does not have the managed identity",
            &driver,
            &unknown,
            &pod,
            refusal,
            "assign it",
        )
        .await,
    ]
}

async fn vault(stage: &Stage, pod: &Pod) -> Vec<Case> {
    let driver = stage.driver().unwrap();
    let of = |kind, name| class(&object(kind, name));
    let at = |vault: &str| class(&object("secret", "db")).with("keyvaultName", vault);
    let bare = |class: SecretProviderClass| class.with("clientID", BARE);
    let old = "0123456789abcdef0123456789abcdef";
    let version = class(&format!(
        "{}  objectVersion: {old}\n",
        object("secret", "db")
    ));
    let two = class(&format!(
        "{}- |\n  objectName: gone-too\n  objectType: key\n",
        object("secret", "gone")
    ));
    let list: [(&'static str, SecretProviderClass, Code, &str); 22] = [
        (
            "no role lets the identity read the secret",
            bare(of("secret", "db")),
            Code::PermissionDenied,
            "Key Vault Secrets User",
        ),
        (
            "no role lets the identity read the key",
            bare(of("key", "web")),
            Code::PermissionDenied,
            "keys/read",
        ),
        (
            "no role lets the identity read the certificate",
            bare(of("cert", "web")),
            Code::PermissionDenied,
            "certificates/read",
        ),
        (
            "no role lets the identity read the secret of a certificate in parts",
            bare(parts("web", "FullChain")),
            Code::PermissionDenied,
            "certificate web's secret",
        ),
        (
            "the access policy lacks get",
            at("kv-policies"),
            Code::PermissionDenied,
            "--secret-permissions get",
        ),
        (
            "no access policy names the identity",
            bare(at("kv-policies")),
            Code::PermissionDenied,
            "az keyvault set-policy",
        ),
        (
            "the vault's firewall refuses the node",
            at("kv-firewall"),
            Code::PermissionDenied,
            "networking rules",
        ),
        (
            "the vault admits private endpoints only",
            at("kv-private"),
            Code::PermissionDenied,
            "private endpoint",
        ),
        (
            "the vault is in another tenant",
            at("kv-foreign"),
            Code::Unauthenticated,
            "set tenantID",
        ),
        (
            "the secret does not exist",
            of("secret", "gone"),
            Code::NotFound,
            "recover it",
        ),
        (
            "the version does not exist",
            version,
            Code::NotFound,
            "objectVersion",
        ),
        (
            "several objects do not exist",
            two,
            Code::NotFound,
            "1 more object",
        ),
        (
            "the secret is disabled",
            of("secret", "off"),
            Code::FailedPrecondition,
            "enable it",
        ),
        (
            "the certificate is not issued",
            of("cert", "pending"),
            Code::FailedPrecondition,
            "complete its creation",
        ),
        (
            "the key is symmetric",
            of("key", "sym"),
            Code::FailedPrecondition,
            "use an RSA or EC key",
        ),
        (
            "the PFX is of an unsupported kind",
            of("secret", "rc4"),
            Code::FailedPrecondition,
            "import the certificate again",
        ),
        (
            "the PFX of a certificate in parts is of an unsupported kind",
            parts("rc4", "FullChain"),
            Code::FailedPrecondition,
            "set parts to PFX alone",
        ),
        (
            "the PFX of a PEM certificate is wanted",
            parts("pem", "PFX"),
            Code::FailedPrecondition,
            "drop PFX from parts",
        ),
        (
            "the key is not exportable",
            parts("fixed", "PrivateKey"),
            Code::FailedPrecondition,
            "an exportable key",
        ),
        (
            "a secret of no certificate is wanted in parts",
            parts("db", "CA"),
            Code::FailedPrecondition,
            "belongs to no certificate",
        ),
        (
            "the value is not base64",
            class(&format!(
                "{}  objectEncoding: base64\n",
                object("secret", "db")
            )),
            Code::FailedPrecondition,
            "objectEncoding",
        ),
        (
            "the files are over the driver's 4 MiB",
            big(),
            Code::InvalidArgument,
            "split the SecretProviderClass",
        ),
    ];
    let mut cases = Vec::new();
    let value = "x".repeat(25_000);
    let mut large = vaultbind_azure::vault::SetSecret::new(value);
    large.content_type = None;
    stage
        .azure
        .vaults()
        .set_secret(vaultbind_e2e::stage::VAULT, "large", large, now())
        .unwrap();
    for (what, class, code, remedy) in list {
        cases.push(refused_class(what, &driver, &class, pod, code, remedy).await);
    }
    cases
}

fn parts(name: &str, parts: &str) -> SecretProviderClass {
    class(&format!("{}  parts: [{parts}]\n", object("cert", name)))
}

/// 170 files of 25,000 bytes.
fn big() -> SecretProviderClass {
    let objects: String = (0..170)
        .map(|n| format!("- |\n  objectName: large\n  objectType: secret\n  objectAlias: f{n}\n"))
        .collect();
    class(&format!("array:\n{objects}"))
}

/// A PFX that nobody should make any more: RC4.
fn replace_with_rc4(stage: &Stage) {
    let folder = stage.folder();
    let openssl = |arguments: &str| {
        let status = std::process::Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .stderr(std::process::Stdio::null())
            .status()
            .expect("openssl is needed: apt-get install openssl");
        assert!(status.success(), "openssl {arguments}");
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=rc4 -keyout rc4.key -out rc4.crt");
    openssl(
        "pkcs12 -export -legacy -inkey rc4.key -in rc4.crt -keypbe PBE-SHA1-RC4-128 \
         -certpbe PBE-SHA1-RC4-128 -passout pass: -out rc4.pfx",
    );
    use base64::Engine as _;
    let pfx = std::fs::read(folder.join("rc4.pfx")).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(pfx);
    stage
        .azure
        .vaults()
        .replace_value(vaultbind_e2e::stage::VAULT, "rc4", &text, now())
        .unwrap();
}
