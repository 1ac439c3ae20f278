"""A public tree in memory: real keys, real metadata, and a log written for the tests alone.

It uses no code under test: the tree hashes follow the definition of RFC 6962 section 2.1, tiles
and notes are those of C2SP.
"""

import base64
import hashlib
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from signer.audit.findings import AnswerError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORIGIN = "log.example/hening"
PATTERNS = {"tables": "tables/*/*", "content": "content/*/*", "latest": "latest/*/*/*"}
SIGNERS = {
    name: CryptoSigner.generate_ed25519()
    for name in (
        *("root", "targets", "snapshot", "timestamp", "latest", "tables", "content"),
        *("armani", "cancro", "dior"),
    )
}
LOG_KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (41, 42)]


def sha256(data):
    """Return the digest of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def leaf_hash_of(entry):
    """Return the leaf hash of an entry (RFC 6962)."""
    return hashlib.sha256(b"\0" + entry).digest()


def hash_children(left, right):
    """Return the hash of two children (RFC 6962)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(leaves):
    """Return the tree hash of leaf hashes, level by level; a lone node moves up unchanged."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    while len(leaves) > 1:
        level = [hash_children(leaves[i], leaves[i + 1]) for i in range(0, len(leaves) - 1, 2)]
        leaves = level + leaves[len(level) * 2 :]
    return leaves[0]


def audit_path(index, leaves):
    """Return PATH(index, leaves) by its recursive definition."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*audit_path(index, leaves[:split]), tree_hash(leaves[split:])]
    return [*audit_path(index - split, leaves[split:]), tree_hash(leaves[:split])]


def verifier(key, origin=ORIGIN):
    """Return the verifier key of a log key in the form of C2SP signed-note."""
    public = b"\x01" + key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(origin.encode() + b"\n" + public).digest()[:4]
    return f"{origin}+{key_id.hex()}+{base64.b64encode(public).decode()}"


def checkpoint(leaves, keys=LOG_KEYS[:1], origin=ORIGIN, size=None):
    """Return the signed checkpoint of a tree; another `size` makes it false."""
    size = len(leaves) if size is None else size
    text = f"{origin}\n{size}\n{base64.b64encode(tree_hash(leaves)).decode()}\n"
    note = text + "\n"
    for key in keys:
        key_id = bytes.fromhex(verifier(key, origin).split("+")[1])
        signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
        note += f"\u2014 {origin} {signature}\n"
    return note.encode()


def tile_name(index, width):
    """Return the last part of a tile's path."""
    name = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03}/{name}"
    return name + ("" if width == 256 else f".p/{width}")


