//! One connection: name, TCP, CONNECT through a proxy, TLS, HTTP handshake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::debug;

use super::Unreachable;
use super::heard::{Heard, Listening};
use super::http2::{Room, drive};
use super::resolve::Resolver;
use super::token_proxy::{Authorities, Gate};

/// TCP, CONNECT and TLS each get this long; the call's own deadline may be shorter.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Key Vault connections were seen dead for a quarter of an hour unnoticed, so idle ones are pinged.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Where connections go: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Who is trusted at the cluster's token proxy; absent elsewhere. Part of the origin, so that no
    /// connection outlives the trust that it was made with.
    pub(super) token_proxy: Option<Arc<Authorities>>,
}

pub(super) enum Connection {
    Http2(http2::SendRequest<Full<Bytes>>, Heard, Arc<Room>),
    Http1(http1::SendRequest<Full<Bytes>>),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

pub(super) struct Dialer {
    proxies: Matcher,
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    /// Like `tls`, but offers no HTTP/2: a CONNECT is spoken over HTTP/1.1.
    proxy_tls: Arc<ClientConfig>,
    token_proxy: Option<Arc<Gate>>,
}

impl Dialer {
    pub(super) fn new(
        proxies: Matcher,
        mut tls: ClientConfig,
        token_proxy: Option<Arc<Gate>>,
    ) -> Self {
        let proxy_tls = tls.clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            proxies,
            resolver: Resolver::default(),
            tls: Arc::new(tls),
            proxy_tls: Arc::new(proxy_tls),
            token_proxy,
        }
    }

    /// Opens a connection to `origin` and speaks whichever HTTP version the peer chooses.
    pub(super) async fn dial(&self, origin: &Origin) -> Result<Connection, Unreachable> {
        if !origin.tls {
            // Only the managed identity endpoint is plain HTTP; it never goes through a proxy.
            let stream = self.connect(&origin.host, origin.port).await?;
            return http1_handshake(&origin.host, stream)
                .await
                .map(Connection::Http1);
        }
        if let Some(authorities) = &origin.token_proxy {
            return self.dial_token_proxy(origin, authorities).await;
        }
        let host = origin.host.as_str();
        let tcp: Box<dyn Stream> = match self.intercept(origin) {
            Some(proxy) => self.tunnel(&proxy, origin).await?,
            None => Box::new(self.connect(host, origin.port).await?),
        };
        let tls = tls_handshake(&self.tls, host, tcp).await?;
        if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
            let (tls, heard) = Listening::new(tls);
            let (sender, room) = http2_handshake(host, tls).await?;
            Ok(Connection::Http2(sender, heard, room))
        } else {
            http1_handshake(host, tls).await.map(Connection::Http1)
        }
    }

    /// Straight to the token proxy, over HTTP/1.1: tokens are few.
    async fn dial_token_proxy(
        &self,
        origin: &Origin,
        authorities: &Authorities,
    ) -> Result<Connection, Unreachable> {
        let gate = self.token_proxy.as_ref().ok_or(Unreachable::NoTokenProxy)?;
        let host = origin.host.as_str();
        let name = match gate.server_name() {
            Some(name) => name,
            None => {
                let tcp = Box::new(self.connect(host, origin.port).await?);
                let tls = tls_handshake(authorities.tls(), host, tcp).await?;
                let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
                gate.derive_name(chain.first().map_or(&[], |certificate| certificate))?
            }
        };
        let tcp = Box::new(self.connect(host, origin.port).await?);
        let tls = tls_handshake(authorities.tls(), name, tcp).await?;
        http1_handshake(host, tls).await.map(Connection::Http1)
    }

    fn intercept(&self, origin: &Origin) -> Option<Intercept> {
        let uri = format!("https://{}:{}/", origin.host, origin.port)
            .parse::<Uri>()
            .ok()?;
        self.proxies.intercept(&uri)
    }

    async fn tunnel(
        &self,
        proxy: &Intercept,
        origin: &Origin,
    ) -> Result<Box<dyn Stream>, Unreachable> {
        let uri = proxy.uri();
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let name = format!("{host}:{port}");
        let failed = |reason: String| Unreachable::Proxy {
            proxy: name.clone(),
            reason,
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(failed(
                "only http:// and https:// proxies are supported".to_owned(),
            ));
        }

        let tcp = self
            .connect(&host, port)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let stream: Box<dyn Stream> = if secure {
            let tls = tls_handshake(&self.proxy_tls, &host, Box::new(tcp)).await;
            Box::new(tls.map_err(|error| match error {
                Unreachable::Untrusted { reason, .. } => Unreachable::ProxyUntrusted {
                    proxy: name.clone(),
                    reason,
                },
                error => failed(error.to_string()),
            })?)
        } else {
            Box::new(tcp)
        };

        let authority = format!("{}:{}", origin.host, origin.port);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = authority
            .parse()
            .map_err(|_| failed("bad target".to_owned()))?;
        if let Ok(value) = HeaderValue::from_str(&authority) {
            request.headers_mut().insert(header::HOST, value);
        }
        if let Some(authorization) = proxy.basic_auth() {
            request
                .headers_mut()
                .insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let (mut sender, connection) =
                http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
            tokio::spawn(connection.with_upgrades());
            sender.send_request(request).await
        };
        let response = within(exchange)
            .await
            .ok_or_else(|| failed("timed out".to_owned()))?
            .map_err(|_| failed("the connection broke".to_owned()))?;
        if response.status() != StatusCode::OK {
            return Err(Unreachable::ProxyRefused {
                proxy: name,
                host: origin.host.clone(),
                status: response.status().as_u16(),
            });
        }
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|_| failed("the connection broke".to_owned()))?;
        Ok(Box::new(TokioIo::new(upgraded)))
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Unreachable> {
        // IPv6 literals stand in brackets in URIs and without them in a lookup.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let unresolved = || Unreachable::Name {
            host: host.to_owned(),
        };
        let addresses = within(self.resolver.resolve(bare, port))
            .await
            .ok_or_else(|| Unreachable::NameTimeout {
                host: host.to_owned(),
            })?
            .map_err(|_| unresolved())?;
        if addresses.is_empty() {
            return Err(unresolved());
        }
        let stream = within(TcpStream::connect(addresses.as_slice()))
            .await
            .ok_or_else(|| Unreachable::Connect {
                host: host.to_owned(),
                reason: "timed out".to_owned(),
            })?
            .map_err(|error| Unreachable::connect(host, &error))?;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%host, %error, "TCP_NODELAY not set");
        }
        Ok(stream)
    }
}

