//! The authorities that are trusted at the token proxy: a file of the cluster, which may change while
//! the process runs.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::transport::Unreachable;

/// What the file held when it was read. Equal to another of the same bytes.
pub(crate) struct Authorities {
    digest: [u8; 32],
    tls: Arc<ClientConfig>,
}

impl Authorities {
    /// TLS settings that trust these authorities and no others.
    pub(crate) fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Authorities {}

impl Hash for Authorities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorities")
    }
}

/// The file, with what it held last.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<Arc<Authorities>>>);

impl Latest {
    /// Reads the file. An empty one is being written: what it held before counts on.
    pub(crate) fn read(&self, file: &Path) -> Result<Arc<Authorities>, Unreachable> {
        let path = file.display();
        // A small file of a volume, once for each request for a token.
        let pem = std::fs::read(file).map_err(|error| {
            failed(format!(
                "its CA cannot be read from {path} ({}): name a PEM file with the cluster's CA in \
                 --token-proxy-ca-file",
                error.kind()
            ))
        })?;
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = sha256(&pem);
        if let Some(known) = latest
            .as_ref()
            .filter(|known| pem.is_empty() || known.digest == digest)
        {
            return Ok(Arc::clone(known));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
        if roots.is_empty() {
            return Err(failed(format!(
                "{path} holds no certificate: name a PEM file with the cluster's CA in \
                 --token-proxy-ca-file"
            )));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let read = Arc::new(Authorities {
            digest,
            tls: Arc::new(tls),
        });
        *latest = Some(Arc::clone(&read));
        Ok(read)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

fn failed(reason: String) -> Unreachable {
    Unreachable::TokenProxy { reason }
}
