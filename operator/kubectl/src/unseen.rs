//! Limits of a class that cannot be looked at: it is told, and nothing is refused for them.

use std::sync::Arc;

use kube::ResourceExt as _;
use vaultbind_crds::{VaultBinding, VaultClass, VaultClassSpec};
use vaultbind_operator::observed::ClassChoice;

/// Why something is not seen, to go on after its name.
#[derive(Debug)]
pub(crate) struct Unseen {
    /// A class that is named or may be the default.
    pub(crate) class: &'static str,
    /// The namespace's labels.
    pub(crate) namespace: &'static str,
}

impl Unseen {
    /// The class as far as its limits can be looked at.
    pub(crate) fn class(
        &self,
        choice: ClassChoice,
        binding: &VaultBinding,
        namespace_known: bool,
        notes: &mut Vec<String>,
    ) -> ClassChoice {
        let missing = match choice {
            ClassChoice::Chosen(class)
                if class.spec.namespace_selector.is_some() && !namespace_known =>
            {
                notes.push(format!(
                    "whether VaultClass {} admits the namespace is not looked at: {}",
                    class.name_any(),
                    self.namespace
                ));
                let mut class = VaultClass::clone(&class);
                class.spec.namespace_selector = None;
                return ClassChoice::Chosen(Arc::new(class));
            }
            ClassChoice::Chosen(_) | ClassChoice::Several(_) => return choice,
            ClassChoice::None if binding.spec.secrets.is_none() => return choice,
            ClassChoice::None => "the default VaultClass".to_owned(),
            ClassChoice::Missing(name) => format!("VaultClass {name}"),
        };
        notes.push(format!(
            "the limits of {missing} are not looked at: it {}",
            self.class
        ));
        // One that admits what the binding asks for.
        let mut class = VaultClass::new("", VaultClassSpec::default());
        let secrets = binding.spec.secrets.iter().flatten();
        class.spec.secret_types = Some(secrets.map(|secret| secret.type_).collect());
        class.spec.budgets.bindings_per_namespace = i32::MAX;
        ClassChoice::Chosen(Arc::new(class))
    }
}
