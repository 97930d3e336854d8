//! What a binding wants in Azure, if its class lets it.

use std::collections::BTreeSet;

use vaultbind_crds::binding::{AssignmentScope, DeletionPolicy, Object, ObjectType, Part};
use vaultbind_crds::{VaultBinding, VaultClassSpec};
use vaultbind_keyvault::Cloud;

use super::super::limits::{listed, matches};
use super::super::reading::{Reading, What};
use super::super::reason::{Reason, Stall};
use crate::observed::{ClassChoice, Cluster};

/// Roles that a class admits if it says nothing.
const USUAL_ROLES: [&str; 3] = [SECRETS_USER, CERTIFICATE_USER, READER];

const SECRETS_USER: &str = "Key Vault Secrets User";
const CERTIFICATE_USER: &str = "Key Vault Certificate User";
const READER: &str = "Key Vault Reader";

/// Most assignments of one binding: a subscription holds 4,000.
const MOST_ASSIGNMENTS: usize = 200;

/// What a binding wants in Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cloud.
    pub cloud: Cloud,
    /// Resource id of the managed identity.
    pub identity: String,
    /// A federated credential of it.
    pub credential: Option<WantedCredential>,
    /// Role assignments of it.
    pub roles: Option<WantedRoles>,
}

/// A federated credential for the cluster's issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedCredential {
    /// The ServiceAccount.
    pub subject: String,
    /// What its tokens are for.
    pub audience: &'static str,
    /// What becomes of it.
    pub deletion_policy: DeletionPolicy,
}

/// Role assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRoles {
    /// Resource id of the vault.
    pub vault: String,
    /// Which role where, each pair once.
    pub assignments: Vec<WantedRole>,
    /// What becomes of them.
    pub deletion_policy: DeletionPolicy,
}

/// A role somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRole {
    /// Resource id of the vault, or of an object in it.
    pub scope: String,
    /// Name of the role.
    pub role: String,
}

/// What a binding wants in Azure; nothing if it says nothing.
///
/// # Errors
/// What the class does not admit.
pub(in super::super) fn wanted(
    binding: &VaultBinding,
    reading: &Reading<'_>,
    cluster: &Cluster,
) -> Result<Option<Wanted>, Stall> {
    let spec = &binding.spec;
    let credential = spec.identity.federated_credential.as_ref();
    let roles = (spec.access.as_ref()).and_then(|access| access.role_assignment.as_ref());
    let by_credential = credential.map(|credential| &credential.identity_resource_id);
    let by_roles = roles.and_then(|roles| roles.identity_resource_id.as_ref());
    let identity = match by_credential.or(by_roles) {
        Some(identity) => identity,
        None if roles.is_none() => return Ok(None),
        None => {
            return Err(Stall::new(
                Reason::InvalidSpec,
                "spec.access.roleAssignment.identityResourceID must be set where \
                 spec.identity.federatedCredential is not",
            ));
        }
    };
    let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
    let class = admits_identity(cluster, identity, namespace)?;
    let credential = credential.map(|credential| WantedCredential {
        subject: format!(
            "system:serviceaccount:{namespace}:{}",
            spec.identity.service_account_name
        ),
        audience: reading.audience.as_str(),
        deletion_policy: credential.deletion_policy,
    });
    let roles = match roles {
        None => None,
        Some(roles) => {
            let assignments = assignments(
                &roles.vault_resource_id,
                roles.scope,
                roles.role_names.as_deref(),
                reading,
            );
            if assignments.len() > MOST_ASSIGNMENTS {
                return Err(Stall::new(
                    Reason::InvalidSpec,
                    format!(
                        "spec.access.roleAssignment: {} role assignments are more than {MOST_ASSIGNMENTS}: \
                         set scope: Vault, or use several bindings",
                        assignments.len()
                    ),
                ));
            }
            admits_roles(class.0, class.1, &assignments)?;
            Some(WantedRoles {
                vault: roles.vault_resource_id.clone(),
                assignments,
                deletion_policy: roles.deletion_policy,
            })
        }
    };
    Ok(Some(Wanted {
        cloud: reading.cloud,
        identity: identity.clone(),
        credential,
        roles,
    }))
}

