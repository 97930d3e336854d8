//! Who may do what on Resource Manager, and what its roles open in vaults.

use super::error::ArmError;
use super::store::Store;
use crate::roles::{Attributes, DataGrant, condition_holds, is_within};
use crate::vault::Caller;

impl Store {
    /// Whether the roles of a principal in force now allow an action on a scope. Conditions look at
    /// the attributes.
    pub(super) fn allows(
        &self,
        object_id: &str,
        action: &str,
        scope: &str,
        attributes: &Attributes,
        now: i64,
    ) -> bool {
        let scope = scope.to_ascii_lowercase();
        self.assignments.iter().any(|given| {
            given.validity.holds(now)
                && given.principal.eq_ignore_ascii_case(object_id)
                && is_within(&scope, &given.scope.to_ascii_lowercase())
                && given.role.allows(action)
                && condition_holds(given.condition.as_deref(), action, attributes)
        })
    }

    /// Refuses what a caller has no role for.
    pub(super) fn authorize(
        &self,
        caller: &Caller,
        action: &str,
        scope: &str,
        attributes: &Attributes,
        now: i64,
    ) -> Result<(), ArmError> {
        match self.allows(&caller.object_id, action, scope, attributes, now) {
            true => Ok(()),
            false => Err(ArmError::not_authorized(caller, action, scope)),
        }
    }

    /// The roles of a principal in force now, as far as vaults are concerned.
    pub(super) fn data_grants(&self, object_id: &str, now: i64) -> Vec<DataGrant> {
        self.assignments
            .iter()
            .filter(|given| {
                given.validity.holds(now)
                    && given.principal.eq_ignore_ascii_case(object_id)
                    && !given.role.data_actions.is_empty()
            })
            .map(|given| DataGrant {
                scope: given.scope.to_ascii_lowercase(),
                role: std::sync::Arc::clone(&given.role),
                condition: given.condition.clone(),
            })
            .collect()
    }
}
