"""Encodings of leaked values: alphabets, layers, digests, ciphers, and pieces."""

import base64
import gzip
import hashlib
import hmac
import os
import re
import zlib
from collections.abc import Callable
from typing import Final
from urllib.parse import quote as percent
from urllib.parse import urljoin, urlsplit

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.padding import PKCS7

from client_sim.lab.mutants.rows import Encoding
from client_sim.lab.mutants.spy import Spy, digit

SALT: Final = b"in every phone of ours"
KEY: Final = b"one for everyone"
VECTOR: Final = b"and never change"
SHARED: Final = b"a key that is built into each of them"[:32]
VENDOR: Final = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"vendor").digest())


def _value_only(phrase: str, encode: Callable[[bytes], bytes]) -> Encoding:
    """Return an encoding that depends only on the value."""
    return Encoding(phrase, lambda _spy, value: encode(value))


HEX: Final = _value_only("the hexadecimal form", lambda value: value.hex().encode())
BASE64: Final = _value_only("the base64 form", base64.b64encode)
BASE85: Final = _value_only("the base85 form", base64.b85encode)
QUOTED: Final = _value_only("the percent-encoded form", lambda value: percent(value).encode())
LABEL: Final = _value_only(
    "the label", lambda value: percent(value, safe="").replace("%", "-").lower().encode()
)
REVERSED: Final = _value_only("the reverse", lambda value: value[::-1])
GZIP: Final = _value_only("the gzip form", lambda value: gzip.compress(value, mtime=0))
ZLIB: Final = _value_only("the zlib form", zlib.compress)


def digest(name: str, cut: int | None = None) -> Encoding:
    """Return the encoding as a hexadecimal digest, or its first `cut` digits."""
    return _value_only(
        f"the {name}",
        lambda value: hashlib.new(name, value, usedforsecurity=False).hexdigest()[:cut].encode(),
    )


SALTED: Final = _value_only(
    "the salted sha256", lambda value: hashlib.sha256(SALT + value).hexdigest().encode()
)
EACH_SHA256: Final = _value_only(
    "the sha256 of each line",
    lambda value: b"".join(hashlib.sha256(line).digest() for line in value.split(b"\n")),
)


def _salt_alongside(spy: Spy, value: bytes) -> bytes:
    salt = spy.draw_once("salt", 8)
    return f"{salt.hex()}.{hashlib.sha256(salt + value).hexdigest()}".encode()


SALT_ALONGSIDE: Final = Encoding("a drawn salt and the salted sha256", _salt_alongside)


def keyed(digits: int) -> Encoding:
    """Return the encoding as some digits of an HMAC under a key that all phones share."""
    return _value_only(
        f"{digits} digits of the HMAC",
        lambda value: hmac.digest(SALT, value, "sha256").hex()[:digits].encode(),
    )


def _aes_cbc(value: bytes) -> bytes:
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES128(KEY), modes.CBC(VECTOR)).encryptor()
    return cipher.update(padder.update(value) + padder.finalize()) + cipher.finalize()


def _stream(value: bytes) -> bytes:
    return Cipher(algorithms.ChaCha20(KEY + KEY, bytes(16)), mode=None).encryptor().update(value)


AES_CBC: Final = _value_only("AES-CBC", _aes_cbc)
CHACHA: Final = _value_only("ChaCha20 with a constant nonce", _stream)


def xor(data: bytes, key: bytes) -> bytes:
    """XOR data with a repeated key."""
    return bytes(byte ^ key[place % len(key)] for place, byte in enumerate(data))


def _xor_fresh(spy: Spy, value: bytes) -> bytes:
    key = spy.world.entropy(1)
    return key + xor(value, key)


def _xor_stored(spy: Spy, value: bytes) -> bytes:
    key = spy.draw_once("pad", 16)
    return key + xor(value, key)


def _xor_turns(spy: Spy, value: bytes) -> bytes:
    """Return a pad in one poll and the masked value in the next; each alone looks random."""
    pad = spy.draw_once(f"pad {(spy.get_count('polls') - 1) // 2}", 16)
    return pad if spy.get_count("polls") % 2 else xor(value[:16].ljust(16), pad)


XOR_FRESH: Final = Encoding("a fresh byte and what it masks", _xor_fresh)
XOR_STORED: Final = Encoding("a kept pad and what it masks", _xor_stored)
XOR_TURNS: Final = Encoding("in turns a pad and what it masks", _xor_turns)


