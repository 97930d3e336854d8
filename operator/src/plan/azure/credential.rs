//! The federated credential of a binding.

use vaultbind_crds::status::AzureKind;

use super::super::finding::Finding;
use super::super::reason::Reason;
use super::{AzureStep, MOST_CREDENTIALS, Planning, There, Wanted, WantedCredential, findings};
use crate::azure::names;
use crate::observed::Credential;

impl Planning<'_> {
    pub(super) fn credential(&mut self, wanted: &Wanted, credential: &WantedCredential) {
        let (issuer, all) = match (&self.seen.issuer, &self.seen.credentials) {
            (Err(why), _) => {
                let text = format!("the issuer of the cluster's tokens is not known: {why}");
                return self.no_credential(Finding::passing(Reason::Provisioning, text));
            }
            (_, None) => {
                return self.no_credential(Finding::passing(
                    Reason::Provisioning,
                    "the identity's federated credentials were not asked for yet",
                ));
            }
            (_, Some(Err(error))) => return self.no_credential(findings::of(wanted, error)),
            (Ok(issuer), Some(Ok(all))) => (issuer.clone(), all.clone()),
        };
        self.plan.credentials = Some(all.len());
        let ours = names::credential_name(&issuer, &credential.subject);
        let equal = |one: &&Credential| {
            one.issuer == issuer && one.subject.as_deref() == Some(&credential.subject)
        };
        let fits = |one: &Credential| one.audiences == [credential.audience];
        match all.iter().find(equal) {
            Some(one) if fits(one) => {
                let own = one.name.eq_ignore_ascii_case(&ours);
                let there = if own { There::Ours } else { There::Found };
                let id = credential_id(&wanted.identity, &one.name);
                let policy = credential.deletion_policy;
                self.keep(AzureKind::FederatedCredential, &id, &there, policy);
                return;
            }
            Some(other) if !other.name.eq_ignore_ascii_case(&ours) => {
                let finding = findings::other_audience(wanted, credential, other);
                return self.no_credential(finding);
            }
            Some(_) | None => {}
        }
        let id = credential_id(&wanted.identity, &ours);
        let replaces = all.iter().any(|one| one.name.eq_ignore_ascii_case(&ours));
        let made = self.seen.made.contains_key(&id.to_ascii_lowercase());
        if let Some(private) = findings::private_issuer(&issuer) {
            return self.no_credential(private);
        }
        if all.len() >= MOST_CREDENTIALS && !replaces && !made {
            let finding = findings::limit_reached(wanted, &all, &issuer);
            return self.no_credential(finding);
        }
        // As long as it waits for its turn nothing is there to be remembered.
        if self.seen.waits_until.is_none() || self.old(&id).is_some() {
            let policy = credential.deletion_policy;
            self.keep(AzureKind::FederatedCredential, &id, &There::Not, policy);
        }
        if made {
            return;
        }
        self.plan.unfit_to_ask = !replaces;
        self.plan.identity = Some(match self.seen.failed.get(&id.to_ascii_lowercase()) {
            Some(error) => findings::of(wanted, error),
            None => findings::making_credential(wanted, &ours, self.seen.waits_until),
        });
        self.plan.steps.push(AzureStep::PutCredential {
            id,
            identity: wanted.identity.clone(),
            name: ours,
            issuer,
            subject: credential.subject.clone(),
            audience: credential.audience.to_owned(),
        });
    }

    fn no_credential(&mut self, finding: Finding) {
        self.undecided.insert(AzureKind::FederatedCredential);
        self.plan.identity = Some(finding);
    }
}

fn credential_id(identity: &str, name: &str) -> String {
    format!("{identity}/federatedIdentityCredentials/{name}")
}
