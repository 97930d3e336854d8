//! Tokens of ServiceAccounts: what proves to Entra that the operator asks as a workload.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use tokio::time::timeout;
use vaultbind_keyvault::metadata::{IdentitySource, NoProof};
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Claims, ClientId, Identity, Sensitive, TenantId};

use crate::observed::Subject;

/// The shortest that the API server gives; Entra wants it for a moment only.
const TOKEN_SECONDS: i64 = 600;

/// How long the API server may take, repetitions counted.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where tokens of ServiceAccounts come from.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token for one audience.
    ///
    /// # Errors
    /// What is missing and the remedy, for people; the same text at every try.
    async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
    ) -> Result<Sensitive, NoProof>;
}

/// The API server, by way of TokenRequest.
#[derive(Clone)]
pub struct KubeTokens(kube::Client);

impl KubeTokens {
    /// Asks with this client.
    pub fn new(client: kube::Client) -> Self {
        Self(client)
    }
}

impl fmt::Debug for KubeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KubeTokens")
    }
}

#[async_trait]
impl Tokens for KubeTokens {
    async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
    ) -> Result<Sensitive, NoProof> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.0.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                expiration_seconds: Some(TOKEN_SECONDS),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let asked = accounts.create_token_request(service_account, &parameters, &request);
        let answer = match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(namespace, service_account, %error, "no token of the ServiceAccount");
                return Err(no_token(namespace, service_account, Some(&error)));
            }
            Err(_) => return Err(no_token(namespace, service_account, None)),
        };
        let token = answer.status.map(|status| Sensitive::from(status.token));
        token.filter(|token| !token.is_empty()).ok_or_else(|| {
            NoProof::passing(format!(
                "the API server's answer has no token of ServiceAccount \
                 {namespace}/{service_account}: check its version and its admission webhooks"
            ))
        })
    }
}

fn no_token(namespace: &str, service_account: &str, error: Option<&kube::Error>) -> NoProof {
    let account = format!("ServiceAccount {namespace}/{service_account}");
    let Some(kube::Error::Api(status)) = error else {
        return NoProof::passing(format!(
            "the API server gave no token of {account}, as it could not be reached: check the \
             operator's connection to it"
        ));
    };
    match status.code {
        404 => NoProof::lasting(missing_account(namespace, service_account)),
        403 => {
            let words = printable(&status.message, 200);
            NoProof::lasting(format!(
                "the API server does not let the operator have a token of {account} ({words}): it \
                 needs create on serviceaccounts/token in namespace {namespace}, and no admission \
                 policy against it"
            ))
        }
        code => {
            let reason = printable(&status.reason, 64);
            NoProof::passing(format!(
                "the API server gave no token of {account} (HTTP {code} {reason}): look into its \
                 log, and into that of its admission webhooks"
            ))
        }
    }
}

/// That a ServiceAccount does not exist, and what to do.
pub fn missing_account(namespace: &str, service_account: &str) -> String {
    format!(
        "ServiceAccount {namespace}/{service_account} does not exist: kubectl create serviceaccount -n \
         {namespace} {service_account}, or correct spec.identity.serviceAccountName"
    )
}

/// A workload's identity, proved by its ServiceAccount.
pub(super) struct Workload {
    pub(super) tokens: Arc<dyn Tokens>,
    pub(super) tenant: TenantId,
    pub(super) client: ClientId,
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) audience: String,
    /// Of the last token, for those who are told whose it was.
    pub(super) subject: Mutex<Option<Subject>>,
}

