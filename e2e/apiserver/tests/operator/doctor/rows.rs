//! What is broken, and what doctor has to say of it.

mod pods;

use serde_json::{Value, json};
use vaultbind_azure::vault::Network;

use super::bench::{Mend, Row};
use super::deeds::Do;

/// The binding was ready before.
fn row(
    name: &'static str,
    broken: Vec<Do>,
    (step, reason, command): (&'static str, &'static str, &'static str),
    mend: Mend,
) -> Row {
    Row {
        name,
        spec: Value::Null,
        before: Vec::new(),
        ready: true,
        broken,
        ask: "payments",
        step,
        reason,
        command,
        mend,
    }
}

/// The binding is broken from its beginning.
fn born(
    name: &'static str,
    spec: Value,
    told: (&'static str, &'static str, &'static str),
    mend: Mend,
) -> Row {
    Row {
        spec,
        ready: false,
        ..row(name, Vec::new(), told, mend)
    }
}

fn patched(patch: &'static str) -> Mend {
    Mend::By(vec![Do::Sh(patch)])
}

/// A class of the row's own, as it has the name of the namespace.
fn class(spec: &Value) -> Vec<Do> {
    vec![Do::Apply(json!({
        "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultClass",
        "metadata": {"name": "{ns}"}, "spec": spec,
    }))]
}

/// Rows that do not touch each other.
pub(super) fn of_namespace() -> Vec<Row> {
    let mut rows = vec![row(
        "nothing is wrong",
        vec![],
        ("", "", "nothing is wrong"),
        Mend::No,
    )];
    rows.extend(bindings());
    rows.extend(azure());
    rows.extend(pods::rows());
    rows.extend(two_faults());
    rows
}

fn bindings() -> Vec<Row> {
    let none = "kubectl patch vaultbinding payments -n {ns} --type merge -p \
                '{\"spec\":{\"vaultClassName\":null}}'";
    vec![
        Row {
            ask: "paymentz",
            ..row(
                "there is no such binding",
                vec![],
                ("Binding", "BindingMissing", "has the bindings payments"),
                Mend::No,
            )
        },
        born(
            "the class does not exist",
            json!({"vaultClassName": "prodd"}),
            ("Binding", "ClassMissing", "kubectl get vaultclasses"),
            patched(none),
        ),
        Row {
            before: class(&json!({"namespaceSelector": {"matchLabels": {"team": "pay"}}})),
            ..born(
                "the class does not admit the namespace",
                json!({"vaultClassName": "{ns}"}),
                (
                    "Binding",
                    "NamespaceNotAllowed",
                    "kubectl get vaultclass {ns}",
                ),
                patched("kubectl label namespace {ns} team=pay"),
            )
        },
        Row {
            before: class(&json!({"vaults": ["kv-other-*"]})),
            ..born(
                "the class does not admit the vault",
                json!({"vaultClassName": "{ns}"}),
                (
                    "Binding",
                    "VaultNotAllowed",
                    "kubectl edit vaultbinding payments -n {ns}",
                ),
                patched(none),
            )
        },
        Row {
            before: vec![Do::Apply(json!({
                "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
                "metadata": {"name": "payments", "namespace": "{ns}"},
                "spec": {"provider": "azure", "parameters": {"keyvaultName": "kv-old"}},
            }))],
            ..born(
                "somebody else's SecretProviderClass has the name",
                Value::Null,
                (
                    "Binding",
                    "NameTaken",
                    "kubectl delete secretproviderclass payments -n {ns}",
                ),
                Mend::Command,
            )
        },
        born(
            "the binding is suspended",
            json!({"reconcilePolicy": "Suspend"}),
            (
                "Binding",
                "Suspended",
                "--type merge -p '{\"spec\":{\"reconcilePolicy\":\"Apply\"}}'",
            ),
            Mend::Command,
        ),
        born(
            "the binding is a plan",
            json!({"reconcilePolicy": "Plan"}),
            (
                "Binding",
                "Planned",
                "--type merge -p '{\"spec\":{\"reconcilePolicy\":\"Apply\"}}'",
            ),
            Mend::Command,
        ),
        born(
            "the provider does not understand a field",
            json!({
                "provider": {"name": "azure", "dialect": "Azure"},
                "objects": [{"name": "db-password", "optional": true}],
            }),
            (
                "Binding",
                "UnsupportedByProvider",
                "kubectl edit vaultbinding payments",
            ),
            patched(
                "kubectl patch vaultbinding payments -n {ns} --type merge -p \
                 '{\"spec\":{\"objects\":[{\"name\":\"db-password\"}]}}'",
            ),
        ),
        born(
            "no class admits the Secret",
            json!({"secrets": [{"name": "env", "data": [{"key": "A", "from": "db-password"}]}]}),
            (
                "Secrets",
                "SecretsNotAllowed",
                "kubectl edit vaultbinding payments -n {ns}",
            ),
            patched(
                "kubectl patch vaultbinding payments -n {ns} --type merge -p \
                 '{\"spec\":{\"secrets\":null}}'",
            ),
        ),
        Row {
            before: [
                class(&json!({"secretTypes": ["Opaque"]})),
                vec![Do::Sh(
                    "kubectl create secret generic taken -n {ns} --from-literal a=b",
                )],
            ]
            .concat(),
            ..born(
                "a foreign Secret has the name",
                json!({
                    "vaultClassName": "{ns}",
                    "secrets": [{"name": "taken", "data": [{"key": "A", "from": "db-password"}]}],
                }),
                ("Secrets", "SecretConflict", "taken"),
                patched("kubectl delete secret taken -n {ns}"),
            )
        },
    ]
}

fn azure() -> Vec<Row> {
    let subject = "system:serviceaccount:{ns}:app";
    vec![
        row(
            "the ServiceAccount is gone",
            vec![Do::Sh("kubectl delete serviceaccount app -n {ns}")],
            (
                "Identity",
                "NoServiceAccount",
                "kubectl create serviceaccount -n {ns} app",
            ),
            Mend::Command,
        ),
        Row {
            before: vec![Do::Distrust],
            ready: false,
            ..row(
                "there is no federated credential",
                Vec::new(),
                (
                    "Identity",
                    "NoCredential",
                    "az identity federated-credential create",
                ),
                Mend::By(vec![Do::Trust("{issuer}", subject)]),
            )
        },
        Row {
            before: vec![Do::Trust("{issuer}", "system:serviceaccount:{ns}:web")],
            ready: false,
            ..row(
                "the federated credential is for another subject",
                Vec::new(),
                (
                    "Identity",
                    "SubjectMismatch",
                    "--subject system:serviceaccount:{ns}:app",
                ),
                Mend::By(vec![Do::Trust("{issuer}", subject)]),
            )
        },
        Row {
            before: vec![Do::Trust("https://elsewhere.example/", subject)],
            ready: false,
            ..row(
                "the federated credential is for another cluster",
                Vec::new(),
                (
                    "Identity",
                    "IssuerMismatch",
                    "az identity federated-credential create",
                ),
                Mend::By(vec![Do::Trust("{issuer}", subject)]),
            )
        },
        born(
            "the client id is of no application",
            json!({"identity": {
                "clientID": "99999999-0000-4000-8000-000000000001", "serviceAccountName": "app",
            }}),
            ("Identity", "UnknownClient", "az identity list"),
            patched(
                "kubectl patch vaultbinding payments -n {ns} --type merge -p \
                 '{\"spec\":{\"identity\":{\"clientID\":\"{client}\"}}}'",
            ),
        ),
        born(
            "the tenant does not exist",
            json!({"vault": {"name": "{vault}", "tenantID": "88888888-2222-3333-4444-555555555555"}}),
            ("Identity", "UnknownTenant", "az account show"),
            Mend::No,
        ),
        row(
            "the vault's firewall is closed",
            vec![Do::Network(Network::Firewall)],
            (
                "Network",
                "Firewall",
                "az keyvault network-rule add --name {vault}",
            ),
            Mend::By(vec![Do::Network(Network::Open)]),
        ),
        row(
            "the vault admits private endpoints only",
            vec![Do::Network(Network::PrivateOnly)],
            ("Network", "PrivateOnly", "private endpoints only"),
            Mend::By(vec![Do::Network(Network::Open)]),
        ),
        row(
            "the role is taken away",
            vec![Do::Revoke],
            ("Access", "RoleMissing", "az role assignment create"),
            Mend::By(vec![Do::Assign]),
        ),
        born(
            "the object does not exist",
            json!({"objects": [{"name": "db-password"}, {"name": "gone"}]}),
            ("Objects", "NotFound", "gone"),
            patched(
                "kubectl patch vaultbinding payments -n {ns} --type merge -p \
                 '{\"spec\":{\"objects\":[{\"name\":\"db-password\"}]}}'",
            ),
        ),
        row(
            "the object is disabled",
            vec![Do::Disable],
            ("Objects", "Disabled", "db-password"),
            Mend::No,
        ),
    ]
}

/// Of two faults the one that comes first on the way is named.
fn two_faults() -> Vec<Row> {
    vec![
        Row {
            before: vec![Do::Revoke, Do::Distrust],
            ready: false,
            ..row(
                "no federated credential, and the role is taken away",
                Vec::new(),
                (
                    "Identity",
                    "NoCredential",
                    "az identity federated-credential create",
                ),
                Mend::No,
            )
        },
        row(
            "no role, and the pod names a class that does not exist",
            vec![
                Do::Revoke,
                Do::Volume(json!({"volumeAttributes": {"secretProviderClass": "paymentz"}})),
            ],
            ("Access", "RoleMissing", "az role assignment create"),
            Mend::No,
        ),
        Row {
            ask: "",
            ..born(
                "no such class, and no such ServiceAccount",
                json!({
                    "vaultClassName": "prodd",
                    "identity": {"clientID": "{client}", "serviceAccountName": "nobody"},
                }),
                ("Binding", "ClassMissing", "kubectl get vaultclasses"),
                Mend::No,
            )
        },
        row(
            "the node has no driver, and the pod runs as another ServiceAccount",
            vec![
                Do::Sh(
                    "kubectl create serviceaccount web -n {ns}; \
                     kubectl set serviceaccount deployment api web -n {ns}",
                ),
                Do::Waits("node-b"),
            ],
            ("Driver", "DriverNotOnNode", "CSINode"),
            Mend::No,
        ),
    ]
}

/// Rows that break what all share. Each leaves it mended.
pub(super) fn of_cluster() -> Vec<Row> {
    vec![
        row(
            "the driver does not ask for tokens",
            vec![Do::Sh(
                "kubectl patch csidriver secrets-store.csi.k8s.io --type merge -p \
                 '{\"spec\":{\"tokenRequests\":null}}'",
            )],
            (
                "Driver",
                "AudienceMissing",
                "kubectl patch csidriver secrets-store.csi.k8s.io --type merge",
            ),
            Mend::Command,
        ),
        row(
            "the driver is not installed, and the role is taken away",
            vec![
                Do::Revoke,
                Do::Sh(
                    "kubectl get csidriver secrets-store.csi.k8s.io -o yaml > /tmp/{ns}.yaml; \
                     kubectl delete csidriver secrets-store.csi.k8s.io",
                ),
            ],
            ("Driver", "DriverMissing", "helm install csi-secrets-store"),
            Mend::By(vec![
                Do::Assign,
                Do::Sh(
                    "sed -i /resourceVersion/d /tmp/{ns}.yaml; kubectl create -f /tmp/{ns}.yaml; rm /tmp/{ns}.yaml",
                ),
            ]),
        ),
        row(
            "the operator looks after other namespaces",
            vec![Do::Apply(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "vaultbind-operator", "namespace": "kube-system", "labels": {
                    "app.kubernetes.io/name": "vaultbind", "app.kubernetes.io/component": "operator",
                    "app.kubernetes.io/instance": "vaultbind"}},
                "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "o"}},
                    "template": {"metadata": {"labels": {"app": "o"}}, "spec": {"containers": [
                        {"name": "operator", "image": "none", "args": ["--watch-namespaces=shop,web"]}]}}},
            }))],
            (
                "Operator",
                "NamespaceNotWatched",
                "'operator.watchNamespaces={shop,web,{ns}}'",
            ),
            patched(
                "kubectl patch deployment vaultbind-operator -n kube-system --type json -p \
                 '[{\"op\":\"remove\",\"path\":\"/spec/template/spec/containers/0/args\"}]'",
            ),
        ),
        row(
            "the operator does not run, and the ServiceAccount is gone",
            vec![
                Do::Stop,
                Do::Sh("kubectl delete serviceaccount app -n {ns}"),
            ],
            (
                "Operator",
                "LeaderGone",
                "kubectl scale deployment vaultbind-operator -n kube-system --replicas=2",
            ),
            Mend::By(vec![
                Do::Start,
                Do::Sh("kubectl create serviceaccount app -n {ns}"),
            ]),
        ),
    ]
}
