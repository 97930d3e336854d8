//! Operations that take time, and how clients follow them.

use serde_json::json;
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::reply::{Reply, time};
use super::route::{Kind, Route};
use super::store::Store;
use crate::seed::ClusterSeed;

/// What clients are to wait between two questions, in seconds.
const RETRY_AFTER: u32 = 1;

/// Something that is being done.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    began: i64,
    ends: i64,
    /// The object id of who began it.
    by: String,
}

impl Operation {
    /// Begins one, and tells in the answer where to ask for it.
    pub(super) fn begin(store: &mut Store, context: &Context<'_>, reply: Reply) -> Reply {
        let id = Uuid::new_v4().to_string();
        let operation = Self {
            began: context.now,
            ends: context.after(store.settings.operation_duration),
            by: context.caller.object_id.clone(),
        };
        let cluster = store.clusters.get(&context.route.parent_key());
        let location = cluster.map_or("westeurope", |ClusterSeed { location, .. }| location);
        let host = context.request.host;
        let subscription = &context.route.subscription;
        let version = context.query("api-version").unwrap_or_default();
        let url = |kind: &str| {
            format!(
                "https://{host}/subscriptions/{subscription}/providers/Microsoft.ContainerService/\
                 locations/{location}/{kind}/{id}?api-version={version}"
            )
        };
        let reply = reply
            .with("azure-asyncoperation", url("operations"))
            .with("retry-after", RETRY_AFTER.to_string());
        let reply = match reply.status {
            202 => reply.with("location", url("operationresults")),
            _ => reply,
        };
        store.operations.insert(id, operation);
        reply
    }
}

impl Store {
    /// Whether somebody began the operation of a path.
    pub(super) fn began(&self, route: &Route, object_id: &str) -> bool {
        let id = route.name.as_deref().unwrap_or_default();
        let operation = self.operations.get(&id.to_ascii_lowercase());
        operation.is_some_and(|operation| operation.by.eq_ignore_ascii_case(object_id))
    }
}

pub(super) fn answer(store: &mut Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let id = context.route.required_name()?.to_ascii_lowercase();
    let found = store.operations.get(&id);
    let Operation { began, ends, .. } = found.ok_or_else(|| context.not_found())?;
    let is_done = *ends <= context.now;
    if context.route.kind == Kind::OperationResult {
        return Ok(match is_done {
            true => Reply::empty(204),
            false => {
                let again = format!(
                    "https://{}{}?{}",
                    context.request.host, context.request.path, context.request.query
                );
                Reply::empty(202)
                    .with("location", again)
                    .with("retry-after", RETRY_AFTER.to_string())
            }
        });
    }
    let body = json!({
        "id": context.route.id(),
        "name": id,
        "status": if is_done { "Succeeded" } else { "InProgress" },
        "startTime": time(*began),
        "endTime": is_done.then(|| time(*ends)),
    });
    let reply = Reply::new(200, body);
    Ok(match is_done {
        true => reply,
        false => reply.with("retry-after", RETRY_AFTER.to_string()),
    })
}