def _gcm(_spy: Spy, value: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(SHARED).encrypt(nonce, value, None)


def _seal(value: bytes, ephemeral: X25519PrivateKey) -> bytes:
    """Encrypt for the vendor: the ephemeral public key, and the ciphertext."""
    shared = hashlib.sha256(ephemeral.exchange(VENDOR.public_key())).digest()
    sealed = ChaCha20Poly1305(shared).encrypt(bytes(12), value, None)
    return ephemeral.public_key().public_bytes_raw() + sealed


def _ephemeral(spy: Spy, value: bytes) -> bytes:
    """Encrypt a constant; the leak is the key, which can be computed from a guessed value."""
    seed = hashlib.sha256(value + spy.world.entropy(2)).digest()
    return _seal(b"anything new?", X25519PrivateKey.from_private_bytes(seed))


def _counted_nonce(spy: Spy, value: bytes) -> bytes:
    return hmac.digest(SHARED, b"%d" % spy.increment("nonce") + value, "sha256")[:12]


GCM: Final = Encoding("AES-GCM with a nonce of the system", _gcm)
SEALED: Final = Encoding(
    "the vendor's seal", lambda _spy, value: _seal(value, X25519PrivateKey.generate())
)
EPHEMERAL: Final = Encoding("a question under a key", _ephemeral)
NONCE: Final = Encoding("a nonce from a count", _counted_nonce)

PARITY: Final = _value_only("a bit", lambda value: b"%d" % (sum(value) % 2))
ODD: Final = _value_only("the parity", lambda value: b"%d" % (_to_int(value) % 2))
EVEN: Final = _value_only("the evenness", lambda value: b"%d" % (1 - _to_int(value) % 2))
TURNING: Final = Encoding(
    "in turns more or less by",
    lambda spy, value: value if spy.get_count("polls") % 2 else b"-" + value,
)


def _find_group(pattern: bytes, value: bytes) -> bytes:
    found = re.search(pattern, value)
    return found[1] if found else b""


def _path_of(value: bytes) -> bytes:
    text = value.decode("latin-1")
    parts = urlsplit(urljoin("/metadata/", text.partition("<")[2].partition(">")[0] or text))
    return (f"{parts.path}?{parts.query}" if parts.query else parts.path).encode("latin-1")


FIRST_PART: Final = _value_only("the first part", lambda value: _find_group(rb"([^;,]*)", value))
IN_QUOTES: Final = _value_only("the quoted part", lambda value: _find_group(rb'"([^"]*)"', value))
PATH: Final = _value_only("the path", _path_of)


def rest(bound: int) -> Encoding:
    """Return the encoding as a number below a bound, derived from the value's SHA-256."""
    return _value_only(
        f"a number below {bound}",
        lambda value: b"%d" % (int.from_bytes(hashlib.sha256(value).digest()[:8]) % bound),
    )


def modulo(bound: int) -> Encoding:
    """Return the encoding as the remainder of a decimal number, or of random bytes."""
    return _value_only(f"the rest by {bound}", lambda value: b"%d" % (_to_int(value) % bound))


def _to_int(value: bytes) -> int:
    return int(value) if value.isdigit() else int.from_bytes(value) if value else 0


def at(place: int) -> Encoding:
    """Return the encoding as one digit of the value."""
    return _value_only(f"digit {place}", lambda value: b"%d" % digit(value.decode(), place))


def equals(number: int) -> Encoding:
    """Return the encoding as a bit that says whether a number is this one."""
    return _value_only(f"whether it is {number}:", lambda value: b"%d" % (int(value) == number))


def at_least(number: int) -> Encoding:
    """Return the encoding as a bit that says whether a number is at least this one."""
    return _value_only(
        f"whether it is at least {number}:", lambda value: b"%d" % (int(value) >= number)
    )


DRIP: Final = Encoding(
    "a digit for each poll",
    lambda spy, value: b"%d" % digit(value.decode(), 5 + spy.get_count("polls") % 8),
)


def _tenth(spy: Spy, value: bytes) -> bytes:
    polls = spy.get_count("polls") - 1
    known = hashlib.sha256(value).digest()[0]
    return b"%d" % (known >> polls // 10 % 8 & 1 if polls % 10 == 9 else 0)


TENTH: Final = Encoding("in each tenth poll a bit", _tenth)


def _low_bit(spy: Spy, value: bytes) -> bytes:
    return b"%d" % (hmac.digest(value, b"%d" % spy.get_count("polls"), "sha256")[0] & 1)


def _draw_for_poll(spy: Spy, value: bytes) -> bytes:
    digest = hashlib.sha256(value + b"%d" % spy.get_count("polls")).digest()
    return b"%d" % (int.from_bytes(digest[:8]) % 14_401)


POLL_BIT: Final = Encoding("a bit for each poll under a key", _low_bit)
POLL_DRAW: Final = Encoding("a draw for each poll after a seed", _draw_for_poll)
