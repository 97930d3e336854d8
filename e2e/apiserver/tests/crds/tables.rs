//! Good and bad examples of each rule.

pub(crate) mod azure;
mod objects;
pub(crate) mod secrets;

use serde_json::{Value, json};

use crate::fixture::Kind;
use crate::rules::Row;

const MINE: &str = "11111111-2222-3333-4444-555555555555";

/// Rows of one field: what is refused with one remedy, and what is taken in its place.
fn rows(
    kind: Kind,
    field: &'static str,
    remedy: &'static str,
    good: &[Value],
    bad: &[Value],
) -> Vec<Row> {
    // The last good example serves for all bad ones that are left.
    (0..good.len().max(bad.len()))
        .map(|at| Row {
            kind,
            field,
            remedy,
            good: good[at.min(good.len() - 1)].clone(),
            bad: bad[at.min(bad.len() - 1)].clone(),
        })
        .collect()
}

fn values(texts: &[&str], patch: impl Fn(&str) -> Value) -> Vec<Value> {
    texts.iter().map(|text| patch(text)).collect()
}

/// All rows.
pub(crate) fn all() -> Vec<Row> {
    let rows: Vec<Row> = [binding(), class()].concat();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    rows
}

/// The rows of VaultBinding.
pub(crate) fn binding() -> Vec<Row> {
    [
        vault(),
        identity(),
        rest(),
        objects::rows(),
        secrets::rows(),
        azure::binding(),
    ]
    .concat()
}

fn vault() -> Vec<Row> {
    let vault = |name: &str| json!({"vault": {"name": name}});
    let uri = |uri: &str| json!({"vault": {"name": null, "uri": uri}});
    let tenant = |tenant: &str| json!({"vault": {"tenantID": tenant}});
    let cloud =
        |uri: &str, cloud: &str| json!({"vault": {"name": null, "uri": uri, "cloud": cloud}});
    [
        rows(
            Kind::Binding,
            "spec.vault",
            "exactly one of name and uri",
            &[vault("kv-a"), uri("https://kv-a.vault.azure.net")],
            &[
                json!({"vault": {"name": null}}),
                json!({"vault": {"uri": "https://kv-a.vault.azure.net"}}),
            ],
        ),
        rows(
            Kind::Binding,
            "spec.vault.name",
            "3 to 24 letters, digits or single dashes",
            &values(&["abc", "A-b-1", "a23456789012345678901234"], vault),
            &values(
                &["ab", "", "1ab", "ab-", "a--b", "a_b", "a.vault", "käse"],
                vault,
            ),
        ),
        rows(
            Kind::Binding,
            "spec.vault.uri",
            "must be https:// and a host",
            &values(
                &[
                    "https://kv.example.com",
                    "https://kv.example.com/",
                    "https://10.0.0.1:8443",
                ],
                uri,
            ),
            &values(
                &[
                    "http://kv.example.com",
                    "kv.example.com",
                    "https://",
                    "https://kv/secrets/a",
                    "https://a@b",
                    "https://kv?a",
                ],
                uri,
            ),
        ),
        rows(
            Kind::Binding,
            "spec.vault.cloud",
            "must be that of the uri's host",
            &[
                cloud("https://a-b.vault.azure.cn/", "AzureChina"),
                cloud("https://a-b.vault.usgovcloudapi.net", "AzureUSGovernment"),
                cloud("https://a-b.vault.azure.net", "AzurePublic"),
                cloud("https://vault.azure.cn.example.com", "AzurePublic"),
            ],
            &[
                cloud("https://a-b.vault.azure.cn/", "AzurePublic"),
                cloud("https://a-b.VAULT.usgovcloudapi.net:443", "AzurePublic"),
                cloud("https://a-b.vault.azure.net", "AzureChina"),
            ],
        ),
        rows(
            Kind::Binding,
            "spec.vault.tenantID",
            "a GUID or a domain",
            &values(
                &[MINE, "contoso.onmicrosoft.com", "CONTOSO.example"],
                tenant,
            ),
            &values(
                &[
                    "",
                    "contoso",
                    "11111111-2222-3333-4444",
                    "a..b",
                    ".a.b",
                    "a.b.",
                    "a b.c",
                    "common/x",
                ],
                tenant,
            ),
        ),
    ]
    .concat()
}

fn identity() -> Vec<Row> {
    let client = |id: &str| json!({"identity": {"clientID": id}});
    let account = |name: &str| json!({"identity": {"serviceAccountName": name}});
    [
        rows(
            Kind::Binding,
            "spec.identity.clientID",
            "must be the client id of the identity, a GUID",
            &values(&[MINE, "AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee"], client),
            &values(
                &[
                    "",
                    "payments",
                    "{1111111-2222-3333-4444-555555555555",
                    "11111111222233334444555555555555",
                ],
                client,
            ),
        ),
        rows(
            Kind::Binding,
            "spec.identity.serviceAccountName",
            "must be the name of a ServiceAccount",
            &values(&["default", "a.b-c"], account),
            &values(
                &["Payments", "other/payments", "-a", "a-", "a..b", "a:b"],
                account,
            ),
        ),
    ]
    .concat()
}

