//! The ServiceAccount tokens that kubelet hands over for the audiences of the CSIDriver object.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use vaultbind_keyvault::Sensitive;

use super::error::RequestError;
use super::parameters::Texts;

/// Where the tokens are, among the attributes and in newer clusters also among the secrets.
pub(super) const ATTRIBUTE: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// The token that Entra or the cluster's token proxy takes.
pub(super) struct Found {
    pub(super) token: Sensitive,
    pub(super) audience: &'static str,
    pub(super) expires: Option<Timestamp>,
}

/// Takes the token of the first audience that there is one for; errors name the first.
pub(super) fn find(
    attributes: &Texts,
    secrets: &Texts,
    audiences: &[&'static str],
    now: Timestamp,
) -> Result<Found, RequestError> {
    let audience = audiences.first().copied().unwrap_or_default();
    let json = match attributes.get(ATTRIBUTE) {
        "" => secrets.get(ATTRIBUTE),
        json => json,
    };
    if json.is_empty() {
        return Err(RequestError::TokensMissing { audience });
    }
    // The parser's message is dropped: it may quote a token.
    let mut tokens = serde_json::from_str::<Option<BTreeMap<String, Option<Entry>>>>(json)
        .map_err(|_| RequestError::Tokens)?
        .unwrap_or_default();
    let found = audiences.iter().copied().find_map(|audience| {
        let entry = tokens.remove(audience)??;
        let token = entry.token.filter(|token| !token.is_empty())?;
        Some((audience, token, entry.expires))
    });
    let Some((audience, token, expires)) = found else {
        return Err(RequestError::AudienceMissing { audience });
    };
    let expires = match expires {
        Some(text) => Some(
            text.parse::<Timestamp>()
                .map_err(|_| RequestError::Tokens)?,
        ),
        None => None,
    };
    if expires.is_some_and(|expires| expires <= now) {
        return Err(RequestError::TokenExpired { audience });
    }
    Ok(Found {
        token,
        audience,
        expires,
    })
}

/// One audience's token. Names are compared without regard to case and unknown ones are skipped.
#[derive(Default)]
struct Entry {
    token: Option<Sensitive>,
    expires: Option<String>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with token and expirationTimestamp")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(name) = map.next_key::<String>()? {
            if name.eq_ignore_ascii_case("token") {
                entry.token = map.next_value::<Option<String>>()?.map(Sensitive::from);
            } else if name.eq_ignore_ascii_case("expirationTimestamp") {
                entry.expires = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(entry)
    }
}
