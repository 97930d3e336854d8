//! What a binding wants in Azure, brought about: looked at, made, and removed again.
//!
//! Whatever many bindings want to know is asked for once, and Azure's federated credentials are written by one
//! at a time. What is to be done the [plan](crate::plan) says.

mod issuer;
mod removal;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};
use vaultbind_keyvault::Cloud;

use crate::azure::book::{Book, Turns};
use crate::azure::{Client, ResourceId};
use crate::observed::{
    Assignment, AzureCause, AzureError, AzureSeen, Credential, ManagedIdentity, Seen, VaultResource,
};
use crate::plan::{AzureStep, Wanted};

pub(crate) use issuer::Issuer;
pub(crate) use removal::Removal;

/// How long Azure's answers hold for a binding with which all is well.
const LOOK_EACH: Duration = Duration::from_secs(30 * 60);

/// How long a write waits at most after Azure asked to, and at least.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
const SHORTEST_HOLD: Duration = Duration::from_secs(4);

/// Azure for bindings. Cheap to share.
#[derive(Clone)]
pub(crate) struct Provision {
    inner: Arc<Inner>,
}

struct Inner {
    /// Absent if the operator has no identity.
    client: Option<Client>,
    issuer: Issuer,
    identities: Book<ManagedIdentity>,
    credentials: Book<Vec<Credential>>,
    vaults: Book<VaultResource>,
    assignments: Book<Vec<Assignment>>,
    roles: Book<String>,
    turns: Turns,
    /// When a binding was looked at last, by its uid.
    looked: Mutex<HashMap<String, Instant>>,
    /// What was last said of a deletion that is delayed, by the binding's uid.
    said: Mutex<HashMap<String, String>>,
}

impl fmt::Debug for Provision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provision").finish_non_exhaustive()
    }
}

