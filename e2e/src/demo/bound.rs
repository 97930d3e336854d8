//! A VaultBinding in place of a class: what the operator makes of it, by its own library, and how long
//! bytes stay when they are pinned.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize as _;
use vaultbind_azure::vault::SetSecret;
use vaultbind_azure::{Service, TokenRequest};
use vaultbind_crds::VaultBinding;
use vaultbind_keyvault::Sensitive;
use vaultbind_keyvault::metadata::{Metadata, MetadataOptions, NoProof};
use vaultbind_keyvault::transport::{Proxy, Roots, Transport, TransportOptions};
use vaultbind_operator::observed::{ClassChoice, Cluster, Driver};
use vaultbind_operator::plan::{Input, Target, plan, question};
use vaultbind_operator::resolve::{Resolver, ResolverOptions, Tokens};
use vaultbind_operator::secrets_store;

use super::scenes::{mount, show_files};
use super::screen::Screen;
use super::services::Stage;
use super::table::Table;
use crate::admin::Admin;
use crate::driver::{SecretProviderClass, Volume};
use crate::stage::{AUDIENCE, random};

/// What was planned last.
type Class = Arc<secrets_store::SecretProviderClass>;

/// Binds, mounts, rotates, mounts, binds again.
pub(super) async fn bound(
    examples: &Path,
    screen: &Screen,
    stage: &Stage,
    folder: &Path,
) -> anyhow::Result<()> {
    screen.heading("7  The same with exact versions: a VaultBinding")?;
    let operator = Operator::new(examples, stage)?;
    let (name, vault) = (operator.name()?, operator.vault()?);
    screen.say(&format!(
        "The binding {name} names objects of {vault}. The operator asks for their versions, as the \
         workload, and writes a class with exactly these:"
    ))?;
    stage.admin.forget_calls().await?;
    let first = operator.plan(None).await?;
    let pins = pins(&first)?;
    let mut table = Table::new(&["OBJECT", "VERSION"]);
    for (object, version) in &pins {
        table.row([object, version]);
    }
    screen.table(&table)?;
    let calls = stage.admin.calls().await?;
    let asked = calls.iter().filter(|call| call.service == Service::Vault);
    let (lists, others): (Vec<_>, Vec<_>) = asked.partition(|call| {
        let path = call.path.trim_matches('/');
        path.ends_with("/versions") || !path.contains('/')
    });
    ensure!(
        others.is_empty() && !lists.is_empty(),
        "expected lists of versions only, found {others:?}"
    );
    screen.good(&format!(
        "{} lists of the vault were read, and no value",
        lists.len()
    ))?;

    let root = folder.join("bound");
    std::fs::create_dir(&root)?;
    let mut volume = Volume::new(&root);
    let mounted = mount_of(stage, &first, &mut volume).await?;
    ensure!(
        mounted
            .values()
            .all(|version| pins.values().any(|pin| version.starts_with(pin.as_str()))),
        "expected the versions {pins:?}, found {mounted:?}"
    );
    screen.note("What the pod sees:")?;
    let files = volume.read()?;
    show_files(screen, &volume, &files)?;

    let object = pins.keys().next().context("the class has no objects")?;
    // Versions of one second have no order, and the pinned one stays.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let value = random("newer");
    let newer = stage
        .admin
        .set_secret(vault, object, &SetSecret::new(&value))
        .await?;
    mount_of(stage, &first, &mut volume).await?;
    ensure!(
        volume.read()? == files,
        "expected no file to change before the pin moves"
    );
    screen.note(&format!(
        "The vault has a newer version of {object}, {newer}:"
    ))?;
    screen
        .good("mounted again, no file changed: pods born at different times read the same bytes")?;

    let second = operator.plan(Some(Arc::clone(&first))).await?;
    let moved = self::pins(&second)?;
    ensure!(
        moved.get(object) == Some(&newer) && moved.len() == pins.len(),
        "expected {object} at {newer}, found {moved:?}"
    );
    mount_of(stage, &second, &mut volume).await?;
    let now = volume.read()?;
    let changed: Vec<&String> = now
        .iter()
        .filter(|(path, content)| files.get(*path) != Some(*content))
        .map(|(path, _)| path)
        .collect();
    ensure!(
        changed == [object] && now.get(object).map(Vec::as_slice) == Some(value.as_bytes()),
        "expected only {object} to change, found {changed:?}"
    );
    screen.good(&format!(
        "the operator's next check moved the pin, and only {object} changed"
    ))?;
    Ok(())
}

