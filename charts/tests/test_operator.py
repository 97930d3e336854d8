"""What the chart renders for the operator, against what it and Kubernetes take."""

import os
import re
import subprocess
import unittest

import kubernetes_validate
import yaml

from rendering import CHART, KUBERNETES, ROOT, Rendered, helm, render, with_value

REPOSITORY = "registry.example/vaultbind-operator"


class Operator(Rendered):
    def __init__(self, values, **options):
        super().__init__(values, "Deployment", **options)


def operator(**values):
    return Operator({"operator": values})


CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
# Every value that changes what is rendered, at once.
EVERYTHING = {
    "nameOverride": "vb",
    "imagePullSecrets": [{"name": "pull"}],
    "operator": {
        "replicas": 3,
        "image": {"digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
        "serviceAccount": {"annotations": {"a": "b"}},
        "watchNamespaces": ["payments", "shop"],
        "aggregateRoles": False,
        "azure": {"clientID": CLIENT, "tenantID": "contoso.onmicrosoft.com", "deletionTimeout": "24h"},
        "identityBinding": {"enabled": True, "url": "https://proxy.example:8443", "sniName": "a.ests.aks"},
        "allowVaultHosts": ["kv.corp.example"],
        "workers": 32,
        "vault": {"concurrency": 4, "tryTimeout": "2s"},
        "secrets": {"enabled": False},
        "bindingMetrics": False,
        "lease": {"duration": "30s", "renewDeadline": "20s", "retryPeriod": "1s"},
        "log": {"json": False, "verbosity": 5},
        "http": {"address": "::", "healthzPort": 9000, "metricsPort": 9001},
        "proxy": {"httpsProxy": "http://proxy.example:3128", "noProxy": "10.0.0.0/8,.example"},
        "trustedCA": {"configMapName": "ca", "key": "bundle.pem"},
        "extraArgs": ["--leader-elect=true"],
        "extraEnv": [{"name": "A", "value": "1"}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.10"]},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["kv.vault.azure.net"]}],
        "priorityClassName": "system-cluster-critical",
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
        ],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"note": "1"},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"},
    },
}


# The defaults are right in every pod: there is always an election, in the pod's own namespace.
DERIVED = {"--leader-elect", "--lease-namespace"}


