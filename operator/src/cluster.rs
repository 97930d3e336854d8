//! What is in the cluster, as the watches tell it. Everything that a reconcile looks at is in memory; only
//! what is about to be written is asked for.

mod mounts;
mod store;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinSet;
use vaultbind_crds::status::AzureState;
use vaultbind_crds::{DEFAULT_CLASS_ANNOTATION, VaultBinding, VaultClass};

use crate::observed::{ClassChoice, Cluster, Driver};
use crate::secrets_store::{SecretProviderClass, SecretProviderClassPodStatus};

pub(crate) use mounts::Mounts;
pub(crate) use store::{Change, Keeper, Name, Store};
use watch::Malformed;
use watch::{Standing, Watch, api, guarded};

/// The CSI driver's name.
const DRIVER: &str = "secrets-store.csi.k8s.io";

/// Label of the SecretProviderClasses that bindings made.
const OURS: &str = "app.kubernetes.io/managed-by=vaultbind";

/// What changed in the cluster.
#[derive(Debug)]
pub(crate) enum Happening {
    Binding(Change<VaultBinding>),
    Class(Change<VaultClass>),
    Target(Change<SecretProviderClass>),
    Namespace(Change<PartialObjectMeta<Namespace>>),
    Driver(Change<CSIDriver>),
    /// The kinds of the CSI driver came or went.
    DriverKinds,
    /// Pods mount this SecretProviderClass, or do not any more, or have other versions.
    Mounts(Name),
}

type Listener = dyn Fn(&View, Happening) + Send + Sync;

/// The cluster in memory.
pub(crate) struct View {
    pub(crate) bindings: Arc<Store<VaultBinding>>,
    pub(crate) classes: Arc<Store<VaultClass>>,
    pub(crate) targets: Arc<Store<SecretProviderClass>>,
    pub(crate) namespaces: Arc<Store<PartialObjectMeta<Namespace>>>,
    pub(crate) drivers: Arc<Store<CSIDriver>>,
    pub(crate) mounts: Arc<Mounts>,
    pub(crate) malformed: Malformed,
    watches: Mutex<Watches>,
}

