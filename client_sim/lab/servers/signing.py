"""Keys of a repository inside one run, derived from its seed, and signing.

They sign metadata and the checkpoints of a transparency log in memory: RFC 6962 trees and proofs
(FORMATS section 7).
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEYS: Final = {"root": (3, 2), "targets": (2, 2), "tables": (2, 2)}
"""The number of keys of a role, and its threshold; any other role has one key."""

ORIGIN: Final = "log.hening.example"
_ED25519: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Key:
    """An Ed25519 key; `public` is hexadecimal, `keyid` is the hash of its canonical JSON."""

    private: Ed25519PrivateKey = field(compare=False, repr=False)
    public: str
    keyid: str

    @property
    def description(self) -> dict[str, Any]:
        """The key as TUF metadata lists it."""
        return {"keytype": "ed25519", "keyval": {"public": self.public}, "scheme": "ed25519"}


class Keys:
    """The keys of all roles and generations, derived from a seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._made: dict[tuple[str, int], tuple[Key, ...]] = {}

    def of(self, role: str, generation: int) -> tuple[Key, ...]:
        """Return the keys of a role (or `log`) after `generation` rotations."""
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
    """Return the threshold of a role."""
    return _KEYS.get(role, (1, 1))[1]


def encode_canonical(value: Mapping[str, Any]) -> bytes:
    """Encode JSON as TUF signs it: sorted, compact, with no unnecessary escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@lru_cache(maxsize=16_384)
def sign_metadata(signed: bytes, keys: tuple[Key, ...]) -> bytes:
    """Return a metadata file: the signed part with the signatures in front of it."""
    signatures = [{"keyid": key.keyid, "sig": key.private.sign(signed).hex()} for key in keys]
    head = json.dumps(signatures, separators=(",", ":")).encode()
    return b'{"signatures":' + head + b',"signed":' + signed + b"}"


def encode_verifier(key: Key) -> str:
    """Encode the log's verifier key in the format of C2SP signed notes."""
    data = _ED25519 + bytes.fromhex(key.public)
    return f"{ORIGIN}+{_key_id(data).hex()}+{base64.b64encode(data).decode()}"


def hash_leaf(role: str, version: int, data: bytes) -> bytes:
    """Return the leaf hash of a role version."""
    digest = hashlib.sha256(data).hexdigest()
    entry = f"hening role v1\n{role}\n{version}\n{digest}\n".encode()
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_tree(leaves: Sequence[bytes]) -> bytes:
    """Return the root hash of a tree, given its leaf hashes: MTH of RFC 6962 section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        return hashlib.sha256().digest()
    k = _split(len(leaves))
    both = b"\x01" + hash_tree(leaves[:k]) + hash_tree(leaves[k:])
    return hashlib.sha256(both).digest()


def find_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the audit path of a leaf: PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*find_path(index, leaves[:k]), hash_tree(leaves[k:])]
    return [*find_path(index - k, leaves[k:]), hash_tree(leaves[:k])]


def sign_checkpoint(leaves: Sequence[bytes], key: Key) -> bytes:
    """Return the checkpoint of a tree: its signed head."""
    root = base64.b64encode(hash_tree(leaves)).decode()
    text = f"{ORIGIN}\n{len(leaves)}\n{root}\n"
    key_id = _key_id(_ED25519 + bytes.fromhex(key.public))
    signature = base64.b64encode(key_id + key.private.sign(text.encode())).decode()
    return f"{text}\n\u2014 {ORIGIN} {signature}\n".encode()


@lru_cache(maxsize=1024)
def encode_proof(index: int, leaves: tuple[bytes, ...], key: Key) -> bytes:
    """Return the stapled proof that a leaf is in a tree."""
    path = [base64.b64encode(part).decode() for part in find_path(index, leaves)]
    head = "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *path])
    return f"{head}\n\n".encode() + sign_checkpoint(leaves, key)


def _key_id(data: bytes) -> bytes:
    return hashlib.sha256(ORIGIN.encode() + b"\n" + data).digest()[:4]


def _split(count: int) -> int:
    """Return the largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1
