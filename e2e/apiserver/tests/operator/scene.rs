//! What one test has: a namespace with a ServiceAccount, an identity that trusts it, and a vault that
//! the identity may use. All of them have names that nothing else has.

mod reading;
mod unprovisioned;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tonic::Status;
use vaultbind_apiserver::ISSUER;
use vaultbind_azure::vault::SetSecret;
use vaultbind_azure::{Azure, Call, Seed, Service};
use vaultbind_crds::VaultBinding;
use vaultbind_e2e::driver::{self, Pod, mount_request};
use vaultbind_e2e::stage::{AUDIENCE, TENANT, random};
use vaultbind_operator::secrets_store::SecretProviderClass;
use vaultbind_proto::MountResponse;

pub(crate) use reading::{condition, is_observed, is_ready, message, pinned, versions};
pub(crate) use unprovisioned::{SUBSCRIPTION, guid};

use crate::site::{Shared, Site, logs, shared};

/// The ServiceAccount of every scene.
pub(crate) const ACCOUNT: &str = "app";

/// Longer than any check that is asked for, shorter than the shortest interval.
const PATIENCE: Duration = Duration::from_secs(25);

pub(crate) struct Scene {
    shared: &'static Shared,
    client: Client,
    pub(crate) world: World,
    finished: bool,
}

/// Names that belong together.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) namespace: String,
    pub(crate) identity: String,
    pub(crate) vault: String,
    /// The first value of each secret.
    pub(crate) values: BTreeMap<String, String>,
}

impl World {
    /// Makes all of it, with secrets and their first versions, which are old.
    pub(crate) async fn make(site: &Site, prefix: &str, role: &str, secrets: &[&str]) -> Self {
        let secret = |name: &&str| ((*name).to_owned(), value());
        let values: BTreeMap<String, String> = secrets.iter().map(secret).collect();
        let namespace = site.server.namespace(prefix).await.unwrap();
        let client = site.server.client().unwrap();
        account(&client, &namespace, ACCOUNT).await;
        let digits = random("kv").split_off(3);
        let world = Self {
            identity: format!(
                "{}-{}-4000-8000-{}",
                &digits[..8],
                &digits[8..12],
                &digits[12..24]
            ),
            vault: format!("kv-{}", &digits[..16]),
            namespace,
            values,
        };
        let created = "2025-01-01T00:00:00Z";
        let secrets = world.values.iter();
        let secrets: Vec<Value> = secrets
            .map(|(name, value)| json!({"name": name, "value": value, "created": created}))
            .collect();
        let subject = format!("system:serviceaccount:{}:{ACCOUNT}", world.namespace);
        let seed = json!({
            "tenants": [{"tenantID": TENANT, "applications": [{
                "clientID": world.identity,
                "federatedCredentials": [{"name": "test", "issuer": ISSUER, "subject": subject}],
            }]}],
            "vaults": [{
                "name": world.vault,
                "tenantID": TENANT,
                "roleAssignments": [{"principal": world.identity, "role": role}],
                "secrets": secrets,
            }],
        });
        let seed: Seed = serde_json::from_value(seed).unwrap();
        site.stage.azure.seed(&seed).unwrap();
        world
    }

    /// A binding of these objects, by name; the patch is merged into its spec.
    pub(crate) fn binding(&self, name: &str, objects: &[&str], patch: &Value) -> Value {
        let objects: Vec<Value> = objects.iter().map(|name| json!({"name": name})).collect();
        let mut binding = json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": "VaultBinding",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "vault": {"name": self.vault, "tenantID": TENANT},
                "identity": {"clientID": self.identity, "serviceAccountName": ACCOUNT},
                "objects": objects,
            },
        });
        for (key, value) in patch.as_object().into_iter().flatten() {
            binding["spec"][key] = value.clone();
        }
        binding
    }

    /// Gives a secret a new version and returns value and version. It is newer than all before,
    /// also if they are of this second.
    pub(crate) fn rotate(&self, azure: &Azure, secret: &str) -> (String, String) {
        static LAST: AtomicI64 = AtomicI64::new(0);
        let later = |last| Some(now().max(last + 1));
        let ordering = Ordering::Relaxed;
        let last = LAST.fetch_update(ordering, ordering, later).unwrap();
        let created = later(last).unwrap();
        let value = value();
        let set = SetSecret::new(&value);
        let version = azure.vaults().set_secret(&self.vault, secret, set, created);
        (value, version.unwrap())
    }
}

impl Scene {
    /// A vault with secrets, read with the least role.
    pub(crate) async fn new(prefix: &str, secrets: &[&str]) -> Self {
        Self::with_role(prefix, "Key Vault Secrets User", secrets).await
    }

    pub(crate) async fn with_role(prefix: &str, role: &str, secrets: &[&str]) -> Self {
        Self::on(shared().await, prefix, role, secrets).await
    }

