//! What a path of Resource Manager names: a resource or a collection, and the action on it.

use http::Method;
use uuid::Uuid;

use super::error::ArmError;

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Identity,
    Credential,
    Assignment,
    Definition,
    Vault,
    Cluster,
    Binding,
    Operation,
    OperationResult,
}

impl Kind {
    /// Provider and type.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Identity => "Microsoft.ManagedIdentity/userAssignedIdentities",
            Self::Credential => {
                "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
            }
            Self::Assignment => "Microsoft.Authorization/roleAssignments",
            Self::Definition => "Microsoft.Authorization/roleDefinitions",
            Self::Vault => "Microsoft.KeyVault/vaults",
            Self::Cluster => "Microsoft.ContainerService/managedClusters",
            Self::Binding => "Microsoft.ContainerService/managedClusters/identityBindings",
            Self::Operation => "Microsoft.ContainerService/locations/operations",
            Self::OperationResult => "Microsoft.ContainerService/locations/operationresults",
        }
    }

    /// The kind of an ARM id; what is no resource that is known here counts as a vault, the usual
    /// scope.
    pub(super) fn of_id(id: &str) -> Self {
        let id = id.to_ascii_lowercase();
        [
            Self::Binding,
            Self::Cluster,
            Self::Credential,
            Self::Identity,
        ]
        .into_iter()
        .find(|kind| {
            let provider = kind.type_name().to_ascii_lowercase();
            id.contains(&format!("/providers/{provider}/"))
        })
        .unwrap_or(Self::Vault)
    }

    /// The api-versions that are understood.
    pub(super) fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &[
                "2018-11-30",
                "2023-01-31",
                "2024-11-30",
                "2026-04-30",
                "2026-05-31",
            ],
            Self::Credential => &["2023-01-31", "2024-11-30", "2026-04-30", "2026-05-31"],
            Self::Assignment | Self::Definition => &["2022-04-01"],
            Self::Vault => &[
                "2022-07-01",
                "2023-02-01",
                "2023-07-01",
                "2024-11-01",
                "2025-05-01",
                "2026-02-01",
            ],
            Self::Cluster | Self::Binding | Self::Operation | Self::OperationResult => &[
                "2025-10-02-preview",
                "2026-04-01",
                "2026-05-01",
                "2026-06-01",
                "2026-07-01",
                "2026-08-01",
                "2026-08-02-preview",
            ],
        }
    }
}

/// A path taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) kind: Kind,
    pub(super) subscription: String,
    /// The resource group, if the path names one.
    pub(super) group: Option<String>,
    /// The ARM id of what the resource is in or on: subscription, group, parent or scope.
    pub(super) parent: String,
    /// Absent for a collection.
    pub(super) name: Option<String>,
}

impl Route {
    pub(super) fn parse(path: &str) -> Result<Self, ArmError> {
        Self::find(path).ok_or_else(|| ArmError::unknown_path(path))
    }

    fn find(path: &str) -> Option<Self> {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let is = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
        let at = parts.iter().rposition(|part| is(part, "providers"))?;
        let (scope, rest) = parts.split_at_checked(at)?;
        let [_, provider, rest @ ..] = rest else {
            return None;
        };
        let (subscription, group) = match scope {
            [s, id] if is(s, "subscriptions") => (*id, None),
            [s, id, g, group, ..] if is(s, "subscriptions") && is(g, "resourceGroups") => {
                (*id, Some(*group))
            }
            _ => return None,
        };
        let scope_is_plain = scope.len() <= 4;
        let scope = format!("/{}", scope.join("/"));
        let lower: Vec<_> = rest.iter().map(|part| part.to_ascii_lowercase()).collect();
        let lower: Vec<_> = lower.iter().map(String::as_str).collect();
        let child = |kind: Kind, parent: &str| {
            let parent_type = kind.type_name();
            format!("{scope}/providers/{parent_type}/{parent}")
        };
        let named = |index: usize| rest.get(index).map(|name| (*name).to_owned());
        let (kind, parent, name) = match (
            provider.to_ascii_lowercase().as_str(),
            lower.as_slice(),
            scope_is_plain,
        ) {
            ("microsoft.authorization", ["roleassignments"] | ["roleassignments", _], _) => {
                (Kind::Assignment, scope, named(1))
            }
            ("microsoft.authorization", ["roledefinitions"] | ["roledefinitions", _], _) => {
                (Kind::Definition, scope, named(1))
            }
            (
                "microsoft.managedidentity",
                ["userassignedidentities"] | ["userassignedidentities", _],
                true,
            ) => (Kind::Identity, scope, named(1)),
            (
                "microsoft.managedidentity",
                ["userassignedidentities", _, "federatedidentitycredentials"]
                | [
                    "userassignedidentities",
                    _,
                    "federatedidentitycredentials",
                    _,
                ],
                true,
            ) => (
                Kind::Credential,
                child(Kind::Identity, rest.get(1)?),
                named(3),
            ),
            ("microsoft.keyvault", ["vaults"] | ["vaults", _], true) => {
                (Kind::Vault, scope, named(1))
            }
            ("microsoft.containerservice", ["managedclusters", _], true) => {
                (Kind::Cluster, scope, named(1))
            }
            (
                "microsoft.containerservice",
                ["managedclusters", _, "identitybindings"]
                | ["managedclusters", _, "identitybindings", _],
                true,
            ) => (Kind::Binding, child(Kind::Cluster, rest.get(1)?), named(3)),
            ("microsoft.containerservice", ["locations", _, "operations", _], true) => {
                (Kind::Operation, scope, named(3))
            }
            ("microsoft.containerservice", ["locations", _, "operationresults", _], true) => {
                (Kind::OperationResult, scope, named(3))
            }
            _ => return None,
        };
        let needs_group = matches!(
            kind,
            Kind::Credential | Kind::Cluster | Kind::Binding | Kind::Identity | Kind::Vault
        );
        if needs_group && group.is_none() && (name.is_some() || kind == Kind::Credential) {
            return None;
        }
        Some(Self {
            kind,
            subscription: subscription.to_owned(),
            group: group.map(str::to_owned),
            parent,
            name,
        })
    }

