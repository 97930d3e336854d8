//! The parameters of a SecretProviderClass and what kubelet adds to them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use vaultbind_keyvault::cache::Freshness;
use vaultbind_keyvault::{AllowedHost, Cloud, TenantId, VaultHost, VaultName};
use zeroize::Zeroizing;

use super::error::{Quoted, RequestError};
use super::{Pod, vault_uri};

/// The class and the volume's attributes together; etcd holds no larger object.
pub(super) const LARGEST_ATTRIBUTES: usize = 1024 * 1024;
/// A Kubernetes Secret is at most 1 MiB, its JSON somewhat more; gRPC stops at this size anyway.
const LARGEST_SECRETS: usize = 4 * 1024 * 1024;

/// Longer than any rotation should wait.
const LONGEST_FRESHNESS: Duration = Duration::from_secs(24 * 3600);

/// Texts by name. Some are tokens or client secrets, so there is no `Debug`.
#[derive(Default)]
pub(super) struct Texts(BTreeMap<String, Value>);

impl Texts {
    /// The value as written, empty if there is none.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("", Value::text)
    }

    /// The value without surrounding white space, empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The value without surrounding white space, if there is one.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.get(name))
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// The value whose name is `name` but for letter case; an exact match goes first.
    pub(super) fn ignoring_case(&self, name: &str) -> &str {
        match self.raw(name) {
            "" => self
                .0
                .iter()
                .map(|(key, value)| (key, value.text()))
                .find(|(key, text)| key.eq_ignore_ascii_case(name) && !text.is_empty())
                .map_or("", |(_, text)| text),
            exact => exact,
        }
    }

    /// Whether there is any value but `name`'s.
    pub(super) fn has_other_than(&self, name: &str) -> bool {
        self.0.keys().any(|key| key != name)
    }
}

/// Reads `MountRequest.attributes`.
pub(super) fn attributes(json: &str) -> Result<Texts, RequestError> {
    if json.len() > LARGEST_ATTRIBUTES {
        return Err(RequestError::AttributesTooLarge);
    }
    texts(json).map_err(|error| match error {
        TextsError::Json => RequestError::Attributes,
        TextsError::NotText(name) => RequestError::AttributeNotText {
            name: Quoted::new(&name),
        },
    })
}

/// Reads `MountRequest.secrets`, which is empty or `null` for a volume without a secret.
pub(super) fn secrets(json: &str) -> Result<Texts, RequestError> {
    if json.len() > LARGEST_SECRETS {
        return Err(RequestError::SecretsTooLarge);
    }
    if json.trim().is_empty() {
        return Ok(Texts::default());
    }
    texts(json).map_err(|_| RequestError::Secrets)
}

/// Without the parser's message, which may quote a value.
enum TextsError {
    Json,
    NotText(String),
}

fn texts(json: &str) -> Result<Texts, TextsError> {
    let values: Option<BTreeMap<String, Value>> =
        serde_json::from_str(json).map_err(|_| TextsError::Json)?;
    let mut values = values.unwrap_or_default();
    let other = |(_, value): &(_, &Value)| matches!(value, Value::Other);
    if let Some((name, _)) = values.iter().find(other) {
        return Err(TextsError::NotText(name.clone()));
    }
    values.retain(|_, value| !matches!(value, Value::Null));
    Ok(Texts(values))
}

enum Value {
    Text(Zeroizing<String>),
    Null,
    Other,
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Null | Self::Other => "",
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text)))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// The pod, which kubelet names if the CSIDriver asks for it.
pub(super) fn pod(attributes: &Texts) -> Result<Pod, RequestError> {
    let required = |key: &'static str| {
        attributes
            .optional(key)
            .ok_or(RequestError::PodInfoMissing { attribute: key })
    };
    Ok(Pod {
        name: required("csi.storage.k8s.io/pod.name")?,
        namespace: required("csi.storage.k8s.io/pod.namespace")?,
        uid: attributes.optional("csi.storage.k8s.io/pod.uid"),
        service_account: attributes.optional("csi.storage.k8s.io/serviceAccount.name"),
    })
}

