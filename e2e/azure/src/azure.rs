//! The emulated Azure as a running thing: start it, ask where it listens, look at its calls,
//! put faults in its way, stop it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use ring::rand::SystemRandom;
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin;
use crate::arm::{Activity, ResourceManager};
use crate::ca::{CaError, CertificateAuthority};
use crate::calls::{Call, CallLog};
use crate::clock::Clock;
use crate::directory::{Directory, DirectoryError, Entries};
use crate::dns;
use crate::faults::{Fault, FaultError, FaultId, FaultState, Faults};
use crate::issuers::{Issuers, ServiceAccountToken, TokenRequest, TokenRequestError};
use crate::seed::{FederatedCredentialSeed, Seed};
use crate::seeding::SeedingError;
use crate::server::{self, Role};
use crate::state::State;
use crate::token::AccessTokens;
use crate::vault::Vaults;

/// How long stopping waits for connections that are in use.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How to start.
#[derive(Debug)]
pub struct Options {
    /// Where Entra and the vaults listen, HTTPS.
    pub listen: SocketAddr,
    /// Where the CONNECT proxy listens.
    pub proxy: SocketAddr,
    /// Where the managed identity endpoint listens, HTTP.
    pub imds: SocketAddr,
    /// Where the administration listens, HTTP. Whoever reaches it may do everything.
    pub admin: SocketAddr,
    /// Where the DNS responder listens, UDP; nowhere when not given.
    pub dns: Option<SocketAddr>,
    /// The address DNS gives for every host; that of `listen` when not given.
    pub dns_answer: Option<Ipv4Addr>,
    /// What there is at start.
    pub seed: Seed,
    /// Offers HTTP/1.1 only, where HTTP/2 is offered otherwise.
    pub http1_only: bool,
    /// How many requests a client may have open on an HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// Lifetime of Entra's tokens.
    pub token_lifetime: Duration,
    /// Lifetime of managed identities' tokens.
    pub managed_identity_token_lifetime: Duration,
    /// Folder that keeps the certificate authority; a new one for each start when not given.
    pub ca_dir: Option<PathBuf>,
    /// Seed of the random source that picks the calls a fault's `share` strikes.
    pub fault_seed: u64,
}

impl Default for Options {
    /// Free ports of the loopback address, and nothing there.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: free,
            proxy: free,
            imds: free,
            admin: free,
            dns: None,
            dns_answer: None,
            seed: Seed::default(),
            http1_only: false,
            max_concurrent_streams: 250,
            token_lifetime: Duration::from_secs(3599),
            managed_identity_token_lifetime: Duration::from_secs(86_399),
            ca_dir: None,
            fault_seed: 0,
        }
    }
}

