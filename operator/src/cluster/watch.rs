//! Watches that never end: each keeps a [`Keeper`] up to date, and says how it stands.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use kube::api::Api;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{info, warn};

use super::store::{Keeper, Name};

/// How a watch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its first list has not come.
    Starting,
    /// What it keeps is what there is.
    Synced,
    /// The cluster does not have the kind.
    Absent,
}

/// Objects that are not what their definition says. They are left alone until they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Malformed(Arc<Mutex<HashMap<(&'static str, Name), String>>>);

impl Malformed {
    /// How many there are of a kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.keys().filter(|(of, _)| *of == kind).count()
    }

    /// All are read anew.
    fn anew(&self, kind: &'static str, namespace: Option<&str>) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.retain(|(of, name), _| {
            *of != kind || namespace.is_some_and(|namespace| name.namespace != namespace)
        });
    }

    fn found(&self, kind: &'static str, name: Name, error: &str) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, name);
        if objects.get(&key).is_none_or(|known| known != error) {
            let (kind, name) = &key;
            warn!(kind, %name, error, "an object cannot be read and is left alone");
            objects.insert(key, error.to_owned());
        }
    }

    fn well(&self, kind: &'static str, name: &Name) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !objects.is_empty() && objects.remove(&(kind, name.clone())).is_some() {
            info!(kind, %name, "the object can be read now");
        }
    }
}

/// One watch.
pub(crate) struct Watch<W, K> {
    /// The kind, as people write it.
    pub(crate) kind: &'static str,
    pub(crate) api: Api<W>,
    /// The namespace, if it is not all of them.
    pub(crate) namespace: Option<String>,
    pub(crate) config: watcher::Config,
    /// The object, or why it is none.
    pub(crate) read: fn(W) -> Result<K, Box<InvalidObject>>,
    pub(crate) keeper: Arc<dyn Keeper<K>>,
    pub(crate) malformed: Malformed,
}

/// Reads an object of which one that is malformed must not stop the others.
pub(crate) fn guarded<K>(guard: DeserializeGuard<K>) -> Result<K, Box<InvalidObject>> {
    guard.0.map_err(Box::new)
}

/// The API of a kind, in one namespace or all.
pub(crate) fn api<W: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>>(
    client: &Client,
    namespace: Option<&str>,
) -> Api<W> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

impl<W, K> Watch<W, K>
where
    W: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    K: Resource<DynamicType = ()> + Send + 'static,
{
    /// Starts it. It ends with the runtime.
    pub(crate) fn spawn(self, tasks: &mut tokio::task::JoinSet<()>) -> watch::Receiver<Standing> {
        let (sender, receiver) = watch::channel(Standing::Starting);
        tasks.spawn(self.run(sender));
        receiver
    }

    async fn run(self, standing: watch::Sender<Standing>) {
        let stream = kube::runtime::watcher(self.api.clone(), self.config.clone());
        let mut stream = pin!(stream.default_backoff());
        let mut listed: Vec<K> = Vec::new();
        let mut failing: Option<String> = None;
        while let Some(event) = stream.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    let absent = is_absent(&error);
                    if absent {
                        self.keeper.listed(self.namespace.as_deref(), Vec::new());
                        standing.send_replace(Standing::Absent);
                    }
                    self.complain(&error.to_string(), absent, &mut failing);
                    continue;
                }
            };
            match event {
                Event::Init => {
                    listed.clear();
                    self.malformed.anew(self.kind, self.namespace.as_deref());
                }
                Event::InitApply(object) => listed.extend(self.object(object)),
                Event::InitDone => {
                    let objects = std::mem::take(&mut listed);
                    self.keeper.listed(self.namespace.as_deref(), objects);
                    standing.send_replace(Standing::Synced);
                }
                Event::Apply(object) => {
                    if let Some(object) = self.object(object) {
                        self.keeper.applied(object);
                    }
                }
                Event::Delete(object) => {
                    let name = Name::of(object.meta());
                    self.malformed.well(self.kind, &name);
                    self.keeper.deleted(&name);
                }
            }
            if failing.take().is_some() {
                info!(kind = self.kind, "the watch goes on");
            }
        }
    }

    fn object(&self, object: W) -> Option<K> {
        match (self.read)(object) {
            Ok(mut object) => {
                super::store::strip(object.meta_mut());
                self.malformed.well(self.kind, &Name::of(object.meta()));
                Some(object)
            }
            Err(invalid) => {
                let name = Name::of(&invalid.metadata);
                // What was known of it is not what is there.
                self.keeper.deleted(&name);
                self.malformed.found(self.kind, name, &invalid.error);
                None
            }
        }
    }

    /// Once for each reason, not at every try.
    fn complain(&self, error: &str, absent: bool, failing: &mut Option<String>) {
        if failing.as_deref() == Some(error) {
            return;
        }
        let kind = self.kind;
        if absent {
            warn!(
                kind,
                "the cluster does not have this kind; it is looked for again"
            );
        } else {
            warn!(kind, error, "the watch failed, trying on");
        }
        *failing = Some(error.to_owned());
    }
}

/// Whether the API server does not know the kind.
fn is_absent(error: &watcher::Error) -> bool {
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => return status.code == 404,
        watcher::Error::NoResourceVersion => return false,
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
