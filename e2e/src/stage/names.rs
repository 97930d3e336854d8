use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// The tenant of everything.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The identity that the pods use.
pub const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
/// The cluster's issuer of ServiceAccount tokens.
pub const ISSUER: &str = "https://oidc.cluster.example/payments/";
/// The pods' namespace.
pub const NAMESPACE: &str = "payments";
/// The pods' ServiceAccount.
pub const SERVICE_ACCOUNT: &str = "payments";
/// What kubelet mints tokens for.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The vault.
pub const VAULT: &str = "kv-payments-prod";

/// Text that occurs nowhere else: 32 random hexadecimal digits behind a word.
pub fn random(word: &str) -> String {
    let digits = || RandomState::new().build_hasher().finish();
    format!("{word}-{:016x}{:016x}", digits(), digits())
}
