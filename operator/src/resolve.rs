//! What a vault's metadata says about the objects of a binding: a [`Question`] becomes an
//! [`Answer`] without any value. [Values] are another question: those of exact versions, for Kubernetes
//! Secrets, as the workload only, and not remembered.
//!
//! What one caller sees of one type of objects in one vault lies on a [`shelf`], shared by all bindings
//! that ask as it. What is new enough is told from there. Otherwise one of those who wait looks the
//! vault through for all of them (a [`sweep`]): by the list of objects and then the versions of those
//! that changed, or by the versions of each object, whichever [takes fewer requests](choose).
//!
//! Of an object the 25 newest versions are kept and those that a question names as held. A question
//! that holds another one has the versions listed again, once. The list of objects shows changes of
//! the current version alone, so the versions of an object with a held version that is not the current
//! one are listed each time.

mod choose;
mod observer;
mod own;
mod service_account;
mod shelf;
mod sweep;
#[cfg(test)]
mod tests;
mod values;
mod who;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use vaultbind_crds::binding::ObjectType;
use vaultbind_keyvault::AllowedHost;
use vaultbind_keyvault::metadata::{Caller, Metadata, NoToken};

use crate::observed::{Answer, Asker, Key, Question, Selection, VaultAnswer};
use service_account::Workload;
use shelf::{Age, Pattern, State, Told, Wants};
use who::Who;

pub use observer::{ResolveObserver, Source, Sweep};
pub use own::OwnIdentity;
pub use service_account::{KubeTokens, Tokens, missing_account};
pub use values::{NoValues, ValueError, Values, Wanted};

/// What nobody has asked for as long as this is forgotten.
const KEEP_FOR: Duration = Duration::from_secs(60 * 60);

/// How often that is looked for.
const TIDY_EVERY: Duration = Duration::from_secs(5 * 60);

/// How vaults are asked.
#[derive(Clone)]
pub struct ResolverOptions {
    /// Most pages of a vault's objects that are read for a selection; a page has 25.
    pub most_list_pages: usize,
    /// How many lists are asked for at a time for one caller and type.
    pub concurrency: usize,
    /// Hosts outside of the clouds' own domains that may be asked.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Told of what happens.
    pub observer: Option<Arc<dyn ResolveObserver>>,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            most_list_pages: 400,
            concurrency: 8,
            allowed_hosts: Vec::new(),
            observer: None,
        }
    }
}

/// Answers questions about vaults. Cheap to share, made once.
pub struct Resolver {
    metadata: Arc<Metadata>,
    tokens: Arc<dyn Tokens>,
    own: Option<Arc<OwnIdentity>>,
    options: ResolverOptions,
    /// Opening a PFX takes a processor for a while; this is the one that it may have.
    opening: Arc<Semaphore>,
    memory: Mutex<Memory>,
}

/// What is remembered between questions.
struct Memory {
    shelves: HashMap<(Asker, ObjectType), Arc<Shelf>>,
    /// The identities that were asked as, so that it is known whose the token in use is.
    workloads: HashMap<Caller, (Arc<Workload>, Instant)>,
    /// By host, the budgets of those who ask there and when they last did.
    budgets: HashMap<String, BTreeMap<u32, Instant>>,
    tidied: Instant,
}

/// What one caller sees of one type of objects in one vault.
#[derive(Default)]
struct Shelf {
    /// Held by whoever looks the vault through.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("metadata", &self.metadata)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    /// Asks as workloads with these tokens, and with its own identity where a class wants that.
    pub fn new(
        metadata: Arc<Metadata>,
        tokens: Arc<dyn Tokens>,
        own: Option<OwnIdentity>,
        options: ResolverOptions,
    ) -> Self {
        Self {
            metadata,
            tokens,
            own: own.map(Arc::new),
            options,
            opening: Arc::new(Semaphore::new(1)),
            memory: Mutex::new(Memory {
                shelves: HashMap::new(),
                workloads: HashMap::new(),
                budgets: HashMap::new(),
                tidied: Instant::now(),
            }),
        }
    }

    /// Answers from what was asked for within `max_age` (failures: within half a minute at most), and
    /// asks for the rest. With zero all of it is asked for now.
    pub async fn resolve(&self, question: &Question, max_age: Duration) -> Answer {
        let arrived = Instant::now();
        self.tidy(arrived);
        let who = match self.who(&question.asker, question.requests_per_second, arrived) {
            Ok(who) => who,
            Err(nobody) => {
                self.answered(Source::NoToken);
                return nobody.answer(question);
            }
        };
        let parts = wants(question).into_iter().map(|(object_type, wants)| {
            let (who, asker) = (&who, &question.asker);
            async move {
                let shelf = self.shelf(asker, object_type);
                let told = self
                    .ask(&shelf, who, object_type, &wants, max_age, arrived)
                    .await;
                told.map(|told| (object_type, told))
            }
        });
        let mut told = Vec::new();
        let mut source = Source::Memory;
        for part in futures::future::join_all(parts).await {
            match part {
                Ok((object_type, (from, part))) => {
                    source = source.max(from);
                    told.push((object_type, part));
                }
                Err(error) => {
                    self.answered(Source::NoToken);
                    return no_token(&error, &who);
                }
            }
        }
        self.answered(source);
        Answer::Vault(combine(question, told, &who))
    }

