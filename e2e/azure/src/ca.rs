//! The certificate authority: made at start or kept in a folder, it mints a certificate for
//! whichever name a client asks for.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Timestamp, ToSpan as _, Zoned, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring as provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca-key.pem";

/// Certificates kept; a client that asks for ever new names must not fill the memory.
const MAX_LEAVES: usize = 1024;

/// Why there is no certificate authority.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A certificate or key could not be made or read.
    #[error("cannot make the certificate authority")]
    Certificate(#[source] rcgen::Error),
    /// A file could not be read or written.
    #[error("cannot use the certificate authority's file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// TLS does not take the key or the settings.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

/// The authority and the certificates it has minted.
pub(crate) struct CertificateAuthority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    leaf_key: KeyPair,
    leaves: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// Makes an authority that lives as long as the process.
    pub(crate) fn generate() -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let pem = authority_params().self_signed(&key)?.pem();
        Self::new(pem, key)
    }

    /// Loads the authority from a folder; makes it there if the folder has none.
    pub(crate) fn load_or_generate(folder: &Path) -> Result<Self, CaError> {
        let certificate_path = folder.join(CERTIFICATE_FILE);
        let key_path = folder.join(KEY_FILE);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CaError::File { path, source }
        };
        if certificate_path.exists() && key_path.exists() {
            let pem = fs::read_to_string(&certificate_path).map_err(at(&certificate_path))?;
            let key = fs::read_to_string(&key_path).map_err(at(&key_path))?;
            return Self::new(pem, KeyPair::from_pem(&key)?);
        }
        let key = KeyPair::generate()?;
        let pem = authority_params().self_signed(&key)?.pem();
        fs::create_dir_all(folder).map_err(at(folder))?;
        write_private(&key_path, &key.serialize_pem()).map_err(at(&key_path))?;
        fs::write(&certificate_path, &pem).map_err(at(&certificate_path))?;
        Self::new(pem, key)
    }

    fn new(pem: String, key: KeyPair) -> Result<Self, CaError> {
        Ok(Self {
            pem,
            // Name and key identifier follow from the parameters and the key, so a loaded
            // authority issues under the same name as the one that was written.
            issuer: Issuer::new(authority_params(), key),
            leaf_key: KeyPair::generate()?,
            leaves: Mutex::default(),
        })
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS settings that mint certificates as clients ask for them.
    pub(crate) fn server_config(
        self: &Arc<Self>,
        http1_only: bool,
    ) -> Result<Arc<ServerConfig>, CaError> {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(CaError::Tls)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(MintingResolver(Arc::clone(self))));
        config.alpn_protocols = match http1_only {
            true => vec![b"http/1.1".to_vec()],
            false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }

    fn leaf(&self, name: &str) -> Result<Arc<CertifiedKey>, CaError> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(name) {
            return Ok(Arc::clone(leaf));
        }
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "vaultbind-azure");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, 365);
        let certificate = params.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let key = provider::sign::any_supported_type(&key).map_err(CaError::Tls)?;
        let leaf = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        if leaves.len() >= MAX_LEAVES {
            leaves.clear();
        }
        leaves.insert(name.to_owned(), Arc::clone(&leaf));
        Ok(leaf)
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "vaultbind-azure CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, 3650);
    params
}

/// From yesterday, for clients whose clock is a little behind.
fn set_validity(params: &mut CertificateParams, days: i64) {
    let today = Zoned::new(Timestamp::now(), TimeZone::UTC);
    let day = |offset: i64| {
        let day = today
            .checked_add(offset.days())
            .unwrap_or_else(|_| today.clone());
        rcgen::date_time_ymd(
            i32::from(day.year()),
            u8::try_from(day.month()).unwrap_or(1),
            u8::try_from(day.day()).unwrap_or(1),
        )
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[derive(Debug)]
struct MintingResolver(Arc<CertificateAuthority>);

impl ResolvesServerCert for MintingResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Without a name the client came by address, which SNI cannot carry.
        let name = hello
            .server_name()
            .unwrap_or("localhost")
            .to_ascii_lowercase();
        match self.0.leaf(&name) {
            Ok(leaf) => Some(leaf),
            Err(error) => {
                tracing::warn!(%error, "no certificate for the name asked for");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_keeps_the_authority_and_hides_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca");
        let first = CertificateAuthority::load_or_generate(&path).unwrap();
        let second = CertificateAuthority::load_or_generate(&path).unwrap();
        assert_eq!(first.pem(), second.pem());
        let mode = fs::metadata(path.join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_name_keeps_its_certificate() {
        let ca = CertificateAuthority::generate().unwrap();
        let first = ca.leaf("v1.vault.azure.net").unwrap();
        assert!(Arc::ptr_eq(&first, &ca.leaf("v1.vault.azure.net").unwrap()));
        assert!(!Arc::ptr_eq(
            &first,
            &ca.leaf("v2.vault.azure.net").unwrap()
        ));
    }
}