def tiles_of(entries):
    """Return all tiles of a log of `entries`, by path."""
    tiles = {}
    for index in range(-(-len(entries) // 256)):
        part = entries[index * 256 : index * 256 + 256]
        bundle = b"".join(struct.pack(">H", len(entry)) + entry for entry in part)
        tiles[f"/log/tile/entries/{tile_name(index, len(part))}"] = bundle
    level, hashes = 0, [leaf_hash_of(entry) for entry in entries]
    while hashes:
        parts = [hashes[i : i + 256] for i in range(0, len(hashes), 256)]
        for index, part in enumerate(parts):
            tiles[f"/log/tile/{level}/{tile_name(index, len(part))}"] = b"".join(part)
        level, hashes = level + 1, [tree_hash(part) for part in parts if len(part) == 256]
    return tiles


class DictMirror:
    """Serves files from a dict and records the paths that were fetched."""

    def __init__(self, files):
        self.files = files
        self.fetched = []

    def fetch(self, path, limit):
        """Return a file, like any mirror."""
        self.fetched.append(path)
        data = self.files.get(path)
        if data is not None and len(data) > limit:
            raise AnswerError(f"{path} is longer than {limit} bytes.")
        return data


class PublicTree:
    """Everything that a server publishes: role versions, a log of them, and the files of both."""

    def __init__(self):
        self.files = {}
        self.entries = []
        self.current = {}
        self.log_keys = LOG_KEYS[:1]
        self.models = ["armani", "cancro"]
        self.online = 0

    def copy(self):
        """Return an independent copy."""
        other = PublicTree()
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, (dict, list)) else value)
        return other

    def sign(self, role, signed):
        """Sign a role and serialise it."""
        metadata = Metadata(signed)
        metadata.sign(SIGNERS[role])
        return metadata.to_bytes(JSONSerializer(compact=True))

    def make_root(self, version, log_key=LOG_KEYS[0], days=365):
        """Return the bytes of a root."""
        root = Root(version, None, NOW + timedelta(days=days), consistent_snapshot=True)
        for role in ("root", "targets", "snapshot", "timestamp"):
            root.add_key(SIGNERS[role].public_key, role)
        root.unrecognized_fields["custom"] = {"log": verifier(log_key), "schema": 1}
        return self.sign("root", root)

    def make_targets(self, version, days=90):
        """Return the bytes of the targets role, which delegates to `models` and the rest."""
        keys, roles = {}, {}
        for role in (*self.models, *PATTERNS):
            key = SIGNERS[role].public_key
            keys[key.keyid] = key
            pattern = PATTERNS.get(role, f"{role}/*/*/*")
            roles[role] = DelegatedRole(role, [key.keyid], 1, terminating=True, paths=[pattern])
        targets = Targets(version, None, NOW + timedelta(days=days))
        targets.delegations = Delegations(keys, roles)
        return self.sign("targets", targets)

    def make_role(self, role, version, days=90):
        """Return the bytes of a version of any logged role."""
        if role == "root":
            return self.make_root(version, self.log_keys[-1])
        if role == "targets":
            return self.make_targets(version, days)
        return self.sign(role, Targets(version, None, NOW + timedelta(days=days)))

    def append_entry(self, role, version, data):
        """Append one entry to the log without publishing it."""
        self.entries.append(f"hening role v1\n{role}\n{version}\n{sha256(data)}\n".encode())

    def publish_role(self, role, version, data):
        """Write the file of a role version; the next snapshot names it."""
        self.files[f"/metadata/{version}.{role}.json"] = data
        self.current[role] = version

    def release(self, *roles, days=90):
        """Sign the next version of each role, log it, publish all, as a server does."""
        appended = []
        for role in roles:
            version = self.current.get(role, 0) + 1
            data = self.make_role(role, version, days)
            self.append_entry(role, version, data)
            self.publish_role(role, version, data)
            appended.append((role, version, len(self.entries) - 1))
        self.write_log()
        for role, version, index in appended:
            self.write_proof(role, version, index)
        self.publish_snapshot()

    def write_log(self):
        """Write the tiles and the checkpoint of the log."""
        self.files |= tiles_of(self.entries)
        self.files["/log/checkpoint"] = checkpoint(self.leaves, self.log_keys)

    @property
    def leaves(self):
        """The leaf hashes of the log."""
        return [leaf_hash_of(entry) for entry in self.entries]

    def write_proof(self, role, version, index):
        """Write the proof of an entry under the log's newest checkpoint."""
        hashes = "".join(
            base64.b64encode(h).decode() + "\n" for h in audit_path(index, self.leaves)
        )
        head = f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n".encode()
        self.files[f"/log/proof/{role}.{version}"] = head + self.files["/log/checkpoint"]

    def publish_snapshot(self, snapshot_days=7, timestamp_days=1):
        """Sign the next snapshot and timestamp."""
        self.online += 1
        meta = {f"{r}.json": MetaFile(v) for r, v in self.current.items() if r != "root"}
        snapshot = Snapshot(self.online, None, NOW + timedelta(days=snapshot_days), meta=meta)
        self.files[f"/metadata/{self.online}.snapshot.json"] = self.sign("snapshot", snapshot)
        timestamp = Timestamp(
            self.online,
            None,
            NOW + timedelta(days=timestamp_days),
            snapshot_meta=MetaFile(self.online),
        )
        self.files["/metadata/timestamp.json"] = self.sign("timestamp", timestamp)

    def fill(self, count, role="latest"):
        """Log and publish `count` versions of one role; the newest nine are served."""
        version = self.current[role]
        newest = version + count
        for _ in range(count - 1):
            version += 1
            data = b"superseded %d" % version
            self.append_entry(role, version, data)
            if version >= newest - 8:
                self.files[f"/metadata/{version}.{role}.json"] = data
        self.current[role] = version
        self.release(role)

    def write_to(self, folder: Path):
        """Write the tree to disk and return the folder."""
        for path, data in self.files.items():
            file = folder / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return folder


def make_tree():
    """Publish a first version of each role, then a release of armani and of latest."""
    tree = PublicTree()
    tree.release("root", "targets", "armani", "cancro", "tables", "content", "latest")
    tree.release("armani")
    tree.release("latest")
    return tree


def kinds(done):
    """Return the kinds of all findings; a wrong log gives no new memory."""
    assert (done.memory is None) == bool(done.findings.wrong)
    return [finding.kind for finding in done.findings.stored]


def only(done, kind):
    """Return the only finding of an audit, which has this kind."""
    assert kinds(done) == [kind]
    return done.findings.stored[0]
