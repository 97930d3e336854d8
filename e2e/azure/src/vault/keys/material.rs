//! Key pairs: generation, PKCS#8, and public keys as JSON web keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::Generate as _;
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::traits::PublicKeyParts as _;
use serde_json::json;

use super::super::error::ApiError;
use super::super::store::Members;
use super::base64url;

/// What kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vault) enum KeyForm {
    Rsa {
        bits: usize,
        hsm: bool,
    },
    Ec {
        curve: Curve,
        hsm: bool,
    },
    /// Symmetric; real vaults have none, managed HSMs do.
    Symmetric {
        hsm: bool,
    },
}

/// The curves with keys of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vault) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(in crate::vault) fn parse(name: &str) -> Result<Self, ApiError> {
        match name {
            "P-256" => Ok(Self::P256),
            "P-384" => Ok(Self::P384),
            "P-521" => Ok(Self::P521),
            _ => Err(ApiError::bad_parameter(format!(
                "Curve {name} is not supported by this emulator: use P-256, P-384 or P-521"
            ))),
        }
    }

    pub(in crate::vault) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl KeyForm {
    /// The form for `kty`, size and curve; symmetric keys only where they are `allowed`.
    pub(in crate::vault) fn parse(
        kty: &str,
        size: Option<u32>,
        curve: Option<&str>,
        symmetric_allowed: bool,
    ) -> Result<Self, ApiError> {
        let hsm = kty.ends_with("-HSM");
        match kty {
            "RSA" | "RSA-HSM" => match size.unwrap_or(2048) {
                2048 => Ok(Self::Rsa { bits: 2048, hsm }),
                3072 => Ok(Self::Rsa { bits: 3072, hsm }),
                4096 => Ok(Self::Rsa { bits: 4096, hsm }),
                size => Err(ApiError::bad_parameter(format!(
                    "RSA key size {size} is not supported: use 2048, 3072 or 4096"
                ))),
            },
            "EC" | "EC-HSM" => {
                Curve::parse(curve.unwrap_or("P-256")).map(|curve| Self::Ec { curve, hsm })
            }
            "oct" | "oct-HSM" if symmetric_allowed => Ok(Self::Symmetric { hsm }),
            _ => Err(ApiError::bad_parameter(format!(
                "Key type {kty} is not supported"
            ))),
        }
    }

    pub(in crate::vault) fn is_hsm(self) -> bool {
        match self {
            Self::Rsa { hsm, .. } | Self::Ec { hsm, .. } | Self::Symmetric { hsm } => hsm,
        }
    }
}

/// A generated or imported key pair.
pub(in crate::vault) enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    /// Kept nowhere, so it has no content.
    Symmetric,
}

impl PrivateKey {
    /// A new key. RSA keys take a moment.
    pub(in crate::vault) fn generate(form: KeyForm) -> Result<Self, ApiError> {
        Ok(match form {
            KeyForm::Rsa { bits, .. } => {
                let key = rsa::PrivateKey::new(&mut getrandom::SysRng, bits)
                    .map_err(|error| ApiError::internal(format!("generating a key: {error}")))?;
                Self::Rsa(Box::new(key))
            }
            KeyForm::Ec {
                curve: Curve::P256, ..
            } => Self::P256(p256::SecretKey::generate()),
            KeyForm::Ec {
                curve: Curve::P384, ..
            } => Self::P384(p384::SecretKey::generate()),
            KeyForm::Ec {
                curve: Curve::P521, ..
            } => Self::P521(p521::SecretKey::generate()),
            KeyForm::Symmetric { .. } => Self::Symmetric,
        })
    }

    /// A key from PKCS#8 DER.
    pub(in crate::vault) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        if let Ok(key) = rsa::PrivateKey::from_pkcs8_der(der) {
            return Some(Self::Rsa(Box::new(key)));
        }
        if let Ok(key) = p256::SecretKey::from_pkcs8_der(der) {
            return Some(Self::P256(key));
        }
        if let Ok(key) = p384::SecretKey::from_pkcs8_der(der) {
            return Some(Self::P384(key));
        }
        p521::SecretKey::from_pkcs8_der(der).ok().map(Self::P521)
    }

    /// PKCS#8 DER.
    pub(in crate::vault) fn to_pkcs8(&self) -> Result<Vec<u8>, ApiError> {
        let document = match self {
            Self::Rsa(key) => key.to_pkcs8_der(),
            Self::P256(key) => key.to_pkcs8_der(),
            Self::P384(key) => key.to_pkcs8_der(),
            Self::P521(key) => key.to_pkcs8_der(),
            Self::Symmetric => return Err(ApiError::internal("a symmetric key has no PKCS#8")),
        };
        match document {
            Ok(document) => Ok(document.as_bytes().to_vec()),
            Err(error) => Err(ApiError::internal(format!("encoding a key: {error}"))),
        }
    }

    /// The size of an RSA key.
    pub(in crate::vault) fn bits(&self) -> Option<u32> {
        match self.public() {
            PublicKey::Rsa { modulus, .. } => u32::try_from(modulus.len() * 8).ok(),
            PublicKey::Ec { .. } | PublicKey::Symmetric => None,
        }
    }

    pub(in crate::vault) fn public(&self) -> PublicKey {
        match self {
            Self::Rsa(key) => PublicKey::Rsa {
                modulus: strip(&key.n_bytes()),
                exponent: strip(&key.e_bytes()),
            },
            Self::P256(key) => PublicKey::ec(Curve::P256, &key.public_key().to_sec1_bytes()),
            Self::P384(key) => PublicKey::ec(Curve::P384, &key.public_key().to_sec1_bytes()),
            Self::P521(key) => PublicKey::ec(Curve::P521, &key.public_key().to_sec1_bytes()),
            Self::Symmetric => PublicKey::Symmetric,
        }
    }
}

