//! Leaders that are killed at any moment while bindings and vaults change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vaultbind_apiserver::Audit;
use vaultbind_crds::VaultBinding;
use vaultbind_e2e::operator::Operator;
use vaultbind_e2e::random::Random;
use vaultbind_operator::secrets_store::SecretProviderClass;

use crate::audit::{is_of, judge};
use crate::scene::{World, eventually, is_ready, pinned, versions};
use crate::site::{SYSTEM, Site, logs};

/// Times with which a dead leader is replaced within seconds.
const LEASE: [&str; 3] = [
    "--lease-duration=2s",
    "--lease-renew-deadline=1500ms",
    "--lease-retry-period=300ms",
];
/// Kills of the short form; `KILLS` says otherwise.
const FEW: usize = 5;
const VAULTS: usize = 3;
/// Secrets of each vault.
const SECRETS: [&str; 4] = ["db-password", "api-key", "token-key", "smtp"];
/// Bindings of each vault at the start.
const BINDINGS: usize = 6;
const OPERATORS: usize = 3;
/// For how long a cluster may be without a leader.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_leaves_nothing_half_done_and_nobody_writes_on_old_knowledge() {
    let kills = std::env::var("KILLS").map_or(FEW, |text| text.parse().unwrap());
    let seed = std::env::var("SEED").map_or_else(
        |_| u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()),
        |text| text.parse().unwrap(),
    );
    println!("{kills} kills, SEED={seed}");
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let resources = [
        (
            "vaultbind.dev",
            names(&["vaultbindings", "vaultbindings/status"]),
        ),
        (
            "secrets-store.csi.x-k8s.io",
            names(&["secretproviderclasses"]),
        ),
        ("coordination.k8s.io", names(&["leases"])),
    ];
    let resources = resources
        .map(|(group, names)| (group.to_owned(), names))
        .into();
    let site = Site::start(Audit::Changes { resources }).await;
    let mut writer = Writer::new(&site, seed).await;
    let ended = AtomicBool::new(false);
    let mut cast = Cast::start(&site).await;
    let changing = async {
        while !ended.load(Ordering::Relaxed) {
            writer.change().await;
        }
    };
    let killing = async {
        cast.kill(kills, Random::new(seed ^ 1)).await;
        ended.store(true, Ordering::Relaxed);
    };
    tokio::join!(changing, killing);
    writer.settle().await;

    let events = site.server.audit().unwrap();
    let report = judge(&events, |name| name.starts_with("operator-"));
    println!("{} changes by teams; {report:#?}", writer.changes);
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(report.by_others, 0);
    // One at the start, and one after each that was killed.
    assert!(report.terms > kills, "{} terms", report.terms);
    assert!(report.changed["vaultbindings/status"] > 0);
    assert!(report.changed["secretproviderclasses"] > 0);
    let findings = logs().search().unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// The operators.
struct Cast<'a> {
    site: &'a Site,
    operators: Vec<Operator>,
    started: usize,
}

impl<'a> Cast<'a> {
    async fn start(site: &'a Site) -> Self {
        let mut cast = Self {
            site,
            operators: Vec::new(),
            started: 0,
        };
        for _ in 0..OPERATORS {
            cast.add().await;
        }
        cast
    }

    /// As in a cluster, the next one has another name.
    async fn add(&mut self) {
        self.started += 1;
        let name = format!("operator-{}", self.started);
        self.operators.push(self.site.operator(&name, &LEASE).await);
    }

    async fn kill(&mut self, kills: usize, mut random: Random) {
        for kill in 1..=kills {
            self.replace_ended().await;
            let leader = self.leader().await;
            // Short waits hit what a new leader does first, long ones what it does all the time.
            let wait = match random.below(3) {
                0 => random.millis(0, 100),
                1 => random.millis(0, 1000),
                _ => random.millis(0, 3000),
            };
            tokio::time::sleep(wait).await;
            let victim = self.operators.remove(leader);
            println!(
                "kill {kill}: {} after {} ms",
                victim.name(),
                wait.as_millis()
            );
            victim.kill().await.unwrap();
            self.add().await;
        }
    }

    /// One that cannot renew its Lease in time ends, as on a machine that is too busy, and its pod starts
    /// again.
    async fn replace_ended(&mut self) {
        let before = self.operators.len();
        self.operators.retain_mut(|one| one.alive().is_ok());
        let ended = before - self.operators.len();
        if ended > 0 {
            println!("{ended} ended by themselves");
        }
        for _ in 0..ended {
            self.add().await;
        }
    }

    /// Waits until one of those that run has the Lease.
    async fn leader(&mut self) -> usize {
        let api: Api<Lease> = Api::namespaced(self.site.server.client().unwrap(), SYSTEM);
        let operators = &self.operators;
        let api = &api;
        eventually(PATIENCE, "a leader that lives", || async move {
            let leases = api.list(&ListParams::default()).await.unwrap().items;
            let holder = leases
                .iter()
                .find_map(|lease| lease.spec.as_ref()?.holder_identity.clone());
            let found = holder
                .as_ref()
                .and_then(|holder| operators.iter().position(|one| is_of(holder, one.name())));
            found.ok_or(holder)
        })
        .await
    }
}

