//! Issuers of the outside tokens that federated credentials trust: those made up here, which
//! sign ServiceAccount tokens as an API server does, and those of real clusters, whose public
//! keys came with the seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jwt::{self, Claims, Jwt};
use crate::seed::{IssuerSeed, Jwk, Jwks};

/// Why the issuers of a seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The same issuer is there twice.
    #[error("issuers: {0} is there twice")]
    Duplicate(String),
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
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The issuer; the first of the seed that has a signing key when not given.
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
#[derive(Clone, Serialize)]
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
pub(crate) struct Issuers {
    issuers: HashMap<String, Issuer>,
    default_issuer: Option<String>,
}

#[derive(Debug)]
struct Issuer {
    keys: Vec<PublicKey>,
    signer: Option<Arc<Signer>>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    components: PublicKeyComponents<Vec<u8>>,
}

struct Signer {
    key: KeyPair,
    key_id: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Issuers {
    /// Generates the keys that are missing, which takes a moment.
    pub(crate) fn from_seed(seeds: &[IssuerSeed]) -> Result<Self, IssuerError> {
        let mut all = Self::default();
        for seed in seeds {
            let issuer = match &seed.jwks {
                Some(jwks) => Issuer::verifying(&seed.issuer, jwks)?,
                None => Issuer::generate()?,
            };
            if issuer.signer.is_some() && all.default_issuer.is_none() {
                all.default_issuer = Some(seed.issuer.clone());
            }
            if all.issuers.insert(seed.issuer.clone(), issuer).is_some() {
                return Err(IssuerError::Duplicate(seed.issuer.clone()));
            }
        }
        Ok(all)
    }

    /// Looks for the key of a token and verifies its signature.
    pub(crate) fn verify(&self, jwt: &Jwt<'_>) -> Verdict {
        let issuer = jwt.text("iss").and_then(|issuer| self.issuers.get(issuer));
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
        let name = request
            .issuer
            .as_ref()
            .or(self.default_issuer.as_ref())
            .ok_or(TokenRequestError::NoIssuer)?;
        let issuer = self
            .issuers
            .get(name)
            .ok_or_else(|| TokenRequestError::UnknownIssuer(name.clone()))?;
        let signer = issuer
            .signer
            .as_ref()
            .ok_or_else(|| TokenRequestError::VerifyOnly(name.clone()))?;
        let expires = now.saturating_add(request.expires_in.unwrap_or(3600));
        let claims = service_account_claims(name, request, now, expires);
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
    pub(crate) fn key_sets(&self) -> BTreeMap<&str, Value> {
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
        self.issuers
            .iter()
            .map(|(name, issuer)| (name.as_str(), set(issuer)))
            .collect()
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

impl Issuer {
    fn generate() -> Result<Self, IssuerError> {
        let failed = |_| IssuerError::Generate;
        let key =
            rsa::PrivateKey::new(&mut RingRandom(SystemRandom::new()), 2048).map_err(failed)?;
        let der = key.to_pkcs8_der().map_err(|_| IssuerError::Generate)?;
        let key = KeyPair::from_pkcs8(der.as_bytes()).map_err(|_| IssuerError::Generate)?;
        let components = PublicKeyComponents::<Vec<u8>>::from(key.public());
        let mut id = [0; 20];
        SystemRandom::new()
            .fill(&mut id)
            .map_err(|_| IssuerError::Generate)?;
        let key_id = URL_SAFE_NO_PAD.encode(id);
        let public = PublicKey {
            id: Some(key_id.clone()),
            components,
        };
        Ok(Self {
            keys: vec![public],
            signer: Some(Arc::new(Signer { key, key_id })),
        })
    }

    fn verifying(name: &str, jwks: &Jwks) -> Result<Self, IssuerError> {
        let rsa_keys = jwks
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.kty == "RSA");
        let keys = rsa_keys.map(|(index, key)| {
            PublicKey::from_jwk(key).ok_or_else(|| IssuerError::Jwk {
                issuer: name.to_owned(),
                index,
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            signer: None,
        })
    }
}

impl PublicKey {
    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let number = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
            // The verifier takes no leading zeros.
            let start = bytes.iter().position(|byte| *byte != 0)?;
            bytes.get(start..).map(<[u8]>::to_vec)
        };
        let components = PublicKeyComponents {
            n: number(&jwk.n)?,
            e: number(&jwk.e)?,
        };
        Some(Self {
            id: jwk.kid.clone(),
            components,
        })
    }
}

impl Signer {
    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed,
            &mut signature,
        )?;
        Ok(signature)
    }
}

/// The system's random source for key generation.
struct RingRandom(SystemRandom);

/// The system has no randomness.
#[derive(Debug, thiserror::Error)]
#[error("no randomness")]
struct NoRandomness;

impl TryRng for RingRandom {
    type Error = NoRandomness;

    fn try_next_u32(&mut self) -> Result<u32, NoRandomness> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandomness> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill(bytes).map_err(|_| NoRandomness)
    }
}

impl TryCryptoRng for RingRandom {}

#[cfg(test)]
mod tests;
