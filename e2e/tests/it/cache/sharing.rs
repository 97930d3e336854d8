use std::time::Duration;

use vaultbind_azure::{Action, Service};
use vaultbind_e2e::driver::{Pod, mount_request};
use vaultbind_e2e::stage::{CLIENT, NAMESPACE, SERVICE_ACCOUNT, Stage, class};

use super::{DB, calls, fault, mount, never_fresh, pod_of, service_accounts};
use crate::support::{
    eventually, many_objects, many_secrets, secret, seed, stage, stage_with_secrets,
};

/// A seed with the usual application, trusted from as many ServiceAccounts, and secrets.
fn seed_of(accounts: usize, secrets: usize, value: &str) -> String {
    seed(&many_secrets(secrets, value)).replacen(
        "issuers:\n",
        &format!("{}issuers:\n", service_accounts(accounts)),
        1,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_pods_that_start_at_once_cost_one_token_and_one_call_for_each_object() {
    let value = secret("value");
    let stage = stage(&many_secrets(10, &value)).await;
    let class = class(&many_objects(10));
    let driver = stage.driver().unwrap();
    let mounts = (0..100).map(|n| {
        // Each pod has a token of its own.
        let pod = Pod {
            name: format!("pod-{n}"),
            ..pod_of(&stage, NAMESPACE, SERVICE_ACCOUNT)
        };
        driver.mount(mount_request(&class, &pod))
    });
    for response in futures::future::join_all(mounts).await {
        let files = response.unwrap().files;
        assert_eq!(files.len(), 10);
        assert!(files.iter().all(|file| file.contents == value.as_bytes()));
    }
    assert_eq!(calls(&stage), (1, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_within_a_window_cost_nothing_and_across_it_one_wave() {
    const ACCOUNTS: usize = 20;
    let value = secret("value");
    let seed = seed_of(ACCOUNTS, 10, &value);
    // Second tries would be counted as well.
    let arguments = ["--hedge-after=0s"];
    let stage = Stage::start_with(&seed, &arguments, |_| {}).await.unwrap();
    let class = class(&many_objects(10));
    let driver = stage.driver().unwrap();
    let pods: Vec<Pod> = (0..200)
        .map(|n| pod_of(&stage, NAMESPACE, &format!("sa-{}", n % ACCOUNTS)))
        .collect();
    let tick = |class| {
        let mounts: Vec<_> = pods.iter().map(|pod| mount_request(class, pod)).collect();
        let mounts = mounts.into_iter().map(|request| driver.mount(request));
        async { futures::future::join_all(mounts).await }
    };
    let mounted = |responses: Vec<Result<vaultbind_proto::MountResponse, tonic::Status>>| {
        assert!(
            responses
                .iter()
                .all(|r| r.as_ref().is_ok_and(|r| r.files.len() == 10))
        );
    };

    mounted(tick(&class).await);
    assert_eq!(calls(&stage), (ACCOUNTS, 10 * ACCOUNTS));
    stage.azure.clear_calls();
    for _ in 0..3 {
        mounted(tick(&class).await);
    }
    assert_eq!(calls(&stage), (0, 0), "within the window");

    // All of them ask while the vault holds its answers back, so none can come after a wave.
    let stale = never_fresh(&class);
    let gate = fault(
        &stage,
        Service::Vault,
        Action::Barrier {
            count: 1_000_000,
            timeout_millis: 60_000,
        },
    );
    let open = async {
        eventually("all mounts wait", || {
            let metrics = stage.provider.metrics().render().unwrap();
            metrics.contains("\nvaultbind_mounts_in_flight 200\n")
        })
        .await;
        // The gauge is there before a mount has looked into the memory.
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.azure.remove_fault(gate);
    };
    let (responses, ()) = tokio::join!(tick(&stale), open);
    mounted(responses);
    let (tokens, reads) = calls(&stage);
    assert_eq!(tokens, 0);
    assert_eq!(reads, 10 * ACCOUNTS, "one wave");
}

#[tokio::test]
async fn another_namespace_with_the_same_client_id_gets_nothing_from_memory() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let driver = stage.driver().unwrap();
    let class = class(DB);
    let own = pod_of(&stage, NAMESPACE, SERVICE_ACCOUNT);
    mount(&driver, &class, &own).await.unwrap();

    for (namespace, account) in [("elsewhere", SERVICE_ACCOUNT), (NAMESPACE, "another")] {
        let status = mount(&driver, &class, &pod_of(&stage, namespace, account))
            .await
            .unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status}");
    }
    // The first is served on, and was not asked for again.
    stage.azure.clear_calls();
    mount(&driver, &class, &own).await.unwrap();
    assert_eq!(calls(&stage), (0, 0));
}

/// What a pod's author can write: any attribute but those of kubelet, which come last.
#[tokio::test]
async fn planted_attributes_and_forged_tokens_open_nothing() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let driver = stage.driver().unwrap();
    let victim = pod_of(&stage, NAMESPACE, SERVICE_ACCOUNT);
    let class = class(DB);
    mount(&driver, &class, &victim).await.unwrap();

    let claims = |claims: &str| {
        use base64::Engine as _;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"none"}"#),
            part(claims),
            part("signature")
        )
    };
    let subject = format!(
        r#"{{"sub":"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}","kubernetes.io":{{"namespace":"{NAMESPACE}","serviceaccount":{{"name":"{SERVICE_ACCOUNT}"}}}}}}"#
    );
    let audience = vaultbind_e2e::stage::AUDIENCE;
    let attacker =
        |token: String| Pod::new("attacker", "pod-0", "default").with_token(audience, token);
    for (what, class, pod) in [
        (
            "a token whose claims name the victim",
            class.clone(),
            attacker(claims(&subject)),
        ),
        (
            "attributes that name the victim's ServiceAccount",
            class
                .clone()
                .with("serviceAccount.name", SERVICE_ACCOUNT)
                .with("podNamespace", NAMESPACE)
                .with("CSI.storage.k8s.io/pod.namespace", NAMESPACE),
            pod_of(&stage, "attacker", "default"),
        ),
        (
            "kubelet's own attributes, planted in the class, over which kubelet writes",
            class
                .clone()
                .with("csi.storage.k8s.io/pod.namespace", NAMESPACE)
                .with("csi.storage.k8s.io/serviceAccount.name", SERVICE_ACCOUNT),
            pod_of(&stage, "attacker", "default"),
        ),
        (
            "a service principal with a made-up secret",
            class.clone().with("clientID", ""),
            Pod::new("attacker", "pod-0", "default")
                .with_secret("clientid", CLIENT)
                .with_secret("clientsecret", "guess"),
        ),
    ] {
        let status = mount(&driver, &class, &pod).await.unwrap_err();
        assert_eq!(
            status.code(),
            tonic::Code::Unauthenticated,
            "{what}: {status}"
        );
    }
    // None of it took anything from the victim.
    stage.azure.clear_calls();
    mount(&driver, &class, &victim).await.unwrap();
    assert_eq!(calls(&stage), (0, 0));
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_served_and_not_kept() {
    let value = secret("value");
    let seed = seed(&many_secrets(10, &value));
    let stage = Stage::start_with(&seed, &["--cache-max-bytes=1"], |_| {})
        .await
        .unwrap();
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    for _ in 0..2 {
        stage.azure.clear_calls();
        let response = mount(&driver, &class(&many_objects(10)), &pod)
            .await
            .unwrap();
        assert_eq!(response.files.len(), 10);
        assert_eq!(calls(&stage).1, 10);
    }
}

#[tokio::test]
async fn the_debug_endpoint_shows_what_is_kept_without_a_value_and_on_loopback_only() {
    let value = secret("value");
    let seed = seed(&many_secrets(2, &value));
    let arguments = ["--debug-port=0"];
    let stage = Stage::start_with(&seed, &arguments, |_| {}).await.unwrap();
    let driver = stage.driver().unwrap();
    mount(&driver, &class(&many_objects(2)), &stage.pod().unwrap())
        .await
        .unwrap();
    let address = stage.provider.debug_address().unwrap();
    assert!(address.ip().is_loopback());
    let (status, body) = crate::support::http_get(address, "/debug/state").await;
    assert_eq!(status, 200);
    let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(shown["cache"]["objects"], 2);
    let object = &shown["cache"]["principals"][0]["objects"][0];
    assert_eq!(object["object"], "secret s0");
    assert_eq!(object["version"].as_str().unwrap().len(), 32);
    assert_eq!(object["reading"], false);
    let budgets = shown["budgets"].as_array().unwrap();
    assert!(!budgets.is_empty());
    assert!(!body.contains(&value), "a value is shown");
    // Neither beside health nor beside metrics.
    for address in [
        stage.provider.health_address(),
        stage.provider.metrics_address(),
    ] {
        let (status, _) = crate::support::http_get(address, "/debug/state").await;
        assert_eq!(status, 404);
    }
}
