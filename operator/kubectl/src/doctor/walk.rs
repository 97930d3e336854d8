//! All steps, one after the other, for each binding that was asked about.

use jiff::Timestamp;
use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;

use super::diagnosis::{Check, Diagnosis, Step, Walked};
use super::pods::{Volume, volumes};
use super::snapshot::{Look, Snapshot};
use super::{binding, driver, mounts, operator, vault};

/// What was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All bindings of the namespace, and pods that name none.
    Namespace,
    /// This binding.
    Binding(String),
    /// The bindings of this pod's volumes.
    Pod(String),
}

/// What is wrong with what was asked about; the worst comes first.
pub fn diagnose(snapshot: &Snapshot, asked: &Asked, now: Timestamp) -> Vec<Diagnosis> {
    let walk = Walk { snapshot, now };
    let mut found = match asked {
        Asked::Namespace => walk.namespace(),
        Asked::Binding(name) => vec![walk.binding(name, None)],
        Asked::Pod(name) => walk.pod(name),
    };
    found.sort_by_key(|diagnosis| (diagnosis.state, diagnosis.step));
    found
}

struct Walk<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
}

impl<'a> Walk<'a> {
    fn namespace(&self) -> Vec<Diagnosis> {
        let bindings = self.snapshot.bindings.all();
        let mut found: Vec<Diagnosis> = bindings
            .iter()
            .map(|one| self.binding(&one.name_any(), None))
            .collect();
        let all: Vec<Volume<'_>> = volumes(self.snapshot).collect();
        let mut pods: Vec<String> = (all.iter())
            .filter(|volume| self.is_astray(volume))
            .filter(|volume| {
                !bindings
                    .iter()
                    .any(|binding| self.is_meant(volume, binding))
            })
            .map(|volume| volume.pod.name_any())
            .collect();
        pods.dedup();
        found.extend(pods.iter().flat_map(|pod| self.pod(pod)));
        if found.is_empty() {
            let namespace = &self.snapshot.namespace;
            let mut steps = self.around(None, &[]);
            steps.push(Walked {
                step: Step::Binding,
                checks: vec![match &self.snapshot.bindings {
                    Look::Seen(_) => {
                        Check::passed(format!("namespace {namespace} has no bindings"))
                    }
                    Look::Not(why) => Check::not_looked("bindings", why),
                }],
            });
            let all = Diagnosis::new("Namespace", namespace, namespace, steps);
            found.push(match &self.snapshot.bindings {
                Look::Seen(_) => all,
                Look::Not(_) => all.not_looked(),
            });
        }
        found
    }

    /// Whether a volume leads nowhere: it names nothing, or what is not there.
    fn is_astray(&self, volume: &Volume<'_>) -> bool {
        let Some(name) = volume.class() else {
            return true;
        };
        let bound = self
            .snapshot
            .bindings
            .all()
            .iter()
            .any(|one| one.name_any() == name);
        let classes = self.snapshot.classes.seen();
        !bound && classes.is_some_and(|all| all.iter().all(|class| class.name_any() != name))
    }

    /// Whether a volume that leads nowhere is probably one for this binding.
    fn is_meant(&self, volume: &Volume<'_>, binding: &VaultBinding) -> bool {
        self.is_astray(volume) && volume.account() == binding.spec.identity.service_account_name
    }

    fn pod(&self, name: &str) -> Vec<Diagnosis> {
        let all: Vec<Volume<'a>> = volumes(self.snapshot)
            .filter(|volume| volume.pod.name_any() == name)
            .collect();
        let bound = |volume: &Volume<'_>| {
            let class = volume.class()?;
            let mut bindings = self.snapshot.bindings.all().iter();
            bindings
                .any(|one| one.name_any() == class)
                .then(|| class.to_owned())
        };
        let mut names: Vec<String> = all.iter().filter_map(bound).collect();
        names.sort();
        names.dedup();
        let mut found: Vec<Diagnosis> = names
            .iter()
            .map(|binding| self.binding(binding, Some(name)))
            .collect();
        let rest: Vec<Volume<'_>> = all
            .iter()
            .filter(|volume| bound(volume).is_none())
            .copied()
            .collect();
        if !rest.is_empty() || found.is_empty() {
            let mut steps = self.around(None, &rest);
            steps.push(Walked {
                step: Step::Mounts,
                checks: if all.is_empty() {
                    vec![self.no_volume(name)]
                } else {
                    mounts::checks(self.snapshot, None, &rest, self.now)
                },
            });
            let pod = Diagnosis::new("Pod", &self.snapshot.namespace, name, steps);
            found.push(match &self.snapshot.pods {
                Look::Seen(_) => pod,
                Look::Not(_) => pod.not_looked(),
            });
        }
        found
    }

    fn no_volume(&self, name: &str) -> Check {
        match &self.snapshot.pods {
            Look::Not(why) => Check::not_looked("pods", why),
            Look::Seen(_) => Check::Failed(
                super::Finding::new(
                    Step::Mounts,
                    "NoVolume",
                    format!(
                        "there is no pod {name} that has a volume of the CSI driver and is to run"
                    ),
                )
                .why("A pod gets files only through such a volume.")
                .command(format!(
                    "kubectl get pod {name} -n {} -o jsonpath='{{.spec.volumes}}'",
                    self.snapshot.namespace
                )),
            ),
        }
    }

    fn binding(&self, name: &str, pod: Option<&str>) -> Diagnosis {
        let namespace = &self.snapshot.namespace;
        let bindings = self.snapshot.bindings.all();
        let Some(one) = bindings.iter().find(|one| one.name_any() == name) else {
            let mut steps = self.around(None, &[]);
            steps.push(Walked {
                step: Step::Binding,
                checks: vec![match &self.snapshot.bindings {
                    Look::Seen(_) => binding::missing(self.snapshot, name),
                    Look::Not(why) => Check::not_looked("bindings", why),
                }],
            });
            let missing = Diagnosis::new("VaultBinding", namespace, name, steps);
            return match &self.snapshot.bindings {
                Look::Seen(_) => missing,
                Look::Not(_) => missing.not_looked(),
            };
        };
        let of_binding: Vec<Volume<'_>> = volumes(self.snapshot)
            .filter(|volume| match pod {
                Some(pod) => volume.pod.name_any() == pod && volume.class() == Some(name),
                None => volume.class() == Some(name) || self.is_meant(volume, one),
            })
            .collect();
        let mut steps = self.around(Some(one), &of_binding);
        let mut walked = |step, checks: Vec<Check>| {
            if !checks.is_empty() {
                steps.push(Walked { step, checks });
            }
        };
        walked(Step::Binding, binding::checks(self.snapshot, one));
        for step in [Step::Identity, Step::Network, Step::Access, Step::Objects] {
            walked(step, vault::checks(self.snapshot, one, step));
        }
        walked(Step::Secrets, vault::secrets(one));
        walked(
            Step::Mounts,
            mounts::checks(self.snapshot, Some(one), &of_binding, self.now),
        );
        Diagnosis::new("VaultBinding", namespace, name, steps)
    }

    /// The steps that are not of the binding itself.
    fn around(&self, binding: Option<&VaultBinding>, volumes: &[Volume<'_>]) -> Vec<Walked> {
        vec![
            Walked {
                step: Step::Api,
                checks: operator::api(self.snapshot),
            },
            Walked {
                step: Step::Operator,
                checks: operator::checks(self.snapshot, binding, self.now),
            },
            Walked {
                step: Step::Driver,
                checks: driver::checks(self.snapshot, binding, volumes),
            },
        ]
    }
}