impl Provision {
    pub(crate) fn new(client: Option<Client>, issuer: Issuer, turns: Turns) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                issuer,
                identities: Book::new(),
                credentials: Book::new(),
                vaults: Book::new(),
                assignments: Book::new(),
                roles: Book::new(),
                turns,
                looked: Mutex::default(),
                said: Mutex::default(),
            }),
        }
    }

    /// Whether a binding with which all is well is to be looked at again. The first time after a start is
    /// spread by `spread`, a part of one.
    pub(crate) fn is_due(&self, uid: &str, spread: f64) -> bool {
        let now = Instant::now();
        let mut looked = self
            .inner
            .looked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let age = looked.get(uid).map(|at| now.duration_since(*at));
        match age {
            Some(age) if age < LOOK_EACH => false,
            Some(_) => true,
            None => {
                let already = LOOK_EACH.mul_f64(spread.clamp(0.0, 1.0));
                looked.insert(uid.to_owned(), now.checked_sub(already).unwrap_or(now));
                false
            }
        }
    }

    /// Whether something else is said of a delayed deletion than the last time.
    pub(crate) fn is_news(&self, uid: &str, what: &str) -> bool {
        const MOST: usize = 1000;
        let said = &self.inner.said;
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() > MOST {
            said.clear();
        }
        said.insert(uid.to_owned(), what.to_owned())
            .is_none_or(|before| before != what)
    }

    fn note_look(&self, uid: &str) {
        let now = Instant::now();
        let looked = &self.inner.looked;
        let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, at| now.duration_since(*at) < LOOK_EACH * 2);
        looked.insert(uid.to_owned(), now);
    }

    /// Looks at what is wanted; answers that are not older than `max_age` do.
    pub(crate) async fn look(
        &self,
        uid: &str,
        wanted: Option<&Wanted>,
        max_age: Duration,
    ) -> AzureSeen {
        self.note_look(uid);
        let mut seen = AzureSeen {
            at: Timestamp::now(),
            issuer: self.inner.issuer.get().await,
            identity: None,
            credentials: None,
            vault: None,
            assignments: None,
            roles: BTreeMap::new(),
            made: BTreeMap::new(),
            removed: BTreeSet::new(),
            failed: BTreeMap::new(),
            waits_until: None,
        };
        let Some(wanted) = wanted else {
            return seen;
        };
        let Looking { client, identity } = match self.looking(wanted) {
            Ok(looking) => looking,
            Err(error) => {
                seen.identity = Some(Err(error));
                return seen;
            }
        };
        let (inner, cloud) = (&self.inner, wanted.cloud);
        let identity = &identity;
        let who = (inner.identities).get(identity.key(), max_age, client.identity(cloud, identity));
        let credentials = async {
            wanted.credential.as_ref()?;
            let ask = client.credentials(cloud, identity);
            Some(inner.credentials.get(identity.key(), max_age, ask).await)
        };
        let vault = async {
            let vault = parse(&wanted.roles.as_ref()?.vault);
            Some(match vault {
                Ok(vault) => {
                    let ask = client.vault(cloud, &vault);
                    inner.vaults.get(vault.key(), max_age, ask).await
                }
                Err(error) => Err(error),
            })
        };
        let (who, credentials, vault) = tokio::join!(who, credentials, vault);
        seen.credentials = credentials;
        seen.vault = vault;
        if let (Ok(who), Some(Ok(vault)), Some(roles)) = (&who, &seen.vault, &wanted.roles)
            && vault.uses_roles
            && let Ok(vault) = parse(&roles.vault)
        {
            let principal = &who.principal_id;
            let key = assignments_key(&vault, principal);
            let ask = client.assignments(cloud, &vault, principal);
            seen.assignments = Some(inner.assignments.get(&key, max_age, ask).await);
            for role in &roles.assignments {
                if !seen.roles.contains_key(&role.role) {
                    let key = format!("{}|{}", vault.key(), role.role.to_ascii_lowercase());
                    let ask = client.role(cloud, &vault, &role.role);
                    let id = inner.roles.get(&key, LOOK_EACH, ask).await;
                    seen.roles.insert(role.role.clone(), id);
                }
            }
        }
        seen.identity = Some(who);
        seen
    }

    fn looking(&self, wanted: &Wanted) -> Seen<Looking<'_>> {
        Ok(Looking {
            client: self.client(&wanted.identity)?,
            identity: parse(&wanted.identity)?,
        })
    }

    fn client(&self, id: &str) -> Seen<&Client> {
        self.inner.client.as_ref().ok_or_else(|| {
            Arc::new(AzureError {
                action: "Microsoft.ManagedIdentity/userAssignedIdentities/read",
                id: id.to_owned(),
                cause: AzureCause::NoToken {
                    text: "it has no identity: set operator.azure.clientID and operator.azure.tenantID of the \
                           chart (--azure-client-id, --azure-tenant-id, --azure-token-file)"
                        .to_owned(),
                    lasting: true,
                },
            })
        })
    }

    /// Until when a step waits for others; nothing if it may be taken now.
    pub(crate) fn waits(&self, step: &AzureStep) -> Option<Timestamp> {
        let AzureStep::PutCredential { id, identity, .. } = step else {
            return None;
        };
        let identity = parse(identity).ok()?;
        let subscription = identity.subscription().to_ascii_lowercase();
        let who = id.to_ascii_lowercase();
        let now = Instant::now();
        let wait = self
            .inner
            .turns
            .wait(&who, identity.key(), &subscription, now)?;
        Timestamp::now().checked_add(wait).ok()
    }

    /// Makes something. What came of it is in `seen`; says whether to go on.
    pub(crate) async fn carry(&self, cloud: Cloud, step: &AzureStep, seen: &mut AzureSeen) -> bool {
        let key = step.id().to_ascii_lowercase();
        let made = match step {
            AzureStep::PutCredential { .. } => self.put_credential(cloud, step, seen).await,
            AzureStep::PutAssignment { .. } => self.put_assignment(cloud, step, seen).await,
            // Not made, but removed.
            AzureStep::Remove { .. } => return true,
        };
        match made {
            Ok(()) => {
                info!(id = step.id(), "made in Azure");
                seen.made.insert(key, Timestamp::now());
                true
            }
            Err(error) => {
                warn!(id = step.id(), %error, "not made in Azure");
                seen.failed.insert(key, error);
                false
            }
        }
    }

    async fn put_credential(
        &self,
        cloud: Cloud,
        step: &AzureStep,
        seen: &mut AzureSeen,
    ) -> Seen<()> {
        let AzureStep::PutCredential {
            id,
            identity,
            name,
            issuer,
            subject,
            audience,
        } = step
        else {
            return Ok(());
        };
        let client = self.client(id)?;
        let (id, identity) = (parse(id)?, parse(identity)?);
        let put = client.put_credential(cloud, &id, issuer, subject, audience);
        let put = put.await;
        let books = &self.inner.credentials;
        match &put {
            Ok(new) => {
                let new = new.clone();
                let add = |all: &mut Vec<Credential>| {
                    all.retain(|one| !one.name.eq_ignore_ascii_case(name));
                    all.push(new);
                };
                if let Some(Ok(all)) = &mut seen.credentials {
                    add.clone()(all);
                }
                books.change(identity.key(), add).await;
            }
            Err(error) => {
                self.hold_back(&identity, &error.cause);
                books.forget(identity.key()).await;
            }
        }
        put.map(drop)
    }

    /// Azure asked to wait, or somebody else writes: all wait a while, not the same time each.
    fn hold_back(&self, identity: &ResourceId, cause: &AzureCause) {
        if let AzureCause::Busy { retry_after, .. } = cause {
            let asked = retry_after.unwrap_or(SHORTEST_HOLD);
            let hold = asked.clamp(SHORTEST_HOLD, LONGEST_HOLD);
            let hold = hold.mul_f64(1.0 + f64::from(chance()) / 200.0);
            (self.inner.turns).hold(identity.key(), hold, Instant::now());
        }
    }

    async fn put_assignment(
        &self,
        cloud: Cloud,
        step: &AzureStep,
        seen: &mut AzureSeen,
    ) -> Seen<()> {
        let AzureStep::PutAssignment {
            id,
            scope,
            role_id,
            principal,
            description,
            ..
        } = step
        else {
            return Ok(());
        };
        let client = self.client(id)?;
        let (id, scope) = (parse(id)?, parse(scope)?);
        let put = client.put_assignment(cloud, &id, role_id, principal, description);
        let put = put.await;
        let key = assignments_key(&vault_of(&scope), principal);
        let book = &self.inner.assignments;
        match &put {
            Ok(new) => {
                let new = new.clone();
                if let Some(Ok(all)) = &mut seen.assignments {
                    all.push(new.clone());
                }
                book.change(&key, |all| all.push(new)).await;
            }
            Err(_) => book.forget(&key).await,
        }
        put.map(drop)
    }
}

struct Looking<'a> {
    client: &'a Client,
    identity: ResourceId,
}

fn assignments_key(vault: &ResourceId, principal: &str) -> String {
    format!("{}|{}", vault.key(), principal.to_ascii_lowercase())
}

/// The vault that a scope is, or that it lies in.
fn vault_of(scope: &ResourceId) -> ResourceId {
    let text = scope.as_str();
    let mut parts: Vec<&str> = text.split('/').collect();
    // A vault's id has nine parts, the empty one at its begin counted.
    parts.truncate(9);
    parts.join("/").parse().unwrap_or_else(|_| scope.clone())
}

fn parse(id: &str) -> Seen<ResourceId> {
    id.parse::<ResourceId>().map_err(|error| {
        Arc::new(AzureError {
            action: "Microsoft.Resources/resources/read",
            id: id.to_owned(),
            cause: AzureCause::Refused {
                status: 400,
                code: "InvalidResourceId".to_owned(),
                message: error.to_string(),
            },
        })
    })
}

/// A number from 0 to 99 by chance, for waits that are not to end together.
fn chance() -> u8 {
    use std::hash::{BuildHasher as _, RandomState};
    (RandomState::new().hash_one(0) % 100) as u8
}
