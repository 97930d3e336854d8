//! Objects as the watches tell them, by namespace and name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Resource;
use kube::api::ObjectMeta;

/// Annotation in which `kubectl apply` keeps a copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Which object of a kind. What has no namespace has an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl Name {
    /// The name in an object's metadata.
    pub(crate) fn of(metadata: &ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Drops what is large and of no use here.
pub(crate) fn strip(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
}

/// The version of an object. The API server's are numbers that grow.
pub(crate) fn version(metadata: &ObjectMeta) -> u64 {
    let version = metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

/// Takes what a watch tells.
pub(crate) trait Keeper<K>: Send + Sync + 'static {
    /// These are all, of one namespace or of the cluster.
    fn listed(&self, namespace: Option<&str>, objects: Vec<K>);
    /// This one is there.
    fn applied(&self, object: K);
    /// This one is gone.
    fn deleted(&self, name: &Name);
}

/// What happened to one object.
#[derive(Debug, Clone)]
pub(crate) struct Change<K> {
    /// What it was, if it was there.
    pub(crate) before: Option<Arc<K>>,
    /// What it is, if it is there.
    pub(crate) after: Option<Arc<K>>,
}

impl<K> Change<K> {
    /// The object, as it is or was last.
    pub(crate) fn object(&self) -> Option<&Arc<K>> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

type Listener<K> = Box<dyn Fn(Change<K>) + Send + Sync>;

/// Objects of a kind, stripped.
pub(crate) struct Store<K> {
    objects: RwLock<BTreeMap<String, BTreeMap<String, Arc<K>>>>,
    listener: Listener<K>,
}

impl<K> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl<K: Resource> Store<K> {
    /// An empty one. The listener is told of every change, after it.
    pub(crate) fn new(listener: impl Fn(Change<K>) + Send + Sync + 'static) -> Self {
        Self {
            objects: RwLock::default(),
            listener: Box::new(listener),
        }
    }

    pub(crate) fn get(&self, name: &Name) -> Option<Arc<K>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(&name.namespace)?.get(&name.name).cloned()
    }

    /// All of a namespace, by name.
    pub(crate) fn within(&self, namespace: &str) -> Vec<Arc<K>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let within = objects.get(namespace).into_iter();
        within.flat_map(BTreeMap::values).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let all = objects.values().flat_map(BTreeMap::values);
        all.cloned().collect()
    }

    /// Keeps what a write came back with, so that the next look sees it. An older object than the one
    /// that is there is left out; a watch may tell it after a write.
    pub(crate) fn put(&self, mut object: K) {
        strip(object.meta_mut());
        let name = Name::of(object.meta());
        let object = Arc::new(object);
        let before = {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            let within = objects.entry(name.namespace).or_default();
            if let Some(before) = within.get(&name.name)
                && before.meta().uid == object.meta().uid
                && version(before.meta()) >= version(object.meta())
            {
                return;
            }
            within.insert(name.name, Arc::clone(&object))
        };
        let after = Some(object);
        (self.listener)(Change { before, after });
    }
}

impl<K: Resource + Send + Sync + 'static> Keeper<K> for Store<K> {
    fn listed(&self, namespace: Option<&str>, objects: Vec<K>) {
        let there: std::collections::HashSet<Name> = objects
            .iter()
            .map(|object| Name::of(object.meta()))
            .collect();
        let known = match namespace {
            Some(namespace) => self.within(namespace),
            None => self.all(),
        };
        for gone in known.iter().map(|object| Name::of(object.meta())) {
            if !there.contains(&gone) {
                self.deleted(&gone);
            }
        }
        for object in objects {
            self.put(object);
        }
    }

    fn applied(&self, object: K) {
        self.put(object);
    }

    fn deleted(&self, name: &Name) {
        let before = {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            let Some(within) = objects.get_mut(&name.namespace) else {
                return;
            };
            let before = within.remove(&name.name);
            if within.is_empty() {
                objects.remove(&name.namespace);
            }
            before
        };
        if before.is_some() {
            (self.listener)(Change {
                before,
                after: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

    use super::*;

    fn object(namespace: &str, name: &str, version: u64) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                uid: Some(format!("{namespace}-{name}")),
                resource_version: Some(version.to_string()),
                managed_fields: Some(vec![ManagedFieldsEntry::default()]),
                annotations: Some([(LAST_APPLIED.to_owned(), "{}".to_owned())].into()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    fn store() -> (Store<ConfigMap>, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&told);
        let store = Store::new(move |change: Change<ConfigMap>| {
            let shown = |object: &Option<Arc<ConfigMap>>| {
                (object.as_ref()).map_or(0, |object| version(&object.metadata))
            };
            let name = Name::of(&change.object().unwrap().metadata);
            let (before, after) = (shown(&change.before), shown(&change.after));
            listener
                .lock()
                .unwrap()
                .push(format!("{name} {before}>{after}"));
        });
        (store, told)
    }

    #[test]
    fn a_list_replaces_what_is_of_its_namespace_alone() {
        let (store, told) = store();
        store.listed(None, vec![object("a", "1", 1), object("b", "1", 2)]);
        store.listed(Some("a"), vec![object("a", "2", 3)]);
        assert_eq!(
            *told.lock().unwrap(),
            ["a/1 0>1", "b/1 0>2", "a/1 1>0", "a/2 0>3"]
        );
        assert_eq!(store.within("b").len(), 1);
        store.listed(None, Vec::new());
        assert!(store.all().is_empty());
    }

    #[test]
    fn what_is_older_or_the_same_is_no_change() {
        let (store, told) = store();
        store.put(object("a", "1", 5));
        store.applied(object("a", "1", 4));
        store.applied(object("a", "1", 5));
        let mut anew = object("a", "1", 3);
        anew.metadata.uid = Some("another".to_owned());
        store.applied(anew);
        assert_eq!(*told.lock().unwrap(), ["a/1 0>5", "a/1 5>3"]);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let (store, _) = store();
        store.applied(object("a", "1", 1));
        let kept = &store.all()[0].metadata;
        assert_eq!((&kept.managed_fields, &kept.annotations), (&None, &None));
    }
}
