//! What the operator would know of the cluster, got with the rights of the user. What may not be seen is
//! told, and the plan goes on without it.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use vaultbind_crds::{VaultBinding, VaultClass};
use vaultbind_operator::observed::{ClassChoice, Cluster as Around};
use vaultbind_operator::secrets_store::{SecretProviderClass, SecretProviderClassPodStatus};
use vaultbind_operator::surroundings::Surroundings;

use super::report::BindingPlan;
use crate::cluster::{Cluster, ClusterError};
use crate::exit::Failure;
use crate::lint::{Finding, Lint};
use crate::manifests::{Manifest, Place};
use crate::unseen::Unseen;

/// The CSI driver's name.
const DRIVER: &str = "secrets-store.csi.k8s.io";

/// A binding that is meant.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The one of the cluster.
    Named(String),
    /// As it stands in a file.
    Written {
        place: Place,
        namespace: String,
        name: String,
        object: Value,
    },
}

impl Wanted {
    /// That of a file; `namespace` is the one of what names none.
    pub(super) fn written(manifest: Manifest, namespace: &str) -> Result<Self, Failure> {
        let Manifest { place, mut object } = manifest;
        object.remove("status");
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        let name = metadata.and_then(|metadata| {
            let namespace = metadata
                .entry("namespace")
                .or_insert_with(|| namespace.into());
            let namespace = namespace.as_str()?.to_owned();
            Some((namespace, metadata.get("name")?.as_str()?.to_owned()))
        });
        match name {
            Some((namespace, name)) => Ok(Self::Written {
                place,
                namespace,
                name,
                object: Value::Object(object),
            }),
            None => Err(Failure::Usage(format!(
                "{place}: metadata.name must be set, and metadata.namespace be a text"
            ))),
        }
    }
}

/// A binding and what is around it.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) binding: VaultBinding,
    pub(super) around: Around,
    /// Whether the binding is in the cluster.
    pub(super) exists: bool,
}

/// Gathers; a binding that the API server would refuse comes to a plan at once.
pub(super) async fn gather(
    cluster: &Cluster,
    wanted: Wanted,
    notes: &mut Vec<String>,
) -> Result<Result<Gathered, BindingPlan>, Failure> {
    let (binding, exists) = match wanted {
        Wanted::Named(name) => {
            let api: Api<VaultBinding> = cluster.api(Some(cluster.namespace()));
            let what = format!(
                "get vaultbinding {name} in namespace {}",
                cluster.namespace()
            );
            let found = api.get(&name).await;
            (found.map_err(|error| cluster.error(&what, error))?, true)
        }
        Wanted::Written {
            place,
            namespace,
            name,
            object,
        } => {
            let tried = Tried {
                cluster,
                place,
                namespace,
                name,
                object,
            };
            match tried.binding(notes).await? {
                Ok(tried) => tried,
                Err(refused) => return Ok(Err(refused)),
            }
        }
    };
    let namespace = binding.namespace().unwrap_or_default();
    let around = around(cluster, &binding, &namespace, notes).await?;
    Ok(match around {
        Some(around) => Ok(Gathered {
            binding,
            around,
            exists,
        }),
        None => Err(BindingPlan::refused(
            &namespace,
            &binding.name_any(),
            vec![Finding {
                field: "metadata.namespace".to_owned(),
                message: "is being deleted: nothing is done in it".to_owned(),
            }],
        )),
    })
}

/// A binding of a file, tried at the API server.
struct Tried<'a> {
    cluster: &'a Cluster,
    place: Place,
    namespace: String,
    name: String,
    object: Value,
}

impl Tried<'_> {
    /// The binding as it would be, and whether it is there already.
    async fn binding(
        self,
        notes: &mut Vec<String>,
    ) -> Result<Result<(VaultBinding, bool), BindingPlan>, Failure> {
        let findings = self.lint()?;
        if !findings.is_empty() {
            return Ok(Err(self.refused(findings)));
        }
        let api: Api<VaultBinding> = self.cluster.api(Some(&self.namespace));
        let what = format!(
            "get vaultbinding {} in namespace {}",
            self.name, self.namespace
        );
        let found = api.get_opt(&self.name).await;
        let found = found.map_err(|error| self.cluster.error(&what, error))?;
        let mut wanted: VaultBinding = match serde_json::from_value(self.object.clone()) {
            Ok(wanted) => wanted,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                let field = String::new();
                return Ok(Err(self.refused(vec![Finding { field, message }])));
            }
        };
        wanted.metadata.resource_version =
            found.as_ref().and_then(|found| found.resource_version());
        let dry_run = PostParams {
            dry_run: true,
            field_manager: Some("kubectl-vaultbind".to_owned()),
        };
        let tried = match &found {
            Some(_) => api.replace(&self.name, &dry_run, &wanted).await,
            None => api.create(&dry_run, &wanted).await,
        };
        match tried {
            Ok(mut binding) => {
                if found.is_none() {
                    binding.status = None;
                }
                Ok(Ok((binding, found.is_some())))
            }
            Err(kube::Error::Api(status)) if status.code == 403 && is_role(&status.message) => {
                notes.push(format!(
                    "the API server was not asked whether it takes the binding: {}",
                    status.message
                ));
                Ok(Ok(self.beside(wanted, found)))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
                let findings = causes(&status);
                Ok(Err(self.refused(findings)))
            }
            Err(error) => Err(self.cluster.error("try the binding", error).into()),
        }
    }

    /// The binding without a word of the API server.
    fn beside(
        &self,
        mut wanted: VaultBinding,
        found: Option<VaultBinding>,
    ) -> (VaultBinding, bool) {
        let exists = found.is_some();
        if let Some(found) = found {
            wanted.status = found.status;
            wanted.metadata = kube::api::ObjectMeta {
                labels: wanted.metadata.labels,
                annotations: wanted.metadata.annotations,
                ..found.metadata
            };
        }
        (wanted, exists)
    }

    fn lint(&self) -> Result<Vec<Finding>, Failure> {
        let lint = Lint::new().map_err(|error| Failure::Format {
            format: "schema",
            reason: error.to_string(),
        })?;
        Ok(lint.check(crate::lint::Kind::Binding, &self.object))
    }

    fn refused(&self, findings: Vec<Finding>) -> BindingPlan {
        let mut plan = BindingPlan::refused(&self.namespace, &self.name, findings);
        plan.notes.push(format!("it stands in {}", self.place));
        plan
    }
}

