"""Combinations of values, and the whole text that each renders.

A file of values/ is a combination that somebody uses; its first line says who. A line `# helm: …` has further
arguments of helm. What it renders is in the file of the same name in snapshots/, so that a change of a template
shows where it counts. `UPDATE_SNAPSHOTS=1 make chart` writes the snapshots anew.
"""

import functools
import os
import re
import subprocess
import unittest

import kubernetes_validate
import yaml

from rendering import CHART, KUBERNETES, ROOT

VALUES = ROOT / "charts/tests/values"
SNAPSHOTS = ROOT / "charts/tests/snapshots"
# They are files of the chart, and compared with these elsewhere.
NAMED_ONLY = ("CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
# Their schemas are not those of Kubernetes; the API server judges them with its own.
OF_OTHERS = ("CustomResourceDefinition", "PodMonitor", "VaultClass")


def combinations():
    return sorted(VALUES.glob("*.yaml"))


def arguments(file):
    """Those of helm: of all combinations, then those of this one, which win."""
    own = re.findall(r"^# helm: (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    found = ["--namespace", "kube-system", "--kube-version", KUBERNETES[-1], "--values", str(file)]
    return found + " ".join(own).split()


def helm(*args):
    done = subprocess.run([os.environ["HELM"], *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


@functools.cache
def documents(file):
    """The text of each object, and the object."""
    text = helm("template", "vaultbind", str(CHART), *arguments(file))
    parts = [part.strip("\n") for part in re.split(r"^---$", text, flags=re.MULTILINE)]
    return [(part, yaml.safe_load(part)) for part in parts if yaml.safe_load(part)]


def snapshot(found):
    """The text of a snapshot: long objects that are files of the chart are but named."""
    texts = []
    for text, item in found:
        if item["kind"] in NAMED_ONLY:
            source = text.splitlines()[0]
            text = f"{source}\n# {item['kind']} {item['metadata']['name']}"
        texts.append(f"---\n{text}\n")
    return "".join(texts)


class Snapshots(unittest.TestCase):
    maxDiff = 20000

    def test_each_combination_renders_its_snapshot(self):
        update = os.environ.get("UPDATE_SNAPSHOTS", "0") not in ("", "0")
        files = combinations()
        self.assertGreaterEqual(len(files), 15)
        for file in files:
            with self.subTest(values=file.name):
                found = snapshot(documents(file))
                path = SNAPSHOTS / file.name
                if update:
                    SNAPSHOTS.mkdir(exist_ok=True)
                    path.write_text(found, encoding="utf-8")
                self.assertTrue(path.exists(), "UPDATE_SNAPSHOTS=1 make chart writes it")
                self.assertEqual(path.read_text(encoding="utf-8"), found)

    def test_no_snapshot_is_without_its_values(self):
        self.assertEqual([f.name for f in sorted(SNAPSHOTS.glob("*"))], [f.name for f in combinations()])

    def test_each_combination_says_what_it_is_for_and_is_another(self):
        said = {}
        for file in combinations():
            lines = file.read_text(encoding="utf-8").splitlines()
            self.assertRegex(lines[0], r"^# [A-Z].*\.$", file.name)
            self.assertNotIn(lines[0], said, file.name)
            text = (SNAPSHOTS / file.name).read_text(encoding="utf-8")
            self.assertNotIn(text, said.values(), file.name)
            said[lines[0]] = text


class Combinations(unittest.TestCase):
    def test_helm_finds_nothing_to_say_of_any(self):
        for file in combinations():
            with self.subTest(values=file.name):
                said = helm("lint", "--strict", str(CHART), *arguments(file))
                self.assertNotIn("[WARNING]", said)
                self.assertNotIn("[ERROR]", said)

    def test_objects_are_valid_for_kubernetes(self):
        seen = set()
        for file in combinations():
            args = arguments(file)
            kubernetes = args[len(args) - 1 - args[::-1].index("--kube-version") + 1]
            for text, item in documents(file):
                # Most are the same in all.
                if item["kind"] not in OF_OTHERS and (kubernetes, text) not in seen:
                    seen.add((kubernetes, text))
                    with self.subTest(values=file.name, kind=item["kind"], name=item["metadata"]["name"]):
                        kubernetes_validate.validate(item, kubernetes, strict=True)

    def test_objects_name_the_chart_and_the_release(self):
        """By these labels one finds what a release has; definitions outlive it."""
        for file in combinations():
            for _, item in documents(file):
                if item["kind"] == "CustomResourceDefinition":
                    continue
                labels = item["metadata"]["labels"]
                with self.subTest(values=file.name, kind=item["kind"], name=item["metadata"]["name"]):
                    self.assertRegex(labels["helm.sh/chart"], r"^vaultbind-[0-9]+\.[0-9]+\.[0-9]+$")
                    self.assertEqual(labels["app.kubernetes.io/instance"], "vaultbind")
                    self.assertIn(labels["app.kubernetes.io/component"], ("provider", "operator"))

    def test_a_namespace_is_named_wherever_there_is_one(self):
        """Without it `helm template | kubectl apply` writes into whichever is current."""
        cluster_wide = {"ClusterRole", "ClusterRoleBinding", "VaultClass", *NAMED_ONLY}
        for file in combinations():
            for _, item in documents(file):
                self.assertEqual("namespace" in item["metadata"], item["kind"] not in cluster_wide,
                                 f"{file.name}: {item['kind']}")


if __name__ == "__main__":
    unittest.main()
