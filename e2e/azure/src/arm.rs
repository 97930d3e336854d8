//! The emulated Resource Manager: identities with their federated credentials, role assignments,
//! vaults as resources, and the identity bindings of AKS clusters.
//!
//! * `route` takes paths apart, `authentication` and `rights` say who may do what;
//! * `store` holds what is only here; identities are in the directory, vaults among the vaults;
//! * `identities`, `credentials`, `assignments`, `definitions`, `vaults`, `clusters` and `bindings`
//!   answer for their kind of resource;
//! * `throttle` counts requests, `activity` remembers who did what.

mod activity;
mod assignments;
mod authentication;
mod bindings;
mod clusters;
mod context;
mod credentials;
mod definitions;
mod error;
mod identities;
mod listing;
mod operations;
mod reply;
mod rights;
mod route;
mod seeding;
mod store;
mod throttle;
mod token_proxy;
mod vaults;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::answer::{Answer, Inbound};
use crate::cloud::Cloud;
use crate::roles::DataGrant;
use crate::state::State;
use crate::vault::Caller;
use context::{Context, Progress};
use error::ArmError;
use reply::Reply;
use route::{Kind, Route};
use store::Store;

pub use activity::Activity;
pub(crate) use route::is_resource_id;
pub use seeding::ArmSeedError;
pub(crate) use token_proxy::{BINDING_AUDIENCE, BoundCluster};

/// Resource Manager behind its lock.
#[derive(Debug, Default)]
pub(crate) struct ResourceManager(Mutex<Store>);

/// An answer, and who asked.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) client_id: Option<String>,
}

impl ResourceManager {
    /// Whoever holds it may ask directory and vaults, never the other way round.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The roles of a principal in force now, as far as vaults are concerned.
    pub(crate) fn data_grants(&self, object_id: &str, now: i64) -> Vec<DataGrant> {
        self.lock().data_grants(object_id, now)
    }

    /// Ids of all federated credentials and role assignments on and below a resource.
    pub(crate) fn managed_below(&self, resource: &str, state: &State) -> Vec<String> {
        self.lock().managed_below(resource, state)
    }

    /// Who did what, oldest first.
    pub(crate) fn activities(&self) -> Vec<Activity> {
        self.lock().activities.all()
    }

    /// The actions each principal has used, by object id.
    pub(crate) fn used_actions(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.lock().activities.used()
    }

    /// Forgets who did what.
    pub(crate) fn clear_activities(&self) {
        self.lock().activities.clear();
    }
}

/// Answers a request; `now` is the emulator's clock, `token_now` the one tokens are judged by.
pub(crate) async fn handle(
    state: &State,
    cloud: Cloud,
    request: &Inbound<'_>,
    now: Duration,
    token_now: i64,
) -> Outcome {
    let bearer = match authentication::authenticate(state, cloud, request, token_now) {
        Ok(bearer) => bearer,
        Err(error) => {
            let reply = authentication::challenge(error.into(), cloud, None);
            return Outcome {
                answer: reply::finish(&reply, request),
                client_id: crate::access::client_id(state, request, token_now),
            };
        }
    };
    let caller = Caller {
        client_id: bearer.client_id.clone(),
        object_id: bearer.object_id.clone(),
        tenant_id: bearer.tenant_id.clone(),
    };
    let route = match Route::parse(request.path) {
        Ok(route) => route,
        Err(error) => {
            return Outcome {
                answer: reply::finish(&error.into(), request),
                client_id: Some(caller.client_id),
            };
        }
    };
    let context = Context {
        state,
        cloud,
        bearer: &bearer,
        caller: &caller,
        route: &route,
        request,
        time: now,
        now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
    };
    let mut progress = Progress::default();
    let outcome = serve(&context, &mut progress).await;
    let reply = conclude(&context, progress, outcome);
    Outcome {
        answer: reply::finish(&reply, request),
        client_id: Some(caller.client_id),
    }
}

/// Lets the request in, waits as long as a write takes, and does what is asked.
async fn serve(context: &Context<'_>, progress: &mut Progress) -> Result<Reply, ArmError> {
    let arm = &context.state.arm;
    let (writing, millis) = {
        let mut store = arm.lock();
        context.admit(&mut store, progress)?;
        let writing = match context.route.kind {
            Kind::Credential => credentials::begin(&mut store, context)?,
            _ => None,
        };
        (writing, store.settings.credential_write_millis)
    };
    // Given up when the request ends, also when the client leaves meanwhile.
    let writing = writing.map(|identity| Writing { arm, identity });
    if writing.is_some() {
        tokio::time::sleep(Duration::from_millis(u64::from(millis))).await;
    }
    let mut store = arm.lock();
    match context.route.kind {
        Kind::Identity => identities::answer(&mut store, context),
        Kind::Credential => credentials::answer(&store, context),
        Kind::Assignment => assignments::answer(&mut store, context),
        Kind::Definition => definitions::answer(&store, context),
        Kind::Vault => vaults::answer(&store, context),
        Kind::Cluster => clusters::answer(&store, context),
        Kind::Binding => bindings::answer(&mut store, context),
        Kind::Operation | Kind::OperationResult => operations::answer(&mut store, context),
    }
}

/// The answer with what goes with it, and a line in the activity log.
fn conclude(context: &Context<'_>, progress: Progress, outcome: Result<Reply, ArmError>) -> Reply {
    let Progress {
        action,
        authorized,
        remaining,
    } = progress;
    let code = outcome.as_ref().err().map(|error| error.code.to_owned());
    let mut reply = outcome.unwrap_or_else(Reply::from);
    if reply.status == 401 {
        let tenant = context
            .state
            .arm
            .lock()
            .tenant_of(&context.route.subscription);
        reply = authentication::challenge(reply, context.cloud, tenant.as_deref());
    }
    if let Some((header, left)) = remaining {
        reply = reply.with(header, left.to_string());
    }
    let mut store = context.state.arm.lock();
    if authorized {
        store
            .activities
            .use_action(&context.caller.object_id, &action);
    }
    store.activities.add(Activity {
        time: reply::time(context.now),
        client_id: context.caller.client_id.clone(),
        object_id: context.caller.object_id.clone(),
        action,
        resource: context.route.id(),
        authorized,
        status: reply.status,
        code,
    });
    reply
}

/// The answer of a fault that stands before Resource Manager.
pub(crate) fn fault(status: u16, request: &Inbound<'_>) -> Answer {
    reply::finish(&ArmError::fault(status, request.path).into(), request)
}

/// A write of a federated credential under way.
struct Writing<'a> {
    arm: &'a ResourceManager,
    identity: String,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.arm.lock().writing.remove(&self.identity);
    }
}
