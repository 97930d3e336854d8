//! The claims of a ServiceAccount's token that Entra compares with a federated identity credential.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::Sensitive;

/// What a ServiceAccount's token says. Read without verification, to tell people which credential is
/// missing; nothing is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`, the first if there are several.
    pub audience: String,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Claims {
    /// Those of a token; empty where it has none or is no token.
    pub fn of(token: &Sensitive) -> Self {
        let payload: Option<Payload> = token
            .expose_str()
            .ok()
            .and_then(|token| token.split('.').nth(1))
            .and_then(|payload| URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok())
            .and_then(|payload| serde_json::from_slice(&payload).ok());
        payload.map_or_else(Self::default, |Payload { iss, sub, aud }| Self {
            issuer: iss,
            subject: sub,
            audience: match aud {
                Audience::One(audience) => audience,
                Audience::Several(audiences) => audiences.into_iter().next().unwrap_or_default(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(payload: &str) -> Claims {
        let payload = URL_SAFE_NO_PAD.encode(payload);
        Claims::of(&Sensitive::from(format!("e30.{payload}.c2ln")))
    }

    #[test]
    fn claims_are_read_from_whatever_is_a_token() {
        let expected = Claims {
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
            audience: "a".to_owned(),
        };
        assert_eq!(claims(r#"{"iss":"i","sub":"s","aud":["a","b"]}"#), expected);
        assert_eq!(claims(r#"{"iss":"i","sub":"s","aud":"a"}"#), expected);
        for nothing in ["", "[]", r#"{"iss":1}"#, r#"{"aud":[]}"#] {
            assert_eq!(claims(nothing), Claims::default(), "{nothing}");
        }
        assert_eq!(Claims::of(&Sensitive::from("opaque")), Claims::default());
    }
}
