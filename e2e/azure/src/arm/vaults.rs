//! Vaults as resources, to be read only: a seed or the administration makes and changes them.

use super::context::Context;
use super::error::ArmError;
use super::listing::list;
use super::reply::Reply;
use super::store::Store;
use crate::roles::is_within;

pub(super) fn answer(store: &Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let vaults = &context.state.vaults;
    if context.route.name.is_some() {
        let found = vaults.describe(&context.route.key());
        return found
            .map(|vault| Reply::new(200, vault))
            .ok_or_else(|| context.not_found());
    }
    let scope = context.route.parent_key();
    let all = vaults.resources().into_iter();
    let found = all
        .filter(|(id, _)| is_within(id, &scope))
        .filter_map(|(id, _)| vaults.describe(&id));
    list(store, context, found)
}
