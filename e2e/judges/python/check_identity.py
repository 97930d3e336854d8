"""Every kind of identity reads the vault's secret "shared"."""

import os
import sys

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient

from plan import PLAN, VAULT, check, check_true, client_secret


def read(credential):
    return SecretClient(VAULT, credential).get_secret("shared").value


# How a pod is set up by the workload identity webhook. Managed identity credentials heed these
# variables too, and would sign in with the token, so they are made without them.
WEBHOOK = {
    "AZURE_TENANT_ID": PLAN["tenant"],
    "AZURE_CLIENT_ID": PLAN["workload"],
    "AZURE_FEDERATED_TOKEN_FILE": PLAN["tokenFile"],
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
}


def in_pod(kind, **options):
    os.environ.update(WEBHOOK)
    credential = kind(**options)
    for name in WEBHOOK:
        del os.environ[name]
    return credential


for name, credential in {
    "client secret": client_secret(),
    "client secret without instance discovery": client_secret(
        disable_instance_discovery=True
    ),
    "workload identity": in_pod(WorkloadIdentityCredential),
    "default chain": in_pod(DefaultAzureCredential),
    "system-assigned": ManagedIdentityCredential(),
    "user-assigned by client id": ManagedIdentityCredential(
        client_id=PLAN["userAssigned"]
    ),
    "user-assigned by object id": ManagedIdentityCredential(
        identity_config={"object_id": PLAN["userAssignedObject"]}
    ),
    "user-assigned by resource id": ManagedIdentityCredential(
        identity_config={"resource_id": PLAN["userAssignedResource"]}
    ),
}.items():
    check_true(f"{name} reads the value", read(credential) == PLAN["shared"])

for name, credential, kind, reason in [
    (
        "wrong client secret",
        ClientSecretCredential(PLAN["tenant"], PLAN["client"], "not-the-secret"),
        ClientAuthenticationError,
        "AADSTS7000215",
    ),
    (
        "application that is not there",
        ClientSecretCredential(
            PLAN["tenant"], "00000000-1111-2222-3333-444444444444", "not-the-secret"
        ),
        ClientAuthenticationError,
        "AADSTS700016",
    ),
    (
        "token of another ServiceAccount",
        in_pod(
            WorkloadIdentityCredential, token_file_path=PLAN["strangerTokenFile"]
        ),
        ClientAuthenticationError,
        "AADSTS7002",
    ),
    (
        "identity that is not assigned",
        ManagedIdentityCredential(client_id="00000000-1111-2222-3333-444444444444"),
        CredentialUnavailableError,
        "Identity not found",
    ),
]:
    try:
        read(credential)
    except ClientAuthenticationError as error:
        check(f"{name}: class", type(error), kind)
        check_true(f"{name}: {reason} in {error.message}", reason in error.message)
    else:
        sys.exit(f"{name}: was not refused")
