"""Certificates: issued by the vault, imported, and read back with their key as secrets."""

import base64

from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.certificates import (
    CertificateClient,
    CertificateContentType,
    CertificatePolicy,
    KeyType,
)
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from plan import PLAN, VAULT, check, check_true, client_secret, refused

credential = client_secret()
client = CertificateClient(VAULT, credential)
secrets = SecretClient(VAULT, credential)
keys = KeyClient(VAULT, credential)


def key_and_certificates(name):
    """Of the certificate's secret, after checking what the vault says of it."""
    certificate = client.get_certificate(name)
    secret = secrets.get_secret(name)
    check(f"{name}: secret id", secret.id, certificate.secret_id)
    check(f"{name}: key id", secret.properties.key_id, certificate.key_id)
    check_true(f"{name}: managed", secret.properties.managed)
    content_type = secret.properties.content_type
    if content_type == "application/x-pkcs12":
        pfx = base64.b64decode(secret.value, validate=True)
        key, leaf, others = pkcs12.load_key_and_certificates(pfx, None)
    else:
        check(f"{name}: content type", content_type, "application/x-pem-file")
        key = load_pem_private_key(secret.value.encode(), None)
        leaf, *others = x509.load_pem_x509_certificates(secret.value.encode())
    check(f"{name}: leaf", leaf, x509.load_der_x509_certificate(certificate.cer))
    check(f"{name}: public key", leaf.public_key(), key.public_key())
    key_name = keys.get_key(name)
    check(f"{name}: key", key_name.id, certificate.key_id)
    return key, leaf, others


# Issued by the vault; the creation takes a moment.
for name, policy in {
    "default": CertificatePolicy.get_default(),
    "pem": CertificatePolicy(
        issuer_name="Self",
        subject="CN=pem.example.org",
        san_dns_names=["pem.example.org", "www.example.org"],
        key_type=KeyType.ec,
        key_curve_name="P-256",
        content_type=CertificateContentType.pem,
        validity_in_months=6,
    ),
}.items():
    poller = client.begin_create_certificate(name, policy, _polling_interval=0.2)
    check(f"{name}: at first", poller.status().lower(), "inprogress")
    made = poller.result()
    check(f"{name}: in the end", poller.status(), "completed")
    check(f"{name}: name", made.name, name)
    _, leaf, others = key_and_certificates(name)
    check(f"{name}: subject", leaf.subject.rfc4514_string(), policy.subject)
    check(f"{name}: others", others, [])
    leaf.verify_directly_issued_by(leaf)
san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
check("names", san.value.get_values_for_type(x509.DNSName), policy.san_dns_names)

# Imported, written by somebody else.
for name, file, password in [
    ("modern-pfx", PLAN["modernPfx"], PLAN["pfxPassword"]),
    ("legacy-pfx", PLAN["legacyPfx"], PLAN["pfxPassword"]),
    ("imported-pem", PLAN["importPem"], None),
]:
    with open(file, "rb") as opened:
        content = opened.read()
    policy = None
    if password is None:
        policy = CertificatePolicy(
            issuer_name="Unknown", content_type=CertificateContentType.pem
        )
    client.import_certificate(name, content, password=password, policy=policy)
    key, leaf, _ = key_and_certificates(name)
    with open(PLAN["importPem"], "rb") as opened:
        text = opened.read()
    check(f"{name}: certificate", leaf, x509.load_pem_x509_certificates(text)[0])
    want = load_pem_private_key(text, None)
    check_true(
        f"{name}: private key", key.private_numbers() == want.private_numbers()
    )

# A new version, and the list of them.
policy = client.get_certificate_policy("pem")
client.begin_create_certificate("pem", policy, _polling_interval=0.2).wait()
versions = list(client.list_properties_of_certificate_versions("pem"))
check("versions", len(versions), 2)
latest = client.get_certificate("pem").properties.version
check_true("the latest is one of them", latest in [item.version for item in versions])
listed = sorted(item.name for item in client.list_properties_of_certificates())
check("listed", listed, ["default", "imported-pem", "legacy-pfx", "modern-pfx", "pem"])

client.begin_delete_certificate("pem", _polling_interval=0.1).wait()
with refused("deleted", ResourceNotFoundError, 404, "CertificateNotFound"):
    client.get_certificate("pem")
with refused("its secret", ResourceNotFoundError, 404, "SecretNotFound"):
    secrets.get_secret("pem")
