//! The story, step by step. Each step shows what happened and checks it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tonic::{Code, Status};
use vaultbind_azure::vault::SetSecret;
use vaultbind_azure::{Call, Service};
use vaultbind_proto::{MountRequest, MountResponse};

use super::Args;
use super::bound::bound;
use super::content::{certificates, describe, leaf_first, masked};
use super::event::failed_mount;
use super::manifests::parameter;
use super::programs::Programs;
use super::screen::Screen;
use super::services::Stage;
use super::table::{Table, tree};
use crate::driver::Volume;
use crate::stage::random;

/// Plays all steps, and hands over what runs.
pub(super) async fn play(
    args: &Args,
    screen: &Screen,
    folder: &Path,
    programs: &mut Programs,
) -> anyhow::Result<Option<Stage>> {
    screen.say("vaultbind: objects of an Azure Key Vault as files in a pod.")?;
    let stage = Stage::start(&args.examples, folder, programs).await?;
    started(args, screen, &stage)?;

    let root = folder.join("volume");
    std::fs::create_dir(&root)?;
    let mut volume = Volume::new(&root);
    let first = mounted(args, screen, &stage, &mut volume).await?;
    called(screen, &stage).await?;
    rotated(args, screen, &stage, &mut volume, &first).await?;
    failed(screen, &stage).await?;
    logged(screen, &stage).await?;
    bound(&args.examples, screen, &stage, folder).await?;
    programs.check().await?;
    Ok(Some(stage))
}

fn started(args: &Args, screen: &Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.heading("1  What was started")?;
    let mut table = Table::new(&["ROLE", "PLAYED BY"]);
    table.row([
        "Azure".to_owned(),
        format!(
            "vaultbind-azure, an emulation seeded from {}/azure.yaml",
            args.examples.display()
        ),
    ]);
    table.row([
        "provider".to_owned(),
        format!(
            "{}, reaches Azure through the proxy http://{}",
            stage.provider_version, stage.azure.proxy
        ),
    ]);
    table.row(["driver", "this program, over the provider's unix socket"]);
    screen.table(&table)?;
    Ok(())
}

/// The first mount. Returns the versions by object.
async fn mounted(
    args: &Args,
    screen: &Screen,
    stage: &Stage,
    volume: &mut Volume,
) -> anyhow::Result<BTreeMap<String, String>> {
    screen.heading("2  A pod starts and mounts its volume")?;
    let class = &stage.manifests.class;
    let pod = &stage.manifests.pod;
    let objects = &stage.manifests.objects;
    let mut table = Table::new(&["WHAT", "FROM THE MANIFESTS"]);
    table.row([
        "SecretProviderClass".to_owned(),
        format!("{}/{}", class.metadata.namespace, class.metadata.name),
    ]);
    for (name, key) in [
        ("  vault", "keyvaultName"),
        ("  tenant", "tenantID"),
        ("  identity", "clientID"),
    ] {
        table.row([name, parameter(class, key)?]);
    }
    let volume_name = &pod.volume()?.name;
    table.row(["Pod".to_owned(), pod.full_name()]);
    table.row(["  ServiceAccount", &pod.spec.service_account_name]);
    table.row([
        "  volume".to_owned(),
        format!("{volume_name}, of the driver {}", pod.volume()?.csi.driver),
    ]);
    screen.table(&table)?;
    screen.note(
        "kubelet gives the driver a token of the ServiceAccount, the driver hands it to the provider \
         with the class, and the provider exchanges it at Entra for access to the vault.",
    )?;
    screen.note("What the pod sees:")?;

    stage.admin.forget_calls().await?;
    let request = stage.usual_request().await?;
    let (response, milliseconds) = mount(stage, request).await?;
    volume.write(&response)?;
    let files = volume.read()?;
    show_files(screen, volume, &files)?;

    screen.note("The version of each object:")?;
    let mut table = Table::new(&["OBJECT", "VERSION", "FILE"]);
    let mut versions = BTreeMap::new();
    ensure!(
        response.object_version.len() == objects.len(),
        "expected {} object versions, found {}",
        objects.len(),
        response.object_version.len()
    );
    for (object, version) in objects.iter().zip(&response.object_version) {
        let id = format!("{}/{}", object.kind, object.name);
        ensure!(version.id == id, "expected {id}, found {}", version.id);
        table.row([&id, &version.version, object.path()]);
        versions.insert(id, version.version.clone());
    }
    screen.table(&table)?;

    let expected: BTreeSet<&str> = objects.iter().map(|object| object.path()).collect();
    let found: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    ensure!(
        expected == found,
        "expected the files {expected:?}, found {found:?}"
    );
    for object in objects {
        let (expected, found) = (object.mode()?, volume.mode(object.path())?);
        ensure!(
            expected == found,
            "expected mode {expected:04o} of {}, found {found:04o}",
            object.path()
        );
    }
    screen.good(&format!(
        "{} objects became {} files with the modes of the class, in {milliseconds} ms",
        objects.len(),
        files.len()
    ))?;
    if args.show {
        for (path, content) in &files {
            screen.note(&format!("{path}:"))?;
            screen.verbatim(&String::from_utf8_lossy(content))?;
        }
    }
    Ok(versions)
}

