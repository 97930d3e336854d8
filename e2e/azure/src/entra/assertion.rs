//! Federated client assertions: an outside token against the credentials of an application.

use super::error::{EntraError, timestamp};
use crate::arm::{BINDING_AUDIENCE, BoundCluster};
use crate::directory::Principal;
use crate::issuers::{Issuers, Verdict};
use crate::jwt::Jwt;
use crate::seed::FederatedCredentialSeed;
use crate::token::CLOCK_SKEW;

/// Whether a token signs the application in.
pub(super) fn check(
    issuers: &Issuers,
    principal: &Principal,
    token: &str,
    now: i64,
) -> Result<(), EntraError> {
    let jwt = Jwt::parse(token).map_err(|_| EntraError::malformed_assertion())?;
    let issuer = jwt
        .text("iss")
        .ok_or_else(EntraError::malformed_assertion)?;
    if issuer.eq_ignore_ascii_case(&principal.client_id) {
        // An assertion the application signed itself, with a certificate: none is registered.
        return Err(EntraError::certificate(&principal.client_id));
    }
    if jwt.algorithm != "RS256" {
        return Err(EntraError::algorithm(&jwt.algorithm));
    }
    let federated = principal.federated_at(now);
    if federated.is_empty() {
        let Principal {
            client_id, name, ..
        } = principal;
        return Err(EntraError::no_federated_credentials(client_id, name));
    }
    if !federated
        .iter()
        .any(|credential| credential.issuer == issuer)
    {
        return Err(EntraError::no_match(700_211, "issuer", issuer));
    }
    check_signature(issuers, &jwt, issuer)?;
    check_times(&jwt, now)?;
    match_credential(&federated, &jwt, issuer)
}

/// Whether a ServiceAccount token of a cluster signs in an identity that is bound to the cluster.
pub(super) fn check_bound(
    issuers: &Issuers,
    cluster: &BoundCluster,
    principal: &Principal,
    token: &str,
    now: i64,
) -> Result<(), EntraError> {
    let jwt = Jwt::parse(token).map_err(|_| EntraError::malformed_assertion())?;
    let text = |name| jwt.text(name).ok_or_else(EntraError::malformed_assertion);
    let (issuer, subject) = (text("iss")?, text("sub")?);
    if jwt.algorithm != "RS256" {
        return Err(EntraError::algorithm(&jwt.algorithm));
    }
    if issuer != cluster.issuer {
        return Err(EntraError::no_match(700_211, "issuer", issuer));
    }
    check_signature(issuers, &jwt, issuer)?;
    check_times(&jwt, now)?;
    let audiences = jwt.audiences();
    if !audiences.contains(&BINDING_AUDIENCE) {
        return Err(EntraError::no_match(
            700_212,
            "audience",
            &audiences.join(","),
        ));
    }
    if !cluster.lets(subject, &principal.client_id) {
        return Err(EntraError::not_bound(subject, &principal.client_id));
    }
    match BoundCluster::is_known(principal, now) {
        true => Ok(()),
        false => Err(EntraError::no_match(
            700_213,
            "subject",
            &principal.object_id,
        )),
    }
}

fn check_signature(issuers: &Issuers, jwt: &Jwt<'_>, issuer: &str) -> Result<(), EntraError> {
    match issuers.verify(jwt) {
        Verdict::Good => Ok(()),
        Verdict::UnknownIssuer => Err(EntraError::issuer_unreachable(issuer)),
        Verdict::UnknownKey => Err(EntraError::signature("The key was not found.")),
        Verdict::BadSignature => Err(EntraError::signature(
            "The provided signature value did not match.",
        )),
    }
}

fn check_times(jwt: &Jwt<'_>, now: i64) -> Result<(), EntraError> {
    let expires = jwt
        .time("exp")
        .ok_or_else(EntraError::malformed_assertion)?;
    let from = jwt.time("nbf").or_else(|| jwt.time("iat"));
    let started = from.is_none_or(|from| from.saturating_sub(CLOCK_SKEW) <= now);
    if started && now < expires.saturating_add(CLOCK_SKEW) {
        return Ok(());
    }
    let time = |seconds| timestamp(seconds, "%Y-%m-%dT%H:%M:%S.0000000Z");
    Err(EntraError::assertion_time(
        &time(now),
        &time(from.unwrap_or_default()),
        &time(expires),
    ))
}

fn match_credential(
    federated: &[&FederatedCredentialSeed],
    jwt: &Jwt<'_>,
    issuer: &str,
) -> Result<(), EntraError> {
    let subject = jwt
        .text("sub")
        .ok_or_else(EntraError::malformed_assertion)?;
    let audiences = jwt.audiences();
    let of_issuer = || {
        federated
            .iter()
            .filter(|credential| credential.issuer == issuer)
    };
    let mut of_subject = of_issuer()
        .filter(|credential| credential.subject == subject)
        .peekable();
    if of_subject.peek().is_none() {
        let similar = of_issuer().any(|known| known.subject.eq_ignore_ascii_case(subject));
        let code = if similar { 7_002_138 } else { 700_213 };
        return Err(EntraError::no_match(code, "subject", subject));
    }
    let audience_fits = of_subject.any(|known| {
        known
            .audiences
            .iter()
            .any(|aud| audiences.contains(&aud.as_str()))
    });
    match audience_fits {
        true => Ok(()),
        false => Err(EntraError::no_match(
            700_212,
            "audience",
            &audiences.join(","),
        )),
    }
}
