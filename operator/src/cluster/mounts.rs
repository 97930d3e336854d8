//! Which pods mount which SecretProviderClass in which versions. There is one object of the driver for each
//! volume of each pod, so only what is needed is kept, and what is equal is kept once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::store::{Keeper, Name};
use crate::observed::Mount;
use crate::secrets_store::{MountedObject, SecretProviderClassPodStatus};

type Listener = Box<dyn Fn(&Name) + Send + Sync>;

/// The volumes, by the SecretProviderClass that they show.
pub(crate) struct Mounts {
    volumes: RwLock<Volumes>,
    /// Told of the SecretProviderClass whose mounts have changed.
    listener: Listener,
}

impl fmt::Debug for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounts").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Volumes {
    classes: HashMap<Name, Class>,
    /// The class of each of the driver's objects.
    of: HashMap<Name, Name>,
}

/// The volumes of one SecretProviderClass.
#[derive(Default)]
struct Class {
    /// By the name of the driver's object.
    volumes: BTreeMap<String, Volume>,
    /// What volumes have: mostly all the same, for a while two.
    contents: Vec<Arc<[MountedObject]>>,
}

struct Volume {
    pod: String,
    objects: Arc<[MountedObject]>,
}

impl Class {
    /// The content that is kept already, or this one.
    fn shared(&mut self, objects: Vec<MountedObject>) -> Arc<[MountedObject]> {
        if let Some(same) = self.contents.iter().find(|content| ***content == *objects) {
            return Arc::clone(same);
        }
        self.contents
            .retain(|content| Arc::strong_count(content) > 1);
        let content: Arc<[MountedObject]> = objects.into();
        self.contents.push(Arc::clone(&content));
        content
    }
}

impl Mounts {
    pub(crate) fn new(listener: impl Fn(&Name) + Send + Sync + 'static) -> Self {
        Self {
            volumes: RwLock::default(),
            listener: Box::new(listener),
        }
    }

    /// The pods that mount a SecretProviderClass.
    pub(crate) fn of(&self, class: &Name) -> Vec<Mount> {
        let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
        let of = volumes.classes.get(class).into_iter();
        of.flat_map(|class| class.volumes.values())
            .map(|volume| Mount {
                pod: volume.pod.clone(),
                objects: volume.objects.to_vec(),
            })
            .collect()
    }

    /// How many there are.
    pub(crate) fn count(&self, class: &Name) -> usize {
        let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
        (volumes.classes.get(class)).map_or(0, |class| class.volumes.len())
    }

    fn keep(&self, object: SecretProviderClassPodStatus) {
        let name = Name::of(&object.metadata);
        let status = object.status;
        if !status.mounted || status.secret_provider_class_name.is_empty() {
            self.deleted(&name);
            return;
        }
        let class = Name {
            namespace: name.namespace.clone(),
            name: status.secret_provider_class_name,
        };
        {
            let mut guard = self.volumes.write().unwrap_or_else(PoisonError::into_inner);
            let volumes = &mut *guard;
            let of = volumes.classes.entry(class.clone()).or_default();
            let before = of.volumes.get(&name.name);
            if before.is_some_and(|volume| {
                volume.pod == status.pod_name && *volume.objects == *status.objects
            }) {
                return;
            }
            let objects = of.shared(status.objects);
            let pod = status.pod_name;
            of.volumes
                .insert(name.name.clone(), Volume { pod, objects });
            volumes.of.insert(name, class.clone());
        }
        (self.listener)(&class);
    }
}

impl Keeper<SecretProviderClassPodStatus> for Mounts {
    fn listed(&self, namespace: Option<&str>, objects: Vec<SecretProviderClassPodStatus>) {
        let there: std::collections::HashSet<Name> = objects
            .iter()
            .map(|object| Name::of(&object.metadata))
            .collect();
        let gone: Vec<Name> = {
            let volumes = self.volumes.read().unwrap_or_else(PoisonError::into_inner);
            let known = volumes.of.keys();
            known
                .filter(|name| namespace.is_none_or(|namespace| name.namespace == namespace))
                .filter(|name| !there.contains(name))
                .cloned()
                .collect()
        };
        for name in &gone {
            self.deleted(name);
        }
        for object in objects {
            self.keep(object);
        }
    }

    fn applied(&self, object: SecretProviderClassPodStatus) {
        self.keep(object);
    }

    fn deleted(&self, name: &Name) {
        let class = {
            let mut guard = self.volumes.write().unwrap_or_else(PoisonError::into_inner);
            let volumes = &mut *guard;
            let Some(class) = volumes.of.remove(name) else {
                return;
            };
            if let Some(of) = volumes.classes.get_mut(&class) {
                of.volumes.remove(&name.name);
                if of.volumes.is_empty() {
                    volumes.classes.remove(&class);
                }
            }
            class
        };
        (self.listener)(&class);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kube::api::ObjectMeta;

    use super::*;
    use crate::secrets_store::PodStatus;

    fn status(name: &str, class: &str, version: &str) -> SecretProviderClassPodStatus {
        SecretProviderClassPodStatus {
            metadata: ObjectMeta {
                namespace: Some("payments".to_owned()),
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            status: PodStatus {
                pod_name: format!("pod-{name}"),
                secret_provider_class_name: class.to_owned(),
                mounted: true,
                objects: vec![MountedObject {
                    id: "secret/db".to_owned(),
                    version: version.to_owned(),
                }],
            },
        }
    }

    fn class(name: &str) -> Name {
        Name {
            namespace: "payments".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn pods_are_found_by_class_and_what_is_equal_is_kept_once() {
        let told = Arc::new(Mutex::new(0));
        let listener = Arc::clone(&told);
        let mounts = Mounts::new(move |_| *listener.lock().unwrap() += 1);
        for name in ["a", "b", "c"] {
            mounts.applied(status(name, "db", "1"));
        }
        mounts.applied(status("d", "tls", "1"));
        mounts.applied(status("a", "db", "1"));
        assert_eq!(*told.lock().unwrap(), 4, "the same again is no change");
        assert_eq!(mounts.count(&class("db")), 3);
        assert_eq!(mounts.of(&class("tls"))[0].pod, "pod-d");
        {
            let volumes = mounts.volumes.read().unwrap();
            assert_eq!(volumes.classes[&class("db")].contents.len(), 1);
        }
        for version in 2..9 {
            for name in ["a", "b", "c"] {
                mounts.applied(status(name, "db", &version.to_string()));
            }
        }
        let volumes = mounts.volumes.read().unwrap();
        assert!(volumes.classes[&class("db")].contents.len() <= 2);
    }

    #[test]
    fn what_is_gone_leaves_nothing() {
        let mounts = Mounts::new(|_| {});
        mounts.applied(status("a", "db", "1"));
        mounts.applied(status("b", "db", "1"));
        mounts.listed(Some("other"), Vec::new());
        assert_eq!(mounts.count(&class("db")), 2);
        mounts.listed(Some("payments"), vec![status("b", "db", "1")]);
        assert_eq!(mounts.of(&class("db")).len(), 1);
        let mut unmounted = status("b", "db", "1");
        unmounted.status.mounted = false;
        mounts.applied(unmounted);
        let volumes = mounts.volumes.read().unwrap();
        assert!(volumes.classes.is_empty() && volumes.of.is_empty());
    }
}