pub(super) fn show_files(
    screen: &Screen,
    volume: &Volume,
    files: &BTreeMap<String, Vec<u8>>,
) -> anyhow::Result<()> {
    let mut table = Table::new(&["/mnt/secrets", "MODE", "BYTES", "CONTENT"]);
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    for branch in tree(&paths) {
        let Some(path) = branch.file else {
            table.row([branch.label]);
            continue;
        };
        let content = files.get(path).map(Vec::as_slice).unwrap_or_default();
        table.row([
            branch.label,
            format!("{:04o}", volume.mode(path)?),
            content.len().to_string(),
            describe(content),
        ]);
    }
    screen.table(&table)?;

    screen.note("The certificates in it, each chain in order from the leaf to the root:")?;
    let mut table = Table::new(&["FILE", "SUBJECT", "ISSUER", "KEY"]);
    for (path, content) in files {
        let mut file = path.as_str();
        let chain = certificates(content);
        ensure!(
            leaf_first(&chain),
            "expected the certificates of {path} from leaf to root, found {chain:?}"
        );
        for [subject, issuer, key] in chain {
            table.row([file, &subject, &issuer, &key]);
            file = "";
        }
    }
    screen.table(&table)?;
    Ok(())
}

async fn called(screen: &Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.heading("3  The calls that took")?;
    let calls = stage.admin.calls().await?;
    let mut table = Table::new(&["METHOD", "PATH", "STATUS", "CONNECTION", "HTTP"]);
    let mut host = "";
    for call in &calls {
        if call.host != host {
            host = &call.host;
            table.row(["", host]);
        }
        table.row([
            call.method.clone(),
            format!("  {}", call.path),
            call.status.map_or("none".to_owned(), |s| s.to_string()),
            call.connection.to_string(),
            call.http_version.clone(),
        ]);
    }
    screen.table(&table)?;

    let refused = calls.iter().find(|call| call.status != Some(200));
    if let Some(call) = refused {
        anyhow::bail!("expected status 200 of every call, found {call:?}");
    }
    let (tokens, requests) = (of(&calls, Service::Entra), of(&calls, Service::Vault));
    let connections: BTreeSet<u64> = requests.iter().map(|call| call.connection).collect();
    let objects = stage.manifests.objects.len();
    ensure!(
        tokens.len() == 1 && requests.len() == objects && calls.len() == objects + 1,
        "expected 1 token request and {objects} vault requests, found {} and {} of {} calls",
        tokens.len(),
        requests.len(),
        calls.len()
    );
    ensure!(
        connections.len() == 1,
        "expected one connection to the vault, found {connections:?}"
    );
    screen.good(&format!(
        "1 token request, and {objects} vault requests on one connection"
    ))?;
    Ok(())
}

fn of(calls: &[Call], service: Service) -> Vec<&Call> {
    let wanted = calls.iter().filter(|call| call.service == service);
    wanted.collect()
}

