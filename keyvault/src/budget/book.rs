//! The budgets there are, bounded in number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Budget, BudgetView, Limits};
use crate::transport::{Observer, Service};

/// Of each service. Whoever writes classes can name any number of vaults and tenants.
const MANY: usize = 256;

type Shelf = HashMap<String, Arc<Budget>>;

/// The budgets of a transport, by service and name.
pub(crate) struct Budgets {
    limits: Limits,
    observer: Option<Arc<dyn Observer>>,
    vaults: Mutex<Shelf>,
    /// Apart, so that made-up tenants cannot push out what is known of vaults.
    tokens: Mutex<Shelf>,
    /// Of Resource Manager, by subscription.
    management: Mutex<Shelf>,
}

impl Budgets {
    pub(crate) fn new(limits: Limits, observer: Option<Arc<dyn Observer>>) -> Self {
        Self {
            limits,
            observer,
            vaults: Mutex::default(),
            tokens: Mutex::default(),
            management: Mutex::default(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn shelf(&self, service: Service) -> MutexGuard<'_, Shelf> {
        let shelf = match service {
            Service::Vault => &self.vaults,
            Service::Entra | Service::Imds => &self.tokens,
            Service::ResourceManager => &self.management,
        };
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The budget for a request to a path of a host.
    pub(crate) fn get(&self, service: Service, host: &str, path: &str) -> Arc<Budget> {
        let name = match service {
            Service::Entra => {
                let tenant = path.split('/').nth(1).unwrap_or_default();
                format!("{host}/{tenant}")
            }
            Service::ResourceManager => match subscription(path) {
                Some(id) => format!("{host}/{id}"),
                None => host.to_owned(),
            },
            Service::Vault | Service::Imds => host.to_owned(),
        };
        let mut shelf = self.shelf(service);
        if let Some(budget) = shelf.get(&name) {
            return Arc::clone(budget);
        }
        if shelf.len() >= MANY {
            make_room(&mut shelf);
        }
        let observer = self.observer.clone();
        let budget = Budget::new(service, name.clone(), &self.limits, observer);
        shelf.insert(name, Arc::clone(&budget));
        budget
    }

    /// Whether a vault is known to give no answers.
    pub(crate) fn is_open(&self, vault: &str) -> bool {
        let budget = self.shelf(Service::Vault).get(vault).cloned();
        budget.is_some_and(|budget| budget.is_open())
    }

    /// All of them, by name.
    pub(crate) fn view(&self) -> Vec<BudgetView> {
        let mut views: Vec<_> = [Service::Vault, Service::Entra, Service::ResourceManager]
            .into_iter()
            .flat_map(|service| self.shelf(service).values().cloned().collect::<Vec<_>>())
            .map(|budget| budget.view())
            .collect();
        views.sort_by(|a, b| (a.service, &a.name).cmp(&(b.service, &b.name)));
        views
    }
}

/// The id of the subscription that a path of Resource Manager is in. Ids are compared without case.
fn subscription(path: &str) -> Option<String> {
    let mut segments = path.split('/').skip(1);
    let is_one = segments.next()?.eq_ignore_ascii_case("subscriptions");
    let id = segments.next().filter(|id| is_one && !id.is_empty())?;
    Some(id.to_ascii_lowercase())
}

/// Forgets the one unused for longest, of those that hold nothing worth knowing if there is one.
/// Whoever is using it keeps it to the end.
fn make_room(shelf: &mut Shelf) {
    let oldest = shelf
        .iter()
        .min_by_key(|(_, budget)| (!budget.is_idle(), budget.last_used()))
        .map(|(name, _)| name.clone());
    if let Some(name) = oldest {
        shelf.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::budget::Outcome;

    #[tokio::test]
    async fn budgets_are_bounded_and_a_throttled_one_outlives_idle_ones() {
        let budgets = Budgets::new(Limits::default(), None);
        let throttled = budgets.get(Service::Vault, "kv-throttled", "/secrets/a");
        let deadline = Instant::now() + Duration::from_secs(1);
        let permit = throttled.admit(deadline, false, &mut 0).await.unwrap();
        permit.settle(Outcome::Throttled {
            status: 429,
            retry_after: Some(Duration::from_secs(60)),
        });
        for n in 0..MANY + 50 {
            budgets.get(Service::Vault, &format!("kv-{n}"), "/secrets/a");
            budgets.get(Service::Entra, "login", &format!("/{n}/oauth2/v2.0/token"));
        }
        let views = budgets.view();
        assert_eq!(views.len(), 2 * MANY);
        assert!(views.iter().any(|view| view.name == "kv-throttled"));
        assert!(!views.iter().any(|view| view.name == "kv-0"));
    }

    #[test]
    fn tenants_have_budgets_of_their_own() {
        let budgets = Budgets::new(Limits::default(), None);
        let get = |path| budgets.get(Service::Entra, "login", path);
        let one = get("/one/oauth2/v2.0/token");
        assert!(Arc::ptr_eq(&one, &get("/one/oauth2/token")));
        assert!(!Arc::ptr_eq(&one, &get("/two/oauth2/v2.0/token")));
    }

    #[test]
    fn subscriptions_have_budgets_of_their_own() {
        let budgets = Budgets::new(Limits::default(), None);
        let get = |path| budgets.get(Service::ResourceManager, "management", path);
        let one = get("/subscriptions/0AB1/resourceGroups/a/providers/x");
        assert!(Arc::ptr_eq(&one, &get("/Subscriptions/0ab1")));
        let others = [
            "/subscriptions/0ab2/resourceGroups/a/providers/x",
            "/subscriptions/",
            "/providers/subscriptions/0ab1",
            "",
        ];
        for other in others {
            assert!(!Arc::ptr_eq(&one, &get(other)), "{other}");
        }
        assert!(Arc::ptr_eq(&get("/subscriptions/"), &get("/providers/x")));
        let names: Vec<String> = budgets.view().into_iter().map(|view| view.name).collect();
        assert_eq!(names, ["management", "management/0ab1", "management/0ab2"]);
    }
}