/// Nobody becomes an identity that the platform team has not listed.
fn admits_identity<'a>(
    cluster: &'a Cluster,
    identity: &str,
    namespace: &str,
) -> Result<(&'a str, &'a VaultClassSpec), Stall> {
    let ClassChoice::Chosen(class) = &cluster.class else {
        return Err(Stall::new(
            Reason::IdentityNotAllowed,
            format!(
                "the operator changes nothing in Azure for a binding without a VaultClass: set \
                 spec.vaultClassName to a class that lists {identity} in spec.identities"
            ),
        ));
    };
    let name = class.metadata.name.as_deref().unwrap_or_default();
    let patterns: Vec<String> = (class.spec.identities.iter().flatten())
        .map(|pattern| pattern.replace("{namespace}", namespace))
        .collect();
    if patterns.iter().any(|pattern| matches(pattern, identity)) {
        return Ok((name, &class.spec));
    }
    let only = match patterns.as_slice() {
        [] => "it lists none".to_owned(),
        patterns => format!("only {}", listed(patterns)),
    };
    Err(Stall::new(
        Reason::IdentityNotAllowed,
        format!(
            "VaultClass {name} does not admit the identity {identity} in spec.identities, {only}: use another \
             identity or class, or have the platform team list it"
        ),
    ))
}

fn admits_roles(
    class: &str,
    spec: &VaultClassSpec,
    assignments: &[WantedRole],
) -> Result<(), Stall> {
    let allowed: Vec<String> = match &spec.role_names {
        Some(names) => names.clone(),
        None => USUAL_ROLES.map(str::to_owned).to_vec(),
    };
    let refused = assignments.iter().find(|wanted| {
        let mut allowed = allowed.iter();
        !allowed.any(|name| name.eq_ignore_ascii_case(&wanted.role))
    });
    match refused {
        None => Ok(()),
        Some(WantedRole { role, .. }) => Err(Stall::new(
            Reason::RoleNotAllowed,
            format!(
                "VaultClass {class} does not admit the role {role} in spec.roleNames, only {}: use another \
                 role or class, or have the platform team list it",
                listed(&allowed)
            ),
        )),
    }
}

fn assignments(
    vault: &str,
    scope: AssignmentScope,
    names: Option<&[String]>,
    reading: &Reading<'_>,
) -> Vec<WantedRole> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let mut add = |scope: String, role: &str| {
        if seen.insert((scope.to_ascii_lowercase(), role.to_ascii_lowercase())) {
            all.push(WantedRole {
                scope,
                role: role.to_owned(),
            });
        }
    };
    for wish in &reading.wishes {
        let scopes = match (&wish.what, scope) {
            (What::Named(name, _), AssignmentScope::Object) => collections(wish.object)
                .iter()
                .map(|collection| format!("{vault}/{collection}/{name}"))
                .collect(),
            (What::Named(..) | What::Selected, _) => vec![vault.to_owned()],
        };
        for scope in scopes {
            match names {
                Some(names) => names.iter().for_each(|role| add(scope.clone(), role)),
                None => add(scope, least_role(wish.object)),
            }
        }
    }
    all
}

/// What has to be read of an object. More of a certificate than the leaf is in its secret.
fn collections(object: &Object) -> &'static [&'static str] {
    match object.type_ {
        ObjectType::Secret => &["secrets"],
        ObjectType::Key => &["keys"],
        ObjectType::Certificate if object.parts() == [Part::Leaf] => &["certificates"],
        ObjectType::Certificate => &["certificates", "secrets"],
    }
}

/// The least built-in role that lets an identity read an object and learn its versions.
pub(in super::super) fn least_role(object: &Object) -> &'static str {
    match object.type_ {
        ObjectType::Secret => SECRETS_USER,
        ObjectType::Key => READER,
        ObjectType::Certificate if object.parts() == [Part::Leaf] => READER,
        ObjectType::Certificate => CERTIFICATE_USER,
    }
}
