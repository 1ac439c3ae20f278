"""Digests of values with something before or after them: a known salt, or another value."""

import hmac
from collections.abc import Iterator, Mapping
from typing import Final

from client_sim.lab.oracles.transforms import DIGESTS

SALTS: Final = (b"salt", b"hening", b"android", b"miui", b"xiaomi", b":", b"|", b"\x00")
"""The salts that are guessed; a known salt of a client is given to the search as a value."""

_ALGORITHMS: Final = ("md5", "sha1", "sha256")
_SALTING: Final = ("imei", "android_id", "serial", "wifi_mac", "advertising_id")


def salted_digests(
    field: str, value: bytes, values: Mapping[str, tuple[bytes, ...]]
) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield digests of a value with each salt before it, after it, and as a key of HMAC.

    The salts are `SALTS` and the phone's own identifiers in `values` but for the field itself, so
    that a digest of two of them together is found. Each comes as (chain, bytes).
    """
    salts = [(repr(salt.decode()), salt) for salt in SALTS]
    salts += [(name, salt) for name in _SALTING if name != field for salt in values.get(name, ())]
    for name, salt in salts:
        for algorithm in _ALGORITHMS:
            yield (f"{name} before it", algorithm), DIGESTS[algorithm](salt + value)
            yield (f"{name} behind it", algorithm), DIGESTS[algorithm](value + salt)
            keyed = hmac.new(salt, value, algorithm).digest()
            yield (f"HMAC keyed with {name}", algorithm), keyed
