//! Federated credentials of user-assigned identities: one write at a time, twenty at most, and
//! Entra goes by them only some time later.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::identities::{is_name, spelling};
use super::listing::list;
use super::reply::Reply;
use super::route::Kind;
use super::store::Store;
use super::throttle::Class;
use crate::directory::Principal;
use crate::seed::FederatedCredentialSeed;

/// How many an identity may have.
pub(super) const MAX_CREDENTIALS: usize = 20;

#[derive(Debug, Deserialize)]
struct Body {
    #[serde(default)]
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Option<Vec<String>>,
    claims_matching_expression: Option<Value>,
}

/// Counts the request, and marks the identity of a write; answers whose mark was set.
pub(super) fn begin(store: &mut Store, context: &Context<'_>) -> Result<Option<String>, ArmError> {
    let identity = context.route.parent_key();
    let settings = store.settings;
    let is_read = *context.method() == Method::GET;
    let (class, bucket, what) = match (is_read, &context.route.name) {
        (true, Some(_)) => (Class::CredentialReads, settings.credential_reads, "reads"),
        (true, None) => (Class::CredentialLists, settings.credential_lists, "lists"),
        (false, _) => (
            Class::CredentialWrites,
            settings.credential_writes,
            "writes",
        ),
    };
    let taken = store
        .buckets
        .take(class, identity.clone(), bucket, context.time);
    if let Err(seconds) = taken {
        let what = format!("{what} of Federated Identity Credentials");
        return Err(ArmError::too_many(&what, seconds));
    }
    if is_read {
        return Ok(None);
    }
    match store.writing.insert(identity.clone()) {
        true => Ok(Some(identity)),
        false => Err(ArmError::concurrent_writes(&identity)),
    }
}

pub(super) fn answer(store: &Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let parent = &context.route.parent;
    let identity = context.state.directory.identity(parent);
    let identity = identity.map(|(_, identity)| identity);
    match (context.method(), &context.route.name, identity) {
        (&Method::GET, None, Some(identity)) => {
            let all = identity.credentials();
            list(store, context, all.map(|terms| describe(parent, terms)))
        }
        (&Method::GET, Some(name), Some(identity)) => {
            let found = find(&identity, name).map(|terms| describe(parent, terms));
            found
                .map(|body| Reply::new(200, body))
                .ok_or_else(|| context.not_found())
        }
        (&Method::PUT, Some(name), Some(identity)) => put(store, context, name, &identity),
        (&Method::DELETE, Some(name), identity) => {
            let until = context.after(store.settings.credential_propagation);
            let end = |known: &mut Principal| known.end_credential(name, until, context.now);
            let found = identity.is_some()
                && context.state.directory.change_resource(parent, end) == Some(true);
            Ok(Reply::empty(if found { 200 } else { 204 }))
        }
        (&Method::PUT, ..) => {
            let name = parent.rsplit('/').next().unwrap_or_default();
            Err(ArmError::no_parent(name, Kind::Credential.type_name()))
        }
        _ => {
            let name = parent.rsplit('/').next().unwrap_or_default();
            let group = context.route.group_name();
            Err(ArmError::no_resource(Kind::Identity, name, group))
        }
    }
}

fn put(
    store: &Store,
    context: &Context<'_>,
    name: &str,
    identity: &Principal,
) -> Result<Reply, ArmError> {
    if !is_name(name, 120) {
        let message = format!("Federated Identity Credential name '{name}' is invalid.");
        return Err(ArmError::bad_request(message));
    }
    let terms = terms(name, context.body()?)?;
    let known = find(identity, name).is_some();
    let mut others = identity
        .credentials()
        .filter(|other| !other.name.eq_ignore_ascii_case(name));
    if others.any(|other| other.issuer == terms.issuer && other.subject == terms.subject) {
        return Err(ArmError::bad_request(
            "Issuer and subject combination already exists for this Managed Identity.",
        ));
    }
    if !known {
        check_room(identity)?;
    }
    let parent = &context.route.parent;
    let from = context.after(store.settings.credential_propagation);
    let body = describe(parent, &terms);
    let put = |identity: &mut Principal| identity.put_credential(terms, from, context.now);
    context
        .state
        .directory
        .change_resource(parent, put)
        .ok_or_else(|| context.not_found())?;
    Ok(match known {
        true => Reply::new(200, body),
        false => Reply::new(201, body).with("location", spelling(&context.route.id())),
    })
}

/// Refuses one more credential than an identity may have.
pub(super) fn check_room(identity: &Principal) -> Result<(), ArmError> {
    match identity.credentials().count() < MAX_CREDENTIALS {
        true => Ok(()),
        false => Err(ArmError::bad_request(format!(
            "Too many Federated Identity Credentials. At most {MAX_CREDENTIALS} are allowed for a \
             managed identity."
        ))),
    }
}

fn terms(name: &str, body: Body) -> Result<FederatedCredentialSeed, ArmError> {
    let Properties {
        issuer,
        subject,
        audiences,
        claims_matching_expression,
    } = body.properties;
    if claims_matching_expression.is_some() {
        let message = "claimsMatchingExpression is not understood by the emulated Resource \
                       Manager: give a subject.";
        return Err(ArmError::bad_request(message));
    }
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (Some(issuer), Some(subject), Some(audiences)) = (given(issuer), given(subject), audiences)
    else {
        return Err(ArmError::bad_request(
            "The request format was unexpected. Federated Identity Credential must specify \
             'issuer', 'subject' and 'audience'.",
        ));
    };
    if audiences.len() != 1 {
        return Err(ArmError::bad_request(
            "Federated identity credentials must have exactly one audience.",
        ));
    }
    Ok(FederatedCredentialSeed {
        name: name.to_owned(),
        issuer,
        subject,
        audiences,
    })
}

fn find<'a>(identity: &'a Principal, name: &str) -> Option<&'a FederatedCredentialSeed> {
    identity
        .credentials()
        .find(|terms| terms.name.eq_ignore_ascii_case(name))
}

fn describe(parent: &str, terms: &FederatedCredentialSeed) -> Value {
    let FederatedCredentialSeed {
        name,
        issuer,
        subject,
        audiences,
    } = terms;
    let parent = spelling(parent);
    json!({
        "id": format!("{parent}/federatedIdentityCredentials/{name}"),
        "name": name,
        "type": Kind::Credential.type_name(),
        "properties": {"issuer": issuer, "subject": subject, "audiences": audiences},
    })
}
