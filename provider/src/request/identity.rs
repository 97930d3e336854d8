//! Which identity reads the vault: managed identity if asked for, else workload identity if there is
//! a client id, else a service principal.

use jiff::Timestamp;
use vaultbind_keyvault::{ClientId, Cloud, Sensitive, TenantId};

use super::IdentitySource;
use super::error::{Quoted, RequestError};
use super::parameters::Texts;
use super::tokens;

/// Chooses the identity and takes its proof out of the request. A managed identity is the one
/// without a tenant.
pub(super) fn choose(
    tenant: Option<TenantId>,
    attributes: &Texts,
    secrets: &Texts,
    cloud: Cloud,
    now: Timestamp,
) -> Result<IdentitySource, RequestError> {
    let Some(tenant) = tenant else {
        let client_id = match attributes.get("userAssignedIdentityID") {
            "" => None,
            text => Some(client_id("userAssignedIdentityID", text)?),
        };
        return Ok(IdentitySource::ManagedIdentity { client_id });
    };
    match attributes.get("clientID") {
        "" => service_principal(tenant, secrets),
        text => {
            let client_id = client_id("clientID", text)?;
            let found = tokens::find(attributes, secrets, cloud, now)?;
            Ok(IdentitySource::WorkloadIdentity {
                tenant,
                client_id,
                token: found.token,
                audience: found.audience.to_owned(),
                expires: found.expires,
            })
        }
    }
}

fn client_id(parameter: &'static str, text: &str) -> Result<ClientId, RequestError> {
    text.parse().map_err(|_| RequestError::ClientId {
        parameter,
        value: Quoted::new(text),
    })
}

fn service_principal(tenant: TenantId, secrets: &Texts) -> Result<IdentitySource, RequestError> {
    // Kubelet may put the ServiceAccount tokens among the secrets.
    if !secrets.has_other_than(tokens::ATTRIBUTE) {
        return Err(RequestError::IdentityMissing);
    }
    let required = |key: &'static str| match secrets.ignoring_case(key) {
        "" => Err(RequestError::CredentialMissing { key }),
        text => Ok(text),
    };
    // Whatever stands in the Secret is not quoted: it may be the client secret in the wrong place.
    let client_id = required("clientid")?
        .trim()
        .parse()
        .map_err(|_| RequestError::CredentialClientId)?;
    let secret = Sensitive::from(required("clientsecret")?);
    Ok(IdentitySource::ServicePrincipal {
        tenant,
        client_id,
        secret,
    })
}
