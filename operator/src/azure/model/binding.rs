//! Identity bindings, and how far Azure is with them.

use serde::Deserialize;
use serde_json::Value;
use vaultbind_keyvault::management::Answer;
use vaultbind_keyvault::text::printable;

use super::{LONGEST, Misshapen, Shape, parse, text};
use crate::observed::{BindingState, IdentityBinding, Progress};

/// No longer than an address that Azure names.
const LONGEST_ADDRESS: usize = 2048;

#[derive(Deserialize)]
struct BindingResource {
    #[serde(deserialize_with = "text")]
    id: String,
    #[serde(deserialize_with = "text")]
    name: String,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    managed_identity: Identity,
    #[serde(default)]
    oidc_issuer: Option<Issuer>,
    #[serde(default)]
    provisioning_state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(deserialize_with = "text")]
    resource_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issuer {
    #[serde(default)]
    oidc_issuer_url: Option<String>,
}

impl Shape for IdentityBinding {
    const WHAT: &'static str = "an identity binding";

    fn read(body: Value) -> Result<Self, Misshapen> {
        let BindingResource {
            id,
            name,
            properties,
        } = parse(body)?;
        let Properties {
            managed_identity: Identity { resource_id },
            oidc_issuer,
            provisioning_state,
        } = properties;
        let issuer = oidc_issuer.and_then(|issuer| issuer.oidc_issuer_url);
        Ok(Self {
            id,
            name,
            identity: resource_id,
            issuer: issuer.map(|issuer| printable(&issuer, LONGEST)),
            state: match provisioning_state.to_ascii_lowercase().as_str() {
                "succeeded" => BindingState::Ready,
                "failed" | "canceled" => BindingState::Failed,
                "deleting" => BindingState::Leaving,
                _ => BindingState::UnderWay,
            },
        })
    }
}

/// Where an answer says how it goes on.
pub(in super::super) fn pending(answer: &Answer) -> Progress {
    let operation = answer.operation.clone();
    Progress::Pending {
        operation: operation.filter(|address| address.len() <= LONGEST_ADDRESS),
        retry_after: answer.retry_after,
    }
}

#[derive(Deserialize)]
struct Operation {
    status: String,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// How an operation goes, by the answer of its address: its state, or without a body only whether there is
/// more to wait for.
pub(in super::super) fn progress(address: &str, answer: Answer) -> Result<Progress, Misshapen> {
    let pending = Progress::Pending {
        operation: Some(address.to_owned()),
        retry_after: answer.retry_after,
    };
    if answer.body.is_null() {
        return Ok(match answer.status {
            202 => pending,
            _ => Progress::Done,
        });
    }
    let Operation { status, error } = parse(answer.body)?;
    Ok(match status.to_ascii_lowercase().as_str() {
        "succeeded" => Progress::Done,
        "failed" | "canceled" => {
            let Failure { code, message } = error.unwrap_or_default();
            Progress::Failed {
                code: printable(&code.unwrap_or(status), 100),
                message: printable(&message.unwrap_or_default(), 500),
            }
        }
        _ => pending,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const ADDRESS: &str = "https://management.azure.com/subscriptions/s/operations/1";

    fn answer(status: u16, body: Value) -> Answer {
        Answer {
            status,
            body,
            retry_after: Some(Duration::from_secs(5)),
            operation: Some(ADDRESS.to_owned()),
        }
    }

    #[test]
    fn a_binding_is_ready_once_it_has_succeeded() {
        for (state, expected) in [
            ("Succeeded", BindingState::Ready),
            ("Creating", BindingState::UnderWay),
            ("Updating", BindingState::UnderWay),
            ("", BindingState::UnderWay),
            ("Deleting", BindingState::Leaving),
            ("Failed", BindingState::Failed),
            ("Canceled", BindingState::Failed),
        ] {
            let body = json!({"id": "/x/y", "name": "y", "properties": {
                "managedIdentity": {"resourceId": "/i"},
                "provisioningState": state,
            }});
            let binding = IdentityBinding::read(body).unwrap();
            assert_eq!((binding.state, binding.issuer), (expected, None), "{state}");
        }
        for body in [
            json!({}),
            json!({"id": "/x", "name": "x", "properties": {}}),
            json!(null),
        ] {
            assert_eq!(IdentityBinding::read(body), Err(Misshapen));
        }
    }

    #[test]
    fn an_operation_goes_on_until_it_says_otherwise() {
        let waiting = pending(&answer(202, Value::Null));
        let failed = |code: &str, message: &str| Progress::Failed {
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let error = json!({"code": "NoRoom", "message": "a\nb"});
        for (status, body, expected) in [
            (202, Value::Null, waiting.clone()),
            (204, Value::Null, Progress::Done),
            (200, Value::Null, Progress::Done),
            (200, json!({"status": "InProgress"}), waiting.clone()),
            (200, json!({"status": "Creating", "error": null}), waiting),
            (200, json!({"status": "succeeded"}), Progress::Done),
            (
                200,
                json!({"status": "Failed", "error": error}),
                failed("NoRoom", "a b"),
            ),
            (200, json!({"status": "Canceled"}), failed("Canceled", "")),
        ] {
            let told = progress(ADDRESS, answer(status, body.clone()));
            assert_eq!(told, Ok(expected), "{status} {body}");
        }
        for body in [json!({}), json!([]), json!({"status": 1})] {
            assert_eq!(progress(ADDRESS, answer(200, body)), Err(Misshapen));
        }
    }

    #[test]
    fn an_address_without_end_is_none() {
        let mut long = answer(202, Value::Null);
        long.operation = Some("x".repeat(LONGEST_ADDRESS + 1));
        let Progress::Pending { operation, .. } = pending(&long) else {
            panic!("not pending");
        };
        assert_eq!(operation, None);
    }
}
