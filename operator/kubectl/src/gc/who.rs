//! As whom Azure is asked: an application of the environment, or whoever is logged in to the Azure CLI.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::process::Command;
use vaultbind_keyvault::metadata::{IdentitySource, NoProof};
use vaultbind_keyvault::{ClientId, Cloud, Identity, Sensitive, TenantId};

/// What the Azure CLI is called.
const CLI: &str = if cfg!(windows) { "az.cmd" } else { "az" };

/// How long a token is used whose end the Azure CLI does not tell as a number, as old ones do.
const UNTOLD: Duration = Duration::from_secs(5 * 60);

/// Whoever asks Azure.
#[derive(Debug)]
pub enum Person {
    /// An application with a client secret.
    Application {
        /// Its tenant.
        tenant: TenantId,
        /// Its client id.
        client: ClientId,
        /// The secret.
        secret: Sensitive,
    },
    /// Whoever is logged in to the Azure CLI.
    Cli {
        /// The cloud that is asked.
        cloud: Cloud,
    },
}

impl Person {
    /// The application that `AZURE_CLIENT_SECRET`, `AZURE_CLIENT_ID` and `AZURE_TENANT_ID` say; without a secret,
    /// whoever is logged in to the Azure CLI.
    ///
    /// # Errors
    /// When there is a secret, and not whose.
    pub fn of(cloud: Cloud, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let given = |name: &str| variable(name).filter(|text| !text.is_empty());
        let Some(secret) = given("AZURE_CLIENT_SECRET") else {
            return Ok(Self::Cli { cloud });
        };
        let secret = Sensitive::from(secret);
        let needed = |name: &str| {
            given(name).ok_or_else(|| {
                format!("AZURE_CLIENT_SECRET is set and {name} is not: set it, or unset both to ask as az does")
            })
        };
        let (client, tenant) = (needed("AZURE_CLIENT_ID")?, needed("AZURE_TENANT_ID")?);
        Ok(Self::Application {
            tenant: tenant
                .parse()
                .map_err(|error| format!("AZURE_TENANT_ID: {error}"))?,
            client: client
                .parse()
                .map_err(|error| format!("AZURE_CLIENT_ID: {error}"))?,
            secret,
        })
    }
}

#[async_trait]
impl IdentitySource for Person {
    fn name(&self) -> &str {
        match self {
            Self::Application { client, .. } => client.as_str(),
            Self::Cli { .. } => "access-token",
        }
    }

    async fn identity(&self) -> Result<Identity, NoProof> {
        match self {
            Self::Application {
                tenant,
                client,
                secret,
            } => Ok(Identity::ServicePrincipal {
                tenant: tenant.clone(),
                client: client.clone(),
                secret: secret.clone(),
            }),
            Self::Cli { cloud } => ask_cli(*cloud).await,
        }
    }
}

/// What the Azure CLI prints, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    access_token: String,
    /// In seconds since 1970.
    #[serde(default, rename = "expires_on")]
    expires_on: Option<u64>,
}

/// What it prints is never repeated: a token is among it, and its errors name accounts.
async fn ask_cli(cloud: Cloud) -> Result<Identity, NoProof> {
    let resource = format!("https://{}", cloud.management_host());
    let command = format!("{CLI} account get-access-token --resource {resource}");
    let output = Command::new(CLI)
        .args(["account", "get-access-token", "--output", "json"])
        .args(["--resource", &resource])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|error| {
        NoProof::lasting(format!(
            "{CLI} cannot be started ({}): install the Azure CLI and log in with az login, or set \
             AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
            error.kind()
        ))
    })?;
    if !output.status.success() {
        return Err(NoProof::lasting(format!(
            "{command} fails: run it to see why, and log in with az login"
        )));
    }
    read(&output.stdout, SystemTime::now())
        .ok_or_else(|| NoProof::lasting(format!("{command} prints no token in JSON: update az")))
}

fn read(printed: &[u8], now: SystemTime) -> Option<Identity> {
    let Printed {
        access_token,
        expires_on,
    } = serde_json::from_slice(printed).ok()?;
    let told = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    (!access_token.is_empty()).then_some(())?;
    Some(Identity::AccessToken {
        token: access_token.into(),
        ends: match expires_on {
            Some(seconds) => told(seconds)?,
            None => now + UNTOLD,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "aaaaaaaa-0000-4000-8000-0000000000a1";

    fn of(variables: &[(&str, &str)]) -> Result<Person, String> {
        Person::of(Cloud::Public, |name| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_who_asks() {
        let secret = ("AZURE_CLIENT_SECRET", "hush-hush");
        let (client, tenant) = (("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", ID));
        let application = of(&[secret, client, tenant]).unwrap();
        assert!(matches!(application, Person::Application { .. }));
        assert_eq!(application.name(), ID);
        assert!(!format!("{application:?}").contains("hush"));
        for variables in [&[client, tenant][..], &[("AZURE_CLIENT_SECRET", "")]] {
            assert!(matches!(of(variables), Ok(Person::Cli { .. })));
        }
        for (variables, word) in [
            ([secret, client], "AZURE_TENANT_ID"),
            ([secret, tenant], "AZURE_CLIENT_ID"),
        ] {
            let error = of(&variables).unwrap_err();
            assert!(error.contains(word) && !error.contains("hush"), "{error}");
        }
        let odd = of(&[secret, ("AZURE_CLIENT_ID", "a b"), tenant]).unwrap_err();
        assert!(odd.starts_with("AZURE_CLIENT_ID"), "{odd}");
    }

    #[test]
    fn the_token_of_the_azure_cli_has_its_end() {
        let now = SystemTime::UNIX_EPOCH;
        let ends = |printed: &str| match read(printed.as_bytes(), now) {
            Some(Identity::AccessToken { ends, .. }) => Some(ends),
            _ => None,
        };
        let told = r#"{"accessToken": "e30", "expires_on": 7000, "tokenType": "Bearer"}"#;
        assert_eq!(ends(told), Some(now + Duration::from_secs(7000)));
        assert_eq!(ends(r#"{"accessToken": "e30"}"#), Some(now + UNTOLD));
        for odd in ["", "{}", r#"{"accessToken": ""}"#, "ERROR: please log in"] {
            assert_eq!(ends(odd), None, "{odd}");
        }
    }
}
