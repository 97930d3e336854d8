//! What is said of a token that was not to be had: the cause, and the remedy.

use std::fmt;

use super::{TokenError, TokenProblem};
use crate::transport::Unreachable;

impl std::error::Error for TokenError {}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.identity;
        let tenant = self.tenant.as_deref().unwrap_or_default();
        let host = &self.host;
        match &self.problem {
            TokenProblem::WrongSecret => write!(
                f,
                "Entra refused the client secret of {client} (AADSTS7000215): put the secret's \
                 value, not its id, as clientsecret into the nodePublishSecretRef Secret"
            ),
            TokenProblem::ExpiredSecret => write!(
                f,
                "the client secret of {client} has expired (AADSTS7000222): make a new one and put \
                 it as clientsecret into the nodePublishSecretRef Secret"
            ),
            TokenProblem::UnknownClient => write!(
                f,
                "Entra knows no application {client} in tenant {tenant} (AADSTS700016): check \
                 clientID and tenantID"
            ),
            TokenProblem::UnknownTenant => write!(
                f,
                "Entra knows no tenant {tenant} (AADSTS90002): check tenantID and cloudName"
            ),
            TokenProblem::NoFederatedCredential { code, mismatch } => write!(
                f,
                "no federated identity credential of {client} matches the pod's ServiceAccount \
                 token (AADSTS{code}): add or correct one for {mismatch}"
            ),
            TokenProblem::AssertionOutsideValidity => write!(
                f,
                "Entra refused the ServiceAccount token for {client} as outside its validity \
                 (AADSTS700024): check the clocks of the node and the API server"
            ),
            TokenProblem::AssertionSignature => write!(
                f,
                "Entra could not verify the signature of the ServiceAccount token for {client} \
                 (AADSTS700027): check that the cluster's OIDC issuer publishes its current keys"
            ),
            TokenProblem::NoBindingCredential { code } => write!(
                f,
                "Entra knows no identity binding of {client} (AADSTS{code}): its federated \
                 credential aks-identity-binding, which AKS makes with the first binding, is new or \
                 was changed; wait a minute, or bind the identity anew"
            ),
            TokenProblem::TokenProxyRefused(status) => write!(
                f,
                "the token proxy refused identity {client} (HTTP {status}): bind the identity to \
                 the cluster, and let the ServiceAccount use-managed-identity {client} of \
                 cid.wi.aks.azure.com by a ClusterRole"
            ),
            TokenProblem::NoTokenProxy => write!(
                f,
                "{client} is an AKS identity binding and no token proxy is set up: set the \
                 provider's --token-proxy-url (chart: provider.identityBinding.enabled)"
            ),
            TokenProblem::TokenProxyUnreachable(unreachable) => write!(
                f,
                "no token for identity binding {client}: {unreachable}{}",
                token_proxy_remedy(unreachable)
            ),
            TokenProblem::Refused { code } => write!(
                f,
                "Entra refused identity {client} of tenant {tenant} ({code}): look the code up at \
                 https://login.microsoftonline.com/error; the provider's log has Entra's words"
            ),
            TokenProblem::IdentityNotAssigned => write!(
                f,
                "the node has no managed identity {client}: assign it to the node's machine or \
                 scale set, or correct userAssignedIdentityID"
            ),
            TokenProblem::IdentityAmbiguous => write!(
                f,
                "the node has several managed identities: name the client id of one in \
                 userAssignedIdentityID"
            ),
            TokenProblem::ForeignIdentityEndpoint => write!(
                f,
                "managed identity is directed away from the node by environment variables: unset \
                 IDENTITY_ENDPOINT, IDENTITY_HEADER and MSI_ENDPOINT in the provider's pod"
            ),
            TokenProblem::Throttled => write!(
                f,
                "{host} throttles token requests of {client} (HTTP 429); the mount is tried again"
            ),
            TokenProblem::Failing(status) => write!(
                f,
                "{host} fails with HTTP {status}, so there is no token for {client}; the mount is \
                 tried again"
            ),
            TokenProblem::Unreachable(unreachable) => {
                write!(
                    f,
                    "no token for {client}: {unreachable}{}",
                    remedy(unreachable, "provider")
                )
            }
            TokenProblem::BadAnswer => write!(
                f,
                "{host} gave an answer to the token request of {client} that cannot be read: check \
                 for a proxy that answers in its place"
            ),
        }
    }
}

/// What to do about an endpoint that `program` cannot reach, as the end of a sentence.
pub(crate) fn remedy(unreachable: &Unreachable, program: &str) -> String {
    match unreachable {
        Unreachable::Name { .. } => {
            ": check the name, the cloud and the node's DNS (a private endpoint needs its zone)"
                .to_owned()
        }
        Unreachable::NameTimeout { .. } => format!(
            ": check the node's DNS and the way to it (a NetworkPolicy must let the {program} ask)"
        ),
        Unreachable::Connect { .. }
        | Unreachable::Silent { .. }
        | Unreachable::Deadline { .. }
        | Unreachable::Broken { .. } => {
            format!(": check the network path, firewall and proxy settings of the {program}")
        }
        Unreachable::ProxyUntrusted { .. } => {
            ": add the CA that signed it to the bundle that SSL_CERT_FILE names".to_owned()
        }
        Unreachable::Proxy { .. } => {
            format!(": check HTTPS_PROXY in the {program}'s environment")
        }
        Unreachable::ProxyRefused { status: 407, .. } => {
            ": put the proxy's user and password into HTTPS_PROXY".to_owned()
        }
        Unreachable::ProxyRefused { .. } => {
            ": allow the host there or add it to NO_PROXY; check that the host exists".to_owned()
        }
        Unreachable::Untrusted { .. } => {
            ": if a proxy inspects TLS, add its CA to the bundle that SSL_CERT_FILE names"
                .to_owned()
        }
        Unreachable::Tls { .. } => {
            ": check for a proxy or firewall that interferes with TLS".to_owned()
        }
        Unreachable::TooLarge { .. }
        | Unreachable::WrongHost { .. }
        | Unreachable::NoTokenProxy
        | Unreachable::TokenProxy { .. } => String::new(),
    }
}

/// The same for the token proxy, which is in the cluster and never reached through another proxy.
fn token_proxy_remedy(unreachable: &Unreachable) -> &'static str {
    match unreachable {
        Unreachable::Untrusted { .. } => {
            ": name the cluster's CA in --token-proxy-ca-file, and check --sni-name"
        }
        Unreachable::Tls { .. } => ": check --token-proxy-url and --sni-name",
        Unreachable::TooLarge { .. }
        | Unreachable::WrongHost { .. }
        | Unreachable::NoTokenProxy
        | Unreachable::TokenProxy { .. } => "",
        _ => {
            ": check --token-proxy-url and the way there, which is direct (a NetworkPolicy must \
             allow it)"
        }
    }
}
