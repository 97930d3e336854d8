//! Somebody who asks the API server for something, and what it says.

use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch,
    PatchParams, PostParams,
};
use kube::core::Status;
use serde_json::{Value, json};

/// The object as it is then, or why not.
pub(crate) type Outcome<T = DynamicObject> = Result<T, Box<Status>>;

/// Somebody.
#[derive(Clone)]
pub(crate) struct Actor(pub(crate) Client);

impl Actor {
    pub(crate) async fn create(&self, object: &Value) -> Outcome {
        let params = PostParams::default();
        of(self.api(object).create(&params, &parsed(object)).await)
    }

    /// Whether it could be created: nothing is.
    pub(crate) async fn try_create(&self, object: &Value) -> Outcome {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        of(self.api(object).create(&params, &parsed(object)).await)
    }

    pub(crate) async fn get(&self, object: &Value) -> Outcome {
        of(self.api(object).get(name(object)).await)
    }

    /// Server-side apply, as the operator writes.
    pub(crate) async fn apply(&self, object: &Value) -> Outcome {
        self.applied(object, false).await
    }

    /// The same as a dry run: whether it would be taken.
    pub(crate) async fn try_apply(&self, object: &Value) -> Outcome {
        self.applied(object, true).await
    }

    async fn applied(&self, object: &Value, dry_run: bool) -> Outcome {
        let mut params = PatchParams::apply("vaultbind").force();
        params.dry_run = dry_run;
        let patch = Patch::Apply(object);
        of(self.api(object).patch(name(object), &params, &patch).await)
    }

    /// Merges a patch into the object of this kind and name.
    pub(crate) async fn patch(&self, object: &Value, patch: &Value) -> Outcome {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        of(self.api(object).patch(name(object), &params, &patch).await)
    }

    /// Merges a patch into a subresource.
    pub(crate) async fn patch_part(&self, object: &Value, part: &str, patch: &Value) -> Outcome {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let api = self.api(object);
        of(api
            .patch_subresource(part, name(object), &params, &patch)
            .await)
    }

    /// Creates a subresource, such as a token.
    pub(crate) async fn create_part(
        &self,
        object: &Value,
        part: &str,
        body: &Value,
    ) -> Outcome<Value> {
        let params = PostParams::default();
        let api = self.api(object);
        of(api
            .create_subresource(part, name(object), &params, body)
            .await)
    }

    pub(crate) async fn delete(&self, object: &Value) -> Outcome<()> {
        self.delete_with(object, &DeleteParams::default()).await
    }

    pub(crate) async fn delete_with(&self, object: &Value, params: &DeleteParams) -> Outcome<()> {
        of(self.api(object).delete(name(object), params).await).map(|_| ())
    }

    /// Deletes all objects of this kind in the namespace.
    pub(crate) async fn delete_all(&self, object: &Value) -> Outcome<()> {
        let api = self.api(object);
        let (params, all) = (DeleteParams::default(), ListParams::default());
        of(api.delete_collection(&params, &all).await).map(|_| ())
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let version = object["apiVersion"].as_str().unwrap();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = object["kind"].as_str().unwrap();
        let plural = match kind.to_lowercase() {
            class if class.ends_with("class") => format!("{class}es"),
            kind => match kind.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{kind}s"),
            },
        };
        let kind = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
        let client = self.0.clone();
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn parsed(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

fn of<T>(result: kube::Result<T>) -> Outcome<T> {
    match result {
        Ok(object) => Ok(object),
        Err(kube::Error::Api(status)) => Err(status),
        Err(error) => panic!("{error}"),
    }
}

/// What a policy says when it refuses. Everything else fails the test, a refusal by somebody else as well.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(policy: &str, outcome: Outcome<T>) -> String {
    let status = outcome.expect_err(policy);
    let by = format!("ValidatingAdmissionPolicy 'vaultbind-{policy}'");
    assert_eq!(status.code, 403, "{status:?}");
    let (_, said) = status.message.split_once(&by).expect(&status.message);
    let (_, said) = said.split_once("denied request: ").unwrap();
    said.to_owned()
}

/// For want of rights, before any policy is asked.
#[track_caller]
pub(crate) fn without_right<T: std::fmt::Debug>(outcome: Outcome<T>) {
    let status = outcome.expect_err("it is not granted");
    assert_eq!(status.code, 403, "{status:?}");
    assert!(
        status.message.contains("cannot") && !status.message.contains("Policy"),
        "{status:?}"
    );
}

/// That a message has all of these.
#[track_caller]
pub(crate) fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

/// A patch of labels.
pub(crate) fn labels(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

/// A patch of annotations.
pub(crate) fn annotations(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}
