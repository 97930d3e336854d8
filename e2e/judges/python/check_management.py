"""What an operator of identities does on Resource Manager, from a new identity to a value read."""

import sys
import time

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.msi import ManagedServiceIdentityClient

from plan import PLAN, VAULT, check, check_true, client_secret, refused

SUBSCRIPTION, GROUP = PLAN["subscription"], PLAN["group"]
SCOPE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.KeyVault/vaults/{PLAN['vaultName']}"
)
NAME = "11111111-2222-4333-8444-555555555555"
OTHER = "11111111-2222-4333-8444-666666666666"

identities = ManagedServiceIdentityClient(client_secret(), SUBSCRIPTION)
credentials = identities.federated_identity_credentials
roles = AuthorizationManagementClient(client_secret(), SUBSCRIPTION)
bindings = ContainerServiceClient(client_secret(), SUBSCRIPTION).identity_bindings


def until(what, attempt):
    """Changes take a second or two to spread."""
    for _ in range(60):
        if attempt():
            return
        time.sleep(0.5)
    sys.exit(f"never so: {what}")


identity = identities.user_assigned_identities.create_or_update(
    GROUP, "web", {"location": "westeurope", "tags": {"team": "web"}}
)
check("tags", identity.tags, {"team": "web"})
listed = identities.user_assigned_identities.list_by_resource_group(GROUP)
check("identities", [one.name for one in listed], ["web"])

terms = {
    "issuer": PLAN["issuer"],
    "subject": PLAN["subject"],
    "audiences": ["api://AzureADTokenExchange"],
}
made = credentials.create_or_update(GROUP, "web", "pods", terms)
check("subject", made.subject, PLAN["subject"])
check("one", credentials.get(GROUP, "web", "pods").issuer, PLAN["issuer"])
check("all", [one.name for one in credentials.list(GROUP, "web")], ["pods"])
with refused("the same pair again", HttpResponseError, 400, "BadRequest"):
    credentials.create_or_update(GROUP, "web", "again", terms)
with refused("missing", ResourceNotFoundError, 404, "ResourceNotFound"):
    credentials.get(GROUP, "web", "nothing")

(role,) = roles.role_definitions.list(
    SCOPE, filter="roleName eq 'Key Vault Secrets User'"
)
given = {
    "role_definition_id": role.id,
    "principal_id": identity.principal_id,
    "principal_type": "ServicePrincipal",
}
assignment = roles.role_assignments.create(SCOPE, NAME, given)
check("principal", assignment.principal_id, identity.principal_id)
with refused("the same role again", ResourceExistsError, 409, "RoleAssignmentExists"):
    roles.role_assignments.create(SCOPE, OTHER, given)
listed = roles.role_assignments.list_for_scope(
    SCOPE, filter=f"assignedTo('{identity.principal_id}')"
)
check("assignments", [one.name for one in listed], [NAME])


def read():
    credential = WorkloadIdentityCredential(
        tenant_id=PLAN["tenant"],
        client_id=identity.client_id,
        token_file_path=PLAN["tokenFile"],
    )
    try:
        return SecretClient(VAULT, credential, retry_total=0).get_secret("shared").value
    except ClientAuthenticationError:
        return None
    except HttpResponseError as error:
        check("refusal", error.status_code, 403)
        return None


until("the identity reads the value", lambda: read() == PLAN["shared"])

binding = bindings.begin_create_or_update(
    GROUP,
    PLAN["cluster"],
    "web",
    {"properties": {"managedIdentity": {"resourceId": identity.id}}},
).result()
check("state", binding.properties.provisioning_state, "Succeeded")
profile = binding.properties.managed_identity
check("client", profile.client_id, identity.client_id)
listed = bindings.list_by_managed_cluster(GROUP, PLAN["cluster"])
check("bindings", [one.name for one in listed], ["web"])
listed = credentials.list(GROUP, "web")
check("pages", {one.name for one in listed}, {"pods", "aks-identity-binding"})
check_true(
    "AKS made a credential",
    credentials.get(GROUP, "web", "aks-identity-binding").issuer
    == binding.properties.oidc_issuer.oidc_issuer_url,
)
bindings.begin_delete(GROUP, PLAN["cluster"], "web").result()
with refused("gone", ResourceNotFoundError, 404, "ResourceNotFound"):
    bindings.get(GROUP, PLAN["cluster"], "web")

gone = roles.role_assignments.delete(SCOPE, NAME)
check("deleted", gone.name, NAME)
check("deleted again", roles.role_assignments.delete(SCOPE, NAME), None)
until("the vault is closed", lambda: read() is None)
credentials.delete(GROUP, "web", "pods")
credentials.delete(GROUP, "web", "pods")
identities.user_assigned_identities.delete(GROUP, "web")
with refused("gone", ResourceNotFoundError, 404, "ResourceNotFound"):
    identities.user_assigned_identities.get(GROUP, "web")
