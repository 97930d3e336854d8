"""What the chart renders of the admission policies, against the files that kubectl applies."""

import re
import unittest

import yaml

from rendering import CHART, ROOT, helm, render, with_value

KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
FILES = sorted((CHART / "policies").glob("*.yaml"))
OPERATOR = "system:serviceaccount:kube-system:vaultbind-operator"


def plain(files=None):
    """The objects of the files, (kind, name) -> object."""
    texts = [file.read_text(encoding="utf-8") for file in (FILES if files is None else files)]
    objects = [o for text in texts for o in yaml.safe_load_all(text)]
    return {(o["kind"], o["metadata"]["name"]): o for o in objects}


def rendered(values, **options):
    """The same of a rendering."""
    objects = [o for o in render(values, **options) if o["kind"] in KINDS]
    found = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    assert len(found) == len(objects), "two have one name"
    return found


def value_of(file):
    """deletion-warning.yaml -> deletionWarning"""
    first, *more = file.stem.split("-")
    return first + "".join(word.capitalize() for word in more)


def switches():
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["policies"]
    return {name: value for name, value in values.items() if name not in ("enabled", "restoreUsers")}


class Policies(unittest.TestCase):
    def test_they_are_those_of_the_files_but_for_labels(self):
        found = rendered({})
        for policy in found.values():
            labels = policy["metadata"].pop("labels")
            self.assertEqual(labels["app.kubernetes.io/managed-by"], "Helm")
            self.assertEqual(labels["app.kubernetes.io/component"], "operator")
        self.assertEqual(found, plain())
        self.assertGreater(len(found), 16)

    def test_each_policy_is_in_force_by_a_binding_of_its_name(self):
        for values in ({}, {"nameOverride": "vb"}):
            found = rendered(values)
            policies = {name for kind, name in found if kind == KINDS[0]}
            self.assertEqual(policies, {name for kind, name in found if kind == KINDS[1]})
            for (kind, name), policy in found.items():
                if kind == KINDS[1]:
                    self.assertEqual(policy["spec"]["policyName"], name)

    def test_what_cannot_be_judged_is_refused(self):
        for (kind, name), policy in plain().items():
            if kind == KINDS[0]:
                # A warning stops nobody.
                warns = name == "vaultbind-deletion-warning"
                self.assertEqual(policy["spec"]["failurePolicy"], "Ignore" if warns else "Fail", name)
                actions = plain()[(KINDS[1], name)]["spec"]["validationActions"]
                self.assertEqual(actions, ["Warn" if warns else "Deny"], name)

    def test_names_and_the_operators_account_are_those_of_the_release(self):
        account = {"create": False, "name": "watcher"}
        found = rendered({"nameOverride": "vb", "operator": {"serviceAccount": account}})
        self.assertEqual(len(found), len(plain()))
        for _, name in found:
            self.assertRegex(name, "^vaultbind-vb-")
        text = yaml.safe_dump(list(found.values()))
        self.assertNotIn(OPERATOR, text)
        users = set(re.findall(r"system:serviceaccount:[a-z-]+:[a-z-]+", text))
        self.assertEqual(users, {"system:serviceaccount:kube-system:watcher"})
        # All of them say who the operator is that did before.
        self.assertEqual(text.count(users.pop()), yaml.safe_dump(list(plain().values())).count(OPERATOR))

    def test_each_file_has_a_value_that_leaves_it_out(self):
        self.assertEqual(set(switches()), {value_of(file) for file in FILES})
        self.assertEqual(set(switches().values()), {True})
        for file in FILES:
            with self.subTest(file=file.name):
                found = rendered(with_value(["policies", value_of(file)], False))
                self.assertEqual(set(found), set(plain()) - set(plain([file])))

    def test_they_can_be_left_out(self):
        for values in ({"policies": {"enabled": False}}, {"operator": {"enabled": False}}):
            self.assertEqual(rendered(values), {})

    def test_kubernetes_before_1_30_has_no_such_thing(self):
        self.assertEqual(rendered({}, kubernetes="1.29"), {})
        for kubernetes in ("1.30", "1.30.0-gke.100", "1.37"):
            self.assertEqual(set(rendered({}, kubernetes=kubernetes)), set(plain()))

    def test_users_who_restore_are_beside_the_operator(self):
        users = ["system:serviceaccount:velero:velero", "alice@example.com"]
        found = rendered({"policies": {"restoreUsers": users}})
        listed = "['" + "', '".join([OPERATOR, *users]) + "']"
        for name in ("vaultbind-managed-classes", "vaultbind-only-bindings-classes"):
            conditions = found[(KINDS[0], name)]["spec"]["matchConditions"]
            self.assertIn(f"!(request.userInfo.username in {listed})", [c["expression"] for c in conditions])
        # The others mind the operator alone.
        text = yaml.safe_dump(list(found.values()), width=1000)
        self.assertEqual(text.count(users[0]), 2)

    def test_wrong_values_are_refused_with_their_path(self):
        for path, value in (
            (["policies", "classuse"], True),
            (["policies", "classUse"], "yes"),
            (["policies", "restoreUsers"], "velero"),
            # It would end the text of an expression.
            (["policies", "restoreUsers"], ["a' || true || '"]),
        ):
            with self.subTest(path=path, value=value):
                done = helm(with_value(path, value))
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("values don't meet the specifications of the schema", done.stderr)
                self.assertIn(path[-1], done.stderr)


class Documentation(unittest.TestCase):
    def setUp(self):
        text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
        _, _, section = text.partition("\n## Admission policies\n")
        section, _, _ = section.partition("\n## ")
        self.rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| [`")]

    def test_its_table_has_each_file_with_its_value(self):
        found = {}
        for row in self.rows:
            (name, link), = re.findall(r"^\| \[`([a-z-]+)`\]\(\.\./charts/vaultbind/policies/([a-z-]+\.yaml)\)", row[0])
            (value,) = re.findall(r"`policies\.([A-Za-z]+)`", row[-1])
            self.assertEqual(f"{name}.yaml", link)
            found[link] = value
        self.assertEqual(len(found), len(self.rows), "a file is there twice")
        self.assertEqual(found, {file.name: value_of(file) for file in FILES})

    def test_it_says_who_is_bound(self):
        for row in self.rows:
            (file,) = [file for file in FILES if f"`{file.stem}`" in row[0]]
            policies = [o for (kind, _), o in plain([file]).items() if kind == KINDS[0]]
            conditions = [c["expression"] for policy in policies for c in policy["spec"]["matchConditions"]]
            binds_operator = any(f"== '{OPERATOR}'" in c for c in conditions)
            self.assertEqual(row[2] == "the operator", binds_operator, row)


if __name__ == "__main__":
    unittest.main()
