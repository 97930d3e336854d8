//! Certificates: each version makes a key and a secret of the same name and version.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sha1::{Digest as _, Sha1};

use super::collection::{self, AttributeChange};
use super::error::ApiError;
use super::names::{Collection, base64url, new_version};
use super::reply::Reply;
use super::route::Verb;
use super::seed::CertificateSeed;
use super::store::{Attributes, Body, Members, Object, Tags, Version, View};
use super::unit::{Context, Vault};

mod issue;
mod pending;
mod policy;
mod publish;

use policy::Signer;

pub(super) use issue::Authority;
pub(super) use pending::issue_due;
pub(super) use policy::Policy;
pub(super) use publish::{import_value, set_enabled};

/// A version of a certificate.
pub(super) struct Certificate {
    /// DER, the leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) subject: String,
    /// PKCS#8 DER, for renewals that reuse the key.
    private: Vec<u8>,
}

impl Certificate {
    fn leaf(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }

    fn thumbprint(&self) -> String {
        base64url(&Sha1::digest(self.leaf()))
    }
}

/// What a certificate has beside its versions.
#[derive(Default)]
pub(super) struct Head {
    policy: Policy,
    created: i64,
    updated: i64,
    pending: Option<pending::Pending>,
}

impl Head {
    fn set_policy(&mut self, policy: Policy, now: i64) {
        if self.created == 0 {
            self.created = now;
        }
        self.policy = policy;
        self.updated = now;
    }

    fn policy_bundle(&self, id: &str) -> Members {
        let mut members = self.policy.members();
        members.insert("id".into(), format!("{id}/policy").into());
        let attributes =
            json!({ "enabled": true, "created": self.created, "updated": self.updated });
        members.insert("attributes".into(), attributes);
        members
    }
}

impl Body for Certificate {
    type Head = Head;
    const KIND: Collection = Collection::Certificates;

    fn bundle(object: &Object<Self>, version: &Version<Self>, view: &View<'_>) -> Members {
        let mut members = Members::new();
        let id = |kind| view.id(kind, &object.name, Some(&version.id));
        members.insert("id".into(), id(Collection::Certificates).into());
        members.insert("kid".into(), id(Collection::Keys).into());
        members.insert("sid".into(), id(Collection::Secrets).into());
        members.insert("cer".into(), STANDARD.encode(version.body.leaf()).into());
        members.insert("x5t".into(), version.body.thumbprint().into());
        view.common(&mut members, version);
        if !view.explicit {
            add_head(&mut members, object, view);
        }
        members
    }

    fn decorate_item(&self, item: &mut Members) {
        item.insert("x5t".into(), self.thumbprint().into());
        item.insert("subject".into(), self.subject.clone().into());
    }
}

/// Policy and pending are shown with the name only, not with a version.
fn add_head(members: &mut Members, object: &Object<Certificate>, view: &View<'_>) {
    let id = view.id(Collection::Certificates, &object.name, None);
    members.insert("policy".into(), object.head.policy_bundle(&id).into());
    if object.head.pending.is_some() {
        members.insert("pending".into(), json!({ "id": format!("{id}/pending") }));
    }
}

/// Answers what is particular to certificates.
pub(super) fn answer(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let name = &context.call.name;
    match context.call.verb {
        Verb::Get => get(vault, context),
        Verb::Update => update(vault, context),
        Verb::Import => publish::import(vault, context),
        Verb::Create => pending::create(vault, context),
        Verb::GetPending => pending::get(vault, context),
        Verb::UpdatePending => pending::cancel(vault, context),
        Verb::DeletePending => pending::delete(vault, context),
        Verb::GetPolicy => get_policy(vault, context),
        Verb::UpdatePolicy => {
            let change = collection::body(context.body)?;
            let head = &mut vault.certificates.get_mut(name)?.head;
            let policy = head.policy.merged(change)?;
            head.set_policy(policy, context.now);
            get_policy(vault, context)
        }
        Verb::Delete => publish::delete(vault, context),
        Verb::Recover => publish::recover(vault, context),
        Verb::Purge => publish::purge(vault, context),
        _ => Err(ApiError::no_resource()),
    }
}

