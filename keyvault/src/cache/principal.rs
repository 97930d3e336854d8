use ring::hmac;

use crate::{ClientId, Cloud, Identity, Sensitive, TenantId};

/// Who reads: an identity, and on whose behalf it is used.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The cloud that issues its tokens.
    pub cloud: Cloud,
    /// The identity with its newest proof.
    pub identity: Identity,
    /// The ServiceAccount of the pod, from a source that the pod's author cannot write.
    pub service_account: Option<ServiceAccount>,
}

/// A ServiceAccount as kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Tells principals apart. Two mounts share what is in memory only if all of this is equal, so a
/// part is here if a different value could mean that Azure answers differently.
///
/// For workload identity the proof is what kubelet says of the pod. The token itself is no proof:
/// whoever writes a pod or a class can plant one, and nothing in it is verified here. Without a
/// ServiceAccount from kubelet only the very same token shares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PrincipalKey {
    cloud: Cloud,
    tenant: Option<TenantId>,
    client: Option<ClientId>,
    /// Whether the token proxy is asked, which lets other ServiceAccounts pass than Entra does.
    bound: bool,
    proof: Proof,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Proof {
    ServiceAccount(ServiceAccount),
    /// A digest under a key that lives and dies with this process.
    Token([u8; 32]),
    /// The same, of a client secret: whoever knows another secret is somebody else.
    ClientSecret([u8; 32]),
    /// The node's own identity, which any pod on it may use.
    Node,
}

impl PrincipalKey {
    pub(super) fn new(principal: &Principal, digests: &hmac::Key) -> Self {
        let cloud = principal.cloud;
        match &principal.identity {
            Identity::WorkloadIdentity {
                tenant,
                client,
                token,
            }
            | Identity::IdentityBinding {
                tenant,
                client,
                token,
            } => Self {
                cloud,
                tenant: Some(tenant.clone()),
                client: Some(client.clone()),
                bound: matches!(principal.identity, Identity::IdentityBinding { .. }),
                proof: match &principal.service_account {
                    Some(account) => Proof::ServiceAccount(account.clone()),
                    None => Proof::Token(digest(digests, token)),
                },
            },
            Identity::ServicePrincipal {
                tenant,
                client,
                secret,
            } => Self {
                cloud,
                tenant: Some(tenant.clone()),
                client: Some(client.clone()),
                bound: false,
                proof: Proof::ClientSecret(digest(digests, secret)),
            },
            Identity::ManagedIdentity { client } => Self {
                cloud,
                tenant: None,
                client: client.clone(),
                bound: false,
                proof: Proof::Node,
            },
            Identity::AccessToken { token, ends: _ } => Self {
                cloud,
                tenant: None,
                client: None,
                bound: false,
                proof: Proof::Token(digest(digests, token)),
            },
        }
    }

    /// How the debug endpoint names it. Digests are left out.
    pub(super) fn describe(&self) -> String {
        let client = self
            .client
            .as_ref()
            .map_or("system-assigned", |c| c.as_str());
        let kind = if self.bound {
            "identity binding"
        } else {
            "workload identity"
        };
        match &self.proof {
            Proof::ServiceAccount(ServiceAccount { namespace, name }) => {
                format!("{kind} {client} of {namespace}/{name}")
            }
            Proof::Token(_) => format!("{kind} {client} of one token"),
            Proof::ClientSecret(_) => format!("service principal {client}"),
            Proof::Node => format!("managed identity {client}"),
        }
    }
}

fn digest(key: &hmac::Key, secret: &Sensitive) -> [u8; 32] {
    let tag = hmac::sign(key, secret.expose());
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    digest
}
