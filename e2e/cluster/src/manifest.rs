//! The objects that scenarios apply, as the JSON that kubectl would send.

// Assigning to a field of a JSON object that was made here adds the field.
#![allow(clippy::indexing_slicing)]

use serde_json::{Value, json};

/// The image that every bed has.
const IMAGE: &str = "bed.local/busybox:1";

/// A SecretProviderClass of the provider under test.
pub fn class(name: &str, parameters: &Value) -> Value {
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": { "name": name },
        "spec": { "provider": "vaultbind", "parameters": parameters },
    })
}

/// A pod with one container that sleeps, and a CSI volume for each class.
#[derive(Debug, Clone)]
pub struct PodSpec {
    name: String,
    service_account: String,
    volumes: Vec<(String, Option<String>)>,
    user: Option<i64>,
    environment: Vec<(String, String, String)>,
    sub_path: Option<String>,
    labels: Value,
}

impl PodSpec {
    /// A pod under the site's ServiceAccount that mounts `class` at `/mnt/<class>`.
    pub fn new(name: &str, class: &str) -> Self {
        Self {
            name: name.to_owned(),
            service_account: "workload".to_owned(),
            volumes: vec![(class.to_owned(), None)],
            user: None,
            environment: Vec::new(),
            sub_path: None,
            labels: json!({}),
        }
    }

    /// With another class mounted.
    #[must_use]
    pub fn and_class(mut self, class: &str) -> Self {
        self.volumes.push((class.to_owned(), None));
        self
    }

    /// With credentials in a Secret for every volume.
    #[must_use]
    pub fn with_node_publish_secret(mut self, secret: &str) -> Self {
        for (_, reference) in &mut self.volumes {
            *reference = Some(secret.to_owned());
        }
        self
    }

    /// Under another ServiceAccount.
    #[must_use]
    pub fn under(mut self, service_account: &str) -> Self {
        service_account.clone_into(&mut self.service_account);
        self
    }

    /// Running as a user id that is not root's.
    #[must_use]
    pub fn as_user(mut self, user: i64) -> Self {
        self.user = Some(user);
        self
    }

    /// With an environment variable from a key of a Secret.
    #[must_use]
    pub fn with_environment(mut self, variable: &str, secret: &str, key: &str) -> Self {
        self.environment
            .push((variable.to_owned(), secret.to_owned(), key.to_owned()));
        self
    }

    /// With one file of the volume mounted by subPath at `/sub/file`, besides the volume itself.
    #[must_use]
    pub fn with_sub_path(mut self, file: &str) -> Self {
        self.sub_path = Some(file.to_owned());
        self
    }

    /// With a label.
    #[must_use]
    pub fn labelled(mut self, labels: Value) -> Self {
        self.labels = labels;
        self
    }

    /// The pod's template: metadata and spec.
    pub fn template(&self) -> Value {
        let volumes: Vec<Value> = self
            .volumes
            .iter()
            .map(|(class, secret)| {
                let mut csi = json!({
                    "driver": "secrets-store.csi.k8s.io",
                    "readOnly": true,
                    "volumeAttributes": { "secretProviderClass": class },
                });
                if let Some(secret) = secret {
                    csi["nodePublishSecretRef"] = json!({ "name": secret });
                }
                json!({ "name": class, "csi": csi })
            })
            .collect();
        let mut mounts: Vec<Value> = self
            .volumes
            .iter()
            .map(|(class, _)| {
                json!({ "name": class, "mountPath": format!("/mnt/{class}"), "readOnly": true })
            })
            .collect();
        if let (Some(file), Some((class, _))) = (&self.sub_path, self.volumes.first()) {
            mounts.push(json!({
                "name": class, "mountPath": "/sub/file", "subPath": file, "readOnly": true
            }));
        }
        let environment: Vec<Value> = self
            .environment
            .iter()
            .map(|(variable, secret, key)| {
                let reference = json!({ "secretKeyRef": { "name": secret, "key": key } });
                json!({ "name": variable, "valueFrom": reference })
            })
            .collect();
        let mut container = json!({
            "name": "main",
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": ["/bin/busybox", "sleep", "86400"],
            "volumeMounts": mounts,
            "env": environment,
        });
        if let Some(user) = self.user {
            container["securityContext"] = json!({ "runAsUser": user, "runAsGroup": user });
        }
        json!({
            "metadata": { "labels": self.labels },
            "spec": {
                "serviceAccountName": self.service_account,
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
                "volumes": volumes,
            },
        })
    }

    /// The pod itself.
    pub fn pod(&self) -> Value {
        let mut pod = self.template();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = self.name.as_str().into();
        pod
    }

    /// A Deployment of such pods.
    pub fn deployment(&self, replicas: u32) -> Value {
        let mut template = self.template();
        let labels = json!({ "app": self.name });
        template["metadata"]["labels"] = labels.clone();
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": self.name },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": labels },
                "template": template,
            },
        })
    }
}
