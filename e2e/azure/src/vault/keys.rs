//! Keys: generation, import, rotation. Only the public half is kept: a vault gives no other
//! out, and the emulator does no cryptographic operations.

use serde::Deserialize;
use serde_json::{Value, json};

use super::collection::{self, AttributeChange};
use super::error::ApiError;
use super::names::{Collection, base64url, new_version};
use super::query::ApiVersion;
use super::reply::Reply;
use super::route::Verb;
use super::store::{Attributes, Body, Members, Object, Tags, Version, View, check_tags};
use super::unit::{self, Context, Vault};

mod material;
mod rotation;

pub(super) use material::{KeyForm, PrivateKey, PublicKey};
pub(super) use rotation::RotationPolicy;

/// A version of a key.
pub(super) struct Key {
    pub(super) public: PublicKey,
    pub(super) hsm: bool,
    pub(super) operations: Vec<String>,
    pub(super) exportable: bool,
}

impl Key {
    /// A key with the operations its type has when none are asked for.
    pub(super) fn new(public: PublicKey, hsm: bool) -> Self {
        let operations = public
            .default_operations()
            .iter()
            .map(|&name| name.to_owned())
            .collect();
        Self {
            public,
            hsm,
            operations,
            exportable: false,
        }
    }

    fn jwk(&self) -> Members {
        let mut jwk = self.public.jwk();
        if self.hsm
            && let Some(Value::String(kind)) = jwk.get_mut("kty")
        {
            kind.push_str("-HSM");
        }
        jwk.insert("key_ops".into(), json!(self.operations));
        jwk
    }
}

impl Body for Key {
    type Head = Option<RotationPolicy>;
    const KIND: Collection = Collection::Keys;

    fn bundle(object: &Object<Self>, version: &Version<Self>, view: &View<'_>) -> Members {
        let key = &version.body;
        let mut jwk = key.jwk();
        let kid = view.id(Self::KIND, &object.name, Some(&version.id));
        jwk.insert("kid".into(), kid.into());
        let mut members = Members::new();
        members.insert("key".into(), jwk.into());
        view.common(&mut members, version);
        if let Some(Value::Object(attributes)) = members.get_mut("attributes") {
            attributes.insert("exportable".into(), json!(key.exportable));
            if view.api >= ApiVersion::V7_3 {
                attributes.insert("hsmPlatform".into(), json!(if key.hsm { "2" } else { "0" }));
            }
        }
        members
    }

    fn decorate_item(&self, _: &mut Members) {}
}

/// Answers what is particular to keys.
pub(super) fn answer(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context { call, query, .. } = context;
    match call.verb {
        Verb::Get => {
            let (object, version) = vault.keys.version(&call.name, call.version.as_deref())?;
            Ok(Reply::ok(Key::bundle(object, version, &context.view)))
        }
        Verb::Create => create(vault, context),
        Verb::Import => import(vault, context),
        Verb::Update => update(vault, context),
        Verb::Rotate | Verb::GetRotationPolicy | Verb::SetRotationPolicy
            if query.api < ApiVersion::V7_3 =>
        {
            Err(ApiError::bad_parameter(format!(
                "Key rotation is not supported by api-version {}",
                query.api.name()
            )))
        }
        Verb::Rotate => rotation::rotate(vault, context),
        Verb::GetRotationPolicy => rotation::get(vault, context),
        Verb::SetRotationPolicy => rotation::set(vault, context),
        _ => {
            let times = vault.deletion(context.now);
            unit::remove(&mut vault.keys, context, &times)
        }
    }
}

/// Generates a key and adds it as a version.
pub(super) fn generate(
    vault: &mut Vault,
    name: &str,
    form: KeyForm,
    attributes: Attributes,
    tags: Option<Tags>,
) -> Result<(), ApiError> {
    let public = PrivateKey::generate(form)?.public();
    add(
        vault,
        name,
        Key::new(public, form.is_hsm()),
        attributes,
        tags,
    )
}

