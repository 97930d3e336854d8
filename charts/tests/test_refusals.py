"""Wrong values are refused before anything is installed, and the message has their path."""

import json
import unittest

from rendering import CHART, helm, with_value

# A path of keys, a value, and how the message tells what is wrong.
UNKNOWN = "additional properties"
TYPE = "got {}, want {}"
PATTERN = "does not match pattern"
RANGE = "minimum: got", "maximum: got"
CHOICE = "value must be one of"

REFUSED = (
    # What is not there, at each depth.
    ("providers", {}, UNKNOWN),
    ("crds.keep", False, UNKNOWN),
    ("serviceAccount.token", True, UNKNOWN),
    ("provider.hostNetworks", True, UNKNOWN),
    ("provider.image.tags", "1", UNKNOWN),
    ("provider.http.port", 1, UNKNOWN),
    ("provider.cache.maxByte", 1, UNKNOWN),
    ("provider.certificates.chain", True, UNKNOWN),
    ("provider.resources.limit", {}, UNKNOWN),
    ("provider.trustedCA.configMap", "ca", UNKNOWN),
    ("provider.podMonitor.enable", True, UNKNOWN),
    ("provider.affinity.nodeAfinity", {}, UNKNOWN),
    ("provider.updateStrategy.rollingUpdate.surge", 1, UNKNOWN),
    ("provider.dnsConfig.nameserver", "10.0.0.10", UNKNOWN),
    ("provider.tolerations", [{"op": "Exists"}], UNKNOWN),
    ("defaultClass.secretTypes", {}, UNKNOWN),
    ("defaultClass.spec.vault", {}, UNKNOWN),
    ("defaultClass.spec.budgets.requests", 1, UNKNOWN),
    ("operator.replica", 1, UNKNOWN),
    ("operator.hostNetwork", True, UNKNOWN),
    ("operator.serviceAccount.token", True, UNKNOWN),
    ("operator.http.healthzPath", "/", UNKNOWN),
    ("operator.vault.requestsPerSecond", 1, UNKNOWN),
    ("operator.azure.secret", "", UNKNOWN),
    ("operator.lease.renew", "1s", UNKNOWN),
    ("operator.log.level", 1, UNKNOWN),
    ("operator.proxy.http", "", UNKNOWN),
    ("imagePullSecrets", [{"secret": "a"}], UNKNOWN),
    ("operator.extraEnv", [{"name": "A", "key": "a"}], UNKNOWN),
    ("operator.hostAliases", [{"ip": "10.0.0.1", "hostname": "a"}], UNKNOWN),
    # Types.
    ("provider.hostNetwork", "yes", TYPE.format("string", "boolean")),
    ("provider.mountTimeoutSeconds", "30s", TYPE.format("string", "integer")),
    ("provider.image.tag", 1.1, TYPE.format("number", "string")),
    ("provider.podLabels", {"team": 1}, TYPE.format("number", "string")),
    ("provider.allowVaultHosts", "kv.corp.example", TYPE.format("string", "array")),
    ("operator.extraEnv", [{"name": "A", "value": 1}], TYPE.format("number", "string")),
    ("operator.watchNamespaces", "payments", TYPE.format("string", "array")),
    ("operator.enabled", "true", TYPE.format("string", "boolean")),
    ("operator.http.metricsPort", "8898", TYPE.format("string", "integer")),
    ("imagePullSecrets", ["mirror"], TYPE.format("string", "object")),
    # Ports and numbers.
    ("provider.http.healthzPort", 0, RANGE[0]),
    ("provider.http.metricsPort", 65536, RANGE[1]),
    ("provider.debugPort", -1, RANGE[0]),
    ("provider.mountTimeoutSeconds", 120, RANGE[1]),
    ("provider.vault.concurrency", 0, RANGE[0]),
    ("provider.allowUIDs", [-1], RANGE[0]),
    ("defaultClass.spec.budgets.vaultRequestsPerSecond", 401, RANGE[1]),
    ("operator.replicas", -1, RANGE[0]),
    ("operator.workers", 0, RANGE[0]),
    ("operator.log.verbosity", 6, RANGE[1]),
    # Durations and quantities.
    ("provider.cache.ttl", "soon", PATTERN),
    ("provider.cache.ttl", "60", PATTERN),
    ("provider.vault.tryTimeout", "5 s", PATTERN),
    ("defaultClass.spec.defaults.checkInterval", "5 min", PATTERN),
    ("operator.lease.duration", "1d", PATTERN),
    ("operator.azure.deletionTimeout", "59s", PATTERN),
    ("operator.azure.deletionTimeout", "0m", PATTERN),
    ("operator.azure.deletionTimeout", "1441m", PATTERN),
    ("operator.azure.deletionTimeout", "25h", PATTERN),
    ("operator.azure.deletionTimeout", "", PATTERN),
    ("defaultClass.spec.identities", ["payments"], PATTERN),
    ("operator.podMonitor.interval", "30 s", PATTERN),
    ("provider.resources.limits", {"memory": "128 MB"}, PATTERN),
    ("operator.resources.requests", {"cpu": "10M i"}, PATTERN),
    ("provider.updateStrategy.rollingUpdate.maxSurge", "half", PATTERN),
    # Names.
    ("provider.name", "azure.sock", PATTERN),
    ("provider.name", "", PATTERN),
    ("fullnameOverride", "Vault_Bind", PATTERN),
    ("nameOverride", "vault bind", PATTERN),
    ("imagePullSecrets", [{"name": ""}], "minLength: got 0"),
    ("defaultClass.name", "", "minLength: got 0"),
    ("defaultClass.name", "Default", PATTERN),
    ("defaultClass.spec.vaults", ["https://kv.vault.azure.net"], PATTERN),
    ("operator.serviceAccount.name", "Operator", PATTERN),
    ("operator.priorityClassName", "High!", PATTERN),
    ("operator.watchNamespaces", ["Payments"], PATTERN),
    ("operator.watchNamespaces", ["payments.shop"], PATTERN),
    ("operator.watchNamespaces", ["a", "a"], "items at 0 and 1 are equal"),
    ("provider.podLabels.a b", "c", UNKNOWN),
    ("provider.podLabels", {"team": "a b"}, PATTERN),
    ("operator.podAnnotations./a", "", UNKNOWN),
    ("provider.trustedCA.key", "a/b", PATTERN),
    ("operator.extraEnv", [{"name": "A=B"}], PATTERN),
    ("provider.extraArgs", ["debug"], PATTERN),
    # Images.
    ("provider.image.repository", "https://registry.example/vaultbind", PATTERN),
    ("provider.image.repository", "registry.example/vaultbind:v1", PATTERN),
    ("operator.image.repository", "registry.example/vaultbind@sha256:1", PATTERN),
    ("operator.image.tag", "v1:latest", PATTERN),
    ("provider.image.digest", "sha256:1", PATTERN),
    ("provider.image.pullPolicy", "always", CHOICE),
    # Addresses, hosts, paths.
    ("provider.providersDir", "run", PATTERN),
    ("provider.http.healthzPath", '/a"b', PATTERN),
    ("provider.http.address", "localhost", PATTERN),
    ("provider.allowVaultHosts", ["https://kv.corp.example"], PATTERN),
    ("provider.allowVaultHosts", ["10.0.0.1"], PATTERN),
    ("provider.identityBinding.url", "http://proxy.example", PATTERN),
    ("provider.identityBinding.url", "https://user@proxy.example", PATTERN),
    ("provider.identityBinding.url", "https://proxy.example/?a=b", PATTERN),
    ("provider.identityBinding", {"enabled": True, "sniName": "a b"}, "sniName"),
    ("operator.identityBinding.url", "http://proxy.example", PATTERN),
    ("operator.identityBinding.uri", "https://proxy.example", UNKNOWN),
    # A name without a token proxy.
    ("provider.identityBinding.sniName", "a.ests.aks", "maxLength: got 10"),
    ("operator.identityBinding.sniName", "a.ests.aks", "maxLength: got 10"),
    ("operator.allowVaultHosts", ["kv.corp.example/path"], PATTERN),
    ("operator.dnsConfig.nameservers", ["dns.example"], PATTERN),
    ("operator.hostAliases", [{"ip": "10.0.0.1", "hostnames": []}], "minItems: got 0"),
    ("operator.proxy.httpsProxy", "http://proxy.example :3128", PATTERN),
    # Choices, and what goes together.
    ("provider.cloudName", "AzureGermanCloud", CHOICE),
    ("provider.dnsPolicy", "clusterFirst", CHOICE),
    ("defaultClass.spec.detection", "Provider", CHOICE),
    # It would be a token of Kubernetes.
    ("defaultClass.spec.secretTypes", ["kubernetes.io/service-account-token"], CHOICE),
    ("provider.tolerations", [{"operator": "exists"}], CHOICE),
    ("provider.updateStrategy.type", "Recreate", CHOICE),
    ("provider.trustedCA", {"configMapName": "a", "secretName": "b"}, "maxLength: got 1"),
    ("operator.azure.clientID", "operator", PATTERN),
    ("operator.azure", {"tenantID": "contoso.onmicrosoft.com"}, "minLength: got 0"),
)