/// The watches that run. They end with the view.
#[derive(Debug, Default)]
struct Watches {
    tasks: JoinSet<()>,
    standings: Vec<(&'static str, tokio::sync::watch::Receiver<Standing>)>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

/// Kinds as people write them.
const BINDINGS: &str = "vaultbindings";
const CLASSES: &str = "vaultclasses";
const TARGETS: &str = "secretproviderclasses";
const STATUSES: &str = "secretproviderclasspodstatuses";
const NAMESPACES: &str = "namespaces";
const DRIVERS: &str = "csidrivers";

/// The kinds of which a malformed object is left alone.
pub(crate) const GUARDED: [&str; 5] = [BINDINGS, CLASSES, TARGETS, STATUSES, DRIVERS];

impl View {
    /// An empty one. The listener is told of every change, after it.
    pub(crate) fn new(listener: impl Fn(&View, Happening) + Send + Sync + 'static) -> Arc<Self> {
        let listener: Arc<Listener> = Arc::new(listener);
        Arc::new_cyclic(|view| {
            // The stores are the view's, so it is there whenever they change.
            macro_rules! tell {
                ($happening:expr) => {{
                    let (view, listener) = (view.clone(), Arc::clone(&listener));
                    move |change| {
                        if let Some(view) = view.upgrade() {
                            listener(&view, $happening(change));
                        }
                    }
                }};
            }
            let mounts = tell!(Happening::Mounts);
            Self {
                bindings: Arc::new(Store::new(tell!(Happening::Binding))),
                classes: Arc::new(Store::new(tell!(Happening::Class))),
                targets: Arc::new(Store::new(tell!(Happening::Target))),
                namespaces: Arc::new(Store::new(tell!(Happening::Namespace))),
                drivers: Arc::new(Store::new(tell!(Happening::Driver))),
                mounts: Arc::new(Mounts::new(move |class: &Name| mounts(class.clone()))),
                malformed: Malformed::default(),
                watches: Mutex::default(),
            }
        })
    }

    /// Starts to watch, in these namespaces or in all.
    pub(crate) fn watch(&self, client: &Client, namespaces: &[String]) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let Watches { tasks, standings } = &mut *watches;
        let everywhere = [None];
        let each: Vec<Option<&str>> = if namespaces.is_empty() {
            everywhere.to_vec()
        } else {
            namespaces.iter().map(|name| Some(name.as_str())).collect()
        };
        macro_rules! watch {
            ($kind:expr, $api:expr, $namespace:expr, $config:expr, $read:expr, $keeper:expr) => {
                let watch = Watch {
                    kind: $kind,
                    api: $api,
                    namespace: $namespace,
                    config: $config,
                    read: $read,
                    keeper: Arc::clone(&$keeper) as Arc<dyn store::Keeper<_>>,
                    malformed: self.malformed.clone(),
                };
                standings.push(($kind, watch.spawn(tasks)));
            };
        }
        for namespace in each {
            let own = || namespace.map(str::to_owned);
            let any = watcher::Config::default();
            let bindings = api::<DeserializeGuard<VaultBinding>>(client, namespace);
            watch!(
                BINDINGS,
                bindings,
                own(),
                any.clone(),
                guarded,
                self.bindings
            );
            let targets = api::<DeserializeGuard<SecretProviderClass>>(client, namespace);
            let ours = watcher::Config::default().labels(OURS);
            watch!(TARGETS, targets, own(), ours, guarded, self.targets);
            let mounts = api::<DeserializeGuard<SecretProviderClassPodStatus>>(client, namespace);
            watch!(STATUSES, mounts, own(), any, guarded, self.mounts);
        }
        let any = watcher::Config::default();
        let classes = Api::<DeserializeGuard<VaultClass>>::all(client.clone());
        watch!(CLASSES, classes, None, any.clone(), guarded, self.classes);
        let labels = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
        watch!(NAMESPACES, labels, None, any.clone(), Ok, self.namespaces);
        let drivers = Api::<DeserializeGuard<CSIDriver>>::all(client.clone());
        let ours = any.fields(&format!("metadata.name={DRIVER}"));
        watch!(DRIVERS, drivers, None, ours, guarded, self.drivers);
    }

    /// Waits until everything that there is has been listed once. The kinds of the CSI driver may be absent,
    /// our own may not.
    pub(crate) async fn synced(&self) {
        let standings = {
            let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.standings.clone()
        };
        for (kind, mut standing) in standings {
            let optional = matches!(kind, TARGETS | STATUSES);
            let ready = |standing: &Standing| match standing {
                Standing::Starting => false,
                Standing::Synced => true,
                Standing::Absent => optional,
            };
            // An error means that the watch has ended, which is the end of all.
            if standing.wait_for(ready).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tells the listener when the kinds of the CSI driver come or go.
    pub(crate) fn tell_of_kinds(
        self: &Arc<Self>,
        listener: impl Fn(&View, Happening) + Send + 'static,
    ) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut standing = watches
            .standings
            .iter()
            .find(|(kind, _)| *kind == TARGETS)
            .map(|(_, standing)| standing.clone());
        let view = Arc::downgrade(self);
        watches.tasks.spawn(async move {
            let Some(standing) = &mut standing else {
                return;
            };
            while standing.changed().await.is_ok() {
                if let Some(view) = view.upgrade() {
                    listener(&view, Happening::DriverKinds);
                }
            }
        });
    }

    /// Whether the cluster has the kinds of the CSI driver.
    pub(crate) fn has_driver_kinds(&self) -> bool {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut targets = watches
            .standings
            .iter()
            .filter(|(kind, _)| *kind == TARGETS);
        targets.all(|(_, standing)| *standing.borrow() != Standing::Absent)
    }

    /// What is around a binding; nothing if its namespace is not known or goes.
    pub(crate) fn around(&self, binding: &VaultBinding) -> Option<Cluster> {
        let name = Name::of(&binding.metadata);
        let namespace = self.namespaces.get(&Name {
            namespace: String::new(),
            name: name.namespace.clone(),
        })?;
        if namespace.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let class = self.class_of(binding);
        Some(Cluster {
            driver: self.driver(),
            older_of_class: self.older(binding, &class),
            class,
            namespace_labels: namespace.labels().clone(),
            target: self.targets.get(&name),
            mounts: self.mounts.of(&name),
            // Who asks and who writes knows.
            azure: None,
            azure_shared: BTreeSet::new(),
            writes_secrets: false,
            secrets: BTreeMap::new(),
        })
    }

    fn driver(&self) -> Option<Driver> {
        let driver = self.drivers.get(&Name {
            namespace: String::new(),
            name: DRIVER.to_owned(),
        })?;
        // Without its kinds it is not all there.
        self.has_driver_kinds().then(|| {
            let requests = driver.spec.token_requests.iter().flatten();
            Driver {
                audiences: requests.map(|request| request.audience.clone()).collect(),
                requires_republish: driver.spec.requires_republish == Some(true),
            }
        })
    }

    /// The class that a binding is under.
    fn class_of(&self, binding: &VaultBinding) -> ClassChoice {
        if let Some(name) = &binding.spec.vault_class_name {
            let class = self.classes.get(&Name {
                namespace: String::new(),
                name: name.clone(),
            });
            return class.map_or_else(|| ClassChoice::Missing(name.clone()), ClassChoice::Chosen);
        }
        let mut defaults = self.classes.all();
        defaults.retain(|class| is_default(class));
        match defaults.as_slice() {
            [] => ClassChoice::None,
            [class] => ClassChoice::Chosen(Arc::clone(class)),
            several => ClassChoice::Several(several.iter().map(|class| class.name_any()).collect()),
        }
    }

    /// What other bindings than this one keep in Azure, by ids in lower case.
    pub(crate) fn azure_of_others(&self, name: &Name) -> BTreeSet<String> {
        let Some(binding) = self.bindings.get(name) else {
            return BTreeSet::new();
        };
        let own = binding.status.iter().flat_map(|status| &status.azure);
        let own: BTreeSet<String> = own.map(|kept| kept.id.to_ascii_lowercase()).collect();
        if own.is_empty() {
            return own;
        }
        let mut shared = BTreeSet::new();
        for other in self.bindings.all() {
            if Name::of(&other.metadata) == *name || other.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let kept = other.status.iter().flat_map(|status| &status.azure);
            let kept = kept.filter(|kept| kept.state != AzureState::Removing);
            shared.extend(
                kept.map(|kept| kept.id.to_ascii_lowercase())
                    .filter(|id| own.contains(id)),
            );
        }
        shared
    }

    /// How many bindings of its class in its namespace are older than a binding.
    fn older(&self, binding: &VaultBinding, class: &ClassChoice) -> usize {
        let ClassChoice::Chosen(class) = class else {
            return 0;
        };
        let by_default = is_default(class);
        let of_class = |other: &VaultBinding| match &other.spec.vault_class_name {
            Some(name) => Some(name) == class.metadata.name.as_ref(),
            None => by_default,
        };
        // Of those made in the same second the names decide.
        let age = |binding: &VaultBinding| {
            let created = binding.metadata.creation_timestamp.as_ref();
            (created.map(|time| time.0), binding.metadata.name.clone())
        };
        let mine = age(binding);
        let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
        let within = self.bindings.within(namespace);
        let older = within
            .iter()
            .filter(|other| of_class(other) && age(other) < mine);
        older.count()
    }
}

/// Whether a class is that of bindings that name none.
pub(crate) fn is_default(class: &VaultClass) -> bool {
    let annotation = class.annotations().get(DEFAULT_CLASS_ANNOTATION);
    annotation.is_some_and(|value| value == "true")
}
