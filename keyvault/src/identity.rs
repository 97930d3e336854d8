//! Identities and the tokens they get.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::{
    ClientMethodOptions, ClientOptions, RetryOptions, Transport, UserAgentOptions,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId,
};

use crate::error::TokenError;
use crate::session::{Session, SessionClient, TokenProxyClient};
use crate::{ClientId, Cloud, Sensitive, TenantId};

/// Stands for the client id of the machine's own identity.
pub(crate) const SYSTEM_ASSIGNED: &str = "system-assigned";

/// Stands for the client id of whoever brings a token along.
const READY_TOKEN: &str = "access-token";

/// Who asks the vault, and what proves it.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A Kubernetes ServiceAccount that an application or managed identity trusts through a
    /// federated identity credential.
    WorkloadIdentity {
        /// Tenant of the application.
        tenant: TenantId,
        /// Client id of the application or user assigned managed identity.
        client: ClientId,
        /// The ServiceAccount's token, for the cloud's federation audience.
        token: Sensitive,
    },
    /// A Kubernetes ServiceAccount that may use a managed identity bound to its AKS cluster. Its
    /// token goes to the cluster's token proxy, never to Entra.
    IdentityBinding {
        /// Tenant of the identity.
        tenant: TenantId,
        /// Client id of the user assigned managed identity.
        client: ClientId,
        /// The ServiceAccount's token, for [`Identity::BINDING_AUDIENCE`].
        token: Sensitive,
    },
    /// An application with a client secret.
    ServicePrincipal {
        /// Tenant of the application.
        tenant: TenantId,
        /// Client id of the application.
        client: ClientId,
        /// The secret's value.
        secret: Sensitive,
    },
    /// A managed identity of the node.
    ManagedIdentity {
        /// Client id of a user assigned identity; absent for the system assigned one.
        client: Option<ClientId>,
    },
    /// Whoever has got a token for the cloud's Resource Manager elsewhere, such as from the Azure CLI. It serves
    /// nothing else: a vault is not shown it.
    AccessToken {
        /// The token.
        token: Sensitive,
        /// When it ends. Then its source is asked for another one.
        ends: SystemTime,
    },
}

impl Identity {
    /// The audience of ServiceAccount tokens for AKS's token proxy, in every cloud.
    pub const BINDING_AUDIENCE: &str = "api://AKSIdentityBinding";

    /// The client id, `system-assigned` or `access-token`.
    pub fn name(&self) -> &str {
        match self {
            Self::WorkloadIdentity { client, .. }
            | Self::IdentityBinding { client, .. }
            | Self::ServicePrincipal { client, .. } => client.as_str(),
            Self::ManagedIdentity {
                client: Some(client),
            } => client.as_str(),
            Self::ManagedIdentity { client: None } => SYSTEM_ASSIGNED,
            Self::AccessToken { .. } => READY_TOKEN,
        }
    }

    /// The kind of identity, as it stands in logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WorkloadIdentity { .. } => "workload-identity",
            Self::IdentityBinding { .. } => "identity-binding",
            Self::ServicePrincipal { .. } => "service-principal",
            Self::ManagedIdentity { .. } => "managed-identity",
            Self::AccessToken { .. } => READY_TOKEN,
        }
    }
}

/// The ServiceAccount token as the SDK asks for it.
struct Assertion(Sensitive);

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion")
    }
}

#[async_trait]
impl ClientAssertion for Assertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        text(&self.0)
    }
}

fn text(sensitive: &Sensitive) -> azure_core::Result<String> {
    sensitive.expose_str().map(str::to_owned).map_err(|_| {
        azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, "not UTF-8")
    })
}

/// Options of every SDK client: our transport, and no retries of the SDK's own, because the session
/// makes them, with what it knows of everyone else's tries.
pub(crate) fn client_options(session: &Arc<Session>) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(SessionClient(Arc::clone(session))))),
        retry: RetryOptions::none(),
        user_agent: UserAgentOptions {
            // The SDK panics on anything but a short token.
            application_id: Some(concat!("vaultbind-", env!("CARGO_PKG_VERSION")).to_owned()),
        },
        cloud: Some(Arc::new(match session.cloud() {
            Cloud::Public => CloudConfiguration::AzurePublic,
            Cloud::UsGovernment => CloudConfiguration::AzureGovernment,
            Cloud::China => CloudConfiguration::AzureChina,
        })),
        ..ClientOptions::default()
    }
}

