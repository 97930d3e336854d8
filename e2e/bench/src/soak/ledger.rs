//! What every object's versions were and when, and whether a file a provider answered is one of them.
//!
//! A secret's value names its vault, its name and its serial, and is as long as these say, so that a
//! byte of another object, another version or no version at all is seen. A certificate's subject names
//! its object, and its bytes are compared with those first seen of its version. Times are counted from
//! the start of the run.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use vaultbind_pki::pem;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// An object of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    /// The vault.
    pub vault: String,
    /// Its name.
    pub name: String,
    /// Whether its file is a certificate.
    pub certificate: bool,
}

impl Object {
    /// The common name of its certificates.
    pub fn common_name(&self) -> String {
        format!("{}.{}", self.name, self.vault)
    }
}

/// The value of a secret's version.
pub fn value(object: &Object, serial: usize) -> String {
    let mut text = format!("{}/{}#{serial}:", object.vault, object.name);
    let digest = Sha256::digest(text.as_bytes());
    // From short to several packets, different from version to version.
    let first = digest.iter().take(2);
    let length = first.fold(0, |sum, byte| sum * 256 + usize::from(*byte)) % 3000;
    let mut block = digest;
    while text.len() < length {
        for byte in block {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        block = Sha256::digest(block);
    }
    text
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The file is not in the answer.
    #[error("{0} is missing")]
    Missing(String),
    /// A file that nobody asked for.
    #[error("{0} was not asked for")]
    Extra(String),
    /// What is in the file is of another object, or nothing known.
    #[error("{object} holds something else: it begins with {begins:?}")]
    Foreign {
        /// The object asked for.
        object: String,
        /// The first bytes of the file.
        begins: String,
    },
    /// The right beginning, but not the right bytes.
    #[error("{object}, serial {serial}: the bytes are not those of the vault")]
    Damaged {
        /// The object.
        object: String,
        /// The version's serial.
        serial: usize,
    },
    /// A version that the vault never had.
    #[error("{object}: there was never a version {version}")]
    NoSuchVersion {
        /// The object.
        object: String,
        /// Its id or serial.
        version: String,
    },
    /// The id said with the file is another version's.
    #[error("{object}, serial {serial}: the answer says it is version {said}")]
    WrongVersion {
        /// The object.
        object: String,
        /// The version's serial.
        serial: usize,
        /// The id in the answer.
        said: String,
    },
    /// The volume had a newer version before.
    #[error("{object} went back from serial {from} to {to}")]
    WentBack {
        /// The object.
        object: String,
        /// What the volume had.
        from: usize,
        /// What it got.
        to: usize,
    },
    /// A newer version was there for too long.
    #[error(
        "{object}, serial {serial}, was replaced {age:?} before it was asked for; {allowed:?} are allowed"
    )]
    TooOld {
        /// The object.
        object: String,
        /// The version's serial.
        serial: usize,
        /// Since when there is a newer one.
        age: Duration,
        /// How old it may be.
        allowed: Duration,
    },
}

/// One file of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Its bytes.
    pub contents: &'a [u8],
    /// The version said with it.
    pub version: &'a str,
    /// When the volume was asked for.
    pub asked: Duration,
}

#[derive(Debug, Default)]
struct Version {
    /// Not known while the vault has not answered, and of a certificate's first one.
    id: Option<String>,
    /// Since when the vault surely serves it.
    known: Option<Duration>,
    /// The digest of the first bytes seen of it.
    digest: Option<[u8; 32]>,
}

/// All versions of all objects.
#[derive(Debug, Default)]
pub struct Ledger(HashMap<Object, Vec<Version>>);

impl Ledger {
    /// An object that has had a version from the start.
    pub fn add(&mut self, object: Object, id: Option<String>) {
        let version = Version {
            id,
            known: Some(Duration::ZERO),
            digest: None,
        };
        self.0.insert(object, vec![version]);
    }

    /// The serial that the next version will have; from now on it may be served.
    pub fn begin(&mut self, object: &Object) -> usize {
        let versions = self.0.entry(object.clone()).or_default();
        versions.push(Version::default());
        versions.len() - 1
    }

