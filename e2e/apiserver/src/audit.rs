//! The log of what is asked of the API server, with who asked, what they sent and what became of it.

use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;
use serde_json::{Value, json};

/// Name of the log in the server's folder.
pub(crate) const LOG: &str = "audit.log";

/// What is logged.
#[derive(Debug, Clone, Default)]
pub enum Audit {
    /// Nothing.
    #[default]
    None,
    /// That it was asked, by anybody but itself.
    Requests,
    /// Every change of some resources, by anybody, with what was sent and what came of it.
    Changes {
        /// API groups with the plural names of their resources; subresources as `pods/status`.
        resources: Vec<(String, Vec<String>)>,
    },
}

impl Audit {
    /// The policy, as the API server reads it.
    pub(crate) fn policy(&self) -> Value {
        let rules = match self {
            Self::None => json!([]),
            // Whoever speaks as somebody else is matched by the name that is their own.
            Self::Requests => json!([
                {"level": "None", "users": ["system:apiserver"]},
                {"level": "Metadata"},
            ]),
            Self::Changes { resources } => {
                let resources: Vec<_> = resources
                    .iter()
                    .map(|(group, resources)| json!({"group": group, "resources": resources}))
                    .collect();
                json!([{
                    "level": "RequestResponse",
                    "verbs": ["create", "update", "patch", "delete", "deletecollection"],
                    "resources": resources,
                }])
            }
        };
        let mut rules: Vec<Value> = serde_json::from_value(rules).unwrap_or_default();
        // What no rule takes.
        rules.push(json!({"level": "None"}));
        json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "omitManagedFields": true,
            "rules": rules,
        })
    }
}

/// One request and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// How far it is: `ResponseStarted` of watches, else `ResponseComplete`.
    pub stage: String,
    /// Such as `patch`.
    pub verb: String,
    /// Who asked.
    pub user: User,
    /// As whom, if they spoke as somebody else.
    pub impersonated_user: Option<User>,
    /// What was asked for; absent for what is no resource.
    pub object_ref: Option<ObjectRef>,
    /// The answer, once there is one.
    pub response_status: Option<ResponseStatus>,
    /// What was sent.
    pub request_object: Option<Value>,
    /// What was answered.
    pub response_object: Option<Value>,
    /// When it came.
    pub request_received_timestamp: MicroTime,
    /// When it was answered.
    pub stage_timestamp: MicroTime,
}

/// Who.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// The name.
    #[serde(default)]
    pub username: String,
}

/// Which object, or which objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// Plural name of the kind.
    pub resource: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Such as `status`.
    pub subresource: String,
}

/// How a request ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ResponseStatus {
    /// The HTTP status.
    pub code: u16,
}

impl Event {
    /// As whom it was asked.
    pub fn username(&self) -> &str {
        let user = self.impersonated_user.as_ref().unwrap_or(&self.user);
        &user.username
    }

    /// The HTTP status of the answer; 0 if there was none.
    pub fn code(&self) -> u16 {
        self.response_status
            .as_ref()
            .map_or(0, |status| status.code)
    }

    /// Whether something was changed, or would have been had it been otherwise.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code())
    }
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    // The last line may be half of one.
    let end = text.rfind('\n').map_or(0, |end| end + 1);
    let lines = text.get(..end).unwrap_or_default().lines();
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("no audit event: {line}")))
        .collect()
}