/// Asks for a token for what the session may ask.
///
/// # Errors
/// Entra's or the managed identity endpoint's refusal, or that it cannot be reached.
pub(crate) async fn acquire(
    session: &Arc<Session>,
    identity: &Identity,
) -> Result<ResourceToken, TokenError> {
    let scope = session.scope();
    let credential = credential(session, identity)
        .map_err(|error| TokenError::not_asked(session, identity, &error))?;
    let scopes = [scope];
    let ask = credential.get_token(&scopes, None);
    let token = match tokio::time::timeout_at(session.deadline().into(), ask).await {
        Ok(Ok(token)) => token,
        Ok(Err(error)) => return Err(TokenError::from_azure(session, identity, &error)),
        Err(_) => return Err(TokenError::deadline(session, identity)),
    };
    Ok(ResourceToken { scope, token })
}

fn credential(
    session: &Arc<Session>,
    identity: &Identity,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let client_options = client_options(session);
    Ok(match identity {
        Identity::WorkloadIdentity {
            tenant,
            client,
            token,
        } => ClientAssertionCredential::new(
            tenant.to_string(),
            client.to_string(),
            Assertion(token.clone()),
            Some(ClientAssertionCredentialOptions { client_options }),
        )?,
        Identity::IdentityBinding {
            tenant,
            client,
            token,
        } => ClientAssertionCredential::new(
            tenant.to_string(),
            client.to_string(),
            Assertion(token.clone()),
            Some(ClientAssertionCredentialOptions {
                client_options: ClientOptions {
                    transport: Some(Transport::new(Arc::new(TokenProxyClient(Arc::clone(
                        session,
                    ))))),
                    ..client_options
                },
            }),
        )?,
        Identity::ServicePrincipal {
            tenant,
            client,
            secret,
        } => ClientSecretCredential::new(
            tenant.as_str(),
            client.to_string(),
            Secret::new(text(secret)?),
            Some(ClientSecretCredentialOptions { client_options }),
        )?,
        Identity::ManagedIdentity { client } => {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client
                    .as_ref()
                    .map(|c| UserAssignedId::ClientId(c.to_string())),
                client_options,
            }))?
        }
        Identity::AccessToken { token, ends } => Arc::new(ResourceToken {
            scope: session.cloud().management_scope(),
            token: AccessToken::new(text(token)?, (*ends).into()),
        }),
    })
}

/// A token that serves one resource of a cloud, its vaults or its Resource Manager, and nothing else.
///
/// The SDK asks its credential for whatever resource a challenge names. This one refuses any other,
/// so that no vault can obtain a token for another service.
#[derive(Debug)]
pub(crate) struct ResourceToken {
    scope: &'static str,
    token: AccessToken,
}

impl ResourceToken {
    #[cfg(test)]
    pub(crate) fn living(seconds: i64) -> Self {
        let ends = azure_core::time::OffsetDateTime::now_utc()
            + azure_core::time::Duration::seconds(seconds);
        Self {
            scope: Cloud::Public.vault_scope(),
            token: AccessToken::new("e30.e30.c2ln", ends),
        }
    }

    /// The value of the header that shows it.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token.token.secret())
    }

    /// How long the token lives on.
    pub(crate) fn lifetime(&self) -> Duration {
        let left = self.token.expires_on - azure_core::time::OffsetDateTime::now_utc();
        left.try_into().unwrap_or(Duration::ZERO)
    }
}

#[async_trait]
impl TokenCredential for ResourceToken {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if scopes == [self.scope] {
            Ok(self.token.clone())
        } else {
            Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Credential,
                "the vault asked for a token of another resource",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{management_session, session};

    fn brought_along() -> Identity {
        Identity::AccessToken {
            token: "e30.e30.c2ln".into(),
            ends: SystemTime::now() + Duration::from_secs(600),
        }
    }

    #[tokio::test]
    async fn a_token_that_is_brought_along_is_shown_to_resource_manager() {
        let identity = brought_along();
        let token = acquire(&management_session(), &identity).await.unwrap();
        assert_eq!(token.bearer(), "Bearer e30.e30.c2ln");
        let lifetime = token.lifetime();
        assert!(lifetime > Duration::from_secs(500), "{lifetime:?}");
        assert!(lifetime <= Duration::from_secs(600), "{lifetime:?}");
        assert!(!format!("{identity:?}").contains("e30"), "{identity:?}");
    }

    #[tokio::test]
    async fn no_vault_is_shown_it() {
        let error = acquire(&session(), &brought_along()).await.unwrap_err();
        assert!(!error.to_string().contains("e30"), "{error}");
    }
}