/// The version of each object of a class.
fn pins(class: &Class) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pins = BTreeMap::new();
    for mut object in as_driver(class)?.objects()? {
        let mut field = |name| object.remove(name).with_context(|| format!("no {name}"));
        pins.insert(field("objectName")?, field("objectVersion")?);
    }
    Ok(pins)
}

/// The class as the driver reads it.
fn as_driver(class: &Class) -> anyhow::Result<SecretProviderClass> {
    Ok(serde_json::from_value(serde_json::to_value(&**class)?)?)
}

/// Mounts a class for the example's pod; the versions by object.
async fn mount_of(
    stage: &Stage,
    class: &Class,
    volume: &mut Volume,
) -> anyhow::Result<BTreeMap<String, String>> {
    let account = &stage.manifests.pod.spec.service_account_name;
    let request = stage.request(&as_driver(class)?, account).await?;
    let (response, _) = mount(stage, request).await?;
    volume.write(&response)?;
    let versions = response.object_version.into_iter();
    Ok(versions.map(|object| (object.id, object.version)).collect())
}

/// The operator's resolver and plan, without a cluster.
struct Operator {
    binding: VaultBinding,
    resolver: Resolver,
}

impl Operator {
    fn new(examples: &Path, stage: &Stage) -> anyhow::Result<Self> {
        let path = examples.join("binding.yaml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        // The first of the file is the one for the class of the same name.
        let mut documents = serde_yaml::Deserializer::from_str(&text);
        let document = documents.next().context("no binding")?;
        let mut binding = VaultBinding::deserialize(document).context("binding.yaml")?;
        binding.metadata.namespace = Some(stage.manifests.pod.metadata.namespace.clone());
        binding.metadata.uid = Some("5a0e4d52-9d63-4d7a-a1f5-a9f010f0c3c8".to_owned());
        binding.metadata.generation = Some(1);
        let authority = std::fs::read(&stage.azure.ca_file)?;
        let transport = Transport::new(TransportOptions {
            proxy: Proxy::Fixed(format!("http://{}", stage.azure.proxy)),
            roots: Roots::Fixed(vec![CertificateDer::from_pem_slice(&authority)?]),
            ..TransportOptions::default()
        })?;
        let metadata = Metadata::new(transport, MetadataOptions::default());
        let tokens = Arc::new(Emulated(stage.admin));
        let resolver = Resolver::new(metadata, tokens, None, ResolverOptions::default());
        Ok(Self { binding, resolver })
    }

    fn name(&self) -> anyhow::Result<&str> {
        self.binding
            .metadata
            .name
            .as_deref()
            .context("the binding has no name")
    }

    fn vault(&self) -> anyhow::Result<&str> {
        let name = self.binding.spec.vault.name.as_deref();
        name.context("the binding names no vault")
    }

    /// The class that the binding wants, if this one is there.
    async fn plan(&self, target: Option<Class>) -> anyhow::Result<Class> {
        let cluster = Cluster {
            driver: Some(Driver {
                audiences: vec![AUDIENCE.to_owned()],
                requires_republish: true,
            }),
            class: ClassChoice::None,
            namespace_labels: BTreeMap::new(),
            older_of_class: 0,
            target,
            mounts: Vec::new(),
            azure: None,
            azure_shared: std::collections::BTreeSet::new(),
            writes_secrets: false,
            secrets: BTreeMap::new(),
        };
        let answer = match question(&self.binding, &cluster) {
            Ok(question) => Ok(self.resolver.resolve(&question, Duration::ZERO).await),
            Err(stall) => Err(stall),
        };
        let plan = plan(&Input {
            binding: &self.binding,
            cluster: &cluster,
            answer: &answer,
            now: jiff::Timestamp::now(),
        });
        match plan.target {
            Target::Apply(class) => Ok(Arc::new(*class)),
            Target::Keep => bail!("expected a class, found {:?}", plan.status.conditions),
        }
    }
}

/// The emulated Azure in the place of the API server.
struct Emulated(Admin);

#[async_trait]
impl Tokens for Emulated {
    async fn token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
    ) -> Result<Sensitive, NoProof> {
        let request = TokenRequest {
            namespace: namespace.to_owned(),
            service_account_name: service_account.to_owned(),
            audience: audience.to_owned(),
            ..TokenRequest::default()
        };
        let token = self.0.service_account_token(&request).await;
        let token = token.map_err(|error| NoProof::passing(error.to_string()))?;
        Ok(Sensitive::from(token.token))
    }
}
