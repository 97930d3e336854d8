//! What is left: decided from what was seen, without I/O.

use std::collections::{BTreeMap, BTreeSet};

use vaultbind_crds::status::AzureKind;
use vaultbind_operator::azure::{ResourceId, names};
use vaultbind_operator::observed::{Assignment, Credential};
use vaultbind_operator::surroundings::Orphan;

use super::report::{Answers, Leftover, OtherIssuer, State};

/// A resource that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    Credential(Credential),
    Assignment(Assignment),
}

impl Resource {
    pub(super) fn kind(&self) -> AzureKind {
        match self {
            Self::Credential(_) => AzureKind::FederatedCredential,
            Self::Assignment(_) => AzureKind::RoleAssignment,
        }
    }

    /// The namespace that the operator of the cluster with the issuer made it for, if it did. Only the resource
    /// itself proves that: a record could be anybody's.
    pub(super) fn made_for(&self, issuer: &str, recorded: Option<&str>) -> Option<String> {
        let namespace = match self {
            Self::Credential(one) => names::subject_namespace(one)
                .filter(|namespace| names::is_our_credential(one, issuer, namespace)),
            Self::Assignment(one) => (names::described_namespace(one, issuer).into_iter())
                .chain(recorded)
                .find(|namespace| names::is_our_assignment(one, issuer, namespace)),
        };
        namespace.map(str::to_owned)
    }
}

/// An entry of the operator's list, and what is there of it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Where it stands in the list.
    pub(super) key: String,
    /// What it says.
    pub(super) orphan: Orphan,
    /// Its id, taken apart.
    pub(super) id: ResourceId,
    /// What is there; an error if that is not known.
    pub(super) there: Result<Option<Resource>, String>,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The issuer of this cluster.
    pub(super) issuer: String,
    /// The operator's list.
    pub(super) records: Vec<Record>,
    /// Ids in lower case of what bindings keep.
    pub(super) held: BTreeSet<String>,
    /// The federated credentials of each identity.
    pub(super) credentials: Vec<(ResourceId, Vec<Credential>)>,
    /// The role assignments at the vaults.
    pub(super) assignments: Vec<Assignment>,
}

/// Something that no binding keeps, what it is in Azure, and where it stands in the list.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: ResourceId,
    pub(super) shown: Leftover,
    pub(super) record: Option<String>,
    /// The namespace that is to prove an assignment.
    pub(super) namespace: Option<String>,
}

/// What is left of this cluster, each once, by its id.
pub(super) fn left(found: &Found) -> Vec<Candidate> {
    let mut left: BTreeMap<String, Candidate> = BTreeMap::new();
    for record in &found.records {
        left.insert(record.id.key().to_owned(), recorded(found, record));
    }
    let credentials = found.credentials.iter().flat_map(|(identity, all)| {
        let id = |one: &Credential| identity.child("federatedIdentityCredentials", &one.name);
        (all.iter()).filter_map(move |one| Some((id(one).ok()?, Resource::Credential(one.clone()))))
    });
    let assignments = (found.assignments.iter())
        .filter_map(|one| Some((one.id.parse().ok()?, Resource::Assignment(one.clone()))));
    for (id, resource) in credentials.chain(assignments) {
        let id: ResourceId = id;
        if found.held.contains(id.key()) || left.contains_key(id.key()) {
            continue;
        }
        let Some(namespace) = resource.made_for(&found.issuer, None) else {
            continue;
        };
        let shown = Leftover {
            kind: resource.kind(),
            id: id.to_string(),
            namespace: Some(namespace.clone()),
            binding: None,
            since: None,
            why: None,
            state: State::Left,
            recorded: false,
            error: None,
        };
        let candidate = Candidate {
            shown,
            record: None,
            namespace: Some(namespace),
            id,
        };
        left.insert(candidate.id.key().to_owned(), candidate);
    }
    left.into_values().collect()
}

fn recorded(found: &Found, record: &Record) -> Candidate {
    let Record {
        key, orphan, id, ..
    } = record;
    let (state, error) = match &record.there {
        _ if found.held.contains(id.key()) => (State::Kept, None),
        Ok(None) => (State::Gone, None),
        Err(error) => (State::Unknown, Some(error.clone())),
        Ok(Some(resource)) => match resource.made_for(&found.issuer, record.orphan.namespace()) {
            Some(_) => (State::Left, None),
            None => (State::Foreign, None),
        },
    };
    let namespace = record.orphan.namespace().map(str::to_owned);
    Candidate {
        id: id.clone(),
        shown: Leftover {
            kind: orphan.kind,
            id: id.to_string(),
            namespace: namespace.clone(),
            binding: Some(orphan.binding.clone()),
            since: Some(orphan.since.clone()),
            why: Some(orphan.why.clone()),
            state,
            recorded: true,
            error,
        },
        record: Some(key.clone()),
        namespace,
    }
}

/// The credentials that trust other issuers than this cluster.
pub(super) fn other_issuers(found: &Found) -> Vec<OtherIssuer> {
    let all = found.credentials.iter();
    let all = all.flat_map(|(identity, all)| all.iter().map(move |one| (identity, one)));
    all.filter(|(_, one)| one.issuer != found.issuer)
        .map(|(identity, one)| {
            let theirs = Resource::Credential(one.clone());
            OtherIssuer {
                identity: identity.to_string(),
                name: one.name.clone(),
                issuer: one.issuer.clone(),
                subject: one.subject.clone(),
                vaultbind: theirs.made_for(&one.issuer, None).is_some(),
                answers: Answers::NotAsked,
                command: None,
            }
        })
        .collect()
}