    /// The vault has a version since `now`, and its id.
    ///
    /// # Errors
    /// When a provider has served it under another id in the meantime.
    pub fn finish(
        &mut self,
        object: &Object,
        serial: usize,
        id: &str,
        now: Duration,
    ) -> Result<(), Wrong> {
        let versions = self.0.get_mut(object);
        let Some(version) = versions.and_then(|versions| versions.get_mut(serial)) else {
            return Ok(());
        };
        version.known = Some(now);
        match version.id.replace(id.to_owned()) {
            Some(said) if said != id => Err(Wrong::WrongVersion {
                object: object.name.clone(),
                serial,
                said,
            }),
            _ => Ok(()),
        }
    }

    /// The newest serial.
    pub fn newest(&self, object: &Object) -> usize {
        self.0
            .get(object)
            .map_or(0, |versions| versions.len().saturating_sub(1))
    }

    /// Checks a file and returns its serial. `last` is what the volume had before, and `allowed` says
    /// for how long a version may be served that was replaced at a time.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(
        &mut self,
        object: &Object,
        served: Served<'_>,
        last: usize,
        allowed: impl Fn(Duration) -> Duration,
    ) -> Result<usize, Wrong> {
        let name = || object.name.clone();
        let versions = self.0.entry(object.clone()).or_default();
        let serial = match object.certificate {
            true => certificate_serial(object, served, versions)?,
            false => secret_serial(object, served, versions)?,
        };
        if serial < last {
            return Err(Wrong::WentBack {
                object: name(),
                from: last,
                to: serial,
            });
        }
        let replaced = versions.get(serial + 1).and_then(|next| next.known);
        if let Some(replaced) = replaced {
            let (age, allowed) = (served.asked.saturating_sub(replaced), allowed(replaced));
            if age > allowed {
                return Err(Wrong::TooOld {
                    object: name(),
                    serial,
                    age,
                    allowed,
                });
            }
        }
        Ok(serial)
    }
}

fn foreign(object: &Object, contents: &[u8]) -> Wrong {
    let begins = contents.get(..contents.len().min(80)).unwrap_or_default();
    Wrong::Foreign {
        object: object.name.clone(),
        begins: String::from_utf8_lossy(begins).into_owned(),
    }
}

fn secret_serial(
    object: &Object,
    served: Served<'_>,
    versions: &mut [Version],
) -> Result<usize, Wrong> {
    let begin = format!("{}/{}#", object.vault, object.name);
    let text = std::str::from_utf8(served.contents).ok();
    let serial = text
        .and_then(|text| text.strip_prefix(&begin)?.split_once(':'))
        .and_then(|(serial, _)| serial.parse().ok());
    let Some(serial) = serial else {
        return Err(foreign(object, served.contents));
    };
    let Some(version) = versions.get_mut(serial) else {
        return Err(Wrong::NoSuchVersion {
            object: object.name.clone(),
            version: format!("with serial {serial}"),
        });
    };
    if text != Some(value(object, serial).as_str()) {
        return Err(Wrong::Damaged {
            object: object.name.clone(),
            serial,
        });
    }
    let id = version.id.get_or_insert_with(|| served.version.to_owned());
    if id != served.version {
        return Err(Wrong::WrongVersion {
            object: object.name.clone(),
            serial,
            said: served.version.to_owned(),
        });
    }
    Ok(serial)
}

fn certificate_serial(
    object: &Object,
    served: Served<'_>,
    versions: &mut [Version],
) -> Result<usize, Wrong> {
    let text = std::str::from_utf8(served.contents).unwrap_or_default();
    let blocks = pem::split(text);
    let certificate = blocks
        .iter()
        .find(|block| block.label == pem::CERTIFICATE)
        .and_then(|block| Certificate::from_der(&block.der).ok());
    let subject = certificate.map(|one| one.tbs_certificate().subject().to_string());
    if subject != Some(format!("CN={}", object.common_name())) {
        return Err(foreign(object, served.contents));
    }
    let mut known = versions.iter();
    let found = known.position(|version| version.id.as_deref() == Some(served.version));
    let claimed = || versions.iter().position(|version| version.id.is_none());
    let Some(serial) = found.or_else(claimed) else {
        return Err(Wrong::NoSuchVersion {
            object: object.name.clone(),
            version: served.version.to_owned(),
        });
    };
    let digest: [u8; 32] = Sha256::digest(served.contents).into();
    if let Some(version) = versions.get_mut(serial) {
        version.id.get_or_insert_with(|| served.version.to_owned());
        if *version.digest.get_or_insert(digest) != digest {
            return Err(Wrong::Damaged {
                object: object.name.clone(),
                serial,
            });
        }
    }
    Ok(serial)
}

#[cfg(test)]
mod tests;
