use vaultbind_cluster_tests::{Cluster, Site};
use vaultbind_e2e::stage::random;

/// One object of a class, as its entry in `objects`.
pub(crate) fn object(kind: &str, name: &str, more: &[(&str, &str)]) -> String {
    let mut entry = format!("- |\n  objectName: {name}\n  objectType: {kind}\n");
    for (field, value) in more {
        entry += &format!("  {field}: \"{value}\"\n");
    }
    entry
}

/// The `objects` of a class.
pub(crate) fn objects(entries: &[String]) -> String {
    format!("array:\n{}", entries.concat())
}

/// A class of one secret.
pub(crate) fn secret_object(name: &str) -> String {
    objects(&[object("secret", name, &[])])
}

/// A site whose vault holds secrets of these names, and their values.
pub(crate) async fn site_with_secrets<const N: usize>(
    name: &str,
    secrets: [&str; N],
) -> (Site, [String; N]) {
    let values = secrets.map(random);
    let mut vault = "  secrets:\n".to_owned();
    for (secret, value) in secrets.iter().zip(&values) {
        vault += &format!("  - {{name: {secret}, value: {value}}}\n");
    }
    (site(name, &vault).await, values)
}

/// A site with this vault.
pub(crate) async fn site(name: &str, vault: &str) -> Site {
    Site::new(&Cluster::connect().await.unwrap(), name, vault)
        .await
        .unwrap()
}
