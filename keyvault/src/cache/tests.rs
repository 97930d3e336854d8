mod entries;
mod states;

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::transport::{Proxy, Roots, TransportOptions};
use crate::{Cloud, Identity, Sensitive, Transport};

/// A proxy that refuses to connect to Entra, if it is to, and lets everybody else wait.
async fn silent_proxy(refuse_entra: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = vec![0; 1024];
                let read = stream.read(&mut head).await.unwrap();
                if refuse_entra && head[..read].starts_with(b"CONNECT login.") {
                    let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(refusal).await.unwrap();
                }
                let _ = stream.read(&mut head).await;
            });
        }
    });
    format!("http://{address}")
}

async fn time_to_fail(proxy: String, limit: Duration) -> Duration {
    let transport = Transport::new(TransportOptions {
        proxy: Proxy::Fixed(proxy),
        roots: Roots::Fixed(Vec::new()),
        ..TransportOptions::default()
    })
    .unwrap();
    let options = CacheOptions {
        stale_for: Duration::ZERO,
        refusal_for: Duration::ZERO,
        max_bytes: 1 << 20,
        read_timeout: Duration::from_secs(20),
        observer: None,
    };
    let cache = Cache::new(transport, options).unwrap();
    let started = Instant::now();
    let principal = principal("payments");
    let reading = Reading {
        principal: &principal,
        vault: &kv_test(),
        objects: &[secret("a")],
        freshness: Freshness::default(),
        deadline: started + limit,
        tally: &Arc::default(),
    };
    let results = cache.read(reading).await;
    assert!(results.iter().all(Result::is_err));
    started.elapsed()
}

fn principal(namespace: &str) -> Principal {
    Principal {
        cloud: Cloud::Public,
        identity: Identity::WorkloadIdentity {
            tenant: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
            client: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap(),
            token: Sensitive::from("e30.e30.c2ln"),
        },
        service_account: Some(ServiceAccount {
            namespace: namespace.to_owned(),
            name: "default".to_owned(),
        }),
    }
}

fn kv_test() -> VaultHost {
    VaultHost::new(Cloud::Public, &"kv-test".parse().unwrap())
}

fn secret(name: &str) -> ObjectId {
    ObjectId {
        object_type: crate::ObjectType::Secret,
        name: name.parse().unwrap(),
        version: None,
    }
}

#[tokio::test]
async fn a_refused_token_does_not_wait_for_the_vaults_connection() {
    let proxy = silent_proxy(true).await;
    let took = time_to_fail(proxy, Duration::from_secs(20)).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_dial_that_hangs_does_not_outlive_the_deadline() {
    let proxy = silent_proxy(false).await;
    let took = time_to_fail(proxy, Duration::from_secs(1)).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}
