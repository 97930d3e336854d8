//! What the metadata of a dry run tells: whose fields are whose.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use super::{LOOKING, MANAGER};
use crate::observed::Written;
use crate::plan::{BINDING_LABEL, MADE_FROM_ANNOTATION, MANAGED_BY_LABEL, WantedSecret};

/// What a look at a Secret showed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Looked {
    /// There is none.
    Absent,
    /// It is the binding's.
    Own(Box<ObjectMeta>),
    /// It is not the binding's, but its owner has put the binding's labels on it.
    HandedOver(Box<ObjectMeta>),
    /// It is not the binding's.
    Foreign,
}

/// Reads the metadata that a dry run answers with.
pub(super) fn looked(metadata: ObjectMeta) -> Looked {
    // What is not stored has no version.
    if (metadata.resource_version.as_deref()).is_none_or(str::is_empty) {
        return Looked::Absent;
    }
    let labelled = [MANAGED_BY_LABEL, BINDING_LABEL].iter().all(|label| {
        let path = ["f:metadata", "f:labels", &format!("f:{label}")];
        let mut entries = metadata.managed_fields.iter().flatten();
        entries.any(|entry| entry.manager.as_deref() != Some(LOOKING) && has(entry, &path))
    });
    let annotations = metadata.annotations.as_ref();
    let made = annotations.is_some_and(|all| all.contains_key(MADE_FROM_ANNOTATION));
    // What was restored from a backup has no managers, but says what it was made from.
    if own(&metadata).is_some() || labelled && made {
        Looked::Own(Box::new(metadata))
    } else if labelled {
        Looked::HandedOver(Box::new(metadata))
    } else {
        Looked::Foreign
    }
}

/// What the operator itself has applied.
fn own(metadata: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    metadata.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    })
}

/// Why a Secret that is the binding's has to be written; nothing if it is as wanted.
pub(crate) fn difference(metadata: &ObjectMeta, wanted: &WantedSecret) -> Option<Written> {
    let annotations = metadata.annotations.as_ref();
    let made_from = annotations.and_then(|all| all.get(MADE_FROM_ANNOTATION));
    if made_from.is_some_and(|made_from| made_from != wanted.made_from()) {
        return Some(Written::Updated);
    }
    // A field that somebody else has changed or removed is no longer the operator's.
    let Some(own) = own(metadata) else {
        return Some(Written::Repaired);
    };
    let wants = wanted.data.iter().map(|key| format!("f:{}", key.key));
    let wants: BTreeSet<String> = wants.collect();
    let labels = wanted.metadata.labels.iter().flatten();
    let mut labels = labels.map(|(label, _)| format!("f:{label}"));
    let annotation = format!("f:{MADE_FROM_ANNOTATION}");
    let whole = keys(own, &["f:data"]) == wants
        && labels.all(|label| has(own, &["f:metadata", "f:labels", &label]))
        && has(own, &["f:metadata", "f:annotations", &annotation]);
    if !whole {
        return Some(Written::Repaired);
    }
    (owners(metadata) != owners(&wanted.metadata)).then_some(Written::Updated)
}

/// The bindings that own it.
fn owners(metadata: &ObjectMeta) -> BTreeMap<&str, &str> {
    let owners = metadata.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.kind == "VaultBinding")
        .map(|owner| (owner.uid.as_str(), owner.name.as_str()))
        .collect()
}

fn at<'a>(entry: &'a ManagedFieldsEntry, path: &[&str]) -> Option<&'a Value> {
    let fields = &entry.fields_v1.as_ref()?.0;
    path.iter()
        .try_fold(fields, |fields, step| fields.get(*step))
}

fn has(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    at(entry, path).is_some()
}