/// The mode of authentication that a class asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Workload identity or a service principal: none of the `use…` is true.
    Usual,
    ManagedIdentity,
    IdentityBinding,
}

/// Reads the parameters that choose a mode of authentication.
pub(super) fn mode(attributes: &Texts) -> Result<Mode, RequestError> {
    let pod = flag(attributes, "usePodIdentity")?;
    let managed = flag(attributes, "useVMManagedIdentity")?;
    let proxy = flag(attributes, "useAzureTokenProxy")?;
    match (pod, managed, proxy) {
        (true, false, false) => Err(RequestError::PodIdentityRetired),
        (false, false, true) => Ok(Mode::IdentityBinding),
        (false, true, false) => Ok(Mode::ManagedIdentity),
        (false, false, false) => Ok(Mode::Usual),
        _ => Err(RequestError::ModesExclusive),
    }
}

fn flag(attributes: &Texts, name: &'static str) -> Result<bool, RequestError> {
    let text = attributes.get(name);
    boolean(text).ok_or_else(|| RequestError::Flag {
        parameter: name,
        value: Quoted::new(text),
    })
}

/// The spellings of Go's `strconv.ParseBool`, which classes in use were checked against; blank is
/// false.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// How a class names its vault. What host that is depends on the cloud.
pub(super) enum Vault<'a> {
    Name(VaultName),
    Uri(&'a str),
}

/// The vault, by its name or by its URL.
pub(super) fn vault(attributes: &Texts) -> Result<Vault<'_>, RequestError> {
    match (attributes.get("keyvaultName"), attributes.get("vaultURI")) {
        ("", "") => Err(RequestError::VaultMissing),
        ("", uri) => Ok(Vault::Uri(uri)),
        (name, "") => name
            .parse()
            .map(Vault::Name)
            .map_err(|rule| RequestError::Vault {
                value: Quoted::new(name),
                rule,
            }),
        _ => Err(RequestError::VaultTwice),
    }
}

impl Vault<'_> {
    /// The host in this cloud; of other hosts, those that are allowed.
    pub(super) fn host(
        self,
        cloud: Cloud,
        allowed: &[AllowedHost],
    ) -> Result<VaultHost, RequestError> {
        match self {
            Self::Name(name) => Ok(VaultHost::new(cloud, &name)),
            Self::Uri(text) => Ok(vault_uri::host(text, cloud, allowed)?),
        }
    }
}

/// The tenant; `tenantId` is the older spelling.
pub(super) fn tenant(attributes: &Texts) -> Result<TenantId, RequestError> {
    let text = match attributes.get("tenantID") {
        "" => attributes.get("tenantId"),
        text => text,
    };
    match text {
        "" => Err(RequestError::TenantMissing),
        text => text.parse().map_err(|rule| RequestError::Tenant {
            value: Quoted::new(text),
            rule,
        }),
    }
}

/// The cloud. A file that describes one would let any author of a class choose where the
/// identity's credential is sent.
pub(super) fn cloud(attributes: &Texts, default: Cloud) -> Result<Cloud, RequestError> {
    if !attributes.get("cloudEnvFileName").is_empty() {
        return Err(RequestError::CustomCloudUnsupported);
    }
    match attributes.get("cloudName") {
        "" => Ok(default),
        name if name.eq_ignore_ascii_case("AzureStackCloud") => {
            Err(RequestError::CustomCloudUnsupported)
        }
        name => name.parse().map_err(|_| RequestError::Cloud {
            value: Quoted::new(name),
        }),
    }
}

/// How fresh objects have to be, where the class says it.
pub(super) fn freshness(attributes: &Texts, default: Freshness) -> Result<Freshness, RequestError> {
    let time = |name: &'static str, default: Duration| match attributes.get(name) {
        "" => Ok(default),
        text => vaultbind_telemetry::values::duration(text)
            .filter(|time| *time <= LONGEST_FRESHNESS)
            .ok_or(RequestError::Freshness {
                parameter: name,
                value: Quoted::new(text),
            }),
    };
    Ok(Freshness {
        latest: time("cacheTTL", default.latest)?,
        exact: time("reauthorizeAfter", default.exact)?,
    })
}
