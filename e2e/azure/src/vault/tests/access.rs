//! Rights, networks and what seeds may say of them.

use super::*;

fn read(vaults: &Vaults, client: &str, target: &str) -> Answer {
    let mut request = request("GET", &format!("{target}?api-version=7.6"), "");
    request.caller = caller(client);
    send(vaults, &request, NOW)
}

#[test]
fn roles_allow_their_data_actions_within_their_scope() {
    let secrets = "  secrets: [{name: one, value: v}, {name: two, value: v}]\n  \
                   keys: [{name: k, type: EC}]\n";
    let vaults = vault(secrets);
    type Targets = &'static [&'static str];
    let cases: [(&str, Option<&str>, Targets, Targets); 6] = [
        (
            "Key Vault Secrets User",
            None,
            &["/secrets", "/secrets/one", "/secrets/one/versions"],
            &["/keys", "/keys/k", "/certificates"],
        ),
        (
            "4633458b-17de-408a-b874-0445c86b69e6",
            Some("secrets/one"),
            &["/secrets/ONE", "/secrets/one/versions"],
            &["/secrets", "/secrets/two", "/secrets/two/versions"],
        ),
        (
            "Key Vault Reader",
            None,
            &[
                "/secrets",
                "/secrets/one/versions",
                "/keys",
                "/keys/k",
                "/certificates",
            ],
            &["/secrets/one"],
        ),
        (
            "Key Vault Certificate User",
            None,
            &["/secrets/one", "/secrets", "/certificates", "/keys/k"],
            &[],
        ),
        (
            "Key Vault Crypto User",
            None,
            &["/keys", "/keys/k"],
            &["/secrets", "/certificates"],
        ),
        (
            "Key Vault Certificates Officer",
            None,
            &["/certificates"],
            &["/secrets", "/secrets/one", "/keys/k"],
        ),
    ];
    for (role, object, allowed, refused) in cases {
        let assignment = RoleAssignment {
            principal: READER.to_owned(),
            role: role.to_owned(),
            object: object.map(str::to_owned),
        };
        vaults.assign_role("kv-one", &assignment).unwrap();
        for target in allowed {
            assert_eq!(read(&vaults, READER, target).status, 200, "{role} {target}");
        }
        for target in refused {
            let answer = read(&vaults, READER, target);
            assert_eq!(
                (answer.status, answer.inner()),
                (403, "ForbiddenByRbac"),
                "{role} {target}"
            );
        }
        vaults.revoke_role("kv-one", &assignment).unwrap();
        assert_eq!(read(&vaults, READER, "/secrets/one").status, 403, "{role}");
    }
}

#[test]
fn a_missing_role_is_explained_and_a_missing_name_is_not_betrayed() {
    let vaults = vault("  subscriptionID: s1\n  resourceGroup: Group\n");
    let answer = read(&vaults, READER, "/secrets/none");
    assert_eq!(
        (answer.status, answer.code(), answer.inner()),
        (403, "Forbidden", "ForbiddenByRbac")
    );
    let lines: Vec<&str> = answer.message().split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "Caller is not authorized to perform action on resource.",
            "If role assignments, deny assignments or role definitions were changed recently, \
             please observe propagation time.",
            &format!(
                "Caller: appid={READER};oid=object-of-{READER};iss=https://sts.windows.net/t1/"
            ),
            "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'",
            "Resource: '/subscriptions/s1/resourcegroups/group/providers/microsoft.keyvault/\
             vaults/kv-one/secrets/none'",
            "Assignment: (not found)",
            "DenyAssignmentId: null",
            "DecisionReason: 'DeniedWithNoValidRBAC' ",
            "Vault: kv-one;location=westeurope",
            "",
        ]
    );
}

#[test]
fn access_policies_tell_no_policy_from_a_lacking_permission() {
    let vaults = vaults(&format!(
        "[{{name: kv-one, tenantID: t1, authorization: AccessPolicies, accessPolicies: \
         [{{principal: {READER}, secrets: [Get]}}], secrets: [{{name: a, value: b}}]}}]"
    ));
    assert_eq!(read(&vaults, READER, "/secrets/a").status, 200);
    let lacking = read(&vaults, READER, "/secrets");
    assert_eq!(
        (lacking.status, lacking.inner()),
        (403, "ForbiddenByPolicy")
    );
    let none = read(&vaults, "stranger", "/secrets/a");
    assert_eq!((none.status, none.inner()), (403, "AccessDenied"));
    assert!(none.message().contains(
        "does not have secrets get permission on key vault 'kv-one;location=westeurope'"
    ));
    vaults.revoke("kv-one", READER).unwrap();
    assert_eq!(read(&vaults, READER, "/secrets/a").inner(), "AccessDenied");
}

