//! A request on its way, and what stands before every resource: subscription, version, throttling,
//! roles, resource group.

use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;

use super::assignments;
use super::authentication::other_tenant;
use super::error::ArmError;
use super::route::{Kind, Route};
use super::store::Store;
use super::throttle::Class;
use crate::answer::{Inbound, query_value};
use crate::cloud::Cloud;
use crate::roles::Attributes;
use crate::state::State;
use crate::token::Bearer;
use crate::vault::Caller;

/// A request of somebody who is known.
pub(super) struct Context<'a> {
    pub(super) state: &'a State,
    pub(super) cloud: Cloud,
    pub(super) bearer: &'a Bearer,
    pub(super) caller: &'a Caller,
    pub(super) route: &'a Route,
    pub(super) request: &'a Inbound<'a>,
    /// Since 1970.
    pub(super) time: Duration,
    /// The same in seconds.
    pub(super) now: i64,
}

/// How far a request came.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) action: String,
    pub(super) authorized: bool,
    /// Header and value that tell how many requests are left.
    pub(super) remaining: Option<(&'static str, u32)>,
}

impl Context<'_> {
    /// Refuses what no resource provider gets to see.
    pub(super) fn admit(&self, store: &mut Store, progress: &mut Progress) -> Result<(), ArmError> {
        let route = self.route;
        progress.action = route.action(self.request.method)?;
        self.check_subscription(store)?;
        self.throttle(store, progress)?;
        self.check_version()?;
        self.check_rights(store, &progress.action)?;
        progress.authorized = true;
        if let Some(group) = &route.group
            && !store.has_group(&route.subscription, group)
        {
            return Err(ArmError::no_group(group));
        }
        Ok(())
    }

    /// A subscription is in the tenants of what lies in it, and they are in one cloud.
    fn check_subscription(&self, store: &Store) -> Result<(), ArmError> {
        let subscription = &self.route.subscription;
        let all = store.tenants_of(subscription);
        let here: Vec<_> = all
            .iter()
            .map(String::as_str)
            .filter(|tenant| self.state.directory.tenant(tenant, self.cloud).is_some())
            .collect();
        if here.is_empty() {
            return Err(ArmError::no_subscription(subscription));
        }
        match here.contains(&self.caller.tenant_id.as_str()) {
            true => Ok(()),
            false => Err(other_tenant(self.cloud, self.bearer, &here)),
        }
    }

    fn throttle(&self, store: &mut Store, progress: &mut Progress) -> Result<(), ArmError> {
        let settings = store.settings;
        let (class, bucket, what, header) = match *self.request.method {
            Method::GET => (
                Class::Reads,
                settings.reads,
                "read",
                "x-ms-ratelimit-remaining-subscription-reads",
            ),
            Method::DELETE => (
                Class::Deletes,
                settings.deletes,
                "delete",
                "x-ms-ratelimit-remaining-subscription-deletes",
            ),
            _ => (
                Class::Writes,
                settings.writes,
                "write",
                "x-ms-ratelimit-remaining-subscription-writes",
            ),
        };
        let subscription = self.route.subscription.to_ascii_lowercase();
        let actor = &self.caller.object_id;
        let whose = format!("{subscription}/{actor}");
        match store.buckets.take(class, whose, bucket, self.time) {
            Ok(left) => {
                progress.remaining = Some((header, left));
                Ok(())
            }
            Err(seconds) => {
                progress.remaining = Some((header, 0));
                Err(ArmError::throttled(&subscription, what, actor, seconds))
            }
        }
    }

    fn check_version(&self) -> Result<(), ArmError> {
        let supported = self.route.kind.versions();
        match self.query("api-version") {
            None => Err(ArmError::no_version()),
            Some(version) if supported.contains(&version.as_str()) => Ok(()),
            Some(version) => Err(ArmError::version(&version, supported)),
        }
    }

    /// Whoever began an operation may ask how it goes.
    fn check_rights(&self, store: &Store, action: &str) -> Result<(), ArmError> {
        let is_operation = matches!(self.route.kind, Kind::Operation | Kind::OperationResult);
        if is_operation && store.began(self.route, &self.caller.object_id) {
            return Ok(());
        }
        let attributes = match self.route.kind {
            Kind::Assignment => assignments::attributes(store, self),
            _ => Attributes::default(),
        };
        let scope = self.route.id();
        store.authorize(self.caller, action, &scope, &attributes, self.now)
    }

    /// A value of the query, decoded.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        query_value(self.request.query, name)
    }

    pub(super) fn method(&self) -> &Method {
        self.request.method
    }

    /// The body as JSON; what is not known is let through, as Azure does.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, ArmError> {
        serde_json::from_slice(&self.request.body).map_err(ArmError::content)
    }

    /// The error for a resource that is not there.
    pub(super) fn not_found(&self) -> ArmError {
        let name = self.route.name.as_deref().unwrap_or_default();
        ArmError::no_resource(self.route.kind, name, self.route.group_name())
    }

    /// When a change that takes so many seconds is in force.
    pub(super) fn after(&self, seconds: u32) -> i64 {
        self.now.saturating_add(i64::from(seconds))
    }
}
