//! The administration of the emulated Azure, over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpStream;
use url::{Position, Url};
use vaultbind_azure::vault::{Collection, RoleAssignment, SetSecret};
use vaultbind_azure::{
    Call, CertificateVersion, EnabledChange, Fault, FaultId, FaultState, FederatedCredentialSeed,
    NetworkChange, Revocation, ServiceAccountToken, TokenRequest,
};

/// The administration at an address. Each call has a connection of its own.
///
/// Every method fails when the administration cannot be reached or refuses; the error has its words.
#[derive(Debug, Clone, Copy)]
pub struct Admin(SocketAddr);

#[derive(Deserialize)]
struct Version {
    version: String,
}

impl Admin {
    /// The administration at an address, which need not answer yet.
    pub fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Asks whether it answers.
    pub async fn healthy(self) -> anyhow::Result<()> {
        self.done(Method::GET, &["healthz"], Bytes::new()).await
    }

    /// The certificate that clients must trust, PEM.
    pub async fn ca_pem(self) -> anyhow::Result<String> {
        let answer = self.send(Method::GET, &["ca.pem"], Bytes::new()).await?;
        Ok(String::from_utf8(answer.to_vec())?)
    }

    /// The calls so far, oldest first.
    pub async fn calls(self) -> anyhow::Result<Vec<Call>> {
        self.get(&["calls"]).await
    }

    /// Forgets the calls so far, of everybody.
    pub async fn forget_calls(self) -> anyhow::Result<()> {
        self.done(Method::DELETE, &["calls"], Bytes::new()).await
    }

    /// The faults there are and how often they have struck.
    pub async fn faults(self) -> anyhow::Result<Vec<FaultState>> {
        self.get(&["faults"]).await
    }

    /// Puts a fault in the way of calls.
    pub async fn add_fault(self, fault: &Fault) -> anyhow::Result<FaultId> {
        #[derive(Deserialize)]
        struct Added {
            id: FaultId,
        }
        let added: Added = self.ask(Method::POST, &["faults"], fault).await?;
        Ok(added.id)
    }

    /// Takes a fault away.
    pub async fn remove_fault(self, id: FaultId) -> anyhow::Result<()> {
        let path = ["faults", &id.0.to_string()];
        self.done(Method::DELETE, &path, Bytes::new()).await
    }

    /// Takes all faults away, of everybody.
    pub async fn clear_faults(self) -> anyhow::Result<()> {
        self.done(Method::DELETE, &["faults"], Bytes::new()).await
    }

