//! Certificates: only their place in the store so far.

use super::error::ApiError;
use super::names::Collection;
use super::reply::Reply;
use super::seed::CertificateSeed;
use super::store::{Body, Members, Object, Version, View};
use super::unit::{Context, Vault};

pub(super) struct Certificate;
pub(super) struct Authority;

impl Body for Certificate {
    type Head = ();
    const KIND: Collection = Collection::Certificates;

    fn bundle(_: &Object<Self>, _: &Version<Self>, _: &View<'_>) -> Members {
        Members::new()
    }

    fn decorate_item(&self, _: &mut Members) {}
}

pub(super) fn answer(_: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    Err(ApiError::not_found(
        Collection::Certificates,
        &context.call.name,
    ))
}

pub(super) fn issue_due(_: &mut Vault, _: i64) {}

pub(super) fn set_enabled(_: &mut Vault, _: &str, _: &str, _: bool, _: i64) {}

pub(super) fn seed(_: &mut Vault, _: &CertificateSeed, _: i64) -> Result<(), ApiError> {
    Err(ApiError::bad_parameter("certificates are not made yet"))
}
