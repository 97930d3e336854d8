//! What is said of the identity and of the vault because of how things are in Azure.

use jiff::Timestamp;

use super::super::access::policy_permissions;
use super::super::finding::Finding;
use super::super::limits::listed;
use super::super::reason::Reason;
use super::{Ground, MOST_CREDENTIALS, Wanted, WantedCredential, WantedRole, WantedRoles};
use crate::observed::{AzureCause, AzureError, Credential, ManagedIdentity, VaultResource};

/// The custom role for federated credentials, as the documentation defines it.
const IDENTITIES_ROLE: &str = "vaultbind identities";
/// The custom role for role assignments, as the documentation defines it.
const ACCESS_ROLE: &str = "vaultbind access";

/// Azure did not answer as hoped.
pub(super) fn of(wanted: &Wanted, error: &AzureError) -> Finding {
    let AzureError { action, id, cause } = error;
    match cause {
        AzureCause::NoToken { text, lasting } => {
            let text =
                format!("the operator gets no token for Azure, which the binding needs: {text}");
            if *lasting {
                Finding::no(Reason::OperatorIdentity, text)
            } else {
                Finding::passing(Reason::OperatorIdentity, text)
            }
        }
        AzureCause::Forbidden { code } => {
            let role = if action.starts_with("Microsoft.ManagedIdentity/") {
                IDENTITIES_ROLE
            } else {
                ACCESS_ROLE
            };
            Finding::no(
                Reason::AzureForbidden,
                format!(
                    "Azure does not let the operator do {action} on {id} (HTTP 403, {code}): give the operator's \
                     identity the role of the documentation: az role assignment create --assignee OPERATOR \
                     --role \"{role}\" --scope {}; a new assignment takes some minutes",
                    parent(id)
                ),
            )
        }
        AzureCause::NotFound { code } => Finding::no(
            Reason::AzureRefused,
            format!(
                "Azure knows no {id} (HTTP 404, {code}): check the resource ids of the binding"
            ),
        ),
        AzureCause::Busy { status, code, .. } => Finding::passing(
            Reason::Provisioning,
            format!("Azure asks to wait (HTTP {status}, {code}); it is tried again"),
        ),
        AzureCause::LimitReached => Finding::no(
            Reason::LimitReached,
            format!(
                "{} has {MOST_CREDENTIALS} federated credentials and can have no more: {}",
                wanted.identity,
                less(&wanted.identity)
            ),
        ),
        AzureCause::Exists { .. } => Finding::passing(
            Reason::Provisioning,
            format!("{id} was made under another name meanwhile; it is looked at again"),
        ),
        AzureCause::PrincipalNotFound => Finding::passing(
            Reason::Propagating,
            format!(
                "Entra does not know the new identity {} everywhere yet (PrincipalNotFound); it is tried again",
                wanted.identity
            ),
        ),
        AzureCause::Refused {
            status,
            code,
            message,
        } => {
            let text = format!("Azure refuses {action} on {id} (HTTP {status}, {code}): {message}");
            if cause.is_passing() {
                Finding::passing(Reason::AzureRefused, format!("{text}; it is tried again"))
            } else {
                Finding::no(Reason::AzureRefused, text)
            }
        }
        AzureCause::Silent { text } => {
            Finding::passing(Reason::Unreachable, format!("{text}; it is tried again"))
        }
    }
}

/// The identity cannot be looked at.
pub(super) fn of_identity(wanted: &Wanted, error: &AzureError) -> Finding {
    match &error.cause {
        AzureCause::NotFound { code } => Finding::no(
            Reason::IdentityNotFound,
            format!(
                "Azure has no identity {} (HTTP 404, {code}): correct identityResourceID, or make the identity \
                 anew: az identity list --query \"[].{{id:id, clientId:clientId}}\" -o table",
                wanted.identity
            ),
        ),
        _ => of(wanted, error),
    }
}

/// The vault cannot be looked at.
pub(super) fn of_vault(wanted: &Wanted, roles: &WantedRoles, error: &AzureError) -> Finding {
    match &error.cause {
        AzureCause::NotFound { code } => Finding::no(
            Reason::VaultNotFound,
            format!(
                "Azure has no vault {} (HTTP 404, {code}): correct spec.access.roleAssignment.vaultResourceID, or \
                 recover the vault: az keyvault list-deleted -o table",
                roles.vault
            ),
        ),
        _ => of(wanted, error),
    }
}