fn add(
    vault: &mut Vault,
    name: &str,
    key: Key,
    attributes: Attributes,
    tags: Option<Tags>,
) -> Result<(), ApiError> {
    vault.keys.check_vacant(name, attributes.created)?;
    if vault.keys.get(name).is_ok_and(Object::is_managed) {
        return Err(ApiError::managed(Collection::Keys, "create"));
    }
    check_tags(tags.as_ref())?;
    let version = Version {
        id: new_version(),
        attributes,
        tags,
        managed: false,
        body: key,
    };
    vault.keys.entry(name).versions.push(version);
    Ok(())
}

#[derive(Deserialize)]
struct CreateBody {
    kty: String,
    key_size: Option<u32>,
    #[serde(alias = "curve")]
    crv: Option<String>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributeChange>,
    tags: Option<Tags>,
}

fn create(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let CreateBody {
        kty,
        key_size,
        crv,
        key_ops,
        attributes: change,
        tags,
    } = collection::body(context.body)?;
    let form = KeyForm::parse(&kty, key_size, crv.as_deref(), false)?;
    vault.keys.check_vacant(&context.call.name, context.now)?;
    let key = Key::new(PrivateKey::generate(form)?.public(), form.is_hsm());
    finish(vault, context, key, key_ops, change, tags)
}

fn finish(
    vault: &mut Vault,
    context: &Context<'_>,
    mut key: Key,
    operations: Option<Vec<String>>,
    change: Option<AttributeChange>,
    tags: Option<Tags>,
) -> Result<Reply, ApiError> {
    if let Some(operations) = operations {
        key.operations = operations;
    }
    let mut attributes = Attributes::new(context.now);
    if let Some(change) = change {
        change.apply(&mut attributes)?;
    }
    let name = &context.call.name;
    add(vault, name, key, attributes, tags)?;
    let (object, version) = vault.keys.version(name, None)?;
    Ok(Reply::ok(Key::bundle(object, version, &context.view)))
}

/// The key in an import. Private members are neither kept nor shown.
#[derive(Deserialize)]
struct ImportedKey {
    kty: String,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<String>,
    key_ops: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ImportBody {
    key: ImportedKey,
    #[serde(default, alias = "Hsm")]
    hsm: bool,
    attributes: Option<AttributeChange>,
    tags: Option<Tags>,
}

fn import(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let ImportBody {
        key: given,
        hsm,
        attributes,
        tags,
    } = collection::body(context.body)?;
    let ImportedKey {
        kty,
        crv,
        n,
        e,
        x,
        y,
        d,
        key_ops,
    } = given;
    if d.is_none() {
        return Err(ApiError::bad_parameter(
            "The key to import has no private part",
        ));
    }
    let public = match kty.as_str() {
        "RSA" | "RSA-HSM" => PublicKey::rsa_from_jwk(n.as_deref(), e.as_deref())?,
        "EC" | "EC-HSM" => PublicKey::ec_from_jwk(crv.as_deref(), x.as_deref(), y.as_deref())?,
        _ => {
            return Err(ApiError::bad_parameter(format!(
                "Key type {kty} cannot be imported"
            )));
        }
    };
    let key = Key::new(public, hsm || kty.ends_with("-HSM"));
    finish(vault, context, key, key_ops, attributes, tags)
}

#[derive(Deserialize)]
struct UpdateBody {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributeChange>,
    tags: Option<Tags>,
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
        key_ops,
        attributes,
        tags,
    } = collection::body(body)?;
    let version = vault
        .keys
        .version_mut(&call.name, call.version.as_deref())?;
    collection::update(version, attributes.as_ref(), tags, *now)?;
    if let Some(operations) = key_ops {
        version.body.operations = operations;
    }
    let (object, version) = vault.keys.version(&call.name, call.version.as_deref())?;
    Ok(Reply::ok(Key::bundle(object, version, view)))
}
