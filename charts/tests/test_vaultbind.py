"""What the chart renders for the provider, against what it and Kubernetes take; and the chart itself."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

from rendering import CHART, KUBERNETES, ROOT, Rendered, helm

REPOSITORY = "registry.example/vaultbind-provider"


class Provider(Rendered):
    """Without the operator, unless the values ask for it."""

    def __init__(self, values, **options):
        super().__init__({"operator": {"enabled": False}, **values}, "DaemonSet", **options)


def provider(**values):
    return Provider({"provider": values})


# Every value that changes what is rendered, at once.
EVERYTHING = {
    "nameOverride": "vb",
    "imagePullSecrets": [{"name": "pull"}],
    "serviceAccount": {"annotations": {"a": "b"}},
    "provider": {
        "name": "azure",
        "image": {"digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
        "cloudName": "AzureChinaCloud",
        "mountTimeoutSeconds": 45,
        "maxMessageBytes": 8388608,
        "cache": {"ttl": "5m", "reauthorizeAfter": "1h", "serveStaleFor": "0s", "refusalTTL": "5s",
                  "maxBytes": 1048576},
        "vault": {"requestsPerSecond": 100, "concurrency": 8, "tryTimeout": "2s", "hedgeAfter": "0s"},
        "debugPort": 6061,
        "allowVaultHosts": ["kv.corp.example", "KV2.corp.example"],
        "identityBinding": {"enabled": True, "url": "https://proxy.example:8443", "sniName": "a.ests.aks"},
        "allowUIDs": [1000, 4294967295],
        "certificates": {"constructPEMChain": False, "writeCertAndKeyInSeparateFiles": True},
        "log": {"json": False, "verbosity": 5},
        "http": {"address": "::", "healthzPort": 9000, "healthzPath": "/live",
                 "healthzTimeoutSeconds": 7, "metricsPort": 9001},
        "proxy": {"httpsProxy": "http://proxy.example:3128", "noProxy": "10.0.0.0/8,.example"},
        "trustedCA": {"secretName": "ca", "key": "bundle.pem"},
        "extraArgs": ["--pprof-port=6060"],
        "extraEnv": [{"name": "A", "value": "1"}],
        "hostNetwork": True,
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["kv.vault.azure.net"]}],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"note": "1"},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"},
    },
}


class Arguments(unittest.TestCase):
    def test_every_flag_of_the_provider_has_a_value(self):
        reference = (ROOT / "docs/reference/flags.md").read_text(encoding="utf-8")
        flags = set(re.findall(r"^\| `(-[-a-z]+)` \|", reference, re.MULTILINE))
        self.assertIn("--endpoint", flags)
        rendered = {a.split("=")[0] for a in provider(
            allowVaultHosts=["kv.example"], allowUIDs=[1], debugPort=1,
            identityBinding={"enabled": True, "sniName": "a.ests.aks"}).args}
        self.assertEqual(flags - {"--version"}, rendered)

    def test_the_provider_takes_the_arguments(self):
        for values in ({}, EVERYTHING):
            args = Provider(values).args
            done = subprocess.run([os.environ["PROVIDER"], *args, "--version"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_provider_refuses_what_it_does_not_know(self):
        done = subprocess.run([os.environ["PROVIDER"], "--mount-time=1s", "--version"],
                              capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_defaults_are_those_of_the_provider(self):
        reference = (ROOT / "docs/reference/flags.md").read_text(encoding="utf-8")
        defaults = dict(re.findall(r"^\| `(-[-a-z]+)` \| (?:`\w+`)? \| `?([^`|]*?)`? \|", reference, re.MULTILINE))
        # Logs in a cluster are read by machines.
        defaults["--log-format-json"] = "true"
        args = dict(a.split("=", 1) for a in provider().args)
        self.assertEqual({flag: defaults[flag] for flag in args}, args)

    def test_values_become_arguments(self):
        args = Provider(EVERYTHING).args
        self.assertEqual(args, [
            "--endpoint=unix:///provider/azure.sock",
            "--http-address=::",
            "--healthz-port=9000",
            "--healthz-path=/live",
            "--healthz-timeout=7s",
            "--prometheus-port=9001",
            "--log-format-json=false",
            "-v=5",
            "--cloud-name=AzureChinaCloud",
            "--construct-pem-chain=false",
            "--write-cert-and-key-in-separate-files=true",
            "--mount-timeout=45s",
            "--max-message-bytes=8388608",
            "--cache-ttl=5m",
            "--reauthorize-after=1h",
            "--serve-stale-for=0s",
            "--refusal-ttl=5s",
            "--cache-max-bytes=1048576",
            "--vault-requests-per-second=100",
            "--vault-concurrency=8",
            "--try-timeout=2s",
            "--hedge-after=0s",
            "--debug-port=6061",
            "--allow-vault-host=kv.corp.example",
            "--allow-vault-host=KV2.corp.example",
            "--token-proxy-url=https://proxy.example:8443",
            "--token-proxy-ca-file=/etc/vaultbind/cluster-ca/ca.crt",
            "--sni-name=a.ests.aks",
            "--allow-uid=1000",
            "--allow-uid=4294967295",
            "--pprof-port=6060",
        ])


class Objects(unittest.TestCase):
    def test_objects_are_valid_for_kubernetes(self):
        for kubernetes in KUBERNETES:
            for values in ({}, EVERYTHING):
                rendered = Provider(values, kubernetes=kubernetes)
                for item in rendered.objects:
                    if item["kind"] != "PodMonitor":
                        kubernetes_validate.validate(item, kubernetes, strict=True)

    def test_the_check_above_can_fail(self):
        item = provider().workload
        item["spec"]["template"]["spec"]["hostNetworks"] = True
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(item, KUBERNETES[-1], strict=True)

    def test_older_clusters_are_refused(self):
        self.assertIn("incompatible with Kubernetes", helm({}, kubernetes="1.25").stderr)

    def test_no_rights_are_asked_for(self):
        rendered = provider()
        self.assertEqual(rendered.kinds, ["DaemonSet", "ServiceAccount"])
        self.assertIs(rendered.pod["automountServiceAccountToken"], False)

    def test_an_upgrade_has_no_gap(self):
        rendered = provider()
        self.assertEqual(rendered.workload["spec"]["updateStrategy"]["rollingUpdate"],
                         {"maxSurge": 1, "maxUnavailable": 0})
        # Either would keep the second pod off the node.
        self.assertIs(rendered.pod["hostNetwork"], False)
        self.assertFalse([p for p in rendered.container["ports"] if "hostPort" in p])
        self.assertEqual(rendered.container["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "health"})

    def test_in_the_hosts_network_the_old_pod_goes_first(self):
        rendered = provider(hostNetwork=True)
        self.assertEqual(rendered.workload["spec"]["updateStrategy"]["rollingUpdate"],
                         {"maxSurge": 0, "maxUnavailable": 1})
        self.assertEqual(rendered.pod["dnsPolicy"], "ClusterFirstWithHostNet")

    def test_mounts_under_way_outlive_no_pod(self):
        for seconds in (1, 30, 110):
            grace = provider(mountTimeoutSeconds=seconds).pod["terminationGracePeriodSeconds"]
            self.assertGreater(grace, seconds + 5)

    def test_the_container_has_no_privileges(self):
        rendered = provider()
        self.assertEqual(rendered.container["securityContext"], {
            "runAsUser": 0, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        })
        self.assertEqual(rendered.pod["securityContext"], {"seccompProfile": {"type": "RuntimeDefault"}})

    def test_the_socket_is_where_the_driver_looks(self):
        rendered = provider()
        self.assertEqual(rendered.volumes["providers"]["hostPath"],
                         {"path": "/var/run/secrets-store-csi-providers", "type": "DirectoryOrCreate"})
        self.assertIn({"name": "providers", "mountPath": "/provider"}, rendered.container["volumeMounts"])

    def test_memory_is_limited_and_cpu_is_not(self):
        resources = provider().container["resources"]
        self.assertEqual(resources, {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}})
        resources = provider(resources={"limits": {"cpu": 1, "memory": "1Gi"}}).container["resources"]
        self.assertEqual(resources["limits"], {"cpu": 1, "memory": "1Gi"})

    def test_a_further_authority_does_not_replace_those_of_the_image(self):
        self.assertEqual(provider().env, {})
        for values, source in (
            ({"configMapName": "ca"}, {"configMap": {"name": "ca"}}),
            ({"secretName": "ca"}, {"secret": {"secretName": "ca"}}),
        ):
            rendered = provider(trustedCA={**values, "key": "bundle.pem"})
            self.assertEqual(rendered.env, {"SSL_CERT_FILE": "/etc/vaultbind/trusted-ca/ca.crt",
                                            "SSL_CERT_DIR": "/etc/ssl/certs"})
            ((kind, expected),) = source.items()
            self.assertEqual(rendered.volumes["trusted-ca"][kind],
                             {**expected, "items": [{"key": "bundle.pem", "path": "ca.crt"}]})

    def test_the_token_proxy_is_trusted_by_the_clusters_authority(self):
        self.assertNotIn("cluster-ca", provider().volumes)
        self.assertFalse([a for a in provider().args if a.startswith(("--token-proxy", "--sni-name"))])
        rendered = provider(identityBinding={"enabled": True})
        self.assertEqual(rendered.volumes["cluster-ca"]["configMap"]["name"], "kube-root-ca.crt")
        self.assertIn("--token-proxy-ca-file=/etc/vaultbind/cluster-ca/ca.crt", rendered.args)

    def test_the_image_is_named_by_tag_or_digest(self):
        version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
        digest = "sha256:" + "a" * 64
        for image, expected in (
            ({}, f"{REPOSITORY}:{version}"),
            ({"tag": "test"}, f"{REPOSITORY}:test"),
            ({"tag": "test", "digest": digest}, f"{REPOSITORY}@{digest}"),
        ):
            self.assertEqual(provider(image=image).container["image"], expected)

    def test_one_port_for_health_and_metrics_is_named_once(self):
        rendered = provider(http={"metricsPort": 8989}, podMonitor={"enabled": True})
        self.assertEqual(rendered.ports, {"health": 8989})
        monitor = rendered.one("PodMonitor")
        self.assertEqual(monitor["spec"]["podMetricsEndpoints"], [{"port": "health"}])

    def test_the_pod_monitor_selects_the_pods(self):
        rendered = Provider(EVERYTHING)
        monitor = rendered.one("PodMonitor")
        self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(), rendered.labels.items())
        self.assertEqual(monitor["spec"]["podMetricsEndpoints"], [{"port": "metrics", "interval": "30s"}])
        self.assertEqual(monitor["metadata"]["labels"]["release"], "prometheus")

    def test_proxy_aliases_and_further_variables_reach_the_pod(self):
        rendered = Provider(EVERYTHING)
        self.assertEqual(rendered.env["HTTPS_PROXY"], "http://proxy.example:3128")
        self.assertEqual(rendered.env["NO_PROXY"], "10.0.0.0/8,.example")
        self.assertEqual(rendered.env["A"], "1")
        self.assertEqual(rendered.pod["hostAliases"], EVERYTHING["provider"]["hostAliases"])
        self.assertEqual(rendered.pod["imagePullSecrets"], [{"name": "pull"}])

    def test_a_ServiceAccount_of_the_users_is_used(self):
        rendered = Provider({"serviceAccount": {"create": False, "name": "mine"}})
        self.assertEqual(rendered.kinds, ["DaemonSet"])
        self.assertEqual(rendered.pod["serviceAccountName"], "mine")


class Notes(unittest.TestCase):
    """What helm shows after an installation. Without a cluster it renders these, but does not show them."""

    def notes(self, operator=None, **values):
        with tempfile.TemporaryDirectory() as folder:
            chart = shutil.copytree(CHART, pathlib.Path(folder) / "vaultbind")
            shutil.copy(chart / "templates/NOTES.txt", chart)
            (chart / "templates/shown.yaml").write_text('notes: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}')
            done = helm({"provider": values, "operator": operator or {}}, chart=chart)
            self.assertEqual(done.returncode, 0, done.stderr)
            (shown,) = [o for o in yaml.safe_load_all(done.stdout) if o and "notes" in o]
            return shown["notes"]

    def test_they_name_the_audience_of_the_cloud(self):
        for cloud, audience in (
            ("AzurePublicCloud", "api://AzureADTokenExchange"),
            ("AzureUSGovernmentCloud", "api://AzureADTokenExchangeUSGov"),
            ("AzureChinaCloud", "api://AzureADTokenExchangeChina"),
        ):
            self.assertIn(f"--set 'tokenRequests[0].audience={audience}'", self.notes(cloudName=cloud))

    def test_they_name_the_audience_of_the_token_proxy_where_it_is_asked(self):
        self.assertNotIn("AKSIdentityBinding", self.notes())
        notes = self.notes(identityBinding={"enabled": True})
        self.assertIn("api://AKSIdentityBinding. If it does not", notes)
        self.assertIn("--set 'tokenRequests[1].audience=api://AKSIdentityBinding'\n", notes)

    def test_they_warn_of_what_the_values_bring(self):
        plain = self.notes()
        self.assertIn("provider: vaultbind", plain)
        self.assertNotIn("azure.sock", plain)
        self.assertNotIn("hostNetwork", plain)
        self.assertIn("azure.sock", self.notes(name="azure"))
        self.assertIn("an upgrade has a gap", self.notes(hostNetwork=True))


    def test_they_speak_of_the_operator_where_there_is_one(self):
        self.assertIn("rollout status deployment/vaultbind-operator", self.notes())
        watched = self.notes(operator={"watchNamespaces": ["a", "b"]})
        self.assertIn("in one of a, b,", watched)
        self.assertIn("namespace: a\n", watched)
        self.assertIn("kubectl edit vaultclass default", watched)
        without = self.notes(operator={"enabled": False})
        self.assertNotIn("perator", without)
        self.assertNotIn("VaultBinding", without)


class Values(unittest.TestCase):
    def test_texts_stay_texts(self):
        rendered = provider(trustedCA={"configMapName": "1", "key": "2"}, priorityClassName="3",
                            http={"healthzPath": "/a~b"}, podMonitor={"enabled": True, "interval": "1m"})
        items = {"key": "2", "path": "ca.crt"}
        self.assertEqual(rendered.volumes["trusted-ca"]["configMap"], {"name": "1", "items": [items]})
        self.assertEqual(rendered.pod["priorityClassName"], "3")
        self.assertEqual(rendered.container["livenessProbe"]["httpGet"]["path"], "/a~b")
        self.assertIn("--healthz-path=/a~b", rendered.args)

    def test_an_image_has_to_be_named(self):
        done = helm({"provider": {"image": {"repository": ""}}})
        self.assertIn("provider.image.repository is not set", done.stderr)

    def test_schema_and_values_name_the_same(self):
        schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        self.assertEqual(differences(schema, values, schema["definitions"]), FOR_PARENTS)

    def test_a_chart_that_has_this_one_as_a_part_can_switch_it(self):
        Provider({"enabled": True, "global": {"any": "thing"}})


# Set by a chart that has this one as a part.
FOR_PARENTS = {"global", "enabled"}
# Closed objects whose names are Kubernetes', or a VaultClass's, so that the values need not hold them all.
KUBERNETES_OWN = {"resources", "affinity", "updateStrategy", "dnsConfig", "spec"}


def differences(schema, values, definitions, prefix=""):
    """Paths that are in only one of the two."""
    found = {prefix + name for name in schema["properties"].keys() ^ values.keys()}
    for name, inner in schema["properties"].items():
        inner = definitions.get(inner.get("$ref", "").removeprefix("#/definitions/"), inner)
        if "properties" in inner and name not in KUBERNETES_OWN and isinstance(values.get(name), dict):
            found |= differences(inner, values[name], definitions, f"{prefix}{name}.")
    return found


class Package(unittest.TestCase):
    def test_the_readme_is_what_the_values_say(self):
        self.assertEqual((CHART / "README.md").read_text(encoding="utf-8"),
                         pathlib.Path(os.environ["README"]).read_text(encoding="utf-8"), "run make docs")

    def test_artifact_hub_is_told_what_there_is(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
        told = {name.removeprefix("artifacthub.io/"): value for name, value in chart["annotations"].items()}
        self.assertIn(f'license = "{told["license"]}"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"))
        definitions = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted((ROOT / "crds").glob("*.yaml"))]
        self.assertEqual(
            [(crd["name"], crd["kind"], crd["version"]) for crd in yaml.safe_load(told["crds"])],
            [(crd["metadata"]["name"], crd["spec"]["names"]["kind"], crd["spec"]["versions"][-1]["name"])
             for crd in definitions])
        for link in yaml.safe_load(told["links"]):
            self.assertTrue((ROOT / link["url"].split("/blob/main/")[1]).exists(), link)
        for change in yaml.safe_load(told["changes"]):
            self.assertEqual(set(change), {"kind", "description"})
        # The one that the notes and the installation have, too; the API server takes it.
        (example,) = yaml.safe_load(told["crdsExamples"])
        first = next(yaml.safe_load_all((ROOT / "examples/binding.yaml").read_text(encoding="utf-8")))
        first["spec"]["objects"] = first["spec"]["objects"][:1]
        self.assertEqual(example, first)

    def test_the_chart_has_the_programs_version(self):
        cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
        version = re.search(r'^version = "(.+)"$', cargo, re.MULTILINE).group(1)
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))


if __name__ == "__main__":
    unittest.main()
