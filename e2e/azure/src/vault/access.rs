//! Who may do what: network rules, roles with data actions, access policies.

use std::net::IpAddr;

use super::error::ApiError;
use super::names::Collection;
use super::request::{Caller, VaultRequest};
use super::route::{Call, Verb};
use super::seed::Network;
use crate::roles::{Attributes, BuiltIn, DataGrant};

/// From where a vault may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NetworkRule {
    Open,
    /// Only from these addresses.
    Firewall(Vec<IpAddr>),
    PrivateOnly,
}

impl NetworkRule {
    /// `None` if addresses are given where there is no firewall.
    pub(super) fn new(network: Network, allowed: &[IpAddr]) -> Option<Self> {
        match (network, allowed) {
            (Network::Firewall, allowed) => Some(Self::Firewall(allowed.to_vec())),
            (Network::Open, []) => Some(Self::Open),
            (Network::PrivateOnly, []) => Some(Self::PrivateOnly),
            _ => None,
        }
    }
}

/// The permission model of a vault.
#[derive(Debug, Clone)]
pub(super) enum Authorization {
    Roles(Vec<Assignment>),
    AccessPolicies(Vec<AccessPolicy>),
}

/// A built-in role given to a principal, on the vault or on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) principal: String,
    pub(super) role: &'static BuiltIn,
    pub(super) object: Option<(Collection, String)>,
}

/// The permissions of one principal under the older model, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AccessPolicy {
    pub(super) principal: String,
    pub(super) secrets: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) certificates: Vec<String>,
}

/// What a vault says of itself in refusals.
pub(super) struct Site<'a> {
    /// `name;location=region`
    pub(super) vault: String,
    /// The ARM id in the data plane's spelling.
    pub(super) resource: &'a str,
}

/// Refuses requests from a network the vault is closed to.
pub(super) fn check_network(
    network: &NetworkRule,
    request: &VaultRequest,
    site: &Site<'_>,
) -> Result<(), ApiError> {
    let caller = describe(&request.caller);
    let vault = &site.vault;
    match network {
        NetworkRule::Open => Ok(()),
        NetworkRule::Firewall(allowed) if allowed.contains(&request.client_address) => Ok(()),
        NetworkRule::Firewall(_) => {
            let address = request.client_address;
            Err(ApiError::forbidden(
                "ForbiddenByFirewall",
                format!(
                    "Client address is not authorized and caller is not a trusted service.\r\n\
                     Client address: {address}\r\nCaller: {caller}\r\nVault: {vault}"
                ),
            ))
        }
        NetworkRule::PrivateOnly => Err(ApiError::forbidden(
            "ForbiddenByConnection",
            format!(
                "Public network access is disabled and request is not from a trusted service nor \
                 via an approved private link.\r\nCaller: {caller}\r\nVault: {vault}"
            ),
        )),
    }
}

/// Refuses calls the caller has no right to, whether or not the object exists. `grants` are the
/// caller's roles that Resource Manager knows of.
pub(super) fn check(
    authorization: &Authorization,
    call: &Call,
    caller: &Caller,
    grants: &[DataGrant],
    site: &Site<'_>,
) -> Result<(), ApiError> {
    let (action, permission) = requirement(call.kind, call.verb);
    match authorization {
        Authorization::Roles(assignments) => {
            let granted = assignments.iter().any(|assignment| {
                is_principal(&assignment.principal, caller)
                    && assignment.covers(call)
                    && assignment.role.allows_data(action)
            });
            let resource = format!("{}{}", site.resource, object_path(call));
            let resource = resource.to_ascii_lowercase();
            let attributes = attributes(call, site);
            let allows = |grant: &DataGrant| grant.allows(action, &resource, &attributes);
            if granted || grants.iter().any(allows) {
                Ok(())
            } else {
                Err(no_role(call, action, caller, site))
            }
        }
        Authorization::AccessPolicies(policies) => {
            let mut mine = policies
                .iter()
                .filter(|policy| is_principal(&policy.principal, caller))
                .peekable();
            let inner = if mine.peek().is_some() {
                "ForbiddenByPolicy"
            } else {
                "AccessDenied"
            };
            if mine.any(|policy| policy.allows(call.kind, permission)) {
                Ok(())
            } else {
                Err(no_policy(inner, call.kind, permission, caller, site))
            }
        }
    }
}

fn is_principal(principal: &str, caller: &Caller) -> bool {
    principal.eq_ignore_ascii_case(&caller.client_id)
        || principal.eq_ignore_ascii_case(&caller.object_id)
}

impl Assignment {
    /// Calls on a whole collection have the vault as their scope, so an assignment on an object
    /// never covers them.
    fn covers(&self, call: &Call) -> bool {
        self.object
            .as_ref()
            .is_none_or(|(kind, name)| *kind == call.kind && name.eq_ignore_ascii_case(&call.name))
    }
}

impl AccessPolicy {
    fn allows(&self, kind: Collection, permission: &str) -> bool {
        let permissions = match kind {
            Collection::Secrets => &self.secrets,
            Collection::Keys => &self.keys,
            Collection::Certificates => &self.certificates,
        };
        permissions
            .iter()
            .any(|given| given == permission || given == "all")
    }
}

