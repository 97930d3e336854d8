//! Why a request was refused.
//!
//! The texts become events on the pod, and each distinct text another event: they are short, the
//! same from try to try, and say where the fault is and what to do. They quote parameters, cut and
//! without control characters, and never tokens or secrets; no parser's message is passed on where
//! it could.

mod place;

use vaultbind_keyvault::NameError;

use super::mode::ModeError;
use super::objects::MOST_OBJECTS;
use super::parts::PartsError;
use super::path::PathError;
use super::vault_uri::VaultUriError;

pub use place::{EntryRef, Place, Quoted};

/// A request that cannot be served, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The attributes are over the limit.
    #[error(
        "the SecretProviderClass and the volume's attributes are over 1 MiB: divide them between \
         several classes"
    )]
    AttributesTooLarge,
    /// The attributes cannot be read.
    #[error(
        "the request's attributes are not a JSON object: check that the caller is the Secrets \
         Store CSI driver in a supported version"
    )]
    Attributes,
    /// An attribute is a number, a list or the like.
    #[error("parameter {name} is not a string: put its value in quotes")]
    AttributeNotText {
        /// The attribute.
        name: Quoted,
    },
    /// The secrets are over the limit.
    #[error(
        "the Secret in nodePublishSecretRef is over 4 MiB: keep only clientid and clientsecret"
    )]
    SecretsTooLarge,
    /// The secrets cannot be read.
    #[error(
        "the request's secrets are not a JSON object of strings: check the Secret in \
         nodePublishSecretRef and that the Secrets Store CSI driver is a supported version"
    )]
    Secrets,
    /// The request's permission is no mode.
    #[error(
        "the request's permission {value} is not a JSON number from 0 to 511: check that the \
         Secrets Store CSI driver is a supported version"
    )]
    Permission {
        /// The permission.
        value: Quoted,
    },
    /// Kubelet did not say which pod it is.
    #[error(
        "the request lacks {attribute}: set podInfoOnMount to true in the CSIDriver object \
         secrets-store.csi.k8s.io"
    )]
    PodInfoMissing {
        /// The attribute that is missing.
        attribute: &'static str,
    },
    /// A parameter is neither true nor false.
    #[error("parameter {parameter} is {value}: set it to \"true\" or \"false\"")]
    Flag {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: Quoted,
    },
    /// A time is none, or too long.
    #[error("parameter {parameter} is {value}: set a duration from 0s to 24h, such as 90s or 5m")]
    Freshness {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: Quoted,
    },
    /// More than one mode of authentication is asked for.
    #[error(
        "more than one of usePodIdentity, useVMManagedIdentity and useAzureTokenProxy is true: set \
         at most one of them"
    )]
    ModesExclusive,
    /// `usePodIdentity` is true.
    #[error(
        "usePodIdentity is true, but AAD Pod Identity is retired: use workload identity, that is \
         remove usePodIdentity and set clientID"
    )]
    PodIdentityRetired,
    /// `useAzureTokenProxy` is true without `clientID`.
    #[error(
        "useAzureTokenProxy is true, but clientID is not set: set it to the client id of the managed \
         identity that is bound to the cluster"
    )]
    BindingClientMissing,
    /// There is no vault.
    #[error("parameter keyvaultName is not set: set it to the name of the vault")]
    VaultMissing,
    /// The vault's name breaks the rule.
    #[error("parameter keyvaultName is {value}: {rule}; set the name only, without host or suffix")]
    Vault {
        /// The name.
        value: Quoted,
        /// The rule.
        rule: NameError,
    },
    /// The vault is named in two ways.
    #[error("parameters keyvaultName and vaultURI are both set: set exactly one of them")]
    VaultTwice,
    /// The vault's URL is refused.
    #[error("parameter vaultURI {0}")]
    VaultUri(#[from] VaultUriError),
    /// There is no tenant.
    #[error("parameter tenantID is not set: set it to the id of the vault's Entra tenant")]
    TenantMissing,
    /// The tenant breaks the rule.
    #[error("parameter tenantID is {value}: {rule}; set the id of the vault's Entra tenant")]
    Tenant {
        /// The tenant.
        value: Quoted,
        /// The rule.
        rule: NameError,
    },
    /// The cloud is to be described by a file.
    #[error(
        "clouds described by a file (cloudEnvFileName, cloudName AzureStackCloud) are not \
         supported: remove cloudEnvFileName and set cloudName to AzurePublicCloud, \
         AzureUSGovernmentCloud or AzureChinaCloud"
    )]
    CustomCloudUnsupported,
    /// The cloud is not known.
    #[error(
        "parameter cloudName is {value}, which is not a known cloud: set AzurePublicCloud, \
         AzureUSGovernmentCloud or AzureChinaCloud"
    )]
    Cloud {
        /// The cloud.
        value: Quoted,
    },
    /// A client id in a parameter is none.
    #[error(
        "parameter {parameter} is {value}: set the client id of the identity, a GUID; resource ids \
         and object ids are not supported"
    )]
    ClientId {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: Quoted,
    },
    /// No ServiceAccount tokens came with the request.
    #[error(
        "clientID is set, but the request has no ServiceAccount tokens: add audience {audience} to \
         tokenRequests of the CSIDriver object secrets-store.csi.k8s.io"
    )]
    TokensMissing {
        /// The audience that is wanted.
        audience: &'static str,
    },
    /// The tokens cannot be read.
    #[error(
        "the request's ServiceAccount tokens cannot be read: remove \
         csi.storage.k8s.io/serviceAccount.tokens from the SecretProviderClass and the volume if \
         it is there, else check the versions of Kubernetes and the driver"
    )]
    Tokens,
    /// No token has the wanted audience.
    #[error(
        "the request has no ServiceAccount token for audience {audience}: add it to tokenRequests \
         of the CSIDriver object secrets-store.csi.k8s.io"
    )]
    AudienceMissing {
        /// The audience that is wanted.
        audience: &'static str,
    },
    /// The token's time is over.
    #[error(
        "the ServiceAccount token for audience {audience} has expired: kubelet sends a new one \
         with the next try; if this stays, check the node's clock"
    )]
    TokenExpired {
        /// The audience of the token.
        audience: &'static str,
    },
    /// Nothing says who reads the vault.
    #[error(
        "no identity is given: set clientID for workload identity, useVMManagedIdentity for a \
         managed identity, or nodePublishSecretRef in the pod's volume for a service principal"
    )]
    IdentityMissing,
    /// The Secret lacks a key.
    #[error(
        "the Secret in nodePublishSecretRef has no value for {key}: a service principal needs \
         clientid and clientsecret; for workload identity set parameter clientID"
    )]
    CredentialMissing {
        /// The key.
        key: &'static str,
    },
    /// The Secret's client id is none.
    #[error(
        "clientid in the Secret of nodePublishSecretRef is not a client id: set the GUID of the \
         service principal's application"
    )]
    CredentialClientId,
    /// There are no objects.
    #[error("parameter objects is not set: list in it the objects to mount")]
    ObjectsMissing,
    /// The YAML is broken.
    #[error("{place}: not valid YAML: {problem}; check indentation, colons and quotes")]
    Yaml {
        /// Where.
        place: Place,
        /// What the parser found.
        problem: Quoted,
    },
    /// A key occurs twice in a map.
    #[error("{place}: {key} is given twice: remove one of them")]
    DuplicateKey {
        /// Where.
        place: Place,
        /// The key.
        key: Quoted,
    },
    /// A field has a list or a map as its value.
    #[error("{place}: {field} is a list or a map: give it a single value")]
    FieldNotText {
        /// Where.
        place: Place,
        /// The field.
        field: &'static str,
    },
    /// `parts` has something else as its value than names.
    #[error("{place}: parts is no list of names: write for example [FullChain, PrivateKey]")]
    PartsShape {
        /// Where.
        place: Place,
    },
    /// Something else than a map of fields stands in the list of objects or in one of its entries.
    #[error("{place}: found {found}: write a map with objectName and objectType")]
    EntryShape {
        /// Where.
        place: Place,
        /// What is there.
        found: &'static str,
    },
    /// The document is neither a map nor a list.
    #[error("{place}: found {found}: write a map whose key array holds the list of objects")]
    DocumentShape {
        /// Where.
        place: Place,
        /// What is there.
        found: &'static str,
    },
    /// The document's `array` is no list.
    #[error("{place}: array is {found}: write a list with one entry for each object")]
    ArrayShape {
        /// Where.
        place: Place,
        /// What is there.
        found: &'static str,
    },
    /// The document has no `array`.
    #[error("parameter objects has no key array: put the list of objects under it")]
    ArrayMissing,
    /// A YAML merge key has no map.
    #[error("{place}: the merge key << is {found}: give it a map or a list of maps")]
    Merge {
        /// Where.
        place: Place,
        /// What is there.
        found: &'static str,
    },
    /// Entries are written in two ways.
    #[error("{entry} is {found}, unlike {first}: write all entries as texts or all as maps")]
    EntriesMixed {
        /// The first entry.
        first: EntryRef,
        /// The first that differs.
        entry: EntryRef,
        /// How it is written.
        found: &'static str,
    },
    /// There are too many objects.
    #[error("objects has more than {MOST_OBJECTS} entries: divide them between several classes")]
    TooManyObjects,
    /// Aliases multiply the text.
    #[error("objects grows too large when its YAML aliases are followed: write the values out")]
    AliasesTooLarge,
    /// Too much flow style for a text of its size.
    #[error("objects has too many brackets and braces: write it as indented lists and maps")]
    TooManyBrackets,
    /// An object has no name.
    #[error("{entry} has no objectName: set it to the object's name in the vault")]
    NameMissing {
        /// The object.
        entry: EntryRef,
    },
    /// An object's name breaks the rule.
    #[error("{entry}: objectName is not a name in a vault: {rule}")]
    Name {
        /// The object.
        entry: EntryRef,
        /// The rule.
        rule: NameError,
    },
    /// An object's type is not known.
    #[error("{entry}: objectType is {value}: set secret, key or cert, in lower case")]
    Type {
        /// The object.
        entry: EntryRef,
        /// The type.
        value: Quoted,
    },
    /// An object's version is none.
    #[error("{entry}: objectVersion is {value}: {rule}; leave it out for the latest")]
    Version {
        /// The object.
        entry: EntryRef,
        /// The version.
        value: Quoted,
        /// The rule.
        rule: NameError,
    },
    /// The number of versions is none.
    #[error("{entry}: objectVersionHistory is {value}: set a whole number or leave it out")]
    History {
        /// The object.
        entry: EntryRef,
        /// The number.
        value: Quoted,
    },
    /// More than one version is asked for.
    #[error(
        "{entry}: objectVersionHistory is {versions}, but version history is not supported by this \
         version yet: leave it out or set it to 1"
    )]
    HistoryUnsupported {
        /// The object.
        entry: EntryRef,
        /// The number of versions.
        versions: i32,
    },
    /// The format is not known.
    #[error("{entry}: objectFormat is {value}: set pem or pfx")]
    Format {
        /// The object.
        entry: EntryRef,
        /// The format.
        value: Quoted,
    },
    /// A PFX is asked of a key or certificate.
    #[error("{entry}: objectFormat pfx needs objectType secret: the type is {object_type}")]
    FormatNeedsSecret {
        /// The object.
        entry: EntryRef,
        /// Its type.
        object_type: &'static str,
    },
    /// The encoding is not known.
    #[error("{entry}: objectEncoding is {value}: set utf-8, base64 or hex")]
    Encoding {
        /// The object.
        entry: EntryRef,
        /// The encoding.
        value: Quoted,
    },
    /// An encoding is given for a key or certificate.
    #[error(
        "{entry}: objectEncoding needs objectType secret, but the type is {object_type}: leave it \
         out"
    )]
    EncodingNeedsSecret {
        /// The object.
        entry: EntryRef,
        /// Its type.
        object_type: &'static str,
    },
    /// The permission is no mode.
    #[error("{entry}: filePermission is {value}: {rule}; set for example 0644")]
    FilePermission {
        /// The object.
        entry: EntryRef,
        /// The permission.
        value: Quoted,
        /// The rule.
        rule: ModeError,
    },
    /// The parts are refused.
    #[error("{entry}: {error}")]
    Parts {
        /// The object.
        entry: EntryRef,
        /// Why.
        error: PartsError,
    },
    /// `optional` is neither true nor false.
    #[error("{entry}: optional is {value}: set true or false")]
    Optional {
        /// The object.
        entry: EntryRef,
        /// Its value.
        value: Quoted,
    },
    /// The file's path breaks a rule of the driver.
    #[error(
        "{entry}: objectAlias {path} cannot be a file in the volume: {reason}; set a relative path \
         such as dir/file"
    )]
    Path {
        /// The object.
        entry: EntryRef,
        /// The path.
        path: Quoted,
        /// The rule.
        reason: PathError,
    },
    /// Two objects claim one file.
    #[error("{first} and {second} both make the file {path}: set objectAlias of one of them")]
    SamePath {
        /// The first object.
        first: EntryRef,
        /// The second.
        second: EntryRef,
        /// The file.
        path: Quoted,
    },
    /// One object's file is another's directory.
    #[error("{file} makes the file {path}, a directory for {below}: change one objectAlias")]
    PathIsDirectory {
        /// The object whose file it is.
        file: EntryRef,
        /// The object that needs the directory.
        below: EntryRef,
        /// The file.
        path: Quoted,
    },
}