    /// What a shelf says; the vault is asked if that is not new enough.
    async fn ask(
        &self,
        shelf: &Shelf,
        who: &Who,
        object_type: ObjectType,
        wants: &Wants,
        max_age: Duration,
        arrived: Instant,
    ) -> Result<(Source, Told), Arc<NoToken>> {
        let look = || {
            let now = Instant::now();
            let age = Age {
                max: max_age,
                arrived,
                now,
            };
            shelf.state().look(wants, age)
        };
        if let Some(told) = look() {
            return Ok((Source::Memory, told));
        }
        // Whoever had the turn before has looked for what all others waited for, too.
        let turn = shelf.turn.lock().await;
        if let Some(told) = look() {
            return Ok((Source::Joined, told));
        }
        self.sweep(shelf, who, object_type).await?;
        drop(turn);
        let told = shelf.state().tell(wants);
        Ok((Source::Vault, told))
    }

    fn shelf(&self, asker: &Asker, object_type: ObjectType) -> Arc<Shelf> {
        let mut memory = self.memory();
        let shelf = memory.shelves.entry((asker.clone(), object_type));
        Arc::clone(shelf.or_default())
    }

    /// Forgets what nobody asks for any more, once in a while.
    fn tidy(&self, now: Instant) {
        let Some(since) = now.checked_sub(KEEP_FOR) else {
            return;
        };
        let mut memory = self.memory();
        if now.saturating_duration_since(memory.tidied) < TIDY_EVERY {
            return;
        }
        memory.tidied = now;
        memory.forget(since);
        drop(memory);
        self.metadata.forget_unused(KEEP_FOR);
    }

    fn answered(&self, source: Source) {
        if let Some(observer) = &self.options.observer {
            observer.answered(source);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn forget(&mut self, since: Instant) {
        self.shelves.retain(|_, shelf| {
            // Whoever holds it is about to ask.
            shelf.state().tidy(since) || Arc::strong_count(shelf) > 1
        });
        self.workloads.retain(|_, (_, used)| *used >= since);
        self.budgets.retain(|_, budgets| {
            budgets.retain(|_, asked| *asked >= since);
            !budgets.is_empty()
        });
    }

    /// The smallest budget of those who ask a host.
    fn budget(&mut self, host: &str, requests_per_second: u32, now: Instant) -> u32 {
        let budgets = self.budgets.entry(host.to_owned()).or_default();
        budgets.insert(requests_per_second, now);
        budgets
            .iter()
            .find(|(_, asked)| now.saturating_duration_since(**asked) < KEEP_FOR)
            .map_or(requests_per_second, |(least, _)| *least)
    }
}

/// What a question wants of each type of objects.
fn wants(question: &Question) -> BTreeMap<ObjectType, Wants> {
    let mut all: BTreeMap<ObjectType, Wants> = BTreeMap::new();
    for Key { type_, name } in &question.objects {
        let wants = all.entry(*type_).or_default();
        wants.names.insert(name.to_ascii_lowercase());
    }
    for selection in &question.selections {
        let wants = all.entry(selection.type_).or_default();
        wants.patterns.insert(pattern(selection));
    }
    for (Key { type_, name }, versions) in &question.held {
        if let Some(wants) = all.get_mut(type_) {
            let held = wants.held.entry(name.to_ascii_lowercase()).or_default();
            held.extend(versions.iter().cloned());
        }
    }
    all
}

fn pattern(selection: &Selection) -> Pattern {
    Pattern {
        prefix: selection.prefix.to_ascii_lowercase(),
        tags: selection.tags.clone(),
        max: selection.max,
    }
}

fn combine(question: &Question, told: Vec<(ObjectType, Told)>, who: &Who) -> VaultAnswer {
    let mut answer = VaultAnswer {
        at: Timestamp::MAX,
        subject: who.subject(),
        versions: BTreeMap::new(),
        selected: BTreeMap::new(),
    };
    for (type_, told) in told {
        let Told {
            versions,
            selected,
            time,
        } = told;
        answer.at = time.map_or(answer.at, |time| time.min(answer.at));
        let versions = versions.into_iter();
        answer
            .versions
            .extend(versions.map(|(name, versions)| (Key { type_, name }, versions)));
        for selection in &question.selections {
            if selection.type_ == type_
                && let Some(names) = selected.get(&pattern(selection))
            {
                answer
                    .selected
                    .insert(selection.name.clone(), names.clone());
            }
        }
    }
    if answer.at == Timestamp::MAX {
        // A question about nothing.
        answer.at = Timestamp::now();
    }
    answer
}

fn no_token(error: &NoToken, who: &Who) -> Answer {
    match error {
        NoToken::Proof(missing) => Answer::NoServiceAccountToken(missing.clone()),
        NoToken::Refused(error) => {
            Answer::NoToken(Arc::clone(error), who.subject().unwrap_or_default())
        }
    }
}
