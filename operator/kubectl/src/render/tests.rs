//! What rendering tells of whole files. Snapshots are plain YAML; `UPDATE_SNAPSHOTS=1` writes them anew.

mod roles;

use std::path::Path;

use serde_json::json;

use super::*;
use crate::exit::Exit;
use crate::output::{Look, Output as _};
use crate::terminal::Paint;

const ID: &str = "0123456789abcdef0123456789abcdef";

const CLASS: &str = "
apiVersion: vaultbind.dev/v1alpha1
kind: VaultClass
metadata: {name: prod}
spec:
  vaults: [kv-pay*]
  namespaceSelector: {matchLabels: {stage: prod}}
  budgets: {bindingsPerNamespace: 1}
";

fn binding(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: vaultbind.dev/v1alpha1
kind: VaultBinding
metadata: {{name: {name}, namespace: payments}}
spec:
  vault: {{name: kv-payments, tenantID: 11111111-2222-3333-4444-555555555555}}
  identity: {{clientID: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee, serviceAccountName: api}}
{spec}"
    )
}

/// Renders a file with this text, and perhaps versions.
fn rendered(text: &str, versions: Option<&str>) -> RenderReport {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let args = RenderArgs {
        filenames: vec![file("a.yaml", text)],
        recursive: false,
        classes: Vec::new(),
        versions: versions.map(|text| file("versions.yaml", text)),
        lint_only: false,
        identity_roles: false,
        namespace: None,
        output: Format::Table,
    };
    let mut report = run(&args, "2027-01-15T08:00:00Z".parse().unwrap()).unwrap();
    let folder = format!("{}/", folder.path().display());
    for problem in &mut report.problems {
        problem.file = problem.file.replace(&folder, "");
    }
    for note in &mut report.notes {
        *note = note.replace(&folder, "");
    }
    report
}

fn look() -> Look {
    Look {
        paint: Paint::PLAIN,
        wide: false,
        now: "2027-01-15T08:00:00Z".parse().unwrap(),
    }
}