/// The fields below a path, without the path itself.
fn keys(entry: &ManagedFieldsEntry, path: &[&str]) -> BTreeSet<String> {
    let below = at(entry, path).and_then(Value::as_object);
    let keys = below.into_iter().flat_map(|below| below.keys());
    keys.filter(|key| *key != ".").cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vaultbind_crds::binding::{Decode, ObjectType, SecretType};

    use crate::plan::WantedKey;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({
            "manager": manager,
            "operation": operation,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        })
    }

    fn metadata(entries: &[Value], annotation: Option<&str>) -> ObjectMeta {
        let annotations = annotation.map(|text| json!({MADE_FROM_ANNOTATION: text}));
        serde_json::from_value(json!({
            "name": "s",
            "resourceVersion": "7",
            "annotations": annotations,
            "managedFields": entries,
        }))
        .unwrap()
    }

    fn labels() -> Value {
        json!({"f:metadata": {"f:labels": {
            "f:app.kubernetes.io/managed-by": {}, "f:vaultbind.dev/binding": {},
        }}})
    }

    fn whole() -> Value {
        let mut fields = labels();
        fields["f:metadata"]["f:annotations"] = json!({"f:vaultbind.dev/made-from": {}});
        fields["f:data"] = json!({".": {}, "f:a": {}, "f:b": {}});
        fields["f:type"] = json!({});
        fields
    }

    fn without(mut fields: Value, path: &[&str]) -> Value {
        let (last, above) = path.split_last().unwrap();
        let above = above.iter().fold(&mut fields, |at, step| &mut at[*step]);
        above.as_object_mut().unwrap().remove(*last);
        fields
    }

    fn wanted() -> WantedSecret {
        let key = |key: &str| WantedKey {
            key: key.to_owned(),
            type_: ObjectType::Secret,
            object: "db".parse().unwrap(),
            version: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            part: None,
            decode: Decode::None,
        };
        WantedSecret {
            name: "s".to_owned(),
            type_: SecretType::Opaque,
            adopt: false,
            metadata: serde_json::from_value(json!({
                "labels": {MANAGED_BY_LABEL: "vaultbind", BINDING_LABEL: "b"},
                "annotations": {MADE_FROM_ANNOTATION: "v1"},
            }))
            .unwrap(),
            data: vec![key("a"), key("b")],
        }
    }

    #[test]
    fn labels_of_the_look_itself_hand_nothing_over() {
        let look = entry(LOOKING, "Apply", &labels());
        let others = entry("kubectl-create", "Update", &json!({"f:data": {"f:a": {}}}));
        let seen = looked(metadata(&[look.clone(), others], None));
        assert_eq!(seen, Looked::Foreign);
        let one = without(
            labels(),
            &["f:metadata", "f:labels", "f:vaultbind.dev/binding"],
        );
        for (fields, is) in [(labels(), true), (one, false)] {
            let entries = [look.clone(), entry("kubectl-label", "Update", &fields)];
            let seen = looked(metadata(&entries, None));
            assert_eq!(matches!(seen, Looked::HandedOver(_)), is, "{seen:?}");
            let seen = looked(metadata(&entries, Some("v1")));
            assert_eq!(matches!(seen, Looked::Own(_)), is, "{seen:?}");
        }
        let mut unstored = metadata(&[look], None);
        unstored.resource_version = None;
        assert_eq!(looked(unstored), Looked::Absent);
    }

    #[test]
    fn what_somebody_changed_is_no_longer_the_operators() {
        let seen = |fields: &Value, annotation| {
            let metadata = metadata(&[entry(MANAGER, "Apply", fields)], annotation);
            difference(&metadata, &wanted())
        };
        assert_eq!(seen(&whole(), Some("v1")), None);
        assert_eq!(seen(&whole(), Some("v0")), Some(Written::Updated));
        assert_eq!(
            seen(&whole(), None),
            None,
            "the field is still the operator's"
        );
        for path in [
            &["f:data", "f:a"][..],
            &["f:metadata", "f:labels", "f:vaultbind.dev/binding"],
            &["f:metadata", "f:annotations", "f:vaultbind.dev/made-from"],
        ] {
            let fields = without(whole(), path);
            assert_eq!(
                seen(&fields, Some("v1")),
                Some(Written::Repaired),
                "{path:?}"
            );
        }
        let mut more = whole();
        more["f:data"]["f:c"] = json!({});
        assert_eq!(seen(&more, Some("v1")), Some(Written::Repaired));
        let update = metadata(&[entry(MANAGER, "Update", &whole())], Some("v1"));
        assert_eq!(difference(&update, &wanted()), Some(Written::Repaired));
    }

    #[test]
    fn the_owner_comes_and_goes_with_the_deletion_policy() {
        let owner = json!([{
            "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding", "name": "b", "uid": "u",
        }]);
        let mut owned = metadata(&[entry(MANAGER, "Apply", &whole())], Some("v1"));
        let mut wanted = wanted();
        owned.owner_references = serde_json::from_value(owner.clone()).unwrap();
        assert_eq!(difference(&owned, &wanted), Some(Written::Updated));
        wanted.metadata.owner_references = serde_json::from_value(owner).unwrap();
        assert_eq!(difference(&owned, &wanted), None);
    }
}