/// Why the emulated Azure did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({listener})")]
    Bind {
        /// Which listener.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// DNS has no address to give.
    #[error("DNS has no IPv4 address to answer with: HTTPS listens on {0}; say which one it is")]
    DnsAnswer(IpAddr),
    /// No certificate authority.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The seed cannot be used.
    #[error("cannot use the seed")]
    Seed(#[from] SeedingError),
    /// The key that signs access tokens could not be made.
    #[error("the system has no randomness")]
    Randomness,
}

/// A running emulated Azure. It stops when dropped.
#[derive(Debug)]
pub struct Azure {
    state: Arc<State>,
    addresses: Addresses,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    https: SocketAddr,
    proxy: SocketAddr,
    imds: SocketAddr,
    admin: SocketAddr,
    dns: Option<SocketAddr>,
}

impl Azure {
    /// Starts; when this returns, all addresses take connections.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let listen = async |listener, address: SocketAddr| {
            let failed = |source| StartError::Bind {
                listener,
                address,
                source,
            };
            let socket = TcpListener::bind(address).await.map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            Ok::<_, StartError>((socket, address))
        };
        let (https, https_address) = listen("HTTPS", options.listen).await?;
        let (proxy, proxy_address) = listen("proxy", options.proxy).await?;
        let (imds, imds_address) = listen("managed identity endpoint", options.imds).await?;
        let (admin, admin_address) = listen("administration", options.admin).await?;
        let dns = match options.dns {
            Some(address) => Some(bind_dns(address, &options, https_address.ip()).await?),
            None => None,
        };
        if is_exposed(admin_address) {
            tracing::warn!(
                address = %admin_address,
                "the administration asks nobody who they are, and can be reached from other machines"
            );
        }

        // Generating keys takes long enough to matter to everything else on this thread.
        let state = tokio::task::spawn_blocking(move || state(&options));
        let state = Arc::new(state.await.map_err(|_| StartError::Randomness)??);
        let acceptor = TlsAcceptor::from(state.ca.server_config(state.http1_only)?);
        for (listener, role) in [
            (https, Role::Https(acceptor.clone())),
            (proxy, Role::Proxy(acceptor)),
            (imds, Role::Imds),
        ] {
            state
                .tasks
                .spawn(server::listen(Arc::clone(&state), listener, role));
        }
        state.tasks.spawn(admin::serve(Arc::clone(&state), admin));
        let dns = dns.map(|(socket, address, answer)| {
            let serve = dns::serve(Arc::clone(&state), socket, answer);
            state.tasks.spawn(serve);
            address
        });
        let addresses = Addresses {
            https: https_address,
            proxy: proxy_address,
            imds: imds_address,
            admin: admin_address,
            dns,
        };
        Ok(Self { state, addresses })
    }

    /// Where Entra and the vaults listen.
    pub fn https_addr(&self) -> SocketAddr {
        self.addresses.https
    }

    /// Where the CONNECT proxy listens.
    pub fn proxy_addr(&self) -> SocketAddr {
        self.addresses.proxy
    }

    /// Where the managed identity endpoint listens.
    pub fn imds_addr(&self) -> SocketAddr {
        self.addresses.imds
    }

    /// Where the administration listens.
    pub fn admin_addr(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// Where the DNS responder listens, if it does.
    pub fn dns_addr(&self) -> Option<SocketAddr> {
        self.addresses.dns
    }

    /// The certificate that clients must trust.
    pub fn ca_pem(&self) -> &str {
        self.state.ca.pem()
    }

    /// The calls so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.all()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.state.calls.clear();
    }

    /// Who did what on Resource Manager, oldest first.
    pub fn activities(&self) -> Vec<Activity> {
        self.state.arm.activities()
    }

    /// The actions that each principal's roles allowed and that it used, by object id.
    pub fn used_actions(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.state.arm.used_actions()
    }

    /// Forgets who did what on Resource Manager, and the actions used.
    pub fn clear_activities(&self) {
        self.state.arm.clear_activities();
    }

    /// Moves the clock ahead, for everything that goes by it: propagation, operations, tokens,
    /// deletions.
    pub fn advance_clock(&self, seconds: u32) {
        self.state.clock.advance(seconds);
    }

    /// Puts a fault in the way of calls.
    pub fn add_fault(&self, fault: Fault) -> Result<FaultId, FaultError> {
        self.state.faults.add(fault)
    }

    /// Takes a fault away. False if it is not there.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        self.state.faults.remove(id)
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// The faults there are and how often they have struck.
    pub fn faults(&self) -> Vec<FaultState> {
        self.state.faults.all()
    }

    /// Adds tenants, applications (to tenants that are there, too), issuers, managed identities and
    /// vaults. A system-assigned identity takes the place of the one before.
    ///
    /// Generates keys, which takes a moment.
    ///
    /// # Errors
    /// Something is there already, or cannot be used. Nothing was added then.
    pub fn seed(&self, seed: &Seed) -> Result<(), SeedingError> {
        self.state.seed(seed, self.state.clock.now())
    }

    /// Makes a ServiceAccount token as the API server of a seeded issuer would.
    pub fn service_account_token(
        &self,
        request: &TokenRequest,
    ) -> Result<ServiceAccountToken, TokenRequestError> {
        self.state
            .issuers
            .service_account_token(request, self.state.clock.now())
    }

    /// Adds a federated credential to an application or identity, or replaces the one of the
    /// same name.
    pub fn put_federated_credential(
        &self,
        client_id: &str,
        credential: &FederatedCredentialSeed,
    ) -> Result<(), DirectoryError> {
        self.state
            .directory
            .put_federated_credential(client_id, credential)
    }

    /// Removes a federated credential; it need not be there.
    pub fn remove_federated_credential(
        &self,
        client_id: &str,
        name: &str,
    ) -> Result<(), DirectoryError> {
        self.state
            .directory
            .remove_federated_credential(client_id, name)
    }

    /// Ids of all federated credentials and role assignments on and below a resource, in order, whatever has
    /// spread already.
    pub fn managed_below(&self, resource_id: &str) -> Vec<String> {
        self.state.arm.managed_below(resource_id, &self.state)
    }

    /// Takes away all role assignments on and below a resource, at once.
    pub fn revoke_below(&self, resource_id: &str) {
        self.state.arm.lock().forget_scope(resource_id);
    }

    /// The vaults.
    pub fn vaults(&self) -> &Vaults {
        &self.state.vaults
    }

    /// Waits until the administration is asked to shut down.
    pub async fn stop_requested(&self) {
        self.state.stop_requested.cancelled().await;
    }

    /// Stops, letting calls that are being answered end.
    pub async fn stop(self) {
        self.state.stopping.cancel();
        self.state.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.state.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("stopped while connections were in use");
        }
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        self.state.stopping.cancel();
    }
}

/// The socket of DNS, where it listens, and what it answers.
async fn bind_dns(
    address: SocketAddr,
    options: &Options,
    https: IpAddr,
) -> Result<(UdpSocket, SocketAddr, Ipv4Addr), StartError> {
    let answer = match (options.dns_answer, https) {
        (Some(answer), _) => answer,
        (None, IpAddr::V4(answer)) if !answer.is_unspecified() => answer,
        (None, https) => return Err(StartError::DnsAnswer(https)),
    };
    let failed = |source| StartError::Bind {
        listener: "DNS",
        address,
        source,
    };
    let socket = UdpSocket::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok((socket, address, answer))
}

/// Whether an address can be reached from elsewhere.
fn is_exposed(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

fn state(options: &Options) -> Result<State, StartError> {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let ca = match &options.ca_dir {
        Some(folder) => CertificateAuthority::load_or_generate(folder)?,
        None => CertificateAuthority::generate()?,
    };
    let state = State {
        directory: Directory::new(Entries::default()),
        issuers: Issuers::default(),
        tokens: AccessTokens::generate(&SystemRandom::new()).map_err(|_| StartError::Randomness)?,
        vaults: Vaults::default(),
        arm: ResourceManager::default(),
        clock: Clock::default(),
        calls: CallLog::default(),
        faults: Faults::new(options.fault_seed),
        ca: Arc::new(ca),
        token_lifetime: seconds(options.token_lifetime),
        managed_identity_token_lifetime: seconds(options.managed_identity_token_lifetime),
        max_concurrent_streams: options.max_concurrent_streams,
        http1_only: options.http1_only,
        started: Instant::now(),
        connections: AtomicU64::new(0),
        stopping: CancellationToken::new(),
        stop_requested: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    state.seed(&options.seed, state.clock.now())?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_not_exposed() {
        for (address, exposed) in [
            ("127.0.0.1:1", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("10.250.0.10:1", true),
        ] {
            assert_eq!(is_exposed(address.parse().unwrap()), exposed, "{address}");
        }
    }
}
