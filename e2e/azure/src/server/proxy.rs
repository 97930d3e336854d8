//! The CONNECT proxy. It connects to nothing: it ends TLS itself, as the host asked for.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::dispatch::{Body, Dropped, host_name, never_answer};
use super::{Connection, serve_tls};
use crate::answer::{Answer, text};
use crate::calls::{Call, Service};
use crate::cloud::Target;
use crate::faults::{Outcome, Probe};
use crate::state::State;

pub(super) async fn serve(
    state: Arc<State>,
    stream: TcpStream,
    connection: Arc<Connection>,
    acceptor: TlsAcceptor,
) {
    let service = {
        let (state, connection) = (Arc::clone(&state), Arc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let (state, connection) = (Arc::clone(&state), Arc::clone(&connection));
            let acceptor = acceptor.clone();
            async move { connect(state, connection, acceptor, request).await }
        })
    };
    let http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let http = http.with_upgrades();
    let result = tokio::select! {
        result = http => result,
        () = connection.abort.cancelled() => return,
        () = state.stopping.cancelled() => return,
    };
    if let Err(error) = result {
        tracing::debug!(connection = connection.id, %error, "proxy connection ended");
    }
}

async fn connect(
    state: Arc<State>,
    connection: Arc<Connection>,
    acceptor: TlsAcceptor,
    request: Request<Incoming>,
) -> Result<http::Response<Body>, Dropped> {
    let host = host_name(request.uri(), request.headers());
    let refusal = decide(&state, &connection, &host, request.method()).await?;
    if let Some(answer) = refusal {
        let status = answer.status().as_u16();
        tracing::info!(connection = connection.id, %host, status, "proxy refused");
        log_refusal(&state, &connection, &host, &request, status);
        return Ok(answer.map(Full::new));
    }
    let tasks = state.tasks.clone();
    tasks.spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => {
                serve_tls(&state, TokioIo::new(upgraded), connection, &acceptor).await;
            }
            Err(error) => tracing::debug!(%error, "the client left after CONNECT"),
        }
    });
    Ok(http::Response::new(Full::new(Bytes::new())))
}

/// The refusal to answer, if the proxy refuses.
async fn decide(
    state: &State,
    connection: &Connection,
    host: &str,
    method: &Method,
) -> Result<Option<Answer>, Dropped> {
    if method != Method::CONNECT {
        return Ok(Some(text(405, "This proxy takes CONNECT only.\n")));
    }
    let probe = Probe {
        service: Service::Proxy,
        host,
        method: method.as_str(),
        path: "",
        authenticated: false,
    };
    match state.faults.strike(probe).await {
        Outcome::Proceed { .. } => {}
        Outcome::Status {
            code, retry_after, ..
        } => {
            return Ok(Some(refused(code, retry_after)));
        }
        Outcome::BarrierTimeout => return Ok(Some(refused(504, None))),
        Outcome::Garbage => return Ok(Some(text(502, "\u{fffd}\u{fffd}\u{fffd}"))),
        Outcome::Json(body) => return Ok(Some(text(502, &body))),
        Outcome::Hang => return Err(never_answer(state, connection).await),
        Outcome::Drop => {
            connection.abort.cancel();
            return Err(Dropped);
        }
    }
    let answer = match Target::of_host_or(host, |host| state.vaults.find(host).is_some()) {
        None => text(
            403,
            &format!("{host} is not a host of the emulated Azure.\n"),
        ),
        Some(Target::Vault) if state.vaults.find(host).is_none() => text(
            502,
            &format!("{host} cannot be resolved: no such vault is seeded.\n"),
        ),
        Some(Target::Vault | Target::Entra(_) | Target::ResourceManager(_)) => return Ok(None),
    };
    Ok(Some(answer))
}

fn refused(code: u16, retry_after: Option<u64>) -> Answer {
    let mut answer = text(code, "The proxy refuses to connect.\n");
    let headers = answer.headers_mut();
    if code == 407 {
        let realm = HeaderValue::from_static("Basic realm=\"proxy\"");
        headers.insert(http::header::PROXY_AUTHENTICATE, realm);
    }
    if let Some(seconds) = retry_after {
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn log_refusal(
    state: &State,
    connection: &Connection,
    host: &str,
    request: &Request<Incoming>,
    status: u16,
) {
    state.calls.begin(Call {
        service: Service::Proxy,
        host: host.to_owned(),
        method: request.method().to_string(),
        path: String::new(),
        api_version: None,
        status: Some(status),
        authenticated: false,
        client_id: None,
        connection: connection.id,
        http_version: format!("{:?}", request.version()),
        millis: state.millis(),
    });
}