    /// The ARM id of the resource, or of what the collection is in.
    pub(super) fn id(&self) -> String {
        let Some(name) = &self.name else {
            return self.parent.clone();
        };
        match self.kind {
            Kind::Credential => format!("{}/federatedIdentityCredentials/{name}", self.parent),
            Kind::Binding => format!("{}/identityBindings/{name}", self.parent),
            kind => format!("{}/providers/{}/{name}", self.parent, kind.type_name()),
        }
    }

    /// The id in lower case, by which resources are known.
    pub(super) fn key(&self) -> String {
        self.id().to_ascii_lowercase()
    }

    pub(super) fn parent_key(&self) -> String {
        self.parent.to_ascii_lowercase()
    }

    pub(super) fn group_name(&self) -> &str {
        self.group.as_deref().unwrap_or_default()
    }

    pub(super) fn required_name(&self) -> Result<&str, ArmError> {
        let name = self.name.as_deref();
        name.ok_or_else(|| ArmError::method(&Method::PUT))
    }

    /// The action that a method asks for.
    pub(super) fn action(&self, method: &Method) -> Result<String, ArmError> {
        let kind = self.kind;
        let changes = matches!(
            kind,
            Kind::Identity | Kind::Credential | Kind::Assignment | Kind::Binding
        ) && self.name.is_some();
        let verb = match *method {
            Method::GET => "read",
            Method::PUT if changes => "write",
            Method::PATCH if kind == Kind::Identity && self.name.is_some() => "write",
            Method::DELETE if changes => "delete",
            _ => return Err(ArmError::method(method)),
        };
        Ok(format!("{}/{verb}", kind.type_name()))
    }
}

/// Whether a text is the ARM id of a subscription or of something in one.
pub(crate) fn is_resource_id(text: &str) -> bool {
    let mut parts = text.split('/');
    let begins = parts.next() == Some("")
        && parts
            .next()
            .is_some_and(|part| part.eq_ignore_ascii_case("subscriptions"))
        && parts.next().is_some_and(is_guid);
    begins && parts.all(|part| !part.is_empty())
}

/// Whether a text is a GUID as Azure writes it.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// Subscription and resource group of an ARM id, in lower case.
pub(super) fn place(resource_id: &str) -> (String, Option<String>) {
    let id = resource_id.to_ascii_lowercase();
    let mut parts = id.split('/').skip(2);
    let subscription = parts.next().unwrap_or_default().to_owned();
    let is_group = parts.next() == Some("resourcegroups");
    let group = parts.next().filter(|_| is_group).map(str::to_owned);
    (subscription, group)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/subscriptions/72f988bf-0000-4000-8000-0000000000f1/resourceGroups/shop";

    #[test]
    fn paths_name_a_kind_a_parent_and_a_resource_in_any_case() {
        let identity = "providers/Microsoft.ManagedIdentity/userAssignedIdentities/web";
        let cluster = "providers/Microsoft.ContainerService/managedClusters/blue";
        let vault = "providers/Microsoft.KeyVault/vaults/v1";
        for (path, kind, parent, name) in [
            (
                format!("{GROUP}/{identity}"),
                Kind::Identity,
                String::new(),
                Some("web"),
            ),
            (
                format!("{GROUP}/PROVIDERS/microsoft.managedidentity/userassignedidentities/"),
                Kind::Identity,
                String::new(),
                None,
            ),
            (
                format!("{GROUP}/{identity}/federatedIdentityCredentials/a"),
                Kind::Credential,
                format!("/{identity}"),
                Some("a"),
            ),
            (
                format!("{GROUP}/{cluster}/identityBindings"),
                Kind::Binding,
                format!("/{cluster}"),
                None,
            ),
            (
                format!(
                    "/{GROUP}/{vault}/secrets/a/providers/Microsoft.Authorization/roleAssignments/x"
                ),
                Kind::Assignment,
                format!("/{vault}/secrets/a"),
                Some("x"),
            ),
        ] {
            let route = Route::parse(&path).unwrap();
            let parent = format!("{GROUP}{parent}");
            assert_eq!(
                (route.kind, &route.parent, route.name.as_deref()),
                (kind, &parent, name),
                "{path}"
            );
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for path in [
            "",
            "/subscriptions",
            GROUP,
            "/subscriptions/s/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web",
            "/tenants/t/providers/Microsoft.KeyVault/vaults",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/secrets/a",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
            "/subscriptions/s/resourceGroups/g/providers",
        ] {
            assert_eq!(Route::parse(path).unwrap_err().status, 404, "{path}");
        }
    }

    #[test]
    fn methods_ask_for_actions() {
        let route =
            Route::parse(&format!("{GROUP}/providers/Microsoft.KeyVault/vaults/v")).unwrap();
        assert_eq!(
            route.action(&Method::GET).unwrap(),
            "Microsoft.KeyVault/vaults/read"
        );
        assert_eq!(route.action(&Method::PUT).unwrap_err().status, 405);
    }
}
