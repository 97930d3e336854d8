"""The default VaultClass as it is rendered without a cluster; on a real API server e2e/apiserver installs it."""

import unittest

import yaml

from rendering import CHART, render


def classes(values):
    return [o for o in render(values) if o["kind"] == "VaultClass"]


class DefaultClass(unittest.TestCase):
    def test_it_is_marked_and_kept(self):
        (found,) = classes({})
        self.assertEqual(found["metadata"]["name"], "default")
        self.assertEqual(found["metadata"]["annotations"],
                         {"vaultbind.dev/is-default-class": "true", "helm.sh/resource-policy": "keep"})
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        self.assertEqual(found["spec"], values["defaultClass"]["spec"])
        self.assertEqual(found["spec"]["secretTypes"], ["Opaque", "kubernetes.io/tls"])

    def test_values_change_and_take_away(self):
        spec = {"secretTypes": None, "vaults": ["kv-*"], "budgets": {"bindingsPerNamespace": 5}}
        (found,) = classes({"defaultClass": {"name": "standard", "spec": spec}})
        self.assertEqual(found["metadata"]["name"], "standard")
        self.assertNotIn("secretTypes", found["spec"])
        self.assertEqual(found["spec"]["vaults"], ["kv-*"])
        self.assertEqual(found["spec"]["budgets"], {"bindingsPerNamespace": 5, "vaultRequestsPerSecond": 50})

    def test_it_can_be_left_out(self):
        self.assertEqual(classes({"defaultClass": {"create": False}}), [])
        self.assertEqual(classes({"operator": {"enabled": False}}), [])


if __name__ == "__main__":
    unittest.main()
