//! TLS, HTTP versions, the proxy and the log of calls.

use http::Version;
use vaultbind_azure::{Action, Azure, Fault, Match, Options, Service};

use crate::client::{Connection, connect, get};
use crate::{LOGIN, VAULT, azure, seed};

#[tokio::test]
async fn http2_is_offered_unless_switched_off() {
    for (http1_only, version) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
        let options = Options {
            seed: seed(),
            http1_only,
            ..Options::default()
        };
        let azure = Azure::start(options).await.unwrap();
        let reply = get(&azure, VAULT, "/secrets?api-version=7.4", None).await;
        assert_eq!(reply.version, version);
        assert_eq!(azure.calls()[0].http_version, format!("{version:?}"));
    }
}

#[tokio::test]
async fn every_host_gets_a_certificate_of_its_own() {
    let azure = azure().await;
    for host in [
        VAULT,
        LOGIN,
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
    ] {
        let mut direct = Connection::direct(&azure, host).await.unwrap();
        assert_ne!(
            direct.send("GET", host, "/", &[], "").await.unwrap().status,
            421,
            "{host}"
        );
        Connection::proxied(&azure, host).await.unwrap();
    }
    for host in ["nope.vault.azure.net", "example.org"] {
        let mut direct = Connection::direct(&azure, host).await.unwrap();
        assert_eq!(
            direct.send("GET", host, "/", &[], "").await.unwrap().status,
            421,
            "{host}"
        );
    }
}

#[tokio::test]
async fn the_proxy_refuses_what_is_not_there() {
    let azure = azure().await;
    for (host, status) in [
        ("nope.vault.azure.net", "HTTP/1.1 502 "),
        ("example.org", "HTTP/1.1 403 "),
        (VAULT, "HTTP/1.1 200 "),
    ] {
        let (answered, _) = connect(azure.proxy_addr(), host).await.unwrap();
        assert!(answered.starts_with(status), "{host}: {answered}");
    }
    azure
        .add_fault(Fault::new(Match::default(), Action::Refuse { code: 407 }).times(1))
        .unwrap();
    assert!(
        connect(azure.proxy_addr(), VAULT)
            .await
            .unwrap()
            .0
            .starts_with("HTTP/1.1 407 ")
    );
    let mut plain = Connection::plain(azure.proxy_addr()).await.unwrap();
    assert_eq!(
        plain.send("GET", VAULT, "/", &[], "").await.unwrap().status,
        405
    );

    let calls = azure.calls();
    assert!(calls.iter().all(|call| call.service == Service::Proxy));
    let statuses: Vec<_> = calls.iter().filter_map(|call| call.status).collect();
    assert_eq!(statuses, [502, 403, 407, 405]);
}

#[tokio::test]
async fn calls_name_their_connection() {
    let azure = azure().await;
    let mut first = Connection::proxied(&azure, VAULT).await.unwrap();
    let mut second = Connection::direct(&azure, VAULT).await.unwrap();
    for connection in [&mut first, &mut second] {
        for target in ["/secrets/a?api-version=7.4&x=hidden", "/healthstatus"] {
            connection
                .send("GET", VAULT, target, &[], "")
                .await
                .unwrap();
        }
    }
    let calls = azure.calls();
    let connections: Vec<_> = calls.iter().map(|call| call.connection).collect();
    assert_eq!(connections, [1, 1, 2, 2]);
    assert_eq!(
        (calls[0].path.as_str(), calls[0].api_version.as_deref()),
        ("/secrets/a", Some("7.4"))
    );
    assert_eq!((calls[0].status, calls[1].status), (Some(401), Some(200)));
    assert!(!serde_json::to_string(&calls).unwrap().contains("hidden"));
    azure.clear_calls();
    assert!(azure.calls().is_empty());
}

#[tokio::test]
async fn stopping_ends_idle_connections_at_once() {
    let azure = azure().await;
    let mut connection = Connection::direct(&azure, VAULT).await.unwrap();
    connection
        .send("GET", VAULT, "/healthstatus", &[], "")
        .await
        .unwrap();
    let started = std::time::Instant::now();
    let address = azure.https_addr();
    azure.stop().await;
    assert!(
        started.elapsed().as_millis() < 900,
        "{:?}",
        started.elapsed()
    );
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
