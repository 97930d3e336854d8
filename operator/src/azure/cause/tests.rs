use std::sync::Arc;
use std::time::Duration;

use vaultbind_keyvault::metadata::NoProof;

use super::super::actions::{ASSIGNMENT_WRITE, BINDING_WRITE, CREDENTIAL_DELETE};
use super::*;

fn refusal(status: u16, code: &str, message: &str) -> ManagementError {
    ManagementError::Refused(ManagementRefusal {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
        retry_after: None,
        request_id: None,
    })
}

fn on(action: &str, status: u16, code: &str, message: &str) -> AzureCause {
    of(action, refusal(status, code, message))
}

fn busy(status: u16, code: &str) -> AzureCause {
    AzureCause::Busy {
        status,
        code: code.to_owned(),
        retry_after: None,
    }
}

fn refused(status: u16, code: &str, message: &str) -> AzureCause {
    AzureCause::Refused {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

#[test]
fn a_refusal_is_known_by_status_and_code() {
    let concurrent = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";
    let forbidden = |code: &str| AzureCause::Forbidden {
        code: code.to_owned(),
    };
    let missing = |code: &str| AzureCause::NotFound {
        code: code.to_owned(),
    };
    let exists = |status, code: &str| AzureCause::Exists {
        status,
        code: code.to_owned(),
    };
    let twice = "Issuer and subject combination already exists for this Managed Identity.";
    for (status, code, message, expected) in [
        (
            403,
            "AuthorizationFailed",
            "no",
            forbidden("AuthorizationFailed"),
        ),
        (403, "", "", forbidden(NO_CODE)),
        (404, "ResourceNotFound", "no", missing("ResourceNotFound")),
        (404, "", "", missing(NO_CODE)),
        (
            409,
            concurrent,
            "Too many Federated Identity Credentials",
            busy(409, concurrent),
        ),
        (
            409,
            "AnotherOperationInProgress",
            "",
            busy(409, "AnotherOperationInProgress"),
        ),
        (
            429,
            "TooManyRequests",
            "too many",
            busy(429, "TooManyRequests"),
        ),
        (429, "", "", busy(429, NO_CODE)),
        (
            409,
            "RoleAssignmentExists",
            "",
            exists(409, "RoleAssignmentExists"),
        ),
        (400, "BadRequest", twice, exists(400, "BadRequest")),
        (
            409,
            "Conflict",
            &twice.to_uppercase(),
            exists(409, "Conflict"),
        ),
        (400, "PrincipalNotFound", "", AzureCause::PrincipalNotFound),
        (
            401,
            "InvalidAuthenticationToken",
            "old",
            refused(401, "InvalidAuthenticationToken", "old"),
        ),
        (
            400,
            "RoleAssignmentUpdateNotPermitted",
            "no",
            refused(400, "RoleAssignmentUpdateNotPermitted", "no"),
        ),
        (
            409,
            "ScopeLocked",
            "locked",
            refused(409, "ScopeLocked", "locked"),
        ),
        (400, "", "", refused(400, NO_CODE, "it does not say why")),
        (
            503,
            "ServiceUnavailable",
            "id 7",
            refused(503, "ServiceUnavailable", "it fails at present"),
        ),
    ] {
        for action in [CREDENTIAL_WRITE, ASSIGNMENT_WRITE, CREDENTIAL_DELETE] {
            let cause = on(action, status, code, message);
            assert_eq!(cause, expected, "{action} {status} {code} {message}");
        }
    }
}

#[test]
fn the_21st_credential_is_known_however_azure_puts_it() {
    for (status, code, message) in [
        (
            400,
            "BadRequest",
            "Too many Federated Identity Credentials. At most 20 are allowed.",
        ),
        (
            400,
            "BadRequest",
            "The maximum number of federated identity credentials is 20.",
        ),
        (
            400,
            "BadRequest",
            "A managed identity cannot have more than 20 federated credentials.",
        ),
        (
            409,
            "BadRequest",
            "Limit of 20 federated identity credentials exceeded.",
        ),
        (400, "FederatedIdentityCredentialsLimitReached", ""),
        (400, "QuotaExceeded", "no"),
    ] {
        for action in [CREDENTIAL_WRITE, BINDING_WRITE] {
            let cause = on(action, status, code, message);
            assert_eq!(cause, AzureCause::LimitReached, "{action} {code} {message}");
        }
        let elsewhere = on(ASSIGNMENT_WRITE, status, code, message);
        assert_eq!(
            elsewhere,
            refused(status, code, elsewhere_message(message)),
            "{message}"
        );
    }
}

fn elsewhere_message(message: &str) -> &str {
    match message {
        "" => "it does not say why",
        message => message,
    }
}

#[test]
fn other_refusals_of_a_credential_are_no_limit_of_credentials() {
    for message in [
        "Federated Identity Credential name 'x' is invalid.",
        "Federated identity credentials must have exactly one audience.",
        "The request format was unexpected. Federated Identity Credential must specify 'issuer'.",
        "Federated Identity Credential subject exceeds the maximum length of 600.",
        "The issuer of the credential may have at most 600 characters.",
    ] {
        let cause = on(CREDENTIAL_WRITE, 400, "BadRequest", message);
        assert_eq!(cause, refused(400, "BadRequest", message));
    }
}

#[test]
fn what_azure_asks_to_wait_is_kept() {
    let error = ManagementError::Refused(ManagementRefusal {
        status: 429,
        code: "TooManyRequests".to_owned(),
        message: String::new(),
        retry_after: Some(Duration::from_secs(7)),
        request_id: None,
    });
    let AzureCause::Busy { retry_after, .. } = of(CREDENTIAL_WRITE, error) else {
        panic!("not busy");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn without_a_token_or_an_answer_the_reason_is_told() {
    for (proof, lasting) in [
        (NoProof::lasting("no identity"), true),
        (NoProof::passing("no identity"), false),
    ] {
        let error = ManagementError::NoToken(Arc::new(NoToken::Proof(proof)));
        let text = "no identity".to_owned();
        assert_eq!(
            of(CREDENTIAL_WRITE, error),
            AzureCause::NoToken { text, lasting }
        );
    }
    let error = ManagementError::BadAnswer {
        what: "gave an answer that cannot be read".to_owned(),
    };
    let text = "Resource Manager gave an answer that cannot be read".to_owned();
    assert_eq!(of(CREDENTIAL_WRITE, error), AzureCause::Silent { text });
    let late = on(CREDENTIAL_WRITE, 408, "", "");
    assert!(
        matches!(&late, AzureCause::Silent { text } if text.contains("408")),
        "{late}"
    );
}