    /// On one of the sites.
    pub(crate) async fn on(
        shared: &'static Shared,
        prefix: &str,
        role: &str,
        secrets: &[&str],
    ) -> Self {
        let world = World::make(&shared.site, prefix, role, secrets).await;
        Self {
            shared,
            client: shared.site.server.client().unwrap(),
            world,
            finished: false,
        }
    }

    pub(crate) fn azure(&self) -> &Azure {
        &self.shared.site.stage.azure
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The reads of values in this scene's vault, whoever made them: method and path, refused ones too.
    pub(crate) fn reads(&self) -> Vec<String> {
        self.calls(&Purpose::Value)
    }

    /// How many lists were asked for in this scene's vault.
    pub(crate) fn lists(&self) -> usize {
        self.calls(&Purpose::List).len()
    }

    fn calls(&self, wanted: &Purpose) -> Vec<String> {
        let host = format!("{}.vault.azure.net", self.world.vault);
        let calls = self.azure().calls();
        let calls = calls.iter().filter(|call| {
            call.host == host && call.status != Some(401) && purpose(call) == *wanted
        });
        calls.map(|call| call.path.clone()).collect()
    }

    pub(crate) fn bindings(&self) -> Api<VaultBinding> {
        Api::namespaced(self.client.clone(), &self.world.namespace)
    }

    pub(crate) fn classes(&self) -> Api<SecretProviderClass> {
        Api::namespaced(self.client.clone(), &self.world.namespace)
    }

    /// Makes another ServiceAccount.
    pub(crate) async fn account(&self, name: &str) {
        account(&self.client, &self.world.namespace, name).await;
    }

    /// Creates a binding of these objects.
    pub(crate) async fn bind(&self, name: &str, objects: &[&str], patch: &Value) -> VaultBinding {
        let binding = self.world.binding(name, objects, patch);
        let binding = serde_json::from_value(binding).unwrap();
        let params = PostParams::default();
        self.bindings().create(&params, &binding).await.unwrap()
    }

    /// Merges a patch into a binding, and returns its generation.
    pub(crate) async fn patch(&self, name: &str, patch: &Value) -> i64 {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = self.bindings().patch(name, &params, &patch).await;
        patched.unwrap().metadata.generation.unwrap()
    }

    /// Asks for a check of the vault now.
    pub(crate) async fn ask(&self, name: &str) {
        let now = jiff::Timestamp::now().to_string();
        let patch = json!({"metadata": {"annotations": {"vaultbind.dev/check-requested-at": now}}});
        self.patch(name, &patch).await;
    }

    /// The binding, once it is as wanted, for which its check is asked for every few seconds.
    pub(crate) async fn asked_until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&VaultBinding) -> bool,
    ) -> VaultBinding {
        let asking = async {
            loop {
                self.ask(name).await;
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        };
        tokio::select! {
            binding = self.until(name, what, wanted) => binding,
            () = asking => unreachable!(),
        }
    }

    /// The binding, once it is as wanted.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&VaultBinding) -> bool,
    ) -> VaultBinding {
        self.within(PATIENCE, name, what, wanted).await
    }

    pub(crate) async fn within(
        &self,
        patience: Duration,
        name: &str,
        what: &str,
        wanted: impl Fn(&VaultBinding) -> bool,
    ) -> VaultBinding {
        let api = self.bindings();
        let (api, wanted) = (&api, &wanted);
        eventually(patience, what, || async move {
            let binding = api.get(name).await.unwrap();
            match wanted(&binding) {
                true => Ok(binding),
                false => Err(format!("{:#?}", binding.status)),
            }
        })
        .await
    }

    /// The binding, once its status is about this generation and it is ready.
    pub(crate) async fn ready(&self, name: &str) -> VaultBinding {
        self.until(name, "Ready", is_ready).await
    }

    pub(crate) async fn class(&self, name: &str) -> SecretProviderClass {
        self.classes().get(name).await.unwrap()
    }

    /// The class, once it is as wanted.
    pub(crate) async fn class_until(
        &self,
        name: &str,
        wanted: impl Fn(&SecretProviderClass) -> bool,
    ) -> SecretProviderClass {
        let api = self.classes();
        let (api, wanted) = (&api, &wanted);
        eventually(PATIENCE, "a class", || async move {
            let class = api.get_opt(name).await.unwrap();
            class.clone().filter(wanted).ok_or(class)
        })
        .await
    }

    /// Mounts the class as it is in the cluster now, for a pod with a token of the API server's.
    pub(crate) async fn mount(&self, name: &str) -> Result<Mounted, Status> {
        let class = serde_json::to_value(self.class(name).await).unwrap();
        let class: driver::SecretProviderClass = serde_json::from_value(class).unwrap();
        let accounts: Api<ServiceAccount> =
            Api::namespaced(self.client.clone(), &self.world.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![AUDIENCE.to_owned()],
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let token = accounts.create_token_request(ACCOUNT, &params, &request);
        let token = token.await.unwrap().status.unwrap().token;
        let pod = Pod::new(&self.world.namespace, "app-0", ACCOUNT).with_token(AUDIENCE, token);
        let provider = self.shared.site.stage.driver().unwrap();
        let response = provider.mount(mount_request(&class, &pod)).await?;
        Ok(Mounted::of(response))
    }

    /// What holds at the end of every test: no value was read but by the provider, unless it is about
    /// Kubernetes Secrets, and neither the operator's log and metrics nor what it wrote into the cluster hold a value or a token.
    pub(crate) async fn finish(mut self) {
        self.finished = true;
        self.dump().await;
        let findings = logs().search().unwrap();
        assert!(findings.is_empty(), "{findings:#?}");

        let stage = &self.shared.site.stage;
        eventually(PATIENCE, "as many reads as the provider's", || async {
            let calls = stage.azure.calls();
            let calls = calls.iter().filter(|call| call.service == Service::Vault);
            // Anybody may ask without a token, and learns nothing.
            let calls: Vec<&Call> = calls.filter(|call| call.status != Some(401)).collect();
            let strange = calls.iter().find(|call| purpose(call) == Purpose::Other);
            assert!(strange.is_none(), "{strange:?}");
            if self.shared.reads_values {
                return Ok(());
            }
            let read = calls.iter().filter(|call| purpose(call) == Purpose::Value);
            let (read, provider) = (read.count(), provider_reads(&stage.provider));
            match read == provider {
                true => Ok(()),
                false => Err(format!("{read} reads, {provider} by the provider")),
            }
        })
        .await;
    }

    /// Writes what the operator says of this test into files that are searched.
    async fn dump(&self) {
        let (status, metrics) = self.shared.operator.get("/metrics").await.unwrap();
        assert_eq!(status, 200);
        let namespace = &self.world.namespace;
        let write = |kind: &str, text: &str| {
            let file = logs().path().join(format!("{namespace}-{kind}.log"));
            std::fs::write(file, text).unwrap();
        };
        write("metrics", &metrics);
        let all = ListParams::default();
        let bindings = self.bindings().list(&all).await.unwrap().items;
        let classes = self.classes().list(&all).await.unwrap().items;
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let events = events.list(&all).await.unwrap().items;
        write("bindings", &format!("{:#}", json!(bindings)));
        write("classes", &format!("{:#}", json!(classes)));
        write("events", &format!("{:#}", json!(events)));
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        assert!(
            self.finished || std::thread::panicking(),
            "a test that does not finish its scene proves too little"
        );
    }
}

