"""The life of secrets: set, read, list, disable, delete, recover, purge."""

from datetime import datetime, timezone

from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.keyvault.secrets import SecretClient

from plan import PLAN, VAULT, check, check_true, client_secret, refused

client = SecretClient(VAULT, client_secret())
first, second = PLAN["values"]

# Set and read.
expires = datetime(2035, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
old = client.set_secret(
    "own", first, content_type="text/plain", tags={"team": "payments"}, expires_on=expires
)
new = client.set_secret("own", second)
latest = client.get_secret("own")
check("latest version", latest.properties.version, new.properties.version)
check_true("latest value", latest.value == second)
check("id", latest.id, f"{VAULT}/secrets/own/{new.properties.version}")
pinned = client.get_secret("own", old.properties.version)
check_true("pinned value", pinned.value == first)
check("content type", pinned.properties.content_type, "text/plain")
check("tags", pinned.properties.tags, {"team": "payments"})
check("expiry", pinned.properties.expires_on, expires)
check_true("creation time", pinned.properties.created_on <= datetime.now(timezone.utc))
check_true("enabled", pinned.properties.enabled)
check("recovery level", pinned.properties.recovery_level, "Recoverable+Purgeable")

# Lists, with a page of 25 and with smaller ones.
names = [f"listed-{number:02}" for number in range(30)]
pages = [list(page) for page in client.list_properties_of_secrets().by_page()]
check("first page", len(pages[0]), 25)
listed = [item.name for page in pages for item in page]
check("listed", [name for name in listed if name.startswith("listed-")], names)
check("each once", len(set(listed)), len(listed))
small = client.list_properties_of_secrets(max_page_size=7).by_page()
check("small pages", [item.name for page in small for item in page], listed)
versions = client.list_properties_of_secret_versions("many").by_page()
pages = [list(page) for page in versions]
check("version pages", [len(page) for page in pages], [25, 5])
ids = {item.version for page in pages for item in page}
check("versions", len(ids), 30)
check_true("the current one is listed", client.get_secret("many").properties.version in ids)

# A disabled version is refused, and the others are not. There is no falling back.
client.update_secret_properties("own", new.properties.version, enabled=False)
with refused("disabled", HttpResponseError, 403, "Forbidden", "SecretDisabled"):
    client.get_secret("own")
with refused("disabled version", HttpResponseError, 403, "Forbidden", "SecretDisabled"):
    client.get_secret("own", new.properties.version)
check_true("the older one", client.get_secret("own", old.properties.version).value == first)
states = {
    item.version: item.enabled for item in client.list_properties_of_secret_versions("own")
}
check(
    "states", states, {old.properties.version: True, new.properties.version: False}
)
client.update_secret_properties("own", new.properties.version, enabled=True)
check_true("enabled again", client.get_secret("own").value == second)

# Deletion.
deleted = client.begin_delete_secret("own", _polling_interval=0.1).result()
check("deleted", deleted.name, "own")
check_true("scheduled purge", deleted.scheduled_purge_date > deleted.deleted_date)
with refused("deleted", ResourceNotFoundError, 404, "SecretNotFound"):
    client.get_secret("own")
inner = "ObjectIsDeletedButRecoverable"
with refused("name in use", ResourceExistsError, 409, "Conflict", inner):
    client.set_secret("own", first)
check("deleted ones", [item.name for item in client.list_deleted_secrets()], ["own"])
client.begin_recover_deleted_secret("own", _polling_interval=0.1).wait()
check_true("recovered", client.get_secret("own").value == second)
client.begin_delete_secret("own", _polling_interval=0.1).wait()
client.purge_deleted_secret("own")
with refused("purged", ResourceNotFoundError, 404, "SecretNotFound"):
    client.get_deleted_secret("own")
again = client.set_secret("own", first)
check(
    "versions after the purge",
    [item.version for item in client.list_properties_of_secret_versions("own")],
    [again.properties.version],
)
