"""A repository that a phone can poll: real TUF metadata, a real log, served from memory."""

import base64
import datetime as dt
import gzip
import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from tests.client_sim.device import tree

START: Final = 1_767_400_000  # 2026-01-03
DAY: Final = 86_400
ORIGIN: Final = "log.hening.example"
PATTERNS: Final = {
    "armani": "armani/*/*/*",
    "tables": "tables/*/*",
    "content": "content/*/*",
    "latest": "latest/*/*/*",
}
LIFETIMES: Final = {"root": 365, "timestamp": 1, "snapshot": 7, "latest": 7}
POINTER: Final = "latest/armani/id/stable"
SOURCE: Final = "Hening/armani/armani:14/T/1:user/release-keys"


def expiry(now, days):
    """Return a TUF expiry `days` after epoch seconds `now`."""
    return dt.datetime.fromtimestamp(now + days * DAY, dt.UTC)


class Log:
    """A transparency log with all its entries in a list."""

    def __init__(self, name=ORIGIN):
        self.key = Ed25519PrivateKey.generate()
        self.name = name
        self.entries = []

    @property
    def vkey(self):
        """Return the verifier key."""
        key = b"\x01" + self.key.public_key().public_bytes_raw()
        return f"{self.name}+{self._key_id(key).hex()}+{base64.b64encode(key).decode()}"

    def _key_id(self, key):
        return hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]

    def sign(self, text):
        """Return a signed note."""
        key = b"\x01" + self.key.public_key().public_bytes_raw()
        signature = base64.b64encode(self._key_id(key) + self.key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {signature}\n".encode()

    def checkpoint(self):
        """Return the signed head of the whole tree."""
        root = base64.b64encode(tree.root_hash(self.entries)).decode()
        return self.sign(f"{self.name}\n{len(self.entries)}\n{root}\n")

    def append(self, role, version, data):
        """Add a role version and return its index."""
        digest = hashlib.sha256(data).hexdigest()
        self.entries.append(f"hening role v1\n{role}\n{version}\n{digest}\n".encode())
        return len(self.entries) - 1

    def prove(self, index):
        """Return the stapled proof of an entry."""
        hashes = tree.path(index, self.entries)
        lines = [base64.b64encode(part).decode() for part in hashes]
        head = "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *lines])
        return f"{head}\n\n".encode() + self.checkpoint()


class Repository:
    """Change metadata through `signed[ROLE]`; `publish` then signs and serves it.

    `files` holds what is served by path, `overrides` whole HTTP answers by path.
    """

    def __init__(self, now=START):
        self.now = now
        self.log = Log()
        self.files = {}
        self.overrides = {}
        self.signers = {
            name: [CryptoSigner.generate_ed25519()]
            for name in ("targets", "snapshot", "timestamp", *PATTERNS)
        }
        self.signers["root"] = [CryptoSigner.generate_ed25519() for _ in range(2)]
        self.signed = {
            "root": Root(consistent_snapshot=True),
            "targets": Targets(),
            "snapshot": Snapshot(),
            "timestamp": Timestamp(),
            **{name: Targets() for name in PATTERNS},
        }
        root = self.signed["root"]
        for name in ("root", "targets", "snapshot", "timestamp"):
            for signer in self.signers[name]:
                root.add_key(signer.public_key, name)
        root.roles["root"].threshold = 2
        root.unrecognized_fields["custom"] = {"log": self.log.vkey, "schema": 1}
        self.delegate()
        for name in ("root", "targets", *PATTERNS):
            self.publish_role(name)
        self.publish_online()
        self.trusted_root = self.files["/metadata/1.root.json"]

    def delegate(self):
        """Write the delegations of all roles into targets."""
        keys, roles = {}, {}
        for name, pattern in PATTERNS.items():
            ids = [signer.public_key.keyid for signer in self.signers[name]]
            keys.update({s.public_key.keyid: s.public_key for s in self.signers[name]})
            roles[name] = DelegatedRole(name, ids, 1, terminating=True, paths=[pattern])
        self.signed["targets"].delegations = Delegations(keys, roles)

    def sign(self, name):
        """Sign a role as it is and return its bytes."""
        metadata = Metadata(self.signed[name])
        for signer in self.signers[name]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer(compact=True))

    def publish_role(self, name):
        """Sign a role, log it and list it in the next snapshot."""
        signed = self.signed[name]
        signed.expires = expiry(self.now, LIFETIMES.get(name.partition("-")[0], 90))
        data = self.sign(name)
        index = self.log.append(name, signed.version, data)
        self.files[f"/metadata/{signed.version}.{name}.json"] = data
        self.files[f"/log/proof/{name}.{signed.version}"] = self.log.prove(index)
        if name != "root":
            self.signed["snapshot"].meta[f"{name}.json"] = MetaFile(signed.version)

    def publish_online(self):
        """Sign and serve snapshot and timestamp."""
        self.publish_snapshot()
        self.publish_timestamp()

    def publish_snapshot(self):
        """Sign the snapshot."""
        snapshot = self.signed["snapshot"]
        snapshot.expires = expiry(self.now, LIFETIMES["snapshot"])
        self.files[f"/metadata/{snapshot.version}.snapshot.json"] = self.sign("snapshot")
        self.signed["timestamp"].snapshot_meta = MetaFile(snapshot.version)

    def publish_timestamp(self):
        """Sign the timestamp."""
        self.signed["timestamp"].expires = expiry(self.now, LIFETIMES["timestamp"])
        self.files["/metadata/timestamp.json"] = self.sign("timestamp")

    def publish(self, *names):
        """Publish new versions of these roles, then of snapshot and timestamp."""
        for name in names:
            self.signed[name].version += 1
            self.publish_role(name)
        self.signed["snapshot"].version += 1
        self.publish_snapshot()
        self.refresh()

    def refresh(self):
        """Publish a new version of the timestamp alone, as every hour."""
        self.signed["timestamp"].version += 1
        self.publish_timestamp()

    def publish_root(self):
        """Publish a new version of root."""
        self.signed["root"].version += 1
        self.publish_role("root")

    def set_keys(self, name, signers):
        """Replace the keys of a top-level role."""
        root = self.signed["root"]
        root.roles[name] = Role([], 1)
        for signer in signers:
            root.add_key(signer.public_key, name)
        self.signers[name] = list(signers)

    def add_release(self, package=b"package", name="armani-2-full.zip", **changes):
        """List a package in the codename role and return its link for a pointer."""
        path = f"armani/id/stable/{name}"
        digest = hashlib.sha256(package).hexdigest()
        target = TargetFile(len(package), {"sha256": digest}, path)
        target.unrecognized_fields["custom"] = make_release(**changes)
        self.signed["armani"].targets[path] = target
        self.files[f"/targets/armani/id/stable/{digest}.{name}"] = package
        custom = target.custom
        return {"p": path, "z": len(package), "x": digest, "b": custom["source_builds"]}

    def point(self, pointer):
        """List a pointer in the role `latest`."""
        target = TargetFile(0, {"sha256": hashlib.sha256().hexdigest()}, POINTER)
        target.unrecognized_fields["custom"] = pointer
        self.signed["latest"].targets[POINTER] = target

    def offer(self, **changes):
        """Publish build 2 for all phones, with some members of the pointer changed."""
        self.point({**make_pointer([make_step(2, [self.add_release()])]), **changes})
        self.publish("armani", "latest")

    def answer(self, head):
        """Answer one request head, bytes in and bytes out."""
        line, *headers = head.decode("ascii").split("\r\n")
        path = line.split(" ")[1]
        if path in self.overrides:
            return self.overrides[path]
        body = self.files.get(path)
        if body is None:
            return response(b"404 Not Found", b"nothing here\n")
        ranges = [h.removeprefix("Range: bytes=") for h in headers if h.startswith("Range: ")]
        if ranges:
            first, last = map(int, ranges[0].split("-"))
            content_range = b"Content-Range: bytes %d-%d/%d" % (first, last, len(body))
            return response(b"206 Partial Content", body[first : last + 1], content_range)
        if path.startswith(("/metadata/", "/log/")):
            return response(b"200 OK", gzip.compress(body), b"Content-Encoding: gzip")
        return response(b"200 OK", body)


