//! JSON Web Tokens in their compact form: taking them apart and putting them together.
//! Which key and which claims are right is decided elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The claims of a token.
pub(crate) type Claims = Map<String, Value>;

/// A token taken apart, not verified.
#[derive(Debug)]
pub(crate) struct Jwt<'a> {
    pub(crate) algorithm: String,
    pub(crate) key_id: Option<String>,
    pub(crate) claims: Claims,
    /// What the signature is over.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// Not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Web Token")]
pub(crate) struct Malformed;

impl<'a> Jwt<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Malformed> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed)?;
        let header = object(header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            algorithm: text("alg").ok_or(Malformed)?,
            key_id: text("kid"),
            claims: object(claims)?,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| Malformed)?,
        })
    }

    /// A claim that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A claim that is a time in Unix seconds.
    pub(crate) fn time(&self, name: &str) -> Option<i64> {
        let value = self.claims.get(name)?;
        // A float's fraction does not matter, and casting saturates.
        #[allow(clippy::cast_possible_truncation)]
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// The `aud` claim, which is one string or several.
    pub(crate) fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn object(part: &str) -> Result<Claims, Malformed> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Malformed)
}

/// Puts a token together; `sign` gets what the signature is over.
pub(crate) fn encode<E>(
    header: &Value,
    claims: &Claims,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let claims = Value::Object(claims.clone());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_put_together_comes_apart() {
        let claims = json!({"aud": ["a", "b"], "exp": 12.5, "nbf": 3, "sub": "s"});
        let header = json!({"alg": "none", "kid": "k"});
        let token = encode(&header, claims.as_object().unwrap(), |_| {
            Ok::<_, ()>(vec![1, 2])
        });
        let token = token.unwrap();
        let jwt = Jwt::parse(&token).unwrap();
        assert_eq!(
            (jwt.algorithm.as_str(), jwt.key_id.as_deref()),
            ("none", Some("k"))
        );
        assert_eq!(jwt.audiences(), ["a", "b"]);
        assert_eq!(
            (jwt.time("exp"), jwt.time("nbf"), jwt.time("iat")),
            (Some(12), Some(3), None)
        );
        assert_eq!(
            (jwt.text("sub"), jwt.signature.as_slice()),
            (Some("s"), [1, 2].as_slice())
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_the_parser(text in "[A-Za-z0-9_.{}\":-]{0,80}") {
            let _ = Jwt::parse(&text);
        }
    }
}
