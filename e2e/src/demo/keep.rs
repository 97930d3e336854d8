//! How to go on by hand while all is running.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::Stop;
use super::manifests::parameter;
use super::programs::Programs;
use super::screen::Screen;
use super::services::Stage;

/// Says how to call what runs, and shows the provider's log until a signal comes.
pub(super) async fn keep(
    screen: &Screen,
    folder: &Path,
    stage: &Stage,
    programs: &mut Programs,
    stop: &mut Stop,
) -> anyhow::Result<()> {
    let request = stage.usual_request().await?;
    let request = json!({
        "attributes": request.attributes,
        "secrets": request.secrets,
        "targetPath": request.target_path,
        "permission": request.permission,
    });
    write(&folder.join("request.json"), &format!("{request:#}\n"))?;
    let pod = &stage.manifests.pod;
    let token = stage.token(&pod.spec.service_account_name).await?;
    write(&folder.join("token"), &token)?;

    screen.heading("All keeps running until Ctrl-C")?;
    screen
        .say("Mount as the driver does, with grpcurl (the token in the request lasts an hour):")?;
    screen.verbatim(&grpcurl(folder, stage))?;
    screen.note("Read the vault as the workload does, with the Azure SDK for Python:")?;
    screen.verbatim(&python(folder, stage)?)?;
    screen.note("Rotate a secret, see the calls, make the vault busy, with curl:")?;
    screen.verbatim(&curl(stage)?)?;
    screen.note("docs/emulator.md has the rest. The provider's log from now on:")?;

    let mut log = stage.provider_log.follow();
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(()),
            ended = programs.ended() => return ended,
            Some(lines) = log.next() => lines.iter().try_for_each(|line| screen.log(line))?,
        }
    }
}

/// A new file that nobody else can read: it holds a token.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let place = || path.display().to_string();
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(place)
}

fn grpcurl(folder: &Path, stage: &Stage) -> String {
    format!(
        "grpcurl -plaintext -unix -import-path proto -proto service.proto -d @ \\\n  \
         {} \\\n  v1alpha1.CSIDriverProvider/Mount < {}",
        stage.socket.display(),
        folder.join("request.json").display()
    )
}

fn python(folder: &Path, stage: &Stage) -> anyhow::Result<String> {
    let class = &stage.manifests.class;
    let (tenant, client) = (parameter(class, "tenantID")?, parameter(class, "clientID")?);
    let vault = parameter(class, "keyvaultName")?;
    let object = stage.manifests.objects.first();
    let object = object.map_or("db-password", |object| &object.name);
    let (proxy, ca) = (stage.azure.proxy, stage.azure.ca_file.display());
    let token = folder.join("token");
    let token = token.display();
    Ok(format!(
        "pip install azure-identity azure-keyvault-secrets
(
unset NO_PROXY no_proxy https_proxy
export HTTPS_PROXY=http://{proxy}
export REQUESTS_CA_BUNDLE={ca}
export SSL_CERT_FILE={ca}
export AZURE_AUTHORITY_HOST=https://login.microsoftonline.com
export AZURE_TENANT_ID={tenant}
export AZURE_CLIENT_ID={client}
export AZURE_FEDERATED_TOKEN_FILE={token}
python3 - <<'END'
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
vault = SecretClient(\"https://{vault}.vault.azure.net\", WorkloadIdentityCredential())
print(vault.get_secret(\"{object}\").value)
END
)"
    ))
}

fn curl(stage: &Stage) -> anyhow::Result<String> {
    let vault = parameter(&stage.manifests.class, "keyvaultName")?;
    let object = stage.manifests.objects.first();
    let object = object.map_or("db-password", |object| &object.name);
    Ok(format!(
        "admin=http://{}
curl -X PUT $admin/vaults/{vault}/secrets/{object} -d '{{\"value\":\"another\"}}'
curl $admin/calls
curl $admin/faults -d '{{\"match\":{{\"service\":\"vault\"}},\"times\":2,\"action\":{{\"status\":{{\"code\":429}}}}}}'",
        stage.azure.admin
    ))
}