/// The half a vault gives out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::vault) enum PublicKey {
    /// Both without leading zeros.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Coordinates padded to the width of the field.
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Symmetric,
}

impl PublicKey {
    /// From an uncompressed point, `04 x y`.
    fn ec(curve: Curve, point: &[u8]) -> Self {
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Self::Ec {
            curve,
            x: x.to_vec(),
            y: y.to_vec(),
        }
    }

    pub(super) fn rsa_from_jwk(n: Option<&str>, e: Option<&str>) -> Result<Self, ApiError> {
        let modulus = strip(&decode("n", n)?);
        let exponent = strip(&decode("e", e)?);
        if !matches!(modulus.len(), 256 | 384 | 512) || exponent.is_empty() {
            return Err(ApiError::bad_parameter(
                "The RSA key to import must have 2048, 3072 or 4096 bits",
            ));
        }
        Ok(Self::Rsa { modulus, exponent })
    }

    pub(super) fn ec_from_jwk(
        curve: Option<&str>,
        x: Option<&str>,
        y: Option<&str>,
    ) -> Result<Self, ApiError> {
        let curve = curve.ok_or_else(|| ApiError::bad_parameter("The key has no crv"))?;
        let curve = Curve::parse(curve)?;
        let (x, y) = (decode("x", x)?, decode("y", y)?);
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let on_curve = x.len() == curve.width()
            && match curve {
                Curve::P256 => p256::PublicKey::from_sec1_bytes(&point).is_ok(),
                Curve::P384 => p384::PublicKey::from_sec1_bytes(&point).is_ok(),
                Curve::P521 => p521::PublicKey::from_sec1_bytes(&point).is_ok(),
            };
        if on_curve {
            Ok(Self::Ec { curve, x, y })
        } else {
            let name = curve.name();
            Err(ApiError::bad_parameter(format!(
                "x and y are no point of curve {name}"
            )))
        }
    }

    pub(super) fn default_operations(&self) -> &'static [&'static str] {
        match self {
            Self::Rsa { .. } => &[
                "encrypt",
                "decrypt",
                "sign",
                "verify",
                "wrapKey",
                "unwrapKey",
            ],
            Self::Ec { .. } => &["sign", "verify"],
            Self::Symmetric => &["encrypt", "decrypt", "wrapKey", "unwrapKey"],
        }
    }

    /// The members of a JSON web key that say which key it is.
    pub(in crate::vault) fn jwk(&self) -> Members {
        let pairs = match self {
            Self::Rsa { modulus, exponent } => vec![
                ("kty", "RSA".to_owned()),
                ("n", base64url(modulus)),
                ("e", base64url(exponent)),
            ],
            Self::Ec { curve, x, y } => vec![
                ("kty", "EC".to_owned()),
                ("crv", curve.name().to_owned()),
                ("x", base64url(x)),
                ("y", base64url(y)),
            ],
            Self::Symmetric => vec![("kty", "oct".to_owned())],
        };
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect()
    }

    /// Whether this is the key of a SubjectPublicKeyInfo: those of supported keys end in the
    /// point, or hold the modulus, and nothing else of that length.
    pub(in crate::vault) fn is_in(&self, spki: &[u8]) -> bool {
        match self {
            Self::Rsa { modulus, .. } => spki
                .windows(modulus.len())
                .any(|window| window == modulus.as_slice()),
            Self::Ec { x, y, .. } => spki.ends_with(&[x.as_slice(), y.as_slice()].concat()),
            Self::Symmetric => false,
        }
    }

    /// The form of a new key like this one.
    pub(super) fn form(&self, hsm: bool) -> KeyForm {
        match self {
            Self::Rsa { modulus, .. } => KeyForm::Rsa {
                bits: modulus.len() * 8,
                hsm,
            },
            Self::Ec { curve, .. } => KeyForm::Ec { curve: *curve, hsm },
            Self::Symmetric => KeyForm::Symmetric { hsm },
        }
    }
}

fn strip(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect()
}

fn decode(name: &str, value: Option<&str>) -> Result<Vec<u8>, ApiError> {
    let value = value.unwrap_or_default().trim_end_matches('=');
    match URL_SAFE_NO_PAD.decode(value) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(ApiError::bad_parameter(format!(
            "The key's {name} is missing or no base64url"
        ))),
    }
}
