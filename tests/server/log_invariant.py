"""An independent reader of the log on disk, written after C2SP tlog-tiles and RFC 6962."""

import base64
import contextlib
import hashlib
import sqlite3
import struct
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.postgres import fetch


def check_log(folder, public_key):
    """Assert that entries, tiles, checkpoint and proofs of a state folder agree.

    Return the leaves as (role, version, sha256) in order.
    """
    log = folder.public / "log"
    size, root = read_checkpoint((log / "checkpoint").read_bytes(), public_key)
    entries = []
    while len(entries) < size:
        index = len(entries) // 256
        entries += unpack(tile(log, "entries", index, min(256, size - index * 256)))
    hashes = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    assert merkle(hashes) == root
    level, nodes = 0, hashes
    while nodes:
        for index in range(-(-len(nodes) // 256)):
            part = nodes[index * 256 : index * 256 + 256]
            assert tile(log, str(level), index, len(part)) == b"".join(part)
        full = len(nodes) // 256
        nodes = [merkle(nodes[i * 256 : i * 256 + 256]) for i in range(full)]
        level += 1
    leaves = [read_leaf(entry) for entry in entries]
    assert len({leaf[:2] for leaf in leaves}) == len(leaves)
    for path in (log / "proof").glob("[!.]*"):  # a crash may have left a hidden file
        role, _, version = path.name.rpartition(".")
        check_proof(path.read_bytes(), (role, int(version)), leaves, hashes, public_key)
    _check_database(folder.database, leaves)
    return leaves


def check_metadata_is_logged(folder, leaves):
    """Assert that each public role file except snapshot and timestamp is a leaf with a proof."""
    for path in (folder.public / "metadata").glob("[1-9]*.json"):
        version, role, _ = path.name.split(".")
        if role != "snapshot":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert (role, int(version), digest) in leaves
            assert (folder.public / "log" / "proof" / f"{role}.{version}").is_file()


def check_proof(proof, name, leaves, hashes, public_key):
    """Assert that a stapled proof leads from its leaf to a signed root."""
    head, _, checkpoint = proof.partition(b"\n\n")
    magic, index, *path = head.decode().split("\n")
    assert magic == "c2sp.org/tlog-proof@v1"
    at = int(index.removeprefix("index "))
    assert leaves[at][:2] == name
    size, root = read_checkpoint(checkpoint, public_key)
    # RFC 9162 section 2.1.3.2, the iterative form. The code under test uses the recursive one.
    node, last, digest = at, size - 1, hashes[at]
    for text in path:
        sibling = base64.b64decode(text)
        if node % 2 or node == last:
            digest = hashlib.sha256(b"\1" + sibling + digest).digest()
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            digest = hashlib.sha256(b"\1" + digest + sibling).digest()
        node, last = node // 2, last // 2
    assert (digest, last) == (root, 0)


def read_checkpoint(note, public_key):
    """Verify a checkpoint with a bare Ed25519 key, and return its size and root.

    During a rotation the log has one name and two keys, so the key's id selects the line.
    """
    text, _, lines = note.partition(b"\n\n")
    name, size, root = text.decode().split("\n")
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]
    raws = [base64.b64decode(line.rpartition(b" ")[2]) for line in lines.splitlines()]
    (signature,) = (raw[4:] for raw in raws if raw[:4] == key_id)
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text + b"\n")
    return int(size), base64.b64decode(root)


def merkle(hashes):
    """Compute the root hash from leaf hashes with a stack of perfect subtrees."""
    stack = []
    for digest in hashes:
        height, node = 0, digest
        while stack and stack[-1][0] == height:
            node = hashlib.sha256(b"\1" + stack.pop()[1] + node).digest()
            height += 1
        stack.append((height, node))
    node = stack.pop()[1]
    while stack:
        node = hashlib.sha256(b"\1" + stack.pop()[1] + node).digest()
    return node


def tile(log: Path, level, index, width):
    """Read a tile. The tests' logs have fewer than a thousand tiles per level."""
    name = f"{index:03}" + ("" if width == 256 else f".p/{width}")
    return (log / "tile" / level / name).read_bytes()


def unpack(bundle):
    """Split an entry bundle at its two-byte length prefixes."""
    entries = []
    while bundle:
        (length,) = struct.unpack(">H", bundle[:2])
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return entries


def read_leaf(entry):
    """Parse the four lines of a leaf."""
    first, role, version, sha256, end = entry.decode().split("\n")
    assert (first, end) == ("hening role v1", "")
    return role, int(version), sha256


def _check_database(place, leaves):
    query = 'SELECT role, version, sha256 FROM log_entries ORDER BY "index"'
    if isinstance(place, Path):
        with contextlib.closing(sqlite3.connect(place)) as connection:
            rows = connection.execute(query).fetchall()
    else:
        rows = fetch(place.url, query)
    assert [tuple(row) for row in rows][: len(leaves)] == leaves
