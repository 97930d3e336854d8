"""What a client sees of a vault that refuses, throttles or cannot be reached."""

import time

from azure.core.exceptions import (
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.keyvault.secrets import SecretClient

from plan import PLAN, VAULT, check, check_true, client_secret, refused

credential = client_secret()

# By vault, each closed in its own way.
for name, inner in {
    "role": "ForbiddenByRbac",
    "no-policy": "AccessDenied",
    "other-policy": "ForbiddenByPolicy",
    "firewall": "ForbiddenByFirewall",
    "private": "ForbiddenByConnection",
}.items():
    with refused(name, HttpResponseError, 403, "Forbidden", inner):
        SecretClient(PLAN["vaults"][name], credential).get_secret("shared")

client = SecretClient(VAULT, credential)
with refused("missing", ResourceNotFoundError, 404, "SecretNotFound"):
    client.get_secret("missing")
with refused("missing version", ResourceNotFoundError, 404, "SecretNotFound"):
    client.get_secret("shared", "0" * 32)
with refused("disabled", HttpResponseError, 403, "Forbidden", "SecretDisabled"):
    client.get_secret("disabled")

# An expired secret can still be read.
check_true("expired", client.get_secret("expired").properties.expires_on is not None)

# "throttled" answers 429 with Retry-After twice; "overloaded" for ever.
start = time.monotonic()
check_true("value after throttling", client.get_secret("throttled").value == PLAN["throttled"])
waited = time.monotonic() - start
check_true(f"two seconds waited for, not {waited:.2f}", 2 <= waited < 10)
impatient = SecretClient(VAULT, credential, retry_total=0)
with refused("overloaded", HttpResponseError, 429, "Throttled"):
    impatient.get_secret("overloaded")

# A vault that is not there is a name that the proxy cannot look up.
try:
    gone = SecretClient("https://not-there.vault.azure.net", credential, retry_total=0)
    gone.get_secret("shared")
except ServiceRequestError as error:
    check("proxy's answer", "502" in str(error), True)
else:
    check_true("a vault that is not there fails", False)
