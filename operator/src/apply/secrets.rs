//! Kubernetes Secrets: looked at without being read, written, deleted.
//!
//! The operator has no right to read a Secret. It learns what it needs by a dry run: it applies the
//! binding's labels as a field manager of its own and asks for the metadata of what would come of it.
//! That tells whether there is one, whose its fields are, and never anything of what it holds.

mod fields;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::Status;
use serde_json::json;

use super::{MANAGER, WriteError, Writer, within};
use crate::cluster::Name;
use crate::plan::WantedSecret;

pub(crate) use fields::{Looked, difference};

/// Field manager of dry runs: what it would own tells what was there before.
const LOOKING: &str = "vaultbind-look";

impl Writer {
    /// Looks at a Secret of the namespace of a binding with these labels.
    pub(crate) async fn look_at_secret(
        &self,
        name: &Name,
        labels: &BTreeMap<String, String>,
    ) -> Result<Looked, WriteError> {
        self.leads()?;
        let patch = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name.name, "namespace": name.namespace, "labels": labels},
        });
        let api: Api<Secret> = self.api(&name.namespace);
        let parameters = PatchParams::apply(LOOKING).dry_run();
        let seen = within(api.patch_metadata(&name.name, &parameters, &Patch::Apply(&patch))).await;
        match seen {
            Ok(seen) => Ok(fields::looked(seen.metadata)),
            // The labels have other values.
            Err(WriteError::Conflict(_)) => Ok(Looked::Foreign),
            Err(WriteError::Refused(kube::Error::Api(status))) if is_policy(&status) => {
                Ok(Looked::Foreign)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a Secret as wanted. `found` is the metadata of the one that is there.
    pub(crate) async fn secret(
        &self,
        wanted: &WantedSecret,
        data: BTreeMap<String, ByteString>,
        found: Option<&ObjectMeta>,
    ) -> Result<(), WriteError> {
        self.leads()?;
        let mut metadata = wanted.metadata.clone();
        metadata.resource_version = found.and_then(|found| found.resource_version.clone());
        let name = Name::of(&metadata);
        let secret = Secret {
            metadata,
            type_: Some(wanted.type_.as_str().to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        let mut parameters = PatchParams::apply(MANAGER);
        parameters.force = found.is_some();
        let api: Api<Secret> = self.api(&name.namespace);
        // The answer is the metadata: what was written need not come back.
        within(api.patch_metadata(&name.name, &parameters, &Patch::Apply(&secret)))
            .await
            .map(drop)
    }

    /// Deletes the Secret that was looked at, and no other of its name.
    pub(crate) async fn delete_secret(
        &self,
        name: &Name,
        found: &ObjectMeta,
    ) -> Result<(), WriteError> {
        self.leads()?;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: found.uid.clone(),
                resource_version: found.resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        let api: Api<Secret> = self.api(&name.namespace);
        match within(api.delete(&name.name, &parameters)).await {
            Ok(_) | Err(WriteError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a refusal comes of the policy that keeps the operator from what is not its own.
fn is_policy(status: &Status) -> bool {
    status.message.contains("ValidatingAdmissionPolicy") && status.message.contains("vaultbind")
}

/// Whether the operator's role does not have a verb that it needs.
pub(crate) fn is_forbidden(error: &WriteError) -> bool {
    // https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/responsewriters/errors.go
    matches!(error, WriteError::Refused(kube::Error::Api(status))
        if status.code == 403 && status.message.contains("cannot ")
            && status.message.contains("in API group"))
}

/// Whether a Secret is refused because one of another type is there.
pub(crate) fn is_of_other_type(error: &WriteError) -> bool {
    let WriteError::Refused(kube::Error::Api(status)) = error else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 422
        && causes
            .into_iter()
            .any(|cause| cause.field == "type" && cause.message.contains("immutable"))
}