impl Workload {
    pub(super) fn subject(&self) -> Option<Subject> {
        let subject = self.subject.lock();
        subject.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl IdentitySource for Workload {
    fn name(&self) -> &str {
        self.client.as_str()
    }

    async fn identity(&self) -> Result<Identity, NoProof> {
        let Self {
            tokens,
            namespace,
            service_account,
            audience,
            ..
        } = self;
        let token = tokens.token(namespace, service_account, audience).await?;
        let claims = Claims::of(&token);
        let subject = Subject {
            issuer: printable(&claims.issuer, 512),
            subject: printable(&claims.subject, 512),
            audience: printable(&claims.audience, 512),
        };
        *self.subject.lock().unwrap_or_else(PoisonError::into_inner) = Some(subject);
        let (tenant, client) = (self.tenant.clone(), self.client.clone());
        // What kind of identity it is follows from who takes its token.
        Ok(if audience == Identity::BINDING_AUDIENCE {
            Identity::IdentityBinding {
                tenant,
                client,
                token,
            }
        } else {
            Identity::WorkloadIdentity {
                tenant,
                client,
                token,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use kube::core::Status;
    use serde_json::{Value, json};

    use super::*;

    fn told(code: u16, reason: &str, message: &str) -> String {
        let status = Status::failure(message, reason).with_code(code);
        let error = kube::Error::Api(Box::new(status));
        let missing = no_token("pay", "api", Some(&error));
        assert_eq!(missing.lasting, code < 500);
        missing.text
    }

    #[test]
    fn a_refusal_of_the_api_server_names_the_remedy() {
        for (code, reason, message, expected) in [
            (
                404,
                "NotFound",
                "",
                "kubectl create serviceaccount -n pay api",
            ),
            (
                403,
                "Forbidden",
                "policy \"P4\" denied",
                "policy \"P4\" denied",
            ),
            (403, "Forbidden", "", "create on serviceaccounts/token"),
            (500, "InternalError", "etcd", "HTTP 500 InternalError"),
        ] {
            let text = told(code, reason, message);
            assert!(text.contains(expected), "{text}");
            assert!(text.contains("ServiceAccount pay/api"), "{text}");
        }
    }

    /// Tokens of an API server that gives this answer, and what it was asked.
    async fn ask(status: u16, answer: Value) -> (String, Value, Result<Sensitive, NoProof>) {
        let (sender, mut asked) = tokio::sync::mpsc::channel(1);
        let server = tower::service_fn(move |request: Request<Body>| {
            let (sender, answer) = (sender.clone(), answer.to_string());
            async move {
                let target = format!("{} {}", request.method(), request.uri().path());
                let body = request.into_body().collect_bytes().await?;
                let _ = sender.send((target, body)).await;
                let response = Response::builder().status(status);
                Ok::<_, kube::Error>(response.body(Body::from(answer.into_bytes())).unwrap())
            }
        });
        let tokens = KubeTokens::new(kube::Client::new(server, "default"));
        let token = tokens
            .token("pay", "api", "api://AzureADTokenExchange")
            .await;
        let (target, body) = asked.recv().await.unwrap();
        (target, serde_json::from_slice(&body).unwrap(), token)
    }

    #[tokio::test]
    async fn one_short_token_for_one_audience_is_asked_for() {
        let answer = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"creationTimestamp": null},
            "spec": {"audiences": ["api://AzureADTokenExchange"], "expirationSeconds": 600},
            "status": {"token": "e30.e30.c2ln", "expirationTimestamp": "2030-01-01T00:00:00Z"},
        });
        let (target, body, token) = ask(201, answer).await;
        assert_eq!(
            target,
            "POST /api/v1/namespaces/pay/serviceaccounts/api/token"
        );
        assert_eq!(
            body["spec"],
            json!({"audiences": ["api://AzureADTokenExchange"], "expirationSeconds": 600})
        );
        assert_eq!(token, Ok(Sensitive::from("e30.e30.c2ln")));
    }

    #[tokio::test]
    async fn a_missing_service_account_is_told_as_such() {
        let answer = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
            "message": "serviceaccounts \"api\" not found", "code": 404,
        });
        let (_, _, token) = ask(404, answer).await;
        let text = token.unwrap_err().text;
        assert!(
            text.starts_with("ServiceAccount pay/api does not exist"),
            "{text}"
        );
    }
}
