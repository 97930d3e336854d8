use std::time::Duration;

use super::*;

#[test]
fn each_bad_parameter_has_its_message() {
    let long = "x".repeat(100);
    let cut = format!("{}…", "x".repeat(59));
    for (key, value, message) in [
        (
            "csi.storage.k8s.io/pod.name",
            " ",
            "the request lacks csi.storage.k8s.io/pod.name: set podInfoOnMount to true in the \
             CSIDriver object secrets-store.csi.k8s.io",
        ),
        (
            "csi.storage.k8s.io/pod.namespace",
            "",
            "the request lacks csi.storage.k8s.io/pod.namespace: set podInfoOnMount to true in \
             the CSIDriver object secrets-store.csi.k8s.io",
        ),
        (
            "usePodIdentity",
            "yes",
            "parameter usePodIdentity is \"yes\": set it to \"true\" or \"false\"",
        ),
        (
            "useVMManagedIdentity",
            "TrUe",
            "parameter useVMManagedIdentity is \"TrUe\": set it to \"true\" or \"false\"",
        ),
        (
            "useAzureTokenProxy",
            "on",
            "parameter useAzureTokenProxy is \"on\": set it to \"true\" or \"false\"",
        ),
        (
            "usePodIdentity",
            "true",
            "usePodIdentity is true, but AAD Pod Identity is retired: use workload identity, that \
             is remove usePodIdentity and set clientID",
        ),
        (
            "useAzureTokenProxy",
            "1",
            "the request has no ServiceAccount token for audience api://AKSIdentityBinding: add it to \
             tokenRequests of the CSIDriver object secrets-store.csi.k8s.io",
        ),
        (
            "keyvaultName",
            "  ",
            "parameter keyvaultName is not set: set it to the name of the vault",
        ),
        (
            "keyvaultName",
            "kv.vault.azure.net",
            "parameter keyvaultName is \"kv.vault.azure.net\": a vault name has 3 to 24 letters, \
             digits or single dashes, starts with a letter and ends with a letter or digit; set \
             the name only, without host or suffix",
        ),
        (
            "tenantID",
            "",
            "parameter tenantID is not set: set it to the id of the vault's Entra tenant",
        ),
        (
            "tenantID",
            "adfs",
            "parameter tenantID is \"adfs\": a tenant is a GUID or a domain name; set the id of \
             the vault's Entra tenant",
        ),
        (
            "cloudEnvFileName",
            "/etc/cloud.json",
            "clouds described by a file (cloudEnvFileName, cloudName AzureStackCloud) are not \
             supported: remove cloudEnvFileName and set cloudName to AzurePublicCloud, \
             AzureUSGovernmentCloud or AzureChinaCloud",
        ),
        (
            "cloudName",
            "azurestackcloud",
            "clouds described by a file (cloudEnvFileName, cloudName AzureStackCloud) are not \
             supported: remove cloudEnvFileName and set cloudName to AzurePublicCloud, \
             AzureUSGovernmentCloud or AzureChinaCloud",
        ),
        (
            "cloudName",
            &long,
            &format!(
                "parameter cloudName is \"{cut}\", which is not a known cloud: set \
                 AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud"
            ),
        ),
        (
            "clientID",
            "my-identity",
            "parameter clientID is \"my-identity\": set the client id of the identity, a GUID; \
             resource ids and object ids are not supported",
        ),
        (
            "objects",
            " \n ",
            "parameter objects is not set: list in it the objects to mount",
        ),
    ] {
        assert_eq!(
            Sent::new().with(key, value).refusal(),
            message,
            "{key}={value}"
        );
    }
}

