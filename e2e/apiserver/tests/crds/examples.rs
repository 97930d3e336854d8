//! The examples, as people apply them.

use crate::fixture::{server, succeeded};

#[tokio::test]
async fn the_examples_are_taken_without_a_warning() {
    let mut kubectl = server().await.kubectl();
    kubectl.args(["create", "namespace", "payments"]);
    succeeded(kubectl).await;
    for file in ["binding.yaml", "class.yaml", "provisioned.yaml"] {
        let file = vaultbind_apiserver::folder().join("../examples").join(file);
        let mut kubectl = server().await.kubectl();
        // Fields that the schema does not know are errors in kubectl by default.
        kubectl.args(["apply", "--dry-run=server", "-f"]).arg(&file);
        let said = succeeded(kubectl).await;
        assert!(
            said.lines()
                .all(|line| line.ends_with("created (server dry run)")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("binding.yaml");
    let example = vaultbind_apiserver::folder().join("../examples/binding.yaml");
    let example = std::fs::read_to_string(example).unwrap();
    std::fs::write(
        &file,
        example.replace("objectName: payments-jwt", "object: payments-jwt"),
    )
    .unwrap();
    let output = server()
        .await
        .kubectl()
        .args(["apply", "--dry-run=server", "-f"])
        .arg(&file)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.contains("unknown field \"spec.objects[2].object\""),
        "{said}"
    );
}

#[tokio::test]
async fn kubectl_explains_a_field() {
    let mut kubectl = server().await.kubectl();
    kubectl.args(["explain", "vb.spec.objects.file.mode"]);
    let said = succeeded(kubectl).await;
    assert!(said.contains("four octal digits in quotes"), "{said}");
}