async fn rotated(
    args: &Args,
    screen: &Screen,
    stage: &Stage,
    volume: &mut Volume,
    first: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    screen.heading("4  A secret is rotated in the vault, and the driver mounts again")?;
    let manifests = &stage.manifests;
    let object = manifests
        .objects
        .iter()
        .find(|object| object.kind == "secret")
        .context("the class has no secret")?;
    let (id, path) = (format!("secret/{}", object.name), object.path());
    let old_content = content(volume, path)?;
    let value = random("rotated");
    let vault = parameter(&manifests.class, "keyvaultName")?;
    let secret = SetSecret::new(&value);
    let version = stage.admin.set_secret(vault, &object.name, &secret).await?;
    let (response, milliseconds) = mount(stage, stage.usual_request().await?).await?;
    let change = volume.write(&response)?;
    ensure!(
        change.written == [path] && change.removed.is_empty(),
        "expected only {path} to change, found {change:?}"
    );
    let new_content = content(volume, path)?;
    ensure!(
        new_content == value.as_bytes(),
        "expected the new value of {id} in {path}"
    );
    let second: BTreeMap<String, String> = response
        .object_version
        .into_iter()
        .map(|object| (object.id, object.version))
        .collect();
    let mut expected = first.clone();
    let old_version = expected.insert(id.clone(), version.clone());
    ensure!(
        expected == second,
        "expected the versions {expected:?}, found {second:?}"
    );

    let shown = |content: &[u8]| {
        if args.show {
            String::from_utf8_lossy(content).into_owned()
        } else {
            masked(content)
        }
    };
    let mut table = Table::new(&["", "VERSION", "VALUE"]);
    table.row([
        "before".to_owned(),
        old_version.unwrap_or_default(),
        shown(&old_content),
    ]);
    table.row(["after".to_owned(), version, shown(&new_content)]);
    screen.table(&table)?;
    screen.good(&format!(
        "of {} files only {path} changed, in {milliseconds} ms",
        manifests.objects.len()
    ))?;
    Ok(())
}

fn content(volume: &Volume, path: &str) -> anyhow::Result<Vec<u8>> {
    let content = volume.read()?.remove(path);
    content.with_context(|| format!("expected the file {path}"))
}

async fn failed(screen: &Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.heading("5  Mounts that fail, as the pod's events would tell them")?;
    let manifests = &stage.manifests;
    let (class, wrong) = manifests.misspelt()?;
    let service_account = &manifests.pod.spec.service_account_name;
    screen.say(&format!("An object that the vault does not have, {wrong}:"))?;
    let request = stage.request(&class, service_account).await?;
    let status = refusal(stage, request, Code::NotFound, &wrong).await?;
    screen.bad(&failed_mount(&manifests.pod, &status)?)?;

    let other = "reporting";
    screen.note(&format!(
        "A pod under the ServiceAccount {other}, which the identity does not trust:"
    ))?;
    let request = stage.request(&manifests.class, other).await?;
    let status = refusal(stage, request, Code::Unauthenticated, other).await?;
    screen.bad(&failed_mount(&manifests.pod, &status)?)?;
    Ok(())
}

async fn refusal(
    stage: &Stage,
    request: MountRequest,
    code: Code,
    part: &str,
) -> anyhow::Result<Status> {
    let Err(status) = stage.provider.mount(request).await else {
        anyhow::bail!("expected the mount to fail with {code:?}, but it succeeded");
    };
    ensure!(
        status.code() == code && status.message().contains(part),
        "expected {code:?} and a message with {part}, found {:?}: {}",
        status.code(),
        status.message()
    );
    Ok(status)
}

async fn logged(screen: &Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.heading("6  The provider's log line of the first mount")?;
    let pod = &stage.manifests.pod.metadata.name;
    let line = stage.provider_log.line_with(&["mounted", pod]).await;
    let line = line.context("expected a log line of the first mount, found none")?;
    screen.log(&line)?;
    Ok(())
}

/// Mounts, and says how many milliseconds it took.
pub(super) async fn mount(
    stage: &Stage,
    request: MountRequest,
) -> anyhow::Result<(MountResponse, u128)> {
    let start = Instant::now();
    let response = stage.provider.mount(request).await.map_err(|status| {
        let (code, message) = (status.code(), status.message());
        anyhow::anyhow!("expected the mount to succeed, found {code:?}: {message}")
    })?;
    Ok((response, start.elapsed().as_millis()))
}
