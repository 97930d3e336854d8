//! Role definitions: the built-in ones and those of a seed, to be read only.

use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::listing::{Clause, filter, list, unsupported};
use super::reply::Reply;
use super::route::Kind;
use super::store::Store;
use crate::roles::RoleDefinition;

impl RoleDefinition {
    /// Its ARM id as seen from a subscription.
    pub(super) fn arm_id(&self, subscription: &str) -> String {
        let kind = Kind::Definition.type_name();
        let id = &self.id;
        format!("/subscriptions/{subscription}/providers/{kind}/{id}")
    }

    fn kind(&self) -> &'static str {
        match self.custom {
            true => "CustomRole",
            false => "BuiltInRole",
        }
    }

    fn describe(&self, subscription: &str) -> Value {
        let scope = match self.custom {
            true => format!("/subscriptions/{subscription}"),
            false => "/".to_owned(),
        };
        json!({
            "id": self.arm_id(subscription),
            "type": Kind::Definition.type_name(),
            "name": self.id,
            "properties": {
                "roleName": self.name,
                "type": self.kind(),
                "description": "",
                "assignableScopes": [scope],
                "permissions": [{
                    "actions": self.actions,
                    "notActions": self.not_actions,
                    "dataActions": self.data_actions,
                    "notDataActions": [],
                }],
            },
        })
    }
}

pub(super) fn answer(store: &Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let subscription = &context.route.subscription;
    if let Some(id) = &context.route.name {
        let found = store
            .roles
            .iter()
            .find(|role| role.id.eq_ignore_ascii_case(id));
        let role = found.ok_or_else(|| {
            let message = format!("The specified role definition with ID '{id}' does not exist.");
            ArmError::new(404, "RoleDefinitionDoesNotExist", message)
        })?;
        return Ok(Reply::new(200, role.describe(subscription)));
    }
    let clauses = filter(context)?;
    let known = |clause: &Clause| match clause {
        Clause::Function(name, None) => name == "atscopeandbelow",
        Clause::Function(_, Some(_)) => false,
        Clause::Equals(name, _) => name == "rolename" || name == "type",
    };
    if !clauses.iter().all(known) {
        return Err(unsupported(&context.query("$filter").unwrap_or_default()));
    }
    let fits = |role: &RoleDefinition| {
        clauses.iter().all(|clause| match clause {
            Clause::Equals(name, value) if name == "rolename" => {
                value.eq_ignore_ascii_case(&role.name)
            }
            Clause::Equals(_, value) => value.eq_ignore_ascii_case(role.kind()),
            Clause::Function(..) => true,
        })
    };
    let found = store.roles.iter().filter(|role| fits(role));
    list(
        store,
        context,
        found.map(|role| role.describe(subscription)),
    )
}
