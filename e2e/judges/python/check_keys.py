"""Keys: created, read, listed, rotated; their numbers must make public keys."""

from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.keys import KeyClient, KeyCurveName
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from plan import VAULT, check, client_secret, refused

client = KeyClient(VAULT, client_secret())
BITS = 2048
CURVES = {
    KeyCurveName.p_256: ec.SECP256R1(),
    KeyCurveName.p_384: ec.SECP384R1(),
    KeyCurveName.p_521: ec.SECP521R1(),
}


def number(octets):
    return int.from_bytes(octets, "big")


def public_key(jwk):
    """Fails for numbers that make no key."""
    if jwk.kty == "RSA":
        check("bytes of the modulus", len(jwk.n), BITS // 8)
        return rsa.RSAPublicNumbers(number(jwk.e), number(jwk.n)).public_key()
    curve = CURVES[jwk.crv]
    for coordinate in (jwk.x, jwk.y):
        check("bytes of a coordinate", len(coordinate), (curve.key_size + 7) // 8)
    return ec.EllipticCurvePublicNumbers(
        number(jwk.x), number(jwk.y), curve
    ).public_key()


made = {"rsa": client.create_rsa_key("rsa", size=BITS, tags={"use": "signing"})}
for curve in CURVES:
    name = f"ec-{curve.value}"
    made[name] = client.create_ec_key(name, curve=curve)
for name, key in made.items():
    got = client.get_key(name)
    check(f"{name}: id", got.id, key.id)
    check(f"{name}: type", got.key_type, "RSA" if name == "rsa" else "EC")
    check(f"{name}: key", public_key(got.key), public_key(key.key))
    check(f"{name}: nothing private", (got.key.d, got.key.p, got.key.q), (None,) * 3)
check("tags", client.get_key("rsa").properties.tags, {"use": "signing"})

rotated = client.rotate_key("rsa")
check("latest", client.get_key("rsa").id, rotated.id)
pinned = client.get_key("rsa", made["rsa"].properties.version)
check("pinned", pinned.id, made["rsa"].id)
check("another key", pinned.key.n != rotated.key.n, True)
check("versions", len(list(client.list_properties_of_key_versions("rsa"))), 2)
check("keys", sorted(item.name for item in client.list_properties_of_keys()), sorted(made))

# A disabled key can still be read.
client.update_key_properties("rsa", enabled=False)
check("enabled", client.get_key("rsa").properties.enabled, False)
with refused("missing", ResourceNotFoundError, 404, "KeyNotFound"):
    client.get_key("missing")
