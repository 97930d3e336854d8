//! A small HTTP client that says exactly what is sent.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vaultbind_azure::Azure;

use crate::{BACKUP, LOGIN, SCOPE, TENANT};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) version: Version,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A connection on which requests go one after the other or side by side.
pub(crate) enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Plain HTTP/1.1.
    pub(crate) async fn plain(address: SocketAddr) -> Result<Self, Error> {
        Self::http1(TcpStream::connect(address).await?).await
    }

    /// TLS for a host at the HTTPS address.
    pub(crate) async fn direct(azure: &Azure, host: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(azure.https_addr()).await?;
        Self::tls(azure, stream, host).await
    }

    /// TLS for a host through the proxy.
    pub(crate) async fn proxied(azure: &Azure, host: &str) -> Result<Self, Error> {
        let (status, stream) = connect(azure.proxy_addr(), host).await?;
        if !status.starts_with("HTTP/1.1 200 ") {
            return Err(status.into());
        }
        Self::tls(azure, stream, host).await
    }

    pub(crate) async fn tls(azure: &Azure, stream: TcpStream, host: &str) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(azure.ca_pem().as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned())?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Self::http1(stream).await;
        }
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender))
    }

    async fn http1<S>(stream: S) -> Result<Self, Error>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self::Http1(sender))
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, Error> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match self {
            Self::Http1(sender) => {
                let request = request.uri(target).header("host", host);
                sender.ready().await?;
                sender
                    .send_request(request.body(Full::new(body.into()))?)
                    .await?
            }
            Self::Http2(sender) => {
                let request = request.uri(format!("https://{host}{target}"));
                sender
                    .send_request(request.body(Full::new(body.into()))?)
                    .await?
            }
        };
        let (parts, body) = answer.into_parts();
        Ok(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
            version: parts.version,
        })
    }
}

/// Asks a proxy to connect; answers its status line and the stream.
pub(crate) async fn connect(proxy: SocketAddr, host: &str) -> Result<(String, TcpStream), Error> {
    let mut stream = BufReader::new(TcpStream::connect(proxy).await?);
    let request = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = String::new();
    stream.read_line(&mut status).await?;
    if status.is_empty() {
        return Err("closed without an answer".into());
    }
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await?;
    }
    Ok((status, stream.into_inner()))
}

/// A GET on a connection of its own.
pub(crate) async fn get(azure: &Azure, host: &str, target: &str, token: Option<&str>) -> Reply {
    let mut connection = Connection::direct(azure, host).await.unwrap();
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer
        .iter()
        .map(|value| ("authorization", value.as_str()))
        .collect();
    connection
        .send("GET", host, target, &headers, "")
        .await
        .unwrap()
}

/// A form posted to a tenant's token endpoint.
pub(crate) async fn token(azure: &Azure, tenant: &str, form: &[(&str, &str)]) -> Reply {
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let mut connection = Connection::direct(azure, LOGIN).await.unwrap();
    let target = format!("/{tenant}/oauth2/v2.0/token");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    connection
        .send("POST", LOGIN, &target, &form, body)
        .await
        .unwrap()
}

/// An access token of the application `BACKUP`.
pub(crate) async fn access_token(azure: &Azure) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", BACKUP),
        ("client_secret", "backup-secret"),
        ("scope", SCOPE),
    ];
    text(&token(azure, TENANT, &form).await.json()["access_token"])
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
