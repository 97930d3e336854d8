//! One fault each: which step and which reason are named, and a piece of the text.

use serde_json::{Value, json};

use super::{NOW, condition, hidden, look, payments, said, waiting, with};
use crate::doctor::{Report, State, Step};
use crate::output::Output as _;

/// What is changed, then the step, the reason, and a piece of the text that are to come of it.
type Row = (Vec<(&'static str, Value)>, Step, &'static str, &'static str);

#[test]
fn the_step_and_the_reason_are_named() {
    let old = json!("2026-03-01T11:58:00.000000Z");
    let stale = "/mounts/0/status/objects/0/version";
    let other = json!("ffffffffffffffffffffffffffffffff");
    let promoted = "/bindings/0/status/rotation/lastPromotion";
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |changes: Vec<(&'static str, Value)>, step, reason, text| {
        rows.push((changes, step, reason, text));
    };
    row(
        vec![("/no_kinds", json!(true))],
        Step::Api,
        "KindsMissing",
        "kubectl apply -f crds/",
    );
    row(
        vec![("/leases/0/spec/renewTime", old)],
        Step::Operator,
        "LeaderGone",
        "kubectl logs deployment/vaultbind-operator -n kube-system",
    );
    row(
        vec![("/leases/0/spec/holderIdentity", json!(""))],
        Step::Operator,
        "NoLeader",
        "nobody holds the Lease",
    );
    row(
        vec![("/leases", json!([])), ("/operators", json!([]))],
        Step::Operator,
        "OperatorMissing",
        "helm upgrade --install vaultbind",
    );
    row(
        vec![
            ("/leases", json!([])),
            ("/operators/0/spec/replicas", json!(0)),
            ("/operators/0/status", json!({})),
        ],
        Step::Operator,
        "NoLeader",
        "kubectl scale deployment vaultbind-operator -n kube-system --replicas=2",
    );
    row(
        vec![("/bindings/0/metadata/generation", json!(2))],
        Step::Operator,
        "NotObserved",
        "metadata.generation is 2",
    );
    row(
        vec![("/bindings/0/status", json!(null))],
        Step::Operator,
        "NotObserved",
        "--watch-namespaces",
    );
    row(
        vec![("/driver", json!(null))],
        Step::Driver,
        "DriverMissing",
        "helm install csi-secrets-store",
    );
    row(
        vec![("/no_driver_kinds", json!(true))],
        Step::Driver,
        "DriverMissing",
        "helm install csi-secrets-store",
    );
    row(
        vec![
            ("/driver", hidden("get csidrivers")),
            (
                "/bindings/0/status/conditions/1",
                condition(
                    "DriverReady",
                    "False",
                    "AudienceMissing",
                    "no tokens: kubectl patch csidriver x",
                ),
            ),
        ],
        Step::Driver,
        "AudienceMissing",
        "kubectl patch csidriver x",
    );
    row(
        vec![waiting(), ("/nodes/node-a/spec/drivers", json!([]))],
        Step::Driver,
        "DriverNotOnNode",
        "CSINode node-a has the drivers []",
    );
    row(
        vec![
            waiting(),
            ("/node_pods/0/status/conditions/0/status", json!("False")),
        ],
        Step::Driver,
        "ProviderNotOnNode",
        "kubectl logs provider-1 -n kube-system",
    );
    row(
        vec![("/bindings/0/metadata/deletionTimestamp", json!(NOW))],
        Step::Binding,
        "Deleting",
        "deleted at",
    );
    row(
        vec![(
            "/bindings/0/status/conditions/0",
            condition("Ready", "False", "NotApplied", "refused"),
        )],
        Step::Binding,
        "NotApplied",
        "refused",
    );
    row(
        vec![(
            "/bindings/0/status/conditions/9",
            condition("Stalled", "True", "TooManyBindings", "too many"),
        )],
        Step::Binding,
        "TooManyBindings",
        "--sort-by .metadata.creationTimestamp",
    );
    row(
        vec![(
            "/bindings/0/status/conditions/9",
            condition("Stalled", "True", "SeveralDefaultClasses", "two"),
        )],
        Step::Binding,
        "SeveralDefaultClasses",
        "kubectl get vaultclasses",
    );
    for reason in [
        "IssuerNotPublic",
        "TokenSignature",
        "TokenExpired",
        "AudienceMismatch",
        "IdentityRefused",
    ] {
        row(
            vec![(
                "/bindings/0/status/conditions/2",
                condition("IdentityReady", "False", reason, "no token"),
            )],
            Step::Identity,
            reason,
            "check-requested-at",
        );
    }
    for reason in ["Unreachable", "TooManyRequests"] {
        row(
            vec![(
                "/bindings/0/status/conditions/2",
                condition("IdentityReady", "Unknown", reason, "no answer"),
            )],
            Step::Network,
            reason,
            "no answer",
        );
    }
    row(
        vec![(
            "/bindings/0/status/conditions/3",
            condition("AccessReady", "Unknown", "VaultFailing", "HTTP 503"),
        )],
        Step::Network,
        "VaultFailing",
        "HTTP 503",
    );
    row(
        vec![(
            "/bindings/0/status/conditions/3",
            condition("AccessReady", "False", "OperatorIdentity", "no"),
        )],
        Step::Identity,
        "OperatorIdentity",
        "no",
    );
    row(
        vec![(
            "/bindings/0/status/conditions/3",
            condition(
                "AccessReady",
                "Unknown",
                "VaultNotFound",
                "no address: check spec.vault: az keyvault show --name kv --query properties.vaultUri",
            ),
        )],
        Step::Network,
        "VaultNotFound",
        "az keyvault show --name kv --query properties.vaultUri",
    );
    for reason in [
        "ListDenied",
        "VaultUsesAccessPolicies",
        "TenantMismatch",
        "TokenRejected",
        "AccessRefused",
    ] {
        row(
            vec![(
                "/bindings/0/status/conditions/3",
                condition("AccessReady", "False", reason, "refused"),
            )],
            Step::Access,
            reason,
            "refused",
        );
    }
    for reason in [
        "VersionNotFound",
        "NotYetValid",
        "Expired",
        "TooManySelected",
    ] {
        row(
            vec![(
                "/bindings/0/status/conditions/4",
                condition("ObjectsResolved", "False", reason, "db: no"),
            )],
            Step::Objects,
            reason,
            "db: no",
        );
    }
    row(
        vec![(
            "/bindings/0/status/conditions/9",
            condition("SecretsSynced", "False", "SecretsForbidden", "rbac"),
        )],
        Step::Secrets,
        "SecretsForbidden",
        "rbac",
    );
    row(
        vec![waiting()],
        Step::Mounts,
        "Waiting",
        "kubectl describe pod api-0 -n shop",
    );
    row(
        vec![
            waiting(),
            said(
                "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)",
            ),
        ],
        Step::Mounts,
        "TooLarge",
        "--max-call-recv-msg-size",
    );
    row(
        vec![
            waiting(),
            said(
                "rpc error: code = Unknown desc = a, err: rpc error: code = NotFound desc = secret db was not found",
            ),
        ],
        Step::Mounts,
        "NotFound",
        "secret db was not found",
    );
    row(
        vec![
            waiting(),
            said(
                "MountVolume.SetUp failed for volume \"secrets\" : fetching NodePublishSecretRef failed: secrets-store.csi.k8s.io",
            ),
        ],
        Step::Mounts,
        "FailedMount",
        "fetching NodePublishSecretRef failed",
    );
    row(
        vec![(stale, other.clone())],
        Step::Mounts,
        "Outdated",
        "kubectl delete pod api-0 -n shop",
    );
    for (changes, step, reason, text) in rows {
        let found = payments(&with(&changes));
        let shown = Report::new(vec![found.clone()], false);
        let shown = shown.text(&look());
        assert_eq!(
            (found.state, found.step, found.reason.as_deref()),
            (State::Failed, Some(step), Some(reason)),
            "{changes:?}\n{shown}"
        );
        assert!(shown.contains(text), "{text}\n{shown}");
    }
    // What was pinned just now is on its way.
    let young = payments(&with(&[
        (stale, other),
        (promoted, json!("2026-03-01T11:55:00Z")),
    ]));
    assert_eq!(young.state, State::Healthy);
}
