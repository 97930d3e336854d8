//! Asks Resource Manager for the resources that the operator knows, and has it make and delete them.
//!
//! A resource that is not there is an answer where that is asked for, and an error otherwise. Nothing is
//! tried again here, and nothing is kept.

mod access;
mod bindings;
mod identities;

use std::sync::Arc;

use vaultbind_keyvault::Cloud;
use vaultbind_keyvault::management::{Answer, Call, Management};

use super::cause::{self, NO_CODE};
use super::id::ResourceId;
use super::model::{Page, Shape};
use crate::observed::{AzureCause, AzureError, Seen};

/// Pages of a list that are read. A subscription has at most 4,000 role assignments.
const MOST_PAGES: usize = 100;

/// The typed client of Resource Manager.
#[derive(Debug, Clone)]
pub struct Client {
    management: Arc<Management>,
}

/// What is asked for, as errors name it.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    cloud: Cloud,
    action: &'static str,
    id: &'a str,
}

impl Asked<'_> {
    fn failed(&self, cause: AzureCause) -> Arc<AzureError> {
        Arc::new(AzureError {
            action: self.action,
            id: self.id.to_owned(),
            cause,
        })
    }

    fn misshapen(&self, what: &str) -> Arc<AzureError> {
        self.failed(AzureCause::Silent {
            text: format!(
                "Resource Manager's answer about {} is not that of {what}: check for a proxy that answers in \
                 its place",
                self.id
            ),
        })
    }

    fn read<T: Shape>(&self, answer: Answer) -> Seen<T> {
        T::read(answer.body).map_err(|_| self.misshapen(T::WHAT))
    }

    /// One that is not there is none. Whoever is no Resource Manager cannot know that.
    fn if_there<T>(seen: Seen<T>) -> Seen<Option<T>> {
        match seen {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_gone(&error.cause) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether Resource Manager says that a resource, or what it is in or on, is not there. That it does not know
/// the type says nothing.
fn is_gone(cause: &AzureCause) -> bool {
    match cause {
        AzureCause::NotFound { code } => {
            code != NO_CODE && code != "InvalidResourceType" && code != "InvalidResourceNamespace"
        }
        _ => false,
    }
}

impl Client {
    /// Asks nothing yet.
    pub fn new(management: Arc<Management>) -> Self {
        Self { management }
    }

    async fn call(&self, asked: &Asked<'_>, call: &Call) -> Seen<Answer> {
        let answer = self.management.call(asked.cloud, call).await;
        answer.map_err(|error| asked.failed(cause::of(asked.action, error)))
    }

    async fn read<T: Shape>(&self, asked: &Asked<'_>, call: &Call) -> Seen<T> {
        asked.read(self.call(asked, call).await?)
    }

    /// All pages of a list.
    async fn all<T: Shape>(&self, asked: &Asked<'_>, first: Call) -> Seen<Vec<T>> {
        let mut found = Vec::new();
        let mut call = first;
        for _ in 0..MOST_PAGES {
            let Page { items, next } = self.read(asked, &call).await?;
            found.extend(items);
            let Some(next) = next else {
                return Ok(found);
            };
            call = Call::follow(&next);
        }
        Err(asked.failed(AzureCause::Silent {
            text: format!(
                "Resource Manager's list of {} has no end: {MOST_PAGES} pages were read",
                asked.id
            ),
        }))
    }

    /// Deletes; no answer if it was not there.
    async fn delete(
        &self,
        cloud: Cloud,
        action: &'static str,
        id: &ResourceId,
        version: &str,
    ) -> Seen<Option<Answer>> {
        let asked = Asked {
            cloud,
            action,
            id: id.as_str(),
        };
        let answer = self.call(&asked, &Call::delete(id.as_str(), version)).await;
        let answer = Asked::if_there(answer)?;
        Ok(answer.filter(|answer| answer.status != 204))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_is_what_resource_manager_itself_does_not_find() {
        let missing = |code: &str| AzureCause::NotFound {
            code: code.to_owned(),
        };
        for (cause, expected) in [
            (missing("ResourceNotFound"), true),
            (missing("ParentResourceNotFound"), true),
            (missing("ResourceGroupNotFound"), true),
            (missing("SubscriptionNotFound"), true),
            (missing("RoleAssignmentNotFound"), true),
            (missing("InvalidResourceType"), false),
            (missing("InvalidResourceNamespace"), false),
            (missing(NO_CODE), false),
            (AzureCause::PrincipalNotFound, false),
        ] {
            assert_eq!(is_gone(&cause), expected, "{cause}");
        }
    }
}
