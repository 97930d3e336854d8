//! Events of bindings: few, one for each change that somebody should hear of.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tokio::time::timeout;
use tracing::warn;
use vaultbind_crds::VaultBinding;

/// What `events.k8s.io` takes in a note, in bytes.
const LONGEST: usize = 1024;

/// An event that is not taken in this time is left out: the status says the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes events.
#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    reporter: Reporter,
}

impl Events {
    /// `instance` is this replica.
    pub(crate) fn new(client: Client, instance: &str) -> Self {
        Self {
            client,
            reporter: Reporter {
                controller: "vaultbind-operator".to_owned(),
                instance: Some(instance.to_owned()),
            },
        }
    }

    /// Whether the API server has the binding no more. One that merely cannot be read is still there.
    pub(crate) async fn is_gone(&self, binding: &VaultBinding) -> bool {
        let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
        let bindings: Api<VaultBinding> = Api::namespaced(self.client.clone(), namespace);
        let found = timeout(PATIENCE, bindings.get_metadata_opt(&binding.name_any())).await;
        match found {
            Ok(Ok(found)) => found.is_none_or(|found| found.metadata.uid != binding.metadata.uid),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Publishes one about a binding.
    pub(crate) async fn publish(
        &self,
        binding: &VaultBinding,
        warning: bool,
        reason: &str,
        message: &str,
    ) {
        // A recorder puts events of one reason together and then shows the first message only.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        let event = Event {
            type_: if warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: reason.to_owned(),
            note: Some(bounded(message)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let regarding: ObjectReference = binding.object_ref(&());
        let published = timeout(PATIENCE, recorder.publish(&event, &regarding)).await;
        let name = crate::cluster::Name::of(&binding.metadata);
        match published {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(binding = %name, reason, %error, "an event was not taken"),
            Err(_) => warn!(binding = %name, reason, "an event was not taken in time"),
        }
    }
}

fn bounded(text: &str) -> String {
    const MORE: &str = "...";
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let mut end = LONGEST - MORE.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MORE}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(bounded("short"), "short");
        for length in 1000..1040 {
            let cut = bounded(&"ä".repeat(length));
            assert!(cut.len() <= LONGEST && cut.ends_with("..."), "{length}");
        }
    }
}
