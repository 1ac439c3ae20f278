"""The search for secrets finds secrets that a test planted."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cases import case
from tests.leaks import Leaks, seed_forms
from tests.rfc8032 import VECTORS

SEED = bytes.fromhex(VECTORS["TEST 1"].secret)
LEAKS = Leaks(**seed_forms("seed", SEED))


def test_unencrypted_key_files_are_found() -> None:
    """A seed is found in every unencrypted form that the library writes, also across a line end."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    for encoding, form in (
        (Encoding.DER, PrivateFormat.PKCS8),
        (Encoding.PEM, PrivateFormat.PKCS8),
        (Encoding.PEM, PrivateFormat.OpenSSH),
        (Encoding.Raw, PrivateFormat.Raw),
    ):
        data = key.private_bytes(encoding, form, NoEncryption())
        with case(encoding, form):
            assert "seed" in {name for name, _ in LEAKS.find(b"before" + data + b"behind")}


def test_every_form_is_found() -> None:
    """Hex in both cases, base64 in both alphabets and alignments, and Python's repr are found."""
    for before in range(3):
        data = b"x" * before + SEED + b"behind"
        for shown, form in (
            (data, "raw"),
            (data.hex(), "hex"),
            (data.hex().upper(), "hex"),
            (repr(data), "repr"),
            (str(list(data)), "numbers"),
            (base64.b64encode(data), "base64"),
            (base64.urlsafe_b64encode(data), "base64"),
            (base64.encodebytes(data), "base64"),
        ):
            assert ("seed", form) in LEAKS.find(shown)


def test_the_expanded_key_is_found() -> None:
    """The expanded key is found, since it can sign without the seed; sha512sum calculated it."""
    # printf of the seed of RFC 8032 test 1, through `xxd -r -p | sha512sum`. In the first byte the
    # three low bits are cleared; in the 32nd the highest bit is cleared and the second highest set.
    scalar = "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f"
    prefix = "9b4f0afe280b746a778684e75442502057b7473a03f08f96f5a38e9287e01f8f"
    assert LEAKS.find(scalar) == {("seed_scalar", "hex")}
    assert LEAKS.find(prefix) == {("seed_prefix", "hex")}


def test_public_values_are_not_reported() -> None:
    """A public key and a signature are not reported as secrets."""
    assert LEAKS.find(VECTORS["TEST 1"].public + VECTORS["TEST 1"].signature) == set()


def test_secrets_in_objects_are_found() -> None:
    """Secrets inside objects are found at any depth, but not through code they refer to."""

    class Holder:
        def __init__(self, held) -> None:
            self.held = held

    assert LEAKS.find_reachable(Holder([{"a": Holder(bytearray(SEED))}])) == {("seed", "raw")}
    assert LEAKS.find_reachable(Holder({SEED.hex(): 1})) == {("seed", "hex")}
    assert LEAKS.find_reachable(Holder([1])) == set()
