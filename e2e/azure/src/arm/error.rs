//! Errors in Resource Manager's words.

use serde_json::{Value, json};

use super::route::Kind;
use crate::vault::Caller;

/// An error with what the answer says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArmError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Seconds for `Retry-After`.
    pub(super) retry_after: Option<u64>,
    /// Whether the gateway says it, before a resource provider is asked.
    pub(super) gateway: bool,
}

impl ArmError {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            gateway: false,
        }
    }

    pub(super) fn gateway(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            gateway: true,
            ..Self::new(status, code, message)
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }

    pub(super) fn unknown_path(path: &str) -> Self {
        let message = format!("The emulated Resource Manager has nothing at '{path}'.");
        Self::gateway(404, "InvalidResourceType", message)
    }

    pub(super) fn method(method: &http::Method) -> Self {
        let message =
            format!("The http method '{method}' is not supported for this resource type.");
        Self::gateway(405, "HttpMethodNotAllowed", message)
    }

    pub(super) fn no_version() -> Self {
        let message =
            "The api-version query parameter (?api-version=) is required for all requests.";
        Self::gateway(400, "MissingApiVersionParameter", message)
    }

    pub(super) fn version(version: &str, supported: &[&str]) -> Self {
        let supported = supported.join(",");
        let message = format!(
            "The api-version '{version}' is invalid. The supported versions are '{supported}'."
        );
        Self::gateway(400, "InvalidApiVersionParameter", message)
    }

    pub(super) fn no_subscription(subscription: &str) -> Self {
        let message = format!("The subscription '{subscription}' could not be found.");
        Self::gateway(404, "SubscriptionNotFound", message)
    }

    pub(super) fn no_group(group: &str) -> Self {
        let message = format!("Resource group '{group}' could not be found.");
        Self::gateway(404, "ResourceGroupNotFound", message)
    }

    pub(super) fn no_resource(kind: Kind, name: &str, group: &str) -> Self {
        let kind = kind.type_name();
        let message = format!(
            "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more \
             details please go to https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::gateway(404, "ResourceNotFound", message)
    }

    pub(super) fn no_parent(parent: &str, nested: &str) -> Self {
        let message = format!(
            "Failed to perform 'write' on resource(s) of type '{nested}', because the parent \
             resource '{parent}' could not be found."
        );
        Self::gateway(404, "ParentResourceNotFound", message)
    }

    pub(super) fn not_authorized(caller: &Caller, action: &str, scope: &str) -> Self {
        let (client, object) = (&caller.client_id, &caller.object_id);
        let message = format!(
            "The client '{client}' with object id '{object}' does not have authorization to \
             perform action '{action}' over scope '{scope}' or the scope is invalid. If access was \
             recently granted, please refresh your credentials."
        );
        Self::gateway(403, "AuthorizationFailed", message)
    }

    pub(super) fn not_authorized_linked(
        caller: &Caller,
        (action, scope): (&str, &str),
        (linked_action, linked_scope): (&str, &str),
    ) -> Self {
        let (client, object) = (&caller.client_id, &caller.object_id);
        let message = format!(
            "The client '{client}' with object id '{object}' has permission to perform action \
             '{action}' on scope '{scope}'; however, it does not have permission to perform \
             action(s) '{linked_action}' on the linked scope(s) '{linked_scope}' (respectively) or \
             the linked scope(s) are invalid."
        );
        Self::gateway(403, "LinkedAuthorizationFailed", message)
    }

    pub(super) fn content(problem: impl std::fmt::Display) -> Self {
        let message =
            format!("The request content was invalid and could not be deserialized: '{problem}'.");
        Self::gateway(400, "InvalidRequestContent", message)
    }

    pub(super) fn concurrent_writes(identity: &str) -> Self {
        let identity = identity.to_ascii_lowercase();
        let message = format!(
            "Too many Federated Identity Credentials are written concurrently for the managed \
             identity '{identity}'. Concurrent Federated Identity Credentials writes under the \
             same managed identity are not supported."
        );
        let code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";
        Self::new(409, code, message)
    }

    pub(super) fn throttled(subscription: &str, what: &str, actor: &str, seconds: u64) -> Self {
        let message = format!(
            "Number of '{what}' requests for subscription '{subscription}' actor '{actor}' \
             exceeded. Please try again after '{seconds}' seconds after additional tokens are \
             available. Refer to https://aka.ms/arm-throttling for additional information."
        );
        Self {
            retry_after: Some(seconds),
            ..Self::gateway(429, "SubscriptionRequestsThrottled", message)
        }
    }

    pub(super) fn too_many(what: &str, seconds: u64) -> Self {
        let message = format!(
            "The request is being throttled as too many {what} of the managed identity were \
             received. Retry after {seconds} seconds."
        );
        Self {
            retry_after: Some(seconds),
            ..Self::new(429, "TooManyRequests", message)
        }
    }

    /// The error of a fault; `path` says whose words fit.
    pub(super) fn fault(status: u16, path: &str) -> Self {
        let path = path.to_ascii_lowercase();
        match status {
            401 => Self::gateway(401, "AuthenticationFailed", "Authentication failed."),
            403 => Self::gateway(403, "AuthorizationFailed", "The request was refused."),
            404 => Self::gateway(404, "ResourceNotFound", "The resource was not found."),
            409 => match path.split_once("/federatedidentitycredentials") {
                Some((identity, _)) => Self::concurrent_writes(identity),
                None => Self::new(409, "Conflict", "The request conflicts with another one."),
            },
            429 => Self::gateway(
                429,
                "TooManyRequests",
                "The request is being throttled. Please try again later.",
            ),
            503 => Self::gateway(
                503,
                "ServiceUnavailable",
                "The service is temporarily unavailable. Please try again later.",
            ),
            504 => Self::gateway(
                504,
                "GatewayTimeout",
                "The gateway did not receive a response from the resource provider in time.",
            ),
            500.. => Self::new(status, "InternalServerError", "The server met an error."),
            _ => Self::new(status, "BadRequest", "The request could not be processed."),
        }
    }
}
