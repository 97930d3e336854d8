//! Keys of issuers: those that sign here, and those of which only the public part is known.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};

use super::IssuerError;
use crate::seed::{Jwk, Jwks};

/// Who signs outside tokens.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(super) keys: Vec<PublicKey>,
    pub(super) signer: Option<Arc<Signer>>,
}

#[derive(Debug)]
pub(super) struct PublicKey {
    pub(super) id: Option<String>,
    pub(super) components: PublicKeyComponents<Vec<u8>>,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.components, &other.components);
        self.id == other.id && ours.n == theirs.n && ours.e == theirs.e
    }
}

pub(super) struct Signer {
    key: KeyPair,
    pub(super) key_id: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    pub(super) fn generate() -> Result<Self, IssuerError> {
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

    /// Whether one stands for the other: the same public keys, or a key generated for each.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let generated = self.signer.is_some() && other.signer.is_some();
        generated || (other.signer.is_none() && self.keys == other.keys)
    }

    pub(super) fn verifying(name: &str, jwks: &Jwks) -> Result<Self, IssuerError> {
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
    pub(super) fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
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
