//! Whom Entra signs in: service principals and managed identities, with what proves them.

use std::collections::BTreeMap;

use crate::clock::Validity;
use crate::cloud::Cloud;
use crate::seed::{ClientSecretSeed, FederatedCredentialSeed};

/// An application's service principal, or a managed identity.
#[derive(Debug, Clone, Default)]
pub(crate) struct Principal {
    pub(crate) client_id: String,
    pub(crate) object_id: String,
    pub(crate) name: String,
    /// The ARM id of a user-assigned identity.
    pub(crate) resource_id: Option<String>,
    /// The region of a user-assigned identity.
    pub(crate) location: String,
    /// The tags of a user-assigned identity.
    pub(crate) tags: BTreeMap<String, String>,
    /// When Entra knows it.
    pub(crate) validity: Validity,
    pub(crate) secrets: Vec<ClientSecretSeed>,
    pub(crate) federated: Vec<Credential>,
}

/// A federated credential, and when Entra knows it.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// Its audiences are never empty.
    pub(crate) terms: FederatedCredentialSeed,
    pub(crate) validity: Validity,
}

impl Credential {
    /// A credential in force always, with the cloud's audience when it says none.
    pub(crate) fn new(seed: &FederatedCredentialSeed, cloud: Cloud) -> Self {
        let mut terms = seed.clone();
        if terms.audiences.is_empty() {
            terms.audiences = vec![cloud.federation_audience().to_owned()];
        }
        Self {
            terms,
            validity: Validity::default(),
        }
    }
}

impl Principal {
    /// The credentials Entra goes by.
    pub(crate) fn federated_at(&self, now: i64) -> Vec<&FederatedCredentialSeed> {
        self.federated
            .iter()
            .filter(|credential| credential.validity.holds(now))
            .map(|credential| &credential.terms)
            .collect()
    }

    /// The credentials Resource Manager knows.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &FederatedCredentialSeed> {
        self.federated
            .iter()
            .filter(|credential| !credential.validity.is_ended())
            .map(|credential| &credential.terms)
    }

    /// Adds a credential in the place of the one of the same name. Entra goes by it, and no more by
    /// the other, from a time on.
    pub(crate) fn put_credential(&mut self, terms: FederatedCredentialSeed, from: i64, now: i64) {
        self.end_credential(&terms.name, from, now);
        self.federated.push(Credential {
            terms,
            validity: Validity::from(from),
        });
    }

    /// Ends a credential; Entra goes by it until a time. False if there is none of this name.
    pub(crate) fn end_credential(&mut self, name: &str, until: i64, now: i64) -> bool {
        self.federated
            .retain(|credential| !credential.validity.is_over(now));
        let mut found = false;
        for credential in &mut self.federated {
            if credential.terms.name.eq_ignore_ascii_case(name) && !credential.validity.is_ended() {
                credential.validity.end(until);
                found = true;
            }
        }
        found
    }
}
