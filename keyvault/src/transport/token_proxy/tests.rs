use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::transport::dial::{Dialer, Origin};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for these names, which tells the server names it is asked for.
async fn server(
    authority: &Authority,
    names: &[&str],
) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, names) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let name = tls.get_ref().1.server_name().unwrap_or("none");
            let _ = asked.send(name.to_owned());
            kept.push(tls);
        }
    });
    (port, names)
}

struct Stage {
    folder: TempDir,
    gate: Arc<Gate>,
    dialer: Dialer,
    port: u16,
}

impl Stage {
    fn new(port: u16, server_name: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gate = Gate::new(TokenProxy {
            url: format!("https://localhost:{port}").parse().unwrap(),
            server_name: server_name.map(|name| name.parse().unwrap()),
            ca_file: folder.path().join("ca.crt"),
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Nothing else is trusted, and the way to everything else is a proxy that is not there.
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let proxies = hyper_util::client::proxy::matcher::Matcher::builder()
            .all("http://127.0.0.1:1".to_owned())
            .build();
        let dialer = Dialer::new(proxies, tls, Some(Arc::clone(&gate)));
        Self {
            folder,
            gate,
            dialer,
            port,
        }
    }

    fn trust(&self, authority: &Authority) {
        std::fs::write(self.folder.path().join("ca.crt"), authority.pem()).unwrap();
    }

    async fn dial(&self) -> Result<(), Unreachable> {
        let origin = Origin {
            tls: true,
            host: "localhost".to_owned(),
            port: self.port,
            token_proxy: Some(self.gate.authorities()?),
        };
        self.dialer.dial(&origin).await.map(|_| ())
    }
}

#[tokio::test]
async fn the_name_that_is_given_is_asked_for_and_the_address_is_not_looked_at() {
    let cluster = authority();
    let (port, mut names) = server(&cluster, &["blue.ests.aks"]).await;
    let stage = Stage::new(port, Some("blue.ests.aks"));
    stage.trust(&cluster);
    stage.dial().await.unwrap();
    assert_eq!(names.recv().await.unwrap(), "blue.ests.aks");

    let stage = Stage::new(port, Some("green.ests.aks"));
    stage.trust(&cluster);
    let refused = stage.dial().await.unwrap_err();
    assert!(
        matches!(&refused, Unreachable::Untrusted { host, .. } if host == "green.ests.aks"),
        "{refused}"
    );
}

#[tokio::test]
async fn without_a_name_the_api_servers_certificate_tells_it_once() {
    let cluster = authority();
    let hcp = "hcp-kubernetes.abc123.svc.cluster.local";
    let label = server_name::name_of(b"abc123");
    let (port, mut names) = server(&cluster, &["localhost", hcp, &label]).await;
    let stage = Stage::new(port, None);
    stage.trust(&cluster);
    stage.dial().await.unwrap();
    stage.dial().await.unwrap();
    for expected in ["localhost", &label, &label] {
        assert_eq!(names.recv().await.unwrap(), expected);
    }

    let (port, _) = server(&cluster, &["localhost"]).await;
    let stage = Stage::new(port, None);
    stage.trust(&cluster);
    let refused = stage.dial().await.unwrap_err().to_string();
    assert!(refused.contains("--sni-name"), "{refused}");
}

#[tokio::test]
async fn only_the_authorities_of_the_file_are_trusted_as_it_is_now() {
    let (old, new) = (authority(), authority());
    let (port, _names) = server(&new, &["blue.ests.aks"]).await;
    let stage = Stage::new(port, Some("blue.ests.aks"));
    stage.trust(&old);
    let refused = stage.dial().await.unwrap_err();
    assert!(
        matches!(refused, Unreachable::Untrusted { .. }),
        "{refused}"
    );
    let before = stage.gate.authorities().unwrap();
    stage.trust(&new);
    stage.dial().await.unwrap();
    assert_ne!(before, stage.gate.authorities().unwrap());
}

#[test]
fn the_file_is_read_anew_and_while_it_is_empty_the_last_counts() {
    let stage = Stage::new(1, None);
    let file = stage.folder.path().join("ca.crt");
    let refused = || stage.gate.authorities().unwrap_err().to_string();
    let missing = refused();
    assert!(missing.contains("cannot be read"), "{missing}");
    std::fs::write(&file, "").unwrap();
    let empty = refused();
    assert!(empty.contains("holds no certificate"), "{empty}");
    for text in [missing, empty] {
        assert!(text.contains("--token-proxy-ca-file"), "{text}");
    }

    stage.trust(&authority());
    let first = stage.gate.authorities().unwrap();
    assert!(Arc::ptr_eq(&first, &stage.gate.authorities().unwrap()));
    std::fs::write(&file, "").unwrap();
    assert!(Arc::ptr_eq(&first, &stage.gate.authorities().unwrap()));
    stage.trust(&authority());
    assert_ne!(first, stage.gate.authorities().unwrap());

    // What is there and is no certificate is a mistake, and so is a file that is gone.
    std::fs::write(&file, "no certificate").unwrap();
    assert!(refused().contains("holds no certificate"));
    std::fs::remove_file(&file).unwrap();
    assert!(refused().contains("cannot be read"));
}

#[test]
fn a_url_is_https_and_bare_and_not_entras() {
    for text in [
        "http://proxy.test",
        "https://user@proxy.test",
        "https://proxy.test/?a=b",
        "https://proxy.test/#a",
        "https://login.microsoftonline.com",
        "proxy.test",
    ] {
        let parsed = text.parse::<TokenProxyUrl>();
        assert_eq!(parsed, Err(TokenProxyUrlError), "{text}");
    }
}

#[test]
fn path_and_query_are_kept() {
    let entra = Url::parse("https://login.microsoftonline.com/t/oauth2/v2.0/token?a=b").unwrap();
    for (proxy, expected) in [
        (
            "https://proxy.test",
            "https://proxy.test/t/oauth2/v2.0/token?a=b",
        ),
        (
            "https://proxy.test:8443/x/",
            "https://proxy.test:8443/x/t/oauth2/v2.0/token?a=b",
        ),
    ] {
        let proxy: TokenProxyUrl = proxy.parse().unwrap();
        let url = proxy.rewrite(&entra);
        assert_eq!(url.as_str(), expected);
        assert!(proxy.is_of(&url) && !proxy.is_of(&entra));
    }
}

#[test]
fn a_server_name_is_a_dns_name() {
    let name: TokenProxyName = "blue.ests.aks".parse().unwrap();
    assert_eq!(name.to_string(), "blue.ests.aks");
    for text in [
        "",
        "https://blue.ests.aks",
        "blue.ests.aks:443",
        "a b",
        "é.test",
    ] {
        let parsed = text.parse::<TokenProxyName>();
        assert_eq!(parsed, Err(TokenProxyNameError), "{text}");
    }
}
