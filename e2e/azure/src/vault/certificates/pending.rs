//! Creation: a certificate is pending until its issuer has signed it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::collection::{self, AttributeChange};
use super::super::error::ApiError;
use super::super::names::{Collection, new_version};
use super::super::reply::Reply;
use super::super::store::{Attributes, Members, Object, Tags, View, check_tags, insert};
use super::super::unit::{Context, Vault};
use super::policy::{Policy, Signer};
use super::{Certificate, issue, publish};

/// A creation that was asked for, until the next one.
pub(in crate::vault) struct Pending {
    request_id: String,
    version: String,
    policy: Policy,
    /// PKCS#8 DER.
    private: Vec<u8>,
    /// DER.
    csr: Vec<u8>,
    attributes: Attributes,
    tags: Option<Tags>,
    cancelled: bool,
    status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// To be issued at this time; never if it is for somebody else to sign.
    InProgress {
        due: Option<i64>,
    },
    Completed,
    Cancelled,
    Failed,
}

impl Pending {
    pub(super) fn is(&self, version: &str) -> bool {
        self.version == version
    }

    /// The certificate before it is issued: disabled, without `cer`, `kid` and `sid`.
    pub(super) fn bundle(&self, object: &Object<Certificate>, view: &View<'_>) -> Members {
        let mut members = Members::new();
        let id = view.id(Collection::Certificates, &object.name, Some(&self.version));
        members.insert("id".into(), id.into());
        let attributes = Attributes {
            enabled: false,
            ..self.attributes
        };
        members.insert("attributes".into(), view.attributes(&attributes).into());
        insert(
            &mut members,
            "tags",
            self.tags.as_ref().map(|tags| json!(tags)),
        );
        if !view.explicit {
            super::add_head(&mut members, object, view);
        }
        members
    }

    fn operation(&self, id: &str) -> Value {
        let (status, details) = match self.status {
            Status::InProgress { due: Some(_) } => (
                "inProgress",
                Some(
                    "Pending certificate created. Certificate request is in progress. This may \
                     take some time based on the issuer provider. Please check again later.",
                ),
            ),
            Status::InProgress { due: None } => (
                "inProgress",
                Some("Pending certificate created. Please Perform Merge to complete the request."),
            ),
            Status::Completed => ("completed", None),
            Status::Cancelled => ("cancelled", None),
            Status::Failed => ("failed", None),
        };
        let mut operation = Members::new();
        operation.insert("id".into(), format!("{id}/pending").into());
        operation.insert("issuer".into(), json!({ "name": self.policy.issuer.name }));
        operation.insert("csr".into(), STANDARD.encode(&self.csr).into());
        operation.insert("cancellation_requested".into(), self.cancelled.into());
        operation.insert("status".into(), status.into());
        insert(&mut operation, "status_details", details);
        operation.insert("request_id".into(), self.request_id.clone().into());
        if self.status == Status::Completed {
            operation.insert("target".into(), id.into());
        }
        if self.status == Status::Failed {
            let message = "The issuer refused to sign the certificate request.";
            let error = json!({ "code": "IssuerFailed", "message": message });
            operation.insert("error".into(), error);
        }
        operation.into()
    }
}

#[derive(Deserialize)]
struct CreateBody {
    policy: Option<Policy>,
    attributes: Option<AttributeChange>,
    tags: Option<Tags>,
}

/// `POST /certificates/{name}/create`
pub(super) fn create(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call,
        now,
        view,
        query,
        ..
    } = context;
    let CreateBody {
        policy,
        attributes: change,
        tags,
    } = collection::body(context.body)?;
    check_tags(tags.as_ref())?;
    publish::check_free(vault, &call.name, *now)?;
    let policy = match (policy, vault.certificates.get(&call.name)) {
        (Some(policy), _) => policy,
        (None, Ok(object)) => object.head.policy.clone(),
        (None, Err(_)) => return Err(ApiError::bad_parameter("The policy is missing")),
    };
    let mut attributes = Attributes::new(*now);
    if let Some(change) = change {
        change.apply(&mut attributes)?;
    }
    let pending = start(vault, &call.name, policy, attributes, tags)?;
    let id = view.id(Collection::Certificates, &call.name, None);
    let api = query.api.name();
    let request_id = &pending.request_id;
    let location = format!("{id}/pending?api-version={api}&request_id={request_id}");
    Ok(Reply::accepted(pending.operation(&id), location))
}