# Objects of Kubernetes that the API server checks; their fields grow with it.
OPEN = {"global", "valueFrom", "claims", "podSecurityContext", "securityContext", "nodeAffinity", "podAffinity",
        "podAntiAffinity", "topologySpreadConstraints", "namespaceSelector"}


def open_objects(schema, name=""):
    """Names of the objects in a schema that take any key."""
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        yield name
    for key in ("properties", "definitions"):
        for inner, its in schema.get(key, {}).items():
            yield from open_objects(its, inner)
    if "items" in schema:
        yield from open_objects(schema["items"], name)


class Refusals(unittest.TestCase):
    def test_wrong_values_are_refused_with_their_path(self):
        for path, value, message in REFUSED:
            keys = path.split(".")
            with self.subTest(path=path, value=value):
                done = helm(with_value(keys, value))
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("values don't meet the specifications of the schema", done.stderr)
                where = keys[:-1] if message == UNKNOWN and not isinstance(value, list) else keys
                self.assertIn(f"at '{'/'.join(['', *where])}", done.stderr)
                self.assertIn(keys[-1], done.stderr)
                self.assertIn(message, done.stderr)

    def test_no_key_is_taken_that_means_nothing(self):
        schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
        self.assertEqual(set(open_objects(schema)), OPEN)


if __name__ == "__main__":
    unittest.main()
