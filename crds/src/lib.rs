//! The custom resources of vaultbind: [`VaultBinding`], what a team wants of a vault, and
//! [`VaultClass`], what the platform team allows and presets.
//!
//! The types are the source: [`definitions`] makes the custom resource definitions of them, and the
//! YAML beside this crate's manifest (`make crds`) and `docs/reference/api.md` (`make docs`) are
//! those, written down. What a field means, its limits and its default stand at the field. Limits that
//! a schema cannot express are CEL rules, so that a wrong object is refused when it is written and the
//! refusal says what to write instead.
//!
//! Nothing here talks to a cluster or a vault, and a name stays the text that was written: whoever
//! uses it parses it into a type that cannot hold a bad one.

// The copies of structs that KubeSchema derives are public inside functions.
#![allow(unreachable_pub)]
// Columns look alike to it.
#![allow(clippy::duplicated_attributes)]

pub mod binding;
pub mod class;
mod definition;
#[cfg(test)]
mod docs;
pub mod duration;
mod rules;
pub mod status;

pub use binding::{VaultBinding, VaultBindingSpec};
pub use class::{VaultClass, VaultClassSpec};
pub use definition::definitions;
pub use duration::GoDuration;
pub use status::VaultBindingStatus;

/// The API group of both resources.
pub const GROUP: &str = "vaultbind.dev";

/// The version of the API.
pub const VERSION: &str = "v1alpha1";

/// Annotation that makes a [`VaultClass`] the class of bindings that name none, with the value `true`.
pub const DEFAULT_CLASS_ANNOTATION: &str = "vaultbind.dev/is-default-class";