class Arguments(unittest.TestCase):
    def setUp(self):
        self.reference = (ROOT / "docs/reference/operator-flags.md").read_text(encoding="utf-8")

    def test_every_flag_of_the_operator_has_a_value(self):
        flags = set(re.findall(r"^\| `(-[-a-z]+)` \|", self.reference, re.MULTILINE))
        self.assertLess(DERIVED, flags)
        rendered = {a.split("=")[0] for a in Operator(EVERYTHING).args} - {"--leader-elect"}
        self.assertEqual(flags - DERIVED - {"--version"}, rendered)

    def test_the_operator_takes_the_arguments(self):
        for values in ({}, EVERYTHING):
            done = subprocess.run([os.environ["OPERATOR"], *Operator(values).args, "--version"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_operator_refuses_what_it_does_not_know(self):
        done = subprocess.run([os.environ["OPERATOR"], "--worker=1", "--version"], capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_defaults_are_those_of_the_operator(self):
        defaults = dict(re.findall(r"^\| `(-[-a-z]+)` \| (?:`\w+`)? \| `?([^`|]*?)`? \|", self.reference, re.MULTILINE))
        # Logs in a cluster are read by machines.
        defaults["--log-format-json"] = "true"
        args = dict(a.split("=", 1) for a in operator().args)
        self.assertEqual({flag: defaults[flag] for flag in args}, args)

    def test_values_become_arguments(self):
        self.assertEqual(Operator(EVERYTHING).args, [
            "--http-address=::",
            "--healthz-port=9000",
            "--prometheus-port=9001",
            "--log-format-json=false",
            "-v=5",
            "--watch-namespaces=payments,shop",
            "--workers=32",
            "--vault-concurrency=4",
            "--try-timeout=2s",
            "--allow-vault-host=kv.corp.example",
            f"--azure-client-id={CLIENT}",
            "--azure-tenant-id=contoso.onmicrosoft.com",
            "--azure-token-file=/var/run/secrets/vaultbind/azure/token",
            "--token-proxy-url=https://proxy.example:8443",
            "--token-proxy-ca-file=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            "--sni-name=a.ests.aks",
            "--azure-deletion-timeout=24h",
            "--kubernetes-secrets=false",
            "--binding-metrics=false",
            "--lease-name=vaultbind-vb-operator",
            "--lease-duration=30s",
            "--lease-renew-deadline=20s",
            "--lease-retry-period=1s",
            "--leader-elect=true",
        ])


def rules(role):
    """(group, resource) -> verbs; (None, path) of what is no resource."""
    found = {}
    for rule in role["rules"]:
        for path in rule.get("nonResourceURLs", []):
            found.setdefault((None, path), set()).update(rule["verbs"])
        for group in rule.get("apiGroups", []):
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


class Objects(unittest.TestCase):
    def test_objects_are_valid_for_kubernetes(self):
        for kubernetes in KUBERNETES:
            for values in ({}, EVERYTHING):
                for item in render(values, kubernetes=kubernetes):
                    # Definitions are checked on a real API server.
                    if item["kind"] not in ("PodMonitor", "CustomResourceDefinition", "VaultClass"):
                        kubernetes_validate.validate(item, kubernetes, strict=True)

    def test_without_the_operator_nothing_of_it_is_there(self):
        kinds = sorted(o["kind"] for o in render({"operator": {"enabled": False, "podMonitor": {"enabled": True}}}))
        self.assertEqual(kinds, ["DaemonSet", "ServiceAccount"])

    def test_the_pod_is_admitted_at_the_level_restricted(self):
        rendered = operator()
        self.assertEqual(rendered.pod["securityContext"], {
            "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
        self.assertEqual(rendered.container["securityContext"], {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        })
        self.assertNotIn("hostNetwork", rendered.pod)
        self.assertEqual(rendered.volumes, {})

    def test_one_replica_stands_by_and_a_drain_takes_one_at_a_time(self):
        rendered = operator()
        self.assertEqual(rendered.workload["spec"]["replicas"], 2)
        budget = rendered.one("PodDisruptionBudget")["spec"]
        self.assertEqual(budget["maxUnavailable"], 1)
        self.assertLessEqual(budget["selector"]["matchLabels"].items(), rendered.labels.items())

    def test_replicas_are_spread_where_there_is_room(self):
        rendered = operator()
        constraints = rendered.pod["topologySpreadConstraints"]
        self.assertEqual([c["topologyKey"] for c in constraints],
                         ["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
        for constraint in constraints:
            self.assertEqual(constraint["whenUnsatisfiable"], "ScheduleAnyway")
            self.assertLessEqual(constraint["labelSelector"]["matchLabels"].items(), rendered.labels.items())
        own = EVERYTHING["operator"]["topologySpreadConstraints"]
        self.assertEqual(Operator(EVERYTHING).pod["topologySpreadConstraints"], own)

    def test_no_selector_reaches_the_other_programs_pods(self):
        rendered = operator()
        daemonset = rendered.one("DaemonSet")
        for workload, other in ((rendered.workload, daemonset), (daemonset, rendered.workload)):
            selector = workload["spec"]["selector"]["matchLabels"]
            self.assertLessEqual(selector.items(), workload["spec"]["template"]["metadata"]["labels"].items())
            self.assertFalse(selector.items() <= other["spec"]["template"]["metadata"]["labels"].items())

    def test_values_reach_the_pod(self):
        rendered = Operator(EVERYTHING)
        own = EVERYTHING["operator"]
        self.assertEqual(rendered.env, {
            "HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "10.0.0.0/8,.example", "A": "1",
            "SSL_CERT_FILE": "/etc/vaultbind/trusted-ca/ca.crt", "SSL_CERT_DIR": "/etc/ssl/certs",
        })
        self.assertEqual(rendered.volumes["trusted-ca"]["configMap"],
                         {"name": "ca", "items": [{"key": "bundle.pem", "path": "ca.crt"}]})
        self.assertIn({"name": "trusted-ca", "mountPath": "/etc/vaultbind/trusted-ca", "readOnly": True},
                      rendered.container["volumeMounts"])
        self.assertEqual(rendered.pod["imagePullSecrets"], [{"name": "pull"}])
        for name in ("dnsPolicy", "dnsConfig", "hostAliases", "priorityClassName", "tolerations", "affinity"):
            self.assertEqual(rendered.pod[name], own[name], name)
        self.assertEqual(rendered.workload["spec"]["replicas"], 3)
        self.assertEqual(rendered.labels["team"], "platform")
        self.assertEqual(rendered.ports, {"health": 9000, "metrics": 9001})

    def test_its_own_identity_is_proved_by_a_token_for_the_cloud(self):
        azure = {"clientID": CLIENT, "tenantID": "contoso.onmicrosoft.com"}
        rendered = Operator({"provider": {"cloudName": "AzureChinaCloud"}, "operator": {"azure": azure}})
        (source,) = rendered.volumes["azure-token"]["projected"]["sources"]
        self.assertEqual(source["serviceAccountToken"],
                         {"audience": "api://AzureADTokenExchangeChina", "expirationSeconds": 3600, "path": "token"})
        self.assertEqual(rendered.container["volumeMounts"],
                         [{"name": "azure-token", "mountPath": "/var/run/secrets/vaultbind/azure", "readOnly": True}])
        # Without a tenant it is one of the node's.
        rendered = operator(azure={"clientID": CLIENT})
        self.assertEqual([a for a in rendered.args if "azure" in a],
                         [f"--azure-client-id={CLIENT}", "--azure-deletion-timeout=10m"])
        self.assertEqual(rendered.volumes, {})

    def test_the_token_proxy_is_asked_where_it_is_enabled(self):
        def flags(**values):
            return [a for a in operator(**values).args if a.startswith(("--token-proxy", "--sni-name"))]
        self.assertEqual(flags(), [])
        self.assertEqual(flags(identityBinding={"enabled": True}),
                         ["--token-proxy-url=https://kubernetes.default.svc.cluster.local",
                          "--token-proxy-ca-file=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"])

    def test_the_pod_monitor_selects_the_pods(self):
        rendered = Operator(EVERYTHING)
        monitor = rendered.one("PodMonitor")
        self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(), rendered.labels.items())
        self.assertEqual(monitor["spec"]["podMetricsEndpoints"], [{"port": "metrics", "interval": "30s"}])

    def test_the_image_is_named_by_tag_or_digest(self):
        version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
        digest = "sha256:" + "a" * 64
        for image, expected in (
            ({}, f"{REPOSITORY}:{version}"),
            ({"tag": "test", "digest": digest}, f"{REPOSITORY}@{digest}"),
        ):
            self.assertEqual(operator(image=image).container["image"], expected)
        done = helm({"operator": {"image": {"repository": ""}}})
        self.assertIn("operator.image.repository is not set", done.stderr)
        # Without the operator it need not be.
        render({"operator": {"enabled": False, "image": {"repository": ""}}})


class Rights(unittest.TestCase):
    CLUSTER = {
        ("vaultbind.dev", "vaultclasses"): {"get", "list", "watch"},
        ("", "namespaces"): {"get", "list", "watch"},
        ("storage.k8s.io", "csidrivers"): {"get", "list", "watch"},
        (None, "/.well-known/openid-configuration"): {"get"},
    }
    NAMESPACED = {
        ("vaultbind.dev", "vaultbindings"): {"get", "list", "watch", "patch"},
        ("vaultbind.dev", "vaultbindings/status"): {"patch"},
        ("secrets-store.csi.x-k8s.io", "secretproviderclasses"): {"get", "list", "watch", "create", "patch"},
        ("secrets-store.csi.x-k8s.io", "secretproviderclasspodstatuses"): {"get", "list", "watch"},
        ("", "serviceaccounts/token"): {"create"},
        ("", "secrets"): {"create", "patch", "delete"},
        ("events.k8s.io", "events"): {"create", "patch"},
    }
    ACCOUNT = {"kind": "ServiceAccount", "name": "vaultbind-operator", "namespace": "kube-system"}

    def granted(self, rendered):
        """What the operator's account may do: namespace or None -> rules."""
        found = {}
        for binding in rendered.objects:
            if binding["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
                continue
            self.assertEqual(binding["subjects"], [self.ACCOUNT])
            (role,) = [o for o in rendered.all(binding["roleRef"]["kind"])
                       if o["metadata"]["name"] == binding["roleRef"]["name"]]
            found.setdefault(binding["metadata"].get("namespace"), {}).update(rules(role))
        return found

    def test_it_has_exactly_these(self):
        self.assertEqual(self.granted(operator()), {
            None: {**self.CLUSTER, **self.NAMESPACED},
            "kube-system": {
                ("coordination.k8s.io", "leases"): {"create", "get", "update"},
                ("", "configmaps"): {"get", "patch"},
            },
        })

    def test_with_watched_namespaces_it_has_none_in_others(self):
        granted = self.granted(operator(watchNamespaces=["payments", "shop"]))
        granted.pop("kube-system")
        self.assertEqual(granted, {None: self.CLUSTER, "payments": self.NAMESPACED, "shop": self.NAMESPACED})

    def test_without_secrets_it_has_no_right_to_any(self):
        wanted = {**self.CLUSTER, **self.NAMESPACED}
        del wanted[("", "secrets")]
        self.assertEqual(self.granted(operator(secrets={"enabled": False}))[None], wanted)

    def test_of_leases_and_config_maps_only_its_own_are_read_or_changed(self):
        named = {"leases": ["vaultbind-operator"], "configmaps": ["vaultbind-orphans"]}
        (role,) = operator().all("Role")
        for rule in role["rules"]:
            if rule["verbs"] != ["create"]:
                self.assertEqual(rule["resourceNames"], named[rule["resources"][0]])

    def test_the_list_of_what_is_left_is_there_under_its_name_and_is_nobodys_to_reset(self):
        for values in ({}, {"nameOverride": "other", "fullnameOverride": "another"}):
            (found,) = Operator(values).all("ConfigMap")
            self.assertEqual((found["metadata"]["name"], found["metadata"]["namespace"]),
                             ("vaultbind-orphans", "kube-system"))
            self.assertEqual(found["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})
            # What is not in the release, an upgrade does not touch.
            self.assertFalse({"data", "binaryData", "immutable"} & set(found))

    def test_of_drivers_only_one_is_looked_at(self):
        roles = {o["metadata"]["name"]: o for o in operator().all("ClusterRole")}
        (rule,) = [r for r in roles["vaultbind-operator"]["rules"] if r.get("resources") == ["csidrivers"]]
        self.assertEqual(rule["resourceNames"], ["secrets-store.csi.k8s.io"])

    def test_each_rule_says_why(self):
        text = (CHART / "templates/operator/rbac.yaml").read_text(encoding="utf-8")
        lines = text.splitlines()
        numbers = [number for number, line in enumerate(lines) if line.startswith(("  - apiGroups", "  - nonResourceURLs"))]
        self.assertGreater(len(numbers), 10)
        for number in numbers:
            self.assertTrue(lines[number - 1].startswith("  # "), f"line {number + 1} has no reason above it")

    def test_an_account_of_the_users_gets_the_rights(self):
        rendered = operator(serviceAccount={"create": False, "name": "vaultbind-operator"})
        self.assertEqual([o["metadata"]["name"] for o in rendered.all("ServiceAccount")], ["vaultbind-provider"])
        self.assertEqual(rendered.pod["serviceAccountName"], "vaultbind-operator")
        self.granted(rendered)
        self.assertIn("operator.serviceAccount.name is not set",
                      helm(with_value(["operator", "serviceAccount", "create"], False)).stderr)

    def test_whoever_edits_a_namespace_edits_its_bindings(self):
        roles = {o["metadata"]["name"]: o for o in operator().all("ClusterRole")}
        edit = roles["vaultbind-operator-edit"]
        self.assertEqual(rules(edit), {
            ("vaultbind.dev", "vaultbindings"): {"create", "update", "patch", "delete", "deletecollection"},
        })
        self.assertEqual(edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"], "true")
        self.assertNotIn("rbac.authorization.k8s.io/aggregate-to-view", edit["metadata"]["labels"])
        names = {o["metadata"]["name"] for o in operator(aggregateRoles=False).all("ClusterRole")}
        self.assertEqual(names, {"vaultbind-operator", "vaultbind-operator-bindings"})


class Definitions(unittest.TestCase):
    def test_they_are_those_of_the_repository_and_are_kept(self):
        rendered = {o["metadata"]["name"]: o for o in operator().all("CustomResourceDefinition")}
        files = sorted((ROOT / "crds").glob("*.yaml"))
        self.assertEqual(len(files), 2)
        for file in files:
            expected = yaml.safe_load(file.read_text(encoding="utf-8"))
            found = rendered.pop(expected["metadata"]["name"])
            self.assertEqual(found["metadata"].pop("annotations"), {"helm.sh/resource-policy": "keep"})
            self.assertEqual(found, expected)
        self.assertEqual(rendered, {})

    def test_they_can_be_left_to_others(self):
        self.assertNotIn("CustomResourceDefinition", Operator({"crds": {"install": False}}).kinds)


if __name__ == "__main__":
    unittest.main()