/// The role is not known.
pub(super) fn of_role(
    wanted: &Wanted,
    roles: &WantedRoles,
    role: &WantedRole,
    error: &AzureError,
) -> Finding {
    match &error.cause {
        AzureCause::NotFound { .. } => Finding::no(
            Reason::RoleNotFound,
            format!(
                "Azure has no role {} that can be assigned on {}: correct spec.access.roleAssignment.roleNames: \
                 az role definition list --name \"{}\" -o table",
                role.role, roles.vault, role.role
            ),
        ),
        _ => of(wanted, error),
    }
}

/// A role cannot be assigned.
pub(super) fn of_assigning(
    wanted: &Wanted,
    role: &WantedRole,
    principal: &str,
    error: &AzureError,
) -> Finding {
    match &error.cause {
        AzureCause::Forbidden { code } => Finding::no(
            Reason::AzureForbidden,
            format!(
                "Azure does not let the operator do {} on {} (HTTP 403, {code}): give the operator's identity the \
                 role \"{ACCESS_ROLE}\" of the documentation there, with a condition that admits {}; or assign it \
                 yourself: az role assignment create --assignee-object-id {principal} \
                 --assignee-principal-type ServicePrincipal --role \"{}\" --scope {}",
                error.action, role.scope, role.role, role.role, role.scope
            ),
        ),
        AzureCause::NotFound { code } => Finding::no(
            Reason::VaultNotFound,
            format!(
                "Azure has no {} to assign {} on (HTTP 404, {code}): correct \
                 spec.access.roleAssignment.vaultResourceID",
                role.scope, role.role
            ),
        ),
        _ => of(wanted, error),
    }
}

/// The identity is not the one that the binding reads with.
pub(super) fn mismatch(
    ground: Ground<'_>,
    wanted: &Wanted,
    identity: &ManagedIdentity,
) -> Option<Finding> {
    let client = ground.reading.client.to_string();
    if !identity.client_id.eq_ignore_ascii_case(&client) {
        return Some(Finding::no(
            Reason::ClientMismatch,
            format!(
                "the identity {} has the client id {}, and spec.identity.clientID is {client}: correct one of \
                 them",
                wanted.identity, identity.client_id
            ),
        ));
    }
    let tenant = ground.reading.tenant.to_string();
    // A domain may well stand for the same tenant.
    let is_guid = uuid::Uuid::try_parse(&tenant).is_ok();
    (is_guid && !identity.tenant_id.eq_ignore_ascii_case(&tenant)).then(|| {
        Finding::no(
            Reason::TenantMismatch,
            format!(
                "the identity {} is of tenant {}, and spec.vault.tenantID is {tenant}: an identity reads vaults of \
                 its own tenant only",
                wanted.identity, identity.tenant_id
            ),
        )
    })
}

/// Issuer and subject are taken by a credential with another audience, and it is not ours.
pub(super) fn other_audience(
    wanted: &Wanted,
    credential: &WantedCredential,
    other: &Credential,
) -> Finding {
    Finding::no(
        Reason::AudienceMismatch,
        format!(
            "the federated credential {} of {} is for {} and has the audience {}, not {}; the operator has not \
             made it and leaves it alone: az identity federated-credential update --name {} --identity-name {} \
             --resource-group {} --issuer {} --subject {} --audiences {}",
            other.name,
            wanted.identity,
            credential.subject,
            listed(&other.audiences),
            credential.audience,
            other.name,
            name(&wanted.identity),
            group(&wanted.identity),
            other.issuer,
            credential.subject,
            credential.audience
        ),
    )
}