/// The data action and the access policy permission an operation needs.
fn requirement(kind: Collection, verb: Verb) -> (&'static str, &'static str) {
    match kind {
        Collection::Secrets => secret_requirement(verb),
        Collection::Keys => key_requirement(verb),
        Collection::Certificates => certificate_requirement(verb),
    }
}

fn secret_requirement(verb: Verb) -> (&'static str, &'static str) {
    match verb {
        Verb::List | Verb::ListVersions | Verb::ListDeleted => {
            ("secrets/readMetadata/action", "list")
        }
        Verb::GetDeleted => ("secrets/readMetadata/action", "get"),
        Verb::Update => ("secrets/update/action", "set"),
        Verb::Delete => ("secrets/delete", "delete"),
        Verb::Recover => ("secrets/recover/action", "recover"),
        Verb::Purge => ("secrets/purge/action", "purge"),
        Verb::Get => ("secrets/getSecret/action", "get"),
        _ => ("secrets/setSecret/action", "set"),
    }
}

fn key_requirement(verb: Verb) -> (&'static str, &'static str) {
    match verb {
        Verb::List | Verb::ListVersions | Verb::ListDeleted => ("keys/read", "list"),
        Verb::Update => ("keys/update/action", "update"),
        Verb::Delete => ("keys/delete", "delete"),
        Verb::Recover => ("keys/recover/action", "recover"),
        Verb::Purge => ("keys/purge/action", "purge"),
        Verb::Create => ("keys/create/action", "create"),
        Verb::Import => ("keys/import/action", "import"),
        Verb::Rotate => ("keys/rotate/action", "rotate"),
        Verb::GetRotationPolicy => ("keyrotationpolicies/read", "getrotationpolicy"),
        Verb::SetRotationPolicy => ("keyrotationpolicies/write", "setrotationpolicy"),
        _ => ("keys/read", "get"),
    }
}

fn certificate_requirement(verb: Verb) -> (&'static str, &'static str) {
    match verb {
        Verb::List | Verb::ListVersions | Verb::ListDeleted => ("certificates/read", "list"),
        Verb::Update | Verb::UpdatePolicy | Verb::UpdatePending => {
            ("certificates/update/action", "update")
        }
        Verb::Delete | Verb::DeletePending => ("certificates/delete", "delete"),
        Verb::Recover => ("certificates/recover/action", "recover"),
        Verb::Purge => ("certificates/purge/action", "purge"),
        Verb::Create => ("certificates/create/action", "create"),
        Verb::Import => ("certificates/import/action", "import"),
        _ => ("certificates/read", "get"),
    }
}

/// What the object of a call adds to the vault's id. Calls on a whole collection have the vault as
/// their scope.
fn object_path(call: &Call) -> String {
    if call.name.is_empty() {
        String::new()
    } else {
        format!("/{}/{}", call.kind.segment(), call.name)
    }
}

/// What conditions may ask of a call: the names of the vault and of a secret.
fn attributes(call: &Call, site: &Site<'_>) -> Attributes {
    let mut attributes = Attributes::default();
    let vault = site.resource.rsplit('/').next().unwrap_or_default();
    attributes.add("Resource", "Microsoft.KeyVault/vaults:name", vault);
    if call.kind == Collection::Secrets && !call.name.is_empty() {
        let source = match call.verb {
            Verb::Set => "Request",
            _ => "Resource",
        };
        attributes.add(source, "Microsoft.KeyVault/vaults/secrets:name", &call.name);
    }
    attributes
}

fn describe(caller: &Caller) -> String {
    let Caller {
        client_id,
        object_id,
        tenant_id,
    } = caller;
    format!("appid={client_id};oid={object_id};iss=https://sts.windows.net/{tenant_id}/")
}

fn no_role(call: &Call, action: &str, caller: &Caller, site: &Site<'_>) -> ApiError {
    let caller = describe(caller);
    let Site { vault, resource } = site;
    let object = object_path(call);
    ApiError::forbidden(
        "ForbiddenByRbac",
        format!(
            "Caller is not authorized to perform action on resource.\r\n\
             If role assignments, deny assignments or role definitions were changed recently, \
             please observe propagation time.\r\nCaller: {caller}\r\n\
             Action: 'Microsoft.KeyVault/vaults/{action}'\r\nResource: '{resource}{object}'\r\n\
             Assignment: (not found)\r\nDenyAssignmentId: null\r\n\
             DecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: {vault}\r\n"
        ),
    )
}

fn no_policy(
    inner: &'static str,
    kind: Collection,
    permission: &str,
    caller: &Caller,
    site: &Site<'_>,
) -> ApiError {
    let Caller {
        client_id,
        object_id,
        tenant_id,
    } = caller;
    let collection = kind.segment();
    let vault = &site.vault;
    ApiError::forbidden(
        inner,
        format!(
            "The user, group or application 'appid={client_id};oid={object_id};numgroups=0;\
             iss=https://sts.windows.net/{tenant_id}/' does not have {collection} {permission} \
             permission on key vault '{vault}'. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125287"
        ),
    )
}