/// Files and versions of a mount.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mounted {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) versions: BTreeMap<String, String>,
}

impl Mounted {
    fn of(response: MountResponse) -> Self {
        let files = response.files.into_iter();
        let versions = response.object_version.into_iter();
        Self {
            files: files
                .map(|file| (file.path, file.contents.to_vec()))
                .collect(),
            versions: versions.map(|one| (one.id, one.version)).collect(),
        }
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        std::str::from_utf8(&self.files[path]).unwrap()
    }
}

/// What a call to a vault is for.
#[derive(Debug, PartialEq, Eq)]
enum Purpose {
    List,
    Value,
    Other,
}

fn purpose(call: &Call) -> Purpose {
    let path: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["secrets" | "keys" | "certificates"]) => Purpose::List,
        ("GET", ["secrets" | "keys" | "certificates", _, "versions"]) => Purpose::List,
        ("GET", ["secrets" | "keys" | "certificates", _] | [_, _, _]) => Purpose::Value,
        _ => Purpose::Other,
    }
}

/// How many objects the provider has read, or tried to.
fn provider_reads(provider: &vaultbind_provider::server::Provider) -> usize {
    let text = provider.metrics().render().unwrap();
    let reads = text.lines().filter(|line| {
        line.starts_with("vaultbind_vault_requests_total{operation=\"get_")
            && !line.contains("code=\"401\"")
            && !line.contains("code=\"unreachable\"")
    });
    let counts = reads.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap());
    counts.sum()
}

/// A value that nothing else has, noted as one that may stand nowhere.
pub(crate) fn value() -> String {
    let value = random("value");
    logs().forbid(value.as_bytes()).unwrap();
    value
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub(crate) async fn account(client: &Client, namespace: &str, name: &str) {
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let api = Api::namespaced(client.clone(), namespace);
    api.create(&PostParams::default(), &account).await.unwrap();
}

/// Tries until it succeeds, or shows the last failure.
pub(crate) async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(
    patience: Duration,
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match attempt().await {
            Ok(found) => return found,
            Err(error) => assert!(
                Instant::now() < deadline,
                "not within {patience:?}: {what}: {error:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