#[test]
fn a_vaults_url_is_the_same_as_its_name_and_other_hosts_have_to_be_allowed() {
    let by_uri = |uri: &str| Sent::new().without("keyvaultName").with("vaultURI", uri);
    let by_name = Sent::new().decode().unwrap();
    let same = by_uri(" https://KV-Payments.vault.azure.net:443/ ");
    assert_eq!(same.decode().unwrap(), by_name);

    let chinese = by_uri("https://kv-payments.vault.azure.cn");
    let message = "parameter vaultURI has host \"kv-payments.vault.azure.cn\", which is no vault of \
                   AzurePublicCloud: set https://NAME.vault.azure.net/ or cloudName; another host \
                   has to be in the provider's --allow-vault-host";
    assert_eq!(chinese.refusal(), message);
    let tokens = json!({"api://AzureADTokenExchangeChina": {"token": "t"}}).to_string();
    let named = chinese
        .with("cloudName", "AzureChina")
        .with(TOKENS, &tokens);
    assert_eq!(
        named.decode().unwrap().vault.host(),
        "kv-payments.vault.azure.cn"
    );

    let private = by_uri("https://KV.corp.example/");
    assert!(private.refusal().contains("--allow-vault-host"));
    let defaults = Defaults {
        vault_hosts: vec!["kv.corp.example".parse().unwrap()],
        ..Defaults::default()
    };
    let allowed = |sent: &Sent| {
        Request::decode(&sent.request(), &defaults, &Classes::default(), now()).map(|r| r.vault)
    };
    assert_eq!(allowed(&private).unwrap().host(), "kv.corp.example");
    assert!(allowed(&by_uri("https://kv2.corp.example/")).is_err());

    assert_eq!(
        by_uri("https://kv-payments.vault.azure.net/secrets").refusal(),
        "parameter vaultURI is not the https URL of a host without user, other port than 443, path \
         or query: set for example https://NAME.vault.azure.net/"
    );
    assert_eq!(
        by_uri("https://a--b.vault.azure.net").refusal(),
        "parameter vaultURI does not name a vault: a vault name has 3 to 24 letters, digits or \
         single dashes, starts with a letter and ends with a letter or digit"
    );
    assert_eq!(
        Sent::new()
            .with("vaultURI", "https://kv-payments.vault.azure.net")
            .refusal(),
        "parameters keyvaultName and vaultURI are both set: set exactly one of them"
    );
}

#[test]
fn at_most_one_mode_may_be_true() {
    let modes = [
        "usePodIdentity",
        "useVMManagedIdentity",
        "useAzureTokenProxy",
    ];
    for off in modes {
        let mut sent = Sent::new();
        for on in modes.into_iter().filter(|mode| *mode != off) {
            sent = sent.with(on, "true");
        }
        assert_eq!(
            sent.decode(),
            Err(RequestError::ModesExclusive),
            "all but {off}"
        );
    }
}

#[test]
fn flags_are_spelt_as_in_go() {
    for off in [
        "", " ", "0", "f", "F", "false", "FALSE", "False", " false\n",
    ] {
        assert!(
            Sent::new().with("usePodIdentity", off).decode().is_ok(),
            "{off:?}"
        );
    }
    for on in ["1", "t", "T", "true", "TRUE", "True", "\ttrue "] {
        let sent = Sent::new().with("useVMManagedIdentity", on);
        let identity = sent.decode().unwrap().identity;
        assert_eq!(
            identity,
            IdentitySource::ManagedIdentity { client_id: None },
            "{on:?}"
        );
    }
}

#[test]
fn the_first_fault_in_order_is_the_one_reported() {
    let steps = [
        "csi.storage.k8s.io/pod.name",
        "csi.storage.k8s.io/pod.namespace",
        "keyvaultName",
        "tenantID",
        TOKENS,
        "objects",
    ];
    let mut sent = Sent::new();
    for step in steps.into_iter().rev() {
        let alone = Sent::new().without(step).refusal();
        sent = sent.without(step);
        assert_eq!(sent.refusal(), alone, "{step}");
    }
}

/// The tenant of an identity that has one.
fn tenant(request: &Request) -> Option<&TenantId> {
    match &request.identity {
        IdentitySource::WorkloadIdentity { tenant, .. }
        | IdentitySource::IdentityBinding { tenant, .. }
        | IdentitySource::ServicePrincipal { tenant, .. } => Some(tenant),
        IdentitySource::ManagedIdentity { .. } => None,
    }
}

#[test]
fn values_are_trimmed_and_names_are_exact() {
    let sent = Sent::new()
        .with("keyvaultName", " kv-payments\n")
        .with("tenantID", "\tcontoso.com ");
    let request = sent.decode().unwrap();
    assert_eq!(request.vault.name(), "kv-payments");
    assert_eq!(tenant(&request).unwrap().as_str(), "contoso.com");
    let sent = Sent::new()
        .without("keyvaultName")
        .with("keyVaultName", "kv-payments");
    assert_eq!(sent.decode(), Err(RequestError::VaultMissing));
}

#[test]
fn the_older_spelling_of_the_tenant_serves_where_the_newer_is_blank() {
    let older = Sent::new().with("tenantId", "older.com");
    let taken = |sent: &Sent| tenant(&sent.decode().unwrap()).map(|t| t.as_str().to_owned());
    assert_eq!(taken(&older).as_deref(), Some(TENANT));
    let blank = older.with("tenantID", " ");
    assert_eq!(taken(&blank).as_deref(), Some("older.com"));
}

#[test]
fn a_managed_identity_takes_any_tenant_and_none() {
    let managed = Sent::new()
        .with("useVMManagedIdentity", "true")
        .without("tenantID");
    for tenant in ["", "adfs", "common", "not a tenant", TENANT] {
        let sent = managed.clone().with("tenantID", tenant);
        assert_eq!(sent.decode(), managed.decode(), "{tenant}");
    }
    assert!(managed.decode().is_ok());
}

