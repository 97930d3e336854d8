//! When a new version reaches the pods.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{self, GoDuration};

/// How often the vault is asked when neither the binding nor its class says it.
pub const DEFAULT_CHECK_INTERVAL: GoDuration = GoDuration::from_mins(5);

/// Shortest time between two checks.
pub(crate) const SHORTEST_CHECK_INTERVAL: GoDuration = GoDuration::from_secs(30);

/// Longest time between two checks.
pub(crate) const LONGEST_CHECK_INTERVAL: GoDuration = GoDuration::from_hours(24);

/// When a new version reaches the pods.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// When a new version becomes the pinned one. `Continuous`: at the check that finds it.
    #[serde(default)]
    pub mode: RotationMode,

    /// How often the vault is asked for new versions, 30s to 24h. Default: `defaults.checkInterval` of the
    /// class; without a class 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = duration::between(SHORTEST_CHECK_INTERVAL, LONGEST_CHECK_INTERVAL))]
    pub check_interval: Option<GoDuration>,
}

/// When a new version becomes the pinned one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum RotationMode {
    /// At the check that finds it.
    #[default]
    Continuous,
}
