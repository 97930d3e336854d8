//! An emulated Azure and a resolver that asks it, as its proxy under the real host names.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::Url;
use vaultbind_azure::{Azure, Call, Options, Service, TokenRequest};
use vaultbind_crds::binding::ObjectType;
use vaultbind_keyvault::metadata::{ListError, MetadataOptions, NoProof, Version};
use vaultbind_keyvault::transport::{Proxy, Roots};
use vaultbind_keyvault::{
    Cloud, Limits, Metadata, Sensitive, Transport, TransportOptions, VersionId,
};
use vaultbind_operator::observed::{
    Answer, Asker, Caller, Key, Question, Selection, VaultAnswer, VaultRef,
};
use vaultbind_operator::resolve::{
    OwnIdentity, ResolveObserver, Resolver, ResolverOptions, Source, Sweep, Tokens,
};

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
pub(crate) const ISSUER: &str = "https://oidc.cluster.example/payments/";
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
pub(crate) const VAULT: &str = "kv-payments-prod";
pub(crate) const NOW: Duration = Duration::ZERO;
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Long enough ago for a list to be believed.
pub(crate) const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// Tenant, application, issuer and a vault in which the application may look at everything and read
/// no value of a secret; the rest of the vault is indented by two.
pub(crate) fn seed(vault: &str) -> String {
    with_roles(
        &format!("  roleAssignments: [{{principal: {CLIENT}, role: Key Vault Reader}}]\n"),
        vault,
    )
}

/// The same with other rights.
pub(crate) fn with_roles(roles: &str, vault: &str) -> String {
    format!(
        "tenants:
- tenantID: {TENANT}
  applications:
  - clientID: {CLIENT}
    name: payments
    federatedCredentials:
    - {{name: aks, issuer: '{ISSUER}', subject: 'system:serviceaccount:payments:payments'}}
issuers:
- issuer: {ISSUER}
vaults:
- name: {VAULT}
  tenantID: {TENANT}
{roles}{vault}"
    )
}

/// Secrets `s00`, `s01` and so on, made long ago.
pub(crate) fn secrets(count: usize) -> String {
    let secrets: String = (0..count)
        .map(|n| format!("  - {{name: s{n:02}, value: v, created: '{LONG_AGO}'}}\n"))
        .collect();
    format!("  secrets:\n{secrets}")
}

/// Their names.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("s{n:02}")).collect()
}

/// The id of the version of that number.
pub(crate) fn version(n: usize) -> VersionId {
    format!("{:032x}", (n * 7919) % 65_537).parse().unwrap()
}

/// A secret `db` with so many versions, each a day younger than the one before; their ids are in no
/// order.
pub(crate) fn versions(count: usize) -> String {
    let one = |n: usize| {
        let (id, day) = (version(n), 86_400 * i64::try_from(n).unwrap());
        let created = jiff::Timestamp::from_second(1_700_000_000 + day).unwrap();
        format!("    - {{value: v, version: '{id}', created: '{created}'}}\n")
    };
    let versions: String = (0..count).map(one).collect();
    format!("  secrets:\n  - name: db\n    versions:\n{versions}")
}

/// The API server: mints what the seeded issuer would.
pub(crate) struct Minted {
    azure: Arc<Azure>,
    pub(crate) asked: AtomicUsize,
    pub(crate) refusal: Mutex<Option<String>>,
}

#[async_trait]
impl Tokens for Minted {
    async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
    ) -> Result<Sensitive, NoProof> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = &*self.refusal.lock().unwrap() {
            return Err(NoProof::lasting(refusal));
        }
        Ok(token(&self.azure, namespace, service_account, audience).into())
    }
}

/// A token of a ServiceAccount.
pub(crate) fn token(azure: &Azure, namespace: &str, name: &str, audience: &str) -> String {
    let token = azure.service_account_token(&TokenRequest {
        namespace: namespace.to_owned(),
        service_account_name: name.to_owned(),
        audience: audience.to_owned(),
        ..TokenRequest::default()
    });
    token.unwrap().token
}

/// What was observed.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) sources: Mutex<Vec<Source>>,
    pub(crate) sweeps: Mutex<Vec<Sweep>>,
}

impl ResolveObserver for Log {
    fn answered(&self, source: Source) {
        self.sources.lock().unwrap().push(source);
    }

    fn swept(&self, sweep: &Sweep) {
        self.sweeps.lock().unwrap().push(*sweep);
    }
}

/// How a stage is set up.
#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) azure: Options,
    pub(crate) metadata: MetadataOptions,
    pub(crate) resolver: ResolverOptions,
    pub(crate) own: Option<OwnIdentity>,
}

/// The way to an emulated Azure.
pub(crate) fn transport(azure: &Azure) -> Arc<Transport> {
    Transport::new(transport_options(azure)).unwrap()
}

/// How it is gone.
pub(crate) fn transport_options(azure: &Azure) -> TransportOptions {
    let ca = CertificateDer::from_pem_slice(azure.ca_pem().as_bytes()).unwrap();
    TransportOptions {
        proxy: Proxy::Fixed(format!("http://{}", azure.proxy_addr())),
        roots: Roots::Fixed(vec![ca]),
        imds: Some(Url::parse(&format!("http://{}", azure.imds_addr())).unwrap()),
        // Calls are counted, and how many there are must not depend on how busy the machine is.
        limits: Limits {
            hedge_after: None,
            ..Limits::default()
        },
        ..TransportOptions::default()
    }
}

