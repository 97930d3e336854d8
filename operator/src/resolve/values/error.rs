//! Why values were not read, with the remedy in the words of a VaultBinding; the same text at every try.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use vaultbind_keyvault::error::{Category, Reader};
use vaultbind_keyvault::metadata::NoProof;
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{FetchError, ObjectId, TokenError};
use vaultbind_render::Error;

use super::{Values, Wanted};
use crate::observed::{Key, Subject};
use crate::resolve::who::Nobody;

/// Why nothing was read at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoValues {
    /// The class has the operator ask as itself, and what that may see is nothing to copy.
    #[error(
        "the class asks for no token of the ServiceAccount (detection: Operator), and values are \
         read as the workload only: set detection: Workload in the class, or remove spec.secrets"
    )]
    AsOperator,
    /// There is no token of the ServiceAccount.
    #[error("{0}")]
    NoServiceAccountToken(NoProof),
    /// Entra gave no token.
    #[error("{0}")]
    NoToken(Arc<TokenError>, Subject),
    /// The operator is about to end.
    #[error("the operator is stopping, and the next one reads them")]
    Stopped,
}

/// Why one value was not read, or is none in the form that is wanted.
#[derive(Debug, Clone)]
pub enum ValueError {
    /// The vault did not give it.
    Fetch(Box<FetchError>),
    /// It cannot take the form.
    Form {
        /// The object, as the binding has it.
        object: ObjectId,
        /// What is wrong.
        error: Error,
    },
    /// No object can have such a name.
    Name(String),
}

impl NoValues {
    /// What is told if nobody can ask. Of a host to which no token may go each object says so, as it
    /// does of its versions.
    pub(super) fn nobody(nobody: Nobody, wanted: &BTreeSet<Wanted>) -> Result<Values, Self> {
        let host = match nobody {
            Nobody::NoProof(missing) => return Err(Self::NoServiceAccountToken(missing)),
            Nobody::NoIdentity(error) => return Err(Self::NoToken(error, Subject::default())),
            Nobody::Host(host) => host,
        };
        let outcome = |one: &Wanted| match one.source() {
            None => ValueError::no_such_name(&one.key),
            Some(object) => ValueError::Fetch(Box::new(FetchError {
                problem: host.problem(),
                of_certificate: one.is_of_certificate(&object),
                object,
                reader: Reader::Operator,
                host: host.host.clone(),
                vault: host.host.clone(),
                identity: host.identity.clone(),
                status: None,
                code: None,
                request_id: None,
            })),
        };
        let values = wanted
            .iter()
            .map(|one| (one.clone(), Err(Arc::new(outcome(one)))));
        Ok(values.collect())
    }

    /// Whether it may be over at the next try, without anybody changing something.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::AsOperator => false,
            Self::NoServiceAccountToken(missing) => !missing.lasting,
            Self::NoToken(error, _) => {
                matches!(error.category(), Category::Unreachable | Category::Internal)
            }
            Self::Stopped => true,
        }
    }
}

impl ValueError {
    /// One of this source, or of another for which it is clear that it would be no better.
    pub(super) fn fetch(error: &FetchError, source: &ObjectId, one: &Wanted) -> Self {
        Self::Fetch(Box::new(FetchError {
            object: source.clone(),
            of_certificate: one.is_of_certificate(source),
            ..error.clone()
        }))
    }

    pub(super) fn no_such_name(key: &Key) -> Self {
        Self::Name(printable(&key.name, 48))
    }

    /// Whether it may be over at the next try, without anybody changing something.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Fetch(error) => error.problem.is_outage(),
            Self::Form { .. } | Self::Name(_) => false,
        }
    }
}

impl std::error::Error for ValueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Fetch(_) | Self::Name(_) => None,
            Self::Form { error, .. } => std::error::Error::source(error),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::Form { object, error } => write!(f, "{object}: {error}{}", remedy(error)),
            Self::Name(name) => write!(
                f,
                "no object in a vault can have the name {name}: correct objectName"
            ),
        }
    }
}

fn remedy(error: &Error) -> &'static str {
    match error {
        Error::NotBase64 | Error::NotHex => ": correct the secret, or set file.decode: None",
        Error::EncodedPem => ": set file.decode: None, or type: Certificate and the part PFX",
        Error::ContentType(_) => ": make a version with one of these",
        Error::PfxNotBase64 => ": import the certificate again",
        Error::Pfx(_) => {
            "; import the certificate again, or set type: Certificate and the part PFX"
        }
        Error::PfxForParts(_) => "; import the certificate again, or use no part but PFX",
        Error::NotOfCertificate => ": set type: Secret without a part, or correct objectName",
        Error::PfxOfPem => {
            ": use another part, or make a version with content type application/x-pkcs12"
        }
        Error::NoKey => ": make a version with an exportable key, or use no part PrivateKey",
        Error::KeyOfAnother => ": import key and certificate together",
        Error::NoChain => ": import the certificate with its chain again",
        Error::NoIssuer => ": import the certificate with its chain, or use no part CA",
        Error::PublicKey(_) => ": make a new version of the key",
        Error::Curve(_) => ": use P-256, P-384 or P-521",
    }
}
