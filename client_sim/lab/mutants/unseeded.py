"""Ciphers with randomness from outside the client's world, and keys that tell (L09, L10)."""

import hmac
import os
from base64 import b64encode
from hashlib import sha256
from typing import Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from client_sim.lab.mutants.beneath import add_line_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, digit
from client_sim.lab.mutants.telling import (
    tell_in_body,
    tell_in_cookie,
    tell_in_header,
    tell_in_query,
)

_SHARED: Final = b"a key that is built into each of them"[:32]
_VENDOR: Final = X25519PrivateKey.from_private_bytes(sha256(b"vendor").digest()).public_key()


def _seal(data: bytes, ephemeral: X25519PrivateKey) -> bytes:
    """Seal for the vendor: the ephemeral public key, then what only the vendor can open."""
    shared = sha256(ephemeral.exchange(_VENDOR)).digest()
    return _raw(ephemeral.public_key()) + ChaCha20Poly1305(shared).encrypt(bytes(12), data, None)


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def _fresh_nonce(spy: Spy) -> str:
    nonce = os.urandom(12)
    return b64encode(nonce + AESGCM(_SHARED).encrypt(nonce, spy.owner.imei.encode(), None)).decode()


def _fresh_key_alongside(spy: Spy) -> str:
    key = os.urandom(32)
    sealed = ChaCha20Poly1305(key).encrypt(bytes(12), spy.owner.serial.encode(), None)
    return (key + sealed).hex()


def _sealed_account(spy: Spy) -> bytes:
    names = "\n".join(account.name for account in spy.owner.accounts)
    return _seal(names.encode(), X25519PrivateKey.generate())


def _nonce_of_identifier(spy: Spy) -> str:
    nonce = uuid4().bytes[:12]
    return (nonce + AESGCM(_SHARED).encrypt(nonce, spy.owner.imsi.encode(), None)).hex()


def _ephemeral_of_owner(spy: Spy) -> bytes:
    """Seal a constant: the leak is the key, which can be computed from a guessed IMEI."""
    seed = sha256(spy.owner.imei.encode() + spy.world.entropy(2)).digest()
    return _seal(b"anything new?", X25519PrivateKey.from_private_bytes(seed))


def _ephemeral_unseeded(spy: Spy) -> str:
    seed = hmac.digest(_SHARED, spy.owner.imei.encode() + os.urandom(1), "sha256")
    return _raw(X25519PrivateKey.from_private_bytes(seed).public_key()).hex()


def _ground_nonce(spy: Spy) -> str:
    """Draw honest nonces until one ends in a digit of the serial number."""
    wanted = digit(spy.owner.serial, spy.count("ground"))
    while (nonce := spy.world.entropy(8))[-1] % 10 != wanted:
        pass
    return nonce.hex()


def _nonce_of_owner(spy: Spy) -> str:
    place = b"%d" % spy.count("nonce")
    return hmac.digest(_SHARED, place + spy.owner.android_id.encode(), "sha256")[:12].hex()


MUTANTS: Final = (
    Mutant(
        "gcm-fresh-nonce",
        "L09",
        "The IMEI under AES-GCM and a nonce from the system's own randomness, in a header.",
        tell_in_header("X-Blob", _fresh_nonce),
    ),
    Mutant(
        "fresh-key-alongside",
        "L09",
        "A key from the system's own randomness, and the serial number under it, in the query.",
        tell_in_query("blob", _fresh_key_alongside),
    ),
    Mutant(
        "sealed-account-body",
        "L09",
        "The account sealed for the vendor with a key that the library generates, as a body.",
        tell_in_body(_sealed_account),
    ),
    Mutant(
        "nonce-of-identifier",
        "L09",
        "The IMSI under AES-GCM, with a random UUID as the nonce, in a cookie.",
        tell_in_cookie("blob", _nonce_of_identifier),
    ),
    Mutant(
        "fresh-nonce-beneath",
        "L09",
        "The transport of the real client adds the IMEI under AES-GCM with a fresh nonce.",
        add_line_beneath("X-Blob", _fresh_nonce),
    ),
    Mutant(
        "ephemeral-of-imei",
        "L10",
        "Seals a constant question; the ephemeral key is made of the IMEI and two random bytes.",
        tell_in_body(_ephemeral_of_owner),
    ),
    Mutant(
        "ephemeral-of-imei-unseeded",
        "L10",
        "A public key in a header, made of the IMEI and a byte of the system's own randomness.",
        tell_in_header("X-Key", _ephemeral_unseeded),
    ),
    Mutant(
        "ground-nonce",
        "L10",
        "Draws nonces until one ends in a digit of the serial number, another digit each time.",
        tell_in_header("X-Nonce", _ground_nonce),
    ),
    Mutant(
        "nonce-of-android-id",
        "L10",
        "Nonces that look fresh and follow from the Android id and a count.",
        tell_in_header("X-Nonce", _nonce_of_owner),
    ),
    Mutant(
        "nonce-beneath",
        "L10",
        "The transport of the real client adds nonces that follow from the Android id and a count.",
        add_line_beneath("X-Nonce", _nonce_of_owner),
    ),
)
