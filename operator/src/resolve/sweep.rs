//! One look through a vault, for one caller and one type of objects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use vaultbind_crds::binding;
use vaultbind_keyvault::metadata::{AskError, Asking, List, ListError, NoToken};
use vaultbind_keyvault::{ObjectName, ObjectType};

use super::shelf::{Moment, State};
use super::who::Who;
use super::{Resolver, Shelf, Sweep};

/// A type of objects as the vault has it.
pub(super) fn object_type(type_: binding::ObjectType) -> ObjectType {
    match type_ {
        binding::ObjectType::Secret => ObjectType::Secret,
        binding::ObjectType::Key => ObjectType::Key,
        binding::ObjectType::Certificate => ObjectType::Certificate,
    }
}

impl Resolver {
    /// Asks for all that is wanted of a shelf.
    pub(super) async fn sweep(
        &self,
        shelf: &Shelf,
        who: &Who,
        type_: binding::ObjectType,
    ) -> Result<(), Arc<NoToken>> {
        let object_type = object_type(type_);
        let moment = Moment {
            at: Instant::now(),
            time: Timestamp::now(),
        };
        let tally = Arc::default();
        let asking = Asking {
            caller: &who.caller,
            source: &who.source,
            vault: &who.vault,
            requests_per_second: who.requests_per_second,
            tally: &tally,
        };
        let mut sweep = Sweep::default();
        let swept = async {
            let names = self
                .list(shelf, &asking, object_type, moment, &mut sweep)
                .await?;
            self.list_versions(shelf, &asking, object_type, names, moment, &mut sweep)
                .await
        };
        let swept = swept.await;
        sweep.duration = moment.at.elapsed();
        tracing::debug!(
            vault = who.vault.host(),
            objects = object_type.collection(),
            ?sweep,
            vault_calls = tally.vault_calls(),
            token_calls = tally.token_calls(),
            "vault looked through"
        );
        if let Some(observer) = &self.options.observer {
            observer.swept(&sweep);
        }
        swept
    }

    /// Reads the list of objects, if that is wanted or worth it. Returns the names whose versions are
    /// to be asked for.
    async fn list(
        &self,
        shelf: &Shelf,
        asking: &Asking<'_>,
        object_type: ObjectType,
        moment: Moment,
        sweep: &mut Sweep,
    ) -> Result<BTreeSet<String>, Arc<NoToken>> {
        let order = shelf.state().order(moment.at, self.options.most_list_pages);
        let Some(most) = order.list_pages else {
            return Ok(State::unlisted(order));
        };
        match self.metadata.objects(asking, object_type, most).await {
            Ok(listing) => {
                sweep.list_pages = listing.pages;
                let list = List::Objects(object_type);
                let error = ListError::too_long(asking.vault, asking.source.name(), &list);
                let (names, unchanged) =
                    shelf
                        .state()
                        .listed(order, listing, &Arc::new(error), moment);
                sweep.unchanged = unchanged;
                Ok(names)
            }
            Err(AskError::NoToken(error)) => Err(error),
            Err(AskError::List(error)) => {
                sweep.failed += 1;
                let mut state = shelf.state();
                Ok(state.not_listed(order, object_type, &error, moment))
            }
        }
    }

    /// Asks for the versions of objects, several at a time, until it is clear that there are none to
    /// be had.
    async fn list_versions(
        &self,
        shelf: &Shelf,
        asking: &Asking<'_>,
        object_type: ObjectType,
        mut names: BTreeSet<String>,
        moment: Moment,
        sweep: &mut Sweep,
    ) -> Result<(), Arc<NoToken>> {
        let asks: Vec<(String, Option<ObjectName>)> = names
            .iter()
            .map(|name| (name.clone(), name.parse().ok()))
            .collect();
        let asks = asks.into_iter().map(|(name, object)| async move {
            let versions = match object {
                Some(object) => self.metadata.versions(asking, object_type, &object).await,
                // No vault has an object of such a name.
                None => return (name, None),
            };
            (name, Some(versions))
        });
        let mut asks = stream::iter(asks).buffer_unordered(self.options.concurrency.max(1));
        while let Some((name, versions)) = asks.next().await {
            let versions = match versions {
                None => Ok(Vec::new()),
                Some(Ok(listing)) => {
                    sweep.version_lists += 1;
                    sweep.version_pages += listing.pages;
                    Ok(listing.items)
                }
                Some(Err(AskError::NoToken(error))) => return Err(error),
                Some(Err(AskError::List(error))) if error.is_of_vault() => {
                    sweep.failed += names.len();
                    shelf.state().fail(object_type, &names, &error, moment);
                    return Ok(());
                }
                Some(Err(AskError::List(error))) => {
                    sweep.version_lists += 1;
                    sweep.failed += 1;
                    Err(error)
                }
            };
            names.remove(&name);
            shelf.state().store(&name, moment, versions);
        }
        Ok(())
    }
}
