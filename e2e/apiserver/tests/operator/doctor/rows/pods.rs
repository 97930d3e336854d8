//! What is wrong with pods, or on their nodes.

use serde_json::json;

use super::row;
use crate::doctor::bench::{Mend, Row};
use crate::doctor::deeds::Do;

const REFUSED: &str = "rpc error: code = PermissionDenied desc = failed to mount secrets store objects for \
                       pod {ns}/api-5d4f-x, err: rpc error: code = PermissionDenied desc = the firewall of \
                       vault {vault} does not admit this node: add the cluster's outbound address or subnet \
                       to the vault's networking rules";

pub(super) fn rows() -> Vec<Row> {
    let other = || {
        Do::Sh(
            "kubectl create serviceaccount web -n {ns}; kubectl get vaultbinding payments -n {ns} -o json \
             | sed -e 's/\"name\": \"payments\"/\"name\": \"web\"/' \
                   -e 's/\"serviceAccountName\": \"app\"/\"serviceAccountName\": \"web\"/' \
                   -e '/\"resourceVersion\"/d' -e '/\"uid\"/d' | kubectl create -f -; \
             kubectl set serviceaccount deployment api web -n {ns}",
        )
    };
    vec![
        row(
            "the pod names a class that does not exist",
            vec![Do::Volume(
                json!({"volumeAttributes": {"secretProviderClass": "paymentz"}}),
            )],
            (
                "Mounts",
                "ClassNotFound",
                "kubectl patch deployment api -n {ns}",
            ),
            Mend::Rolled,
        ),
        row(
            "the pod names no class",
            vec![Do::Volume(
                json!({"volumeAttributes": {"secretProviderClass": ""}}),
            )],
            (
                "Mounts",
                "ClassNotNamed",
                "kubectl patch deployment api -n {ns}",
            ),
            Mend::Rolled,
        ),
        row(
            "the pod runs as another ServiceAccount",
            vec![
                Do::Sh(
                    "kubectl create serviceaccount web -n {ns}; \
                     kubectl set serviceaccount deployment api web -n {ns}",
                ),
                Do::Waits("node-a"),
            ],
            (
                "Mounts",
                "ServiceAccountMismatch",
                "kubectl set serviceaccount deployment api app -n {ns}",
            ),
            Mend::Rolled,
        ),
        row(
            "the pod names the class of another binding",
            vec![other(), Do::Waits("node-a")],
            (
                "Mounts",
                "ServiceAccountMismatch",
                "\"secretProviderClass\":\"web\"",
            ),
            Mend::No,
        ),
        row(
            "the pod says another client id",
            vec![
                Do::Volume(json!({"volumeAttributes": {
                    "clientID": "99999999-0000-4000-8000-000000000001"}})),
                Do::Says(
                    "rpc error: code = Unauthenticated desc = Entra knows no application \
                     99999999-0000-4000-8000-000000000001",
                ),
            ],
            ("Mounts", "Overridden", "\"clientID\":null"),
            Mend::Rolled,
        ),
        row(
            "the pod has a Secret of a service principal",
            vec![Do::Volume(
                json!({"nodePublishSecretRef": {"name": "principal"}}),
            )],
            ("Mounts", "SecretRef", "\"nodePublishSecretRef\":null"),
            Mend::Rolled,
        ),
        row(
            "the volume is not read-only",
            vec![Do::Volume(json!({"readOnly": false}))],
            ("Mounts", "NotReadOnly", "\"readOnly\":true"),
            Mend::Rolled,
        ),
        Row {
            ask: "pod/api-5d4f-x",
            ..row(
                "the provider is refused on the node",
                vec![Do::Waits("node-a"), Do::Says(REFUSED)],
                (
                    "Mounts",
                    "PermissionDenied",
                    "the firewall of vault {vault} does not admit this node",
                ),
                Mend::No,
            )
        },
        row(
            "the provider does not answer the driver",
            vec![
                Do::Waits("node-a"),
                Do::Says("rpc error: code = DeadlineExceeded desc = context deadline exceeded"),
            ],
            (
                "Mounts",
                "ProviderSilent",
                "--field-selector spec.nodeName=node-a",
            ),
            Mend::No,
        ),
        row(
            "the node has no driver",
            vec![
                Do::Waits("node-b"),
                Do::Says(
                    "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name \
                     secrets-store.csi.k8s.io not found in the list of registered CSI drivers",
                ),
            ],
            ("Driver", "DriverNotOnNode", "kubectl describe node node-b"),
            Mend::No,
        ),
        row(
            "the node has no provider",
            vec![
                Do::Waits("node-c"),
                Do::Says(
                    "rpc error: code = Unknown desc = failed to mount secrets store objects for pod \
                     {ns}/api-5d4f-x, err: error connecting to provider \"vaultbind\": provider not found: \
                     provider \"vaultbind\"",
                ),
            ],
            (
                "Driver",
                "ProviderNotOnNode",
                "kubectl get daemonsets -A -l app.kubernetes.io/name=vaultbind",
            ),
            Mend::No,
        ),
        Row {
            ask: "pod/nothing",
            ..row(
                "there is no such pod",
                vec![],
                ("Mounts", "NoVolume", "kubectl get pod nothing -n {ns}"),
                Mend::No,
            )
        },
    ]
}
