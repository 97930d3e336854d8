//! What lets ServiceAccounts use bound identities.

use super::*;

const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

/// What is printed for a file with this text.
fn printed(text: &str, namespace: Option<&str>) -> RenderReport {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, text).unwrap();
    let args = RenderArgs {
        filenames: vec![file],
        recursive: false,
        classes: Vec::new(),
        versions: None,
        lint_only: false,
        identity_roles: true,
        namespace: namespace.map(str::to_owned),
        output: Format::Table,
    };
    run(&args, Timestamp::UNIX_EPOCH).unwrap()
}

fn bound(name: &str) -> String {
    binding(name, "  objects: [{name: db}]\n")
        .replace("identity: {", "identity: {type: AKSIdentityBinding, ")
}

#[test]
fn each_bound_identity_has_a_role_and_each_binding_its_service_account() {
    let files = [
        bound("db"),
        bound("more").replace(CLIENT, &CLIENT.to_uppercase()),
        binding("plain", "  objects: [{name: db}]\n"),
    ];
    let report = printed(&files.join("---\n"), None);
    assert_eq!(report.exit(), Exit::Fine, "{:?}", report.problems);
    let named: Vec<_> = (report.objects.iter())
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&object["kind"]), text(&object["metadata"]["name"]))
        })
        .collect();
    let role = format!("vaultbind:use-managed-identity:{CLIENT}");
    let expected = [
        ("ClusterRole", role.as_str()),
        ("ClusterRoleBinding", "vaultbind:payments:db"),
        ("ClusterRoleBinding", "vaultbind:payments:more"),
    ];
    assert_eq!(
        named,
        expected.map(|(kind, name)| (kind.to_owned(), name.to_owned()))
    );
    assert_eq!(
        report.objects[0]["rules"],
        json!([{
            "apiGroups": ["cid.wi.aks.azure.com"],
            "resources": [CLIENT],
            "verbs": ["use-managed-identity"],
        }])
    );
    for bound in &report.objects[1..] {
        assert_eq!(bound["roleRef"]["name"], json!(role));
        assert_eq!(
            bound["subjects"],
            json!([{"kind": "ServiceAccount", "namespace": "payments", "name": "api"}])
        );
    }
    assert!(!report.text(&look()).contains("SecretProviderClass"));
}

#[test]
fn nobody_gets_an_identity_in_a_namespace_that_is_only_assumed() {
    let nowhere = bound("db").replace(", namespace: payments", "");
    let report = printed(&nowhere, None);
    assert_eq!(report.exit(), Exit::Wrong);
    assert_eq!(report.objects, Vec::<Value>::new());
    assert_eq!(report.problems[0].field, "metadata.namespace");
    let report = printed(&nowhere, Some("shop"));
    assert_eq!(report.exit(), Exit::Fine, "{:?}", report.problems);
    assert_eq!(report.objects[1]["subjects"][0]["namespace"], json!("shop"));
}
