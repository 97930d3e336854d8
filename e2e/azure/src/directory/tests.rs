use super::*;

const SEED: &str = "
tenants:
- tenantID: 0b1c2d3e-0000-4000-8000-000000000001
  domains: [Contoso.onmicrosoft.com]
  applications:
  - clientID: 0b1c2d3e-0000-4000-8000-00000000000A
- tenantID: 0b1c2d3e-0000-4000-8000-000000000002
  cloud: AzureChina
managedIdentities:
  tenantID: 0b1c2d3e-0000-4000-8000-000000000002
  userAssigned:
  - clientID: 0b1c2d3e-0000-4000-8000-00000000000b
    federatedCredentials: [{name: n, issuer: i, subject: s}]
";

fn directory(seed: &str) -> Directory {
    let seed = Seed::from_yaml("s", seed).unwrap();
    Directory::new(Entries::default().with(&seed).unwrap())
}

#[test]
fn tenants_are_found_by_id_and_domain_in_their_cloud() {
    let directory = directory(SEED);
    for (name, cloud, found) in [
        ("0B1C2D3E-0000-4000-8000-000000000001", Cloud::Public, true),
        ("contoso.ONMICROSOFT.com", Cloud::Public, true),
        ("contoso.onmicrosoft.com", Cloud::UsGovernment, false),
        ("0b1c2d3e-0000-4000-8000-000000000002", Cloud::Public, false),
        ("0b1c2d3e-0000-4000-8000-000000000002", Cloud::China, true),
    ] {
        assert_eq!(directory.tenant(name, cloud).is_some(), found, "{name}");
    }
}

#[test]
fn user_assigned_identities_sign_in_with_the_audience_of_their_cloud() {
    let directory = directory(SEED);
    let tenant = "0b1c2d3e-0000-4000-8000-000000000002";
    let client = "0B1C2D3E-0000-4000-8000-00000000000B";
    let principal = directory.principal(tenant, client, 0).unwrap();
    assert_eq!(
        principal.federated[0].terms.audiences,
        ["api://AzureADTokenExchangeChina"]
    );
    directory.remove_federated_credential(client, "n").unwrap();
    assert!(
        directory
            .principal(tenant, client, 0)
            .unwrap()
            .federated
            .is_empty()
    );
    assert!(
        directory
            .remove_federated_credential("nobody", "n")
            .is_err()
    );
}

#[test]
fn a_client_id_is_there_once_per_tenant() {
    let twice = SEED
        .replace("00000000000b", "00000000000a")
        .replace("00000002", "00000001");
    let mut seed = Seed::default();
    seed.merge(Seed::from_yaml("s", &twice.replace("  cloud: AzureChina\n", "")).unwrap())
        .unwrap();
    assert!(matches!(
        Entries::default().with(&seed),
        Err(DirectoryError::DuplicateClient { .. })
    ));
}
