//! The token proxy in an AKS cluster, which turns ServiceAccount tokens into tokens of the
//! identities that are bound to the cluster. Clients name it by the server name of their TLS
//! handshake, `CLUSTER.ests.aks`.

use super::ResourceManager;
use super::bindings::BINDING_CREDENTIAL;
use crate::directory::Principal;
use crate::seed::{ClusterSeed, IdentityUserSeed};

/// What server names of token proxies end with.
const SUFFIX: &str = ".ests.aks";

/// The audience of the ServiceAccount tokens.
pub(crate) const BINDING_AUDIENCE: &str = "api://AKSIdentityBinding";

/// A cluster with the identities it may use now.
#[derive(Debug, Clone)]
pub(crate) struct BoundCluster {
    pub(crate) tenant_id: String,
    /// Who signs its ServiceAccount tokens.
    pub(crate) issuer: String,
    /// Everybody when absent.
    users: Option<Vec<IdentityUserSeed>>,
    client_ids: Vec<String>,
}

impl ResourceManager {
    /// The cluster behind a server name, as it is now.
    pub(crate) fn bound_cluster(&self, server_name: &str, now: i64) -> Option<BoundCluster> {
        let store = self.lock();
        let found = store
            .clusters
            .iter()
            .find(|(id, _)| proxy_name(id).eq_ignore_ascii_case(server_name));
        let (id, cluster) = found?;
        let ClusterSeed {
            tenant_id,
            issuer,
            identity_users,
            ..
        } = cluster;
        let prefix = format!("{id}/");
        let bound = store
            .bindings
            .iter()
            .filter(|(id, binding)| id.starts_with(&prefix) && binding.holds(now));
        Some(BoundCluster {
            tenant_id: tenant_id.clone(),
            issuer: issuer.clone(),
            users: identity_users.clone(),
            client_ids: bound
                .map(|(_, binding)| binding.client_id.clone())
                .collect(),
        })
    }

    /// Whether a server name is that of a cluster's token proxy.
    pub(crate) fn is_token_proxy(&self, server_name: &str) -> bool {
        server_name.to_ascii_lowercase().ends_with(SUFFIX)
            && self.bound_cluster(server_name, 0).is_some()
    }
}

impl BoundCluster {
    /// Whether a ServiceAccount may use an identity.
    pub(crate) fn lets(&self, subject: &str, client_id: &str) -> bool {
        let is = |known: &String| known.eq_ignore_ascii_case(client_id);
        let may = self.users.as_ref().is_none_or(|users| {
            users
                .iter()
                .any(|user| user.subject == subject && is(&user.client_id))
        });
        may && self.client_ids.iter().any(is)
    }

    /// Whether Entra goes by the credential that AKS gave an identity.
    pub(crate) fn is_known(principal: &Principal, now: i64) -> bool {
        let mut terms = principal.federated_at(now).into_iter();
        terms.any(|terms| terms.name == BINDING_CREDENTIAL)
    }
}

/// The server name of a cluster's token proxy.
pub(super) fn proxy_name(cluster: &str) -> String {
    let name = cluster.rsplit('/').next().unwrap_or_default();
    format!("{}{SUFFIX}", name.to_ascii_lowercase())
}
