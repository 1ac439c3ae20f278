"""The repository of a fleet's own server: generated models, signed by temporary keys.

Metadata follows FORMATS sections 2 and 3, and the submission section 6.
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

from client_sim.fleet.builds import (
    SDK_LEVEL,
    GeneratedBuild,
    GeneratedPackage,
    PackageSigner,
    make_build,
    make_package,
)

BUILDS: Final = 3
"""The number of builds of each model: an old one, the fleet's current one, the one to roll out."""

CHANNEL: Final = "stable"
_REGIONS: Final = ("id", "eu", "in")
_OFFLINE: Final = ("root", "targets", "tables", "content")
_DAY: Final = timedelta(days=1)
_MONTH: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Site:
    """The files of a submission: roles by name and version, packages by sha256.

    `builds` are the builds in the packages, `certificate` is their PEM certificate.
    """

    root: bytes
    roles: Mapping[tuple[str, int], bytes]
    packages: Mapping[str, bytes]
    channels: tuple[str, ...]
    builds: tuple[GeneratedBuild, ...]
    certificate: bytes


def make_site(models: int, package_size: int, public: bytes, now: float) -> Site:
    """Generate and sign a repository of `models` models.

    Packages have about `package_size` bytes. `public` is the server's `keys/public.json`, `now`
    epoch seconds.
    """
    online = json.loads(public)["keys"]
    codenames = tuple(f"model{number:03}" for number in range(models))
    signers = {name: CryptoSigner.generate_ed25519() for name in (*_OFFLINE, *codenames)}
    today = datetime.fromtimestamp(now, UTC)
    packages: dict[str, bytes] = {}
    signer = PackageSigner(now)
    # The last build is a month old, and each earlier build a month older.
    dates = {each: int(now) - (BUILDS + 1 - each) * _MONTH for each in range(1, BUILDS + 1)}
    builds = {
        name: [make_build(name, counter, date, package_size) for counter, date in dates.items()]
        for name in codenames
    }
    roles = {name: _make_role(builds[name], signer, packages) for name in codenames}
    roles |= {"tables": Targets(), "content": Targets(), "targets": _make_targets(signers, online)}
    signed: dict[tuple[str, int], bytes] = {}
    for name, role in roles.items():
        role.expires = (today + 90 * _DAY).replace(microsecond=0)
        signed[name, 1] = _sign(role, signers[name])
    root = _make_root(signers, online)
    root.expires = (today + 365 * _DAY).replace(microsecond=0)
    signed["root", 1] = _sign(root, signers["root"])
    channels = tuple(f"{name}/{region}/{CHANNEL}" for name in codenames for region in _REGIONS)
    all_builds = tuple(build for each in builds.values() for build in each)
    return Site(signed["root", 1], signed, packages, channels, all_builds, signer.certificate)


def submit_site(site: Site, incoming: Path) -> str:
    """Write the site's bundle into `incoming` and return its id."""
    listing = {
        "blobs": [
            {"length": len(data), "sha256": sha256}
            for sha256, data in sorted(site.packages.items())
        ],
        "kind": "submission",
        "roles": [
            {
                "length": len(data),
                "name": name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "version": version,
            }
            for (name, version), data in sorted(site.roles.items())
        ],
        "schema": 1,
    }
    text = json.dumps(listing, separators=(",", ":"), sort_keys=True) + "\n"
    bundle_id = hashlib.sha256(text.encode()).hexdigest()
    place = incoming / f".tmp-{bundle_id}"
    (place / "metadata").mkdir(parents=True)
    (place / "blobs").mkdir()
    (place / "bundle.json").write_text(text, encoding="ascii")
    for (name, version), data in site.roles.items():
        (place / "metadata" / f"{version}.{name}.json").write_bytes(data)
    for sha256, data in site.packages.items():
        (place / "blobs" / sha256).write_bytes(data)
    place.rename(incoming / bundle_id)
    return bundle_id


def _make_role(
    builds: list[GeneratedBuild], signer: PackageSigner, packages: dict[str, bytes]
) -> Targets:
    role = Targets()
    for build in builds:
        package = make_package(build, signer)
        sha256 = hashlib.sha256(package.data).hexdigest()
        packages[sha256] = package.data
        name = f"{build.codename}-{build.facts.counter}-full.zip"
        for region in _REGIONS:
            path = f"{build.codename}/{region}/{CHANNEL}/{name}"
            custom = _describe(build, package)
            role.targets[path] = TargetFile(len(package.data), {"sha256": sha256}, path, custom)
    return role


def _describe(build: GeneratedBuild, package: GeneratedPackage) -> dict[str, Any]:
    facts = build.facts
    return {
        "custom": {
            "changelog": {"en": "Fixes the alarm clock.", "id": "Memperbaiki jam alarm."},
            "counter": facts.counter,
            "fingerprint": facts.fingerprint,
            "incremental": facts.incremental,
            "min_counter": 0,
            "payload_properties": dict(package.payload_properties),
            "post_timestamp": facts.post_timestamp,
            "property_files": package.property_files,
            "schema": 1,
            "sdk_level": SDK_LEVEL,
            "security_patch_level": facts.security_patch_level,
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
    """Return an Ed25519 key with the id of FORMATS section 2, rule 2."""
    value = {"keytype": "ed25519", "keyval": {"public": public}, "scheme": "ed25519"}
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    keyid = hashlib.sha256(text.encode()).hexdigest()
    return SSlibKey(keyid, "ed25519", "ed25519", {"public": public})


def _sign(signed: Root | Targets, signer: CryptoSigner) -> bytes:
    metadata: Metadata[Any] = Metadata(signed)
    metadata.sign(signer)
    data: bytes = metadata.to_bytes(JSONSerializer(compact=True))
    return data
