//! A caller that goes away at any point of its way takes nothing from the others.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use vaultbind_azure::{Action, Azure, Options, Service};
use vaultbind_e2e::stage::{CLIENT, NAMESPACE, SERVICE_ACCOUNT, TENANT, VAULT, config};
use vaultbind_keyvault::cache::{Freshness, Principal, Reading, ServiceAccount};
use vaultbind_keyvault::{
    Cache, CacheOptions, Cloud, Content, Identity, ObjectId, ObjectType, Sensitive, Transport,
    TransportOptions, VaultHost,
};

use crate::support::{eventually, logs, many_secrets, secret, seed};

const OBJECTS: usize = 5;

async fn azure(value: &str) -> Azure {
    logs();
    let seed = serde_yaml::from_str(&seed(&many_secrets(OBJECTS, value))).unwrap();
    let azure = Azure::start(Options {
        seed,
        ..Options::default()
    })
    .await
    .unwrap();
    // So that there are points to go away at.
    for service in [Service::Entra, Service::Vault] {
        let matches = vaultbind_azure::Match {
            service: Some(service),
            ..Default::default()
        };
        let delay = Action::Delay { millis: 2 };
        azure
            .add_fault(vaultbind_azure::Fault::new(matches, delay))
            .unwrap();
    }
    azure
}

fn cache(azure: &Azure) -> Arc<Cache> {
    let config = config(azure, std::path::Path::new("/unused"), &[]).unwrap();
    let transport = Transport::new(TransportOptions {
        proxy: config.proxy,
        roots: config.roots,
        imds: config.imds,
        ..TransportOptions::default()
    })
    .unwrap();
    let options = CacheOptions {
        stale_for: Duration::from_secs(3600),
        refusal_for: Duration::from_secs(10),
        max_bytes: 1 << 20,
        read_timeout: Duration::from_secs(30),
        observer: None,
    };
    Cache::new(transport, options).unwrap()
}

fn principal(azure: &Azure) -> Principal {
    let token = vaultbind_e2e::stage::pod(azure).unwrap();
    let token = token.tokens.into_values().next().unwrap();
    Principal {
        cloud: Cloud::Public,
        identity: Identity::WorkloadIdentity {
            tenant: TENANT.parse().unwrap(),
            client: CLIENT.parse().unwrap(),
            token: Sensitive::from(token),
        },
        service_account: Some(ServiceAccount {
            namespace: NAMESPACE.to_owned(),
            name: SERVICE_ACCOUNT.to_owned(),
        }),
    }
}

async fn read(cache: &Arc<Cache>, principal: &Principal) -> Vec<Vec<u8>> {
    let objects: Vec<ObjectId> = (0..OBJECTS)
        .map(|n| ObjectId {
            object_type: ObjectType::Secret,
            name: format!("s{n}").parse().unwrap(),
            version: None,
        })
        .collect();
    let reading = Reading {
        principal,
        vault: &VaultHost::new(Cloud::Public, &VAULT.parse().unwrap()),
        objects: &objects,
        freshness: Freshness::default(),
        deadline: Instant::now() + Duration::from_secs(30),
        tally: &Arc::default(),
    };
    let results = cache.read(reading).await.into_iter();
    results
        .map(|result| match &result.unwrap().fetched.content {
            Content::Secret { value, .. } => value.expose().to_vec(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Polls `future` so many times, each time when it says that it can go on; says whether it ended.
async fn poll_times<F: Future>(future: F, times: usize) -> bool {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|context: &mut Context<'_>| {
        if polls == times {
            return Poll::Ready(false);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            // The last poll is not waited for: the caller goes away while it waits.
            Poll::Pending if polls == times => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn a_caller_that_goes_away_at_any_point_takes_nothing_from_the_others() {
    let value = secret("value");
    let azure = azure(&value).await;
    let principal = principal(&azure);
    let mut points = 0;
    loop {
        points += 1;
        let cache = cache(&azure);
        azure.clear_calls();
        // One goes away after so many polls; the other has joined in the meantime.
        let (ended, values) = tokio::join!(
            poll_times(read(&cache, &principal), points),
            read(&cache, &principal)
        );
        assert_eq!(values, vec![value.as_bytes(); OBJECTS], "point {points}");
        let calls = azure.calls();
        let count = |service| calls.iter().filter(|call| call.service == service).count();
        let counts = (count(Service::Entra), count(Service::Vault));
        assert_eq!(counts, (1, OBJECTS), "point {points}");
        nothing_is_left(&cache).await;
        if ended {
            break;
        }
        assert!(points < 1000, "never ends");
    }
    assert!(points > 2, "there were only {points} points to go away at");
}

#[tokio::test]
async fn what_everybody_has_left_is_read_to_its_end_and_kept() {
    let value = secret("value");
    let azure = azure(&value).await;
    let principal = principal(&azure);
    let cache = cache(&azure);
    assert!(!poll_times(read(&cache, &principal), 1).await);
    nothing_is_left(&cache).await;
    azure.clear_calls();
    assert_eq!(
        read(&cache, &principal).await,
        vec![value.as_bytes(); OBJECTS]
    );
    assert_eq!(azure.calls(), []);
}

/// Every task and every read has ended.
async fn nothing_is_left(cache: &Arc<Cache>) {
    eventually("all reads have ended", || {
        let view = cache.view();
        let mut objects = view.principals.iter().flat_map(|p| &p.objects);
        objects.all(|object| !object.reading)
    })
    .await;
}

#[test]
fn a_future_is_polled_as_often_as_it_says() {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(poll_times(std::future::pending::<()>(), 1));
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(false));
    let mut future = pin!(poll_times(std::future::ready(()), 3));
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(true));
}