#[test]
fn the_cloud_is_the_classs_or_else_the_default() {
    let defaults = Defaults {
        cloud: Cloud::China,
        ..Defaults::default()
    };
    let managed = Sent::new().with("useVMManagedIdentity", "true");
    for (name, cloud) in [
        ("", Cloud::China),
        ("azurepubliccloud", Cloud::Public),
        ("AzureUSGovernment", Cloud::UsGovernment),
    ] {
        let request = managed.clone().with("cloudName", name).request();
        assert_eq!(
            Request::decode(&request, &defaults, &Classes::default(), now())
                .unwrap()
                .cloud,
            cloud,
            "{name}"
        );
    }
}

#[test]
fn attributes_are_a_json_object_of_strings_and_nulls() {
    let request = |attributes: &str| MountRequest {
        attributes: attributes.into(),
        permission: "420".into(),
        ..Default::default()
    };
    for broken in [
        "",
        "[]",
        "{",
        "5",
        "{} {}",
        "\"secret-text\"",
        r#"{"a":"secret-text"#,
    ] {
        assert_eq!(
            decode(&request(broken)),
            Err(RequestError::Attributes),
            "{broken}"
        );
    }
    for value in [
        "5",
        "-1",
        "1.5",
        "true",
        "[\"secret-text\"]",
        r#"{"b":"secret-text"}"#,
    ] {
        let attributes = format!(r#"{{"a\nb":{value}}}"#);
        assert_eq!(
            refusal(&request(&attributes)),
            "parameter \"ab\" is not a string: put its value in quotes"
        );
    }
    for empty in ["null", "{}", r#"{"csi.storage.k8s.io/pod.name":null}"#] {
        let attribute = "csi.storage.k8s.io/pod.name";
        assert_eq!(
            decode(&request(empty)),
            Err(RequestError::PodInfoMissing { attribute })
        );
    }
}

#[test]
fn oversized_attributes_and_secrets_are_refused_unread() {
    let spaces = " ".repeat(1024 * 1024);
    let request = MountRequest {
        attributes: spaces.clone() + "x",
        ..Default::default()
    };
    assert_eq!(decode(&request), Err(RequestError::AttributesTooLarge));
    let sent = Sent::new().secrets(&(spaces.repeat(4) + "x"));
    assert_eq!(sent.decode(), Err(RequestError::SecretsTooLarge));
    refusal(&sent.request());
    refusal(&request);
}

#[test]
fn secrets_may_be_absent_in_every_way_a_driver_says_so() {
    for secrets in ["", "null", "{}", " "] {
        assert!(Sent::new().secrets(secrets).decode().is_ok(), "{secrets:?}");
    }
    for secrets in [
        "[]",
        "{",
        "\"hunter2\"",
        r#"{"clientsecret":5}"#,
        r#"{"a":"hunter2"} x"#,
    ] {
        assert_eq!(
            Sent::new().secrets(secrets).refusal(),
            "the request's secrets are not a JSON object of strings: check the Secret in \
             nodePublishSecretRef and that the Secrets Store CSI driver is a supported version"
        );
    }
}

#[test]
fn the_permission_is_the_mode_of_objects_without_one() {
    for (permission, bits) in [("420", 0o644), ("256", 0o400), (" 511 ", 0o777)] {
        let mut sent = Sent::new();
        sent.permission = permission.into();
        assert_eq!(
            sent.decode().unwrap().objects[0].mode.bits(),
            bits,
            "{permission}"
        );
    }
    for permission in [
        "",
        "null",
        "\"0644\"",
        "0644",
        "-1",
        "420.0",
        "512",
        "4294967295",
    ] {
        let mut sent = Sent::new();
        sent.permission = permission.into();
        assert_eq!(
            sent.refusal(),
            format!(
                "the request's permission \"{permission}\" is not a JSON number from 0 to 511: \
                 check that the Secrets Store CSI driver is a supported version"
            )
        );
    }
}

#[test]
fn freshness_is_the_classs_or_else_the_default() {
    let defaults = Defaults::default().freshness;
    let read = |name, text| Sent::new().with(name, text).decode().unwrap().freshness;
    assert_eq!(read("cacheTTL", ""), defaults);
    assert_eq!(read("cacheTTL", "5m").latest, Duration::from_secs(300));
    assert_eq!(read("cacheTTL", "5m").exact, defaults.exact);
    assert_eq!(read("reauthorizeAfter", "0s").exact, Duration::ZERO);
    for wrong in ["5", "-1s", "24h1s", "soon"] {
        let message = Sent::new().with("cacheTTL", wrong).refusal();
        assert!(
            message.contains("cacheTTL") && message.contains("24h"),
            "{message}"
        );
    }
}
