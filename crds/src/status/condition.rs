//! The conditions of a binding, in the form that Kubernetes gives them.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// Everything that the binding wants is there for pods to mount.
    Ready,
    /// The CSI driver is there and asks for the token that is needed.
    DriverReady,
    /// Entra takes the workload's token.
    IdentityReady,
    /// The vault answers the workload.
    AccessReady,
    /// Each object has a version that can be used.
    ObjectsResolved,
    /// The Kubernetes Secrets have the pinned versions. Only with `spec.secrets`.
    SecretsSynced,
    /// Work is being done, or waited for. Only while true.
    Reconciling,
    /// Nothing more is tried until somebody changes something; the message says what. Only while true.
    Stalled,
    /// A pinned version expires soon. Only while true.
    ExpiringSoon,
    /// The vault or Entra holds requests back. Only while true.
    Throttled,
}

impl ConditionType {
    /// Every type there is.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::DriverReady,
        Self::IdentityReady,
        Self::AccessReady,
        Self::ObjectsResolved,
        Self::SecretsSynced,
        Self::Reconciling,
        Self::Stalled,
        Self::ExpiringSoon,
        Self::Throttled,
    ];

    /// The word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::DriverReady => "DriverReady",
            Self::IdentityReady => "IdentityReady",
            Self::AccessReady => "AccessReady",
            Self::ObjectsResolved => "ObjectsResolved",
            Self::SecretsSynced => "SecretsSynced",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::ExpiringSoon => "ExpiringSoon",
            Self::Throttled => "Throttled",
        }
    }

    /// Whether it is there only while it is true, as kstatus wants it of what is not the normal state.
    pub const fn only_while_true(self) -> bool {
        matches!(
            self,
            Self::Reconciling | Self::Stalled | Self::ExpiringSoon | Self::Throttled
        )
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Conditions with the bounds of Kubernetes' own type, which its schema for Rust lacks:
/// <https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#Condition>.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One condition, as in metav1.Condition.",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "description": "What the condition is about.",
                    "type": "string",
                    "maxLength": 316,
                    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
                "status": {
                    "description": "Whether it holds.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` that the condition is about.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When the status last changed.",
                    "type": "string",
                    "format": "date-time",
                },
                "reason": {
                    "description": "Why, as one word for programs.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "Why, for people, and what to do.",
                    "type": "string",
                    "maxLength": 32768,
                },
            },
        },
    })
}
