//! Ids of resources, which Azure compares without regard to case.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use uuid::Uuid;

/// As long as an id may be; so long are ids in the status of a binding.
const MAX_LENGTH: usize = 1024;

const RESOURCE_GROUPS: &str = "resourceGroups";
const PROVIDERS: &str = "providers";

/// The id of a resource in a subscription, such as
/// `/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.KeyVault/vaults/NAME`.
///
/// It shows itself as it was written. Two are equal if they differ in case alone.
#[derive(Debug, Clone)]
pub struct ResourceId {
    text: String,
    key: String,
}

/// A text is not the id of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a resource id, which looks like \
     /subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/TYPE/NAME"
)]
pub struct NotAnId;

impl ResourceId {
    /// The id in lower case, by which resources are told apart.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Id of the subscription, a GUID.
    pub fn subscription(&self) -> &str {
        self.text.split('/').nth(2).unwrap_or_default()
    }

    /// The resource group, if it is in one.
    pub fn group(&self) -> Option<&str> {
        let mut segments = self.text.split('/').skip(3);
        let word = segments.next()?;
        let group = segments.next()?;
        word.eq_ignore_ascii_case(RESOURCE_GROUPS).then_some(group)
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// Provider and types, such as `Microsoft.KeyVault/vaults`, as they were written. Of what is on another
    /// resource, like a role assignment, its own.
    pub fn resource_type(&self) -> String {
        let mut words = Vec::new();
        for (word, value) in pairs(&self.text).skip(1) {
            if word.eq_ignore_ascii_case(PROVIDERS) {
                words = vec![value];
            } else if !words.is_empty() {
                words.push(word);
            }
        }
        words.join("/")
    }

    /// Whether it is of such a type.
    pub fn is_a(&self, resource_type: &str) -> bool {
        self.resource_type().eq_ignore_ascii_case(resource_type)
    }

    /// The id of something in it, such as `federatedIdentityCredentials` of an identity.
    pub fn child(&self, type_: &str, name: &str) -> Result<Self, NotAnId> {
        self.below(&[type_, name])
    }

    /// The id of something on it that belongs to another provider, such as a role assignment.
    pub fn extension(&self, resource_type: &str, name: &str) -> Result<Self, NotAnId> {
        let (provider, type_) = resource_type.split_once('/').ok_or(NotAnId)?;
        self.below(&["providers", provider, type_, name])
    }

    /// A text with a slash in a segment is one with more segments, which is not what was asked for.
    fn below(&self, segments: &[&str]) -> Result<Self, NotAnId> {
        let all_good = segments.iter().all(|segment| is_segment(segment));
        let id = format!("{}/{}", self.text, segments.join("/"));
        all_good.then_some(id).ok_or(NotAnId)?.parse()
    }
}

/// An id is a path of pairs: a word and what it names.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut segments = text.split('/').skip(1);
    std::iter::from_fn(move || Some((segments.next()?, segments.next().unwrap_or_default())))
}

/// Letters of all scripts, as resource groups may have. What has a meaning in a URL is not among the rest.
fn is_segment(text: &str) -> bool {
    let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    !text.is_empty() && text.chars().all(is_fit) && text.chars().any(|c| c != '.')
}

