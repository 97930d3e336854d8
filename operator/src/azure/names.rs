//! What the operator calls what it makes in Azure. A name follows from what is made alone, so an operator
//! that has lost its memory makes nothing twice, and knows what it has made.

use uuid::Uuid;

use crate::observed::{Assignment, Credential};

/// The namespace of the names here, in the sense of RFC 9562. It never changes: names would, too.
const NAMESPACE: Uuid = Uuid::from_u128(0x0bbc_b793_eb7e_45cc_bb30_54be_9204_da00);

/// Names of federated credentials are at most so long.
const MAX_CREDENTIAL: usize = 120;

/// Hexadecimal digits that tell apart what is the same once it is cut and made fit.
const DIGITS: usize = 10;

/// What a subject begins with that is a ServiceAccount.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// What stands before the namespace in the description of an assignment.
const MADE_FOR: &str = "Made by vaultbind for namespace ";

/// The name of the federated credential for an issuer and a subject: `vaultbind-NAMESPACE-NAME-HASH` for
/// a ServiceAccount.
pub fn credential_name(issuer: &str, subject: &str) -> String {
    const PREFIX: &str = "vaultbind-";
    let who = subject.strip_prefix(SERVICE_ACCOUNT).unwrap_or(subject);
    let room = MAX_CREDENTIAL - PREFIX.len() - DIGITS - 1;
    let who: String = who
        .chars()
        .map(|c| if is_fit(c) { c } else { '-' })
        .take(room)
        .collect();
    let hash = digest(&[issuer, subject]).simple().to_string();
    let hash = hash.get(..DIGITS).unwrap_or_default();
    format!("{PREFIX}{who}-{hash}")
}

/// The name of the assignment of a role to a principal on a scope, made for bindings of a namespace of the
/// cluster with the issuer.
pub fn assignment_name(
    issuer: &str,
    namespace: &str,
    scope: &str,
    role_id: &str,
    principal: &str,
) -> Uuid {
    let parts = [issuer, namespace, scope, role_id, principal].map(str::to_ascii_lowercase);
    digest(&parts.each_ref().map(String::as_str))
}

/// Whether this operator has made a credential for a ServiceAccount of a namespace. Whoever else makes one
/// calls it something else, except if they mean to be taken for the operator.
pub fn is_our_credential(credential: &Credential, issuer: &str, namespace: &str) -> bool {
    let Credential {
        name,
        issuer: theirs,
        subject: Some(subject),
        audiences: _,
    } = credential
    else {
        return false;
    };
    let who = subject.strip_prefix(SERVICE_ACCOUNT);
    let who = who.and_then(|who| who.split_once(':'));
    theirs == issuer
        && who.is_some_and(|(of, name)| of == namespace && !name.is_empty())
        && name.eq_ignore_ascii_case(&credential_name(issuer, subject))
}

/// Whether this operator has made an assignment for bindings of a namespace.
pub fn is_our_assignment(assignment: &Assignment, issuer: &str, namespace: &str) -> bool {
    let Assignment {
        id,
        role,
        principal,
        scope,
        conditional: _,
        description: _,
    } = assignment;
    let name = id.rsplit('/').next().unwrap_or_default();
    let ours = assignment_name(issuer, namespace, scope, role, principal);
    name.eq_ignore_ascii_case(&ours.to_string())
}

/// What is written beside an assignment, for people, and for whoever looks for what is left of a namespace.
pub fn description(issuer: &str, namespace: &str) -> String {
    format!("{MADE_FOR}{namespace} of {issuer}")
}

/// The namespace that is written beside an assignment, if it was made for the cluster with the issuer. Anybody
/// can write so: [`is_our_assignment`] tells whether it is true.
pub fn described_namespace<'a>(assignment: &'a Assignment, issuer: &str) -> Option<&'a str> {
    let text = assignment.description.as_deref()?;
    let (namespace, of) = text.strip_prefix(MADE_FOR)?.split_once(" of ")?;
    (of == issuer).then_some(namespace)
}

/// The namespace of a ServiceAccount that is the subject of a credential.
pub fn subject_namespace(credential: &Credential) -> Option<&str> {
    let who = credential
        .subject
        .as_deref()?
        .strip_prefix(SERVICE_ACCOUNT)?;
    let (namespace, _) = who.split_once(':')?;
    Some(namespace)
}

