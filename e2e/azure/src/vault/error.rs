//! Errors in Azure's words.

use http::StatusCode;
use serde_json::{Value, json};

use super::names::Collection;

/// A refusal as the data plane sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) inner: Option<&'static str>,
    pub(super) message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            inner: None,
            message: message.into(),
        }
    }

    /// 400: the request itself is wrong.
    pub(super) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    /// 403 with the reason in `innererror`.
    pub(super) fn forbidden(inner: &'static str, message: impl Into<String>) -> Self {
        Self {
            inner: Some(inner),
            ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
        }
    }

    /// 404 for an object or version (`what` is `name` or `name/version`).
    pub(super) fn not_found(kind: Collection, what: &str) -> Self {
        let noun = kind.noun();
        Self::new(
            StatusCode::NOT_FOUND,
            not_found_code(kind),
            format!(
                "A {noun} with (name/id) {what} was not found in this key vault. If you recently \
                 deleted this {noun} you may be able to recover it using the correct recovery \
                 command. For help resolving this issue, please see \
                 https://go.microsoft.com/fwlink/?linkid=2125182"
            ),
        )
    }

    /// 404 for an object that is not, or not yet, among the deleted.
    pub(super) fn deleted_not_found(kind: Collection, name: &str) -> Self {
        let message = format!("Deleted {} not found: {name}", kind.title());
        Self::new(StatusCode::NOT_FOUND, not_found_code(kind), message)
    }

    /// 404 for a creation that was never started or was removed.
    pub(super) fn pending_not_found(name: &str) -> Self {
        let message = format!("Pending certificate not found: {name}");
        Self::new(StatusCode::NOT_FOUND, "PendingCertificateNotFound", message)
    }

    /// 409: the name is held by a deleted object.
    pub(super) fn deleted_but_recoverable(kind: Collection, name: &str) -> Self {
        let message = format!(
            "{} {name} is currently in a deleted but recoverable state, and its name cannot be \
             reused; in this state, the {} can only be recovered or purged.",
            kind.title(),
            kind.noun()
        );
        Self {
            inner: Some("ObjectIsDeletedButRecoverable"),
            ..Self::new(StatusCode::CONFLICT, "Conflict", message)
        }
    }

    /// 409: the deletion has not settled.
    pub(super) fn being_deleted(kind: Collection, name: &str) -> Self {
        let message = format!(
            "{} {name} is currently being deleted and cannot be re-created; retry later.",
            kind.title()
        );
        Self {
            inner: Some("ObjectIsBeingDeleted"),
            ..Self::new(StatusCode::CONFLICT, "Conflict", message)
        }
    }

    /// 409 for everything else that is in the way.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// 403: the secret or key belongs to a certificate and is changed through that.
    pub(super) fn managed(kind: Collection, operation: &str) -> Self {
        let inner = match kind {
            Collection::Keys => "KeyManagedByKeyVault",
            Collection::Secrets | Collection::Certificates => "SecretManagedByKeyVault",
        };
        Self::forbidden(
            inner,
            format!(
                "Operation \"{operation}\" is not allowed on this {}, since it is associated with \
                 a certificate.",
                kind.noun()
            ),
        )
    }

    /// 405: no operation of this method there.
    pub(super) fn method_not_allowed(method: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            format!("The method {method} is not allowed on this resource"),
        )
    }

    /// 404 for a path that leads nowhere.
    pub(super) fn no_resource() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            "The requested resource does not exist.",
        )
    }

    /// 404 for a host that is no vault.
    pub(super) fn no_vault(host: &str) -> Self {
        let message = format!("{host} is not a vault of this emulator; add it to the seed.");
        Self::new(StatusCode::NOT_FOUND, "VaultNotFound", message)
    }

    /// 500: the emulator failed.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            message,
        )
    }

    /// The body: `{"error":{"code":..,"message":..,"innererror":{"code":..}}}`.
    pub(super) fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(inner), Some(error)) = (self.inner, error.as_object_mut()) {
            error.insert("innererror".to_owned(), json!({ "code": inner }));
        }
        json!({ "error": error })
    }
}

fn not_found_code(kind: Collection) -> &'static str {
    match kind {
        Collection::Secrets => "SecretNotFound",
        Collection::Keys => "KeyNotFound",
        Collection::Certificates => "CertificateNotFound",
    }
}
