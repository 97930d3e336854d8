//! The emulated Azure over real sockets.

// Clippy knows test functions, not the helpers they call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod admin;
mod arm;
mod authentication;
mod client;
mod dns;
mod entra;
mod faults;
mod imds;
mod program;
mod seeding;
mod transport;
mod vaults;

use vaultbind_azure::{Azure, Options, Seed};

const TENANT: &str = "72f988bf-0000-4000-8000-000000000001";
/// Signs in with a secret.
const BACKUP: &str = "72f988bf-0000-4000-8000-0000000000a1";
/// Signs in with ServiceAccount tokens.
const WEB: &str = "72f988bf-0000-4000-8000-0000000000a2";
const SYSTEM: &str = "72f988bf-0000-4000-8000-0000000000a3";
const NODES: &str = "72f988bf-0000-4000-8000-0000000000a4";

const LOGIN: &str = "login.microsoftonline.com";
const VAULT: &str = "myvault.vault.azure.net";
const SCOPE: &str = "https://vault.azure.net/.default";

/// What the example seed lacks: another tenant, a vault of that tenant, an issuer whose keys
/// are not known to this Entra.
const MORE: &str = "
tenants:
- tenantID: 72f988bf-0000-4000-8000-000000000002
  applications:
  - clientID: 72f988bf-0000-4000-8000-0000000000c1
    clientSecrets: [{value: other-secret}]
- tenantID: 72f988bf-0000-4000-8000-000000000001
  applications:
  - clientID: 72f988bf-0000-4000-8000-0000000000c2
    federatedCredentials:
    - {name: lost, issuer: 'https://lost.example/', subject: s}
issuers:
- issuer: https://stranger.example/
";

fn seed() -> Seed {
    let mut seed = Seed::from_yaml("example.yaml", include_str!("../../example.yaml")).unwrap();
    seed.merge(Seed::from_yaml("more.yaml", MORE).unwrap())
        .unwrap();
    seed
}

async fn azure() -> Azure {
    Azure::start(Options {
        seed: seed(),
        ..Options::default()
    })
    .await
    .unwrap()
}
