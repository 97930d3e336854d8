//! Which identity reads the vault: managed identity or identity binding if asked for, else workload
//! identity if there is a client id, else a service principal.

use jiff::Timestamp;
use vaultbind_keyvault::{ClientId, Cloud, Identity, Sensitive, TenantId};

use super::IdentitySource;
use super::error::{Quoted, RequestError};
use super::parameters::{Mode, Texts};
use super::tokens;

/// Chooses the identity and takes its proof out of the request. A managed identity is the one
/// without a tenant.
pub(super) fn choose(
    mode: Mode,
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
    let binding = mode == Mode::IdentityBinding;
    match attributes.get("clientID") {
        "" if binding => Err(RequestError::BindingClientMissing),
        text if binding => {
            let client_id = client_id("clientID", text)?;
            let audiences = [Identity::BINDING_AUDIENCE];
            let found = tokens::find(attributes, secrets, &audiences, now)?;
            Ok(IdentitySource::IdentityBinding {
                tenant,
                client_id,
                token: found.token,
                expires: found.expires,
            })
        }
        "" => service_principal(tenant, secrets),
        text => {
            let client_id = client_id("clientID", text)?;
            // The public cloud's audience serves as well in the other clouds: which one an identity
            // trusts is up to its federated credential, and clusters set up for the Azure provider
            // have only that one.
            let audiences = [
                cloud.federation_audience(),
                Cloud::Public.federation_audience(),
            ];
            let found = tokens::find(attributes, secrets, &audiences, now)?;
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
