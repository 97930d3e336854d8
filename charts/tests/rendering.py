"""Renders the chart for the tests beside this file.

`make chart` names in the environment HELM, README (what helm-docs makes), PROVIDER and OPERATOR (the built
programs, whose command lines judge the arguments).
"""

import copy
import os
import pathlib
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/vaultbind"
REPOSITORY = "registry.example/vaultbind-"
# The oldest that Chart.yaml allows, and the newest whose schemas are there.
KUBERNETES = ["1.26", "1.37"]


def helm(values, kubernetes=KUBERNETES[-1], chart=CHART):
    """Renders with values given as a tree; the images' repositories need not be repeated."""
    values = copy.deepcopy(values)
    for program in ("provider", "operator"):
        image = values.setdefault(program, {}).setdefault("image", {})
        image.setdefault("repository", REPOSITORY + program)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return subprocess.run(
            [os.environ["HELM"], "template", "vaultbind", chart, "--namespace", "kube-system",
             "--kube-version", kubernetes, "--values", file.name],
            capture_output=True, text=True, check=False,
        )


def render(values, **options):
    """The objects of one rendering."""
    done = helm(values, **options)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [o for o in yaml.safe_load_all(done.stdout) if o]


class Rendered:
    """The objects of one rendering, and of one program its pod: that of a DaemonSet or of a Deployment."""

    def __init__(self, values, workload, **options):
        self.objects = render(values, **options)
        self.kinds = sorted(o["kind"] for o in self.objects)
        self.workload = self.one(workload)
        self.labels = self.workload["spec"]["template"]["metadata"]["labels"]
        self.pod = self.workload["spec"]["template"]["spec"]
        (self.container,) = self.pod["containers"]
        self.args = self.container["args"]
        self.env = {e["name"]: e.get("value", e.get("valueFrom")) for e in self.container.get("env", [])}
        self.ports = {p["name"]: p["containerPort"] for p in self.container["ports"]}
        self.volumes = {v["name"]: v for v in self.pod.get("volumes", [])}

    def all(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def one(self, kind):
        (found,) = self.all(kind)
        return found


def with_value(path, value):
    """A tree of values that has one value at a path."""
    values = tree = {}
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value
    return values
