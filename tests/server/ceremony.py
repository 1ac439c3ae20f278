"""An initial key ceremony in memory: real keys and TUF metadata, made with python-tuf only."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Key, Metadata, Root, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from server.core.bundle import BlobFile, Bundle, RoleFile, encode_bundle
from server.core.note import VerifierKey
from server.publisher.keys.online_keys import OnlineKeys
from tests.server.core.content.samples import make_pack_role

MODELS = ("armani", "cancro")
PATTERNS = {"tables": "tables/*/*", "content": "content/*/*", "latest": "latest/*/*/*"}


@dataclass
class Ceremony:
    """Offline keys by role, and the role versions signed so far."""

    online: OnlineKeys
    now: datetime
    keys: dict[str, list[CryptoSigner]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in ("root", "targets", "tables", "content", *MODELS):
            count = {"root": 3, "targets": 2, "tables": 2}.get(role, 1)
            self.keys[role] = [CryptoSigner.generate_ed25519() for _ in range(count)]

    def copy(self) -> "Ceremony":
        """Return a ceremony with the same keys, versions and blobs in tables of its own."""
        other = copy.copy(self)
        other.keys = {role: list(signers) for role, signers in self.keys.items()}
        other.versions, other.blobs = dict(self.versions), dict(self.blobs)
        return other

    def sign(self, role: str, signed: Any, signers: list[CryptoSigner] | None = None) -> bytes:
        """Sign with all keys of the role and serialise once."""
        metadata = Metadata(signed)
        for signer in signers or self.keys[role]:
            metadata.sign(signer, append=True)
        self.versions[role] = signed.version
        return metadata.to_bytes(JSONSerializer(compact=True))

    def root(
        self,
        version: int = 1,
        online: Mapping[str, Sequence[Key]] | None = None,
        log: VerifierKey | None = None,
        **changes: Any,
    ) -> bytes:
        """Sign a root that lists `online` keys by role and names the `log` key."""
        listed = {role: [signer.public_key] for role, signer in self.online.signers.items()}
        listed |= online or {}
        root = Root(
            version=version, expires=self.now + timedelta(days=365), consistent_snapshot=True
        )
        for role in ("root", "targets"):
            for signer in self.keys[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = 2
        for role in ("snapshot", "timestamp"):
            for key in listed[role]:
                root.add_key(key, role)
        log_key = str(log or self.online.log_verifier)
        root.unrecognized_fields["custom"] = {"schema": 1, "log": log_key}
        for name, value in changes.items():
            setattr(root, name, value)
        return self.sign("root", root)

    def targets(
        self,
        version: int = 1,
        models: tuple[str, ...] = MODELS,
        latest: Sequence[Key] | None = None,
    ) -> bytes:
        """Sign the targets role, which only delegates; `latest` replaces the keys of that role."""
        keys, roles = {}, {}
        for role in (*models, "tables", "content", "latest"):
            listed = [signer.public_key for signer in self.keys.get(role, [])]
            if role == "latest":
                listed = list(latest or [self.online.signers["latest"].public_key])
            keys |= {key.keyid: key for key in listed}
            threshold = 1 if role == "latest" else len(listed)
            pattern = PATTERNS.get(role, f"{role}/*/*/*")
            keyids = [key.keyid for key in listed]
            roles[role] = DelegatedRole(role, keyids, threshold, True, paths=[pattern])
        targets = Targets(version, None, self.now + timedelta(days=90))
        targets.delegations = Delegations(keys, roles)
        return self.sign("targets", targets)

    def role(
        self, name: str, version: int = 1, files: Mapping[str, tuple[bytes, dict]] | None = None
    ) -> bytes:
        """Sign a delegated role that lists `files`: a path, with its bytes and custom object."""
        targets = Targets(version, None, self.now + timedelta(days=90))
        for path, (data, custom) in (files or {}).items():
            sha256 = hashlib.sha256(data).hexdigest()
            self.blobs[sha256] = data
            targets.targets[path] = TargetFile(
                len(data), {"sha256": sha256}, path, {"custom": custom}
            )
        return self.sign(name, targets)

    def packs(
        self, name: str, version: int, entries: Mapping[str, Any], **options: Any
    ) -> tuple[bytes, list[bytes]]:
        """Sign `tables` or `content` with packs of these entries; return the role and its blobs."""
        targets, files = make_pack_role(name, entries, version=version, **options)
        targets.expires = self.now + timedelta(days=90)
        self.blobs |= {hashlib.sha256(data).hexdigest(): data for data in files.values()}
        return self.sign(name, targets), list(files.values())

    def first(self) -> dict[tuple[str, int], bytes]:
        """Sign all roles of a first submission."""
        files = {("root", 1): self.root(), ("targets", 1): self.targets()}
        return files | {(name, 1): self.role(name) for name in (*MODELS, "tables", "content")}


def release(counter: int, **changes: Any) -> dict:
    """Return the custom object of a full release."""
    custom = {
        "schema": 1,
        "type": "full",
        "counter": counter,
        "fingerprint": f"Hening/armani/armani:14/UKQ1/{counter}:user/release-keys",
        "incremental": str(counter),
        "post_timestamp": 1_767_225_600 + counter,
        "security_patch_level": "2026-01-05",
        "sdk_level": 34,
        "source_builds": [],
        "min_counter": 0,
        "property_files": "payload.bin:100:100",
        "payload_properties": {
            "FILE_HASH": "A" * 43 + "=",
            "FILE_SIZE": "100",
            "METADATA_HASH": "A" * 43 + "=",
            "METADATA_SIZE": "50",
        },
        "changelog": {"en": f"Build {counter}."},
        "withdrawn": False,
    }
    return custom | changes


def write_bundle(
    incoming: Path, files: Mapping[tuple[str, int], bytes], blobs: Mapping[str, bytes]
) -> str:
    """Write a bundle in the signer's format and return its id."""
    roles = [
        RoleFile(name, version, hashlib.sha256(data).hexdigest(), len(data))
        for (name, version), data in sorted(files.items())
    ]
    listed = [BlobFile(sha256, len(data)) for sha256, data in sorted(blobs.items())]
    bundle_id, data = encode_bundle(Bundle(roles=roles, blobs=listed))
    folder = incoming / f".tmp-{bundle_id}"
    for name in ("metadata", "blobs"):
        (folder / name).mkdir(parents=True)
    (folder / "bundle.json").write_bytes(data)
    for (name, version), content in files.items():
        (folder / "metadata" / f"{version}.{name}.json").write_bytes(content)
    for sha256, content in blobs.items():
        (folder / "blobs" / sha256).write_bytes(content)
    folder.rename(incoming / bundle_id)
    return bundle_id