fn rest() -> Vec<Row> {
    let class = |name: &str| json!({"vaultClassName": name});
    let provider = |name: &str| json!({"provider": {"name": name}});
    let interval = |interval: &str| json!({"rotation": {"checkInterval": interval}});
    let name = |length: usize| json!({"metadata": {"name": "a".repeat(length)}});
    [
        rows(
            Kind::Binding,
            "",
            "at most 63 characters",
            &[name(63)],
            &[name(64)],
        ),
        rows(
            Kind::Binding,
            "spec.vaultClassName",
            "must be the name of a VaultClass",
            &values(&["prod", "prod.eu"], class),
            &values(&["Prod", "a/b", "prod."], class),
        ),
        rows(
            Kind::Binding,
            "spec.provider.name",
            "a provider's socket without .sock",
            &values(&["azure", "my_provider-2"], provider),
            &values(&["azure.sock", "../azure", "a b"], provider),
        ),
        rows(
            Kind::Binding,
            "spec.rotation.checkInterval",
            "must be a duration from 30s to 24h",
            &values(&["30s", "24h", "1h30m", "1.5m", "86400s"], interval),
            &values(
                &[
                    "29s",
                    "24h1s",
                    "0s",
                    "5",
                    "5 minutes",
                    "5d",
                    "-5m",
                    "",
                    "999999h999999h",
                ],
                interval,
            ),
        ),
    ]
    .concat()
}

/// The rows of VaultClass.
pub(crate) fn class() -> Vec<Row> {
    let vaults = |pattern: &str| json!({"vaults": ["kv-*", pattern]});
    let names = |pattern: &str| json!({"objectNames": [pattern]});
    let interval = |interval: &str| json!({"defaults": {"checkInterval": interval}});
    let labels =
        |key: &str, value: &str| json!({"namespaceSelector": {"matchLabels": {key: value}}});
    let demand = |demand: Value| json!({"namespaceSelector": {"matchExpressions": [demand]}});
    let key = |key: &str| demand(json!({"key": key, "operator": "Exists"}));
    let value = |value: &str| demand(json!({"key": "a", "operator": "In", "values": [value]}));
    [
        rows(
            Kind::Class,
            "spec.vaults",
            "must be patterns for names or hosts of vaults",
            &values(&["*", "kv-*-prod", "kv.example.com"], vaults),
            &values(&["https://kv.example.com", "kv-[ab]", "kv ?"], vaults),
        ),
        rows(
            Kind::Class,
            "spec.objectNames",
            "must be patterns for names of objects",
            &values(&["*", "{namespace}-*", "pay-{namespace}"], names),
            &values(&["{ns}-*", "a.b", "{namespace", "a_b", "}"], names),
        ),
        rows(
            Kind::Class,
            "spec.defaults.checkInterval",
            "must be a duration from 30s to 24h",
            &values(&["30s", "24h"], interval),
            &values(&["1s", "2d"], interval),
        ),
        rows(
            Kind::Class,
            "spec.namespaceSelector.matchLabels",
            "must be labels, such as tier: prod",
            &[
                labels("tier", "prod"),
                labels("example.com/tier", ""),
                labels("a", "B_c.d-e"),
            ],
            &[
                labels("tier", "prod!"),
                labels("-tier", "prod"),
                labels("a/b/c", "d"),
                labels("", "a"),
                labels("Example.com/a", "a"),
            ],
        ),
        rows(
            Kind::Class,
            "spec.namespaceSelector.matchExpressions[0].key",
            "must be the key of a label",
            &values(&["tier", "example.com/tier"], key),
            &values(&["tier!", "/tier"], key),
        ),
        rows(
            Kind::Class,
            "spec.namespaceSelector.matchExpressions[0].values",
            "must be values of a label",
            &values(&["prod", ""], value),
            &values(&["prod!", "-"], value),
        ),
        rows(
            Kind::Class,
            "spec.namespaceSelector.matchExpressions[0].values",
            "must be set with the operators In and NotIn",
            &[
                demand(json!({"key": "a", "operator": "NotIn", "values": ["b"]})),
                demand(json!({"key": "a", "operator": "DoesNotExist"})),
            ],
            &[
                demand(json!({"key": "a", "operator": "NotIn"})),
                demand(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
            ],
        ),
        azure::class(),
    ]
    .concat()
}
