"""Keys of a repository that exists inside one run, made from its seed, and what they sign."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEYS: Final = {"root": (3, 2), "targets": (2, 2), "tables": (2, 2)}
"""How many keys a role has, and how many must sign; of any other role one."""


@dataclass(frozen=True, slots=True)
class Key:
    """An ed25519 key; `public` is in hex and `keyid` the hash of its canonical JSON."""

    private: Ed25519PrivateKey = field(compare=False, repr=False)
    public: str
    keyid: str

    @property
    def description(self) -> dict[str, Any]:
        """The key as TUF metadata lists it."""
        return {"keytype": "ed25519", "keyval": {"public": self.public}, "scheme": "ed25519"}

    def sign(self, data: bytes) -> bytes:
        """Sign bytes."""
        return self.private.sign(data)


class Keys:
    """All keys that follow from a seed: of each role, generation by generation."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._made: dict[tuple[str, int], tuple[Key, ...]] = {}

    def of(self, role: str, generation: int) -> tuple[Key, ...]:
        """Return the keys of a role (or `log`) after so many rotations."""
        found = self._made.get((role, generation))
        if found is None:
            count, _ = _KEYS.get(role, (1, 1))
            found = tuple(self._make(f"{role} {generation} {place}") for place in range(count))
            self._made[role, generation] = found
        return found

    def _make(self, name: str) -> Key:
        seed = hashlib.sha256(self._seed + b"\x00" + name.encode()).digest()
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw().hex()
        key = Key(private, public, "")
        return Key(private, public, hashlib.sha256(encode_canonical(key.description)).hexdigest())


def threshold(role: str) -> int:
    """Return how many keys of a role must sign."""
    return _KEYS.get(role, (1, 1))[1]


def encode_canonical(value: Mapping[str, Any]) -> bytes:
    """Encode JSON as TUF signs it: sorted, compact, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def sign_metadata(signed: bytes, keys: tuple[Key, ...]) -> bytes:
    """Return a metadata file: the signed part with the signatures in front of it."""
    signatures = [{"keyid": key.keyid, "sig": key.sign(signed).hex()} for key in keys]
    head = json.dumps(signatures, separators=(",", ":")).encode()
    return b'{"signatures":' + head + b',"signed":' + signed + b"}"