/// Makes the key and the signing request, and leaves the certificate pending.
pub(super) fn start<'a>(
    vault: &'a mut Vault,
    name: &str,
    policy: Policy,
    attributes: Attributes,
    tags: Option<Tags>,
) -> Result<&'a Pending, ApiError> {
    let policy = policy.completed();
    policy.check()?;
    let now = attributes.created;
    let existing = vault.certificates.get(name).ok();
    let pending = existing.and_then(|object| object.head.pending.as_ref());
    if pending.is_some_and(|pending| matches!(pending.status, Status::InProgress { .. })) {
        return Err(ApiError::conflict(format!(
            "A new certificate cannot be created while certificate {name} has a pending operation."
        )));
    }
    let reused = existing
        .and_then(Object::current)
        .filter(|_| policy.key_props.reuse_key);
    let private = match reused {
        Some(version) => version.body.private.clone(),
        None => policy.generate_key()?,
    };
    let status = match policy.signer()? {
        Signer::SelfSigned | Signer::Chain => Status::InProgress {
            due: Some(now + vault.issuance_delay),
        },
        Signer::Unknown => Status::InProgress { due: None },
        Signer::Failing => Status::Failed,
    };
    let pending = Pending {
        request_id: uuid::Uuid::new_v4().simple().to_string(),
        version: new_version(),
        csr: issue::request(&policy, &private)?,
        policy: policy.clone(),
        private,
        attributes,
        tags,
        cancelled: false,
        status,
    };
    let head = &mut vault.certificates.entry(name).head;
    head.set_policy(policy, now);
    Ok(head.pending.insert(pending))
}

/// `GET /certificates/{name}/pending`
pub(super) fn get(vault: &Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let object = vault.certificates.get(&context.call.name)?;
    let id = context
        .view
        .id(Collection::Certificates, &object.name, None);
    match &object.head.pending {
        Some(pending) => Ok(Reply::ok(pending.operation(&id))),
        None => Err(ApiError::pending_not_found(&object.name)),
    }
}

#[derive(Deserialize)]
struct CancelBody {
    cancellation_requested: bool,
}

/// `PATCH /certificates/{name}/pending`: cancels what is still in progress.
pub(super) fn cancel(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let CancelBody {
        cancellation_requested,
    } = collection::body(context.body)?;
    let name = &context.call.name;
    match vault.certificates.get_mut(name)?.head.pending.as_mut() {
        Some(pending) => {
            pending.cancelled = cancellation_requested;
            if cancellation_requested && matches!(pending.status, Status::InProgress { .. }) {
                pending.status = Status::Cancelled;
            }
        }
        None => return Err(ApiError::pending_not_found(name)),
    }
    get(vault, context)
}

/// `DELETE /certificates/{name}/pending`; a certificate without versions goes with it.
pub(super) fn delete(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let reply = get(vault, context)?;
    let name = &context.call.name;
    let object = vault.certificates.get_mut(name)?;
    object.head.pending = None;
    if object.versions.is_empty() {
        vault.certificates.forget(name);
    }
    Ok(reply)
}

/// Issues what is due.
pub(in crate::vault) fn issue_due(vault: &mut Vault, now: i64) {
    let is_due = |object: &&Object<Certificate>| {
        let status = object.head.pending.as_ref().map(|pending| pending.status);
        matches!(status, Some(Status::InProgress { due: Some(due) }) if due <= now)
    };
    let due: Vec<String> = vault
        .certificates
        .live
        .values()
        .filter(is_due)
        .map(|object| object.name.clone())
        .collect();
    for name in due {
        let status = match issue_one(vault, &name, now) {
            Ok(()) => Status::Completed,
            Err(_) => Status::Failed,
        };
        if let Some(pending) = vault.certificates.entry(&name).head.pending.as_mut() {
            pending.status = status;
        }
    }
}

fn issue_one(vault: &mut Vault, name: &str, now: i64) -> Result<(), ApiError> {
    let object = vault.certificates.get(name)?;
    let Some(pending) = &object.head.pending else {
        return Err(ApiError::pending_not_found(name));
    };
    let chain = issue::issue(&pending.policy, &pending.private, &mut vault.authority, now)?;
    let issued = publish::Issued {
        version: pending.version.clone(),
        chain,
        private: pending.private.clone(),
        attributes: Attributes {
            updated: now,
            ..pending.attributes
        },
        tags: pending.tags.clone(),
    };
    publish::publish(vault, name, issued)
}
