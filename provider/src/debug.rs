//! What is in memory and what the budgets do, for someone who looks for trouble: no values, tokens
//! or secrets, and on the loopback address only, for which whoever asks has to be in the pod's
//! network already.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;
use vaultbind_keyvault::cache::View;
use vaultbind_keyvault::{BudgetView, Cache, Transport};

/// What is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Insight {
    pub(crate) cache: Arc<Cache>,
    pub(crate) transport: Arc<Transport>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    cache: View,
    budgets: Vec<Budget>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Budget {
    name: String,
    state: &'static str,
    requests_per_second: f64,
    in_flight: usize,
    waiting: usize,
    held_for_seconds: Option<f64>,
}

impl From<BudgetView> for Budget {
    fn from(view: BudgetView) -> Self {
        let BudgetView {
            service: _,
            name,
            state,
            requests_per_second,
            in_flight,
            waiting,
            held_for,
        } = view;
        Self {
            name,
            state: state.as_str(),
            requests_per_second,
            in_flight,
            waiting,
            held_for_seconds: held_for.map(|held: Duration| held.as_secs_f64()),
        }
    }
}

/// The one page.
pub(crate) fn routes(insight: Insight) -> Router {
    Router::new()
        .route("/debug/state", get(state))
        .with_state(insight)
}

async fn state(State(insight): State<Insight>) -> Response {
    let budgets = insight.transport.budgets().into_iter();
    let shown = Shown {
        cache: insight.cache.view(),
        budgets: budgets.map(Budget::from).collect(),
    };
    match serde_json::to_string_pretty(&shown) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