/// Teams that change their bindings and rotate their secrets.
struct Writer<'a> {
    site: &'a Site,
    worlds: Vec<World>,
    bindings: Vec<(usize, String)>,
    /// The newest version of each secret of each vault.
    newest: BTreeMap<(usize, &'static str), String>,
    random: Random,
    rotated: Instant,
    changes: usize,
}

impl<'a> Writer<'a> {
    async fn new(site: &'a Site, seed: u64) -> Self {
        let mut writer = Self {
            site,
            worlds: Vec::new(),
            bindings: Vec::new(),
            newest: BTreeMap::new(),
            random: Random::new(seed),
            rotated: Instant::now(),
            changes: 0,
        };
        for number in 0..VAULTS {
            let prefix = format!("kill-{number}");
            let world = World::make(site, &prefix, "Key Vault Secrets User", &SECRETS).await;
            writer.worlds.push(world);
            for secret in SECRETS {
                writer.rotate(number, secret);
            }
            for _ in 0..BINDINGS {
                writer.bind(number).await;
            }
        }
        writer
    }

    fn rotate(&mut self, world: usize, secret: &'static str) {
        let (_, version) = self.worlds[world].rotate(&self.site.stage.azure, secret);
        self.newest.insert((world, secret), version);
        self.rotated = Instant::now();
    }

    fn objects(&mut self) -> Vec<&'static str> {
        let count = 1 + self.random.below(SECRETS.len());
        SECRETS.into_iter().take(count).collect()
    }

    fn api(&self, world: usize) -> Api<VaultBinding> {
        let client = self.site.server.client().unwrap();
        Api::namespaced(client, &self.worlds[world].namespace)
    }

    async fn bind(&mut self, world: usize) {
        let name = format!("b{}", self.bindings.len());
        let objects = self.objects();
        let binding = self.worlds[world].binding(&name, &objects, &Value::Null);
        let binding = serde_json::from_value(binding).unwrap();
        self.api(world)
            .create(&PostParams::default(), &binding)
            .await
            .unwrap();
        self.bindings.push((world, name));
    }

    async fn patch(&self, (world, name): &(usize, String), patch: Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        self.api(*world).patch(name, &params, &patch).await.unwrap();
    }

    /// One change of one binding or vault.
    async fn change(&mut self) {
        let wait = self.random.millis(10, 200);
        tokio::time::sleep(wait).await;
        self.changes += 1;
        let at = self.random.below(self.bindings.len());
        let binding = self.bindings[at].clone();
        // Versions of one second have no order.
        let may_rotate = self.rotated.elapsed() > Duration::from_millis(1100);
        match self.random.below(6) {
            0 if may_rotate => {
                let secret = SECRETS[self.random.below(SECRETS.len())];
                self.rotate(binding.0, secret);
                self.patch(&binding, asked()).await;
            }
            1 if self.bindings.len() < 2 * VAULTS * BINDINGS => self.bind(binding.0).await,
            2 => {
                let policy = ["Apply", "Plan", "Suspend"][self.random.below(3)];
                let patch = json!({"spec": {"reconcilePolicy": policy}});
                self.patch(&binding, patch).await;
            }
            3 => {
                let policy = ["Delete", "Retain"][self.random.below(2)];
                let patch = json!({"spec": {"deletionPolicy": policy}});
                self.patch(&binding, patch).await;
            }
            4 => self.patch(&binding, asked()).await,
            _ => {
                let objects: Vec<Value> = self
                    .objects()
                    .into_iter()
                    .map(|name| json!({"name": name}))
                    .collect();
                self.patch(&binding, json!({"spec": {"objects": objects}}))
                    .await;
            }
        }
    }

    /// Lets everything that is wanted be done, and compares with what must come of it.
    async fn settle(&self) {
        for binding in &self.bindings {
            let mut patch = asked();
            patch["spec"] = json!({"reconcilePolicy": "Apply"});
            self.patch(binding, patch).await;
        }
        for (world, name) in &self.bindings {
            let api = self.api(*world);
            let client = self.site.server.client().unwrap();
            let classes: Api<SecretProviderClass> =
                Api::namespaced(client, &self.worlds[*world].namespace);
            let (api, classes) = (&api, &classes);
            eventually(Duration::from_secs(60), name, || async move {
                let binding = api.get(name).await.unwrap();
                let class = classes.get_opt(name).await.unwrap();
                let objects = binding.spec.objects.iter();
                let wanted: BTreeMap<String, String> = objects
                    .map(|object| {
                        let newest = self
                            .newest
                            .iter()
                            .find(|((at, secret), _)| at == world && *secret == object.name);
                        (object.name.clone(), newest.unwrap().1.clone())
                    })
                    .collect();
                let found = class.as_ref().map(versions);
                let owned = class.map(|class| !class.owner_references().is_empty());
                let retained =
                    binding.spec.deletion_policy == vaultbind_crds::binding::DeletionPolicy::Retain;
                let right = is_ready(&binding)
                    && pinned(&binding) == wanted
                    && found.as_ref() == Some(&wanted)
                    && owned == Some(!retained);
                match right {
                    true => Ok(()),
                    false => Err((wanted, found, owned, binding)),
                }
            })
            .await;
        }
    }
}

fn asked() -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({"metadata": {"annotations": {"vaultbind.dev/check-requested-at": now}}})
}
