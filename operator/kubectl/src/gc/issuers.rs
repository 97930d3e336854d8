//! Whether issuers still answer. Whoever may write a federated credential has chosen these addresses, so they
//! are asked only where that is wanted: without any proof of who asks, and only the status is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use http::{Request, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use kube::client::Body;
use kube::{Client, Config};
use vaultbind_operator::azure::ResourceId;

use super::report::{Answers, OtherIssuer};
use crate::shell::quoted;

/// How long an issuer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many are asked at a time.
const AT_A_TIME: usize = 8;

/// Asks each issuer once, and says how to delete the credentials of those that are gone.
pub(super) async fn check(others: &mut [OtherIssuer]) {
    let issuers: BTreeSet<String> = others.iter().map(|one| one.issuer.clone()).collect();
    let ask = |issuer: String| async move {
        let answers = ask(&issuer).await;
        (issuer, answers)
    };
    let asked: Vec<_> = issuers.into_iter().map(ask).collect();
    let answers: BTreeMap<String, Answers> = stream::iter(asked)
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    for one in others {
        one.answers = answers.get(&one.issuer).copied().unwrap_or_default();
        one.command = match one.answers {
            Answers::Gone | Answers::Silent => deletion(one),
            Answers::NotAsked | Answers::Yes | Answers::Unclear => None,
        };
    }
}

async fn ask(issuer: &str) -> Answers {
    let Ok(uri) = issuer.parse::<Uri>() else {
        return Answers::Unclear;
    };
    // Azure trusts no other.
    if uri.scheme_str() != Some("https") {
        return Answers::Unclear;
    }
    let mut config = Config::new(uri.clone());
    let proxy = Matcher::from_env().intercept(&uri);
    config.proxy_url = proxy.map(|proxy| proxy.uri().clone());
    config.default_retry = false;
    let Ok(client) = Client::try_from(config) else {
        return Answers::Unclear;
    };
    let request = Request::get("/.well-known/openid-configuration").body(Body::empty());
    let Ok(request) = request else {
        return Answers::Unclear;
    };
    match tokio::time::timeout(PATIENCE, client.send(request)).await {
        Ok(Ok(answer)) => of_status(answer.status().as_u16()),
        Ok(Err(_)) | Err(_) => Answers::Silent,
    }
}

pub(super) fn of_status(status: u16) -> Answers {
    match status {
        200 => Answers::Yes,
        404 | 410 => Answers::Gone,
        _ => Answers::Unclear,
    }
}

/// The command that deletes a credential.
pub(super) fn deletion(one: &OtherIssuer) -> Option<String> {
    let identity: ResourceId = one.identity.parse().ok()?;
    Some(format!(
        "az identity federated-credential delete --name {} --identity-name {} --resource-group {} \
         --subscription {} --yes",
        quoted(&one.name),
        quoted(identity.name()),
        quoted(identity.group()?),
        quoted(identity.subscription()),
    ))
}
