//! One vault: what it holds, who may use it, and the way of a request through it.

use crate::cloud::Cloud;
use crate::roles::DataGrant;

use super::access::{self, Authorization, NetworkRule, Site};
use super::certificates::{self, Authority, Certificate};
use super::collection;
use super::error::ApiError;
use super::keys::{self, Key};
use super::names::Collection;
use super::query::Query;
use super::reply::Reply;
use super::request::VaultRequest;
use super::route::{self, Call, Verb};
use super::secrets::{self, Secret};
use super::store::{Body, Deletion, Objects, View};

/// A vault and all its objects.
pub(super) struct Vault {
    pub(super) name: String,
    pub(super) cloud: Cloud,
    /// Further host names.
    pub(super) hosts: Vec<String>,
    pub(super) tenant_id: String,
    /// The region.
    pub(super) location: String,
    /// `/subscriptions/../vaults/{name}`, in the data plane's lower case.
    pub(super) resource: String,
    /// Days deleted objects are kept.
    pub(super) days: i64,
    pub(super) authorization: Authorization,
    pub(super) network: NetworkRule,
    pub(super) secrets: Objects<Secret>,
    pub(super) keys: Objects<Key>,
    pub(super) certificates: Objects<Certificate>,
    /// Signs the certificates of issuer `Chain`.
    pub(super) authority: Option<Authority>,
    /// Seconds a deletion takes to settle.
    pub(super) deletion_delay: i64,
    /// Seconds a certificate takes to be issued.
    pub(super) issuance_delay: i64,
}

/// What the operations of a call look at beside the store.
pub(super) struct Context<'a> {
    pub(super) call: &'a Call,
    pub(super) query: &'a Query,
    pub(super) body: &'a [u8],
    pub(super) now: i64,
    pub(super) view: View<'a>,
}

impl Vault {
    /// `https://host`
    pub(super) fn base(&self) -> String {
        format!(
            "https://{}.{}",
            self.name.to_ascii_lowercase(),
            self.cloud.vault_suffix()
        )
    }

    /// Does what time has brought: purges, and issues certificates that are due.
    pub(super) fn settle(&mut self, now: i64) {
        self.secrets.expire(now);
        self.keys.expire(now);
        self.certificates.expire(now);
        certificates::issue_due(self, now);
    }

    /// Checks network, API version, path and rights, in this order, then does what is asked.
    pub(super) fn answer(
        &mut self,
        request: &VaultRequest,
        grants: &[DataGrant],
        now: i64,
    ) -> Result<Reply, ApiError> {
        if request.path == "/healthstatus" {
            return Ok(Reply::ok("OK"));
        }
        let site = Site {
            vault: format!("{};location={}", self.name, self.location),
            resource: &self.resource,
        };
        access::check_network(&self.network, request, &site)?;
        let query = Query::parse(&request.query)?;
        let call = route::parse(&request.method, &request.path)?;
        access::check(&self.authorization, &call, &request.caller, grants, &site)?;
        let base = self.base();
        let view = View {
            base: &base,
            api: query.api,
            days: self.days,
            explicit: call.version.is_some(),
        };
        let context = Context {
            call: &call,
            query: &query,
            body: &request.body,
            now,
            view,
        };
        self.perform(&context)
    }

    fn perform(&mut self, context: &Context<'_>) -> Result<Reply, ApiError> {
        let lists = match context.call.kind {
            Collection::Secrets => read(&self.secrets, context),
            Collection::Keys => read(&self.keys, context),
            Collection::Certificates => read(&self.certificates, context),
        };
        if let Some(reply) = lists {
            return reply;
        }
        match context.call.kind {
            Collection::Secrets => secrets::answer(self, context),
            Collection::Keys => keys::answer(self, context),
            Collection::Certificates => certificates::answer(self, context),
        }
    }

    /// The times of a deletion made now.
    pub(super) fn deletion(&self, now: i64) -> Deletion {
        Deletion {
            now,
            days: self.days,
            delay: self.deletion_delay,
        }
    }
}

/// The reads that are the same for all kinds.
fn read<B: Body>(objects: &Objects<B>, context: &Context<'_>) -> Option<Result<Reply, ApiError>> {
    let Context {
        call,
        query,
        now,
        view,
        ..
    } = context;
    Some(match call.verb {
        Verb::List => Ok(collection::list(objects, query, view)),
        Verb::ListVersions => collection::list_versions(objects, &call.name, query, view),
        Verb::ListDeleted => Ok(collection::list_deleted(objects, query, view, *now)),
        Verb::GetDeleted => objects
            .get_deleted(&call.name, *now)
            .and_then(|deleted| collection::deleted_bundle(deleted, view)),
        _ => return None,
    })
}

/// Deletion, recovery and purge of secrets and keys that belong to no certificate.
pub(super) fn remove<B: Body>(
    objects: &mut Objects<B>,
    context: &Context<'_>,
    times: &Deletion,
) -> Result<Reply, ApiError> {
    let Context {
        call, now, view, ..
    } = context;
    let name = &call.name;
    match call.verb {
        Verb::Delete => {
            if objects.get(name)?.is_managed() {
                return Err(ApiError::managed(B::KIND, "delete"));
            }
            objects.check_vacant(name, *now)?;
            objects.delete(name, times)?;
            // A deletion that takes its time is answered with the deleted bundle all the same.
            let settled = now + times.delay;
            collection::deleted_bundle(objects.get_deleted(name, settled)?, view)
        }
        Verb::Recover => {
            objects.check_deleted_unmanaged(name, "recover")?;
            let object = objects.take_deleted(name, *now)?;
            objects.restore(object);
            let (object, version) = objects.version(name, None)?;
            Ok(Reply::ok(B::bundle(object, version, view)))
        }
        Verb::Purge => {
            objects.check_deleted_unmanaged(name, "purge")?;
            objects.take_deleted(name, *now)?;
            Ok(Reply::no_content())
        }
        _ => Err(ApiError::no_resource()),
    }
}
