//! Who did what: the activity log, and which actions each principal has used.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// Entries kept; older ones make room.
const MAX_ENTRIES: usize = 10_000;

/// One request to Resource Manager of somebody it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// When, as in RFC 3339, by the emulator's clock.
    pub time: String,
    /// The client id of who asked.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// The object id of who asked.
    #[serde(rename = "objectID")]
    pub object_id: String,
    /// The action, such as `Microsoft.Authorization/roleAssignments/write`.
    pub action: String,
    /// The ARM id of the resource, or of what was listed.
    pub resource: String,
    /// Whether the roles of who asked allowed it; false also for what was refused before.
    pub authorized: bool,
    /// The status answered.
    pub status: u16,
    /// The code of the error answered.
    pub code: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct ActivityLog {
    entries: VecDeque<Activity>,
    /// By object id.
    used: BTreeMap<String, BTreeSet<String>>,
}

impl ActivityLog {
    pub(super) fn add(&mut self, activity: Activity) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(activity);
    }

    /// Notes an action that somebody's roles allowed.
    pub(super) fn use_action(&mut self, object_id: &str, action: &str) {
        let used = self.used.entry(object_id.to_owned()).or_default();
        used.insert(action.to_owned());
    }

    pub(super) fn all(&self) -> Vec<Activity> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn used(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.used.clone()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.used.clear();
    }
}