/// What may be in the name of a credential.
fn is_fit(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Each part comes with its length, so no two lists of parts are the same text.
fn digest(parts: &[&str]) -> Uuid {
    let text: String = (parts.iter())
        .map(|part| format!("{}:{part}", part.len()))
        .collect();
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ISSUER: &str = "https://oidc.cluster.example/";
    const SUBJECT: &str = "system:serviceaccount:shop:web";
    const ROLE: &str = "4633458b-17de-408a-b874-0445c86b69e6";
    const PRINCIPAL: &str = "72f988bf-0000-4000-8000-0000000000e4";
    const SCOPE: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v";

    fn credential(name: &str, issuer: &str, subject: Option<&str>) -> Credential {
        Credential {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.map(str::to_owned),
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
        }
    }

    fn assignment(name: &str, scope: &str) -> Assignment {
        Assignment {
            id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"),
            role: ROLE.to_owned(),
            principal: PRINCIPAL.to_owned(),
            scope: scope.to_owned(),
            conditional: false,
            description: None,
        }
    }

    /// Another name for the same would leave what is there behind.
    #[test]
    fn names_never_change() {
        assert_eq!(
            credential_name(ISSUER, SUBJECT),
            "vaultbind-shop-web-bc54915afb"
        );
        let name = assignment_name(ISSUER, "shop", SCOPE, ROLE, PRINCIPAL);
        assert_eq!(name.to_string(), "be3bccf4-b96c-5fd1-933d-3e623cf6bf8a");
    }

    #[test]
    fn credentials_of_others_that_look_alike_have_other_names() {
        let name = credential_name(ISSUER, SUBJECT);
        for (issuer, subject) in [
            ("https://oidc.cluster.example", SUBJECT),
            (ISSUER, "system:serviceaccount:shop-web:x"),
            (ISSUER, "system:serviceaccount:shop:Web"),
            (ISSUER, "shop:web"),
            (
                "https://oidc.cluster.example/system:",
                "serviceaccount:shop:web",
            ),
        ] {
            assert_ne!(credential_name(issuer, subject), name, "{issuer} {subject}");
        }
        let long = |c: char| format!("{SUBJECT}{}{c}", "x".repeat(250));
        let (a, b) = (
            credential_name(ISSUER, &long('a')),
            credential_name(ISSUER, &long('b')),
        );
        assert_eq!(a.len(), MAX_CREDENTIAL);
        assert_ne!(a, b);
        assert_eq!(a[..MAX_CREDENTIAL - DIGITS], b[..MAX_CREDENTIAL - DIGITS]);
    }

    #[test]
    fn a_credential_is_ours_by_its_name_for_its_issuer_and_subject() {
        let name = credential_name(ISSUER, SUBJECT);
        let is_ours = |name: &str, issuer, subject| {
            is_our_credential(&credential(name, issuer, subject), ISSUER, "shop")
        };
        assert!(is_ours(&name, ISSUER, Some(SUBJECT)));
        assert!(is_ours(&name.to_uppercase(), ISSUER, Some(SUBJECT)));
        let elsewhere = "system:serviceaccount:pay:web";
        let nobody = "system:serviceaccount:shop:";
        for (name, issuer, subject) in [
            ("shop-web", ISSUER, Some(SUBJECT)),
            (&name, ISSUER, None),
            (&name, ISSUER, Some("system:serviceaccount:shop:api")),
            (&name, "https://other.example/", Some(SUBJECT)),
            (
                &credential_name("https://other.example/", SUBJECT),
                "https://other.example/",
                Some(SUBJECT),
            ),
            (&credential_name(ISSUER, elsewhere), ISSUER, Some(elsewhere)),
            (&credential_name(ISSUER, nobody), ISSUER, Some(nobody)),
            (
                &credential_name(ISSUER, "shop:web"),
                ISSUER,
                Some("shop:web"),
            ),
        ] {
            assert!(
                !is_ours(name, issuer, subject),
                "{name} {issuer} {subject:?}"
            );
        }
    }

    #[test]
    fn the_namespace_stands_beside_an_assignment_and_in_a_subject() {
        let mut one = assignment("x", SCOPE);
        assert_eq!(described_namespace(&one, ISSUER), None);
        one.description = Some(description(ISSUER, "shop"));
        assert_eq!(described_namespace(&one, ISSUER), Some("shop"));
        assert_eq!(described_namespace(&one, "https://other.example/"), None);
        one.description = Some("Made by hand for shop".to_owned());
        assert_eq!(described_namespace(&one, ISSUER), None);

        let of = |subject| credential("x", ISSUER, subject);
        assert_eq!(subject_namespace(&of(Some(SUBJECT))), Some("shop"));
        assert_eq!(subject_namespace(&of(Some("repo:shop/web"))), None);
        assert_eq!(subject_namespace(&of(None)), None);
    }

    #[test]
    fn an_assignment_is_ours_by_its_name_for_what_it_assigns() {
        let name = assignment_name(ISSUER, "shop", SCOPE, ROLE, PRINCIPAL).to_string();
        let ours = assignment(&name, SCOPE);
        assert!(is_our_assignment(&ours, ISSUER, "shop"));
        let upper = assignment(&name.to_uppercase(), &SCOPE.to_uppercase());
        assert!(is_our_assignment(&upper, &ISSUER.to_uppercase(), "shop"));

        assert!(!is_our_assignment(&ours, ISSUER, "pay"));
        assert!(!is_our_assignment(&ours, "https://other.example/", "shop"));
        let changes: [fn(&mut Assignment); 4] = [
            |other| other.scope.push('w'),
            |other| other.role = "21090545-7ca7-4776-b22c-e363652d74d2".to_owned(),
            |other| other.principal = ROLE.to_owned(),
            |other| other.id.push('0'),
        ];
        for change in changes {
            let mut other = ours.clone();
            change(&mut other);
            assert!(!is_our_assignment(&other, ISSUER, "shop"), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn azure_takes_each_name(issuer in any::<String>(), subject in any::<String>()) {
            let name = credential_name(&issuer, &subject);
            prop_assert!((3..=MAX_CREDENTIAL).contains(&name.len()), "{}", name);
            prop_assert!(name.starts_with("vaultbind-"));
            prop_assert!(name.chars().all(is_fit), "{}", name);
        }

        #[test]
        fn nothing_is_ours_by_chance(name in any::<String>(), subject in any::<Option<String>>()) {
            let theirs = credential(&name, ISSUER, subject.as_deref());
            prop_assert!(!is_our_credential(&theirs, ISSUER, "shop"));
            prop_assert!(!is_our_assignment(&assignment(&name, SCOPE), ISSUER, "shop"));
        }
    }
}