async fn within<F: Future>(future: F) -> Option<F::Output> {
    tokio::time::timeout(STEP_TIMEOUT, future).await.ok()
}

async fn tls_handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    stream: Box<dyn Stream>,
) -> Result<tokio_rustls::client::TlsStream<Box<dyn Stream>>, Unreachable> {
    let failed = |reason: String| Unreachable::Tls {
        host: host.to_owned(),
        reason,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| failed("the host is not a valid server name".to_owned()))?;
    within(TlsConnector::from(Arc::clone(config)).connect(name, stream))
        .await
        .ok_or_else(|| failed("timed out".to_owned()))?
        .map_err(|error| {
            let tls = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match tls {
                Some(rustls::Error::InvalidCertificate(problem)) => Unreachable::Untrusted {
                    host: host.to_owned(),
                    reason: certificate_problem(problem).to_owned(),
                },
                Some(other) => failed(other.to_string()),
                None => failed(error.kind().to_string()),
            }
        })
}

/// rustls appends times and name lists to some of its texts; ours have to be stable and short.
fn certificate_problem(problem: &rustls::CertificateError) -> &'static str {
    use rustls::CertificateError as E;
    match problem {
        E::UnknownIssuer => "issued by an unknown authority",
        E::Expired | E::ExpiredContext { .. } => "expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "not valid yet",
        E::NotValidForName | E::NotValidForNameContext { .. } => "made for another name",
        E::Revoked => "revoked",
        E::BadSignature => "bad signature",
        _ => "invalid",
    }
}

async fn http2_handshake(
    host: &str,
    stream: impl Stream,
) -> Result<(http2::SendRequest<Full<Bytes>>, Arc<Room>), Unreachable> {
    let broken = || Unreachable::Broken {
        host: host.to_owned(),
    };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    let (sender, connection) = within(builder.handshake(TokioIo::new(stream)))
        .await
        .ok_or_else(broken)?
        .map_err(|_| broken())?;
    let host = host.to_owned();
    let room = Arc::new(Room::default());
    let driven = drive(connection, Arc::clone(&room));
    tokio::spawn(async move {
        if let Err(error) = driven.await {
            debug!(%host, %error, "HTTP/2 connection ended");
        }
    });
    Ok((sender, room))
}

async fn http1_handshake(
    host: &str,
    stream: impl Stream,
) -> Result<http1::SendRequest<Full<Bytes>>, Unreachable> {
    let broken = || Unreachable::Broken {
        host: host.to_owned(),
    };
    let (sender, connection) = within(http1::handshake(TokioIo::new(stream)))
        .await
        .ok_or_else(broken)?
        .map_err(|_| broken())?;
    let host = host.to_owned();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%host, %error, "HTTP/1.1 connection ended");
        }
    });
    Ok(sender)
}