/// An issuer that Entra cannot reach is refused before anything is made.
pub(super) fn private_issuer(issuer: &str) -> Option<Finding> {
    let host = issuer.strip_prefix("https://").map(|rest| {
        let authority = rest.split('/').next().unwrap_or_default();
        authority.split(':').next().unwrap_or_default()
    });
    let private = match host {
        None | Some("") => true,
        Some(host) => {
            host.ends_with(".svc")
                || host.ends_with(".cluster.local")
                || host == "kubernetes.default"
                || host == "localhost"
        }
    };
    private.then(|| {
        Finding::no(
            Reason::IssuerNotPublic,
            format!(
                "the cluster's issuer {issuer} is not public, so Entra cannot read its keys; for AKS: az aks update \
                 --enable-oidc-issuer --name CLUSTER --resource-group GROUP; otherwise set the API server's \
                 --service-account-issuer to an address that publishes them"
            ),
        )
    })
}

/// No credential can be added.
pub(super) fn limit_reached(wanted: &Wanted, all: &[Credential], issuer: &str) -> Finding {
    let own = all.iter().filter(|one| one.issuer == issuer).count();
    Finding::no(
        Reason::LimitReached,
        format!(
            "{} has {} federated credentials, {own} of them of this cluster, and can have {MOST_CREDENTIALS}: {}",
            wanted.identity,
            all.len(),
            less(&wanted.identity)
        ),
    )
}

fn less(identity: &str) -> String {
    format!(
        "remove what nobody needs (az identity federated-credential list --identity-name {} --resource-group {} -o \
         table), share a ServiceAccount, or use another identity",
        name(identity),
        group(identity)
    )
}

/// The credential is about to be made.
pub(super) fn making_credential(
    wanted: &Wanted,
    name: &str,
    waits_until: Option<Timestamp>,
) -> Finding {
    let identity = &wanted.identity;
    match waits_until {
        None => Finding::passing(
            Reason::Provisioning,
            format!("the federated credential {name} of {identity} is being made"),
        ),
        Some(_) => Finding::passing(
            Reason::Provisioning,
            format!(
                "the federated credential {name} of {identity} waits for others: Azure takes one write of an \
                 identity's credentials at a time"
            ),
        ),
    }
}

/// A role is about to be assigned.
pub(super) fn assigning(role: &WantedRole) -> Finding {
    Finding::passing(
        Reason::Provisioning,
        format!("the role {} on {} is being assigned", role.role, role.scope),
    )
}

/// The resource id is another vault's.
pub(super) fn other_vault(
    ground: Ground<'_>,
    roles: &WantedRoles,
    vault: &VaultResource,
) -> Option<Finding> {
    let host = vault.uri.strip_prefix("https://").unwrap_or(&vault.uri);
    let host = host.trim_end_matches('/').trim_end_matches(":443");
    let wanted = &ground.reading.host;
    (!host.eq_ignore_ascii_case(wanted)).then(|| {
        Finding::no(
            Reason::VaultMismatch,
            format!(
                "{} is the vault {host}, and spec.vault is {wanted}: correct \
                 spec.access.roleAssignment.vaultResourceID",
                roles.vault
            ),
        )
    })
}

/// Roles say nothing in this vault.
pub(super) fn access_policies(
    ground: Ground<'_>,
    roles: &WantedRoles,
    identity: &ManagedIdentity,
) -> Finding {
    let vault = name(&roles.vault);
    Finding::no(
        Reason::VaultUsesAccessPolicies,
        format!(
            "{vault} uses access policies, so a role would change nothing and none is assigned: az keyvault \
             set-policy --name {vault} --object-id {} {}, or az keyvault update --name {vault} \
             --enable-rbac-authorization true after all who use it have roles",
            identity.principal_id,
            policy_permissions(ground.binding)
        ),
    )
}

/// The last part of a resource id.
fn name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// The resource group of a resource id.
fn group(id: &str) -> &str {
    let mut parts = id.split('/');
    parts
        .by_ref()
        .find(|part| part.eq_ignore_ascii_case("resourceGroups"));
    parts.next().unwrap_or("GROUP")
}

/// The resource that has a role: the identity of a credential, the scope of an assignment.
fn parent(id: &str) -> &str {
    let markers = [
        "/federatedIdentityCredentials",
        "/providers/Microsoft.Authorization/",
    ];
    markers
        .iter()
        .find_map(|marker| {
            let lower = id.to_ascii_lowercase();
            id.get(..lower.find(&marker.to_ascii_lowercase())?)
        })
        .unwrap_or(id)
}
