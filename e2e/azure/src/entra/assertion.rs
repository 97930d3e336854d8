//! Federated client assertions: an outside token against the credentials of an application.

use super::error::{EntraError, timestamp};
use crate::directory::Principal;
use crate::issuers::{Issuers, Verdict};
use crate::jwt::Jwt;
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
    if principal.federated.is_empty() {
        let Principal {
            client_id, name, ..
        } = principal;
        return Err(EntraError::no_federated_credentials(client_id, name));
    }
    if !principal
        .federated
        .iter()
        .any(|credential| credential.issuer == issuer)
    {
        return Err(EntraError::no_match(700_211, "issuer", issuer));
    }
    match issuers.verify(&jwt) {
        Verdict::Good => {}
        Verdict::UnknownIssuer => return Err(EntraError::issuer_unreachable(issuer)),
        Verdict::UnknownKey => return Err(EntraError::signature("The key was not found.")),
        Verdict::BadSignature => {
            return Err(EntraError::signature(
                "The provided signature value did not match.",
            ));
        }
    }
    check_times(&jwt, now)?;
    match_credential(principal, &jwt, issuer)
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

fn match_credential(principal: &Principal, jwt: &Jwt<'_>, issuer: &str) -> Result<(), EntraError> {
    let subject = jwt
        .text("sub")
        .ok_or_else(EntraError::malformed_assertion)?;
    let audiences = jwt.audiences();
    let of_issuer = || {
        principal
            .federated
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
