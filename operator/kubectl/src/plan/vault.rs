//! What the vault says, asked as the workload with the rights of the user, or what the status knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::{ObjectState, ObjectStatus};
use vaultbind_keyvault::metadata::{Attributes, Metadata, MetadataOptions, Version};
use vaultbind_keyvault::transport::{Proxy, Roots, TransportOptions};
use vaultbind_keyvault::{Identity, Transport, Validity};
use vaultbind_operator::observed::{Answer, Caller, Question, VaultAnswer};
use vaultbind_operator::resolve::{KubeTokens, Resolver, ResolverOptions};

use super::PlanArgs;
use crate::cluster::Cluster;
use crate::exit::Failure;

/// How Azure is reached.
#[derive(Debug, Default)]
pub struct Azure {
    /// Which requests go through a proxy.
    pub proxy: Proxy,
    /// Which authorities are trusted.
    pub roots: Roots,
}

/// The way to Azure.
///
/// # Errors
/// When no authority is trusted.
pub fn transport(azure: Azure) -> Result<Arc<Transport>, Failure> {
    let transport = Transport::new(TransportOptions {
        proxy: azure.proxy,
        roots: azure.roots,
        ..TransportOptions::default()
    });
    transport.map_err(|error| Failure::Azure(error.to_string()))
}

/// Asks vaults with tokens that the cluster gives the user.
pub(super) fn resolver(
    args: &PlanArgs,
    cluster: &Cluster,
    azure: Azure,
) -> Result<Resolver, Failure> {
    Ok(Resolver::new(
        Metadata::new(transport(azure)?, MetadataOptions::default()),
        Arc::new(KubeTokens::new(cluster.client().clone())),
        None,
        ResolverOptions {
            allowed_hosts: args.allow_vault_hosts.clone(),
            ..ResolverOptions::default()
        },
    ))
}

/// The vault's answer, or what stands in for it.
pub(super) struct Asking<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) resolver: &'a Resolver,
    pub(super) binding: &'a VaultBinding,
    pub(super) no_vault: bool,
    pub(super) now: Timestamp,
}

impl Asking<'_> {
    pub(super) async fn answer(&self, question: &Question, notes: &mut Vec<String>) -> Answer {
        let why = if self.no_vault {
            Some("as --no-vault says".to_owned())
        } else {
            self.hindrance(question).await
        };
        let Some(why) = why else {
            return self.resolver.resolve(question, Duration::ZERO).await;
        };
        match known(question, self.binding, self.now) {
            Some(answer) => {
                notes.push(format!(
                    "the vault was not asked, {why}: versions are those that the status knows"
                ));
                answer
            }
            None => {
                notes.push(format!(
                    "the vault was not asked, {why}, and the status does not know all objects: no version is \
                     planned"
                ));
                Answer::NotAsked
            }
        }
    }

    /// Why the vault cannot be asked by this user.
    async fn hindrance(&self, question: &Question) -> Option<String> {
        let Caller::Workload {
            namespace,
            service_account,
            audience,
            ..
        } = &question.asker.caller
        else {
            return Some(
                "the class lets the operator ask as itself (detection: Operator), which no user can"
                    .to_owned(),
            );
        };
        if audience == Identity::BINDING_AUDIENCE {
            return Some(
                "identities of type AKSIdentityBinding get their tokens from the token proxy, which answers in \
                 the cluster only"
                    .to_owned(),
            );
        }
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    verb: Some("create".to_owned()),
                    resource: Some("serviceaccounts".to_owned()),
                    subresource: Some("token".to_owned()),
                    namespace: Some(namespace.clone()),
                    name: Some(service_account.clone()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.cluster.client().clone());
        let reviewed = api.create(&PostParams::default(), &review).await;
        let allowed = |review: &SelfSubjectAccessReview| matches!(&review.status, Some(status) if status.allowed);
        match reviewed {
            Ok(review) if allowed(&review) => None,
            Ok(_) => Some(format!(
                "you may not create serviceaccounts/token for {namespace}/{service_account}"
            )),
            // Then the request for the token tells what is wrong.
            Err(_) => None,
        }
    }
}

/// What the status knows in place of the vault; nothing if it does not know every object.
pub(super) fn known(question: &Question, binding: &VaultBinding, now: Timestamp) -> Option<Answer> {
    let status = binding.status.as_ref()?;
    let mut versions = BTreeMap::new();
    let mut selected = BTreeMap::new();
    for selection in &question.selections {
        let of = status.objects.iter();
        let of = of.filter(|object| object.name == selection.name);
        let names: BTreeSet<_> = of
            .map(|object| object.object_name.to_ascii_lowercase())
            .collect();
        selected.insert(selection.name.clone(), Ok(names.into_iter().collect()));
    }
    let has = |object: &ObjectStatus, key: &vaultbind_operator::observed::Key| {
        object.type_ == key.type_ && object.object_name.eq_ignore_ascii_case(&key.name)
    };
    for key in &question.objects {
        status.objects.iter().find(|object| has(object, key))?;
    }
    for object in &status.objects {
        let key = vaultbind_operator::observed::Key {
            type_: object.type_,
            name: object.object_name.to_ascii_lowercase(),
        };
        let latest = object.latest.iter().filter_map(|id| version(object, id, 2));
        let pinned = object.pinned.iter().filter_map(|id| version(object, id, 1));
        let mut of: Vec<Version> = latest.chain(pinned).collect();
        of.dedup_by(|one, other| one.id == other.id);
        versions.entry(key).or_insert(Ok(of));
    }
    Some(Answer::Vault(VaultAnswer {
        at: now,
        subject: None,
        versions,
        selected,
    }))
}

fn version(object: &ObjectStatus, id: &str, created: i64) -> Option<Version> {
    let pinned = object.pinned.as_deref() == Some(id);
    let expires = object.expires.as_ref().filter(|_| pinned);
    Some(Version {
        id: id.parse().ok()?,
        attributes: Attributes {
            enabled: !(pinned && object.state == ObjectState::Disabled),
            created: Some(created),
            updated: None,
            validity: Validity {
                expires: expires.map(|time| time.0.as_second()),
                ..Validity::default()
            },
        },
    })
}