def response(status, body, *headers):
    """Return an HTTP response with headers that a phone must not store or send back."""
    traps = (b'ETag: "0123456789abcdef"', b"Set-Cookie: sid=fedcba98", b"Retry-After: 7")
    length = b"Content-Length: %d" % len(body)
    lines = (b"HTTP/1.1 " + status, *traps, length, *headers)
    return b"\r\n".join((*lines, b"", body))


def make_release(**changes):
    """Return the `custom` object of a full release of build 2."""
    return {
        "changelog": {"en": "Fixes the alarm clock."},
        "counter": 2,
        "fingerprint": "Hening/armani/armani:14/T/2:user/release-keys",
        "incremental": "2",
        "min_counter": 0,
        "payload_properties": {
            "FILE_HASH": "A" * 43 + "=",
            "FILE_SIZE": "3",
            "METADATA_HASH": "A" * 43 + "=",
            "METADATA_SIZE": "1",
        },
        "post_timestamp": START,
        "property_files": "payload.bin:1:3",
        "schema": 1,
        "sdk_level": 34,
        "security_patch_level": "2026-01-05",
        "source_builds": [],
        "type": "full",
        "withdrawn": False,
        **changes,
    }


def make_step(counter, links, **changes):
    """Return a step of a pointer."""
    step = {"n": counter, "t": START, "l": "2026-01-05", "m": 0, "k": links}
    return {**step, **changes}


def make_pointer(steps, **changes):
    """Return a pointer that admits all phones."""
    pointer = {"v": 1, "s": steps, "r": [[START - DAY, 1000]], "p": False, "h": False, "t": {}}
    return {**pointer, **changes}