    /// Ids of all federated credentials and role assignments on and below a resource.
    pub async fn managed_below(self, resource_id: &str) -> anyhow::Result<Vec<String>> {
        let mut url = self.url(&["arm", "managed"])?;
        url.query_pairs_mut().append_pair("below", resource_id);
        let answer = self.request(Method::GET, &url, Bytes::new()).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// A ServiceAccount token, as the API server makes them.
    pub async fn service_account_token(
        self,
        request: &TokenRequest,
    ) -> anyhow::Result<ServiceAccountToken> {
        let path = ["service-account-token"];
        self.ask(Method::POST, &path, request).await
    }

    /// The public keys by issuer, as key sets.
    pub async fn key_sets(self) -> anyhow::Result<BTreeMap<String, Value>> {
        self.get(&["jwks"]).await
    }

    /// Adds what a seed says, YAML or JSON: all of it, or nothing in case of an error.
    pub async fn seed(self, seed: &str) -> anyhow::Result<()> {
        let seed = Bytes::copy_from_slice(seed.as_bytes());
        self.done(Method::POST, &["seed"], seed).await
    }

    /// Adds a federated credential, or replaces the one of the same name.
    pub async fn put_federated_credential(
        self,
        client_id: &str,
        credential: &FederatedCredentialSeed,
    ) -> anyhow::Result<()> {
        let path = ["applications", client_id, "federated-credentials"];
        self.done(Method::PUT, &path, json(credential)?).await
    }

    /// Removes a federated credential; it need not be there.
    pub async fn remove_federated_credential(
        self,
        client_id: &str,
        name: &str,
    ) -> anyhow::Result<()> {
        let path = ["applications", client_id, "federated-credentials", name];
        self.done(Method::DELETE, &path, Bytes::new()).await
    }

    /// Removes a vault: its host is unknown from now on.
    pub async fn remove_vault(self, vault: &str) -> anyhow::Result<()> {
        let path = ["vaults", vault];
        self.done(Method::DELETE, &path, Bytes::new()).await
    }

    /// Gives a secret a new version and returns its id.
    pub async fn set_secret(
        self,
        vault: &str,
        name: &str,
        secret: &SetSecret,
    ) -> anyhow::Result<String> {
        let path = ["vaults", vault, "secrets", name];
        let answer: Version = self.ask(Method::PUT, &path, secret).await?;
        Ok(answer.version)
    }

    /// Enables or disables a version; of a certificate together with its key and secret.
    pub async fn set_enabled(
        self,
        vault: &str,
        collection: Collection,
        name: &str,
        change: &EnabledChange,
    ) -> anyhow::Result<()> {
        let path = ["vaults", vault, collection.segment(), name, "enabled"];
        self.done(Method::PUT, &path, json(change)?).await
    }

    /// Issues or imports a version of a certificate and returns its id.
    pub async fn add_certificate_version(
        self,
        vault: &str,
        name: &str,
        version: &CertificateVersion,
    ) -> anyhow::Result<String> {
        let path = ["vaults", vault, "certificates", name, "versions"];
        let answer: Version = self.ask(Method::POST, &path, version).await?;
        Ok(answer.version)
    }

    /// Gives a principal a role.
    pub async fn assign_role(self, vault: &str, given: &RoleAssignment) -> anyhow::Result<()> {
        let path = ["vaults", vault, "role-assignments"];
        self.done(Method::PUT, &path, json(given)?).await
    }

    /// Takes a role, or all rights on the vault, from a principal.
    pub async fn revoke(self, vault: &str, taken: &Revocation) -> anyhow::Result<()> {
        let path = ["vaults", vault, "role-assignments"];
        self.done(Method::DELETE, &path, json(taken)?).await
    }

    /// Sets from where a vault may be reached.
    pub async fn set_network(self, vault: &str, change: &NetworkChange) -> anyhow::Result<()> {
        let path = ["vaults", vault, "network"];
        self.done(Method::PUT, &path, json(change)?).await
    }

    /// Ends the program.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        self.done(Method::POST, &["shutdown"], Bytes::new()).await
    }

    async fn get<T: DeserializeOwned>(self, path: &[&str]) -> anyhow::Result<T> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&answer).with_context(|| format!("answer of {path:?}"))
    }

    async fn ask<T: DeserializeOwned>(
        self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let answer = self.send(method, path, json(body)?).await?;
        serde_json::from_slice(&answer).with_context(|| format!("answer of {path:?}"))
    }

    async fn done(self, method: Method, path: &[&str], body: Bytes) -> anyhow::Result<()> {
        self.send(method, path, body).await.map(drop)
    }

    fn url(self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = Url::parse(&format!("http://{}/", self.0))?;
        // An address can be a base, so this never fails.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        Ok(url)
    }

    async fn send(self, method: Method, path: &[&str], body: Bytes) -> anyhow::Result<Bytes> {
        let url = self.url(path)?;
        self.request(method, &url, body).await
    }

    async fn request(self, method: Method, url: &Url, body: Bytes) -> anyhow::Result<Bytes> {
        let what = format!("{method} {url}");
        let request = Request::builder()
            .method(method)
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, self.0.to_string())
            .body(Full::new(body))?;
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

fn json(body: &impl Serialize) -> anyhow::Result<Bytes> {
    Ok(serde_json::to_vec(body)?.into())
}

#[cfg(test)]
mod tests;
