//! Kubernetes Secrets as they would be, without what they hold.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use vaultbind_crds::binding::SecretType;
use vaultbind_operator::plan::WantedSecret;

/// A Secret with its keys and no value.
pub(crate) fn without_values(wanted: &WantedSecret) -> Secret {
    let data: BTreeMap<String, ByteString> = wanted
        .data
        .iter()
        .map(|key| (key.key.clone(), ByteString(stand_in(wanted.type_).to_vec())))
        .collect();
    Secret {
        metadata: wanted.metadata.clone(),
        type_: Some(wanted.type_.as_str().to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// The least that Kubernetes takes for a type.
fn stand_in(type_: SecretType) -> &'static [u8] {
    match type_ {
        SecretType::DockerConfigJson => b"{}",
        SecretType::SshAuth => b"-",
        SecretType::Opaque | SecretType::Tls | SecretType::BasicAuth => b"",
    }
}