#[test]
fn what_is_rendered_is_that_of_the_snapshots() {
    let several = binding(
        "db",
        &format!(
            "  objects:
  - {{name: db, objectName: payments-db}}
  - {{name: old, objectName: payments-db, version: {ID}}}
  - {{name: tls, type: Certificate, parts: [FullChain, PrivateKey]}}
  - {{name: flags, select: {{prefix: flag-}}}}
  secrets:
  - name: web-tls
    type: kubernetes.io/tls
    data: [{{key: tls.crt, from: tls, part: FullChain}}, {{key: tls.key, from: tls, part: PrivateKey}}]
"
        ),
    );
    let versions = format!(
        "kv-payments:\n  secret/payments-db: {}\n  secret/flag-a: {}\n  certificate/tls: {}\n",
        "1".repeat(32),
        "2".repeat(32),
        "3".repeat(32)
    );
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/binding.yaml");
    let example = std::fs::read_to_string(examples).unwrap();
    let mut differ = Vec::new();
    for (name, text, versions) in [
        ("without-versions", &several, None),
        ("with-versions", &several, Some(versions.as_str())),
        ("example", &example, None),
    ] {
        let report = rendered(text, versions);
        let text = format!("{}{}", report.text(&look()), commented(&report));
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/render/tests/snapshots")
            .join(format!("{name}.yaml"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            differ.push(format!("{name}:\n{text}"));
        }
        assert_eq!(report.exit(), Exit::Fine, "{:?}", report.problems);
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// What is told beside, as comments at the end.
fn commented(report: &RenderReport) -> String {
    let remarks = report.remarks(Paint::PLAIN);
    remarks.lines().map(|line| format!("# {line}\n")).collect()
}

#[test]
fn each_problem_is_told_with_its_place() {
    let good = binding("good", "  objects: [{name: db}]\n");
    let text = [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: not-ours}\n",
        &binding(
            "bad",
            "  objects: [{name: db, objectname: x}]\n  reconcilePolicy: Never\n",
        ),
        &good,
        "kind: [\n",
        &good,
        "apiVersion: vaultbind.dev/v1\nkind: VaultBinding\nmetadata: {name: newer}\n",
    ]
    .join("---\n");
    let report = rendered(&text, None);
    let told: Vec<_> = report
        .problems
        .iter()
        .map(|problem| {
            (
                problem.line,
                problem.object.as_str(),
                problem.field.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (5, "VaultBinding bad", "spec.objects[0].objectname"),
            (5, "VaultBinding bad", "spec.reconcilePolicy"),
            (23, "", ""),
            (24, "VaultBinding good", "metadata.name"),
            (32, "newer", "apiVersion"),
        ],
        "{:#?}",
        report.problems
    );
    assert_eq!(report.exit(), Exit::Wrong);
    assert!(report.remarks(Paint::PLAIN).contains("5 problems."));
}

#[test]
fn the_limits_of_a_class_among_the_files_hold() {
    let of = |name: &str, vault: &str| {
        binding(name, "  vaultClassName: prod\n  objects: [{name: db}]\n")
            .replace("kv-payments", vault)
    };
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: payments, labels: {stage: STAGE}}\n";
    for (files, problem) in [
        (vec![of("a", "kv-pay-1")], None),
        (vec![of("a", "kv-other")], Some("VaultNotAllowed")),
        (
            vec![of("a", "kv-pay-1"), of("b", "kv-pay-1")],
            Some("TooManyBindings"),
        ),
        (
            vec![of("a", "kv-pay-1"), namespace.replace("STAGE", "prod")],
            None,
        ),
        (
            vec![of("a", "kv-pay-1"), namespace.replace("STAGE", "dev")],
            Some("NamespaceNotAllowed"),
        ),
    ] {
        let report = rendered(
            &[&[CLASS.to_owned()], files.as_slice()]
                .concat()
                .join("---\n"),
            None,
        );
        let told: Vec<_> = report
            .problems
            .iter()
            .map(|problem| &problem.message)
            .collect();
        match problem {
            None => assert!(told.is_empty(), "{told:?}"),
            Some(reason) => assert!(told.len() == 1 && told[0].starts_with(reason), "{told:?}"),
        }
    }
    let alone = rendered(&of("a", "kv-other"), None);
    assert_eq!(alone.exit(), Exit::Fine);
    assert!(
        alone.notes[0].contains("VaultClass prod are not looked at: it is not among the files"),
        "{:?}",
        alone.notes
    );
}

#[test]
fn the_status_of_what_kubectl_get_tells_has_the_versions() {
    let mut object: Value = serde_yaml::from_str(&binding(
        "db",
        "  objects: [{name: db}, {name: more, select: {prefix: m-}}]\n",
    ))
    .unwrap();
    object["status"] = json!({
        "objects": [
            {"name": "db", "objectName": "db", "type": "Secret", "state": "Current", "pinned": ID},
            {"name": "more", "objectName": "m-1", "type": "Secret", "state": "Current", "pinned": ID},
        ],
    });
    let report = rendered(&object.to_string(), None);
    let objects = report.objects[0]["spec"]["parameters"]["objects"]
        .as_str()
        .unwrap();
    assert_eq!(objects.matches(ID).count(), 2, "{objects}");
    assert!(
        report.unknown_versions.is_empty() && report.notes.is_empty(),
        "{report:?}"
    );
}

#[test]
fn lint_only_prints_no_objects_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, binding("db", "  objects: [{name: db}]\n")).unwrap();
    let args = |lint_only| RenderArgs {
        filenames: vec![file.clone()],
        recursive: false,
        classes: Vec::new(),
        versions: None,
        lint_only,
        identity_roles: false,
        namespace: None,
        output: Format::Json,
    };
    let all = run(&args(false), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((all.objects.len(), all.unknown_versions.len()), (1, 1));
    let lint = run(&args(true), Timestamp::UNIX_EPOCH).unwrap();
    assert!(lint.objects.is_empty() && lint.unknown_versions.is_empty());
    assert_eq!((lint.looked_at, lint.text(&look()).as_str()), (1, ""));
}

#[test]
fn nothing_of_ours_is_a_mistake_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, "apiVersion: v1\nkind: Secret\n").unwrap();
    let args = RenderArgs {
        filenames: vec![file],
        recursive: false,
        classes: Vec::new(),
        versions: None,
        lint_only: true,
        identity_roles: false,
        namespace: None,
        output: Format::Json,
    };
    let failure = run(&args, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("neither VaultBinding nor VaultClass")
    );
}
