//! Deletion, recovery, purge.

use super::secrets::PASSWORD;
use super::*;

#[test]
fn a_deleted_secret_can_be_recovered_or_purged_and_holds_its_name() {
    let vaults = vault(&format!("  softDeleteDays: 7\n{PASSWORD}"));
    let original = get(&vaults, "/secrets/db-password");
    let deleted = call(&vaults, "DELETE", "/secrets/db-password", "");
    assert_eq!(
        (deleted.status, deleted.text("id")),
        (200, original.text("id"))
    );
    assert!(deleted.body.get("value").is_none());
    assert_eq!(
        deleted.text("recoveryId"),
        "https://kv-one.vault.azure.net/deletedsecrets/db-password"
    );
    assert_eq!(deleted.body["deletedDate"], NOW);
    assert_eq!(deleted.body["scheduledPurgeDate"], NOW + 7 * 86_400);
    assert_eq!(
        deleted.body["attributes"]["recoveryLevel"],
        "CustomizedRecoverable+Purgeable"
    );
    assert_eq!(
        get(&vaults, "/secrets/db-password").code(),
        "SecretNotFound"
    );
    assert_eq!(
        get(&vaults, "/deletedsecrets/db-password").body,
        deleted.body
    );
    assert_eq!(
        get(&vaults, "/deletedsecrets").body["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let set = call(&vaults, "PUT", "/secrets/db-password", r#"{"value":"x"}"#);
    assert_eq!((set.status, set.code()), (409, "Conflict"));
    assert_eq!(set.inner(), "ObjectIsDeletedButRecoverable");
    assert!(
        set.message()
            .starts_with("Secret db-password is currently in a deleted but")
    );

    let recovered = call(&vaults, "POST", "/deletedsecrets/db-password/recover", "");
    assert_eq!(
        (recovered.status, recovered.text("id")),
        (200, original.text("id"))
    );
    assert_eq!(get(&vaults, "/secrets/db-password").text("value"), "s3cret");

    call(&vaults, "DELETE", "/secrets/db-password", "");
    let purged = call(&vaults, "DELETE", "/deletedsecrets/db-password", "");
    assert_eq!((purged.status, purged.body), (204, Value::Null));
    assert_eq!(get(&vaults, "/deletedsecrets/db-password").status, 404);
    assert_eq!(
        call(&vaults, "PUT", "/secrets/db-password", r#"{"value":"x"}"#).status,
        200
    );
}

#[test]
fn a_deletion_under_way_is_in_the_way_of_everything() {
    let vaults = vault(PASSWORD);
    vaults.set_deletion_delay("kv-one", 20).unwrap();
    assert_eq!(
        call(&vaults, "DELETE", "/secrets/db-password", "").status,
        200
    );
    assert_eq!(get(&vaults, "/deletedsecrets/db-password").status, 404);
    for (method, target, body) in [
        ("PUT", "/secrets/db-password", r#"{"value":"x"}"#),
        ("POST", "/deletedsecrets/db-password/recover", ""),
        ("DELETE", "/deletedsecrets/db-password", ""),
    ] {
        let answer = call(&vaults, method, target, body);
        assert_eq!(
            (answer.status, answer.inner()),
            (409, "ObjectIsBeingDeleted"),
            "{method}"
        );
    }
    let later = request("GET", "/deletedsecrets/db-password?api-version=7.6", "");
    assert_eq!(send(&vaults, &later, NOW + 20).status, 200);
    assert_eq!(
        send(&vaults, &later, NOW + 90 * 86_400).status,
        404,
        "purged in the end"
    );
}
