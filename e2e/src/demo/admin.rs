//! The administration of the emulated Azure, over HTTP.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use vaultbind_azure::Service;

/// The administration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admin(pub(super) SocketAddr);

/// A call in the log of the emulated Azure, as far as it is shown.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) host: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: Option<u16>,
    pub(super) connection: u64,
    pub(super) http_version: String,
}

impl Admin {
    /// The calls so far, oldest first.
    pub(super) async fn calls(self) -> anyhow::Result<Vec<Call>> {
        self.send(Method::GET, "/calls", None).await
    }

    /// Forgets the calls so far.
    pub(super) async fn forget_calls(self) -> anyhow::Result<()> {
        self.send_raw(Method::DELETE, "/calls", None).await?;
        Ok(())
    }

    /// Gives a secret a new version and returns its id.
    pub(super) async fn set_secret(
        self,
        vault: &str,
        name: &str,
        value: &str,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            version: String,
        }
        let path = format!("/vaults/{vault}/secrets/{name}");
        let answer: Answer = self
            .send(Method::PUT, &path, Some(json!({ "value": value })))
            .await?;
        Ok(answer.version)
    }

    /// A ServiceAccount token, as the API server makes them.
    pub(super) async fn service_account_token(
        self,
        namespace: &str,
        service_account: &str,
        audience: &str,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
        }
        let body = json!({
            "namespace": namespace,
            "serviceAccountName": service_account,
            "audience": audience,
        });
        let answer: Answer = self
            .send(Method::POST, "/service-account-token", Some(body))
            .await?;
        Ok(answer.token)
    }

    async fn send<T: DeserializeOwned>(
        self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let answer = self.send_raw(method, path, body).await?;
        serde_json::from_slice(&answer).with_context(|| format!("answer of {path}"))
    }

    async fn send_raw(
        self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Bytes> {
        let what = format!("{method} http://{}{path}", self.0);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.0.to_string())
            .body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect(self.0)
            .await
            .with_context(|| what.clone())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .with_context(|| what.clone())?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        connection.abort();
        ensure!(
            status.is_success(),
            "expected success of {what}, found {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(answer)
    }
}
