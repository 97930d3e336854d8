//! Certificate policies: what a certificate is to be like.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::keys::{KeyForm, PrivateKey};
use super::super::secrets::{PEM, PKCS12};
use super::super::seed::CertificateSeed;
use super::super::store::Members;

/// A policy as it is on the wire, without id and attributes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::vault) struct Policy {
    pub(super) key_props: KeyProperties,
    pub(super) secret_props: SecretProperties,
    pub(super) x509_props: X509Properties,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_actions: Option<Value>,
    pub(super) issuer: Issuer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeyProperties {
    pub(super) exportable: bool,
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    pub(super) reuse_key: bool,
}

impl Default for KeyProperties {
    fn default() -> Self {
        Self {
            exportable: true,
            kty: "RSA".to_owned(),
            key_size: None,
            crv: None,
            reuse_key: false,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SecretProperties {
    pub(super) content_type: String,
}

impl Default for SecretProperties {
    fn default() -> Self {
        Self {
            content_type: PKCS12.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct X509Properties {
    pub(super) subject: String,
    pub(super) sans: AlternativeNames,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ekus: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_usage: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validity_months: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) basic_constraints: Option<BasicConstraints>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AlternativeNames {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dns_names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) emails: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) uris: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ip_addresses: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct BasicConstraints {
    #[serde(default)]
    pub(super) ca: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Issuer {
    pub(super) name: String,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            name: "Self".to_owned(),
        }
    }
}

/// Who signs, by the issuer's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    SelfSigned,
    /// The emulator's own root and intermediate.
    Chain,
    /// Somebody outside: the certificate stays pending.
    Unknown,
    /// Always fails, to see what a failed creation looks like.
    Failing,
}

impl Policy {
    pub(super) fn from_seed(seed: &CertificateSeed) -> Self {
        let default = Self::default();
        let kty = seed.key.kind.clone().unwrap_or(default.key_props.kty);
        Self {
            key_props: KeyProperties {
                exportable: seed.exportable,
                kty,
                key_size: seed.key.size,
                crv: seed.key.curve.clone(),
                reuse_key: false,
            },
            secret_props: SecretProperties {
                content_type: seed
                    .content_type
                    .clone()
                    .unwrap_or_else(|| PKCS12.to_owned()),
            },
            x509_props: X509Properties {
                subject: seed.subject.clone(),
                sans: AlternativeNames {
                    dns_names: seed.dns_names.clone(),
                    ..AlternativeNames::default()
                },
                validity_months: Some(seed.validity_months),
                ..X509Properties::default()
            },
            lifetime_actions: None,
            issuer: Issuer {
                name: seed.issuer.clone(),
            },
        }
        .completed()
    }

    /// The policy of an imported certificate that came with none.
    pub(super) fn of_import(subject: &str, key: &PrivateKey, content_type: &str) -> Self {
        let jwk = key.public().jwk();
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            key_props: KeyProperties {
                kty: text("kty").unwrap_or_default(),
                key_size: key.bits(),
                crv: text("crv"),
                ..KeyProperties::default()
            },
            secret_props: SecretProperties {
                content_type: content_type.to_owned(),
            },
            x509_props: X509Properties {
                subject: subject.to_owned(),
                ..X509Properties::default()
            },
            lifetime_actions: None,
            issuer: Issuer {
                name: "Unknown".to_owned(),
            },
        }
    }

    /// Fills in what the service would.
    pub(super) fn completed(mut self) -> Self {
        let key = &mut self.key_props;
        if key.kty.starts_with("RSA") {
            key.key_size.get_or_insert(2048);
        } else {
            key.crv.get_or_insert_with(|| "P-256".to_owned());
        }
        let x509 = &mut self.x509_props;
        x509.validity_months.get_or_insert(12);
        x509.ekus.get_or_insert_with(|| {
            vec![
                "1.3.6.1.5.5.7.3.1".to_owned(),
                "1.3.6.1.5.5.7.3.2".to_owned(),
            ]
        });
        x509.key_usage.get_or_insert_with(|| {
            vec!["digitalSignature".to_owned(), "keyEncipherment".to_owned()]
        });
        x509.basic_constraints.get_or_insert_default();
        self.lifetime_actions.get_or_insert_with(|| {
            json!([{
                "trigger": { "lifetime_percentage": 80 },
                "action": { "action_type": "AutoRenew" },
            }])
        });
        self
    }

    /// Refuses what cannot be issued.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if ![PKCS12, PEM].contains(&self.secret_props.content_type.as_str()) {
            return Err(ApiError::bad_parameter(format!(
                "secret_props.contentType must be {PKCS12} or {PEM}"
            )));
        }
        match self.x509_props.validity_months {
            Some(1..=1200) | None => {}
            Some(months) => {
                return Err(ApiError::bad_parameter(format!(
                    "validity_months {months} is out of range"
                )));
            }
        }
        if self.x509_props.subject.is_empty() && self.x509_props.sans.dns_names.is_empty() {
            return Err(ApiError::bad_parameter(
                "The policy has neither subject nor sans",
            ));
        }
        super::issue::subject(&self.x509_props.subject)?;
        self.form()?;
        self.signer().map(drop)
    }

    pub(super) fn signer(&self) -> Result<Signer, ApiError> {
        match self.issuer.name.as_str() {
            "Self" => Ok(Signer::SelfSigned),
            "Chain" => Ok(Signer::Chain),
            "Unknown" => Ok(Signer::Unknown),
            "Failing" => Ok(Signer::Failing),
            name => Err(ApiError::bad_parameter(format!(
                "Issuer {name} does not exist: this emulator has Self, Chain, Unknown and Failing"
            ))),
        }
    }

    fn form(&self) -> Result<KeyForm, ApiError> {
        let KeyProperties {
            kty, key_size, crv, ..
        } = &self.key_props;
        if crv.as_deref() == Some("P-521") {
            return Err(ApiError::bad_parameter(
                "Certificates of curve P-521 are not supported by this emulator",
            ));
        }
        KeyForm::parse(kty, *key_size, crv.as_deref(), false)
    }

    pub(super) fn is_hsm(&self) -> bool {
        self.key_props.kty.ends_with("-HSM")
    }

    /// A new key as PKCS#8 DER.
    pub(super) fn generate_key(&self) -> Result<Vec<u8>, ApiError> {
        PrivateKey::generate(self.form()?)?.to_pkcs8()
    }

    /// This policy with whole sections replaced by those in `change`.
    pub(super) fn merged(&self, change: Members) -> Result<Self, ApiError> {
        let mut members = self.members();
        members.extend(change.into_iter().filter(|(name, value)| {
            !value.is_null() && !matches!(name.as_str(), "id" | "attributes")
        }));
        let policy: Self = serde_json::from_value(Value::Object(members))
            .map_err(|_| ApiError::bad_parameter("A property of the policy has the wrong type"))?;
        Ok(policy.completed())
    }

    pub(super) fn members(&self) -> Members {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Members::new(),
        }
    }
}
