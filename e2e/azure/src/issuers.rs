//! Issuers of the outside tokens that federated credentials trust: those made up here, which
//! sign ServiceAccount tokens as an API server does, and those of real clusters, whose public
//! keys came with the seed.

mod key;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jwt::{self, Claims, Jwt};
use crate::seed::{IssuerSeed, SeedFileError};
use key::Issuer;

/// Why the issuers of a seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The same issuer is there twice.
    #[error("issuers: {0} is there twice")]
    Duplicate(String),
    /// It is there already, with other keys.
    #[error("issuers: {0} is there already, with other keys")]
    Exists(String),
    /// A file with a key set cannot be used.
    #[error("issuers: jwksFile")]
    KeyFile(#[from] SeedFileError),
    /// A key of a set is not readable.
    #[error("issuers: {issuer}: jwks: key {index}: `n` and `e` must be base64url")]
    Jwk {
        /// The issuer.
        issuer: String,
        /// Index of the key.
        index: usize,
    },
    /// A key could not be generated.
    #[error("cannot generate a signing key")]
    Generate,
}

/// A request for the token of a ServiceAccount.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The issuer; the first that was seeded and has a signing key when not given.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// The ServiceAccount's name.
    pub service_account_name: String,
    /// The audience.
    pub audience: String,
    /// Seconds until it expires, negative for a token that already has; an hour when not given.
    #[serde(default)]
    pub expires_in: Option<i64>,
    /// Claims that replace the usual ones; `null` takes one away.
    #[serde(default)]
    pub claims: serde_json::Map<String, Value>,
}

/// A ServiceAccount token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountToken {
    /// The token.
    pub token: String,
    /// When it expires, RFC 3339.
    pub expiration_timestamp: String,
}

impl std::fmt::Debug for ServiceAccountToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccountToken")
            .field("expiration_timestamp", &self.expiration_timestamp)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestError {
    /// No such issuer.
    #[error("issuer: {0} is not in the seed")]
    UnknownIssuer(String),
    /// The seed has only public keys of this issuer.
    #[error("issuer: the seed has no signing key of {0}, only public keys")]
    VerifyOnly(String),
    /// No issuer has a signing key.
    #[error("issuer: the seed has no issuer with a signing key")]
    NoIssuer,
    /// The key could not sign.
    #[error("the token could not be signed")]
    Signing,
}

/// How a signature was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    UnknownIssuer,
    UnknownKey,
    BadSignature,
}

/// All issuers by their `iss` claim.
#[derive(Debug, Default)]
pub(crate) struct Issuers(RwLock<IssuerMap>);

/// The issuers, and which of them signs when none is asked for.
#[derive(Debug, Default)]
pub(crate) struct IssuerMap {
    issuers: HashMap<String, Arc<Issuer>>,
    default_issuer: Option<String>,
}

impl IssuerMap {
    /// Generates the keys that are missing, which takes a moment.
    pub(crate) fn from_seed(seeds: &[IssuerSeed]) -> Result<Self, IssuerError> {
        let mut all = Self::default();
        for seed in seeds {
            let issuer = match seed.key_set(Path::new(""))? {
                Some(jwks) => Issuer::verifying(&seed.issuer, &jwks)?,
                None => Issuer::generate()?,
            };
            if issuer.signer.is_some() && all.default_issuer.is_none() {
                all.default_issuer = Some(seed.issuer.clone());
            }
            let issuer = Arc::new(issuer);
            if all.issuers.insert(seed.issuer.clone(), issuer).is_some() {
                return Err(IssuerError::Duplicate(seed.issuer.clone()));
            }
        }
        Ok(all)
    }

    /// Refuses issuers that are there with other keys. The same ones again are no harm: those who
    /// add them may not know of each other.
    pub(crate) fn check(&self, more: &Self) -> Result<(), IssuerError> {
        for (name, issuer) in &more.issuers {
            let known = self.issuers.get(name);
            if known.is_some_and(|known| !known.is_like(issuer)) {
                return Err(IssuerError::Exists(name.clone()));
            }
        }
        Ok(())
    }

