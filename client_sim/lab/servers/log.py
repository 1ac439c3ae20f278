"""A transparency log in memory: RFC 6962 trees, checkpoints and stapled proofs (FORMATS 7)."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from client_sim.lab.servers.signing import Key

ORIGIN: Final = "log.hening.example"
_ED25519: Final = b"\x01"


def encode_verifier(key: Key) -> str:
    """Encode the log's verifier key as a C2SP note has it."""
    data = _ED25519 + bytes.fromhex(key.public)
    return f"{ORIGIN}+{_key_id(data).hex()}+{base64.b64encode(data).decode()}"


def hash_leaf(role: str, version: int, data: bytes) -> bytes:
    """Hash the leaf of a role version."""
    digest = hashlib.sha256(data).hexdigest()
    entry = f"hening role v1\n{role}\n{version}\n{digest}\n".encode()
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_tree(leaves: Sequence[bytes]) -> bytes:
    """Hash a tree, by its leaves' hashes: MTH of RFC 6962 section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        return hashlib.sha256().digest()
    k = _split(len(leaves))
    both = b"\x01" + hash_tree(leaves[:k]) + hash_tree(leaves[k:])
    return hashlib.sha256(both).digest()


def find_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the hashes from a leaf to the root: PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*find_path(index, leaves[:k]), hash_tree(leaves[k:])]
    return [*find_path(index - k, leaves[k:]), hash_tree(leaves[:k])]


def sign_checkpoint(leaves: Sequence[bytes], key: Key) -> bytes:
    """Return the signed head of a tree."""
    root = base64.b64encode(hash_tree(leaves)).decode()
    text = f"{ORIGIN}\n{len(leaves)}\n{root}\n"
    key_id = _key_id(_ED25519 + bytes.fromhex(key.public))
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
    return f"{text}\n\u2014 {ORIGIN} {signature}\n".encode()


def encode_proof(index: int, leaves: Sequence[bytes], key: Key) -> bytes:
    """Return the stapled proof that a leaf is in a tree."""
    path = [base64.b64encode(part).decode() for part in find_path(index, leaves)]
    head = "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *path])
    return f"{head}\n\n".encode() + sign_checkpoint(leaves, key)


def _key_id(data: bytes) -> bytes:
    return hashlib.sha256(ORIGIN.encode() + b"\n" + data).digest()[:4]


def _split(count: int) -> int:
    """Return the largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1
