//! Identity bindings of AKS clusters: a cluster may use an identity, and AKS gives the identity one
//! federated credential for all clusters. They are made and removed by operations that take time.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::credentials::check_room;
use super::error::ArmError;
use super::listing::list;
use super::operations::Operation;
use super::reply::Reply;
use super::route::Kind;
use super::store::Store;
use crate::directory::{Directory, Principal, TenantInfo};
use crate::roles::Attributes;
use crate::seed::{ClusterSeed, FederatedCredentialSeed, IdentityBindingSeed};

/// The name of the federated credential that AKS makes.
pub(super) const BINDING_CREDENTIAL: &str = "aks-identity-binding";

/// What whoever binds an identity must be allowed to do with it.
const CREDENTIAL_WRITE: &str =
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write";

/// An identity that a cluster may use.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    /// The ARM id as it was first asked for.
    id: String,
    /// The ARM id of the identity.
    identity: String,
    pub(super) client_id: String,
    object_id: String,
    tenant_id: String,
    etag: String,
    /// When it can be used, in Unix seconds.
    ready: i64,
    /// Until then.
    ends: i64,
    updates: bool,
}

#[derive(Debug, Deserialize)]
struct Body {
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    managed_identity: ManagedIdentity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagedIdentity {
    resource_id: String,
}

impl Binding {
    /// One that is there from the start, with the identity's credential.
    pub(super) fn of_seed(
        cluster: &ClusterSeed,
        seed: &IdentityBindingSeed,
        directory: &Directory,
    ) -> Option<Self> {
        let is = |known: &Principal| known.client_id.eq_ignore_ascii_case(&seed.client_id);
        let mut identities = directory.identities().into_iter();
        let (tenant, principal) = identities.find(|(_, principal)| is(principal))?;
        let identity = principal.resource_id.clone()?;
        if !has_credential(&principal) {
            let terms = terms(&tenant, &principal);
            directory.change_resource(&identity, |identity| identity.put_credential(terms, 0, 0));
        }
        Some(Self {
            id: format!("{}/identityBindings/{}", cluster.resource_id, seed.name),
            identity,
            client_id: principal.client_id,
            object_id: principal.object_id,
            tenant_id: tenant.tenant_id,
            etag: Uuid::new_v4().to_string(),
            ready: 0,
            ends: i64::MAX,
            updates: false,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether tokens are given by it.
    pub(super) fn holds(&self, now: i64) -> bool {
        (self.updates || self.ready <= now) && now < self.ends
    }

    fn state(&self, now: i64) -> &'static str {
        match () {
            () if self.ends != i64::MAX => "Deleting",
            () if self.ready <= now => "Succeeded",
            () if self.updates => "Updating",
            () => "Creating",
        }
    }

    fn describe(&self, now: i64) -> Value {
        let Self {
            id,
            identity,
            client_id,
            object_id,
            tenant_id,
            etag,
            ..
        } = self;
        json!({
            "id": id,
            "name": id.rsplit('/').next().unwrap_or_default(),
            "type": Kind::Binding.type_name(),
            "eTag": etag,
            "properties": {
                "managedIdentity": {
                    "resourceId": identity,
                    "objectId": object_id,
                    "clientId": client_id,
                    "tenantId": tenant_id,
                },
                "oidcIssuer": {"oidcIssuerUrl": issuer(tenant_id, client_id)},
                "provisioningState": self.state(now),
            },
        })
    }
}

pub(super) fn answer(store: &mut Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    store
        .bindings
        .retain(|_, binding| context.now < binding.ends);
    let cluster = context.route.parent_key();
    if !store.clusters.contains_key(&cluster) {
        let name = cluster.rsplit('/').next().unwrap_or_default();
        return Err(match *context.method() {
            Method::PUT => ArmError::no_parent(name, Kind::Binding.type_name()),
            _ => ArmError::no_resource(Kind::Cluster, name, context.route.group_name()),
        });
    }
    if context.route.name.is_none() {
        let prefix = format!("{cluster}/");
        let found = store
            .bindings
            .iter()
            .filter(|(id, _)| id.starts_with(&prefix));
        let found = found.map(|(_, binding)| binding.describe(context.now));
        return list(store, context, found);
    }
    let known = store.bindings.get(&context.route.key()).cloned();
    match *context.method() {
        Method::GET => match known {
            Some(binding) => Ok(Reply::new(200, binding.describe(context.now))),
            None => Err(context.not_found()),
        },
        Method::DELETE => delete(store, context, known),
        _ => put(store, context, known.as_ref()),
    }
}

fn delete(
    store: &mut Store,
    context: &Context<'_>,
    known: Option<Binding>,
) -> Result<Reply, ArmError> {
    check_match(context, known.as_ref())?;
    let Some(mut binding) = known else {
        return Ok(Reply::empty(204));
    };
    let duration = store.settings.operation_duration;
    binding.ends = binding.ends.min(context.after(duration));
    store.bindings.insert(context.route.key(), binding);
    Ok(Operation::begin(store, context, Reply::empty(202)))
}

fn put(
    store: &mut Store,
    context: &Context<'_>,
    known: Option<&Binding>,
) -> Result<Reply, ArmError> {
    check_match(context, known)?;
    let Body { properties } = context.body()?;
    let identity = properties.managed_identity.resource_id;
    let action = context.route.action(context.method())?;
    if !store.allows(
        &context.caller.object_id,
        CREDENTIAL_WRITE,
        &identity,
        &Attributes::default(),
        context.now,
    ) {
        let scope = context.route.id();
        return Err(ArmError::not_authorized_linked(
            context.caller,
            (&action, &scope),
            (CREDENTIAL_WRITE, &identity),
        ));
    }
    let directory = &context.state.directory;
    let (tenant, principal) = directory.identity(&identity).ok_or_else(|| {
        ArmError::bad_request(format!("The managed identity '{identity}' was not found."))
    })?;
    if let Some(known) = known {
        if known.state(context.now) != "Succeeded" {
            let message = "Another operation on this identity binding is in progress.";
            return Err(ArmError::new(409, "OperationNotAllowed", message));
        }
        if !known.identity.eq_ignore_ascii_case(&identity) {
            let message = "The managed identity of an identity binding cannot be changed.";
            return Err(ArmError::bad_request(message));
        }
    }
    let cluster = format!("{}/", context.route.parent_key());
    let mut others = store
        .bindings
        .iter()
        .filter(|(id, _)| id.starts_with(&cluster) && **id != context.route.key());
    if others.any(|(_, other)| other.identity.eq_ignore_ascii_case(&identity)) {
        let message = "The cluster has an identity binding for this managed identity already.";
        return Err(ArmError::new(409, "Conflict", message));
    }
    let ready = context.after(store.settings.operation_duration);
    let from = ready.saturating_add(i64::from(store.settings.credential_propagation));
    give_credential(context, &tenant, &principal, from)?;
    let binding = Binding {
        id: known.map_or_else(|| context.route.id(), |known| known.id.clone()),
        identity,
        client_id: principal.client_id,
        object_id: principal.object_id,
        tenant_id: tenant.tenant_id,
        etag: Uuid::new_v4().to_string(),
        ready,
        ends: i64::MAX,
        updates: known.is_some(),
    };
    let status = if known.is_some() { 200 } else { 201 };
    let reply = Reply::new(status, binding.describe(context.now));
    store.bindings.insert(context.route.key(), binding);
    Ok(Operation::begin(store, context, reply))
}

/// The credential stays when the last binding goes.
fn give_credential(
    context: &Context<'_>,
    tenant: &TenantInfo,
    principal: &Principal,
    from: i64,
) -> Result<(), ArmError> {
    if has_credential(principal) {
        return Ok(());
    }
    check_room(principal)?;
    let terms = terms(tenant, principal);
    let resource = principal.resource_id.as_deref().unwrap_or_default();
    let put = |identity: &mut Principal| identity.put_credential(terms, from, context.now);
    let done = context.state.directory.change_resource(resource, put);
    done.ok_or_else(|| context.not_found())
}

fn has_credential(principal: &Principal) -> bool {
    let mut terms = principal.credentials();
    terms.any(|terms| terms.name == BINDING_CREDENTIAL)
}

fn terms(tenant: &TenantInfo, principal: &Principal) -> FederatedCredentialSeed {
    FederatedCredentialSeed {
        name: BINDING_CREDENTIAL.to_owned(),
        issuer: issuer(&tenant.tenant_id, &principal.client_id),
        subject: principal.object_id.clone(),
        audiences: vec![tenant.cloud.federation_audience().to_owned()],
    }
}

/// Who signs for an identity that clusters are bound to.
fn issuer(tenant_id: &str, client_id: &str) -> String {
    format!("https://ib.oic.prod-aks.azure.com/{tenant_id}/{client_id}")
}

/// Refuses a change of another version than the one that is there.
fn check_match(context: &Context<'_>, known: Option<&Binding>) -> Result<(), ArmError> {
    let header = |name| {
        context
            .request
            .header(name)
            .map(|tag| tag.trim_matches('"'))
    };
    let tag = known.map(|binding| binding.etag.as_str());
    let wanted = header("if-match").is_none_or(|wanted| match wanted {
        "*" => tag.is_some(),
        wanted => tag == Some(wanted),
    });
    let unwanted = header("if-none-match").is_some_and(|unwanted| match unwanted {
        "*" => tag.is_some(),
        unwanted => tag == Some(unwanted),
    });
    match wanted && !unwanted {
        true => Ok(()),
        false => {
            let message = "The condition of If-Match or If-None-Match was not met.";
            Err(ArmError::new(412, "PreconditionFailed", message))
        }
    }
}
