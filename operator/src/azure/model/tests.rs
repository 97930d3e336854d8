use proptest::prelude::*;
use serde_json::json;

use super::*;

const GUID: &str = "72f988bf-0000-4000-8000-0000000000e4";
const ROLE: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v";

fn identity() -> Value {
    json!({"properties": {"tenantId": GUID, "principalId": GUID.to_uppercase(), "clientId": GUID}})
}

fn credential() -> Value {
    json!({"name": "a", "properties": {
        "issuer": "https://issuer.example/",
        "subject": "system:serviceaccount:shop:web",
        "audiences": ["api://AzureADTokenExchange"],
    }})
}

fn vault() -> Value {
    json!({"properties": {
        "vaultUri": "https://v.vault.azure.net/",
        "tenantId": GUID,
        "enableRbacAuthorization": true,
    }})
}

fn assignment() -> Value {
    json!({
        "id": format!("{VAULT}/providers/Microsoft.Authorization/roleAssignments/{GUID}"),
        "properties": {
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{}", ROLE.to_uppercase()),
            "principalId": GUID.to_uppercase(),
            "scope": VAULT,
            "condition": null,
        },
    })
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[test]
fn guids_are_in_lower_case() {
    let identity = ManagedIdentity::read(identity()).unwrap();
    assert_eq!(identity.principal_id, GUID);
    let Assignment {
        role, principal, ..
    } = Assignment::read(assignment()).unwrap();
    assert_eq!((role.as_str(), principal.as_str()), (ROLE, GUID));
    assert_eq!(
        Role::read(json!({"name": ROLE.to_uppercase()})).unwrap().id,
        ROLE
    );
}

#[test]
fn a_credential_may_match_claims_instead_of_a_subject() {
    let mut flexible = credential();
    let properties = flexible["properties"].as_object_mut().unwrap();
    properties.remove("subject");
    properties.insert("claimsMatchingExpression".to_owned(), json!({"value": "x"}));
    for body in [
        flexible,
        with(credential(), "/properties/subject", Value::Null),
    ] {
        assert_eq!(Credential::read(body).unwrap().subject, None);
    }
}

#[test]
fn a_vault_goes_by_roles_only_if_it_says_so() {
    let flag = "/properties/enableRbacAuthorization";
    for (value, expected) in [
        (json!(true), true),
        (json!(false), false),
        (Value::Null, false),
    ] {
        let vault = VaultResource::read(with(vault(), flag, value)).unwrap();
        assert_eq!(vault.uses_roles, expected);
    }
    let mut old = vault();
    old["properties"]
        .as_object_mut()
        .unwrap()
        .remove("enableRbacAuthorization");
    assert!(!VaultResource::read(old).unwrap().uses_roles);
}

#[test]
fn an_empty_condition_is_none() {
    for (condition, expected) in [
        (Value::Null, false),
        (json!(" "), false),
        (json!("x"), true),
    ] {
        let body = with(assignment(), "/properties/condition", condition);
        assert_eq!(Assignment::read(body).unwrap().conditional, expected);
    }
}

#[test]
fn texts_are_bounded_and_in_one_line() {
    let long = format!("a\r\nb{}", "x".repeat(5000));
    let mut body = credential();
    for pointer in [
        "/name",
        "/properties/issuer",
        "/properties/subject",
        "/properties/audiences/0",
    ] {
        body = with(body, pointer, json!(long));
    }
    let Credential {
        name,
        issuer,
        subject,
        audiences,
    } = Credential::read(body).unwrap();
    for text in [name, issuer, subject.unwrap(), audiences[0].clone()] {
        assert_eq!(text.chars().count(), LONGEST);
        assert!(text.starts_with("a  bx"), "{text}");
    }
}

#[test]
fn a_body_of_another_shape_is_none() {
    fn misshapen<T: Shape>(body: Value) {
        let shown = body.to_string();
        assert!(T::read(body).is_err(), "{}: {shown}", T::WHAT);
    }
    for body in [
        Value::Null,
        json!([]),
        json!("x"),
        json!({}),
        json!({"properties": null}),
    ] {
        misshapen::<ManagedIdentity>(body.clone());
        misshapen::<Credential>(body.clone());
        misshapen::<VaultResource>(body.clone());
        misshapen::<Assignment>(body.clone());
        misshapen::<Role>(body.clone());
        misshapen::<Page<Credential>>(body);
    }
    misshapen::<ManagedIdentity>(with(identity(), "/properties/clientId", json!("nobody")));
    misshapen::<Credential>(with(credential(), "/properties/issuer", json!(1)));
    misshapen::<Credential>(with(credential(), "/properties/audiences", json!("x")));
    misshapen::<VaultResource>(with(vault(), "/properties/tenantId", json!("")));
    misshapen::<Assignment>(with(
        assignment(),
        "/properties/roleDefinitionId",
        json!("Reader"),
    ));
    misshapen::<Role>(json!({"name": "Reader"}));
}

#[test]
fn a_page_leads_on_unless_its_link_is_empty() {
    let page = |next| {
        let body = json!({"value": [credential()], "nextLink": next});
        Page::<Credential>::read(body).unwrap()
    };
    let link = "https://management.azure.com/x";
    assert_eq!(page(json!(link)).next.as_deref(), Some(link));
    assert_eq!(page(json!(null)).next, None);
    assert_eq!(page(json!("")).next, None);
    assert_eq!(page(json!(null)).items.len(), 1);
    let short = Page::<Credential>::read(json!({"value": []})).unwrap();
    assert!(short.items.is_empty() && short.next.is_none());
    let odd = json!({"value": [credential(), {"name": "a"}]});
    assert!(Page::<Credential>::read(odd).is_err());
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in any::<String>()) {
        for pointer in ["/id", "/properties/scope", "/properties/roleDefinitionId", "/properties/condition"] {
            if let Ok(read) = Assignment::read(with(assignment(), pointer, json!(text))) {
                prop_assert!(!read.id.contains('\n') && !read.scope.contains('\n'));
                prop_assert_eq!(read.role.len(), 36);
            }
        }
    }
}
