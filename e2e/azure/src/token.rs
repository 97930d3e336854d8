//! Access tokens: version 1 tokens signed with a key of this process, made by Entra and the
//! managed identity endpoint, verified before a vault is asked.

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use crate::jwt::{self, Claims, Jwt};

/// How far a clock may be off, in seconds.
pub(crate) const CLOCK_SKEW: i64 = 300;

/// The key that signs access tokens.
#[derive(Debug)]
pub(crate) struct AccessTokens {
    key: hmac::Key,
    key_id: String,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) audience: String,
    pub(crate) issuer: String,
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) object_id: String,
    /// How the application proved itself: "1" with a secret, "2" with an assertion.
    pub(crate) proof: &'static str,
    /// The ARM id of a managed identity.
    pub(crate) resource_id: Option<String>,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) audience: String,
    pub(crate) issuer: String,
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) object_id: String,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("not an access token")]
    Malformed,
    #[error("signed by another key")]
    Signature,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYetValid,
}

impl AccessTokens {
    pub(crate) fn generate(random: &SystemRandom) -> Result<Self, ring::error::Unspecified> {
        let mut id = [0; 8];
        random.fill(&mut id)?;
        Ok(Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, random)?,
            key_id: hex::encode(id),
        })
    }

    /// Makes a token that is valid for `lifetime` seconds from `now`.
    pub(crate) fn mint(&self, grant: &Grant, now: i64, lifetime: i64) -> String {
        let header = json!({"typ": "JWT", "alg": "HS256", "kid": self.key_id});
        let claims = json!({
            "aud": grant.audience,
            "iss": grant.issuer,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(lifetime),
            "appid": grant.client_id,
            "appidacr": grant.proof,
            "idp": grant.issuer,
            "oid": grant.object_id,
            "sub": grant.object_id,
            "tid": grant.tenant_id,
            "uti": uuid::Uuid::new_v4().simple().to_string(),
            "ver": "1.0",
        });
        let mut claims = match claims {
            Value::Object(claims) => claims,
            _ => Claims::new(),
        };
        if let Some(id) = &grant.resource_id {
            claims.insert("xms_mirid".into(), Value::String(id.clone()));
        }
        let sign = |signed: &[u8]| {
            Ok::<_, std::convert::Infallible>(hmac::sign(&self.key, signed).as_ref().to_vec())
        };
        match jwt::encode(&header, &claims, sign) {
            Ok(token) => token,
            Err(never) => match never {},
        }
    }

    /// Verifies signature and times; whom the token is for is left to the caller.
    pub(crate) fn verify(&self, token: &str, now: i64) -> Result<Bearer, TokenError> {
        let jwt = Jwt::parse(token).map_err(|_| TokenError::Malformed)?;
        hmac::verify(&self.key, jwt.signed.as_bytes(), &jwt.signature)
            .map_err(|_| TokenError::Signature)?;
        let time = |name| jwt.time(name).ok_or(TokenError::Malformed);
        if time("exp")?.saturating_add(CLOCK_SKEW) <= now {
            return Err(TokenError::Expired);
        }
        if time("nbf")?.saturating_sub(CLOCK_SKEW) > now {
            return Err(TokenError::NotYetValid);
        }
        let text = |name| {
            jwt.text(name)
                .map(str::to_owned)
                .ok_or(TokenError::Malformed)
        };
        Ok(Bearer {
            audience: text("aud")?,
            issuer: text("iss")?,
            tenant_id: text("tid")?,
            client_id: text("appid")?,
            object_id: text("oid")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            audience: "https://vault.azure.net".into(),
            issuer: "https://sts.windows.net/t/".into(),
            tenant_id: "t".into(),
            client_id: "c".into(),
            object_id: "o".into(),
            proof: "1",
            resource_id: None,
        }
    }

    #[test]
    fn a_token_holds_between_its_times_and_only_under_its_key() {
        let tokens = AccessTokens::generate(&SystemRandom::new()).unwrap();
        let other = AccessTokens::generate(&SystemRandom::new()).unwrap();
        let token = tokens.mint(&grant(), 10_000, 3599);
        assert_eq!(tokens.verify(&token, 10_000).unwrap().object_id, "o");
        for (now, expected) in [
            (10_000 - CLOCK_SKEW, None),
            (10_000 - CLOCK_SKEW - 1, Some(TokenError::NotYetValid)),
            (13_599 + CLOCK_SKEW - 1, None),
            (13_599 + CLOCK_SKEW, Some(TokenError::Expired)),
        ] {
            assert_eq!(tokens.verify(&token, now).err(), expected, "{now}");
        }
        assert_eq!(other.verify(&token, 10_000), Err(TokenError::Signature));
        assert_eq!(tokens.verify("a.b.c", 10_000), Err(TokenError::Malformed));
    }
}
