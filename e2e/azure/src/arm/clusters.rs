//! AKS clusters, as far as identities are concerned: where they are, and who signs their
//! ServiceAccount tokens.

use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::reply::Reply;
use super::route::Kind;
use super::store::Store;
use crate::seed::ClusterSeed;

pub(super) fn answer(store: &Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let found = store.clusters.get(&context.route.key());
    let cluster = found.ok_or_else(|| context.not_found())?;
    Ok(Reply::new(200, describe(cluster)))
}

fn describe(cluster: &ClusterSeed) -> Value {
    let id = &cluster.resource_id;
    json!({
        "id": id,
        "name": id.rsplit('/').next().unwrap_or_default(),
        "type": Kind::Cluster.type_name(),
        "location": cluster.location,
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "oidcIssuerProfile": {"enabled": true, "issuerURL": cluster.issuer},
            "securityProfile": {"workloadIdentity": {"enabled": true}},
        },
    })
}
