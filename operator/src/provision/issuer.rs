//! The issuer of the cluster's ServiceAccount tokens, as the API server tells it.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use vaultbind_keyvault::text::printable;

/// How long an answer holds: an issuer changes when the API servers are started anew.
const HOLDS: Duration = Duration::from_secs(10 * 60);
/// How long a failure is taken for granted.
const FAILURE_HOLDS: Duration = Duration::from_secs(10);
/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest issuer that is taken.
const LONGEST: usize = 1024;

type Told = Result<String, String>;

/// Asks the API server for the issuer, and remembers it.
#[derive(Clone)]
pub(crate) struct Issuer {
    client: Client,
    /// Who asks, for people.
    asker: &'static str,
    known: Arc<tokio::sync::Mutex<Option<(Instant, Told)>>>,
}

/// What is read of the OpenID Connect discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

impl Issuer {
    pub(crate) fn new(client: Client, asker: &'static str) -> Self {
        Self {
            client,
            asker,
            known: Arc::default(),
        }
    }

    /// The issuer, to the last character, or why it is not known.
    pub(crate) async fn get(&self) -> Told {
        let mut known = self.known.lock().await;
        if let Some((at, told)) = known.as_ref() {
            let holds = if told.is_ok() { HOLDS } else { FAILURE_HOLDS };
            if at.elapsed() < holds {
                return told.clone();
            }
        }
        let told = self.ask().await;
        *known = Some((Instant::now(), told.clone()));
        told
    }

    async fn ask(&self) -> Told {
        const PATH: &str = "/.well-known/openid-configuration";
        let request = http::Request::get(PATH)
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        let asked = timeout(PATIENCE, self.client.request::<Discovery>(request)).await;
        let issuer = match asked {
            Ok(Ok(discovery)) => discovery.issuer,
            Ok(Err(kube::Error::Api(status))) => {
                return Err(format!(
                    "the API server refuses GET {PATH} (HTTP {}): bind the ClusterRole \
                     system:service-account-issuer-discovery to {}",
                    status.code, self.asker
                ));
            }
            Ok(Err(_)) => {
                return Err(format!(
                    "the API server gives no usable answer to GET {PATH}"
                ));
            }
            Err(_) => return Err(format!("the API server does not answer GET {PATH}")),
        };
        if issuer.is_empty() || issuer.len() > LONGEST || printable(&issuer, LONGEST) != issuer {
            return Err(format!("GET {PATH} tells no issuer that can be one"));
        }
        Ok(issuer)
    }
}
