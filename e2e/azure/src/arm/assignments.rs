//! Role assignments: whom a role is given, and where. They never change, and are in force only some
//! time later.

use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::listing::{Clause, filter, list, unsupported};
use super::reply::{Reply, time};
use super::route::{Kind, is_guid};
use super::store::Store;
use crate::clock::Validity;
use crate::roles::{Attributes, RoleDefinition, is_within};
use crate::state::State;
use crate::vault::SeededAssignment;

/// A role given to a principal on a scope.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    /// A GUID in lower case.
    pub(super) name: String,
    pub(super) scope: String,
    /// An object id in lower case.
    pub(super) principal: String,
    pub(super) principal_type: String,
    pub(super) role: Arc<RoleDefinition>,
    pub(super) description: Option<String>,
    pub(super) condition: Option<String>,
    pub(super) condition_version: Option<String>,
    /// Unix seconds, and the object id of who did it.
    pub(super) created: (i64, String),
    pub(super) updated: (i64, String),
    pub(super) validity: Validity,
    /// What a vault's seed or the administration said, if they gave it.
    pub(super) seeded: Option<SeededAssignment>,
}

#[derive(Debug, Deserialize)]
struct Body {
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    role_definition_id: String,
    principal_id: String,
    principal_type: Option<String>,
    description: Option<String>,
    condition: Option<String>,
    condition_version: Option<String>,
}

impl Assignment {
    /// One that was there from the start, named after what it says.
    pub(super) fn of_seed(scope: &str, principal: &str, role: &Arc<RoleDefinition>) -> Self {
        let said = format!("{scope} {principal} {}", role.id).to_ascii_lowercase();
        Self {
            name: Uuid::new_v5(&Uuid::NAMESPACE_URL, said.as_bytes()).to_string(),
            scope: scope.to_owned(),
            principal: principal.to_ascii_lowercase(),
            principal_type: "ServicePrincipal".to_owned(),
            role: Arc::clone(role),
            description: None,
            condition: None,
            condition_version: None,
            created: (0, String::new()),
            updated: (0, String::new()),
            validity: Validity::default(),
            seeded: None,
        }
    }

    /// Whether it gives the same role to the same principal on the same scope.
    pub(super) fn says_the_same(&self, scope: &str, principal: &str, role: &str) -> bool {
        self.scope.eq_ignore_ascii_case(scope)
            && self.principal.eq_ignore_ascii_case(principal)
            && self.role.id.eq_ignore_ascii_case(role)
    }
}

/// What conditions may ask of a request about role assignments. A body that makes no sense has none.
pub(super) fn attributes(store: &Store, context: &Context<'_>) -> Attributes {
    let name = |what| format!("{}:{what}", Kind::Assignment.type_name());
    let mut attributes = Attributes::default();
    if let Ok(Body { properties }) = context.body::<Body>() {
        let role = properties.role_definition_id.rsplit('/').next();
        let kind = properties.principal_type.as_deref();
        attributes.add(
            "Request",
            &name("RoleDefinitionId"),
            role.unwrap_or_default(),
        );
        attributes.add("Request", &name("PrincipalId"), &properties.principal_id);
        if let Some(kind) = kind {
            attributes.add("Request", &name("PrincipalType"), kind);
        }
    }
    let Some(asked) = &context.route.name else {
        return attributes;
    };
    let known = store.all(context.state).into_iter();
    for known in known.filter(|known| known.name.eq_ignore_ascii_case(asked)) {
        attributes.add("Resource", &name("RoleDefinitionId"), &known.role.id);
        attributes.add("Resource", &name("PrincipalId"), &known.principal);
        attributes.add("Resource", &name("PrincipalType"), &known.principal_type);
    }
    attributes
}

pub(super) fn answer(store: &mut Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let State {
        directory, vaults, ..
    } = context.state;
    store
        .assignments
        .retain(|given| !given.validity.is_over(context.now));
    let route = context.route;
    let is_there = store.has_scope(&route.parent, directory, vaults);
    let method = context.method();
    let Some(name) = &route.name else {
        return match is_there {
            true => list_filtered(store, context),
            false => Err(no_scope(context)),
        };
    };
    let known = store
        .all(context.state)
        .into_iter()
        .find(|known| known.name.eq_ignore_ascii_case(name));
    let here = known
        .as_ref()
        .filter(|known| is_there && known.scope.eq_ignore_ascii_case(&route.parent));
    match (method, here) {
        (&Method::GET, Some(here)) => Ok(Reply::new(200, describe(here, &route.subscription))),
        (&Method::GET, None) if is_there => Err(ArmError::new(
            404,
            "RoleAssignmentNotFound",
            format!("The role assignment '{name}' is not found."),
        )),
        (&Method::DELETE, Some(here)) => {
            let reply = Reply::new(200, describe(here, &route.subscription));
            end(store, context, here);
            Ok(reply)
        }
        // What was on a scope that is gone went with it.
        (&Method::DELETE, None) => Ok(Reply::empty(204)),
        (_, _) if !is_there => Err(no_scope(context)),
        _ => put(store, context, name, known),
    }
}

fn end(store: &mut Store, context: &Context<'_>, known: &Assignment) {
    let until = context.after(store.settings.role_propagation);
    match &known.seeded {
        None => {
            for given in &mut store.assignments {
                if given.name == known.name {
                    given.validity.end(until);
                }
            }
        }
        // From now on it is one like all others, so that it ends like them.
        Some(seeded) => {
            let vault = vault_of(&known.scope);
            context.state.vaults.revoke_seeded(&vault, seeded);
            let mut ending = known.clone();
            ending.seeded = None;
            ending.validity.end(until);
            store.assignments.push(ending);
        }
    }
}

