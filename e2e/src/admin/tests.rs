use vaultbind_azure::vault::Network;
use vaultbind_azure::{Action, Azure, Match, Options, Service};

use super::*;

const SEED: &str = "
tenants:
- tenantID: 90000000-0000-4000-8000-000000000001
  applications: [{clientID: 90000000-0000-4000-8000-0000000000a1}]
issuers: [{issuer: 'https://issuer.example/'}]
vaults:
- name: kv-one
  tenantID: 90000000-0000-4000-8000-000000000001
  certificates: [{name: web, subject: CN=web, key: {type: EC, curve: P-256}}]
";
const CLIENT: &str = "90000000-0000-4000-8000-0000000000a1";

/// All verbs against the real thing, so that neither side changes alone.
#[tokio::test]
async fn every_verb_is_understood() -> anyhow::Result<()> {
    let azure = Azure::start(Options::default()).await?;
    let admin = Admin::new(azure.admin_addr());
    admin.healthy().await?;
    assert_eq!(admin.ca_pem().await?, azure.ca_pem());
    admin.seed(SEED).await?;
    let refused = admin.seed(SEED).await.unwrap_err().to_string();
    assert!(
        refused.contains("409") && refused.contains("kv-one"),
        "{refused}"
    );

    let secret = SetSecret {
        expires: Some(4_000_000_000),
        content_type: Some("text/plain".to_owned()),
        ..SetSecret::new("value")
    };
    let version = admin.set_secret("kv-one", "a", &secret).await?;
    let disabled = EnabledChange {
        enabled: false,
        version: Some(version),
    };
    let secrets = Collection::Secrets;
    admin.set_enabled("kv-one", secrets, "a", &disabled).await?;
    let renew = CertificateVersion::default();
    admin
        .add_certificate_version("kv-one", "web", &renew)
        .await?;
    let import = CertificateVersion {
        value: Some("no certificate".to_owned()),
        password: None,
    };
    let import = admin.add_certificate_version("kv-one", "b", &import).await;
    assert!(import.unwrap_err().to_string().contains("400"));
    let role = RoleAssignment {
        principal: CLIENT.to_owned(),
        role: "Key Vault Reader".to_owned(),
        object: Some("secrets/a".to_owned()),
    };
    admin.assign_role("kv-one", &role).await?;
    let scope = "/subscriptions/00000000-0000-0000-0000-000000000000";
    let given = admin.managed_below(scope).await?;
    assert_eq!(given, azure.managed_below(scope));
    assert_eq!(given.len(), 1);
    let revocation = Revocation {
        principal: CLIENT.to_owned(),
        role: None,
        object: None,
    };
    admin.revoke("kv-one", &revocation).await?;
    let closed = NetworkChange {
        network: Network::Firewall,
        allowed_addresses: vec!["10.0.0.1".parse()?],
    };
    admin.set_network("kv-one", &closed).await?;

    let credential = FederatedCredentialSeed {
        name: "shop/web ü".to_owned(),
        issuer: "https://issuer.example/".to_owned(),
        subject: "s".to_owned(),
        audiences: Vec::new(),
    };
    admin.put_federated_credential(CLIENT, &credential).await?;
    admin
        .remove_federated_credential(CLIENT, &credential.name)
        .await?;
    let request = TokenRequest {
        namespace: "shop".to_owned(),
        service_account_name: "web".to_owned(),
        audience: "a".to_owned(),
        ..TokenRequest::default()
    };
    let token = admin.service_account_token(&request).await?.token;
    assert_eq!(token.split('.').count(), 3);
    assert!(admin.key_sets().await?.contains_key(&credential.issuer));

    let fault = Fault::new(
        Match {
            service: Some(Service::Vault),
            ..Match::default()
        },
        Action::Delay { millis: 1 },
    );
    let id = admin.add_fault(&fault.clone().times(2)).await?;
    let faults = admin.faults().await?;
    assert_eq!(faults, azure.faults());
    assert_eq!(faults.first().map(|state| state.id), Some(id));
    admin.remove_fault(id).await?;
    admin.add_fault(&fault).await?;
    admin.clear_faults().await?;
    assert_eq!(azure.faults(), []);
    // A call that the emulated Azure logs, whatever it answers.
    Admin::new(azure.imds_addr()).healthy().await.unwrap_err();
    assert_eq!(admin.calls().await?, azure.calls());
    assert_eq!(azure.calls().len(), 1);
    admin.forget_calls().await?;
    assert_eq!(azure.calls(), []);

    admin.remove_vault("kv-one").await?;
    assert_eq!(azure.vaults().find("kv-one.vault.azure.net"), None);
    admin.shut_down().await?;
    azure.stop_requested().await;
    azure.stop().await;
    Ok(())
}
