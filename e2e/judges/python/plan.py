"""What the programs share: the plan they are given, and checks that say what was expected.

Usage of each program: NAME.py PLAN, where PLAN is a JSON file. Exit status 0 means that all is well.
"""

import json
import sys
from contextlib import contextmanager

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

with open(sys.argv[1], encoding="utf-8") as file:
    PLAN = json.load(file)

VAULT = PLAN["vault"]


def client_secret(**options):
    return ClientSecretCredential(
        PLAN["tenant"], PLAN["client"], PLAN["clientSecret"], **options
    )


def check(what, got, want):
    """Only for what may stand in a log."""
    if got != want:
        sys.exit(f"{what}: got {got!r}, expected {want!r}")


def check_true(what, condition):
    if not condition:
        sys.exit(f"not so: {what}")


@contextmanager
def refused(what, kind, status, code, inner=None):
    """The body must fail with this error: exactly this class, HTTP status and codes."""
    try:
        yield
    except HttpResponseError as error:
        check(f"{what}: class", type(error), kind)
        check(f"{what}: status", error.status_code, status)
        check(f"{what}: code", error.error and error.error.code, code)
        found = error.error.innererror or {}
        check(f"{what}: inner code", found.get("code"), inner)
    else:
        sys.exit(f"{what}: was not refused")