/// Whether a role is what is missing, and not a policy what refuses.
fn is_role(message: &str) -> bool {
    message.contains(" cannot ") && message.contains("in API group")
}

/// What the API server said of the fields.
fn causes(status: &kube::core::Status) -> Vec<Finding> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let findings: Vec<_> = causes
        .map(|cause| Finding {
            field: cause.field.trim_start_matches("<nil>").to_owned(),
            message: cause.message.clone(),
        })
        .collect();
    if findings.is_empty() {
        return vec![Finding {
            field: String::new(),
            message: status.message.clone(),
        }];
    }
    findings
}

async fn around(
    cluster: &Cluster,
    binding: &VaultBinding,
    namespace: &str,
    notes: &mut Vec<String>,
) -> Result<Option<Around>, ClusterError> {
    let mut see = See { cluster, notes };
    let bindings: Option<Vec<VaultBinding>> = see
        .list(cluster.api(Some(namespace)), "vaultbindings")
        .await?;
    let classes: Option<Vec<VaultClass>> = see
        .list(Api::all(cluster.client().clone()), "vaultclasses")
        .await?;
    let labels = see
        .get(
            Api::<Namespace>::all(cluster.client().clone()).get_metadata_opt(namespace),
            format!("get namespace {namespace}"),
        )
        .await?;
    let driver = see
        .get(
            Api::<CSIDriver>::all(cluster.client().clone()).get_opt(DRIVER),
            format!("get csidriver {DRIVER}"),
        )
        .await?;
    let name = binding.name_any();
    let targets: Api<SecretProviderClass> = cluster.api(Some(namespace));
    let target = see
        .get(
            targets.get_opt(&name),
            format!("get secretproviderclass {name} in namespace {namespace}"),
        )
        .await?;
    let mounts: Option<Vec<SecretProviderClassPodStatus>> = see
        .list(
            cluster.api(Some(namespace)),
            "secretproviderclasspodstatuses",
        )
        .await?;
    if target.is_none() {
        notes.push("everything looks new, for the SecretProviderClass may not be seen".to_owned());
    }
    let (classes_seen, namespace_seen) = (classes.is_some(), labels.is_some());
    let mut namespace_object = labels.flatten().unwrap_or_default();
    namespace_object.metadata.name = Some(namespace.to_owned());
    let audience = binding.spec.identity.audience(binding.spec.vault.cloud);
    let surroundings = Surroundings {
        bindings: bindings.unwrap_or_default(),
        classes: classes.unwrap_or_default(),
        namespace: namespace_object,
        // One that may not be seen is taken to be as it should be.
        driver: driver.unwrap_or_else(|| Some(assumed(audience.as_str()))),
        target: target.flatten(),
        mounts: mounts.unwrap_or_default(),
        writes_secrets: true,
    };
    let Some(mut around) = surroundings.of(binding) else {
        return Ok(None);
    };
    let unseen = Unseen {
        class: "may not be seen",
        namespace: "its labels may not be seen",
    };
    // A class that is not there for sure stays missing.
    if !classes_seen || !namespace_seen && matches!(around.class, ClassChoice::Chosen(_)) {
        around.class = unseen.class(around.class, binding, namespace_seen, notes);
    }
    Ok(Some(around))
}

pub(super) fn assumed(audience: &str) -> CSIDriver {
    use k8s_openapi::api::storage::v1::{CSIDriverSpec, TokenRequest};
    let mut driver = CSIDriver {
        spec: CSIDriverSpec {
            requires_republish: Some(true),
            token_requests: Some(vec![TokenRequest {
                audience: audience.to_owned(),
                ..TokenRequest::default()
            }]),
            ..CSIDriverSpec::default()
        },
        ..CSIDriver::default()
    };
    driver.metadata.name = Some(DRIVER.to_owned());
    driver
}

/// Asks, and notes what may not be seen.
struct See<'a> {
    cluster: &'a Cluster,
    notes: &'a mut Vec<String>,
}

impl See<'_> {
    /// The object if it is there; nothing at all if it may not be seen.
    async fn get<T>(
        &mut self,
        asked: impl Future<Output = kube::Result<Option<T>>>,
        what: String,
    ) -> Result<Option<Option<T>>, ClusterError> {
        match asked.await {
            Ok(found) => Ok(Some(found)),
            Err(error) => self.unseen(&what, error).map(|()| None),
        }
    }

    async fn list<K>(&mut self, api: Api<K>, kind: &str) -> Result<Option<Vec<K>>, ClusterError>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        match api.list(&ListParams::default()).await {
            Ok(listed) => Ok(Some(listed.items)),
            Err(error) => self.unseen(&format!("list {kind}"), error).map(|()| None),
        }
    }

    fn unseen(&mut self, what: &str, error: kube::Error) -> Result<(), ClusterError> {
        match self.cluster.error(what, error) {
            error @ (ClusterError::Forbidden { .. } | ClusterError::NotFound { .. }) => {
                self.notes.push(format!("planned without it: {error}"));
                Ok(())
            }
            error => Err(error),
        }
    }
}
