//! What the class of a binding allows.

use vaultbind_crds::class::{NamespaceSelector, Requirement, SelectorOperator};
use vaultbind_crds::{VaultBinding, VaultClass, VaultClassSpec};

use super::reading::{Reading, What};
use super::reason::{Reason, Stall};
use crate::observed::{ClassChoice, Cluster};

/// The class of a binding; without one there are no limits.
pub(super) fn class(cluster: &Cluster) -> Result<Option<&VaultClass>, Stall> {
    match &cluster.class {
        ClassChoice::None => Ok(None),
        ClassChoice::Chosen(class) => Ok(Some(class)),
        ClassChoice::Missing(name) => Err(Stall::new(
            Reason::ClassMissing,
            format!(
                "there is no VaultClass {name}: create it, or set spec.vaultClassName to one of kubectl \
                 get vaultclasses"
            ),
        )),
        ClassChoice::Several(names) => Err(Stall::new(
            Reason::SeveralDefaultClasses,
            format!(
                "the VaultClasses {} are all marked as the default: set spec.vaultClassName, or leave the \
                 annotation {} on one of them",
                listed(names),
                vaultbind_crds::DEFAULT_CLASS_ANNOTATION
            ),
        )),
    }
}

/// Refuses what the class does not allow.
pub(super) fn check(
    class: &VaultClass,
    binding: &VaultBinding,
    reading: &Reading<'_>,
    cluster: &Cluster,
) -> Result<(), Stall> {
    let spec: &VaultClassSpec = &class.spec;
    let name = class.metadata.name.as_deref().unwrap_or_default();
    let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(selector) = &spec.namespace_selector
        && !selects(selector, cluster)
    {
        return Err(Stall::new(
            Reason::NamespaceNotAllowed,
            format!(
                "VaultClass {name} does not admit the namespace {namespace}: use another class, or give \
                 the namespace the labels of spec.namespaceSelector"
            ),
        ));
    }
    if let Some(patterns) = &spec.vaults {
        let short = reading.host.split('.').next().unwrap_or_default();
        let host = &reading.host;
        if !patterns
            .iter()
            .any(|pattern| matches(pattern, host) || matches(pattern, short))
        {
            return Err(Stall::new(
                Reason::VaultNotAllowed,
                format!(
                    "VaultClass {name} does not admit the vault {host}, only {}: use another vault or \
                     class",
                    listed(patterns)
                ),
            ));
        }
    }
    if let Some(patterns) = &spec.object_names {
        names(name, patterns, namespace, reading)?;
    }
    let most = usize::try_from(spec.budgets.bindings_per_namespace).unwrap_or(0);
    if cluster.older_of_class >= most {
        return Err(Stall::new(
            Reason::TooManyBindings,
            format!(
                "VaultClass {name} admits {most} bindings in a namespace, and {namespace} has as many \
                 that are older: delete one, or raise spec.budgets.bindingsPerNamespace"
            ),
        ));
    }
    Ok(())
}

fn names(
    class: &str,
    patterns: &[String],
    namespace: &str,
    reading: &Reading<'_>,
) -> Result<(), Stall> {
    let patterns: Vec<String> = patterns
        .iter()
        .map(|pattern| pattern.replace("{namespace}", namespace))
        .collect();
    for wish in &reading.wishes {
        let own = &wish.object.name;
        let (allowed, what) = match &wish.what {
            What::Named(name, _) => (
                patterns
                    .iter()
                    .any(|pattern| matches(pattern, name.as_str())),
                format!("the name {name} of object {own}"),
            ),
            What::Selected => {
                let prefix = wish
                    .object
                    .select
                    .as_ref()
                    .and_then(|s| s.prefix.as_deref());
                let prefix = prefix.unwrap_or_default();
                // A pattern has all names with the prefix only if it takes the prefix and then
                // anything.
                let whole = |pattern: &String| pattern.ends_with('*') && matches(pattern, prefix);
                (
                    patterns.iter().any(whole),
                    format!("all names with the prefix \"{prefix}\" of selection {own}"),
                )
            }
        };
        if !allowed {
            return Err(Stall::new(
                Reason::ObjectNameNotAllowed,
                format!(
                    "VaultClass {class} does not admit {what}, only {}: use another name or class",
                    listed(&patterns)
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    let mut text = names
        .iter()
        .take(MOST)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = names.len().checked_sub(MOST).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Whether a text is of a pattern in which `*` stands for any characters. Case does not matter.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let lower = text.to_ascii_lowercase();
    let first = pieces.next().unwrap_or_default().to_ascii_lowercase();
    let Some(mut rest) = lower.strip_prefix(first.as_str()) else {
        return false;
    };
    let mut pieces: Vec<String> = pieces.map(str::to_ascii_lowercase).collect();
    let Some(last) = pieces.pop() else {
        // No star: it is the whole.
        return rest.is_empty();
    };
    for piece in pieces {
        // The first place leaves most for the others.
        match rest.split_once(piece.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

fn selects(selector: &NamespaceSelector, cluster: &Cluster) -> bool {
    let labels = &cluster.namespace_labels;
    let equal = selector.match_labels.iter().flatten();
    let mut equal = equal.map(|(key, value)| labels.get(key) == Some(value));
    let met = |requirement: &Requirement| {
        let value = labels.get(&requirement.key);
        let within = value.is_some_and(|value| {
            let values = requirement.values.iter().flatten();
            values.into_iter().any(|one| one == value)
        });
        match requirement.operator {
            SelectorOperator::In => within,
            SelectorOperator::NotIn => !within,
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    };
    equal.all(|is| is) && selector.match_expressions.iter().flatten().all(met)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_characters_and_case_does_not_matter() {
        for (pattern, text, expected) in [
            ("kv-*-prod", "kv-pay-prod", true),
            ("kv-*-prod", "KV--PROD", true),
            ("kv-*-prod", "kv-prod", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "ab", false),
            ("*a*b", "xaybab", true),
            ("*a*b", "ba", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_plain_definition_says(
            pattern in "[ab*]{0,8}", text in "[ab]{0,10}"
        ) {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
                    Some((c, rest)) => text.split_first().is_some_and(|(t, left)| t == c && plain(rest, left)),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
