//! Values of exact versions, for Kubernetes Secrets: read as the workload, in the form in which a volume
//! would have them, and remembered nowhere.

mod error;
mod form;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt as _};
use vaultbind_crds::binding::{self, Decode, Part};
use vaultbind_keyvault::metadata::{self, Asking, NoToken};
use vaultbind_keyvault::{Fetched, ObjectId, ObjectType, Sensitive, VersionId};
use vaultbind_render::Form;

use super::{Resolver, sweep};
use crate::observed::{Asker, Caller, Key};

pub use error::{NoValues, ValueError};

/// What is wanted of one version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wanted {
    /// The object.
    pub key: Key,
    /// Its version.
    pub version: VersionId,
    /// What becomes of it.
    pub form: Form,
}

/// What came of it. Whoever drops it wipes the values; nothing of them is shown by `Debug`.
pub type Values = BTreeMap<Wanted, Result<Sensitive, Arc<ValueError>>>;

impl Wanted {
    /// A part of a certificate, or all of a secret, decoded, or of a key.
    pub fn new(key: Key, version: VersionId, part: Option<Part>, decode: Decode) -> Self {
        let form = form::of(part, decode);
        Self { key, version, form }
    }

    /// What is read for it. A name that no object can have has none.
    fn source(&self) -> Option<ObjectId> {
        Some(ObjectId {
            object_type: match self.form {
                Form::Part(part) => part.read_as(),
                Form::Whole(_) => sweep::object_type(self.key.type_),
            },
            name: self.key.name.parse().ok()?,
            version: Some(self.version.clone()),
        })
    }

    /// Whether what is read is a certificate's secret, which its author may not know.
    fn is_of_certificate(&self, source: &ObjectId) -> bool {
        self.key.type_ == binding::ObjectType::Certificate
            && source.object_type == ObjectType::Secret
    }
}

impl Resolver {
    /// Reads what is wanted, each version once, however many forms of it are wanted. Each of those that
    /// can be read is, whatever became of the others, until it is clear that there are none to be had.
    ///
    /// # Errors
    /// Nobody may or can ask, so that nothing was read.
    pub async fn values(
        &self,
        asker: &Asker,
        requests_per_second: u32,
        wanted: &BTreeSet<Wanted>,
    ) -> Result<Values, NoValues> {
        if asker.caller == Caller::Operator {
            return Err(NoValues::AsOperator);
        }
        let now = Instant::now();
        self.tidy(now);
        let who = match self.who(asker, requests_per_second, now) {
            Ok(who) => who,
            Err(nobody) => return NoValues::nobody(nobody, wanted),
        };
        let mut values = Values::new();
        let mut sources: BTreeMap<_, (ObjectId, Vec<Wanted>)> = BTreeMap::new();
        for one in wanted {
            let Some(source) = one.source() else {
                let error = ValueError::no_such_name(&one.key);
                values.insert(one.clone(), Err(Arc::new(error)));
                continue;
            };
            let id = (source.object_type, &one.key.name, &one.version);
            let place = sources.entry(id).or_insert_with(|| (source, Vec::new()));
            place.1.push(one.clone());
        }
        let tally = Arc::default();
        let asking = &Asking {
            caller: &who.caller,
            source: &who.source,
            vault: &who.vault,
            requests_per_second: who.requests_per_second,
            tally: &tally,
        };
        let reads = sources.into_values().map(|(source, forms)| async move {
            let read = self.metadata.value(asking, &source).await;
            (source, forms, read)
        });
        let mut reads = stream::iter(reads).buffer_unordered(self.options.concurrency.max(1));
        let mut fetched = Vec::new();
        let mut of_vault = None;
        let mut left: BTreeSet<&Wanted> = wanted.iter().collect();
        while let Some((source, forms, read)) = reads.next().await {
            match read {
                Ok(read) => {
                    left.retain(|one| !forms.contains(one));
                    fetched.push((source, read, forms));
                }
                Err(metadata::ValueError::NotWorkload) => return Err(NoValues::AsOperator),
                Err(metadata::ValueError::NoToken(error)) => {
                    return Err(match &*error {
                        NoToken::Proof(missing) => NoValues::NoServiceAccountToken(missing.clone()),
                        NoToken::Refused(error) => {
                            NoValues::NoToken(Arc::clone(error), who.subject().unwrap_or_default())
                        }
                    });
                }
                Err(metadata::ValueError::Fetch(error)) if error.problem.is_of_vault() => {
                    of_vault = Some(error);
                    break;
                }
                Err(metadata::ValueError::Fetch(error)) => {
                    for one in forms {
                        let error = ValueError::fetch(&error, &source, &one);
                        values.insert(one, Err(Arc::new(error)));
                    }
                }
            }
        }
        drop(reads);
        if let Some(error) = of_vault {
            for one in left {
                if let Some(source) = one.source() {
                    let error = ValueError::fetch(&error, &source, one);
                    values.entry(one.clone()).or_insert(Err(Arc::new(error)));
                }
            }
        }
        tracing::debug!(
            vault = who.vault.host(),
            versions = fetched.len(),
            wanted = wanted.len(),
            vault_calls = tally.vault_calls(),
            token_calls = tally.token_calls(),
            "values read"
        );
        values.extend(self.render(fetched).await?);
        Ok(values)
    }

    /// Makes the forms, where that holds nobody else up.
    async fn render(
        &self,
        fetched: Vec<(ObjectId, Fetched, Vec<Wanted>)>,
    ) -> Result<Values, NoValues> {
        if fetched.is_empty() {
            return Ok(Values::new());
        }
        let place = Arc::clone(&self.opening).acquire_owned().await;
        let place = place.map_err(|_| NoValues::Stopped)?;
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            let forms = fetched
                .into_iter()
                .flat_map(|(source, fetched, wanted)| form::render(&source, &fetched, wanted));
            forms.collect()
        });
        match task.await {
            Ok(values) => Ok(values),
            // Whatever panicked there would have panicked here.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(NoValues::Stopped),
            },
        }
    }
}