pub(crate) struct Stage {
    pub(crate) azure: Arc<Azure>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) tokens: Arc<Minted>,
    pub(crate) log: Arc<Log>,
}

impl Stage {
    pub(crate) async fn start(seed: &str) -> Self {
        Self::start_with(seed, Setting::default()).await
    }

    pub(crate) async fn start_with(seed: &str, setting: Setting) -> Self {
        let Setting {
            mut azure,
            metadata,
            mut resolver,
            own,
        } = setting;
        azure.seed = vaultbind_azure::Seed::from_yaml("seed", seed).unwrap();
        let azure = Arc::new(Azure::start(azure).await.unwrap());
        let tokens = Arc::new(Minted {
            azure: Arc::clone(&azure),
            asked: AtomicUsize::new(0),
            refusal: Mutex::default(),
        });
        let log = Arc::new(Log::default());
        resolver.observer = Some(Arc::clone(&log) as _);
        let metadata = Metadata::new(transport(&azure), metadata);
        let resolver = Resolver::new(metadata, Arc::clone(&tokens) as _, own, resolver);
        Self {
            azure,
            resolver: Arc::new(resolver),
            tokens,
            log,
        }
    }

    /// The answer of the vault.
    pub(crate) async fn ask(&self, question: &Question, max_age: Duration) -> VaultAnswer {
        match self.resolver.resolve(question, max_age).await {
            Answer::Vault(answer) => answer,
            other => panic!("no answer of the vault: {other:?}"),
        }
    }

    /// Paths that the vault was asked for since the last time, and how often Entra was. Whatever the
    /// vault was asked for was a list.
    pub(crate) fn calls(&self) -> (Vec<String>, usize) {
        let calls = self.azure.calls();
        self.azure.clear_calls();
        let of = |service| {
            calls
                .iter()
                .filter(move |call: &&Call| call.service == service)
        };
        let paths: Vec<String> = of(Service::Vault).map(|call| call.path.clone()).collect();
        for path in &paths {
            let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
            let is_list = match segments.as_slice() {
                ["secrets" | "keys" | "certificates"] => true,
                ["secrets" | "keys" | "certificates", _, last] => *last == "versions",
                _ => false,
            };
            assert!(is_list, "no list: {path}");
        }
        (paths, of(Service::Entra).count())
    }

    /// Paths of what the vault was asked for since the last time, in order of the alphabet, and how often
    /// Entra was asked.
    pub(crate) fn reads(&self) -> (Vec<String>, usize) {
        let calls = self.azure.calls();
        self.azure.clear_calls();
        let (vault, others): (Vec<Call>, Vec<Call>) = calls
            .into_iter()
            .partition(|call| call.service == Service::Vault);
        let mut paths: Vec<String> = vault.into_iter().map(|call| call.path).collect();
        paths.sort();
        (paths, others.len())
    }

    /// How many pages of objects and how many of versions the vault was asked for, and how many
    /// tokens Entra.
    pub(crate) fn cost(&self) -> (usize, usize, usize) {
        let (paths, tokens) = self.calls();
        let versions = paths.iter().filter(|path| path.ends_with("/versions"));
        let versions = versions.count();
        (paths.len() - versions, versions, tokens)
    }
}

pub(crate) fn asker() -> Asker {
    Asker {
        cloud: Cloud::Public,
        vault: VaultRef::Name(VAULT.to_owned()),
        tenant: TENANT.to_owned(),
        caller: Caller::Workload {
            client: CLIENT.to_owned(),
            namespace: "payments".to_owned(),
            service_account: "payments".to_owned(),
            audience: AUDIENCE.to_owned(),
        },
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key {
        type_: ObjectType::Secret,
        name: name.to_owned(),
    }
}

/// A question about secrets.
pub(crate) fn question<S: AsRef<str>>(names: &[S]) -> Question {
    Question {
        asker: asker(),
        objects: names.iter().map(|name| key(name.as_ref())).collect(),
        held: BTreeMap::new(),
        selections: Vec::new(),
        requests_per_second: 400,
    }
}

/// The same, holding a version.
pub(crate) fn holding(mut question: Question, name: &str, held: &VersionId) -> Question {
    let of_name = question.held.entry(key(name)).or_default();
    of_name.insert(held.clone());
    question
}

/// A question about one selection of secrets, named `all`.
pub(crate) fn selection(prefix: &str, tags: &[(&str, &str)], max: usize) -> Question {
    let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let selection = Selection {
        name: "all".to_owned(),
        type_: ObjectType::Secret,
        prefix: prefix.to_owned(),
        tags: tags.collect(),
        max,
    };
    Question {
        selections: vec![selection],
        ..question::<&str>(&[])
    }
}

/// Versions of a secret.
pub(crate) fn found(answer: &VaultAnswer, name: &str) -> Vec<Version> {
    answer.versions[&key(name)].clone().unwrap()
}

/// Why there are none.
pub(crate) fn failed(answer: &VaultAnswer, name: &str) -> Arc<ListError> {
    answer.versions[&key(name)].clone().unwrap_err()
}