    /// Adds what is not there yet.
    pub(crate) fn merge(&mut self, more: Self) {
        for (name, issuer) in more.issuers {
            self.issuers.entry(name).or_insert(issuer);
        }
        self.default_issuer = self.default_issuer.take().or(more.default_issuer);
    }
}

impl Issuers {
    #[cfg(test)]
    fn new(issuers: IssuerMap) -> Self {
        Self(RwLock::new(issuers))
    }

    /// All issuers, for somebody who adds some.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, IssuerMap> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, IssuerMap> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Option<Arc<Issuer>> {
        self.read().issuers.get(name).cloned()
    }

    /// Looks for the key of a token and verifies its signature.
    pub(crate) fn verify(&self, jwt: &Jwt<'_>) -> Verdict {
        let issuer = jwt.text("iss").and_then(|issuer| self.get(issuer));
        let Some(issuer) = issuer else {
            return Verdict::UnknownIssuer;
        };
        let key = issuer.keys.iter().find(|key| key.id == jwt.key_id);
        let Some(key) = key else {
            return Verdict::UnknownKey;
        };
        let (signed, signature) = (jwt.signed.as_bytes(), &jwt.signature);
        match key
            .components
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
        {
            Ok(()) => Verdict::Good,
            Err(_) => Verdict::BadSignature,
        }
    }

    /// Makes a ServiceAccount token as an API server would.
    pub(crate) fn service_account_token(
        &self,
        request: &TokenRequest,
        now: i64,
    ) -> Result<ServiceAccountToken, TokenRequestError> {
        let asked = request.issuer.clone();
        let name = asked
            .or_else(|| self.read().default_issuer.clone())
            .ok_or(TokenRequestError::NoIssuer)?;
        let issuer = self
            .get(&name)
            .ok_or_else(|| TokenRequestError::UnknownIssuer(name.clone()))?;
        let signer = issuer
            .signer
            .as_ref()
            .ok_or_else(|| TokenRequestError::VerifyOnly(name.clone()))?;
        let expires = now.saturating_add(request.expires_in.unwrap_or(3600));
        let claims = service_account_claims(&name, request, now, expires);
        let header = json!({"alg": "RS256", "kid": signer.key_id});
        let token = jwt::encode(&header, &claims, |signed| signer.sign(signed))
            .map_err(|_| TokenRequestError::Signing)?;
        let expiration_timestamp =
            jiff::Timestamp::from_second(expires).map_or_else(|_| String::new(), |t| t.to_string());
        Ok(ServiceAccountToken {
            token,
            expiration_timestamp,
        })
    }

    /// The public keys of the issuers that sign here, as a cluster would publish them.
    pub(crate) fn key_sets(&self) -> BTreeMap<String, Value> {
        let set = |issuer: &Issuer| {
            let keys = issuer.keys.iter().map(|key| {
                json!({
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key.id,
                    "n": URL_SAFE_NO_PAD.encode(&key.components.n),
                    "e": URL_SAFE_NO_PAD.encode(&key.components.e),
                })
            });
            json!({"keys": keys.collect::<Vec<_>>()})
        };
        let all = self.read();
        let sets = all
            .issuers
            .iter()
            .map(|(name, issuer)| (name.clone(), set(issuer)));
        sets.collect()
    }
}

fn service_account_claims(issuer: &str, request: &TokenRequest, now: i64, expires: i64) -> Claims {
    let TokenRequest {
        namespace,
        service_account_name: name,
        audience,
        ..
    } = request;
    let issued = now.min(expires.saturating_sub(1));
    let subject = format!("system:serviceaccount:{namespace}:{name}");
    let uid = Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("{issuer} {subject}").as_bytes(),
    );
    let usual = json!({
        "aud": [audience],
        "exp": expires,
        "iat": issued,
        "iss": issuer,
        "jti": Uuid::new_v4().to_string(),
        "kubernetes.io": {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": uid.to_string()},
        },
        "nbf": issued,
        "sub": subject,
    });
    let mut claims = match usual {
        Value::Object(claims) => claims,
        _ => Claims::new(),
    };
    for (claim, value) in &request.claims {
        match value {
            Value::Null => claims.remove(claim),
            value => claims.insert(claim.clone(), value.clone()),
        };
    }
    claims
}

#[cfg(test)]
mod tests;
