"""What a fleet's own server publishes: made-up models, signed by keys that nobody keeps.

Metadata as FORMATS sections 2 and 3 want it, handed over as section 6 says.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from securesystemslib.signer import CryptoSigner, Key, SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

BUILDS: Final = 3
"""Builds of each model: an old one, the one that the fleet runs, and the one to roll out."""

CHANNEL: Final = "stable"
_REGIONS: Final = ("id", "eu", "in")
_OFFLINE: Final = ("root", "targets", "tables", "content")
_DAY: Final = timedelta(days=1)
_MONTH: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Site:
    """The files of a submission: roles by name and version, packages by sha256."""

    root: bytes
    roles: Mapping[tuple[str, int], bytes]
    packages: Mapping[str, bytes]
    channels: tuple[str, ...]


def make_site(models: int, package_size: int, public: bytes, now: float) -> Site:
    """Sign a site of `models`, whose packages have `package_size` octets each.

    `public` is the server's `keys/public.json`, `now` epoch seconds.
    """
    online = json.loads(public)["keys"]
    codenames = tuple(f"model{number:03}" for number in range(models))
    signers = {name: CryptoSigner.generate_ed25519() for name in (*_OFFLINE, *codenames)}
    today = datetime.fromtimestamp(now, UTC)
    packages: dict[str, bytes] = {}
    roles = {name: _make_role(name, package_size, now, packages) for name in codenames}
    roles |= {"tables": Targets(), "content": Targets(), "targets": _make_targets(signers, online)}
    signed: dict[tuple[str, int], bytes] = {}
    for name, role in roles.items():
        role.expires = (today + 90 * _DAY).replace(microsecond=0)
        signed[name, 1] = _sign(role, signers[name])
    root = _make_root(signers, online)
    root.expires = (today + 365 * _DAY).replace(microsecond=0)
    signed["root", 1] = _sign(root, signers["root"])
    channels = tuple(f"{name}/{region}/{CHANNEL}" for name in codenames for region in _REGIONS)
    return Site(signed["root", 1], signed, packages, channels)


def submit_site(site: Site, incoming: Path) -> str:
    """Lay the site's bundle into `incoming` and return its id."""
    listing = {
        "blobs": [
            {"length": len(octets), "sha256": sha256}
            for sha256, octets in sorted(site.packages.items())
        ],
        "kind": "submission",
        "roles": [
            {
                "length": len(octets),
                "name": name,
                "sha256": hashlib.sha256(octets).hexdigest(),
                "version": version,
            }
            for (name, version), octets in sorted(site.roles.items())
        ],
        "schema": 1,
    }
    text = json.dumps(listing, separators=(",", ":"), sort_keys=True) + "\n"
    bundle_id = hashlib.sha256(text.encode()).hexdigest()
    place = incoming / f".tmp-{bundle_id}"
    (place / "metadata").mkdir(parents=True)
    (place / "blobs").mkdir()
    (place / "bundle.json").write_text(text, encoding="ascii")
    for (name, version), octets in site.roles.items():
        (place / "metadata" / f"{version}.{name}.json").write_bytes(octets)
    for sha256, octets in site.packages.items():
        (place / "blobs" / sha256).write_bytes(octets)
    place.rename(incoming / bundle_id)
    return bundle_id


def _make_role(codename: str, size: int, now: float, packages: dict[str, bytes]) -> Targets:
    role = Targets()
    for counter in range(1, BUILDS + 1):
        # The builds are as many months old as there are later ones.
        made = int(now) - (BUILDS + 1 - counter) * _MONTH
        octets = _make_package(codename, counter, size)
        sha256 = hashlib.sha256(octets).hexdigest()
        packages[sha256] = octets
        for region in _REGIONS:
            path = f"{codename}/{region}/{CHANNEL}/{codename}-{counter}-full.zip"
            custom = _describe(codename, counter, made)
            role.targets[path] = TargetFile(len(octets), {"sha256": sha256}, path, custom)
    return role


def _make_package(codename: str, counter: int, size: int) -> bytes:
    """Return octets that stand for a package; no update engine takes them."""
    return hashlib.shake_256(f"hening fleet package {codename} {counter}".encode()).digest(size)


def _describe(codename: str, counter: int, made: int) -> dict[str, Any]:
    hashed = "q80BI0VniavN7wEjRWeJq80BI0VniavN7wEjRWeJqw0="
    return {
        "custom": {
            "changelog": {"en": "Fixes the alarm clock.", "id": "Memperbaiki jam alarm."},
            "counter": counter,
            "fingerprint": f"Hening/{codename}/{codename}:14/FLEET/{counter}:user/release-keys",
            "incremental": str(counter),
            "min_counter": 0,
            "payload_properties": {
                "FILE_HASH": hashed,
                "FILE_SIZE": "1",
                "METADATA_HASH": hashed,
                "METADATA_SIZE": "1",
            },
            "post_timestamp": made,
            "property_files": "payload.bin:0:1",
            "schema": 1,
            "sdk_level": 34,
            "security_patch_level": f"{datetime.fromtimestamp(made, UTC):%Y-%m-05}",
            "source_builds": [],
            "type": "full",
            "withdrawn": False,
        }
    }


def _make_root(signers: Mapping[str, CryptoSigner], online: Mapping[str, str]) -> Root:
    root = Root(consistent_snapshot=True)
    for name in ("root", "targets"):
        root.add_key(signers[name].public_key, name)
    for name in ("snapshot", "timestamp"):
        root.add_key(_read_key(online[name]), name)
    root.unrecognized_fields["custom"] = {"log": online["log"], "schema": 1}
    return root


def _make_targets(signers: Mapping[str, CryptoSigner], online: Mapping[str, str]) -> Targets:
    keys: dict[str, Key] = {
        name: signer.public_key
        for name, signer in signers.items()
        if name not in {"root", "targets", "tables", "content"}
    }
    patterns = {name: f"{name}/*/*/*" for name in (*keys, "latest")}
    for name in ("tables", "content"):
        keys[name] = signers[name].public_key
        patterns[name] = f"{name}/*/*"
    keys["latest"] = _read_key(online["latest"])
    delegated = {
        name: DelegatedRole(name, [key.keyid], 1, terminating=True, paths=[patterns[name]])
        for name, key in keys.items()
    }
    delegations = Delegations({key.keyid: key for key in keys.values()}, delegated)
    return Targets(delegations=delegations)


def _read_key(public: str) -> SSlibKey:
    """Return an Ed25519 key under the id of FORMATS section 2, rule 2."""
    value = {"keytype": "ed25519", "keyval": {"public": public}, "scheme": "ed25519"}
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    keyid = hashlib.sha256(text.encode()).hexdigest()
    return SSlibKey(keyid, "ed25519", "ed25519", {"public": public})


def _sign(signed: Root | Targets, signer: CryptoSigner) -> bytes:
    metadata: Metadata[Any] = Metadata(signed)
    metadata.sign(signer)
    octets: bytes = metadata.to_bytes(JSONSerializer(compact=True))
    return octets