impl FromStr for ResourceId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let path = text.strip_prefix('/').ok_or(NotAnId)?;
        if text.len() > MAX_LENGTH || !path.split('/').all(is_segment) {
            return Err(NotAnId);
        }
        let mut pairs = pairs(text).peekable();
        let (word, subscription) = pairs.next().ok_or(NotAnId)?;
        let is_subscription = word.eq_ignore_ascii_case("subscriptions")
            && subscription.len() == 36
            && Uuid::try_parse(subscription).is_ok();
        pairs.next_if(|(word, group)| {
            word.eq_ignore_ascii_case(RESOURCE_GROUPS) && group.chars().count() <= 90
        });
        // Each provider has types behind it, and the last one, too.
        let mut needs_provider = true;
        let mut needs_type = true;
        for (word, value) in pairs {
            let is_provider = word.eq_ignore_ascii_case(PROVIDERS);
            let is_due = match is_provider {
                true => needs_provider || !needs_type,
                false => !needs_provider,
            };
            if value.is_empty() || !is_due {
                return Err(NotAnId);
            }
            needs_provider = false;
            needs_type = is_provider;
        }
        if !is_subscription || needs_type {
            return Err(NotAnId);
        }
        Ok(Self {
            key: text.to_ascii_lowercase(),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GROUP: &str = "/subscriptions/72f988bf-0000-4000-8000-0000000000f1/resourceGroups/shop";
    const VAULT: &str = "/providers/Microsoft.KeyVault/vaults/kv-shop";
    const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_is_taken_apart_and_shown_as_it_was_written() {
        let secret = format!("{GROUP}{VAULT}/secrets/db");
        let on_secret = format!("{secret}/providers/{ASSIGNMENTS}/x");
        let in_subscription = GROUP.replace("/resourceGroups/shop", VAULT);
        for (text, group, type_, name) in [
            (
                format!("{GROUP}{VAULT}"),
                Some("shop"),
                "Microsoft.KeyVault/vaults",
                "kv-shop",
            ),
            (
                secret,
                Some("shop"),
                "Microsoft.KeyVault/vaults/secrets",
                "db",
            ),
            (on_secret, Some("shop"), ASSIGNMENTS, "x"),
            (
                in_subscription,
                None,
                "Microsoft.KeyVault/vaults",
                "kv-shop",
            ),
        ] {
            let id = id(&text);
            assert_eq!(id.to_string(), text);
            assert_eq!(
                id.subscription(),
                "72f988bf-0000-4000-8000-0000000000f1",
                "{text}"
            );
            assert_eq!(id.group(), group, "{text}");
            assert_eq!(id.resource_type(), type_, "{text}");
            assert!(id.is_a(&type_.to_uppercase()), "{text}");
            assert_eq!(id.name(), name, "{text}");
        }
    }

    #[test]
    fn case_makes_no_difference() {
        let (one, other) = (
            format!("{GROUP}{VAULT}"),
            format!("{GROUP}{VAULT}").to_uppercase(),
        );
        assert_eq!(id(&one), id(&other));
        assert_eq!(id(&one).key(), id(&other).key());
        let both = std::collections::HashSet::from([id(&one), id(&other)]);
        assert_eq!(both.len(), 1);
        assert_ne!(id(&one), id(&format!("{one}s")));
    }

    #[test]
    fn what_is_no_resource_id_is_refused() {
        for text in [
            "",
            "/",
            "kv-shop",
            GROUP,
            &format!("{GROUP}{VAULT}/"),
            &format!("{GROUP}{VAULT}/secrets"),
            &format!("{GROUP}/providers/Microsoft.KeyVault"),
            &format!("{GROUP}{VAULT}/providers/Microsoft.Authorization"),
            &format!("{GROUP}/providers/Microsoft.KeyVault/providers/Microsoft.KeyVault/vaults/a"),
            &format!("{GROUP}/vaults/kv-shop"),
            &format!("{GROUP}/resourceGroups/other{VAULT}"),
            &format!("{}{VAULT}", GROUP.replace("72f988bf", "mine")),
            &format!("{}{VAULT}", GROUP.replace("subscriptions", "tenants")),
            &format!("{GROUP}{VAULT}?api-version=1"),
            &format!("{GROUP}{VAULT}%2f.."),
            &format!("{GROUP}/../other{VAULT}"),
            &format!("https://management.azure.com{GROUP}{VAULT}"),
            &format!("{GROUP}{VAULT}\n"),
            &format!("{GROUP}{}{VAULT}", "p".repeat(87)),
            &format!("{GROUP}{VAULT}{}", "a".repeat(MAX_LENGTH)),
        ] {
            assert_eq!(text.parse::<ResourceId>(), Err(NotAnId), "{text:?}");
        }
    }

    #[test]
    fn what_is_in_a_resource_or_on_it_has_a_longer_id() {
        let vault = id(&format!("{GROUP}{VAULT}"));
        assert_eq!(
            vault.child("secrets", "db").unwrap().as_str(),
            format!("{vault}/secrets/db")
        );
        assert_eq!(
            vault.extension(ASSIGNMENTS, "x").unwrap().as_str(),
            format!("{vault}/providers/{ASSIGNMENTS}/x")
        );
        for name in ["", "a/b", "..", "a b", "a?b"] {
            assert_eq!(vault.child("secrets", name), Err(NotAnId), "{name:?}");
            assert_eq!(vault.extension(ASSIGNMENTS, name), Err(NotAnId), "{name:?}");
        }
        assert_eq!(vault.extension("roleAssignments", "x"), Err(NotAnId));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in any::<String>(), tail in "[/a-zA-Zß. -]{0,60}", name in any::<String>()) {
            for text in [text.clone(), format!("{GROUP}{text}"), format!("{GROUP}/providers/{tail}")] {
                let Ok(id) = text.parse::<ResourceId>() else {
                    continue;
                };
                prop_assert_eq!(id.to_string(), text);
                prop_assert_eq!(&id.key().parse::<ResourceId>().unwrap(), &id);
                prop_assert!(!id.name().is_empty());
                prop_assert!(id.resource_type().contains('/'));
                if let Ok(child) = id.child("secrets", &name) {
                    prop_assert_eq!(child.name(), &name);
                    prop_assert_eq!(child.resource_type(), format!("{}/secrets", id.resource_type()));
                }
            }
        }
    }
}