fn get(vault: &Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context { call, view, .. } = context;
    let object = vault.certificates.get(&call.name)?;
    match (&object.head.pending, object.current()) {
        // The first version is not issued yet, or never was.
        (Some(pending), None) if call.version.as_ref().is_none_or(|id| pending.is(id)) => {
            Ok(Reply::ok(pending.bundle(object, view)))
        }
        _ => {
            let (object, version) = vault
                .certificates
                .version(&call.name, call.version.as_deref())?;
            Ok(Reply::ok(Certificate::bundle(object, version, view)))
        }
    }
}

fn get_policy(vault: &Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let object = vault.certificates.get(&context.call.name)?;
    let id = context
        .view
        .id(Collection::Certificates, &object.name, None);
    Ok(Reply::ok(object.head.policy_bundle(&id)))
}

#[derive(Deserialize)]
struct UpdateBody {
    attributes: Option<AttributeChange>,
    tags: Option<Tags>,
    policy: Option<Members>,
}

fn update(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call,
        body,
        now,
        view,
        ..
    } = context;
    let UpdateBody {
        attributes,
        tags,
        policy,
    } = collection::body(body)?;
    if let Some(change) = policy {
        let head = &mut vault.certificates.get_mut(&call.name)?.head;
        let policy = head.policy.merged(change)?;
        head.set_policy(policy, *now);
    }
    let version = vault
        .certificates
        .version_mut(&call.name, call.version.as_deref())?;
    collection::update(version, attributes.as_ref(), tags, *now)?;
    let (id, enabled) = (version.id.clone(), version.attributes.enabled);
    set_enabled(vault, &call.name, &id, enabled, *now);
    let (object, version) = vault.certificates.version(&call.name, Some(&id))?;
    Ok(Reply::ok(Certificate::bundle(object, version, view)))
}

/// Makes the versions a seed asks for, a day apart, the newest now. A certificate that nobody
/// here signs stays pending, or failed.
pub(super) fn seed(vault: &mut Vault, seed: &CertificateSeed, now: i64) -> Result<(), ApiError> {
    const DAY: i64 = 86_400;
    let policy = Policy::from_seed(seed);
    policy.check()?;
    publish::check_free(vault, &seed.name, now)?;
    if matches!(policy.signer()?, Signer::Unknown | Signer::Failing) {
        let attributes = Attributes {
            enabled: seed.enabled,
            ..Attributes::new(now)
        };
        return pending::start(vault, &seed.name, policy, attributes, seed.tags.clone()).map(drop);
    }
    for age in (0..i64::from(seed.count.max(1))).rev() {
        let attributes = Attributes {
            enabled: seed.enabled,
            ..Attributes::new(now - age * DAY)
        };
        issue_version(vault, &seed.name, &policy, attributes, seed.tags.clone())?;
    }
    Ok(())
}

/// Issues another version under the certificate's own policy, whatever the delay of issuance;
/// returns its id.
pub(super) fn renew(vault: &mut Vault, name: &str, now: i64) -> Result<String, ApiError> {
    publish::check_free(vault, name, now)?;
    let object = vault.certificates.get(name)?;
    let policy = object.head.policy.clone();
    if matches!(policy.signer()?, Signer::Unknown | Signer::Failing) {
        return Err(ApiError::conflict(format!(
            "Certificate {name} is signed elsewhere: import its next version."
        )));
    }
    let tags = object.current().and_then(|version| version.tags.clone());
    issue_version(vault, name, &policy, Attributes::new(now), tags)
}

/// Signs and stores a version, now that its time has come.
fn issue_version(
    vault: &mut Vault,
    name: &str,
    policy: &Policy,
    attributes: Attributes,
    tags: Option<Tags>,
) -> Result<String, ApiError> {
    let created = attributes.created;
    let current = vault.certificates.get(name).ok().and_then(Object::current);
    let private = match current.filter(|_| policy.key_props.reuse_key) {
        Some(version) => version.body.private.clone(),
        None => policy.generate_key()?,
    };
    let chain = issue::issue(policy, &private, &mut vault.authority, created)?;
    let version = new_version();
    let issued = publish::Issued {
        version: version.clone(),
        chain,
        private,
        attributes,
        tags,
    };
    let head = &mut vault.certificates.entry(name).head;
    head.set_policy(policy.clone(), created);
    publish::publish(vault, name, issued)?;
    Ok(version)
}
