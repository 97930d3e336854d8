//! The words in which failures are told: each reader has fields of its own to correct.

/// Who reads objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The provider, for a pod that mounts a SecretProviderClass.
    Provider,
    /// The operator, for a Kubernetes Secret of a VaultBinding.
    Operator,
}

/// The words of a reader.
pub(super) struct Words {
    pub(super) program: &'static str,
    /// What the network lets through or not.
    pub(super) place: &'static str,
    pub(super) kind: &'static str,
    pub(super) version: &'static str,
    /// The same after "in".
    pub(super) in_version: &'static str,
    pub(super) cloud: &'static str,
    /// What becomes of it after an outage.
    pub(super) again: &'static str,
    /// What a key without a public part is of no use for.
    pub(super) purpose: &'static str,
}

impl Reader {
    pub(super) const fn words(self) -> Words {
        match self {
            Self::Provider => Words {
                program: "provider",
                place: "this node",
                kind: "objectType",
                version: "objectVersion",
                in_version: "objectVersion",
                cloud: "cloudName",
                again: "the mount is tried again",
                purpose: "to mount",
            },
            Self::Operator => Words {
                program: "operator",
                place: "the operator",
                kind: "type",
                version: "version",
                in_version: "the field version",
                cloud: "cloud",
                again: "they are tried again",
                purpose: "to copy",
            },
        }
    }
}
