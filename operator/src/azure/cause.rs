//! Why Resource Manager did not answer as hoped, in the terms that plans go by.

use vaultbind_keyvault::error::Category;
use vaultbind_keyvault::management::{ManagementError, ManagementRefusal};
use vaultbind_keyvault::metadata::NoToken;

use super::actions::{BINDING_WRITE, CREDENTIAL_WRITE};
use crate::observed::AzureCause;

/// Stands for the code of a refusal without one, which is not Resource Manager's own.
pub(super) const NO_CODE: &str = "no code";

/// What an error means for whoever wanted to do `action`.
pub(super) fn of(action: &str, error: ManagementError) -> AzureCause {
    match error {
        ManagementError::NoToken(error) => AzureCause::NoToken {
            text: error.to_string(),
            lasting: match &*error {
                NoToken::Proof(missing) => missing.lasting,
                NoToken::Refused(error) => {
                    !matches!(error.category(), Category::Unreachable | Category::Internal)
                }
            },
        },
        ManagementError::Refused(refusal) => of_refusal(action, refusal),
        error @ (ManagementError::Unreachable { .. } | ManagementError::BadAnswer { .. }) => {
            AzureCause::Silent {
                text: error.to_string(),
            }
        }
    }
}

fn of_refusal(action: &str, refusal: ManagementRefusal) -> AzureCause {
    let says_the_same = || {
        let message = refusal.message.to_ascii_lowercase();
        message.contains("issuer and subject combination already exists")
    };
    // Azure documents neither code nor text of a second binding of a cluster to the same identity.
    let binds_twice = || refusal.message.contains("already");
    // The first binding of an identity gives it one.
    let gives_credential = matches!(action, CREDENTIAL_WRITE | BINDING_WRITE);
    let is_busy = refusal.status == 429 || refusal.status == 409 && refusal.is_passing();
    let code = match refusal.code.as_str() {
        "" => NO_CODE.to_owned(),
        code => code.to_owned(),
    };
    let status = refusal.status;
    match status {
        403 => AzureCause::Forbidden { code },
        404 => AzureCause::NotFound { code },
        409 if code == "RoleAssignmentExists" => AzureCause::Exists { status, code },
        400 | 409 if says_the_same() => AzureCause::Exists { status, code },
        400 if code == "PrincipalNotFound" => AzureCause::PrincipalNotFound,
        409 if action == BINDING_WRITE && binds_twice() => AzureCause::Exists { status, code },
        400 | 409 if gives_credential && is_one_too_many(&refusal) => AzureCause::LimitReached,
        _ if is_busy => AzureCause::Busy {
            status,
            code,
            retry_after: refusal.retry_after,
        },
        // A timeout, or no answer at all.
        ..400 | 408 => AzureCause::Silent {
            text: refusal.to_string(),
        },
        // Azure's words about its own failures differ from try to try.
        500.. => AzureCause::Refused {
            status,
            code,
            message: "it fails at present".to_owned(),
        },
        _ => AzureCause::Refused {
            status,
            code,
            message: match refusal.message.as_str() {
                "" => "it does not say why".to_owned(),
                _ => refusal.message,
            },
        },
    }
}

/// Whether it is one federated credential too many. Azure documents neither code nor text of that refusal,
/// only the limit.
fn is_one_too_many(refusal: &ManagementRefusal) -> bool {
    let ManagementRefusal { code, message, .. } = refusal;
    let code = code.to_ascii_lowercase();
    if code.starts_with("concurrent") {
        return false;
    }
    let of_code = ["limit", "quota", "toomany", "maximum"];
    if of_code.iter().any(|word| code.contains(word)) {
        return true;
    }
    let message = message.to_ascii_lowercase();
    // Other limits are those of single fields.
    let of_field = ["length", "characters", "concurrent"];
    let of_limit = [
        "too many",
        "at most",
        "maximum",
        "limit",
        "exceed",
        "more than",
    ];
    message.contains("credential")
        && of_limit.iter().any(|word| message.contains(word))
        && !of_field.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests;