/// The ARM id of the vault that a scope is or lies in, in lower case.
fn vault_of(scope: &str) -> String {
    let scope = scope.to_ascii_lowercase();
    let parts: Vec<_> = scope.splitn(10, '/').take(9).collect();
    parts.join("/")
}

fn put(
    store: &mut Store,
    context: &Context<'_>,
    name: &str,
    known: Option<Assignment>,
) -> Result<Reply, ArmError> {
    if !is_guid(name) {
        let message = format!(
            "The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
        );
        return Err(ArmError::new(400, "InvalidRoleAssignmentId", message));
    }
    let Properties {
        role_definition_id,
        principal_id,
        principal_type,
        description,
        condition,
        condition_version,
    } = context.body::<Body>()?.properties;
    let scope = &context.route.parent;
    let role = store.role(&role_definition_id).cloned().ok_or_else(|| {
        let id = role_definition_id.rsplit('/').next().unwrap_or_default();
        let message = format!("The specified role definition with ID '{id}' does not exist.");
        ArmError::new(404, "RoleDefinitionDoesNotExist", message)
    })?;
    let by = (context.now, context.caller.object_id.clone());
    if let Some(mut known) = known {
        if !known.says_the_same(scope, &principal_id, &role.id) {
            return Err(ArmError::new(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        known.description = description;
        known.condition = condition;
        known.condition_version = condition_version;
        known.updated = by;
        let reply = Reply::new(200, describe(&known, &context.route.subscription));
        // What a seed gave has no description to change, and takes no condition.
        if let Some(given) = store
            .assignments
            .iter_mut()
            .find(|given| given.name == known.name)
        {
            *given = known;
        }
        return Ok(reply);
    }
    if principal_type.is_none() {
        check_principal(context, &principal_id)?;
    }
    let mut all = store.all(context.state).into_iter();
    if all.any(|other| other.says_the_same(scope, &principal_id, &role.id)) {
        let message = "The role assignment already exists.";
        return Err(ArmError::new(409, "RoleAssignmentExists", message));
    }
    let given = Assignment {
        name: name.to_ascii_lowercase(),
        scope: scope.clone(),
        principal: principal_id.to_ascii_lowercase(),
        principal_type: principal_type.unwrap_or_else(|| "ServicePrincipal".to_owned()),
        role,
        description,
        condition,
        condition_version,
        created: by.clone(),
        updated: by,
        validity: Validity::from(context.after(store.settings.role_propagation)),
        seeded: None,
    };
    let reply = Reply::new(201, describe(&given, &context.route.subscription));
    store.assignments.push(given);
    Ok(reply)
}

/// A new principal is not known everywhere at once.
fn check_principal(context: &Context<'_>, principal: &str) -> Result<(), ArmError> {
    let tenant = &context.caller.tenant_id;
    let directory = &context.state.directory;
    if directory.knows_object(tenant, principal, context.now) {
        return Ok(());
    }
    let principal = principal.replace('-', "");
    let message = format!(
        "Principal {principal} does not exist in the directory {tenant}. Check that you have the \
         correct principal ID. If you are creating this principal and then immediately assigning a \
         role, this error might be related to a replication delay. In this case, set the role \
         assignment principalType property to a value, such as ServicePrincipal, User, or Group. \
         See https://aka.ms/docs-principaltype"
    );
    Err(ArmError::new(400, "PrincipalNotFound", message))
}

fn no_scope(context: &Context<'_>) -> ArmError {
    let route = context.route;
    let name = route.parent.rsplit('/').next().unwrap_or_default();
    ArmError::no_resource(Kind::of_id(&route.parent), name, route.group_name())
}

/// Without a filter: on the scope, above and below it.
fn list_filtered(store: &Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let mut only_above = false;
    let mut of = Vec::new();
    for clause in filter(context)? {
        match clause {
            Clause::Function(name, None) if name == "atscope" => only_above = true,
            Clause::Function(name, Some(principal)) if name == "assignedto" => of.push(principal),
            Clause::Equals(name, principal) if name == "principalid" => of.push(principal),
            _ => return Err(unsupported(&context.query("$filter").unwrap_or_default())),
        }
    }
    let here = context.route.parent_key();
    let State {
        directory, vaults, ..
    } = context.state;
    let found = store.all(context.state).into_iter().filter(|given| {
        let scope = given.scope.to_ascii_lowercase();
        let above = is_within(&here, &scope);
        (above || !only_above && is_within(&scope, &here))
            && of
                .iter()
                .all(|of| of.eq_ignore_ascii_case(&given.principal))
            && store.has_scope(&given.scope, directory, vaults)
    });
    let subscription = &context.route.subscription;
    list(
        store,
        context,
        found.map(|given| describe(&given, subscription)),
    )
}

fn describe(given: &Assignment, subscription: &str) -> Value {
    let scope = &given.scope;
    let kind = Kind::Assignment.type_name();
    json!({
        "id": format!("{scope}/providers/{kind}/{}", given.name),
        "type": kind,
        "name": given.name,
        "properties": {
            "roleDefinitionId": given.role.arm_id(subscription),
            "principalId": given.principal,
            "principalType": given.principal_type,
            "scope": scope,
            "description": given.description,
            "condition": given.condition,
            "conditionVersion": given.condition_version,
            "createdOn": time(given.created.0),
            "updatedOn": time(given.updated.0),
            "createdBy": given.created.1,
            "updatedBy": given.updated.1,
        },
    })
}
