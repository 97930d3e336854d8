//! Built-in roles that let somebody read in a vault, or write there. Their ids are the same in all tenants
//! and clouds: <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security>.

/// Names and ids. Those that manage identities and roles are left out: nobody gets them for reading.
const BUILT_IN: [(&str, &str); 8] = [
    (
        "Key Vault Secrets User",
        "4633458b-17de-408a-b874-0445c86b69e6",
    ),
    ("Key Vault Reader", "21090545-7ca7-4776-b22c-e363652d74d2"),
    (
        "Key Vault Certificate User",
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
    ),
    (
        "Key Vault Crypto User",
        "12338af0-0e69-4776-bea7-57ae8d297424",
    ),
    (
        "Key Vault Secrets Officer",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    ),
    (
        "Key Vault Crypto Officer",
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
    ),
    (
        "Key Vault Certificates Officer",
        "a4417e6f-fecd-4de8-b567-7b0420556985",
    ),
    (
        "Key Vault Administrator",
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    ),
];

/// The id of a built-in role, a GUID in lower case, by its name in any case.
pub fn built_in(name: &str) -> Option<&'static str> {
    let known = BUILT_IN.iter();
    known
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, id)| *id)
        .next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        let expected = Some("4633458b-17de-408a-b874-0445c86b69e6");
        for name in ["Key Vault Secrets User", "key vault SECRETS user"] {
            assert_eq!(built_in(name), expected, "{name}");
        }
        for name in ["", "Key Vault", "Owner", "Key Vault Secrets User "] {
            assert_eq!(built_in(name), None, "{name}");
        }
    }

    #[test]
    fn each_role_has_an_id_of_its_own_in_lower_case() {
        let ids: BTreeSet<String> = BUILT_IN
            .iter()
            .map(|(_, id)| Uuid::try_parse(id).unwrap().to_string())
            .collect();
        let known: BTreeSet<String> = BUILT_IN.iter().map(|(_, id)| (*id).to_owned()).collect();
        assert_eq!(ids.len(), BUILT_IN.len());
        assert_eq!(ids, known);
    }
}
