//! Sockets: listeners, TLS, and HTTP on a connection.

mod dispatch;
mod proxy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::state::State;

/// How long connections may take to end once the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// How long a client may take for its TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// A TCP connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    /// From 1, in the order of arrival.
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    /// Cancelled to close it without further words.
    pub(crate) abort: CancellationToken,
}

/// What a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Front {
    /// Entra, Resource Manager and the vaults, told apart by host.
    Azure,
    /// The token proxy of a cluster, by its server name.
    TokenProxy(Arc<str>),
    /// The managed identity endpoint.
    Imds,
}

/// What a listener serves.
#[derive(Clone)]
pub(crate) enum Role {
    Https(TlsAcceptor),
    Proxy(TlsAcceptor),
    Imds,
}

/// Accepts connections until the server stops.
pub(crate) async fn listen(state: Arc<State>, listener: TcpListener, role: Role) {
    let stopping = state.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a client that left early: neither ends the listener.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let abort = CancellationToken::new();
        let connection = Arc::new(Connection {
            id: state.next_connection(),
            peer,
            abort,
        });
        state
            .tasks
            .spawn(serve(Arc::clone(&state), stream, connection, role.clone()));
    }
}

async fn serve(state: Arc<State>, stream: TcpStream, connection: Arc<Connection>, role: Role) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off the delay of small packets");
    }
    match role {
        Role::Https(acceptor) => serve_tls(&state, stream, connection, &acceptor).await,
        Role::Imds => serve_http(&state, stream, connection, Front::Imds).await,
        Role::Proxy(acceptor) => proxy::serve(state, stream, connection, acceptor).await,
    }
}

async fn serve_tls<S>(
    state: &Arc<State>,
    stream: S,
    connection: Arc<Connection>,
    acceptor: &TlsAcceptor,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream));
    let stream = tokio::select! {
        handshake = handshake => handshake,
        () = state.stopping.cancelled() => return,
    };
    match stream {
        Ok(Ok(stream)) => {
            let (_, tls) = stream.get_ref();
            let name = tls.server_name();
            let front = match name.filter(|name| state.arm.is_token_proxy(name)) {
                Some(name) => Front::TokenProxy(name.into()),
                None => Front::Azure,
            };
            serve_http(state, stream, connection, front).await;
        }
        Ok(Err(error)) => {
            tracing::info!(connection = connection.id, %error, "TLS handshake failed");
        }
        Err(_) => tracing::info!(connection = connection.id, "TLS handshake took too long"),
    }
}

async fn serve_http<S>(state: &Arc<State>, stream: S, connection: Arc<Connection>, front: Front)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let (state, connection) = (Arc::clone(state), Arc::clone(&connection));
        let front = front.clone();
        service_fn(move |request: Request<Incoming>| {
            let (state, connection) = (Arc::clone(&state), Arc::clone(&connection));
            let front = front.clone();
            async move { dispatch::answer(&state, &front, &connection, request).await }
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_concurrent_streams(state.max_concurrent_streams);
    if state.http1_only || front == Front::Imds {
        builder = builder.http1_only();
    }
    let mut http = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = http.as_mut() => {
            if let Err(error) = result {
                tracing::debug!(connection = connection.id, %error, "connection ended");
            }
            return;
        }
        () = connection.abort.cancelled() => return,
        () = state.stopping.cancelled() => http.as_mut().graceful_shutdown(),
    }
    if tokio::time::timeout(GRACE, http).await.is_err() {
        tracing::debug!(connection = connection.id, "connection closed while in use");
    }
}
