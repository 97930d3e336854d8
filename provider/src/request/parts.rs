//! The field `parts` of an entry: which files a certificate becomes.

use vaultbind_keyvault::ObjectType;
use vaultbind_render::Part;

use super::error::Quoted;

/// A set of parts; without any, an object is one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts(u8);

/// Why parts are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// There is no such part.
    #[error("parts has {value}: set any of FullChain, PrivateKey, CA, Leaf and PFX")]
    Unknown {
        /// What stands there.
        value: Quoted,
    },
    /// A part is named twice.
    #[error("parts has {part} twice: remove one of them")]
    Twice {
        /// The part.
        part: &'static str,
    },
    /// The object is no certificate.
    #[error(
        "parts needs objectType cert, but the type is {object_type}: set cert, also where the \
         certificate's key is wanted, or leave parts out"
    )]
    NeedsCertificate {
        /// Its type.
        object_type: &'static str,
    },
    /// Another field says what the file becomes.
    #[error("parts cannot go with {field}: each part has its own form, so leave {field} out")]
    WithForm {
        /// The field.
        field: &'static str,
    },
}

fn bit(part: Part) -> u8 {
    1 << part as u8
}

impl Parts {
    /// These.
    pub fn of(parts: &[Part]) -> Self {
        Self(parts.iter().fold(0, |bits, part| bits | bit(*part)))
    }

    /// Reads names with commas between them. Blank is none.
    pub(super) fn parse(text: &str) -> Result<Self, PartsError> {
        let mut parts = Self::default();
        if text.trim().is_empty() {
            return Ok(parts);
        }
        for name in text.split(',').map(str::trim) {
            let part = Part::ALL.into_iter().find(|part| part.name() == name);
            let part = part.ok_or_else(|| PartsError::Unknown {
                value: Quoted::new(name),
            })?;
            if parts.contains(part) {
                return Err(PartsError::Twice { part: part.name() });
            }
            parts.0 |= bit(part);
        }
        Ok(parts)
    }

    /// Refuses parts of what is no certificate, and beside fields that also say what to make of it.
    pub(super) fn check(
        self,
        object_type: ObjectType,
        format: &str,
        encoding: &str,
    ) -> Result<(), PartsError> {
        if self.is_empty() {
            return Ok(());
        }
        let fields = [("objectFormat", format), ("objectEncoding", encoding)];
        let given = fields.into_iter().find(|(_, value)| !value.is_empty());
        match (object_type, given) {
            (ObjectType::Certificate, None) => Ok(()),
            (ObjectType::Certificate, Some((field, _))) => Err(PartsError::WithForm { field }),
            _ => Err(PartsError::NeedsCertificate {
                object_type: object_type.as_str(),
            }),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub fn contains(self, part: Part) -> bool {
        self.0 & bit(part) != 0
    }

    /// Those that there are, in the order of their files.
    pub fn iter(self) -> impl Iterator<Item = Part> {
        Part::ALL
            .into_iter()
            .filter(move |part| self.contains(*part))
    }

    /// Whether they are in the certificate's secret only: chain and key are nowhere else.
    pub fn need_secret(self) -> bool {
        self.iter().any(|part| part.read_as() == ObjectType::Secret)
    }

    /// Tells sets of parts apart in an object's version: 8 hexadecimal digits.
    pub fn tag(self) -> String {
        let names: Vec<_> = self.iter().map(Part::name).collect();
        let text = format!("parts={}", names.join(","));
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let first = digest.as_ref().get(..4).unwrap_or_default();
        hex::encode(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_a_set_whose_order_says_nothing() {
        let all = Parts::parse("PFX, Leaf,CA ,PrivateKey,FullChain").unwrap();
        assert_eq!(all.iter().collect::<Vec<_>>(), Part::ALL);
        assert_eq!(Parts::parse("CA,Leaf"), Parts::parse("Leaf,CA"));
        assert_eq!(Parts::parse(" "), Ok(Parts::default()));
        for bad in ["full", "fullchain", "CA,", ",", "CA;Leaf", "Key"] {
            let error = Parts::parse(bad);
            assert!(matches!(error, Err(PartsError::Unknown { .. })), "{bad}");
        }
        assert_eq!(
            Parts::parse("CA,Leaf,CA"),
            Err(PartsError::Twice { part: "CA" })
        );
    }

    #[test]
    fn only_the_leaf_can_do_without_the_secret() {
        for (text, secret) in [
            ("", false),
            ("Leaf", false),
            ("PFX", true),
            ("PFX,Leaf", true),
            ("CA", true),
            ("FullChain,PrivateKey", true),
        ] {
            assert_eq!(Parts::parse(text).unwrap().need_secret(), secret, "{text}");
        }
    }

    #[test]
    fn each_set_has_its_tag_for_ever() {
        let mut tags: Vec<String> = (0..32).map(|bits| Parts(bits).tag()).collect();
        // What sha256sum makes of the text; every recorded version changes with it.
        assert_eq!(
            Parts::parse("FullChain,PrivateKey").unwrap().tag(),
            "88608b3b"
        );
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 32);
    }
}
