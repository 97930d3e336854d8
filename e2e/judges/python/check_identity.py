"""Every kind of identity reads the vault's secret "shared"."""

import os
import sys

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient

from plan import PLAN, VAULT, check, check_true, client_secret


def read(credential):
    return SecretClient(VAULT, credential).get_secret("shared").value


# How a pod is set up by the workload identity webhook.
os.environ["AZURE_TENANT_ID"] = PLAN["tenant"]
os.environ["AZURE_CLIENT_ID"] = PLAN["workload"]
os.environ["AZURE_FEDERATED_TOKEN_FILE"] = PLAN["tokenFile"]
os.environ["AZURE_AUTHORITY_HOST"] = "https://login.microsoftonline.com/"

for name, credential in {
    "client secret": client_secret(),
    "client secret without instance discovery": client_secret(
        disable_instance_discovery=True
    ),
    "workload identity": WorkloadIdentityCredential(),
    "default chain": DefaultAzureCredential(),
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

for name, credential, reason in [
    (
        "wrong client secret",
        ClientSecretCredential(PLAN["tenant"], PLAN["client"], "not-the-secret"),
        "AADSTS7000215",
    ),
    (
        "application that is not there",
        ClientSecretCredential(
            PLAN["tenant"], "00000000-1111-2222-3333-444444444444", "not-the-secret"
        ),
        "AADSTS700016",
    ),
    (
        "token of another ServiceAccount",
        WorkloadIdentityCredential(token_file_path=PLAN["strangerTokenFile"]),
        "AADSTS7002",
    ),
    (
        "identity that is not assigned",
        ManagedIdentityCredential(client_id="00000000-1111-2222-3333-444444444444"),
        "Identity not found",
    ),
]:
    try:
        read(credential)
    except ClientAuthenticationError as error:
        check(f"{name}: class", type(error).__name__, "ClientAuthenticationError")
        check_true(f"{name}: {reason} in {error.message}", reason in error.message)
    else:
        sys.exit(f"{name}: was not refused")