#[test]
fn closed_networks_refuse_before_rights_are_looked_at() {
    let secrets = "  secrets: [{name: a, value: b}]\n";
    let cases = [
        (
            "  network: Firewall\n",
            403,
            "ForbiddenByFirewall",
            "\r\nClient address: 203.0.113.7\r\n",
        ),
        (
            "  network: PrivateOnly\n",
            403,
            "ForbiddenByConnection",
            "Public network access is",
        ),
        (
            "  network: Firewall\n  allowedAddresses: [203.0.113.7]\n",
            200,
            "",
            "",
        ),
        ("  network: Open\n", 200, "", ""),
    ];
    for (network, status, inner, message) in cases {
        let answer = get(&vault(&format!("{network}{secrets}")), "/secrets/a");
        assert_eq!(
            (answer.status, answer.inner()),
            (status, inner),
            "{network}"
        );
        assert!(answer.message().contains(message), "{network}");
    }
}

#[test]
fn vaults_are_found_by_their_host_in_their_cloud() {
    let vaults = vaults(
        "[{name: kv-one, tenantID: t1}, {name: Kv-Two, tenantID: t2, cloud: AzureChina}, \
         {name: kv-three, tenantID: t3, cloud: AzureUSGovernment}]",
    );
    for (host, found) in [
        (
            "KV-One.Vault.Azure.Net",
            Some(("kv-one", "t1", "https://vault.azure.net")),
        ),
        (
            "kv-two.vault.azure.cn",
            Some(("Kv-Two", "t2", "https://vault.azure.cn")),
        ),
        (
            "kv-three.vault.usgovcloudapi.net",
            Some(("kv-three", "t3", "https://vault.usgovcloudapi.net")),
        ),
        ("kv-two.vault.azure.net", None),
        ("kv-four.vault.azure.net", None),
        ("kv-one", None),
    ] {
        let info = vaults.find(host);
        let found = found.map(|(name, tenant, resource)| super::super::VaultInfo {
            name: name.to_owned(),
            tenant_id: tenant.to_owned(),
            resource,
        });
        assert_eq!(info, found, "{host}");
    }
    let answer = send(&vaults, &request("GET", "/healthstatus", ""), NOW);
    assert_eq!(
        (answer.status, answer.body.to_string()),
        (200, "\"OK\"".to_owned())
    );
}

#[test]
fn an_unusable_seed_is_refused_with_vault_object_field_and_remedy() {
    let cases = [
        (
            "{name: a--b, tenantID: t}",
            "vault a--b: name: no name of a vault; use 3 to 24",
        ),
        (
            "{name: abc, tenantID: t, cloud: AzureStack}",
            "vault abc: cloud: AzureStack is unknown",
        ),
        (
            "{name: abc, tenantID: t, secrets: [{name: a_b, value: v}]}",
            "vault abc, secrets/a_b: name: The request URI contains an invalid name",
        ),
        (
            "{name: abc, tenantID: t, secrets: [{name: ab}]}",
            "vault abc, secrets/ab: value: missing; give value or valueFile",
        ),
        (
            "{name: abc, tenantID: t, keys: [{name: k, type: RSA, size: 1024}]}",
            "vault abc, keys/k: type: RSA key size 1024 is not supported",
        ),
        (
            "{name: abc, tenantID: t, roleAssignments: [{principal: p, role: Owner}]}",
            "vault abc: roleAssignments: Owner is no built-in role",
        ),
        (
            "{name: abc, tenantID: t, accessPolicies: [{principal: p}]}",
            "vault abc: accessPolicies: the vault uses roles",
        ),
    ];
    for (yaml, message) in cases {
        let seeds: Vec<VaultSeed> = serde_yaml::from_str(&format!("[{yaml}]")).unwrap();
        let error = Vaults::from_seed(&seeds, NOW).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    for yaml in [
        "{name: abc, tenantID: t, colour: red}",
        "{name: abc, tenantId: t}",
        "{name: abc, tenantID: t, secrets: [{name: a, value: b, expires: tomorrow}]}",
    ] {
        assert!(serde_yaml::from_str::<VaultSeed>(yaml).is_err(), "{yaml}");
    }
}
